// When the file has been read: what is missing of its sessions.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/replay/session.h"

enum {
	MSS_DEFAULT = 1460,
	SHIFT_MAX = 14,
};

static uint64_t first_frame(const struct session *c)
{
	for (uint32_t i = 0; i < c->n_segs; i++)
		if (c->segs[i].frame)
			return c->segs[i].frame;
	return 0;
}

// A reply to a SYN is a SYN, or anything that acknowledges it but a reset.
static bool answered(const struct session *c)
{
	const struct flow *f = &c->flow[SERVER];

	if (!c->flow[CLIENT].have_syn || f->have_syn)
		return true;
	for (uint32_t i = 0; i < c->n_segs; i++)
		if (!(c->segs[i].flags & (TCP_SYN | TCP_RST)) && !c->segs[i].corrupt)
			return true;
	return false;
}

// Acknowledged one past everything that was seen, and no further: that was a FIN.
static void find_end(struct sessions *s, struct session *c, struct flow *f)
{
	int64_t seen = f->stream.len > f->acked_before ? f->stream.len : f->acked_before;

	if (f->fin != NO_OFFSET && f->fin < f->stream.len)
		f->fin = f->stream.len;
	if (f->fin == NO_OFFSET && f->acked - seen == 1 && f->acked > 1) {
		if (f->segs)
			note(s->notes, NOTE_UNSEEN, first_frame(c),
				"session %u: a FIN that was acknowledged", c->number);
		f->fin = seen;
	}
}

static int fill_stream(struct sessions *s, struct session *c, enum side side)
{
	struct flow *f = &c->flow[side];
	int64_t first = 0, bytes;

	find_end(s, c, f);
	if (stream_claim(&f->stream, f->fin != NO_OFFSET ? f->fin : f->acked))
		return -ENOMEM;
	bytes = stream_fill(&f->stream, &first);
	f->made_up = (uint64_t)bytes;
	if (!bytes)
		return 0;
	if (!f->segs)
		note(s->notes, NOTE_ONE_SIDE, first_frame(c), "session %u: no packet of the %s",
			c->number, side == CLIENT ? "client" : "server");
	else if (f->made_up > f->cut_bytes)
		note(s->notes, NOTE_UNSEEN, first_frame(c),
			"session %u: %llu bytes of the %s from offset %lld on are not in the file",
			c->number, (unsigned long long)bytes, side == CLIENT ? "client" : "server",
			(long long)first);
	return 0;
}

// The smallest scale with which the other side never sent past the window.
static uint8_t infer_shift(const struct session *c, enum side side)
{
	uint8_t shift = 0;
	const struct seg *last = NULL;

	for (uint32_t i = 0; i < c->n_segs; i++) {
		const struct seg *g = &c->segs[i];

		if (g->corrupt || g->flags & TCP_SYN)
			continue;
		if (g->side == side) {
			if (g->ack != NO_OFFSET && !(g->flags & TCP_RST))
				last = g;
			continue;
		}
		// A probe of a closed window is one byte.
		while (last && g->len > 1 && shift < SHIFT_MAX
			&& g->off + g->len > last->ack + ((int64_t)last->win << shift))
			shift++;
	}
	return shift;
}

static void find_shifts(struct session *c)
{
	for (enum side side = CLIENT; side < SIDES; side++) {
		struct flow *f = &c->flow[side];
		const struct flow *o = &c->flow[!side];

		if ((f->have_syn && f->wscale < 0) || (o->have_syn && o->wscale < 0))
			continue;
		f->shift = f->have_syn ? (uint8_t)f->wscale : infer_shift(c, side);
	}
}

// The raw window of a side's first segment behind the SYN.
static uint16_t first_window(const struct session *c, enum side side)
{
	for (uint32_t i = 0; i < c->n_segs; i++)
		if (c->segs[i].side == side && c->segs[i].frame
			&& !(c->segs[i].flags & (TCP_SYN | TCP_RST)))
			return c->segs[i].win;
	return UINT16_MAX;
}

// What a side would have offered: what the rest of its segments show.
static void make_up_syn(struct session *c, enum side side, struct seg *g)
{
	struct flow *f = &c->flow[side];
	const struct flow *o = &c->flow[!side];
	uint32_t win = (uint32_t)first_window(c, side) << f->shift;
	uint16_t mss = (uint16_t)(o->max_payload > 536 ? o->max_payload : MSS_DEFAULT);

	memset(g, 0, sizeof(*g));
	g->side = (uint8_t)side;
	g->flags = (uint8_t)(side == SERVER ? TCP_SYN | TCP_ACK : TCP_SYN);
	g->off = SYN_OFFSET;
	g->ack = side == SERVER ? 0 : NO_OFFSET;
	g->win = (uint16_t)(win < UINT16_MAX ? win : UINT16_MAX);
	g->t_ns = c->segs[0].t_ns;
	f->mss = mss > MSS_DEFAULT ? MSS_DEFAULT : mss;
	f->wscale = (int8_t)(f->shift || o->shift || o->wscale >= 0 ? f->shift : -1);
	f->ts = f->have_ts || (o->have_ts && !f->segs);
	g->opts[0] = 2;
	g->opts[1] = 4;
	put16(g->opts + 2, f->mss);
	g->n_opts = 4;
	if (f->wscale >= 0) {
		memcpy(g->opts + g->n_opts, (uint8_t[]){1, 3, 3, (uint8_t)f->wscale}, 4);
		g->n_opts += 4;
	}
	if (f->ts) {
		memcpy(g->opts + g->n_opts, (uint8_t[]){1, 1, 8, 10}, 4);
		put32(g->opts + g->n_opts + 4, f->ts_first);
		g->n_opts += 12;
	}
	// Harmless where the session had none: the peer names no block then.
	memcpy(g->opts + g->n_opts, (uint8_t[]){4, 2, 1, 1}, 4);
	g->n_opts += 4;
	f->sack = true;
}

