#include "tools/replay/session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/replay/missing.h"

enum {
	TABLE = 65536,
	// Farther than this from what was seen, a number is no part of the session.
	NEAR_BYTES = 64 << 20,
	OPT_MSS = 2,
	OPT_WSCALE = 3,
	OPT_SACK_OK = 4,
	OPT_TS = 8,
	OPT_MD5 = 19,
	OPT_AO = 29,
};

int sessions_init(struct sessions *s, struct notes *notes)
{
	*s = (struct sessions){.notes = notes};
	s->table = calloc(TABLE, sizeof(*s->table));
	return s->table ? 0 : -ENOMEM;
}

void sessions_free(struct sessions *s)
{
	for (uint32_t i = 0; i < s->n; i++) {
		stream_free(&s->at[i].flow[CLIENT].stream);
		stream_free(&s->at[i].flow[SERVER].stream);
		free(s->at[i].segs);
	}
	free(s->at);
	free(s->table);
	senders_free(&s->senders);
}

char *flow_name(const struct flow *f, char *text)
{
	char addr[INET6_ADDRSTRLEN];

	inet_ntop(AF_INET, f->addr + 12, addr, sizeof(addr));
	snprintf(text, 64, "%s:%u", addr, f->port);
	return text;
}

// An array of items of `bytes`, doubled when all *room of them are used; what is new is zero. Returns
// where it is now, or NULL and it stays as it was.
static void *grown(void *at, uint32_t used, uint32_t *room, size_t bytes)
{
	uint32_t more = *room ? *room * 2 : 16;
	char *fresh;

	if (used < *room)
		return at;
	fresh = realloc(at, more * bytes);
	if (!fresh)
		return NULL;
	memset(fresh + *room * bytes, 0, (more - *room) * bytes);
	*room = more;
	return fresh;
}

int sessions_learn(void *sessions, uint64_t frame, uint64_t t_ns, const struct packet *p)
{
	struct sessions *s = sessions;
	struct sender *from = senders_add(&s->senders, p->src);

	if (!from)
		return -ENOMEM;
	if (frame == 1 || t_ns < s->first_ns || !s->first_ns)
		s->first_ns = t_ns;
	s->wire_bytes += missing_frame_bytes(p);
	from->right += p->sum == SUM_RIGHT;
	from->wrong += p->sum == SUM_WRONG;
	return 0;
}

// Whether a segment's checksum says that it was damaged on its way.
static bool is_corrupt(struct sessions *s, uint64_t frame, const struct packet *p)
{
	const struct sender *from;

	if (p->sum != SUM_WRONG)
		return false;
	from = senders_find(&s->senders, p->src);
	if (!from)
		return false;
	if (from->right > from->wrong)
		return true;
	note(s->notes, NOTE_CHECKSUM_SIDE, frame,
		"a wrong TCP checksum, like most of this sender's");
	return false;
}

static uint32_t hash(const struct packet *p)
{
	uint32_t h = 0;

	// The same for both directions.
	for (int i = 0; i < 16; i += 4)
		h += get32(p->src + i) * 2654435761u ^ get32(p->dst + i) * 2654435761u;
	return (h ^ h >> 15 ^ (uint32_t)p->sport * p->dport ^ (uint32_t)(p->sport + p->dport))
		% TABLE;
}

static bool sent_by(const struct flow *from, const struct flow *to, const struct packet *p)
{
	return from->port == p->sport && to->port == p->dport && !memcmp(from->addr, p->src, 16)
		&& !memcmp(to->addr, p->dst, 16);
}

// The latest session of the packet's tuple, and which side of it the packet is from.
static struct session *session_find(struct sessions *s, const struct packet *p, enum side *side)
{
	for (uint32_t i = s->table[hash(p)]; i; i = s->at[i - 1].next) {
		struct session *c = &s->at[i - 1];

		for (*side = CLIENT; *side < SIDES; (*side)++)
			if (sent_by(&c->flow[*side], &c->flow[!*side], p))
				return c;
	}
	return NULL;
}

static struct session *session_new(struct sessions *s, const struct packet *p, enum side side)
{
	struct session *c = grown(s->at, s->n, &s->room, sizeof(*s->at));
	uint32_t h = hash(p);

	if (!c)
		return NULL;
	s->at = c;
	c = &s->at[s->n++];
	c->number = s->n;
	c->next = s->table[h];
	s->table[h] = s->n;
	for (int i = 0; i < SIDES; i++) {
		c->flow[i].fin = c->flow[i].rst = NO_OFFSET;
		c->flow[i].acked = c->flow[i].acked_before = SYN_OFFSET;
		c->flow[i].end = c->flow[i].last = 0;
		c->flow[i].wscale = -1;
	}
	memcpy(c->flow[side].addr, p->src, 16);
	memcpy(c->flow[!side].addr, p->dst, 16);
	c->flow[side].port = p->sport;
	c->flow[!side].port = p->dport;
	return c;
}

