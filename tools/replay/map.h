// Rewriting: from a captured segment's offsets and options to the live connection's numbers.
#ifndef TOOLS_REPLAY_MAP_H
#define TOOLS_REPLAY_MAP_H

#include "tools/replay/plan.h"

// The live connection as the replayed peer sees it.
struct live_map {
	uint32_t isn, irs; // our SYN's and the engine's sequence number
	uint32_t ts_base; // our timestamp for the captured side's first
	uint32_t ts_first; // that one
	uint32_t ts_recent; // the engine's latest
	bool ts_ok, wscale_ok, sack_ok; // agreed on; in our SYN: may be offered
	uint8_t shift; // captured: of the replayed side's window
	uint8_t live_shift; // what the engine will apply to it
	int64_t received; // the engine's stream has come up to here, without a gap
	int64_t received_max; // and somewhere up to here
	int64_t floor; // acknowledged by a fallback already; NO_OFFSET: nothing
	int64_t edge; // the right edge of our window so far
};

// A segment ready to be built.
struct out_seg {
	uint32_t seq, ack;
	uint16_t win, urg;
	uint8_t flags, tos, n_opts;
	uint8_t opts[TCP_OPTIONS_MAX];
	bool bad_sum;
	bool after_end; // a reset of what is over
	int64_t ack_off; // what it acknowledges, or NO_OFFSET
	int64_t edge; // of the window it offers
	uint32_t ts_val; // 0: no timestamp
	bool clipped; // it says less than the captured one
};

// The captured segment on the live connection: numbers, window and options. The payload is the
// caller's business.
void map_segment(const struct live_map *m, const struct seg *g, struct out_seg *o);

// An acknowledgement of everything that has come, as a peer of its own mind would send it: seq is
// an offset; ts_val the latest timestamp sent.
void map_own_ack(const struct live_map *m, int64_t seq, uint32_t ts_val, struct out_seg *o);

#endif
