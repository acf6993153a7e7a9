#include "tests/sim/peer.h"
struct peer {
	int x;
};
struct peer *peer_open(struct sim *s)
{
	sim_fail(s, "no peer yet");
	return NULL;
}
void peer_close(struct peer *p)
{
	(void)p;
}
uint64_t peer_next_us(const struct peer *p)
{
	(void)p;
	return SIM_NEVER;
}
void peer_step(struct peer *p)
{
	(void)p;
}
void peer_quiet(struct peer *p)
{
	(void)p;
}
