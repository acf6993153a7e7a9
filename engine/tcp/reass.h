// Out-of-order ranges of a connection. The data itself is already placed; what is kept here, softly,
// is which offsets behind rcv_nxt are filled.
#ifndef ENGINE_TCP_REASS_H
#define ENGINE_TCP_REASS_H

#include <stdbool.h>
#include <stdint.h>

#define OOO_RANGES 24u

struct tcp_ooo_range {
	uint64_t start;
	uint64_t end; // one past; start < end
};

// Sorted by start, disjoint and not touching.
struct tcp_ooo {
	uint32_t n;
	uint32_t last; // the range that was touched last, for the first SACK block
	uint64_t fin; // offset of a FIN that came out of order, 0: none
	struct tcp_ooo_range r[OOO_RANGES];
};

// Adds [start, end), merging. Returns false when it needs a range more than there are.
bool ooo_add(struct tcp_ooo *o, uint64_t start, uint64_t end);

// Everything below rcv_nxt is in order: removes ranges that it has reached and returns how far the
// data is now whole (rcv_nxt itself when no range touches it).
uint64_t ooo_advance(struct tcp_ooo *o, uint64_t rcv_nxt);

// SACK blocks for an ACK, the most recent first (RFC 2018 section 4), at most `max`.
// seq0: sequence number of offset 0. first: an offset whose block comes first, if there is one (for
// a D-SACK, RFC 2883 section 4.2), else UINT64_MAX.
uint32_t ooo_sack(const struct tcp_ooo *o, uint32_t seq0, uint64_t first, uint32_t *start,
	uint32_t *end, uint32_t max);
// The part of [start, end) that is held already: from its first byte held, as far as one range goes.
// Returns false when there is none.
bool ooo_holds(const struct tcp_ooo *o, uint64_t *start, uint64_t *end);

#endif
