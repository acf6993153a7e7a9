// Which connections have out-of-order data, by host, and whose is given back when there is too little
// room: RFC 2018 section 8 lets a receiver forget what it has not acknowledged.
//
// Tables (struct tcp_ooo) are shared by all hosts: each has a share, and beyond it takes the place of
// its own longest idle one. Buffers are a host's own: data out of order takes none of the last ones
// (ooo_reserve), and gives back what it has when data in order needs them.
//
// A host's tables are filed by how many buffers come free with each, in doublings, and within that by
// how long nothing has come: so what to give back is found without looking at them all.
#ifndef ENGINE_TCP_OOO_H
#define ENGINE_TCP_OOO_H

#include "engine/tcp/internal.h"

#define OOO_CLASSES 16u // 0: no buffer comes free; then 1, 2 to 3, 4 to 7, ...

struct ooo_node {
	uint64_t at_us; // when something last came for it
	uint32_t conn;
	uint32_t prev, next; // in its host's list of its class, the longest idle first
	uint16_t host;
	uint8_t class;
};

struct ooo_list {
	uint32_t oldest, newest; // tables, or STATE_NIL
};

struct ooo_host {
	uint32_t n; // tables
	struct ooo_list lists[OOO_CLASSES];
};

int ooo_init(struct tcp *t); // 0 or -ENOMEM
void ooo_fini(struct tcp *t);

// The connection's table, made if it has none. NULL: none can be had.
struct tcp_ooo *ooo_get(struct tcp *t, struct tcp_soft *s);
// The table goes back, if there is one; the buffers stay with the connection.
void ooo_put(struct tcp *t, struct tcp_soft *s);
// The same, and all that lies behind rcv_nxt is given back with it.
void ooo_forget(struct tcp *t, struct tcp_soft *s);
// After its data or rcv_consumed has changed. heard: the peer has sent something.
void ooo_file(struct tcp *t, const struct tcp_soft *s, bool heard);
// The same after a segment: a table with nothing in it goes back.
void ooo_settle(struct tcp *t, struct tcp_soft *s);

// Whether there are buffers for [start, end), behind a gap: perhaps those of others that hold as much.
bool ooo_room(struct tcp *t, struct tcp_soft *s, uint64_t start, uint64_t end);
// Others' data out of order makes room for data in order up to `end`. Returns whether any did.
bool ooo_yield(struct tcp *t, struct tcp_soft *s, uint64_t end);
void ooo_refill(struct tcp *t, uint16_t host);

// Buffers that data out of order leaves alone: twice those at which edges stop rising, so that they
// never stop because of it.
static inline uint32_t ooo_spare(const struct host_mem *m)
{
	return 2 * m->low_mark;
}

// Data in order has taken buffers of the host.
static inline void ooo_reserve(struct tcp *t, uint16_t host)
{
	if (unlikely(t->mem[host].n_free < ooo_spare(&t->mem[host])))
		ooo_refill(t, host);
}

#endif
