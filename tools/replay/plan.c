#include "tools/replay/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	DUP_THRESHOLD = 3, // RFC 5681
	OPT_SACK = 5,
	SENT_MAX = 4096, // of the other side's segments, remembered
	// Out of order by less than this is reordering, by more retransmission.
	REORDER_NS = 3000000,
};

unsigned seg_sacks(const struct seg *g, struct span blocks[4])
{
	unsigned bytes, n = 0;
	const uint8_t *o = packet_option(g->opts, g->n_opts, OPT_SACK, &bytes);

	if (!o || g->ack == NO_OFFSET)
		return 0;
	for (; n < 4 && (n + 1) * 8 <= bytes; n++) {
		blocks[n].start = g->ack + (int32_t)(get32(o + n * 8) - g->raw_ack);
		blocks[n].end = g->ack + (int32_t)(get32(o + n * 8 + 4) - g->raw_ack);
	}
	return n;
}

// What is known while going through the file in order.
struct walk {
	// The other side's.
	struct span sent[SENT_MAX]; // segments that reach past `ack`
	uint32_t n_sent;
	int64_t other_end; // the highest byte seen
	int64_t other_acks; // what it had acknowledged
	// The replayed side's.
	int64_t ack; // the highest it sent
	int64_t edge; // the right edge of its window
	int64_t sacked; // the highest block's end at this ack
	uint32_t last_win;
	uint32_t dups; // ACKs like the one before
	int64_t end; // of its own stream
	uint64_t gap_ns; // when its segments last left a gap
};

static void walk_other(struct walk *w, const struct seg *g)
{
	struct span at = {g->off, g->off + g->len};

	if (g->flags & TCP_SYN)
		at.end = 0;
	if (g->flags & TCP_FIN)
		at.end++;
	if (g->ack != NO_OFFSET && g->ack > w->other_acks)
		w->other_acks = g->ack;
	if (at.end > w->other_end)
		w->other_end = at.end;
	// Not a probe of a closed window, which must not be taken for a retransmission.
	if (at.end > w->ack && at.end > at.start && w->n_sent < SENT_MAX
		&& (at.start < w->edge || at.start < 0))
		w->sent[w->n_sent++] = at;
}

static uint32_t times_sent(const struct walk *w, int64_t off)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < w->n_sent; i++)
		n += w->sent[i].start <= off && off < w->sent[i].end;
	return n;
}

static void walk_ack(struct walk *w, int64_t ack)
{
	uint32_t kept = 0;

	w->ack = ack;
	w->dups = 0;
	w->sacked = NO_OFFSET;
	for (uint32_t i = 0; i < w->n_sent; i++)
		if (w->sent[i].end > ack)
			w->sent[kept++] = w->sent[i];
	w->n_sent = kept;
}

static int64_t mss_of(const struct plan *p)
{
	uint16_t mss = p->session->flow[p->side].mss;

	return mss ? mss : 536;
}

// What the acknowledgement of a step says has come, and what had been lost before it.
static void step_cause(struct plan *p, struct walk *w, const struct seg *g, struct step *st)
{
	int64_t mss = mss_of(p);
	struct span blocks[4];
	unsigned n = seg_sacks(g, blocks);

	st->need = g->ack;
	for (unsigned i = 0; i < n; i++)
		if (blocks[i].end > st->need)
			st->need = blocks[i].end;
	if (g->ack > w->ack) {
		if (times_sent(w, w->ack) >= 2 || w->dups >= DUP_THRESHOLD
			|| w->sacked > w->ack + DUP_THRESHOLD * mss)
			st->again = w->ack;
		walk_ack(w, g->ack);
	} else if (g->ack == w->ack && !g->len && !(g->flags & (TCP_SYN | TCP_FIN | TCP_RST))
		&& (n || (g->win == w->last_win && w->other_end > w->ack))) {
		// Without SACK each one stands for a segment behind the one that is missing.
		w->dups++;
		st->claim = true;
		if (!n && w->ack + w->dups * mss < w->other_end)
			st->need = w->ack + w->dups * mss + 1;
		else if (!n)
			st->need = w->other_end;
	}
	if (n && st->need > g->ack)
		st->claim = true;
	if (n && st->need > w->sacked)
		w->sacked = st->need;
	w->last_win = g->win;
	if (!(g->flags & TCP_RST)) {
		unsigned shift = g->flags & TCP_SYN ? 0 : p->session->flow[p->side].shift;

		if (g->ack + ((int64_t)g->win << shift) > w->edge)
			w->edge = g->ack + ((int64_t)g->win << shift);
	}
}

// Whether a packet with the same content has just been there.
static bool is_duplicate(const struct plan *p, const struct seg *g)
{
	const struct session *c = p->session;

	for (const struct seg *o = g; o-- > c->segs;) {
		if (o->side != g->side)
			continue;
		if (o->frame && o->ip_id && o->ip_id == g->ip_id && o->off == g->off
			&& o->len == g->len && o->flags == g->flags && o->ack == g->ack)
			return true;
		if (g - o > 64)
			break;
	}
	return false;
}

