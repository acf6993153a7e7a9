// How requests are taken: when TCP has no room, how many in a turn, and from rings and memory that are
// broken.
#include <errno.h>
#include <unistd.h>

#include "tests/unit/hostif/requests.h"

// TCP has no room now: the request stays, those behind it too, and other channels go on.
static void test_put_off(void)
{
	struct world w;
	struct peer p;
	struct ob_chan_shm *shm;

	setup(&w, &p);
	script.answer = -EAGAIN;
	for (unsigned i = 0; i < 3; i++)
		peer_request(&p,
			&(struct ob_req){.op = OB_RQ_SEND,
				.gen = 1,
				.len = 1,
				.off = i,
				.send.arena_off = p.l.arena_off});
	world_turn(&w);
	CU_ASSERT_EQUAL(script.calls, 1);
	CU_ASSERT_EQUAL(ROSE(&w, req_put_off), 1);
	CU_ASSERT_EQUAL(ROSE(&w, req_taken), 0);
	CU_ASSERT(!peer_has_event(&p));
	shm = ob_seg_chan(p.seg, &p.l, 1);
	((struct ob_req *)ob_chan_req_entries(shm))[0] = (struct ob_req){.op = OB_RQ_NOP};
	atomic_store(&shm->req.tail, 1);
	world_turn(&w);
	CU_ASSERT_EQUAL(ROSE(&w, req_taken), 1);
	CU_ASSERT_EQUAL(script.off, 0);
	script.answer = 0;
	world_turn(&w);
	CU_ASSERT_EQUAL(script.calls, 5);
	CU_ASSERT_EQUAL(script.off, 2);
	world_end(&w, &p);
}

// No more than limits.req_burst of a channel in a turn, and none without room for an answer.
static void test_burst(void)
{
	struct world w;
	struct peer p;
	uint32_t n = 0;

	setup(&w, &p);
	w.cfg.limits_req_burst = 5;
	for (unsigned i = 0; i < 12; i++)
		peer_request(&p, &(struct ob_req){.op = OB_RQ_NOP});
	world_turn(&w);
	CU_ASSERT_EQUAL(ROSE(&w, req_taken), 5);
	CU_ASSERT_EQUAL(ob_ring_room(&p.req, 16), 16 - 12 + 5);
	CU_ASSERT_EQUAL(atomic_load(&p.host->chans[0].hard->req_head), 5 + 2);
	world_turn(&w);
	world_turn(&w);
	CU_ASSERT_EQUAL(ROSE(&w, req_taken), 12);
	// 16 refusals fill the event ring; the 17th request waits until one is taken.
	w.cfg.limits_req_burst = 64;
	counters_mark(&w);
	for (unsigned i = 0; i < 16; i++)
		peer_request(&p, &(struct ob_req){.op = 99});
	world_turn(&w);
	for (unsigned i = 0; i < 3; i++)
		peer_request(&p, &(struct ob_req){.op = 99});
	world_turn(&w);
	CU_ASSERT_EQUAL(ROSE(&w, req_taken), 16);
	CU_ASSERT_EQUAL(ROSE(&w, req_put_off), 1);
	for (; peer_has_event(&p); n++) {
		CU_ASSERT_EQUAL(peer_event(&p).error, -EOPNOTSUPP);
		world_turn(&w);
	}
	CU_ASSERT_EQUAL(n, 19);
	world_end(&w, &p);
}

// A tail that cannot be, going forward too far or back: the host is out, TCP hears of it.
static void break_ring(uint32_t tail)
{
	struct world w;
	struct peer p;
	char junk[8];

	setup(&w, &p);
	atomic_store(&ob_seg_chan(p.seg, &p.l, 0)->req.tail, tail);
	world_turn(&w);
	CU_ASSERT_EQUAL(ROSE(&w, host_protocol), 1);
	CU_ASSERT_EQUAL(ROSE(&w, host_detached), 1);
	for (unsigned i = 0; i < 200; i++)
		world_turn(&w);
	CU_ASSERT(script.gone);
	CU_ASSERT_EQUAL(w.h.n_active, 0);
	CU_ASSERT_PTR_NULL(w.control.hosts[0]);
	CU_ASSERT_EQUAL(read(p.fd, junk, sizeof(junk)), 0); // it was told
	world_end(&w, &p);
}

static void test_protocol(void)
{
	break_ring(2 + 17);
	break_ring(1);
	break_ring(1u << 31);
}

// A fault inside the segment, told by the handler's flag alone: the rings are sound. Nothing more is
// taken from it, and the host goes; another one goes on.
static void test_broken_memory(void)
{
	struct world w;
	struct peer p, other;

	setup(&w, &p);
	peer_attach(&w.e, &other, 1, 4);
	counters_mark(&w);
	script.calls = 0;
	peer_request(&p, &(struct ob_req){.op = OB_RQ_ABORT, .gen = 1});
	peer_request(&other, &(struct ob_req){.op = OB_RQ_NOP});
	atomic_store(&p.host->mem->broken, 1);
	hostif_requests(&w.h);
	CU_ASSERT_EQUAL(script.calls, 0);
	CU_ASSERT_EQUAL(ROSE(&w, req_taken), 1);
	CU_ASSERT(ROSE(&w, host_fault) == 1 && ROSE(&w, host_protocol) == 0);
	CU_ASSERT_EQUAL(ROSE(&w, host_detached), 1);
	CU_ASSERT_EQUAL(atomic_load(&p.host->state), HOSTIF_GOING);
	for (unsigned i = 0; i < 200; i++)
		world_turn(&w);
	CU_ASSERT(script.gone && w.h.n_active == 1);
	CU_ASSERT_EQUAL(atomic_load(&other.host->state), HOSTIF_UP);
	CU_ASSERT_EQUAL(ROSE(&w, host_fault), 1);
	peer_close(&other);
	world_end(&w, &p);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{"put off", test_put_off},
		{"burst and room", test_burst},
		{"broken rings", test_protocol},
		{"broken memory", test_broken_memory},
		CU_TEST_INFO_NULL,
	};

	return unit_run("take", tests);
}
