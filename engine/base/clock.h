// The engine's clock: microseconds derived from the TSC by a multiplier that is set once and
// lives in the state segment, so that a successor's clock, and with it timestamps, go on (RFC 7323).
#ifndef ENGINE_BASE_CLOCK_H
#define ENGINE_BASE_CLOCK_H

#include <stdint.h>

struct ob_clock {
	uint64_t tsc0;
	uint64_t mult; // us = (tsc - tsc0) * mult >> shift, with a 128-bit product
	uint32_t shift;
	uint32_t spare;
};

// hz: rate of the TSC. The clock starts at 1 second, so that 0 never is a time.
void clock_set(struct ob_clock *c, uint64_t tsc0, uint64_t hz);

static inline uint64_t clock_us(const struct ob_clock *c, uint64_t tsc)
{
	return (uint64_t)(((unsigned __int128)(tsc - c->tsc0) * c->mult) >> c->shift) + 1000000;
}

#endif