static void make_up_ack(const struct session *c, struct seg *g)
{
	memset(g, 0, sizeof(*g));
	g->flags = TCP_ACK;
	g->side = CLIENT;
	g->win = first_window(c, CLIENT);
	g->t_ns = c->segs[0].t_ns;
	if (c->flow[CLIENT].ts && c->flow[SERVER].ts) {
		memcpy(g->opts, (uint8_t[]){1, 1, 8, 10}, 4);
		put32(g->opts + 4, c->flow[CLIENT].ts_first);
		g->n_opts = 12;
	}
}

// Puts what is missing of the handshake in front of, or behind, the SYN that is there.
static int make_up_handshake(struct sessions *s, struct session *c)
{
	bool client = c->flow[CLIENT].have_syn, server = c->flow[SERVER].have_syn;
	struct seg made[3];
	uint32_t n = 0, at = 0;

	if (client && server)
		return 0;
	if (!client && !server)
		note(s->notes, NOTE_NO_SYN, first_frame(c), "session %u has no SYN", c->number);
	else
		note(s->notes, NOTE_NO_SYN, first_frame(c), "session %u has no SYN of the %s",
			c->number, client ? "server" : "client");
	if (!client)
		make_up_syn(c, CLIENT, &made[n++]);
	if (!server)
		make_up_syn(c, SERVER, &made[n++]);
	if (!client && !server)
		make_up_ack(c, &made[n++]);
	if (client)
		while (at < c->n_segs && c->segs[at].flags & TCP_SYN)
			at++;
	for (uint32_t i = 0; i < n; i++) {
		struct seg *fresh;

		if (c->n_segs == c->room_segs) {
			fresh = realloc(c->segs, (size_t)(c->room_segs + 4) * sizeof(*fresh));
			if (!fresh)
				return -ENOMEM;
			c->segs = fresh;
			c->room_segs += 4;
		}
		memmove(c->segs + at + 1, c->segs + at, (c->n_segs - at) * sizeof(*c->segs));
		c->segs[at++] = made[i];
		c->n_segs++;
	}
	return 0;
}

// Once both sides' FINs are acknowledged there is no connection to reset: a reset from then on is the
// answer of a kernel that has forgotten it.
static void find_resets(struct session *c)
{
	int64_t acked[SIDES] = {SYN_OFFSET, SYN_OFFSET};

	for (uint32_t i = 0; i < c->n_segs; i++) {
		struct seg *g = &c->segs[i];
		struct flow *f = &c->flow[g->side], *o = &c->flow[!g->side];

		if (g->corrupt)
			continue;
		if (!(g->flags & TCP_RST)) {
			if (g->ack > acked[!g->side])
				acked[!g->side] = g->ack;
			continue;
		}
		g->after_end = f->fin != NO_OFFSET && o->fin != NO_OFFSET && acked[g->side] > f->fin
			&& acked[!g->side] > o->fin;
		f->late_rsts += g->after_end;
		if (!g->after_end && f->rst == NO_OFFSET)
			f->rst = g->off;
	}
}

static int finish(struct sessions *s, struct session *c)
{
	if (c->skipped)
		return 0;
	if (c->simultaneous || !answered(c)) {
		note(s->notes, c->simultaneous ? NOTE_SIMULTANEOUS : NOTE_NO_HANDSHAKE,
			first_frame(c), "session %u", c->number);
		c->skipped = true;
		return 0;
	}
	if (fill_stream(s, c, CLIENT) || fill_stream(s, c, SERVER))
		return -ENOMEM;
	find_resets(c);
	find_shifts(c);
	if (c->flow[CLIENT].rst == NO_OFFSET && c->flow[SERVER].rst == NO_OFFSET
		&& (c->flow[CLIENT].fin == NO_OFFSET || c->flow[SERVER].fin == NO_OFFSET))
		note(s->notes, NOTE_NO_END, first_frame(c), "session %u has no end", c->number);
	return make_up_handshake(s, c);
}

int sessions_finish(struct sessions *s)
{
	for (uint32_t i = 0; i < s->n; i++) {
		int e = finish(s, &s->at[i]);

		if (e)
			return e;
	}
	return 0;
}