// A server may acknowledge the data of a SYN with it, or some of them, or none.
static bool answers_syn(const struct flow *f, uint32_t ack)
{
	return ack - (f->isn + 1) <= f->syn_bytes;
}

// Which session a segment belongs to, a new one if need be. Returns NULL and *err 0 when to none.
static struct session *session_of(
	struct sessions *s, const struct packet *p, enum side *side, int *err)
{
	struct session *c = session_find(s, p, side);
	const struct flow *f = c ? &c->flow[*side] : NULL;
	const struct flow *o = c ? &c->flow[!*side] : NULL;
	bool syn = p->flags & TCP_SYN, ack = p->flags & TCP_ACK;
	enum side guess = p->sport < p->dport ? SERVER : CLIENT;

	*err = 0;
	if (!c && (p->flags & TCP_RST))
		return NULL; // of something before the capture
	if (syn && c) {
		if (f->have_syn && f->isn == p->seq)
			return c; // again
		if (!ack && *side == SERVER && o->have_syn && !f->have_syn && !f->segs) {
			c->simultaneous = true;
			return c;
		}
		if (ack && *side == SERVER && !f->have_syn
			&& (!o->have_isn || answers_syn(o, p->ack)))
			return c;
		if (ack && *side == SERVER && answers_syn(o, p->ack))
			return NULL; // another answer to the same SYN
		c = NULL; // the tuple is used again
	}
	if (c)
		return c;
	*side = syn ? (ack ? SERVER : CLIENT) : guess;
	c = session_new(s, p, *side);
	*err = c ? 0 : -ENOMEM;
	return c;
}

static void learn_syn(struct flow *f, const struct packet *p)
{
	unsigned n;
	const uint8_t *o;

	f->have_isn = f->have_syn = true;
	f->isn = p->seq;
	f->syn_bytes = p->payload_bytes;
	if ((o = packet_option(p->opts, p->n_opts, OPT_MSS, &n)) && n == 2)
		f->mss = get16(o);
	if ((o = packet_option(p->opts, p->n_opts, OPT_WSCALE, &n)) && n == 1)
		f->wscale = (int8_t)(*o > 14 ? 14 : *o);
	f->sack = packet_option(p->opts, p->n_opts, OPT_SACK_OK, &n) != NULL;
	f->ts = packet_option(p->opts, p->n_opts, OPT_TS, &n) != NULL;
}

// The offset of a sequence number; the first one seen is offset 0.
static int64_t offset_of(struct flow *f, uint32_t seq)
{
	if (!f->have_isn) {
		f->have_isn = true;
		f->isn = seq - 1;
	}
	return f->last + (int32_t)(seq - (f->isn + 1 + (uint32_t)f->last));
}

static void learn_ack(struct flow *other, int64_t ack)
{
	if (ack <= other->acked)
		return;
	other->acked_before = other->acked;
	other->acked = ack;
}

// What a segment says about its side's stream. Returns 0 or -ENOMEM.
static int learn_payload(
	struct sessions *s, struct flow *f, struct seg *g, const struct packet *p, uint32_t skip)
{
	uint32_t have = p->have_bytes > skip ? p->have_bytes - skip : 0;
	int64_t end = g->off + g->len;
	int e;

	if (g->len) {
		e = stream_put(&f->stream, g->off, p->payload + skip, have);
		if (e < 0 || stream_claim(&f->stream, end))
			return -ENOMEM;
		if (e)
			note(s->notes, NOTE_CONFLICT, g->frame,
				"a retransmission with other bytes than before");
		f->cut_bytes += g->len - have;
		if (g->len > f->max_payload)
			f->max_payload = g->len;
	}
	if (g->flags & TCP_FIN && f->fin == NO_OFFSET)
		f->fin = end;
	if (g->flags & (TCP_FIN | TCP_SYN))
		end += g->flags & TCP_SYN ? 0 : 1;
	if (end > f->end)
		f->end = end;
	return 0;
}

// Data in a SYN are of the stream; the SYN that is replayed has none. Returns 0 or -ENOMEM.
static int learn_syn_data(struct sessions *s, struct flow *f, struct seg *g, const struct packet *p)
{
	if (g->ack > 0)
		g->ack = 0;
	if (!g->len)
		return 0;
	note(s->notes, NOTE_FAST_OPEN, g->frame, "%u bytes of data in a SYN", g->len);
	f->cut_bytes += g->len - p->have_bytes;
	if (stream_put(&f->stream, 0, p->payload, p->have_bytes) < 0
		|| stream_claim(&f->stream, g->len))
		return -ENOMEM;
	g->len = 0;
	return 0;
}

static int seg_append(struct session *c, const struct seg *g)
{
	struct seg *segs = grown(c->segs, c->n_segs, &c->room_segs, sizeof(*c->segs));

	if (!segs)
		return -ENOMEM;
	c->segs = segs;
	c->segs[c->n_segs++] = *g;
	if (c->n_segs > 1 && g->t_ns < c->segs[c->n_segs - 2].t_ns)
		c->segs[c->n_segs - 1].t_ns = c->segs[c->n_segs - 2].t_ns;
	return 0;
}

