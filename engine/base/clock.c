#include "engine/base/clock.h"

void clock_set(struct ob_clock *c, uint64_t tsc0, uint64_t hz)
{
	c->tsc0 = tsc0;
	c->shift = 40;
	c->mult = (uint64_t)((((unsigned __int128)1000000 << 40) + hz / 2) / hz);
	c->spare = 0;
}
