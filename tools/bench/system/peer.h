// bench-peer: the load over DPDK. Its TCP is the engine's own core objects (engine/net, state, tcp,
// offload) in the order of the engine's loop; in the place of hosts and their rings stands the load
// itself, in the same thread. It is a peer that costs little, not a second engine.
#ifndef TOOLS_BENCH_SYSTEM_PEER_H
#define TOOLS_BENCH_SYSTEM_PEER_H

#include "engine/offload/place.h"
#include "engine/port/port.h"
#include "engine/tcp/tcp.h"
#include "tools/bench/system/load.h"

#define PEER_CONNS 16384u
#define PEER_BURST 256u

// A slot, by the number of the load's connection.
struct peer_conn {
	uint32_t id; // TCP's: half-open or a record; TCP_NONE: none
	uint32_t gen;
	uint64_t wr; // sent
	uint64_t rd; // received and consumed
	bool blocked; // it took less than was to be sent
	bool listed; // it is on the list of news
	uint8_t bits; // TCP_EV_*
};

struct peer {
	struct config cfg;
	struct counters cnt;
	struct state st;
	struct port port;
	struct net net;
	struct net_ops net_ops;
	struct tcp tcp;
	struct tcp_ops tcp_ops;
	struct host_mem *mem; // [limits.hosts], of which the first is the load's
	struct place place;
	uint64_t msgs_off; // in mem[0]
	uint64_t block_off;
	struct peer_conn *conns; // [PEER_CONNS]
	uint32_t *news; // slots that something happened to, [PEER_CONNS]
	uint32_t *news_taken; // the same, being handled
	uint32_t n_news;
	struct ob_addr to;
	uint16_t to_port;
	bool loaded; // load is initialised
	struct load load;
	struct rte_mbuf *rx[PEER_BURST];
	struct rte_mbuf *kept[PEER_BURST];
	struct seg_in segs[PEER_BURST];
};

// After EAL has started and the configuration is read. Returns 0 or a negative errno with a line in
// `err`.
int peer_open(struct peer *p, char *err, size_t err_bytes);
void peer_close(struct peer *p);

// One turn. Returns whether there was something to do.
bool peer_turn(struct peer *p);

// peer_host.c: what the load and TCP tell each other.
int peer_host_open(struct peer *p); // memory and tables; 0 or -ENOMEM
void peer_host_close(struct peer *p);
void peer_news(struct peer *p);
extern const struct load_ops peer_load_ops;
// Ends every connection that is left. Returns whether none is.
bool peer_drop_all(struct peer *p);

#endif
