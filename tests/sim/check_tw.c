// TIME-WAIT lasts: an entry ends when its time has come, or is evicted or used again, which is counted.
// Nothing else ends it, least of all a reset (RFC 1337).
#include "tests/sim/check.h"

static bool early(const struct node *n, const struct tw *was, const struct tw *now)
{
	uint32_t expiry = HARD_GET(was->expiry);

	if (!expiry || (int32_t)(expiry - (uint32_t)(n->core->tcp.now_us / 1000)) <= 0)
		return false;
	return !HARD_GET(now->expiry) || memcmp(was->key, now->key, sizeof(was->key)) != 0;
}

void check_time_wait(struct node *n)
{
	uint64_t gone = n->core->cnt.tcp_tw_evicted + n->core->cnt.tcp_tw_reused;
	uint32_t ended = 0;

	for (uint32_t i = 0; i < n->st.hdr->n_tw && i < SIM_TIME_WAIT; i++) {
		if (!HARD_GET(n->tw[i].expiry) && !HARD_GET(n->st.tw[i].expiry))
			continue;
		ended += early(n, &n->tw[i], &n->st.tw[i]);
		memcpy(&n->tw[i], &n->st.tw[i], sizeof(n->tw[i]));
	}
	if (ended > gone - n->tw_gone)
		sim_fail(n->sim, "engine %u: %u entries in TIME-WAIT end early, of which %llu may",
			n->index, ended, (unsigned long long)(gone - n->tw_gone));
	n->tw_gone = gone;
}
