// A host that writes to its memory while the engine does, and one that leaves junk in its rings.
#include <pthread.h>

#include "tests/unit/hostif/fixture.h"

#define ROUNDS 2000000u
#define TOLD 4u // connections, all in one event

struct hammer {
	struct peer *p;
	_Atomic bool started;
	_Atomic bool stop;
};

// Says of every event that it holds more than there is room for.
static void *hammer(void *arg)
{
	struct hammer *x = arg;
	struct ob_event *e = (struct ob_event *)x->p->ev.entries;

	atomic_store(&x->started, true);
	while (!atomic_load_explicit(&x->stop, memory_order_relaxed))
		for (uint32_t i = 0; i <= x->p->ev.mask; i++)
			__atomic_store_n(&e[i].n, 200, __ATOMIC_RELAXED);
	return NULL;
}

// Nothing is written behind the rings: what the engine counts, it counts in memory of its own.
static void test_count(void)
{
	struct world w;
	struct peer p;
	struct hammer x = {.p = &p};
	struct tcp_soft *s[TOLD];
	uint64_t written = 0;
	pthread_t thread;

	world_open(&w);
	peer_attach(&w.e, &p, 1, 4);
	for (uint32_t i = 0; i < TOLD; i++)
		s[i] = world_conn(&w, &p, i);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, hammer, &x), 0);
	while (!atomic_load(&x.started))
		;
	for (uint32_t n = 1; n <= ROUNDS; n++) {
		for (uint32_t i = 0; i < TOLD; i++) {
			HARD_SET(w.st.recs[i].snd_wr, n);
			HARD_SET(w.st.recs[i].snd_una, n);
			w.h.ops.notify(&w.h, s[i], TCP_EV_SENT);
		}
		hostif_publish(&w.h);
		w.h.bells = NULL;
		p.ev.mine += (uint32_t)ob_ring_avail(&p.ev);
		ob_ring_release(&p.ev);
	}
	atomic_store(&x.stop, true);
	pthread_join(thread, NULL);
	for (uint64_t at = p.l.slots_off; at < p.l.seg_bytes; at++)
		written += p.seg[at] != 0;
	CU_ASSERT_EQUAL(written, 0);
	CU_ASSERT_EQUAL(s[0]->sent_reported, ROUNDS);
	peer_close(&p);
	world_close(&w);
}

// What lies in the rings of a host that was thrown out keeps the engine from no sleep.
static void test_sleep(void)
{
	struct world w;
	struct peer p;

	world_open(&w);
	peer_attach(&w.e, &p, 1, 4);
	w.tcp.host_conns[p.host->index] = 1; // an orphan
	CU_ASSERT(!hostif_sleep_prepare(&w.h));
	hostif_sleep_done(&w.h);
	peer_request(&p, &(struct ob_req){.op = OB_RQ_NOP});
	CU_ASSERT(hostif_sleep_prepare(&w.h));
	hostif_sleep_done(&w.h);
	atomic_store(&ob_seg_chan(p.seg, &p.l, 0)->req.tail, 1u << 31);
	for (unsigned i = 0; i < 10; i++)
		world_turn(&w);
	CU_ASSERT_EQUAL(w.cnt.host_protocol, 1);
	CU_ASSERT_EQUAL(w.h.n_active, 1);
	CU_ASSERT(!hostif_sleep_prepare(&w.h));
	hostif_sleep_done(&w.h);
	w.tcp.host_conns[p.host->index] = 0;
	peer_close(&p);
	world_close(&w);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"the count of an event", test_count},
		{"sleep beside a host that leaves", test_sleep},
		CU_TEST_INFO_NULL,
	};

	return unit_eal() ? 1 : unit_run("hostile", tests);
}
