// The ACK field of an acceptable segment: acknowledgement, window, loss by duplicate ACKs
// (RFC 9293 section 3.10.7.4 fifth step, RFC 5681, RFC 6582, RFC 5961 section 5).
#include "engine/tcp/internal.h"

#define DUP_THRESH 3u

// RFC 9293: the window of the most recent segment, told by SEQ and then ACK.
static bool window_update(struct tcp_rx *x)
{
	struct tcp_soft *s = x->s;
	uint32_t wnd = (uint32_t)x->in->wnd << peer_shift(x->r);
	bool changed;

	if ((s->flags & SOFT_WND_KNOWN) && !seq_lt(s->wl1, x->in->seq)
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

// New data was acknowledged (RFC 6582 section 3.2).
static void acked(struct tcp_rx *x, uint64_t una)
{
	struct tcp *t = x->t;
	struct tcp_soft *s = x->s;
	uint32_t n = (uint32_t)(una - s->snd_una);
	struct rtt_bounds b = tcp_rtt_bounds(t);

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
			t->cc->exit_recovery(s, s->snd_mss, (uint32_t)(s->snd_max - una));
		} else {
			t->cc->partial_ack(s, s->snd_mss, n);
			s->flags |= SOFT_RTX_HEAD;
		}
	} else {
		if (una >= s->recover)
			s->flags &= ~(SOFT_LOSS | SOFT_REBUILT);
		t->cc->ack(s, s->snd_mss, n);
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

// RFC 5681 section 2: what counts as a duplicate acknowledgement.
static void duplicate(struct tcp_rx *x)
{
	struct tcp *t = x->t;
	struct tcp_soft *s = x->s;

	COUNT(t->cnt, tcp_dup_ack_rx);
	if (s->flags & SOFT_RECOVERY) {
		t->cc->dup_ack(s, s->snd_mss);
		list_out(t, s);
		return;
	}
	// Only once in a window (RFC 6582 section 3.2, step 2): not for what was lost before.
	if (++s->dupacks != DUP_THRESH || ((s->flags & SOFT_LOSS) && s->snd_una < s->recover))
		return;
	COUNT(t->cnt, tcp_rtx_fast);
	s->recover = s->snd_max;
	s->flags |= SOFT_RECOVERY | SOFT_RTX_HEAD;
	s->flags &= ~SOFT_RTT;
	t->cc->enter_recovery(s, s->snd_mss, (uint32_t)(s->snd_max - s->snd_una));
	list_out(t, s);
}

bool rx_ack(struct tcp_rx *x)
{
	struct tcp_soft *s = x->s;
	int64_t d = (int32_t)(x->in->ack - snd_seq(x->r, s->snd_una));
	bool changed;

	// RFC 5961 section 5.2: SND.UNA - MAX.SND.WND <= SEG.ACK <= SND.NXT.
	if (d > (int64_t)(s->snd_max - s->snd_una) || d < -(int64_t)s->max_wnd) {
		COUNT(x->t->cnt, drop_tcp_ack_range);
		challenge(x->t, s);
		return false;
	}
	s->retries = 0; // the peer lives
	if (d < 0)
		return true;
	changed = window_update(x);
	if (d > 0) {
		acked(x, s->snd_una + (uint64_t)d);
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
	} else if (s->snd_max > s->snd_una && x->in->len == 0 && !(x->in->flags & TCP_FIN)
		&& s->snd_wnd) {
		duplicate(x);
	}
	return true;
}
