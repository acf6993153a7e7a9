// How long a sleep may last: until the first timer, of TCP or of the neighbours.
#include "engine/turn.h"
#include "tests/unit/core/rig.h"

static struct rig r;

// TCP's is the earlier one: data waits to be acknowledged.
static void test_tcp(void)
{
	struct ob_seg_layout l = peer_layout(1, 6);
	struct rig_end e;
	uint64_t at;

	rig_open(&r, NULL, &l);
	rig_listen(&r, RIG_PORT);
	rig_accept(&r, &e, 1000);
	rig_do(&r, rig_send_req(&r, &e, 0, 100));
	rig_hear(&r, &e, TCP_ACK, 100);
	at = core_next_us(r.core);
	CU_ASSERT(at > r.core->now_us && at <= r.core->now_us + 2 * r.cfg.tcp_init_rto_us);
	CU_ASSERT_EQUAL(at, tcp_next_us(&r.core->tcp));
	CU_ASSERT(at < net_next_us(&r.core->net));
	rig_do(&r, (struct ob_req){.op = OB_RQ_ABORT, .slot = e.slot, .gen = e.gen});
	rig_event(&r, OB_EV_CLOSED);
	rig_release(&r, &e);
	rig_forget(&r);
	rig_close(&r);
}

// The neighbours' is: somebody is asked for, again after net.neigh_retry_ms, and a SYN waits a second.
static void test_neigh(void)
{
	struct ob_seg_layout l = peer_layout(1, 6);
	struct ob_req q = {.op = OB_RQ_CONNECT, .gen = 1, .addr.rport = 9};
	uint64_t at;

	rig_open(&r, NULL, &l);
	q.slot = 4;
	q.addr.raddr = r.cfg.addr;
	q.addr.raddr.b[15] += 50;
	rig_do(&r, q);
	at = core_next_us(r.core);
	CU_ASSERT(at > r.core->now_us && at < r.core->now_us + 2000 * r.cfg.net_neigh_retry_ms);
	CU_ASSERT(at < tcp_next_us(&r.core->tcp));
	rig_do(&r, (struct ob_req){.op = OB_RQ_ABORT, .slot = q.slot, .gen = 1});
	rig_event(&r, OB_EV_CONNECT);
	rig_forget(&r);
	rig_close(&r);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"TCP's timer", test_tcp},
		{"the neighbours' timer", test_neigh},
		CU_TEST_INFO_NULL,
	};

	return unit_eal() < 0 ? 1 : unit_run("core_sleep", tests);
}