static int step_classify(struct plan *p, struct walk *w, const struct seg *g, struct step *st)
{
	struct span at = {g->off, g->off + g->len + !!(g->flags & (TCP_SYN | TCP_FIN))};
	int64_t before = w->end;

	st->class = STEP_ACK;
	if (is_duplicate(p, g)) {
		st->class = STEP_DUPLICATE;
		return 0;
	}
	if (at.end == at.start || g->corrupt)
		return 0;
	if (at.start > before)
		w->gap_ns = g->t_ns;
	if (at.end > w->end)
		w->end = at.end;
	st->class = STEP_NEW;
	if (at.start < before)
		st->class = spans_end(&p->seen, at.start) == at.start
				&& g->t_ns - w->gap_ns < REORDER_NS
			? STEP_REORDERED
			: STEP_RETRANSMIT;
	return spans_add(&p->seen, at);
}

static int step_add(struct plan *p, struct walk *w, uint32_t index)
{
	const struct seg *g = &p->session->segs[index];
	struct step *st = &p->steps[p->n_steps++];
	int e;

	*st = (struct step){.seg = index,
		.need = NO_OFFSET,
		.again = NO_OFFSET,
		.acked = NO_OFFSET,
		.given = w->other_acks};
	e = step_classify(p, w, g, st);
	p->classes[st->class]++;
	if (g->corrupt)
		return e;
	if (g->ack != NO_OFFSET)
		step_cause(p, w, g, st);
	if ((g->len || g->flags & TCP_FIN) && w->other_acks > SYN_OFFSET)
		st->acked = w->other_acks;
	return e;
}

static int cue_add(struct plan *p, enum cue_kind kind, uint64_t t_ns, int64_t end, int64_t need)
{
	if (p->n_cues == p->room_cues) {
		uint32_t room = p->room_cues ? p->room_cues * 2 : 16;
		struct cue *cues = realloc(p->cues, room * sizeof(*cues));

		if (!cues)
			return -ENOMEM;
		p->cues = cues;
		p->room_cues = room;
	}
	p->cues[p->n_cues++] = (struct cue){kind, t_ns, end, need};
	return 0;
}

// The application's part, in the order of the file.
struct script {
	int64_t sent; // bytes that have a cue
	int64_t read; // what its side had acknowledged
	bool fin, reset;
	struct spans came; // the replayed side's bytes, as far as seen
};

// Up to `end` of the stream with its FIN, at this time.
static int cues_until(struct plan *p, struct script *x, uint64_t t_ns, int64_t end, int64_t need)
{
	const struct flow *f = &p->session->flow[!p->side];
	int64_t bytes = end < f->stream.len ? end : f->stream.len;
	int e = 0;

	if (x->reset)
		return 0;
	if (bytes > x->sent) {
		e = cue_add(p, CUE_SEND, t_ns, bytes, need);
		x->sent = bytes;
	}
	if (!e && !x->fin && f->fin != NO_OFFSET && end > f->fin) {
		e = cue_add(p, CUE_FIN, t_ns, f->fin, need);
		x->fin = true;
	}
	return e;
}

static int script_seg(struct plan *p, struct script *x, const struct seg *g)
{
	int64_t total = flow_total(&p->session->flow[p->side]);
	struct span at = {g->off, g->off + g->len + !!(g->flags & (TCP_SYN | TCP_FIN))};
	int e;

	if (g->corrupt)
		return 0;
	if (g->side == p->side) {
		// Bytes that it acknowledges and that were not seen: their senders' are made up.
		e = g->ack > x->sent ? cues_until(p, x, g->t_ns, g->ack, spans_end(&x->came, 0))
				     : 0;
		if (!e && at.end > at.start)
			e = spans_add(&x->came, at);
		return e;
	}
	if (g->ack != NO_OFFSET && g->ack > x->read)
		x->read = g->ack < total ? g->ack : total;
	if (at.end > at.start) {
		e = cues_until(p, x, g->t_ns, at.end, x->read);
		if (e)
			return e;
	}
	if (g->flags & TCP_RST && !x->reset && !g->after_end) {
		x->reset = true;
		return cue_add(p, CUE_RESET, g->t_ns, x->sent, x->read);
	}
	return 0;
}

int plan_make(struct plan *p, const struct session *session, enum side side)
{
	struct walk *w = calloc(1, sizeof(*w));
	struct script x = {0};
	uint32_t n = 0;
	int e = w ? 0 : -ENOMEM;

	*p = (struct plan){.session = session, .side = side};
	if (!session->flow[side].segs)
		e = -ENOENT;
	for (uint32_t i = 0; i < session->n_segs; i++)
		n += session->segs[i].side == side;
	p->steps = e ? NULL : calloc(n ? n : 1, sizeof(*p->steps));
	if (!e && !p->steps)
		e = -ENOMEM;
	if (!e) {
		w->ack = w->other_acks = w->end = SYN_OFFSET;
		w->edge = w->sacked = NO_OFFSET;
	}
	for (uint32_t i = 0; i < session->n_segs && !e; i++) {
		const struct seg *g = &session->segs[i];

		e = script_seg(p, &x, g);
		if (!e && g->side == side)
			e = step_add(p, w, i);
		else if (!e && !g->corrupt)
			walk_other(w, g);
	}
	free(w);
	spans_free(&x.came);
	return e;
}

void plan_free(struct plan *p)
{
	free(p->steps);
	free(p->cues);
	spans_free(&p->seen);
	*p = (struct plan){0};
}
