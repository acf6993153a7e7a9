// Doorbells, and an engine that sleeps until one rings.
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/hostif/fixture.h"

static uint32_t bells(struct peer *p)
{
	char junk[16];
	uint32_t n = 0;

	while (recv(p->bells[0], junk, sizeof(junk), MSG_DONTWAIT) > 0)
		n++;
	return n;
}

static void test_doorbells(void)
{
	struct world w;
	struct peer p;
	struct tcp_soft *s;
	struct ob_chan_shm *shm;

	world_with_host(&w, &p);
	shm = ob_seg_chan(p.seg, &p.l, 0);
	s = world_conn(&w, &p, 0);
	world_receive(&w, s, 1);
	world_turn(&w);
	CU_ASSERT_EQUAL(bells(&p), 0); // awake
	peer_event(&p);
	atomic_store(&shm->host_sleeping, 1);
	world_turn(&w);
	CU_ASSERT_EQUAL(bells(&p), 0); // nothing was published
	world_receive(&w, s, 1);
	world_turn(&w);
	world_receive(&w, s, 1);
	world_turn(&w);
	CU_ASSERT_EQUAL(bells(&p), 1); // once, while it has taken nothing
	CU_ASSERT_EQUAL(ROSE(&w, doorbell_tx), 1);
	// It wakes, takes all, and sleeps again before the engine looks at its flag.
	peer_event(&p);
	peer_event(&p);
	world_receive(&w, s, 1);
	world_turn(&w);
	CU_ASSERT_EQUAL(bells(&p), 1);
	// It was awake at that, took everything and went to sleep before its flag was read.
	peer_event(&p);
	world_receive(&w, s, 1);
	hostif_publish(&w.h);
	peer_event(&p);
	hostif_doorbells(&w.h);
	bells(&p); // if there was one, it is heard, and the host sleeps again
	world_receive(&w, s, 1);
	world_turn(&w);
	CU_ASSERT_EQUAL(bells(&p), 1);
	// A host that reads no doorbell does not hold the engine up.
	for (unsigned i = 0; i < 2000; i++) {
		peer_event(&p);
		world_receive(&w, s, 1);
		chain_rx_release(&w.st, p.host->mem, &w.st.recs[0], &s->rcv_tail, s->rcv_nxt - 1,
			s->rcv_nxt);
		world_turn(&w);
	}
	CU_ASSERT(ROSE(&w, doorbell_limited) > 0);
	CU_ASSERT_EQUAL(ROSE(&w, ev_published), 2006);
	world_end(&w, &p);
}

static void *ring_later(void *arg)
{
	struct peer *p = arg;

	usleep(20000);
	send(p->bells[1], "", 1, MSG_DONTWAIT);
	return NULL;
}

static void test_sleep(void)
{
	struct world w;
	struct peer p;
	struct ob_seg_hdr *hdr;
	struct ob_chan_shm *shm;
	pthread_t t;
	uint64_t turns;

	world_with_host(&w, &p);
	hdr = (struct ob_seg_hdr *)p.seg;
	CU_ASSERT(!hostif_sleep_prepare(&w.h));
	CU_ASSERT_EQUAL(atomic_load(&hdr->engine_sleeping), 1);
	// The wake-up of the attach command may be there still: it ends the first sleep.
	hostif_sleep_wait(&w.h, 1000);
	hostif_sleep_done(&w.h);
	CU_ASSERT_EQUAL(atomic_load(&hdr->engine_sleeping), 0);
	CU_ASSERT(!hostif_sleep_prepare(&w.h));
	hostif_sleep_wait(&w.h, 1000);
	CU_ASSERT_EQUAL(w.h.n_woken, 0);
	hostif_sleep_done(&w.h);
	// A doorbell of the second channel.
	CU_ASSERT(!hostif_sleep_prepare(&w.h));
	pthread_create(&t, NULL, ring_later, &p);
	hostif_sleep_wait(&w.h, 10000000);
	CU_ASSERT_EQUAL(w.h.n_woken, 1);
	hostif_sleep_done(&w.h);
	pthread_join(t, NULL);
	CU_ASSERT(ROSE(&w, doorbell_rx) == 1 && p.host->bells_rx == 1);
	// A request that came between the last look and the flag is seen.
	shm = ob_seg_chan(p.seg, &p.l, 1);
	turns = w.cnt.req_taken;
	atomic_store(&shm->req.tail, 1);
	CU_ASSERT(hostif_sleep_prepare(&w.h));
	hostif_sleep_done(&w.h);
	world_turn(&w);
	CU_ASSERT_EQUAL(w.cnt.req_taken, turns + 1);
	// So is the control thread.
	hostif_post(&w.h, NULL);
	CU_ASSERT(hostif_sleep_prepare(&w.h));
	hostif_sleep_wait(&w.h, 10000000);
	hostif_sleep_done(&w.h);
	world_end(&w, &p);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{"doorbells", test_doorbells},
		{"sleeping", test_sleep},
		CU_TEST_INFO_NULL,
	};

	return unit_run("sleep", tests);
}
