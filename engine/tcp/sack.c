// SACK blocks: what the peer says it holds (RFC 2018), what it got twice (RFC 2883), and what we say.
#include "engine/tcp/internal.h"

// The first block is a D-SACK when it lies below SEG.ACK or within the second (RFC 2883 section 4).
// One that speaks of what never left, or left long ago, is noise.
bool sack_duplicate(struct tcp_rx *x)
{
	uint32_t ack = x->in->ack, start, end;

	if (x->o.n_sack == 0 || !(x->r->opts & OB_NEG_SACK))
		return false;
	start = x->o.sack[0].start;
	end = x->o.sack[0].end;
	if (!seq_lt(start, end) || seq_gt(end, snd_seq(x->r, x->s->snd_max))
		|| (int32_t)(ack - start) > (int64_t)x->s->max_wnd)
		return false;
	if (seq_gt(end, ack)
		&& !(x->o.n_sack > 1 && seq_geq(start, x->o.sack[1].start)
			&& seq_leq(end, x->o.sack[1].end) && seq_geq(start, ack)))
		return false;
	x->dsack_start = (int64_t)x->s->snd_una + (int32_t)(start - snd_seq(x->r, x->s->snd_una));
	x->dsack_end = x->dsack_start + (uint32_t)(end - start);
	COUNT(x->t->cnt, tcp_dsack_rx);
	return true;
}

// Blocks that came before word for word say nothing new, and most do.
static bool seen_before(struct tcp_flight *f, uint32_t start, uint32_t end)
{
	for (unsigned i = 0; i < 8; i += 2)
		if (f->seen[i] == start && f->seen[i + 1] == end)
			return true;
	return false;
}

void sack_input(struct tcp_rx *x, struct flight_news *n)
{
	struct tcp_soft *s = x->s;
	struct tcp_flight *f;
	uint32_t seen[8] = {0};

	if (x->o.n_sack == 0 || !(x->r->opts & OB_NEG_SACK) || s->snd_nxt == s->snd_una)
		return;
	f = flight_get(x->t, s);
	for (unsigned i = x->dsack; i < x->o.n_sack; i++) {
		uint32_t start = x->o.sack[i].start, end = x->o.sack[i].end;
		uint32_t una = snd_seq(x->r, s->snd_una), from, to;

		// RFC 9293 section 3.4: what cannot be is ignored.
		if (!seq_lt(start, end) || seq_leq(start, una)
			|| seq_gt(end, snd_seq(x->r, s->snd_nxt)))
			continue;
		from = start - una;
		to = end - una;
		if (!seen_before(f, start, end)
			&& !flight_sacked(x->t, s, s->snd_una + from, s->snd_una + to, n))
			continue;
		seen[2 * i] = start;
		seen[2 * i + 1] = end;
	}
	memcpy(f->seen, seen, sizeof(seen));
}

// What we got twice is told in the next ACK, which leaves in this turn. It is remembered for the turn
// alone: one block a connection, grown when more came twice behind it.
void sack_owe_duplicate(struct tcp *t, struct tcp_soft *s, uint64_t start, uint64_t end)
{
	struct tcp_dsack *d = &t->dsacks[t->n_dsacks];

	for (uint32_t i = 0; (s->flags & SOFT_DSACK) && i < t->n_dsacks; i++) {
		struct tcp_dsack *o = &t->dsacks[i];

		if (o->conn != s->conn)
			continue;
		if (o->end == start)
			o->end = end;
		return; // one block an ACK
	}
	if (t->n_dsacks == TCP_DSACKS || (s->flags & SOFT_DSACK))
		return;
	t->n_dsacks++;
	s->flags |= SOFT_DSACK;
	*d = (struct tcp_dsack){.conn = s->conn, .start = start, .end = end};
}

static bool dsack_take(struct tcp *t, struct tcp_soft *s, struct tcp_dsack *d)
{
	s->flags &= ~SOFT_DSACK;
	for (uint32_t i = 0; i < t->n_dsacks; i++)
		if (t->dsacks[i].conn == s->conn) {
			*d = t->dsacks[i];
			t->dsacks[i].conn = TCP_NONE;
			return true;
		}
	return false;
}

void sack_forget(struct tcp *t, struct tcp_soft *s, uint64_t nxt)
{
	for (uint32_t i = 0; (s->flags & SOFT_DSACK) && i < t->n_dsacks; i++)
		if (t->dsacks[i].conn == s->conn && t->dsacks[i].end > nxt) {
			t->dsacks[i].conn = TCP_NONE;
			s->flags &= ~SOFT_DSACK;
		}
}

void sack_turn_end(struct tcp *t)
{
	for (uint32_t i = 0; i < t->n_dsacks; i++) {
		uint32_t conn = t->dsacks[i].conn;
		struct tcp_soft *s = conn == TCP_NONE ? NULL : tcp_soft_held(t, conn);

		if (s)
			s->flags &= ~SOFT_DSACK; // it could not leave
	}
	t->n_dsacks = 0;
}

void sack_blocks(struct tcp *t, struct tcp_soft *s, const struct rec *r, struct tcp_opts *opt)
{
	uint32_t max = opt->has_ts ? 3 : TCP_MAX_SACK, a[TCP_MAX_SACK], b[TCP_MAX_SACK], n;
	const struct tcp_ooo *o = s->ooo == STATE_NIL ? NULL : &t->ooo[s->ooo];
	struct tcp_dsack d = {.start = UINT64_MAX};

	opt->n_sack = 0;
	if ((s->flags & SOFT_DSACK) && dsack_take(t, s, &d)) {
		COUNT(t->cnt, tcp_dsack_tx);
		opt->sack[0].start = rcv_seq(r, d.start);
		opt->sack[0].end = rcv_seq(r, d.end);
		opt->n_sack = 1;
	}
	if (!o)
		return;
	// Behind a D-SACK of what was not in order comes the block that holds it (section 4.2).
	n = ooo_sack(o, rcv_seq(r, 0), d.start, a, b, max - opt->n_sack);
	for (uint32_t i = 0; i < n; i++, opt->n_sack++) {
		opt->sack[opt->n_sack].start = a[i];
		opt->sack[opt->n_sack].end = b[i];
	}
}
