// What must be true of loss recovery after every turn: the scoreboard describes what is in flight,
// RACK's timer is set for what is too young, and what is taken back is taken back whole. No stream
// shows any of that: the retransmission timer makes up for it.
#include "engine/tcp/cubic.h"
#include "engine/tcp/internal.h"
#include "tests/sim/check.h"

static void wrong(struct node *n, uint32_t i, const char *what, uint64_t a, uint64_t b)
{
	sim_fail(n->sim, "engine %u, record %u: %s: %llu and %llu", n->index, i, what,
		(unsigned long long)a, (unsigned long long)b);
}

// Ranges follow each other from snd_una to snd_nxt, and the sums are those of what they say.
static void scoreboard(struct node *n, uint32_t i, const struct tcp_soft *s)
{
	const struct tcp *t = &n->core->tcp;
	const struct tcp_flight *f = flight_of(t, s);
	uint64_t at = s->snd_una, sum[3] = {0};
	uint32_t k = 0, out = 0, first = STATE_NIL;

	for (uint32_t r = f->head; r != STATE_NIL && k <= f->n; r = t->ranges[r].next, k++) {
		const struct tcp_range *g = &t->ranges[r];

		if (g->start != at || g->end <= at || g->state > RANGE_SACKED) {
			wrong(n, i, "ranges in flight do not follow each other", at, g->start);
			return;
		}
		at = g->end;
		sum[g->state] += g->end - g->start;
		out += g->state == RANGE_OUT;
		if (g->state == RANGE_LOST && first == STATE_NIL)
			first = r;
	}
	if (at != s->snd_nxt || k != f->n)
		wrong(n, i, "ranges do not end where the flight does", at, s->snd_nxt);
	if (sum[RANGE_SACKED] != f->sacked)
		wrong(n, i, "bytes SACKed, and counted", sum[RANGE_SACKED], f->sacked);
	if (sum[RANGE_LOST] != f->lost)
		wrong(n, i, "bytes lost, and counted", sum[RANGE_LOST], f->lost);
	if (first != STATE_NIL
		&& (f->lost_hint == STATE_NIL
			|| t->ranges[f->lost_hint].start > t->ranges[first].start))
		wrong(n, i, "a lost range lies before the hint", first, f->lost_hint);
	for (uint32_t r = f->thead; r != STATE_NIL && out; r = t->ranges[r].tnext, out--) {
		uint32_t next = t->ranges[r].tnext;

		if (next != STATE_NIL && t->ranges[next].sent_us < t->ranges[r].sent_us)
			wrong(n, i, "ranges are not in the order of time", r, next);
	}
	if (out)
		wrong(n, i, "ranges outstanding are not in the list of time", out, 0);
}

// RFC 8985 section 6.2, step 5: what was sent before something delivered is lost a round trip and a
// window for reordering later, at the latest a second round trip.
static void reordering(struct node *n, uint32_t i, const struct tcp_soft *s)
{
	const struct tcp *t = &n->core->tcp;
	const struct tcp_flight *f = flight_of(t, s);
	uint64_t due;

	if (!(s->flags & SOFT_REO) || f->thead == STATE_NIL || !f->rack_valid)
		return;
	due = t->ranges[f->thead].sent_us + f->rack_rtt_us + s->srtt_us;
	if (t->ranges[f->thead].sent_us <= f->rack_xmit_us && (!s->soon_at || s->soon_at > due))
		wrong(n, i, "the reordering timer is late", s->soon_at, due);
}

static const struct cubic_stage *stage_of(const struct tcp *t, const struct tcp_soft *s)
{
	return &((const struct cubic *)t->cc_priv[t->soft_of[s->conn]].bytes)->now;
}

static uint64_t undone(const struct counters *c)
{
	return c->tcp_eifel_undo + c->tcp_unsent_undo + c->tcp_dsack_undo + c->tcp_frto_undo;
}

static uint64_t reductions(const struct counters *c)
{
	return c->tcp_rtx_fast + c->tcp_rtx_rto + c->tcp_ecn_reduced + c->tcp_tlp_recovered;
}

// What the next reduction has to keep: a curve that has begun stays what it is until then.
static void before(struct shadow_loss *l, const struct tcp_soft *s, const struct cubic_stage *g)
{
	l->known = g->epoch_us != 0 && s->ssthresh != CC_SSTHRESH_INIT;
	l->w_max = g->w_max;
	l->k_ms = g->k_ms;
}

// RFC 9438 section 4.9: CUBIC goes on where it was when the reduction is taken back, on the same curve.
// Only where one reduction was made, from what the turn before had left, is it known from outside.
static void undo(struct node *n, uint32_t i, const struct tcp_soft *s)
{
	struct shadow_loss *l = &n->shadow[i].loss;
	const struct tcp_flight *f = flight_of(&n->core->tcp, s);
	const struct cubic_stage *g = stage_of(&n->core->tcp, s);
	bool repairing = s->flags & (SOFT_RECOVERY | SOFT_LOSS),
	     reduced = repairing && f && f->undo;

	if (l->reduced && !repairing && undone(&n->core->cnt) != n->undone
		&& s->ssthresh == l->restored && l->ssthresh < l->restored) {
		FIRED(n->sim, cubic_undone);
		if (g->w_max != l->w_max || g->k_ms != l->k_ms)
			wrong(n, i, "CUBIC's W_max before a reduction and when it is taken back",
				l->w_max, g->w_max);
	}
	if (!reduced)
		before(l, s, g);
	else if (l->reduced && (l->undo_una != f->undo_una || l->prior_cwnd != f->prior_cwnd))
		l->known = false;
	else if (!l->reduced
		&& (reductions(&n->core->cnt) != n->reductions + 1
			|| undone(&n->core->cnt) != n->undone)) // an earlier one, in this turn
		l->known = false;
	l->reduced = reduced && l->known;
	if (!l->reduced)
		return;
	l->undo_una = f->undo_una;
	l->prior_cwnd = f->prior_cwnd;
	l->restored = f->prior_ssthresh > f->prior_cwnd ? f->prior_ssthresh : f->prior_cwnd;
	l->ssthresh = s->ssthresh;
}

void loss_turn_end(struct node *n)
{
	n->undone = undone(&n->core->cnt);
	n->reductions = reductions(&n->core->cnt);
}

void check_loss(struct node *n, uint32_t i)
{
	const struct tcp_soft *s = tcp_soft_held(&n->core->tcp, i);

	if (!s)
		return;
	if (s->flight != STATE_NIL) {
		scoreboard(n, i, s);
		reordering(n, i, s);
	}
	if (cc_ops_of(s) == &cc_cubic)
		undo(n, i, s);
}
