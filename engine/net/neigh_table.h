// The table behind neigh.h: entries, their index, and the packets that wait. Internal to neigh*.c.
#ifndef ENGINE_NET_NEIGH_TABLE_H
#define ENGINE_NET_NEIGH_TABLE_H

#include <rte_hash.h>

#include "engine/base/wheel.h"
#include "engine/net/neigh.h"

#define NEIGH_NIL UINT32_MAX
#define NEIGH_CACHE 256u // a power of 2

enum neigh_state {
	NEIGH_FREE,
	NEIGH_ASKED, // no MAC address yet; packets wait
	NEIGH_KNOWN, // confirmed within neigh_age_s
	NEIGH_AGED, // asked again, serves meanwhile
	NEIGH_FAILED, // did not answer; forgotten after NEIGH_FAILED_US
	NEIGH_STATIC,
};

struct neigh {
	struct ob_addr addr;
	uint8_t mac[6];
	uint8_t state;
	uint8_t tries; // requests since it was last heard of
	uint32_t first; // of its waiting packets; of a free entry: the next free one
	uint32_t last;
	uint32_t n_wait;
	uint64_t used_us; // when a packet last went there
};

struct neigh_waiting {
	struct rte_mbuf *m; // begins with the IPv4 header
	uint32_t next;
};

struct neigh_table {
	struct rte_hash *hash; // struct ob_addr -> index of entry
	struct neigh *entries;
	uint32_t n;
	uint32_t free;
	uint32_t hand; // where the search for an entry to evict goes on
	uint32_t wait_free;
	uint64_t age_us;
	uint64_t retry_us;
	uint32_t tries;
	struct wheel wheel; // a timer for each entry
	struct {
		uint32_t addr_be;
		uint32_t id; // NEIGH_NIL: none
	} cache[NEIGH_CACHE];
	struct neigh_waiting waits[NEIGH_WAIT_ALL];
};

static inline uint32_t neigh_id(const struct neigh_table *t, const struct neigh *e)
{
	return (uint32_t)(e - t->entries);
}

// Returns NULL when there is no memory.
struct neigh_table *neigh_table_make(const struct config *cfg, uint64_t now_us);
void neigh_table_free(struct neigh_table *t);

// The entry of an address, or NULL.
struct neigh *neigh_find(struct neigh_table *t, uint32_t addr_be);

// A new entry, to be given a state and a timer, or NULL when the table is full.
struct neigh *neigh_add(struct neigh_table *t, uint32_t addr_be);
void neigh_forget(struct neigh_table *t, struct neigh *e);

// Makes room: an entry that nobody uses goes, if one is found soon.
void neigh_evict(struct neigh_table *t, uint64_t now_us);

// A packet waits for an entry. Returns false when too many do.
bool neigh_wait(struct neigh_table *t, struct neigh *e, struct rte_mbuf *m);
// Takes the waiting packets off an entry. Returns their number; `pkts` has room for NEIGH_WAIT.
unsigned neigh_take(struct neigh_table *t, struct neigh *e, struct rte_mbuf **pkts);

#endif
