// Congestion control behind a small table of functions. The caller (ack.c, timer.c) detects loss
// and retransmits; a controller moves cwnd and ssthresh only.
#ifndef ENGINE_TCP_CC_H
#define ENGINE_TCP_CC_H

#include "engine/tcp/tcp.h"

struct cc_ops {
	const char *name;
	void (*init)(struct tcp_soft *s, uint32_t mss, uint32_t init_segs);
	// New data was acknowledged outside of recovery: `acked` bytes.
	void (*ack)(struct tcp_soft *s, uint32_t mss, uint32_t acked);
	// Loss was found by duplicate ACKs with `flight` bytes outstanding: sets ssthresh and cwnd
	// for fast recovery (RFC 5681 section 3.2, steps 2 and 3).
	void (*enter_recovery)(struct tcp_soft *s, uint32_t mss, uint32_t flight);
	// A further duplicate ACK in recovery (step 4). sacked: how much the peer is known to hold
	// behind what it acknowledges, 0 when it does not say.
	void (*dup_ack)(struct tcp_soft *s, uint32_t mss, uint32_t sacked);
	// A partial ACK of `acked` bytes (RFC 6582 section 3.2, step 3).
	void (*partial_ack)(struct tcp_soft *s, uint32_t mss, uint32_t acked);
	// Recovery is over with `flight` bytes outstanding.
	void (*exit_recovery)(struct tcp_soft *s, uint32_t mss, uint32_t flight);
	// The retransmission timer fired (RFC 5681 equation 4; `again`: it had fired before for
	// the same data, ssthresh stays).
	void (*timeout)(struct tcp_soft *s, uint32_t mss, uint32_t flight, bool again);
	// Nothing was sent for longer than an RTO: the restart window (RFC 5681 section 4.1).
	void (*idle)(struct tcp_soft *s, uint32_t mss, uint32_t init_segs);
};

// By name, or NULL.
const struct cc_ops *cc_find(const char *name);
extern const struct cc_ops cc_newreno;

#endif
