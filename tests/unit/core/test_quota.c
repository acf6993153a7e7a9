// A host's share of pieces runs out: what it asks for waits, and its aborts get everything back.
//
// Once a send that waited for a piece kept the aborts behind it from being read, and nothing else
// gave pieces back while the peers did not read: the host was stuck for good.
#include "tests/unit/core/crowd.h"

#define PIECES 16u
#define CONNS 20u

static struct rig r;

static void few_pieces(struct config *cfg)
{
	cfg->limits_host_pieces = PIECES;
}

static unsigned live(void)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < r.st.hdr->n_conns; i++)
		n += rec_phase(&r.st.recs[i]) == REC_LIVE;
	return n;
}

// Everything that was asked for is over; the slots are released and rig_close() finds nothing left.
static void finish(struct rig_end *e)
{
	unsigned closed = 0;

	for (unsigned n = 0; n < 50; n++) {
		rig_turn(&r);
		rig_forget(&r);
		for (; peer_has_event(&r.host); closed++) {
			struct ob_event ev = peer_event(&r.host);

			// A send whose connection went before its turn is refused.
			closed -= ev.type != OB_EV_CLOSED;
			CU_ASSERT(ev.type == OB_EV_CLOSED || ev.type == OB_EV_REFUSED);
		}
	}
	CU_ASSERT_EQUAL(closed, CONNS);
	CU_ASSERT_EQUAL(live(), 0);
	CU_ASSERT_EQUAL(ob_ring_room(&r.host.req, 256), 256); // all of them were taken
	for (unsigned i = 0; i < CONNS; i++)
		rig_ask(&r,
			(struct ob_req){.op = OB_RQ_RELEASE, .slot = e[i].slot, .gen = e[i].gen});
	rig_turns(&r, 10);
	rig_close(&r);
}

static void send_to_all(const struct rig_end *e)
{
	for (unsigned i = 0; i < CONNS; i++)
		rig_ask(&r, rig_send_req(&r, &e[i], 0, 5000));
	rig_turns(&r, 20);
	CU_ASSERT_EQUAL(r.host.host->mem->tx_pieces, PIECES);
	CU_ASSERT(r.core->cnt.req_put_off >= 20); // the 17th waits, and those behind it
	CU_ASSERT(!peer_has_event(&r.host));
}

static void abort_all(const struct rig_end *e)
{
	for (unsigned i = 0; i < CONNS; i++)
		rig_ask(&r, (struct ob_req){.op = OB_RQ_ABORT, .slot = e[i].slot, .gen = e[i].gen});
}

static void test_aborts(void)
{
	struct rig_end e[CONNS];

	crowd_open(&r, few_pieces, e, CONNS, CONNS, 1000);
	send_to_all(e);
	abort_all(e);
	finish(e);
}

// The peers reset: the pieces come back although the host releases nothing yet, and what waited for
// them goes on.
static void test_resets(void)
{
	struct rig_end e[CONNS];

	crowd_open(&r, few_pieces, e, CONNS, CONNS, 1000);
	send_to_all(e);
	for (unsigned i = 0; i < PIECES; i++)
		rig_put(&r, &e[i], TCP_RST, 0);
	rig_turns(&r, 3);
	CU_ASSERT_EQUAL(r.host.host->mem->tx_pieces, CONNS - PIECES);
	CU_ASSERT_EQUAL(live(), CONNS - PIECES);
	abort_all(e);
	finish(e);
}

// An abort that is handled ahead and comes again in its turn is no other connection's: the slot's
// next generation is untouched.
static void test_ahead_is_silent(void)
{
	struct rig_end e[CONNS];
	uint64_t repeated, looked;

	crowd_open(&r, few_pieces, e, CONNS, CONNS, 1000);
	send_to_all(e);
	repeated = r.core->cnt.req_repeated;
	looked = r.core->cnt.req_ahead;
	rig_turns(&r, 20);
	CU_ASSERT_EQUAL(r.core->cnt.req_ahead, looked); // once is enough, however long it waits
	abort_all(e);
	rig_turns(&r, 5);
	CU_ASSERT_EQUAL(r.core->cnt.req_repeated - repeated, CONNS);
	CU_ASSERT_EQUAL(r.core->cnt.tcp_reset_tx, CONNS);
	finish(e);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"aborts behind a send that waits", test_aborts},
		{"resets give pieces back", test_resets},
		{"an abort is done once", test_ahead_is_silent},
		CU_TEST_INFO_NULL,
	};

	if (unit_eal() < 0)
		return 1;
	return unit_run("core quota", tests);
}
