// What is in flight: the scoreboard of a connection (docs/loss-recovery.md).
//
// [snd_una, snd_nxt) is cut into ranges, in order and without gaps. A range is what was sent in one
// turn, or what became of a part of it: outstanding, lost, or held by the peer (SACKed). Ranges of
// all connections come from one pool, but for the first of each connection, which is its own: whatever
// others use, what is in flight is known. Nothing is allocated past tcp_init().
//
// Most connections have no ranges most of the time. With tcp_soft.flight == STATE_NIL everything in
// flight left in one turn, at tcp_soft.sent_us, for the first time, and nothing is known about it:
// so a small request or response costs neither a range nor a struct tcp_flight.
#ifndef ENGINE_TCP_FLIGHT_H
#define ENGINE_TCP_FLIGHT_H

#include "engine/tcp/tcp.h"

enum range_state {
	RANGE_OUT, // sent, and nothing heard of it
	RANGE_LOST, // taken for lost and not sent again since
	RANGE_SACKED, // the peer holds it, but may still forget it (RFC 2018 section 8)
};

#define RANGES_PER_CONN 2048u
#define RANGES_SURE 8u // each may have as long as there are any

struct tcp_range {
	uint64_t start; // stream offsets; a FIN takes one
	uint64_t end;
	uint64_t sent_us; // when it left, the last time
	uint32_t next; // by offset; also links the pool
	uint32_t prev;
	uint32_t tnext; // outstanding ones by sent_us, oldest first
	uint32_t tprev;
	uint8_t state;
	uint8_t n_tx; // how often it was sent; stays at 255
};

// Exists from the second turn of sending on, or from the first sign of loss, until all is
// acknowledged. Everything in it is soft.
struct tcp_flight {
	// The scoreboard
	uint32_t head, tail; // by offset
	uint32_t thead, ttail; // outstanding ones by time
	uint32_t n;
	uint32_t own_used; // 1: range number (index of this struct) is in use
	uint32_t hint; // where the last look-up ended
	uint32_t lost_hint; // no lost range lies before it; STATE_NIL: there is none
	uint32_t sacked; // bytes
	uint32_t lost;
	uint32_t dup_bytes; // without SACK: what duplicate ACKs say has left the network
	uint32_t seen[8]; // the SACK blocks of the last ACK
	// Loss recovery (recovery.c)
	uint64_t recover; // ends when it is acknowledged
	uint64_t rtt_end; // the next measurement is taken behind it
	uint16_t dupacks;
	uint8_t frto; // step of RFC 5682 section 3.1: 0 (not), 2 or 3
	uint8_t frto_new; // segments of new data that step 2b may still send
	uint8_t undo; // the last reduction can be taken back
	uint8_t ts_known; // rtx_ts is
	uint8_t marked; // with SOFT_RECOVERY: for a mark, nothing is lost (RFC 3168)
	// RACK (rack.c), names as in RFC 8985 section 5.3
	uint8_t rack_valid;
	uint8_t dsack_wait; // dsack_round is
	uint32_t rack_rtt_us;
	uint64_t rack_xmit_us;
	uint64_t rack_end;
	uint64_t fack;
	uint64_t dsack_round;
	uint64_t tlp_end; // with SOFT_TLP
	uint64_t frto_end; // what was sent before step 2b
	// PRR (RFC 9937)
	uint32_t recover_fs;
	uint32_t prr_delivered;
	uint32_t prr_out;
	// Undo
	uint32_t prior_cwnd;
	uint32_t prior_ssthresh;
	uint32_t rtx_ts; // our timestamp on the first retransmission
	uint32_t undo_rtx; // bytes sent again and not reported as duplicates
	uint64_t undo_una; // snd_una when it began
};

// What one ACK brought.
struct flight_news {
	uint64_t newest_us; // of what left last among what it acknowledged or SACKed
	uint64_t newest_end;
	uint64_t sacked_end; // highest offset newly SACKed
	uint32_t delivered; // bytes acknowledged or SACKed for the first time
	uint32_t acked; // of them, acknowledged
	bool any;
	bool newest_rtx;
	bool orig; // some of it had been sent but once
	bool rtx_acked; // some of what snd_una passed had been sent again
	bool reordered; // something sent once, below what had been delivered before
};

static inline struct tcp_flight *flight_of(const struct tcp *t, const struct tcp_soft *s)
{
	return s->flight == STATE_NIL ? NULL : &t->flights[s->flight];
}

// Bytes that are in the network, as far as is known (RFC 6675 section 4, pipe).
static inline uint32_t flight_pipe(const struct tcp *t, const struct tcp_soft *s)
{
	const struct tcp_flight *f = flight_of(t, s);
	uint32_t all = (uint32_t)(s->snd_nxt - s->snd_una), gone;

	if (!f)
		return all;
	gone = f->sacked + f->lost + f->dup_bytes;
	return all > gone ? all - gone : 0;
}

// Memory for n_soft connections and cfg->limits.sack_ranges ranges. 0 or -ENOMEM.
int flight_init(struct tcp *t);
void flight_fini(struct tcp *t);

// The struct of a connection; what is in flight becomes its first range. There is always one.
struct tcp_flight *flight_get(struct tcp *t, struct tcp_soft *s);
// Forgets all of it: the connection's ranges go back.
void flight_drop(struct tcp *t, struct tcp_soft *s);

// [snd_nxt, end) left now: snd_nxt moves. again: some of it had left before.
void flight_sent(struct tcp *t, struct tcp_soft *s, uint64_t end, bool again);
// [start, end) left again now.
void flight_resent(struct tcp *t, struct tcp_soft *s, uint64_t start, uint64_t end);
// snd_una has moved to una: takes what lies below it off, adds to *n.
void flight_acked(struct tcp *t, struct tcp_soft *s, uint64_t una, struct flight_news *n);
// The peer holds [start, end), inside [snd_una, snd_nxt): adds to *n what is new of it. Returns whether all
// of it is remembered, which takes ranges.
bool flight_sacked(
	struct tcp *t, struct tcp_soft *s, uint64_t start, uint64_t end, struct flight_news *n);

// Takes an outstanding range for lost. Its neighbours merge with it: other indices may end.
void flight_mark_lost(struct tcp *t, struct tcp_flight *f, uint32_t i);
// The outstanding parts of [start, end) are lost. Returns how many bytes were not before.
uint32_t flight_lose(struct tcp *t, struct tcp_soft *s, uint64_t start, uint64_t end);
// The peer has forgotten what it held (RFC 2018 section 8): SACKed ranges are lost.
void flight_renege(struct tcp *t, struct tcp_flight *f);
// Nothing is lost: what was marked is outstanding, since it was sent last.
void flight_unlose(struct tcp *t, struct tcp_flight *f);
// The first lost range, or STATE_NIL.
uint32_t flight_first_lost(const struct tcp *t, struct tcp_flight *f);
// The range that holds `off`, inside [snd_una, snd_nxt).
uint32_t flight_find(const struct tcp *t, struct tcp_flight *f, uint64_t off);

#endif
