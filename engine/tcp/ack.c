// The ACK field of an acceptable segment: acknowledgement, window, loss by duplicate ACKs
// (RFC 9293 section 3.10.7.4 fifth step, RFC 5681, RFC 6582, RFC 5961 section 5).
#include "engine/tcp/internal.h"

#define DUP_THRESH 3u

// The window in fast recovery (RFC 5681 section 3.2, RFC 6582 section 3.2).
static void wnd_enter(struct tcp *t, struct tcp_soft *s, uint32_t flight)
{
	struct cc c = cc_of(t, s);

	s->ssthresh = t->cc->ssthresh(&c, flight, CC_LOSS);
	s->cwnd = s->ssthresh;
	cc_grow(s, 3 * s->snd_mss);
}

// A segment has left the network for each duplicate; one ACK can stand for many of them (Linux
// sends few while a hole is open), and then only SACK tells how many.
static void wnd_dup_ack(struct tcp_soft *s, uint32_t held)
{
	uint64_t want = (uint64_t)s->ssthresh + held;

	if (held == 0)
		cc_grow(s, s->snd_mss);
	else if (want > s->cwnd && want <= CC_CWND_MAX)
		s->cwnd = (uint32_t)want;
}

static void wnd_partial_ack(struct tcp_soft *s, uint32_t acked)
{
	s->cwnd = s->cwnd > acked ? s->cwnd - acked : 0;
	if (acked >= s->snd_mss)
		cc_grow(s, s->snd_mss);
	if (s->cwnd < s->snd_mss)
		s->cwnd = s->snd_mss;
}

// Full acknowledgement, option 1: no burst
static void wnd_exit(struct tcp_soft *s, uint32_t flight)
{
	uint32_t wnd = (flight > s->snd_mss ? flight : s->snd_mss) + s->snd_mss;

	s->cwnd = wnd < s->ssthresh ? wnd : s->ssthresh;
}

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

// A measurement from the byte that was timed, or from the echoed timestamp, which is good even when
// something was sent again (RFC 7323 section 4.1).
static void measure(struct tcp_rx *x, uint64_t una)
{
	struct rtt_bounds b = tcp_rtt_bounds(x->t);
	struct tcp_soft *s = x->s;

	if (s->flags & SOFT_RTT) {
		if (una < s->rtt_off)
			return;
		s->flags &= ~SOFT_RTT;
		rtt_sample(s, (uint32_t)x->t->now_us - s->rtt_sent_us, 1, &b);
	} else if ((s->flags & SOFT_LOSS) && x->o.has_ts && (x->r->opts & OB_NEG_TS)
		&& x->o.ts_ecr) {
		uint32_t ms = ts_clock(x->t) + s->ts_off - x->o.ts_ecr;

		if (ms < 600000)
			rtt_sample(s, ms * 1000 + 1, 1, &b);
	}
}

// How much the peer says it holds behind SEG.ACK: a lower bound, since a segment has no room for
// more than a few blocks (RFC 2018). D-SACKs (RFC 2883 section 4) are no news of that kind.
static uint32_t sacked(const struct tcp_rx *x)
{
	uint32_t una = x->in->ack, sent = snd_seq(x->r, x->s->snd_max) - una, sum = 0;

	if (!(x->r->opts & OB_NEG_SACK))
		return 0;
	for (unsigned i = 0; i < x->o.n_sack; i++) {
		uint32_t from = x->o.sack[i].start - una, to = x->o.sack[i].end - una;

		if (from == 0 || from >= to || to > sent)
			continue;
		// A D-SACK of what lies in the block behind it.
		if (i == 0 && x->o.n_sack > 1 && from >= x->o.sack[1].start - una
			&& to <= x->o.sack[1].end - una)
			continue;
		sum += to - from;
	}
	return sum;
}

