// The ACK field of an acceptable segment (RFC 9293 section 3.10.7.4 fifth step, RFC 5961 section 5):
// window, measurement, what was delivered. What it says of losses is in recovery.c.
#include "engine/tcp/ecn.h"

// RFC 9293: the window of the most recent segment, told by SEQ and then ACK. One that acknowledges
// something new is recent whatever its SEQ, say a retransmission: with its ACK and an older window, the
// edge would lie beyond all that the peer ever offered.
static bool window_update(struct tcp_rx *x, bool advances)
{
	struct tcp_soft *s = x->s;
	uint32_t wnd = (uint32_t)x->in->wnd << peer_shift(x->r);
	bool changed;

	if ((s->flags & SOFT_WND_KNOWN) && !advances && !seq_lt(s->wl1, x->in->seq)
		&& !(s->wl1 == x->in->seq && seq_leq(s->wl2, x->in->ack)))
		return false;
	changed = wnd != s->snd_wnd || !(s->flags & SOFT_WND_KNOWN);
	s->flags |= SOFT_WND_KNOWN;
	s->snd_wnd = wnd;
	s->wl1 = x->in->seq;
	s->wl2 = x->in->ack;
	if (wnd > s->max_wnd)
		s->max_wnd = wnd;
	return changed;
}

// One measurement a round trip goes into SRTT (RFC 6298 section 3), of what was sent but once; what
// was sent again is measured by the echoed timestamp (RFC 7323 section 4.1). Only a measurement ends
// a back-off. After a rebuild timestamps alone count (docs/hard-state.md, rule 16). Returns the round
// trip of what was sent but once, 0: there is none.
static uint32_t measure(struct tcp_rx *x, uint64_t una, const struct flight_news *n)
{
	struct rtt_bounds b = tcp_rtt_bounds(x->t, x->s);
	struct tcp_soft *s = x->s;
	struct tcp_flight *f;
	uint32_t us;

	if (!n->any)
		return 0;
	if (n->newest_rtx || (s->flags & SOFT_REBUILT)) {
		uint32_t ms = ts_clock(x->t) + s->ts_off - x->o.ts_ecr;

		if (x->o.has_ts && (x->r->opts & OB_NEG_TS) && x->o.ts_ecr && ms < 600000)
			rtt_sample(s, ms * 1000 + 1, 1, &b);
		return 0;
	}
	us = (uint32_t)(x->t->now_us - n->newest_us);
	us = us ? us : 1;
	rack_min_rtt(x->t, s, us);
	f = flight_of(x->t, s);
	if (f ? una <= f->rtt_end && s->backoff == 0 : !(s->flags & SOFT_RTT))
		return us;
	s->flags &= ~SOFT_RTT;
	if (f)
		f->rtt_end = s->snd_nxt;
	rtt_sample(s, us, 1, &b);
	return us;
}

// A stream as it should be: nothing is lost, SACKed or taken back. RACK's time is all there is to note.
static bool quiet(const struct tcp_rx *x)
{
	const struct tcp_flight *f = flight_of(x->t, x->s);

	return x->o.n_sack == 0 && (x->r->opts & OB_NEG_SACK) && !f->undo
		&& (f->sacked | f->lost) == 0
		&& !(x->s->flags & (SOFT_RECOVERY | SOFT_LOSS | SOFT_REO));
}

// For controllers that count marks: what this ACK delivered, and whether it bore ECE.
static void marked(struct tcp_rx *x, const struct flight_news *n)
{
	struct cc_ack a = {.una = x->s->snd_una,
		.nxt = x->s->snd_nxt,
		.acked = n->delivered,
		.ece = x->in->flags & TCP_ECE && x->r->opts & OB_NEG_ECN};
	struct cc c = cc_of(x->t, x->s);

	cc_ops_of(x->s)->marked(&c, &a);
}

