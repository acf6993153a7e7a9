// Tail loss probes (RFC 8985 section 7): when the end of a flight is not answered within two round
// trips, its last segment, or a new one, asks for a SACK that RACK can work with.
#include "engine/tcp/internal.h"

#define TLP_ACK_DELAY_US 200000u // the longest delay of an acknowledgement that is waited for
#define TLP_FIRST_US 1000000u // without a measurement
// Not in the RFC: with round trips of microseconds it is not the path that is late after two of them
// but the peer's scheduler.
#define TLP_SLACK_US 5000u

bool tlp_eligible(const struct tcp *t, const struct tcp_soft *s, const struct rec *r)
{
	const struct tcp_flight *f = flight_of(t, s);

	return (r->opts & OB_NEG_SACK) && s->snd_nxt > s->snd_una
		&& !(s->flags & (SOFT_LOSS | SOFT_REBUILT | SOFT_TLP | SOFT_PROBE))
		&& (!(s->flags & SOFT_RECOVERY) || (f && f->marked))
		&& (!f || (f->sacked == 0 && f->lost == 0));
}

// Section 7.2, TLP_calc_PTO(). Past the RTO there is nothing to arm: its time-out probes first.
void tlp_arm(struct tcp *t, struct tcp_soft *s, const struct rec *r)
{
	uint64_t pto = s->srtt_us ? 2ull * s->srtt_us : TLP_FIRST_US;

	if (s->flags & SOFT_REO)
		return;
	s->soon_at = 0;
	if (s->snd_nxt - s->snd_una <= s->snd_mss)
		pto += TLP_ACK_DELAY_US;
	pto += TLP_SLACK_US;
	if (t->now_us + pto < s->rtx_at && tlp_eligible(t, s, r))
		s->soon_at = t->now_us + pto;
}

void tlp_fired(struct tcp *t, struct tcp_soft *s)
{
	s->flags |= SOFT_TLP_SEND;
	list_out(t, s);
}

// A probe left: its end, and whether all of it had left before (section 7.3).
void tlp_sent(struct tcp *t, struct tcp_soft *s, uint64_t end, bool again)
{
	struct tcp_flight *f = flight_get(t, s);

	COUNT(t->cnt, tcp_tlp_tx);
	f->tlp_end = end;
	s->flags |= SOFT_TLP | (again ? SOFT_TLP_RTX : 0);
}

// Section 7.4.2, TLP_process_ack(). Returns whether the probe has repaired a loss that nobody else
// would see: a congestion event. With everything acknowledged the struct may be gone, and the end
// of the probe is where snd_una was.
bool tlp_ack(struct tcp_rx *x, uint64_t was_una, bool dup)
{
	const struct tcp_flight *f = flight_of(x->t, x->s);
	struct tcp_soft *s = x->s;
	uint64_t end = f && f->tlp_end ? f->tlp_end : was_una;
	bool repaired = false;

	if (!(s->flags & SOFT_TLP) || s->snd_una < end)
		return false;
	if (s->flags & SOFT_TLP_RTX) {
		if (x->dsack && x->dsack_end >= (int64_t)end) {
			x->dsack = false; // both copies came: no word of reordering
		} else if (s->snd_una > end) {
			repaired = true;
		} else if (!dup || x->o.n_sack) {
			return false; // the next one tells
		}
	}
	s->flags &= ~(SOFT_TLP | SOFT_TLP_RTX);
	if (repaired)
		COUNT(x->t->cnt, tcp_tlp_recovered);
	return repaired;
}
