// Ranges: lists by offset and by time, splitting at the edges of what is heard, merging what is the
// same. Each step leaves them in order, without gaps, the sums of `sacked` and `lost` right.
#include "engine/tcp/ranges.h"
#include "engine/tcp/internal.h"

// The flight's own range, one from the pool, or STATE_NIL (counted).
static uint32_t range_alloc(struct tcp *t, struct tcp_flight *f)
{
	uint32_t i = t->range_free;

	if (!f->own_used) {
		f->own_used = 1;
		f->n++;
		return (uint32_t)(f - t->flights);
	}
	// No more than is left for others: some that want many leave as much for the next one.
	if (f->n >= RANGES_PER_CONN || f->n > RANGES_SURE + (t->n_ranges - t->n_ranges_used)
		|| (i == STATE_NIL && t->ranges_fresh == t->n_ranges)) {
		COUNT(t->cnt, tcp_scoreboard_full);
		return STATE_NIL;
	}
	if (i != STATE_NIL)
		t->range_free = t->ranges[i].next;
	else
		i = t->n_soft + t->ranges_fresh++;
	t->n_ranges_used++;
	f->n++;
	return i;
}

static void range_free(struct tcp *t, struct tcp_flight *f, uint32_t i)
{
	f->n--;
	if (i < t->n_soft) {
		f->own_used = 0;
		return;
	}
	t->ranges[i].next = t->range_free;
	t->range_free = i;
	t->n_ranges_used--;
}

static void time_unlink(struct tcp *t, struct tcp_flight *f, uint32_t i)
{
	struct tcp_range *r = &t->ranges[i];

	*(r->tprev == STATE_NIL ? &f->thead : &t->ranges[r->tprev].tnext) = r->tnext;
	*(r->tnext == STATE_NIL ? &f->ttail : &t->ranges[r->tnext].tprev) = r->tprev;
}

// Behind `after`, or first.
static void time_link(struct tcp *t, struct tcp_flight *f, uint32_t i, uint32_t after)
{
	struct tcp_range *r = &t->ranges[i];

	r->tprev = after;
	r->tnext = after == STATE_NIL ? f->thead : t->ranges[after].tnext;
	*(r->tprev == STATE_NIL ? &f->thead : &t->ranges[r->tprev].tnext) = i;
	*(r->tnext == STATE_NIL ? &f->ttail : &t->ranges[r->tnext].tprev) = i;
}

// A copy of range `of` for [start, end) behind range `after`; of the same state and time.
static uint32_t range_insert(struct tcp *t, struct tcp_flight *f, uint32_t of, uint32_t after,
	uint64_t start, uint64_t end)
{
	uint32_t i = range_alloc(t, f);
	struct tcp_range *r;

	if (i == STATE_NIL)
		return i;
	r = &t->ranges[i];
	*r = t->ranges[of];
	r->start = start;
	r->end = end;
	r->prev = after;
	r->next = after == STATE_NIL ? f->head : t->ranges[after].next;
	*(r->prev == STATE_NIL ? &f->head : &t->ranges[r->prev].next) = i;
	*(r->next == STATE_NIL ? &f->tail : &t->ranges[r->next].prev) = i;
	if (r->state == RANGE_OUT)
		time_link(t, f, i, of);
	return i;
}

void range_remove(struct tcp *t, struct tcp_flight *f, uint32_t i)
{
	struct tcp_range *r = &t->ranges[i];

	if (r->state == RANGE_OUT)
		time_unlink(t, f, i);
	*(r->prev == STATE_NIL ? &f->head : &t->ranges[r->prev].next) = r->next;
	*(r->next == STATE_NIL ? &f->tail : &t->ranges[r->next].prev) = r->prev;
	if (f->hint == i)
		f->hint = r->next != STATE_NIL ? r->next : r->prev;
	if (f->lost_hint == i)
		f->lost_hint = r->next;
	range_free(t, f, i);
}

bool range_append(struct tcp *t, struct tcp_flight *f, uint64_t start, uint64_t end, uint64_t us)
{
	uint32_t i = range_alloc(t, f);
	struct tcp_range *r;

	if (i == STATE_NIL)
		return false;
	r = &t->ranges[i];
	*r = (struct tcp_range){.start = start, .end = end, .sent_us = us, .n_tx = 1};
	r->next = STATE_NIL;
	r->prev = f->tail;
	*(f->tail == STATE_NIL ? &f->head : &t->ranges[f->tail].next) = i;
	f->tail = i;
	time_link(t, f, i, f->ttail);
	return true;
}

bool range_extend(struct tcp *t, struct tcp_flight *f, uint64_t end, bool again)
{
	struct tcp_range *r = &t->ranges[f->tail];

	if (f->tail == STATE_NIL || r->state != RANGE_OUT || r->sent_us != t->now_us
		|| (r->n_tx > 1) != again)
		return false;
	r->end = end;
	return true;
}

