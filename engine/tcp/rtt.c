#include "engine/tcp/rtt.h"

// G of RFC 6298: one tick of the timestamp clock.
#define GRANULARITY_US 1000u

// Moves `v` towards `to` by the k-th part of their distance, and by 1 where that rounds to nothing:
// with many samples a window, truncation would stop it far from the goal.
static uint32_t towards(uint32_t v, uint32_t to, uint64_t k)
{
	uint64_t d = v < to ? to - v : v - to;
	uint64_t step = d / k;

	if (step == 0 && d > 0)
		step = 1;
	return (uint32_t)(v < to ? v + step : v - step);
}

static uint32_t bounded(uint64_t us, const struct rtt_bounds *b)
{
	if (us < b->min_us)
		return b->min_us;
	return us > b->max_us ? b->max_us : (uint32_t)us;
}

void rtt_sample(
	struct tcp_soft *s, uint32_t r_us, uint32_t samples_per_rtt, const struct rtt_bounds *b)
{
	uint64_t var4;

	if (r_us == 0)
		r_us = 1;
	if (samples_per_rtt == 0)
		samples_per_rtt = 1;
	if (s->srtt_us == 0) {
		// section 2.2
		s->srtt_us = r_us;
		s->rttvar_us = r_us / 2;
	} else {
		// section 2.3: alpha = 1/8, beta = 1/4, RTTVAR from the old SRTT
		uint32_t d = s->srtt_us > r_us ? s->srtt_us - r_us : r_us - s->srtt_us;

		s->rttvar_us = towards(s->rttvar_us, d, 4ull * samples_per_rtt);
		s->srtt_us = towards(s->srtt_us, r_us, 8ull * samples_per_rtt);
	}
	var4 = 4ull * s->rttvar_us;
	// A path without variance is none whose next answer cannot be late: the peer may delay its ACK.
	if (var4 < b->min_us)
		var4 = b->min_us;
	if (var4 < GRANULARITY_US)
		var4 = GRANULARITY_US;
	s->rto_us = bounded(s->srtt_us + var4, b);
	s->backoff = 0;
}

uint32_t rtt_rto_us(const struct tcp_soft *s, const struct rtt_bounds *b)
{
	uint64_t rto = s->rto_us != 0 ? s->rto_us : b->init_us;

	// Past 32 doublings the maximum is reached whatever the start.
	return bounded(rto << (s->backoff < 32 ? s->backoff : 32), b);
}