static void seg_fill(struct seg *g, const struct packet *p, uint64_t frame, uint64_t t_ns)
{
	*g = (struct seg){.frame = frame,
		.t_ns = t_ns,
		.ack = NO_OFFSET,
		.len = p->payload_bytes,
		.win = p->win,
		.urg = p->urg,
		.ip_id = p->ip_id,
		.flags = p->flags,
		.tos = p->tos,
		.n_opts = p->n_opts,
		.raw_ack = p->ack};
	memcpy(g->opts, p->opts, p->n_opts);
}

// A damaged segment is kept, but nothing it says is believed.
static int add_corrupt(struct sessions *s, struct seg *g, const struct packet *p)
{
	enum side side;
	struct session *c = session_find(s, p, &side);

	note(s->notes, NOTE_CHECKSUM, g->frame, "a wrong TCP checksum");
	if (!c || c->skipped || !c->flow[side].have_isn)
		return 0;
	g->side = (uint8_t)side;
	g->corrupt = true;
	g->off = offset_of(&c->flow[side], p->seq);
	if (p->flags & TCP_ACK && c->flow[!side].have_isn)
		g->ack = offset_of(&c->flow[!side], p->ack);
	return seg_append(c, g);
}

// Where it lies in the session, when that can be: without bytes of before the first segment, or in a SYN.
// *skip: how much of its payload that is. Returns whether it belongs to the session (noted else).
static bool seg_fits(struct sessions *s, const struct session *c, struct seg *g, uint32_t *skip)
{
	const struct flow *f = &c->flow[g->side], *back = &c->flow[!g->side];

	if (g->off > f->end + NEAR_BYTES || (g->off < f->end - NEAR_BYTES && g->off < SYN_OFFSET)
		|| (g->ack != NO_OFFSET && g->ack > back->end + NEAR_BYTES)) {
		note(s->notes, NOTE_STRANGE, g->frame, "sequence numbers far from the session's");
		return false;
	}
	if (!(g->flags & TCP_SYN) && g->off < (g->len || g->flags & TCP_FIN ? 0 : SYN_OFFSET)) {
		note(s->notes, NOTE_BEFORE_START, g->frame, "bytes of before the first segment");
		// All of it, its FIN too.
		if (g->off + (int64_t)g->len + !!(g->flags & TCP_FIN) <= 0)
			return false;
		*skip = (uint32_t)-g->off;
		g->len -= *skip;
		g->off = 0;
	}
	if (g->ack != NO_OFFSET && g->ack < SYN_OFFSET)
		g->ack = SYN_OFFSET;
	return true;
}

int sessions_add(void *sessions, uint64_t frame, uint64_t t_ns, const struct packet *p)
{
	struct sessions *s = sessions;
	enum side side;
	struct session *c;
	struct flow *f;
	struct seg g;
	const uint8_t *o;
	uint32_t skip = 0;
	unsigned n;
	int e;

	seg_fill(&g, p, frame, t_ns);
	if (is_corrupt(s, frame, p))
		return add_corrupt(s, &g, p);
	if (packet_option(p->opts, p->n_opts, OPT_MD5, &n)
		|| packet_option(p->opts, p->n_opts, OPT_AO, &n)) {
		note(s->notes, NOTE_AUTHENTICATED, frame, "a signed segment");
		return 0;
	}
	c = session_of(s, p, &side, &e);
	if (!c) {
		if (!e)
			note(s->notes, NOTE_STRANGE, frame, "a segment of no session");
		return e;
	}
	if (c->skipped)
		return 0;
	f = &c->flow[side];
	g.side = (uint8_t)side;
	if (p->flags & TCP_SYN && !f->have_syn)
		learn_syn(f, p);
	g.off = p->flags & TCP_SYN ? SYN_OFFSET : offset_of(f, p->seq);
	if (p->flags & TCP_ACK)
		g.ack = offset_of(&c->flow[!side], p->ack);
	if (!seg_fits(s, c, &g, &skip))
		return 0;
	f->segs++;
	if (g.off > f->last)
		f->last = g.off;
	if (g.ack != NO_OFFSET) {
		if (g.ack > c->flow[!side].last)
			c->flow[!side].last = g.ack;
		learn_ack(&c->flow[!side], g.ack);
	}
	if (!f->have_ts && (o = packet_option(p->opts, p->n_opts, OPT_TS, &n)) && n == 8) {
		f->have_ts = true;
		f->ts_first = get32(o);
	}
	if (p->flags & TCP_SYN && learn_syn_data(s, f, &g, p))
		return -ENOMEM;
	if (!missing_fits(s, c, &g, p))
		return 0;
	e = learn_payload(s, f, &g, p, skip);
	return e ? e : seg_append(c, &g);
}
