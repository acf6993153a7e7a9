// The two fences of the sleeping rule, as a litmus test. In each round both sides act at the same
// moment: one publishes and looks at the other's flag, the other raises its flag and looks for
// what was published. At least one of them has to see the other. Without a fence both look past
// each other's store now and then.
#include <CUnit/CUnit.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "tests/host/fake.h"

static const struct ob_endpoint peer = {.addr = {[10] = 0xff, 0xff, 10, 0, 0, 2}, .port = 80};

struct litmus {
	struct fake *f;
	_Atomic uint32_t round; // begun by the host
	_Atomic uint32_t done; // by the engine
	_Atomic bool saw; // the engine saw what it had to see
	uint32_t rounds;
	unsigned int spread; // of the engine's delay
};

static void delay(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		atomic_signal_fence(memory_order_seq_cst);
}

static void wait_round(_Atomic uint32_t *at, uint32_t round)
{
	for (unsigned int n = 1; atomic_load_explicit(at, memory_order_acquire) < round; n++)
		if (n % 1024 == 0)
			sched_yield();
}

// Publishes an event, looks at the host's flag.
static void *publisher(void *arg)
{
	struct litmus *l = arg;
	struct fake_chan *c = &l->f->chans[0];
	unsigned int seed = 9;

	for (uint32_t i = 1; i <= l->rounds; i++) {
		unsigned int n = (unsigned int)rand_r(&seed) % l->spread;

		ob_ring_room(&c->ev, 1);
		*(struct ob_event *)ob_ring_at(&c->ev, 0) = (struct ob_event){0};
		ob_ring_advance(&c->ev, 1);
		wait_round(&l->round, i);
		delay(n);
		ob_ring_publish(&c->ev);
		atomic_thread_fence(memory_order_seq_cst);
		l->saw = atomic_load_explicit(&c->shm->host_sleeping, memory_order_relaxed);
		atomic_store_explicit(&l->done, i, memory_order_release);
	}
	return NULL;
}

// Raises the engine's flag, looks for a request.
static void *sleeper(void *arg)
{
	struct litmus *l = arg;
	struct ob_seg_hdr *hdr = (struct ob_seg_hdr *)l->f->seg;
	struct fake_chan *c = &l->f->chans[0];
	unsigned int seed = 10;

	for (uint32_t i = 1; i <= l->rounds; i++) {
		unsigned int n = (unsigned int)rand_r(&seed) % l->spread;

		wait_round(&l->round, i);
		delay(n);
		atomic_store_explicit(&hdr->engine_sleeping, 1, memory_order_relaxed);
		atomic_thread_fence(memory_order_seq_cst);
		l->saw = ob_ring_avail(&c->req) != 0;
		atomic_store_explicit(&l->done, i, memory_order_release);
	}
	return NULL;
}

static uint32_t rounds_wanted(void)
{
	const char *env = getenv("OB_TEST_TURNS");

	return env ? (uint32_t)atoi(env) : 200000;
}

static void host_sleeps(void)
{
	struct fake f;
	struct ob_host *h;
	struct ob_channel *ch = fake_one(&f, &h);
	struct litmus l = {.f = &f, .rounds = rounds_wanted(), .spread = 100};
	struct ob_app_event e;
	uint32_t lost = 0;
	pthread_t t;

	CU_ASSERT_EQUAL_FATAL(pthread_create(&t, NULL, publisher, &l), 0);
	for (uint32_t i = 1; i <= l.rounds; i++) {
		int armed;

		atomic_store_explicit(&l.round, i, memory_order_release);
		armed = ob_arm(ch) == 0;
		wait_round(&l.done, i);
		lost += armed && !l.saw;
		ob_poll(ch, &e, 1, 0);
	}
	pthread_join(t, NULL);
	CU_ASSERT_EQUAL(lost, 0);
	ob_detach(h);
	fake_stop(&f);
}

static void engine_sleeps(void)
{
	struct fake f;
	struct ob_host *h;
	struct ob_channel *ch = fake_one(&f, &h);
	struct litmus l = {.f = &f, .rounds = rounds_wanted(), .spread = 100};
	struct ob_seg_hdr *hdr = (struct ob_seg_hdr *)f.seg;
	struct ob_req r;
	unsigned int seed = 11;
	uint32_t lost = 0;
	pthread_t t;
	ob_conn_t c;
	char byte;

	CU_ASSERT_EQUAL_FATAL(ob_connect(ch, &peer, NULL, NULL, &c), 0);
	ob_flush(ch);
	fake_expect(&f, 0, OB_RQ_CONNECT);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&t, NULL, sleeper, &l), 0);
	for (uint32_t i = 1; i <= l.rounds; i++) {
		CU_ASSERT_EQUAL_FATAL(ob_setopt(ch, c, OB_SO_NODELAY, 1), 0);
		atomic_store(&hdr->engine_sleeping, 0);
		atomic_store_explicit(&l.round, i, memory_order_release);
		delay((unsigned int)rand_r(&seed) % (1u << (3 + i % 8)));
		ob_flush(ch);
		wait_round(&l.done, i);
		lost += recv(f.chans[0].bell, &byte, 1, MSG_DONTWAIT) < 0 && !l.saw;
		while (fake_req(&f, 0, &r))
			;
	}
	pthread_join(t, NULL);
	CU_ASSERT_EQUAL(lost, 0);
	ob_detach(h);
	fake_stop(&f);
}

void suite_litmus(void)
{
	CU_pSuite s = CU_add_suite("litmus", NULL, NULL);

	CU_ADD_TEST(s, host_sleeps);
	CU_ADD_TEST(s, engine_sleeps);
}
