#include "engine/tcp/hystart.h"

// Section 4.3
#define MIN_RTT_THRESH_US 4000u
#define MAX_RTT_THRESH_US 16000u
#define MIN_RTT_DIVISOR 8u
#define N_RTT_SAMPLE 8u
#define CSS_GROWTH_DIVISOR 4u
#define CSS_ROUNDS 5u

void hystart_begin(struct hystart *h)
{
	*h = (struct hystart){.last_min_us = UINT32_MAX, .min_us = UINT32_MAX};
}

// Returns false when it was the last round of conservative slow start.
static bool round_begin(struct hystart *h, const struct cc_ack *a)
{
	h->round_end = a->nxt;
	h->last_min_us = h->min_us;
	h->min_us = UINT32_MAX;
	h->samples = 0;
	return h->css_round == 0 || h->css_round++ < CSS_ROUNDS;
}

static uint32_t threshold(uint32_t last_min_us)
{
	uint32_t us = last_min_us / MIN_RTT_DIVISOR;

	if (us > MAX_RTT_THRESH_US)
		us = MAX_RTT_THRESH_US;
	return us > MIN_RTT_THRESH_US ? us : MIN_RTT_THRESH_US;
}

static void sample(struct hystart *h, struct cc *c, uint32_t rtt_us)
{
	if (rtt_us < h->min_us)
		h->min_us = rtt_us;
	if (h->samples < N_RTT_SAMPLE && ++h->samples < N_RTT_SAMPLE)
		return;
	if (h->css_round) {
		if (h->min_us < h->base_us) { // it was spurious
			COUNT(c->cnt, tcp_hystart_resumed);
			h->css_round = 0;
		}
	} else if (h->last_min_us != UINT32_MAX
		&& h->min_us >= h->last_min_us + threshold(h->last_min_us)) {
		COUNT(c->cnt, tcp_hystart_css);
		h->base_us = h->min_us;
		h->css_round = 1; // what is left of this round counts
	}
}

void hystart_acked(struct hystart *h, struct cc *c, const struct cc_ack *a)
{
	uint32_t by = cc_ss_bytes(c, a->acked);

	// Not when round_end itself is acknowledged: what follows it leaves behind a burst of ACKs.
	if (a->una > h->round_end && !round_begin(h, a)) {
		COUNT(c->cnt, tcp_hystart_exit);
		c->s->ssthresh = c->s->cwnd;
		return;
	}
	cc_grow(c->s, h->css_round ? by / CSS_GROWTH_DIVISOR : by);
	if (a->rtt_us)
		sample(h, c, a->rtt_us);
}
