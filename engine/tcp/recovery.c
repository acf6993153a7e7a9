// The states of loss recovery, and the ways back (docs/loss-recovery.md): fast recovery paced by PRR,
// recovery from a time-out with F-RTO, undo of what proves spurious.
#include "engine/tcp/ecn.h"
#include "engine/tcp/prr.h"

#define DUP_THRESH 3u

// What a congestion event may take back.
static void undo_begin(struct tcp_soft *s, struct tcp_flight *f)
{
	f->undo = 1;
	f->prior_cwnd = s->cwnd;
	f->prior_ssthresh = s->ssthresh;
	f->undo_una = s->snd_una;
	f->undo_rtx = 0;
	f->ts_known = 0;
}

static uint32_t event_ssthresh(struct tcp *t, struct tcp_soft *s, enum cc_event ev)
{
	uint32_t flight = (uint32_t)(s->snd_nxt - s->snd_una);
	struct cc c = cc_of(t, s);

	// ACKs come in bursts, and what they let go leaves behind them: FlightSize is not what is left
	// in the middle of a burst, but what was in flight when something was last sent.
	if (flight < s->sent_flight)
		flight = s->sent_flight;
	flight = cwv_flight(t, s, flight);
	// Without what limited transmit has sent past cwnd (RFC 5681 section 3.2, step 2).
	return cc_ops_of(s)->ssthresh(&c, flight < s->cwnd ? flight : s->cwnd, ev);
}

void recovery_enter(struct tcp *t, struct tcp_soft *s, enum cc_event ev, uint32_t delivered)
{
	struct tcp_flight *f = flight_get(t, s);

	undo_begin(s, f);
	f->recover = s->snd_nxt;
	// RFC 9937 section 6: without what was SACKed before, with what this ACK acknowledged
	f->recover_fs = (uint32_t)(s->snd_nxt - s->snd_una) + delivered - f->sacked - f->dup_bytes;
	f->prr_delivered = f->prr_out = 0;
	s->ssthresh = event_ssthresh(t, s, ev);
	s->cwnd = flight_pipe(t, s) + s->snd_mss; // the first retransmission, and then PRR's
	s->flags |= SOFT_RECOVERY;
	ecn_reduced(t, s);
}

// Of the same window as a mark that it was reduced for: not again, and nothing can be taken back.
static void lost_after_mark(struct tcp *t, struct tcp_soft *s, struct tcp_flight *f)
{
	COUNT(t->cnt, tcp_rtx_fast);
	f->marked = 0;
	f->recover = s->snd_nxt;
	s->flags |= SOFT_RTX_HEAD;
}

static void loss_found(struct tcp *t, struct tcp_soft *s, uint32_t delivered)
{
	struct tcp_flight *f = flight_of(t, s);

	if (!(s->flags & (SOFT_RECOVERY | SOFT_LOSS))) {
		COUNT(t->cnt, tcp_rtx_fast);
		recovery_enter(t, s, CC_LOSS, delivered);
	} else if (f->marked) {
		lost_after_mark(t, s, f);
	}
}

void recovery_marked(struct tcp *t, struct tcp_soft *s, uint32_t delivered)
{
	if (s->snd_nxt == s->snd_una) {
		s->ssthresh = event_ssthresh(t, s, CC_ECN);
		if (s->cwnd > s->ssthresh)
			s->cwnd = s->ssthresh;
		ecn_reduced(t, s);
		return;
	}
	recovery_enter(t, s, CC_ECN, delivered);
	flight_of(t, s)->undo = 0;
	flight_of(t, s)->marked = 1;
}

