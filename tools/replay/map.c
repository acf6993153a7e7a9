#include "tools/replay/map.h"

#include <string.h>

enum {
	OPT_END = 0,
	OPT_NOP = 1,
	OPT_WSCALE = 3,
	OPT_SACK_OK = 4,
	OPT_SACK = 5,
	OPT_TS = 8,
};

static uint32_t number(uint32_t isn, int64_t off)
{
	return isn + 1 + (uint32_t)off;
}

// The window field for a right edge, as far as the field reaches. Rounded up, as kernels do: the partner
// may have been told of this edge already, and an offered window is not to shrink (RFC 7323 section 2.4).
static uint16_t window(int64_t ack, int64_t edge, unsigned shift)
{
	int64_t unit = (int64_t)1 << shift, win = edge > ack ? (edge - ack + unit - 1) >> shift : 0;

	return (uint16_t)(win > UINT16_MAX ? UINT16_MAX : win);
}

static void map_timestamp(
	const struct live_map *m, uint8_t *o, const struct seg *g, struct out_seg *out)
{
	uint32_t val = m->ts_base + (get32(o) - m->ts_first);

	put32(o, val);
	// A SYN without an ACK echoes nothing.
	put32(o + 4, g->flags & TCP_ACK ? m->ts_recent : 0);
	out->ts_val = val;
}

// Blocks in the engine's numbers. What the engine has not sent is taken off, and NOPs stand for blocks
// of which nothing is left; returns false when that is all of them.
static bool map_sack(const struct live_map *m, uint8_t *o, unsigned bytes, const struct seg *g,
	struct out_seg *out)
{
	unsigned kept = 0;

	for (unsigned i = 0; i + 8 <= bytes; i += 8) {
		int64_t start = g->ack + (int32_t)(get32(o + i) - g->raw_ack);
		int64_t end = g->ack + (int32_t)(get32(o + i + 4) - g->raw_ack);

		if (end > m->received_max) {
			end = m->received_max;
			out->clipped = true;
		}
		if (start >= end)
			continue;
		put32(o + kept, number(m->irs, start));
		put32(o + kept + 4, number(m->irs, end));
		kept += 8;
	}
	memset(o + kept, OPT_NOP, bytes - kept);
	o[-1] = (uint8_t)(kept + 2);
	return kept > 0;
}

static bool keep_option(const struct live_map *m, uint8_t *o, uint8_t kind, unsigned bytes,
	const struct seg *g, struct out_seg *out)
{
	switch (kind) {
	case OPT_WSCALE:
		return m->wscale_ok;
	case OPT_SACK_OK:
		return m->sack_ok;
	case OPT_SACK:
		return m->sack_ok && g->ack != NO_OFFSET && map_sack(m, o, bytes, g, out);
	case OPT_TS:
		if (!m->ts_ok || bytes != 8)
			return false;
		map_timestamp(m, o, g, out);
		return true;
	default:
		return true;
	}
}

// In place, so that the header keeps its length and the segment its boundaries.
static void map_options(const struct live_map *m, const struct seg *g, struct out_seg *out)
{
	unsigned i = 0, n = g->n_opts;
	uint8_t *o = out->opts;

	memcpy(o, g->opts, n);
	out->n_opts = g->n_opts;
	while (i < n && o[i] != OPT_END) {
		unsigned bytes;

		if (o[i] == OPT_NOP) {
			i++;
			continue;
		}
		bytes = i + 1 < n ? o[i + 1] : 0;
		if (bytes < 2 || i + bytes > n) {
			memset(o + i, OPT_NOP, n - i);
			return;
		}
		if (!keep_option(m, o + i + 2, o[i], bytes - 2, g, out))
			memset(o + i, OPT_NOP, bytes);
		i += bytes;
	}
}

void map_segment(const struct live_map *m, const struct seg *g, struct out_seg *o)
{
	unsigned shift = g->flags & TCP_SYN ? 0 : m->shift;
	unsigned live_shift = g->flags & TCP_SYN ? 0 : m->live_shift;

	*o = (struct out_seg){.seq = number(m->isn, g->off),
		.flags = g->flags,
		.tos = g->tos,
		.urg = g->urg,
		.win = g->win,
		.ack_off = NO_OFFSET,
		.edge = m->edge,
		.bad_sum = g->corrupt,
		.after_end = g->after_end};
	map_options(m, g, o);
	if (g->ack == NO_OFFSET) {
		if (shift != live_shift)
			o->win = window(0, (int64_t)g->win << shift, live_shift);
		return;
	}
	o->ack_off = g->ack;
	if (o->ack_off > m->received) {
		o->ack_off = m->received;
		o->clipped = true;
	}
	if (m->floor != NO_OFFSET && o->ack_off < m->floor)
		o->ack_off = m->floor;
	o->ack = number(m->irs, o->ack_off);
	o->edge = g->ack + ((int64_t)g->win << shift);
	// As captured, unless it says more or less than then.
	if (shift != live_shift || (o->ack_off != g->ack && !(g->flags & TCP_RST)))
		o->win = window(o->ack_off, o->edge, live_shift);
}

void map_own_ack(const struct live_map *m, int64_t seq, uint32_t ts_val, struct out_seg *o)
{
	*o = (struct out_seg){.seq = number(m->isn, seq),
		.flags = TCP_ACK,
		.ack_off = m->received,
		.edge = m->edge,
		.ack = number(m->irs, m->received),
		.win = window(m->received, m->edge, m->live_shift)};
	if (m->ts_ok) {
		memcpy(o->opts, (uint8_t[]){OPT_NOP, OPT_NOP, OPT_TS, 10}, 4);
		put32(o->opts + 4, ts_val);
		put32(o->opts + 8, m->ts_recent);
		o->n_opts = 12;
		o->ts_val = ts_val;
	}
}
