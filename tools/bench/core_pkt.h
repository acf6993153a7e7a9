// Packets of the synthetic peer.
#ifndef TOOLS_BENCH_CORE_PKT_H
#define TOOLS_BENCH_CORE_PKT_H

#include "tools/bench/core_peer.h"

#define PEER_SHIFT 4u // its window scale

// What the peer reads in a segment of the engine.
struct peer_seg {
	uint32_t tuple;
	uint32_t seq, ack;
	uint32_t wnd; // as on the wire
	uint8_t flags; // TCP_*
	bool has_ts;
	uint32_t ts_val;
	uint8_t shift; // of a SYN
	uint16_t len;
	uint64_t stamp; // the first 8 bytes of the data, 0 when there are fewer
};

// Puts a segment on the wire to the engine. stamp: the first 8 bytes of its data.
void pkt_send(struct peer *p, const struct peer_flow *f, uint8_t flags, uint32_t seq, uint16_t len,
	uint64_t stamp);

// Reads one from the engine and verifies its sums, unless the port was to compute them. Returns
// whether it is a segment for the peer; what is wrong is counted.
bool pkt_read(struct peer *p, struct rte_mbuf *m, struct peer_seg *s);

#endif