// RFC 4015 section 3.2: back to what was, but without a burst.
static void undo(struct tcp_rx *x, struct tcp_flight *f)
{
	struct tcp_soft *s = x->s;
	struct cc c = cc_of(x->t, s);
	uint64_t wnd;

	wnd = (uint64_t)flight_pipe(x->t, s)
		+ cc_init_wnd(s->snd_mss, setting(x->t, x->s, OB_OPT_INIT_CWND));
	if (wnd > f->prior_cwnd)
		wnd = f->prior_cwnd;
	if (wnd > s->cwnd)
		s->cwnd = (uint32_t)wnd;
	s->ssthresh = f->prior_ssthresh > f->prior_cwnd ? f->prior_ssthresh : f->prior_cwnd;
	s->flags &= ~(SOFT_RECOVERY | SOFT_LOSS | SOFT_RTX_HEAD | SOFT_CWR);
	s->backoff = 0;
	f->undo = f->frto = 0;
	f->dupacks = 0;
	f->dup_bytes = 0;
	if (cc_ops_of(s)->undo)
		cc_ops_of(s)->undo(&c);
}

// Eifel (RFC 3522): an ACK of what was sent again echoes a timestamp from before that: it answers
// the original.
static bool undo_by_timestamp(struct tcp_rx *x, struct tcp_flight *f, const struct flight_news *n)
{
	if (!f->undo || !f->ts_known || !n->rtx_acked || !x->o.has_ts || x->o.ts_ecr == 0
		|| !(x->r->opts & OB_NEG_TS) || !seq_lt(x->o.ts_ecr, f->rtx_ts))
		return false;
	COUNT(x->t->cnt, tcp_eifel_undo);
	flight_unlose(x->t, f);
	undo(x, f);
	return true;
}

// D-SACK (RFC 2883, RFC 3708 section 3.1): all that was sent again had arrived before. What is marked
// lost and was not sent again may be lost all the same.
static bool undo_by_dsack(struct tcp_rx *x, struct tcp_flight *f)
{
	uint32_t len = (uint32_t)(x->dsack_end - x->dsack_start);

	if (!x->dsack || !f->undo || !f->ts_known || x->dsack_start < (int64_t)f->undo_una)
		return false;
	f->undo_rtx -= len < f->undo_rtx ? len : f->undo_rtx;
	if (f->undo_rtx)
		return false;
	COUNT(x->t->cnt, tcp_dsack_undo);
	undo(x, f);
	return true;
}

// What was taken for lost arrived before anything of it was sent again: in a burst, SACKs and the late
// segment's ACK come in one turn. Then there is nothing that could tell, and nothing that has to.
static bool undo_unsent(struct tcp_rx *x, struct tcp_flight *f)
{
	if (!(x->s->flags & SOFT_RECOVERY) || !f->undo || f->ts_known || f->lost)
		return false;
	COUNT(x->t->cnt, tcp_unsent_undo);
	undo(x, f);
	return true;
}

// RFC 5682 section 3.1, its steps numbered as there; without SACK section 2.1, which differs in what
// a duplicate ACK says. Returns whether the time-out was spurious.
static bool frto(
	struct tcp_rx *x, struct tcp_flight *f, const struct flight_news *n, bool moved, bool dup)
{
	struct tcp_soft *s = x->s;
	bool sack = x->r->opts & OB_NEG_SACK;

	if (f->frto == 2) {
		uint64_t wr = STATE_OFF(HARD_GET(x->r->snd_wr));

		if (moved && s->snd_una < f->recover && wr > s->snd_nxt
			&& s->snd_una + s->snd_wnd > s->snd_nxt) {
			f->frto = 3; // (2b) new data goes before what is marked lost
			f->frto_new = 2;
			f->frto_end = s->snd_nxt;
		} else if (moved || (dup && !sack)) {
			f->frto = 0; // (2a)
		}
		return false;
	}
	if (n->sacked_end > f->frto_end || (dup && !sack)) {
		f->frto = 0; // (3a) there is a hole
		if (s->cwnd < 3u * s->snd_mss) // what has left does not hold up the rest
			s->cwnd = 3u * s->snd_mss;
		return false;
	}
	if (!n->orig)
		return false;
	COUNT(x->t->cnt, tcp_frto_undo); // (3b) what was sent but once has arrived
	flight_unlose(x->t, f);
	undo(x, f);
	return true;
}

