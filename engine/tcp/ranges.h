// Ranges of the scoreboard: what flight.c and ranges.c share.
#ifndef ENGINE_TCP_RANGES_H
#define ENGINE_TCP_RANGES_H

#include "engine/tcp/flight.h"

// A new last range. Returns false when none is left, or the connection has its share; never for the
// first of a flight, which has one of its own.
bool range_append(struct tcp *t, struct tcp_flight *f, uint64_t start, uint64_t end, uint64_t us);
// The last range goes on to `end`, if it left in this turn and as often. Returns whether it does.
bool range_extend(struct tcp *t, struct tcp_flight *f, uint64_t end, bool again);
// Without a range to be had: the last one (there is one) goes on to `end` whatever it was. It is
// outstanding then, sent now: nothing that the peer does not hold is taken for held, or for lost too
// early.
void range_coarsen_tail(struct tcp *t, struct tcp_flight *f, uint64_t end);
void range_remove(struct tcp *t, struct tcp_flight *f, uint32_t i);
// [start, end) of range i, from its start or up to its end, is sent now and outstanding.
// Without a range to be had, snd_nxt may come back to `end`.
void range_resend(struct tcp *t, struct tcp_soft *s, struct tcp_flight *f, uint32_t i,
	uint64_t start, uint64_t end);

// `len` bytes of r up to `end` were acknowledged or SACKed for the first time.
static inline void news_add(struct tcp_flight *f, struct flight_news *n, const struct tcp_range *r,
	uint64_t end, uint32_t len)
{
	n->delivered += len;
	if (!n->any || r->sent_us > n->newest_us
		|| (r->sent_us == n->newest_us && end > n->newest_end)) {
		n->newest_us = r->sent_us;
		n->newest_end = end;
		n->newest_rtx = r->n_tx > 1;
	}
	n->any = true;
	if (r->n_tx == 1) {
		n->orig = true;
		if (end < f->fack)
			n->reordered = true;
	}
}

#endif
