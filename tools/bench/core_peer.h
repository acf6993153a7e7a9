// The synthetic peer: the other end of every flow, as a TCP that loses nothing and needs nothing.
//
// It runs on the engine's CPU between two turns, outside of what is measured. Checksums are right
// and what the engine sends is verified, timestamps are those that were negotiated, windows are
// obeyed, data is acknowledged every second segment or after `delack_us`, and what comes back is
// compared with what was sent.
#ifndef TOOLS_BENCH_CORE_PEER_H
#define TOOLS_BENCH_CORE_PEER_H

#include "tools/bench/core_wire.h"

#define PEER_SMALL 64u // bytes of a request and of its reply
#define PEER_SEG 1448u // bytes of a full segment with timestamps
#define PEER_SERVICE 7u // the engine's port

enum peer_load {
	LOAD_ECHO, // 64 bytes there and back
	LOAD_RX, // full segments to the engine
	LOAD_TX, // full segments from it
	LOAD_SHORT, // connection, request, reply, close; the peer closes first
};

enum peer_state { FLOW_CLOSED, FLOW_SYN, FLOW_OPEN, FLOW_FIN };

struct peer_flow {
	uint32_t tuple; // which address and port
	uint32_t snd_nxt;
	uint32_t rcv_nxt;
	uint32_t acked; // the last ACK that was sent
	uint32_t edge; // of the engine's window
	uint32_t ts_recent;
	uint8_t state;
	uint8_t owed; // segments not acknowledged
	bool busy; // a request is under way
	bool queued; // in the queue of delayed ACKs
};

struct peer_errors {
	uint64_t csum, data, gap, stray, reset, closed, no_mbuf;
};

struct peer_late {
	uint32_t flow;
	uint64_t due_tsc; // by run_tsc
};

struct peer {
	enum peer_load load;
	uint32_t n; // flows
	uint32_t depth; // requests or connections under way at the most
	uint32_t train; // LOAD_RX: segments of one flow behind each other
	uint32_t burst; // packets that wait for the engine, at the most
	uint16_t wnd; // that it advertises, scaled
	uint64_t delack_tsc;
	uint64_t tsc_per_ms;
	bool offload; // checksums are the port's
	bool go; // make load
	bool hold; // not now: the host lags behind
	uint8_t mac[6], engine_mac[6];
	uint32_t engine_be;
	struct wire *w;
	struct rte_mempool *pool;
	struct peer_flow *flows;
	uint8_t shift; // the engine's window scale
	bool ts; // timestamps were negotiated
	uint64_t now_tsc;
	uint64_t run_tsc; // the clock of delayed ACKs: it stands still while the process does
	uint64_t random;
	// What has happened.
	uint32_t open; // established flows
	uint32_t opening;
	uint32_t under_way;
	uint32_t next_open; // the first flow that was not opened yet
	uint64_t ops; // LOAD_ECHO, LOAD_SHORT: done; LOAD_TX: bytes
	uint64_t acks; // that carried nothing
	uint64_t again; // segments that came again
	uint32_t twice_seq, twice_len; // one of them, while its ACK is made
	struct peer_errors errors;
	// Delayed ACKs, in order of time.
	struct peer_late *late;
	uint32_t late_head, late_tail, late_mask;
};

// n flows, all closed. Returns 0 or -ENOMEM.
int peer_init(struct peer *p, enum peer_load load, uint32_t n, uint64_t tsc_hz);
void peer_fini(struct peer *p);

// Takes what the engine sent, answers, and makes the load that there is room for.
void peer_step(struct peer *p);

// Opens more flows, at most `most` under way. Returns whether all are open.
bool peer_open(struct peer *p, uint32_t most);

#endif
