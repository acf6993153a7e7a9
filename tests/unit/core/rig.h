// A whole core on a bench: core_init() and core_turn() as the engine has them, a wire of arrays
// behind struct port_ops, a host that speaks the protocol by hand, and ends of connections whose
// segments a test writes. One thread; time is the TSC, moved on by shifting the clock's zero.
//
// Every turn is watched (order.h): what leaves, to the wire or to the ring, must be committed.
#ifndef TESTS_UNIT_CORE_RIG_H
#define TESTS_UNIT_CORE_RIG_H

#include "engine/core.h"
#include "tests/unit/hostif/peer.h"

#define RIG_SEGS 1024u
#define RIG_PORT 80u
#define RIG_WND 60000u

// A segment as it left, taken out of its packet.
struct rig_seg {
	uint16_t sport, dport;
	uint32_t seq, ack;
	uint8_t flags;
	uint16_t wnd;
	uint32_t len;
	uint8_t data[1500];
};

// The far end of a connection.
struct rig_end {
	uint16_t port;
	uint16_t to; // our port
	uint32_t isn;
	uint32_t iss; // ours, from our SYN
	uint32_t seq; // its next
	uint32_t ack; // what it has of ours in order
	uint16_t wnd;
	// Of the host.
	uint32_t slot, gen;
};

struct rig {
	struct config cfg;
	struct state st;
	struct ob_core *core;
	struct control control;
	char path[CONTROL_PATH];
	struct peer_engine e;
	struct peer host;
	struct rte_mbuf *rx[64]; // packets that wait to be received
	unsigned n_rx;
	struct rig_seg *out; // what left and was not taken
	unsigned out_head, out_tail;
	uint64_t arena; // where the host's own part begins
	void (*turn)(void); // NULL: core_turn()
	bool stopping; // turns come from core_run()
	// What order.c found.
	unsigned wrong;
	unsigned seen_segs, seen_events, seen_bells, seen_tw, seen_half;
	uint32_t ev_seen; // index of the next event to look at
	uint32_t ev_before; // tail at the beginning of the turn
};

// change, if any, changes the configuration before the start. The host is attached.
void rig_open(struct rig *r, void (*change)(struct config *cfg), const struct ob_seg_layout *l);
// Checks that no connection, piece or buffer is left, and that nothing was found wrong.
void rig_close(struct rig *r);
void rig_turn(struct rig *r);
void rig_turns(struct rig *r, unsigned n);
// core_run() with `stop` set: a clean stop, in as many turns as it takes.
void rig_stop(struct rig *r);
// Time passes; then a turn.
void rig_advance(struct rig *r, uint64_t us);

uint8_t rig_pattern(uint64_t off); // the byte at a place of either stream

// A segment from the far end at its seq, which moves on; it waits for the next turn. rig_say() is
// followed by one.
void rig_put(struct rig *r, struct rig_end *e, unsigned flags, uint32_t len);
void rig_say(struct rig *r, struct rig_end *e, unsigned flags, uint32_t len);
// The next segment that left, which must be there and have these flags (PSH aside) and length; the
// far end takes it.
struct rig_seg rig_hear(struct rig *r, struct rig_end *e, unsigned flags, uint32_t len);
bool rig_silent(struct rig *r); // nothing left that was not heard
void rig_forget(struct rig *r); // what left is of no interest

// Requests; a turn follows but for rig_ask().
void rig_ask(struct rig *r, struct ob_req q);
void rig_do(struct rig *r, struct ob_req q);
// A span of the arena that holds the stream from `off`, as a request to send it.
struct ob_req rig_send_req(
	const struct rig *r, const struct rig_end *e, uint64_t off, uint32_t len);
// The host has read the stream up to `off`: its word, and the request that says so.
void rig_consume(struct rig *r, const struct rig_end *e, uint64_t off);
// The next event, which must be there and of this type.
struct ob_event rig_event(struct rig *r, enum ob_ev_type type);

void rig_listen(struct rig *r, uint16_t port);
// A passive or active open, done, with its event taken. port: the far end's.
void rig_accept(struct rig *r, struct rig_end *e, uint16_t port);
void rig_connect(struct rig *r, struct rig_end *e, uint16_t port, uint32_t slot);
void rig_release(struct rig *r, struct rig_end *e);
const struct rec *rig_rec(const struct rig *r, const struct rig_end *e);

#endif
