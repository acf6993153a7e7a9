// Congestion control behind a small table of functions. Finding what is lost, sending it again,
// pacing that out (PRR) and taking a reaction back are the caller's (ack.c, timer.c): a controller
// says by how much cwnd grows, what ssthresh a congestion event means, and forgets one on request.
//
// cwnd and ssthresh are fields of the connection's soft state, in bytes. A controller writes cwnd
// in init, acked and idle, ssthresh in init; after an event the caller sets both.
#ifndef ENGINE_TCP_CC_H
#define ENGINE_TCP_CC_H

#include "engine/tcp/tcp.h"
#include "shared/congestion.h"

#define CC_CWND_MAX (1u << 30)
#define CC_SSTHRESH_INIT UINT32_MAX
#define CC_PRIV_BYTES 88u
// What one ACK may add in slow start, L of RFC 9406 and RFC 3465. What an ACK covers leaves as one burst
// whatever L is; with less than the 64 KiB that a receiver's GRO acknowledges at once, slow start would
// no longer double. As many segments leave in a turn.
#define CC_SS_SEGS 64u

// Congestion window validation (cwv.c). Times are milliseconds, offsets the low half of them.
struct cwv {
	uint32_t max[3]; // samples of pipeACK, by half a sampling period, newest first
	uint32_t bin_ms; // when the first of these began
	uint32_t acked; // in this round
	uint32_t round_end; // it is over when more than this is acknowledged
	uint32_t limited_ms; // since when cwnd is not what limits; 0: it is
	uint32_t nvp_ms; // since when it is not validated
	uint8_t nonvalidated; // the nonvalidated phase (section 4.3)
	uint8_t reduce; // it was, when the recovery under way began
	uint8_t spare[2];
	uint32_t acked_tick; // when new data was acknowledged last, in 2^20 us
};

// What belongs to cwnd and is not in the soft state: two lines beside it, all zero before init(),
// gone with it.
struct cc_priv {
	alignas(64) struct cwv cwv;
	alignas(8) uint8_t bytes[CC_PRIV_BYTES]; // a controller's own
};
static_assert(sizeof(struct cc_priv) == 128, "two lines");

enum cc_event {
	CC_LOSS, // found by duplicate or selective acknowledgements, or repaired by a probe
	CC_TIMEOUT, // the retransmission timer fired; at most once for a window
	CC_ECN, // the peer says that a router marked (RFC 3168); at most once for a window
};

// Whose window it is. Built by the caller for one call.
struct cc {
	struct tcp_soft *s;
	struct cc_priv *priv;
	struct counters *cnt;
	const struct config *cfg;
	uint64_t now_us;
	uint32_t mss; // bytes
};

// What an ACK of new data said. una and nxt are stream offsets, so that a controller can tell
// rounds: one ends when una reaches what nxt was at its beginning.
struct cc_ack {
	uint64_t una; // after it
	uint64_t nxt;
	uint32_t acked; // bytes that it acknowledged for the first time, SACKed ones not again
	uint32_t rtt_us; // measured by it, 0: not
	bool ece; // it bore ECE (RFC 3168)
};

struct cc_ops {
	const char *name;
	uint8_t id; // enum ob_cc
	bool ecn; // asks for ECN on its connections (DCTCP)
	// A connection begins, or begins anew from its hard state: init_segs segments.
	void (*init)(struct cc *c, uint32_t init_segs);
	// New data was acknowledged, outside of recovery, and the window had been in use: only then
	// may it grow (RFC 7661 section 4.3).
	void (*acked)(struct cc *c, const struct cc_ack *a);
	// A congestion event with `flight` bytes outstanding: returns ssthresh, at least 2 MSS.
	uint32_t (*ssthresh)(struct cc *c, uint32_t flight, enum cc_event ev);
	// The last event was none (RFC 4015, RFC 5682, RFC 2883): the caller restores cwnd and
	// ssthresh, the controller what else it had changed. May be NULL.
	void (*undo)(struct cc *c);
	// Nothing was sent for idle_us, longer than an RTO, and the window is to begin anew (RFC 5681
	// section 4.1).
	void (*idle)(struct cc *c, uint32_t init_segs, uint64_t idle_us);
	// For so long until now the application or the peer's window was the limit, not cwnd: for
	// controllers that count time. May be NULL.
	void (*paused)(struct cc *c, uint64_t us);
	// Every ACK of new data, in recovery as well, for controllers that count marks (DCTCP,
	// RFC 8257 section 3.3). May be NULL.
	void (*marked)(struct cc *c, const struct cc_ack *a);
};

// By name or by number, or NULL.
const struct cc_ops *cc_find(const char *name);
const struct cc_ops *cc_by_id(unsigned id);
extern const struct cc_ops cc_newreno;
extern const struct cc_ops cc_cubic;
extern const struct cc_ops cc_dctcp;
extern const struct cc_ops *const cc_all[OB_CC_END]; // by number; NULL: none has it
// A connection's, once cc_begin() has chosen it; before that NewReno.
static inline const struct cc_ops *cc_ops_of(const struct tcp_soft *s)
{
	return s->cc ? cc_all[s->cc] : &cc_newreno;
}

// What controllers have in common.
// The initial window of `segs` segments, and the restart window (RFC 6928 section 2).
uint32_t cc_init_wnd(uint32_t mss, uint32_t segs);
// What an ACK of so many bytes may add in slow start: CC_SS_SEGS segments, after a time-out one.
uint32_t cc_ss_bytes(const struct cc *c, uint32_t acked);
// Slow start up to ssthresh. Returns what the ACK leaves over for congestion avoidance.
uint32_t cc_slow_start(struct cc *c, uint32_t acked);
// cwnd += by, bounded.
void cc_grow(struct tcp_soft *s, uint32_t by);

#endif