// Something was lost, as opposed to marked.
static bool repairing(const struct tcp_soft *s, const struct tcp_flight *f)
{
	return (s->flags & (SOFT_RECOVERY | SOFT_LOSS)) && !f->marked;
}

// Without SACK: each duplicate stands for a segment that has left the network; a partial ACK takes
// those back that it covers, but for the one that was sent again (RFC 6582 section 3.2).
static void reno_count(struct tcp_rx *x, struct tcp_flight *f, struct flight_news *n, bool dup)
{
	struct tcp_soft *s = x->s;
	uint32_t mss = s->snd_mss, all = (uint32_t)(s->snd_nxt - s->snd_una);

	if (n->acked) {
		uint32_t back = n->acked > mss ? n->acked - mss : 0;

		if (back > f->dup_bytes)
			back = f->dup_bytes;
		f->dup_bytes -= back;
		n->delivered -= back;
		f->dupacks = 0;
		if (!repairing(s, f))
			f->dup_bytes = 0;
	} else if (dup && !(s->flags & SOFT_LOSS)) {
		f->dupacks++;
		f->dup_bytes += mss;
		n->delivered = mss;
	}
	if (f->dup_bytes + f->lost + mss > all)
		f->dup_bytes = all > f->lost + mss ? all - f->lost - mss : 0;
}

static uint32_t reno_detect(struct tcp_rx *x, struct tcp_flight *f, const struct flight_news *n)
{
	struct tcp_soft *s = x->s;
	uint64_t end = s->snd_una + s->snd_mss;
	bool repair = repairing(s, f), first = !repair && f->dupacks >= DUP_THRESH;
	bool partial = repair && (s->flags & SOFT_RECOVERY) && n->acked && s->snd_una < f->recover;

	if ((!first && !partial) || f->head == STATE_NIL || x->t->ranges[f->head].n_tx > 1)
		return 0;
	return flight_lose(x->t, s, s->snd_una, end < s->snd_nxt ? end : s->snd_nxt);
}

// The end of recovery, once what was sent before it is acknowledged.
static void leave(struct tcp_rx *x, struct tcp_flight *f)
{
	struct tcp_soft *s = x->s;

	if (!(s->flags & (SOFT_RECOVERY | SOFT_LOSS)) || s->snd_una < f->recover)
		return;
	if (s->flags & SOFT_RECOVERY) {
		s->cwnd = s->ssthresh; // RFC 9937 section 6
		cwv_recovered(x->t, s, f->undo_rtx, f->recover_fs);
	}
	s->flags &= ~(SOFT_RECOVERY | SOFT_LOSS | SOFT_REBUILT);
	f->frto = 0;
	if (f->marked) {
		f->marked = 0; // no sign of loss was looked at
		return;
	}
	f->dupacks = 0;
	f->dup_bytes = 0;
	rack_recovered(s);
}

static void prr(struct tcp_rx *x, struct tcp_flight *f, const struct flight_news *n, bool safe)
{
	struct tcp_soft *s = x->s;
	struct prr p = {.ssthresh = s->ssthresh,
		.recover_fs = f->recover_fs,
		.out = f->prr_out,
		.pipe = flight_pipe(x->t, s),
		.mss = s->snd_mss};

	if (n->delivered == 0)
		return;
	COUNT(x->t->cnt, tcp_prr_acks);
	f->prr_delivered += n->delivered;
	p.delivered = f->prr_delivered;
	s->cwnd = p.pipe + prr_sndcnt(&p, n->delivered, safe);
}