// New data was acknowledged.
static void acked(struct tcp_rx *x, uint64_t una)
{
	struct tcp *t = x->t;
	struct tcp_soft *s = x->s;
	struct rtt_bounds b = tcp_rtt_bounds(t, s);
	uint64_t was = s->snd_una;
	struct flight_news n = {.any = false};
	bool fast = s->flags & SOFT_RECOVERY;
	uint32_t rtt_us;

	x->dsack = x->o.n_sack && sack_duplicate(x);
	flight_acked(t, s, una, &n);
	s->snd_una = una;
	if (s->snd_nxt < una) {
		s->snd_nxt = una;
		s->snd_cur = STATE_NIL;
	}
	rtt_us = measure(x, una, &n);
	cwv_acked(t, s, was);
	s->flags &= ~SOFT_PROBE;
	s->rtx_at = una == s->snd_max ? 0 : t->now_us + rtt_rto_us(s, &b);
	if (x->o.n_sack)
		sack_input(x, &n);
	if ((s->flags & SOFT_TLP) && tlp_ack(x, was, false))
		recovery_probe_repaired(t, s);
	if (s->flight != STATE_NIL && quiet(x))
		rack_delivered(x, flight_of(t, s), &n);
	else if (s->flight != STATE_NIL)
		recovery_ack(x, &n, true, false);
	if (cc_ops_of(s)->marked)
		marked(x, &n);
	if (unlikely(x->in->flags & TCP_ECE) && ecn_echo(x, n.delivered))
		fast = true; // no growth
	// What recovery delivered does not count, nor the ACK that ends it.
	if (!fast && !(s->flags & SOFT_RECOVERY) && n.acked
		&& (s->flags & (SOFT_WND_USED | SOFT_LOSS))) {
		struct cc_ack a
			= {.una = una, .nxt = s->snd_nxt, .acked = n.acked, .rtt_us = rtt_us};
		struct cc c = cc_of(t, s);

		cc_ops_of(s)->acked(&c, &a);
	}
	if (una == s->snd_nxt) {
		s->soon_at = 0;
		s->flags &= ~SOFT_REO;
		if (!(s->flags & SOFT_LOSS))
			flight_drop(t, s);
	} else {
		tlp_arm(t, s, x->r);
	}
	if (!(rec_flags(x->r) & REC_UNHEARD))
		t->ops->notify(t->ops->ctx, s, TCP_EV_SENT);
	list_dirty(t, s);
	list_out(t, s);
	conn_timer(t, s);
}

// RFC 5681 section 2. One that bears SACK blocks has to say something new by them.
static bool is_duplicate(const struct tcp_rx *x, bool changed, bool news)
{
	return !changed && x->in->len == 0 && !(x->in->flags & TCP_FIN) && x->s->snd_wnd
		&& (news || x->o.n_sack == 0);
}

// Nothing new is acknowledged; blocks and duplicates may still tell what was delivered.
static void not_acked(struct tcp_rx *x, bool changed)
{
	struct tcp *t = x->t;
	struct tcp_soft *s = x->s;
	struct flight_news n = {.any = false};
	bool dup, sack = x->r->opts & OB_NEG_SACK;

	x->dsack = x->o.n_sack && sack_duplicate(x);
	if (x->o.n_sack)
		sack_input(x, &n);
	dup = s->snd_max > s->snd_una && is_duplicate(x, changed, n.any);
	if (dup)
		COUNT(t->cnt, tcp_dup_ack_rx);
	if ((s->flags & SOFT_TLP) && tlp_ack(x, s->snd_una, dup))
		recovery_probe_repaired(t, s);
	if (n.any && cc_ops_of(s)->marked)
		marked(x, &n);
	if (s->snd_nxt == s->snd_una || (!n.any && !x->dsack && !(dup && !sack)))
		return;
	recovery_ack(x, &n, false, dup);
	list_out(t, s);
	conn_timer(t, s);
}

// The window has moved over what was sent past it: the peer has thrown that away.
static void wnd_opened(struct tcp_rx *x, uint64_t edge)
{
	struct tcp_soft *s = x->s;

	if (s->flags & SOFT_PROBE) {
		s->flags &= ~SOFT_PROBE;
		s->rtx_at = 0;
		s->backoff = 0;
	}
	if (edge < s->snd_una + s->snd_mss && edge < s->snd_nxt && s->flight != STATE_NIL
		&& flight_lose(x->t, s, edge, s->snd_nxt))
		s->backoff = 0;
}

bool rx_ack(struct tcp_rx *x)
{
	struct tcp_soft *s = x->s;
	int64_t d = (int32_t)(x->in->ack - snd_seq(x->r, s->snd_una));
	uint64_t edge = s->snd_una + s->snd_wnd;
	bool changed;

	// RFC 5961 section 5.2: SND.UNA - MAX.SND.WND <= SEG.ACK <= SND.NXT.
	if (d > (int64_t)(s->snd_max - s->snd_una) || d < -(int64_t)s->max_wnd) {
		COUNT(x->t->cnt, drop_tcp_ack_range);
		challenge(x->t, s);
		return false;
	}
	// The peer lives. What nobody waits for needs more than that: it is given up unless it moves.
	if (d > 0 || !(rec_flags(x->r) & (REC_ORPHAN | REC_CLOSED)))
		s->retries = 0;
	if (d < 0)
		return true;
	changed = window_update(x, d > 0);
	if (d > 0) {
		acked(x, s->snd_una + (uint64_t)d);
		return true;
	}
	if (changed) {
		if (s->snd_una + s->snd_wnd > edge)
			wnd_opened(x, edge);
		list_out(x->t, s);
	}
	if (s->snd_max > s->snd_una || x->o.n_sack || (s->flags & SOFT_TLP))
		not_acked(x, changed);
	if (unlikely(x->in->flags & TCP_ECE) && s->snd_nxt > s->snd_una && ecn_echo(x, 0))
		list_out(x->t, s);
	return true;
}