// New data was acknowledged (RFC 6582 section 3.2).
static void acked(struct tcp_rx *x, uint64_t una)
{
	struct tcp *t = x->t;
	struct tcp_soft *s = x->s;
	uint32_t n = (uint32_t)(una - s->snd_una);
	struct rtt_bounds b = tcp_rtt_bounds(t);
	struct cc_ack a = {.una = una, .nxt = s->snd_nxt, .acked = n};
	struct cc c = cc_of(t, s);

	measure(x, una); // only this ends a back-off (RFC 6298 section 5)
	s->snd_una = una;
	if (s->snd_nxt < una) {
		s->snd_nxt = una;
		s->snd_cur = STATE_NIL;
	}
	s->dupacks = 0;
	if (s->flags & SOFT_RECOVERY) {
		if (una >= s->recover) {
			s->flags &= ~SOFT_RECOVERY;
			wnd_exit(s, (uint32_t)(s->snd_max - una));
		} else {
			wnd_partial_ack(s, n);
			s->flags |= SOFT_RTX_HEAD;
		}
	} else {
		if (una >= s->recover)
			s->flags &= ~(SOFT_LOSS | SOFT_REBUILT);
		t->cc->acked(&c, &a);
	}
	if (una == s->snd_max)
		s->rtx_at = 0;
	else
		s->rtx_at = t->now_us + rtt_rto_us(s, &b);
	s->flags &= ~SOFT_PROBE;
	if (!(rec_flags(x->r) & REC_ORPHAN))
		t->ops->notify(t->ops->ctx, s, TCP_EV_SENT);
	list_dirty(t, s);
	list_out(t, s);
	conn_timer(t, s);
}

// The peer misses what lies at snd_una (RFC 5681 section 3.2). Without SACK it takes three duplicate
// ACKs; `held` bytes behind the hole say the same at once (IsLost() of RFC 6675).
static void loss_signal(struct tcp_rx *x, uint32_t held)
{
	struct tcp *t = x->t;
	struct tcp_soft *s = x->s;
	uint64_t flight = s->snd_max - s->snd_una;

	if (s->flags & SOFT_RECOVERY) {
		wnd_dup_ack(s, held);
		list_out(t, s);
		return;
	}
	// Only once in a window (RFC 6582 section 3.2, step 2): not for what was lost before.
	if ((s->flags & SOFT_LOSS) && s->snd_una < s->recover)
		return;
	list_out(t, s); // limited transmit
	if (s->dupacks < DUP_THRESH && held <= (DUP_THRESH - 1) * s->snd_mss)
		return;
	COUNT(t->cnt, tcp_rtx_fast);
	s->recover = s->snd_max;
	s->flags |= SOFT_RECOVERY | SOFT_RTX_HEAD;
	s->flags &= ~SOFT_RTT;
	// Without what limited transmit has sent past cwnd (RFC 5681 section 3.2, step 2).
	wnd_enter(t, s, flight < s->cwnd ? (uint32_t)flight : s->cwnd);
	if (held)
		wnd_dup_ack(s, held);
}

// RFC 5681 section 2. One that bears SACK blocks has to say something new by them.
static bool is_duplicate(const struct tcp_rx *x, bool changed, uint32_t held)
{
	return !changed && x->in->len == 0 && !(x->in->flags & TCP_FIN) && x->s->snd_wnd
		&& (held || x->o.n_sack == 0);
}

bool rx_ack(struct tcp_rx *x)
{
	struct tcp_soft *s = x->s;
	int64_t d = (int32_t)(x->in->ack - snd_seq(x->r, s->snd_una));
	uint32_t held;
	bool changed;

	// RFC 5961 section 5.2: SND.UNA - MAX.SND.WND <= SEG.ACK <= SND.NXT.
	if (d > (int64_t)(s->snd_max - s->snd_una) || d < -(int64_t)s->max_wnd) {
		COUNT(x->t->cnt, drop_tcp_ack_range);
		challenge(x->t, s);
		return false;
	}
	// The peer lives. An orphan needs more than that: it is given up unless it moves.
	if (d > 0 || !(rec_flags(x->r) & REC_ORPHAN))
		s->retries = 0;
	if (d < 0)
		return true;
	changed = window_update(x, d > 0);
	held = x->o.n_sack ? sacked(x) : 0;
	if (d > 0) {
		acked(x, s->snd_una + (uint64_t)d);
		if (held)
			loss_signal(x, held);
		return true;
	}
	if (changed) {
		// An opening window ends the probes; what they sent past it goes again.
		if ((s->flags & SOFT_PROBE) && s->snd_wnd) {
			s->flags &= ~SOFT_PROBE;
			s->rtx_at = 0;
			s->backoff = 0;
			s->snd_nxt = s->snd_una;
			s->snd_cur = STATE_NIL;
		}
		list_out(x->t, s);
	}
	if (s->snd_max == s->snd_una)
		return true;
	if (is_duplicate(x, changed, held)) {
		COUNT(x->t->cnt, tcp_dup_ack_rx);
		s->dupacks++;
		loss_signal(x, held);
	} else if (held) {
		loss_signal(x, held);
	}
	return true;
}
