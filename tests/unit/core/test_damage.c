// A record that is damaged costs one connection, which ends like any other: its host is told, on a
// channel of its own, by the slot that meant it, and has its slot back. Others go on.
#include <errno.h>

#include "tests/unit/core/order.h"

static struct rig r;

static void *cold(const struct rec *x)
{
	return (uint8_t *)(uintptr_t)x + offsetof(struct rec, laddr);
}

static void test_told(void)
{
	struct ob_seg_layout l = peer_layout(1, 6);
	struct rig_end hurt, well;
	const struct rec *x;
	struct ob_event ev;

	rig_open(&r, NULL, &l);
	rig_listen(&r, RIG_PORT);
	rig_accept(&r, &hurt, 1001);
	rig_connect(&r, &well, 2001, 4);
	rig_do(&r, rig_send_req(&r, &hurt, 0, 1000));
	rig_say(&r, &hurt, TCP_ACK, 600);
	ev = rig_event(&r, OB_EV_DATA); // and is not read
	rig_forget(&r);
	x = rig_rec(&r, &hurt);
	memset(cold(x), 0xff, 64); // host, slot and channel are beyond every table
	tcp_forget(&r.core->tcp, (uint32_t)(x - r.st.recs));
	rig_turn(&r);
	CU_ASSERT_EQUAL(r.core->cnt.tcp_rec_damaged, 1);
	ev = rig_event(&r, OB_EV_CLOSED);
	CU_ASSERT(ev.slot == hurt.slot && ev.gen == hurt.gen && ev.error == -EIO);
	rig_forget(&r);
	rig_say(&r, &hurt, TCP_ACK, 10);
	rig_hear(&r, &hurt, TCP_RST, 0);
	// The other one.
	rig_do(&r, rig_send_req(&r, &well, 0, 10));
	rig_hear(&r, &well, TCP_ACK, 10);
	rig_say(&r, &well, TCP_RST, 0);
	rig_event(&r, OB_EV_CLOSED);
	rig_release(&r, &well);
	rig_release(&r, &hurt);
	CU_ASSERT_EQUAL(r.core->cnt.tcp_rec_damaged, 1);
	CU_ASSERT(r.core->cnt.req_bad_gen == 0 && r.core->cnt.req_bad_state == 0);
	rig_close(&r);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"its host is told", test_told},
		CU_TEST_INFO_NULL,
	};

	if (unit_eal() < 0)
		return 1;
	return unit_run("core damage", tests);
}
