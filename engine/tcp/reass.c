#include "engine/tcp/reass.h"

#include <string.h>

static void remove_ranges(struct tcp_ooo *o, uint32_t at, uint32_t n)
{
	memmove(&o->r[at], &o->r[at + n], (o->n - at - n) * sizeof(o->r[0]));
	o->n -= n;
}

bool ooo_add(struct tcp_ooo *o, uint64_t start, uint64_t end)
{
	uint32_t i = 0;
	uint32_t j;

	if (start >= end)
		return true;
	while (i < o->n && o->r[i].end < start)
		i++;
	// [i, j): the ranges that overlap or touch the new one
	for (j = i; j < o->n && o->r[j].start <= end; j++) {
		if (o->r[j].start < start)
			start = o->r[j].start;
		if (o->r[j].end > end)
			end = o->r[j].end;
	}
	if (i == j) {
		if (o->n == OOO_RANGES)
			return false;
		memmove(&o->r[i + 1], &o->r[i], (o->n - i) * sizeof(o->r[0]));
		o->n++;
	} else if (j - i > 1) {
		remove_ranges(o, i + 1, j - i - 1);
	}
	o->r[i].start = start;
	o->r[i].end = end;
	o->last = i;
	return true;
}

uint64_t ooo_advance(struct tcp_ooo *o, uint64_t rcv_nxt)
{
	uint32_t n = 0;

	while (n < o->n && o->r[n].start <= rcv_nxt) {
		if (o->r[n].end > rcv_nxt)
			rcv_nxt = o->r[n].end;
		n++;
	}
	if (n == 0)
		return rcv_nxt;
	remove_ranges(o, 0, n);
	if (o->last >= n)
		o->last -= n;
	else
		o->last = o->n > 0 ? o->n - 1 : 0;
	return rcv_nxt;
}

// Only the range touched last is known for certain; data mostly comes in rising order, so that the
// others are the more recent the higher they lie.
uint32_t ooo_sack(const struct tcp_ooo *o, uint32_t seq0, uint64_t first, uint32_t *start,
	uint32_t *end, uint32_t max)
{
	uint32_t n = 0, top[2] = {o->last, o->last};

	if (o->n == 0)
		return 0;
	for (uint32_t i = 0; i < o->n; i++)
		if (o->r[i].start <= first && first < o->r[i].end)
			top[0] = i;
	for (uint32_t k = 0; k < 2 + o->n && n < max; k++) {
		uint32_t i = k < 2 ? top[k] : o->n + 1 - k;

		if ((k == 1 && i == top[0]) || (k >= 2 && (i == top[0] || i == top[1])))
			continue;
		start[n] = seq0 + (uint32_t)o->r[i].start;
		end[n++] = seq0 + (uint32_t)o->r[i].end;
	}
	return n;
}

bool ooo_holds(const struct tcp_ooo *o, uint64_t *start, uint64_t *end)
{
	for (uint32_t i = 0; i < o->n; i++) {
		if (o->r[i].end <= *start || o->r[i].start >= *end)
			continue;
		if (o->r[i].start > *start)
			*start = o->r[i].start;
		if (o->r[i].end < *end)
			*end = o->r[i].end;
		return true;
	}
	return false;
}