// Takes a range out of the state that it is in; it belongs to none until it is put into one.
static void state_leave(struct tcp *t, struct tcp_flight *f, uint32_t i)
{
	struct tcp_range *r = &t->ranges[i];
	uint32_t len = (uint32_t)(r->end - r->start);

	if (r->state == RANGE_OUT)
		time_unlink(t, f, i);
	else if (r->state == RANGE_LOST)
		f->lost -= len;
	else
		f->sacked -= len;
}

static void make_out(struct tcp *t, struct tcp_flight *f, uint32_t i, uint64_t us)
{
	state_leave(t, f, i);
	t->ranges[i].state = RANGE_OUT;
	t->ranges[i].sent_us = us;
	time_link(t, f, i, f->ttail);
}

void range_coarsen_tail(struct tcp *t, struct tcp_flight *f, uint64_t end)
{
	struct tcp_range *r = &t->ranges[f->tail];

	if (r->state == RANGE_SACKED)
		memset(f->seen, 0, sizeof(f->seen));
	make_out(t, f, f->tail, t->now_us);
	r->end = end;
	r->n_tx = 2; // no time can be taken from it
}

uint32_t flight_find(const struct tcp *t, struct tcp_flight *f, uint64_t off)
{
	uint32_t i = f->hint == STATE_NIL ? f->head : f->hint;

	while (t->ranges[i].end <= off && t->ranges[i].next != STATE_NIL)
		i = t->ranges[i].next;
	while (t->ranges[i].start > off && t->ranges[i].prev != STATE_NIL)
		i = t->ranges[i].prev;
	f->hint = i;
	return i;
}

// Merges range i with the one behind it when both are in `state`, which is not RANGE_OUT.
static void merge_next(struct tcp *t, struct tcp_flight *f, uint32_t i, uint8_t state)
{
	struct tcp_range *r, *n;

	if (i == STATE_NIL || t->ranges[i].next == STATE_NIL)
		return;
	r = &t->ranges[i];
	n = &t->ranges[r->next];
	if (r->state != state || n->state != state)
		return;
	r->end = n->end;
	if (n->sent_us > r->sent_us)
		r->sent_us = n->sent_us;
	if (n->n_tx > r->n_tx)
		r->n_tx = n->n_tx;
	if (f->hint == r->next)
		f->hint = i;
	if (f->lost_hint == r->next)
		f->lost_hint = i;
	range_remove(t, f, r->next);
}

static void merge_around(struct tcp *t, struct tcp_flight *f, uint32_t i)
{
	uint32_t prev = t->ranges[i].prev;
	uint8_t state = t->ranges[i].state;

	merge_next(t, f, i, state);
	merge_next(t, f, prev, state);
}

// Cuts range *i, which holds `start`, so that one begins at `start` and ends at `end` at the latest:
// that is *i then. Returns false when ranges ran out: *i is more than was asked for.
static bool range_cut(
	struct tcp *t, struct tcp_flight *f, uint32_t *i, uint64_t start, uint64_t end)
{
	if (t->ranges[*i].start < start) {
		uint32_t part = range_insert(t, f, *i, *i, start, t->ranges[*i].end);

		if (part == STATE_NIL)
			return false;
		t->ranges[*i].end = start;
		*i = part;
	}
	if (t->ranges[*i].end > end) {
		if (range_insert(t, f, *i, *i, end, t->ranges[*i].end) == STATE_NIL)
			return false;
		t->ranges[*i].end = end;
	}
	return true;
}

// range_cut() of what leaves again, at the price of what is known of the rest. Of a lost range at the
// start of which it lies: what the peer holds behind it is forgotten, which frees a range; and where
// nothing lies behind it, the rest counts as never sent (go-back-N). Else all of it counts as sent
// now: RACK or the timer finds the rest.
static void resend_cut(struct tcp *t, struct tcp_soft *s, struct tcp_flight *f, uint32_t *i,
	uint64_t start, uint64_t end)
{
	struct tcp_range *r = &t->ranges[*i];
	uint32_t next;

	if (range_cut(t, f, i, start, end) || r->start != start || r->state != RANGE_LOST)
		return;
	memset(f->seen, 0, sizeof(f->seen)); // what a block says is news again
	next = r->next;
	if (next == STATE_NIL) {
		f->lost -= (uint32_t)(r->end - end);
		r->end = end;
		s->snd_nxt = end;
		s->snd_cur = STATE_NIL;
	} else if (t->ranges[next].state == RANGE_SACKED) {
		state_leave(t, f, next);
		f->lost += (uint32_t)(t->ranges[next].end - t->ranges[next].start);
		r->end = t->ranges[next].end;
		range_remove(t, f, next);
		range_cut(t, f, i, start, end);
	}
}

void range_resend(struct tcp *t, struct tcp_soft *s, struct tcp_flight *f, uint32_t i,
	uint64_t start, uint64_t end)
{
	struct tcp_range *r = &t->ranges[i];

	// The segment before left in this turn as well: one more of the same.
	if (r->start == start && end < r->end && r->prev != STATE_NIL && r->state == RANGE_LOST) {
		struct tcp_range *p = &t->ranges[r->prev];

		if (p->state == RANGE_OUT && p->sent_us == t->now_us && p->n_tx > 1) {
			f->lost -= (uint32_t)(end - start);
			p->end = r->start = end;
			return;
		}
	}
	resend_cut(t, s, f, &i, start, end);
	r = &t->ranges[i];
	make_out(t, f, i, t->now_us);
	if (r->n_tx < UINT8_MAX)
		r->n_tx++;
	if (r->n_tx < 2)
		r->n_tx = 2;
}

