// The scoreboard's life: its pool, what leaves, what is acknowledged. What becomes of ranges in
// between is in ranges.c.
#include <errno.h>
#include <stdlib.h>

#include "engine/tcp/internal.h"
#include "engine/tcp/ranges.h"

int flight_init(struct tcp *t)
{
	t->n_ranges = (uint32_t)t->cfg->limits_sack_ranges;
	t->flights
		= aligned_alloc(64, ((size_t)t->n_soft * sizeof(*t->flights) + 63) & ~(size_t)63);
	t->flight_next = malloc((size_t)t->n_soft * sizeof(*t->flight_next));
	t->ranges = malloc(((size_t)t->n_soft + t->n_ranges) * sizeof(*t->ranges));
	t->flight_free = t->range_free = STATE_NIL;
	t->n_flights_used = t->n_ranges_used = 0;
	t->flights_fresh = t->ranges_fresh = 0;
	return t->flights && t->flight_next && t->ranges ? 0 : -ENOMEM;
}

void flight_fini(struct tcp *t)
{
	free(t->flights);
	free(t->flight_next);
	free(t->ranges);
}

// Taken in the order of addresses at first, so that memory never used is never touched; then what
// was given back last goes first.
static uint32_t flight_alloc(struct tcp *t)
{
	uint32_t i = t->flight_free;

	if (i != STATE_NIL)
		t->flight_free = t->flight_next[i];
	else
		i = t->flights_fresh++; // one for each soft state
	t->n_flights_used++;
	return i;
}

// When what is in flight left, from the 32 bits that are kept of it.
static uint64_t sent_at(const struct tcp *t, const struct tcp_soft *s)
{
	return t->now_us - (uint32_t)((uint32_t)t->now_us - s->sent_us);
}

struct tcp_flight *flight_get(struct tcp *t, struct tcp_soft *s)
{
	struct tcp_flight *f = flight_of(t, s);

	if (f)
		return f;
	s->flight = flight_alloc(t);
	f = &t->flights[s->flight];
	memset(f, 0, sizeof(*f));
	f->head = f->tail = f->thead = f->ttail = f->hint = f->lost_hint = STATE_NIL;
	f->rtt_end = s->flags & SOFT_RTT ? s->snd_una : s->snd_nxt;
	f->fack = s->snd_una;
	if (s->snd_nxt > s->snd_una) // into its own range, which is never refused
		range_append(t, f, s->snd_una, s->snd_nxt, sent_at(t, s));
	return f;
}

void flight_drop(struct tcp *t, struct tcp_soft *s)
{
	struct tcp_flight *f = flight_of(t, s);

	if (!f)
		return;
	while (f->head != STATE_NIL)
		range_remove(t, f, f->head);
	t->flight_next[s->flight] = t->flight_free;
	t->flight_free = s->flight;
	t->n_flights_used--;
	s->flight = STATE_NIL;
}

void flight_sent(struct tcp *t, struct tcp_soft *s, uint64_t end, bool again)
{
	uint32_t now = (uint32_t)t->now_us ? (uint32_t)t->now_us : 1;
	struct tcp_flight *f = flight_of(t, s);
	uint64_t start = s->snd_nxt;

	if (!f && !again && (start == s->snd_una || s->sent_us == now)) {
		if (start == s->snd_una)
			s->flags |= SOFT_RTT;
		s->sent_us = now;
		s->snd_nxt = end;
		return;
	}
	f = flight_get(t, s);
	start = s->snd_nxt;
	s->sent_us = now;
	s->snd_nxt = end;
	if (s->flags & SOFT_RECOVERY)
		f->prr_out += (uint32_t)(end - start);
	if (start == end)
		return;
	if (!range_extend(t, f, end, again) && !range_append(t, f, start, end, t->now_us))
		range_coarsen_tail(t, f, end);
	else if (again)
		t->ranges[f->tail].n_tx = 2;
}

void flight_resent(struct tcp *t, struct tcp_soft *s, uint64_t start, uint64_t end)
{
	struct tcp_flight *f = flight_get(t, s);
	s->sent_us = (uint32_t)t->now_us ? (uint32_t)t->now_us : 1;
	if (s->flags & SOFT_RECOVERY)
		f->prr_out += (uint32_t)(end - start);
	f->undo_rtx += (uint32_t)(end - start);
	while (start < end && f->head != STATE_NIL) { // a probe can reach over several
		uint32_t i = flight_find(t, f, start);
		uint64_t to = t->ranges[i].end < end ? t->ranges[i].end : end;

		range_resend(t, s, f, i, start, to);
		start = to;
	}
	if (!f->ts_known) {
		f->ts_known = 1;
		f->rtx_ts = ts_clock(t) + s->ts_off;
	}
}

// One range, or what is below una of it, is acknowledged.
static void take(
	struct tcp_flight *f, const struct tcp_range *r, uint64_t end, struct flight_news *n)
{
	uint32_t len = (uint32_t)(end - r->start);

	if (r->n_tx > 1)
		n->rtx_acked = true;
	if (r->state == RANGE_SACKED) {
		f->sacked -= len;
		return;
	}
	if (r->state == RANGE_LOST)
		f->lost -= len;
	n->acked += len;
	news_add(f, n, r, end, len);
}

void flight_acked(struct tcp *t, struct tcp_soft *s, uint64_t una, struct flight_news *n)
{
	struct tcp_flight *f = flight_of(t, s);

	if (!f) {
		uint32_t len = (uint32_t)((una < s->snd_nxt ? una : s->snd_nxt) - s->snd_una);

		n->any = n->orig = len > 0;
		n->delivered += len;
		n->acked += len;
		n->newest_us = sent_at(t, s);
		n->newest_end = una;
		return;
	}
	while (f->head != STATE_NIL) {
		struct tcp_range *r = &t->ranges[f->head];

		if (r->start >= una)
			break;
		take(f, r, r->end < una ? r->end : una, n);
		if (r->end > una) {
			r->start = una;
			break;
		}
		range_remove(t, f, f->head);
	}
	if (f->fack < una)
		f->fack = una;
}
