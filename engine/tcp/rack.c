// RACK: what was sent before something that has since been delivered, longer ago than a round trip and
// a window for reordering, is lost (RFC 8985 section 6.2, its steps numbered as there).
#include "engine/tcp/internal.h"

#define MIN_RTT_S 300u // how long a minimum holds
#define REO_PERSIST 16u // recoveries without a D-SACK until the window shrinks again
#define REO_MULT_MAX 64u

void rack_min_rtt(struct tcp *t, struct tcp_soft *s, uint32_t rtt_us)
{
	uint16_t now_s = (uint16_t)(t->now_us / 1000000);

	if (rtt_us == 0)
		rtt_us = 1;
	if (s->min_rtt_us && rtt_us > s->min_rtt_us && (uint16_t)(now_s - s->min_rtt_s) < MIN_RTT_S)
		return;
	s->min_rtt_us = rtt_us;
	s->min_rtt_s = now_s;
}

static bool sent_after(uint64_t us1, uint64_t end1, uint64_t us2, uint64_t end2)
{
	return us1 > us2 || (us1 == us2 && end1 > end2);
}

// Step 2, for what left last among what was delivered.
void rack_delivered(struct tcp_rx *x, struct tcp_flight *f, const struct flight_news *n)
{
	struct tcp_soft *s = x->s;
	uint32_t rtt = (uint32_t)(x->t->now_us - n->newest_us);

	if (!n->any)
		return;
	if (n->newest_rtx) {
		// Which of the copies was it? The first, if the echoed timestamp is older than the
		// last, or if no answer to that could be here yet.
		if (x->o.has_ts && x->o.ts_ecr && (x->r->opts & OB_NEG_TS)
			&& seq_lt(x->o.ts_ecr, (uint32_t)(n->newest_us / 1000) + s->ts_off))
			return;
		if (rtt < s->min_rtt_us)
			return;
	}
	f->rack_rtt_us = rtt;
	if (!f->rack_valid
		|| sent_after(n->newest_us, n->newest_end, f->rack_xmit_us, f->rack_end)) {
		f->rack_xmit_us = n->newest_us;
		f->rack_end = n->newest_end;
		f->rack_valid = 1;
	}
}

void rack_ack(struct tcp_rx *x, struct tcp_flight *f, const struct flight_news *n)
{
	struct tcp_soft *s = x->s;

	rack_delivered(x, f, n);
	// Step 3: reordering
	if (n->reordered && !(s->flags & SOFT_REBUILT))
		s->flags |= SOFT_REORD;
	if (n->sacked_end > f->fack)
		f->fack = n->sacked_end;
	// Step 4: a D-SACK says that the window was too small, at most once a round
	if (f->dsack_wait && s->snd_una >= f->dsack_round)
		f->dsack_wait = 0;
	if (x->dsack && !f->dsack_wait && !(s->flags & SOFT_REBUILT)) {
		f->dsack_wait = 1;
		f->dsack_round = s->snd_nxt;
		if (s->reo_mult < REO_MULT_MAX)
			s->reo_mult++;
		s->reo_persist = REO_PERSIST;
	}
}

void rack_recovered(struct tcp_soft *s)
{
	if (s->reo_persist && --s->reo_persist == 0)
		s->reo_mult = 0;
}

// Step 4, RACK_update_reo_wnd(). reo_mult counts from 0: one quarter of the minimum round trip.
static uint32_t reo_wnd(const struct tcp_soft *s, const struct tcp_flight *f)
{
	uint64_t wnd;

	if (!(s->flags & SOFT_REORD)
		&& ((s->flags & (SOFT_RECOVERY | SOFT_LOSS)) || f->sacked > 2u * s->snd_mss))
		return 0; // nothing was ever reordered: as fast as three duplicate ACKs
	wnd = (1ull + s->reo_mult) * s->min_rtt_us / 4;
	return (uint32_t)(wnd < s->srtt_us ? wnd : s->srtt_us);
}

// Step 5. Ranges are in the order of time, so that the search ends with the first that is too
// young; the timer is set for that one (the RFC sets it for the last of them).
uint32_t rack_detect(struct tcp *t, struct tcp_soft *s, struct tcp_flight *f)
{
	uint32_t wnd = reo_wnd(s, f), was = f->lost;
	uint32_t i = f->thead;

	if (s->flags & SOFT_REO) {
		s->flags &= ~SOFT_REO;
		s->soon_at = 0;
	}
	while (f->rack_valid && i != STATE_NIL) {
		const struct tcp_range *r = &t->ranges[i];
		uint64_t due = r->sent_us + f->rack_rtt_us + wnd;

		if (!sent_after(f->rack_xmit_us, f->rack_end, r->sent_us, r->end))
			break;
		if (due > t->now_us) {
			s->flags |= SOFT_REO;
			s->soon_at = due;
			break;
		}
		flight_mark_lost(t, f, i);
		i = f->thead; // merging may have moved what came next
	}
	COUNT_N(t->cnt, tcp_rack_lost, f->lost - was);
	return f->lost - was;
}

// RFC 8985 section 6.3: a time-out speaks of the first segment, and of those as old as that.
void rack_timeout(struct tcp *t, struct tcp_soft *s, struct tcp_flight *f)
{
	uint32_t wnd = reo_wnd(s, f), next;

	for (uint32_t i = f->thead; i != STATE_NIL; i = next) {
		const struct tcp_range *r = &t->ranges[i];

		next = r->tnext;
		if (r->start != s->snd_una && f->rack_valid
			&& r->sent_us + f->rack_rtt_us + wnd > t->now_us)
			continue;
		flight_mark_lost(t, f, i);
	}
}