// [start, end) of range i, which is not SACKed, from its start on. Returns whether it is remembered: if not
// it is sent again at the worst.
static bool sack_part(struct tcp *t, struct tcp_flight *f, uint32_t i, uint64_t start, uint64_t end,
	struct flight_news *n)
{
	struct tcp_range *r = &t->ranges[i], *p;
	uint32_t len = (uint32_t)(end - start);
	struct tcp_range was = *r;

	// What the peer holds mostly grows at its end.
	p = r->prev == STATE_NIL ? NULL : &t->ranges[r->prev];
	if (start == r->start && end < r->end && p && p->state == RANGE_SACKED) {
		if (r->state == RANGE_LOST)
			f->lost -= len;
		f->sacked += len;
		p->end = r->start = end;
		if (r->n_tx > p->n_tx)
			p->n_tx = r->n_tx;
		f->hint = r->prev;
	} else {
		if (!range_cut(t, f, &i, start, end))
			return false;
		state_leave(t, f, i);
		t->ranges[i].state = RANGE_SACKED;
		f->sacked += len;
		f->hint = i;
		merge_around(t, f, i);
	}
	news_add(f, n, &was, end, len);
	if (end > n->sacked_end)
		n->sacked_end = end;
	return true;
}

bool flight_sacked(
	struct tcp *t, struct tcp_soft *s, uint64_t start, uint64_t end, struct flight_news *n)
{
	struct tcp_flight *f = flight_get(t, s);
	bool all = true;

	while (start < end && f->head != STATE_NIL) {
		uint32_t i = flight_find(t, f, start);
		const struct tcp_range *r = &t->ranges[i];
		uint64_t to = r->end < end ? r->end : end;

		if (r->state != RANGE_SACKED && !sack_part(t, f, i, start, to, n))
			all = false;
		start = to;
	}
	return all;
}

void flight_mark_lost(struct tcp *t, struct tcp_flight *f, uint32_t i)
{
	struct tcp_range *r = &t->ranges[i];

	state_leave(t, f, i);
	r->state = RANGE_LOST;
	f->lost += (uint32_t)(r->end - r->start);
	if (f->lost_hint == STATE_NIL || r->start < t->ranges[f->lost_hint].start)
		f->lost_hint = i;
	merge_around(t, f, i);
}

uint32_t flight_lose(struct tcp *t, struct tcp_soft *s, uint64_t start, uint64_t end)
{
	struct tcp_flight *f = flight_get(t, s);
	uint32_t was = f->lost;

	while (start < end && f->head != STATE_NIL) {
		uint32_t i = flight_find(t, f, start);
		uint64_t to = t->ranges[i].end < end ? t->ranges[i].end : end;

		if (t->ranges[i].state == RANGE_OUT) {
			range_cut(t, f, &i, start, to);
			flight_mark_lost(t, f, i);
		}
		start = to;
	}
	return f->lost - was;
}

void flight_renege(struct tcp *t, struct tcp_flight *f)
{
	for (uint32_t i = f->head; i != STATE_NIL; i = t->ranges[i].next)
		if (t->ranges[i].state == RANGE_SACKED)
			t->ranges[i].state = RANGE_LOST;
	f->lost += f->sacked;
	f->sacked = 0;
	f->lost_hint = f->head;
	memset(f->seen, 0, sizeof(f->seen));
}

void flight_unlose(struct tcp *t, struct tcp_flight *f)
{
	uint32_t after = STATE_NIL;

	for (uint32_t i = f->head; i != STATE_NIL; i = t->ranges[i].next) {
		uint64_t us = t->ranges[i].sent_us;

		if (t->ranges[i].state != RANGE_LOST)
			continue;
		state_leave(t, f, i);
		t->ranges[i].state = RANGE_OUT;
		// What lies behind was mostly sent later: the search goes on where it ended.
		if (after != STATE_NIL && t->ranges[after].sent_us > us)
			after = STATE_NIL;
		for (uint32_t k = after == STATE_NIL ? f->thead : t->ranges[after].tnext;
			k != STATE_NIL && t->ranges[k].sent_us <= us; k = t->ranges[k].tnext)
			after = k;
		time_link(t, f, i, after);
		after = i;
	}
	f->lost_hint = STATE_NIL;
}

uint32_t flight_first_lost(const struct tcp *t, struct tcp_flight *f)
{
	uint32_t i = f->lost_hint;

	if (f->lost == 0)
		i = STATE_NIL;
	while (i != STATE_NIL && t->ranges[i].state != RANGE_LOST)
		i = t->ranges[i].next;
	return f->lost_hint = i;
}