// moved: the ACK moved snd_una. dup: it is a duplicate ACK (RFC 5681 section 2).
void recovery_ack(struct tcp_rx *x, struct flight_news *n, bool moved, bool dup)
{
	struct tcp *t = x->t;
	struct tcp_soft *s = x->s;
	struct tcp_flight *f = flight_get(t, s);
	bool sack = x->r->opts & OB_NEG_SACK;
	uint32_t lost;

	if (sack)
		rack_ack(x, f, n);
	else
		reno_count(x, f, n, dup);
	if (!undo_by_timestamp(x, f, n) && !undo_by_dsack(x, f) && !undo_unsent(x, f) && f->frto)
		frto(x, f, n, moved, dup);
	leave(x, f);
	lost = sack ? rack_detect(t, s, f) : reno_detect(x, f, n);
	if (f->lost && lost)
		loss_found(t, s, n->delivered);
	if (s->flags & SOFT_RECOVERY)
		prr(x, f, n, moved && lost == 0);
}

// A probe repaired a loss: as after a recovery that has ended already (RFC 8985 section 7.4.2).
void recovery_probe_repaired(struct tcp *t, struct tcp_soft *s)
{
	if (s->flags & (SOFT_RECOVERY | SOFT_LOSS))
		return;
	s->ssthresh = event_ssthresh(t, s, CC_LOSS);
	if (s->cwnd > s->ssthresh)
		s->cwnd = s->ssthresh;
	ecn_reduced(t, s);
}

// RACK's timer: those that were too young are old enough by now.
void recovery_reo_fired(struct tcp *t, struct tcp_soft *s)
{
	struct tcp_flight *f = flight_of(t, s);

	if (!f || rack_detect(t, s, f) == 0)
		return;
	loss_found(t, s, 0);
	list_out(t, s);
}

void recovery_timeout(struct tcp *t, struct tcp_soft *s, const struct rec *r)
{
	struct tcp_flight *f = flight_get(t, s);
	bool again = (s->flags & SOFT_LOSS) && s->snd_una < f->recover;
	bool fast = (s->flags & SOFT_RECOVERY) && !f->marked;

	COUNT(t->cnt, tcp_rtx_rto);
	if (!again) {
		undo_begin(s, f);
		// RFC 5681 equation 4; held when the timer had fired before for the same data.
		s->ssthresh = event_ssthresh(t, s, CC_TIMEOUT);
	}
	s->cwnd = s->snd_mss;
	if (f->head != STATE_NIL && t->ranges[f->head].state == RANGE_SACKED) {
		COUNT(t->cnt, tcp_sack_reneged);
		flight_renege(t, f);
	}
	if (r->opts & OB_NEG_SACK)
		rack_timeout(t, s, f);
	else
		flight_lose(t, s, s->snd_una, s->snd_nxt);
	f->dupacks = 0;
	f->dup_bytes = 0;
	f->marked = 0;
	f->recover = s->snd_nxt;
	ecn_reduced(t, s);
	// RFC 5682 section 3.1 (1): not when a recovery was under way
	f->frto = !again && !fast ? 2 : 0;
	s->flags &= ~(SOFT_RECOVERY | SOFT_REO | SOFT_TLP | SOFT_TLP_RTX | SOFT_TLP_SEND);
	s->flags |= SOFT_LOSS | SOFT_RTX_HEAD;
	s->soon_at = 0;
}

// What is in flight was sent by another life: it counts as lost, in a recovery from a time-out that no
// reduction began. So there is nothing to undo, and until its end every time-out is one more of the
// same: no F-RTO, no Eifel, no D-SACK undo (docs/hard-state.md, rule 16).
void recovery_rebuilt(struct tcp *t, struct tcp_soft *s)
{
	struct tcp_flight *f;

	if (s->snd_max == s->snd_una)
		return;
	s->flags |= SOFT_REBUILT | SOFT_LOSS;
	s->snd_nxt = s->snd_max;
	s->sent_us = (uint32_t)t->now_us;
	f = flight_get(t, s);
	f->recover = s->snd_max;
	flight_lose(t, s, s->snd_una, s->snd_nxt);
}
