// The full fences of docs/hard-state.md's rule of sleeping, as a litmus test: a thread is the engine,
// another the host, and in each round each stores its word and then looks at the other's. One of the
// two must see the other, or a sleeper is not woken. Without the fence, each processor may look
// before its store has left it, and within a second a round is lost.
//
// It needs two processors that run at once: on a machine that is busy otherwise, or on one processor,
// the threads hardly meet, and it says little. test_fence_step.c needs neither.
#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>
#include <time.h>

#include "tests/unit/hostif/fixture.h"

#define ROUNDS 500000u
#define SECONDS 3 // at most
#define SPINS 2000u // before the processor is given to the other thread
#define JITTER 64u // by how much the two begin apart, in steps of a few cycles
#define LEAD_MAX 4096

struct litmus {
	struct world w;
	struct peer p;
	struct tcp_soft *s;
	alignas(64) _Atomic uint32_t engine_at; // rounds that each has reached, two steps a round
	alignas(64) _Atomic uint32_t host_at;
	alignas(64) _Atomic bool stop;
	alignas(64) _Atomic uint32_t spare;
	uint32_t host_waits; // before its store in this round
	bool host_blind; // of this round: it did not see the engine's store
};

// ThreadSanitizer knows no fences.
static void full_fence(struct litmus *l)
{
#if defined(__SANITIZE_THREAD__)
	atomic_fetch_add(&l->spare, 1);
#else
	(void)l;
	atomic_thread_fence(memory_order_seq_cst);
#endif
}

static void barrier(_Atomic uint32_t *mine, const _Atomic uint32_t *other)
{
	uint32_t at = atomic_load_explicit(mine, memory_order_relaxed) + 1;
	unsigned spins = 0;

	atomic_store_explicit(mine, at, memory_order_release);
	while ((int32_t)(atomic_load_explicit(other, memory_order_acquire) - at) < 0)
		if (++spins % SPINS == 0)
			sched_yield();
}

static void delay(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		atomic_signal_fence(memory_order_seq_cst);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static uint32_t next_rand(uint32_t *x)
{
	*x = *x * 1664525u + 1013904223u;
	return *x >> 16;
}

static void setup(struct litmus *l)
{
	world_open(&l->w);
	peer_attach(&l->w.e, &l->p, 1, 4);
	l->s = world_conn(&l->w, &l->p, 0);
	HARD_SET(l->w.st.recs[0].snd_wr, UINT64_MAX / 4);
}

static void teardown(struct litmus *l)
{
	peer_close(&l->p);
	world_close(&l->w);
}

// The engine's rounds, until one is lost or the time is up. `before` comes before the barrier,
// `round` is timed against the host's and says whether the engine was blind to it.
static void run(struct litmus *l, void *(*host)(void *), void (*before)(struct litmus *l),
	bool (*round)(struct litmus *l), void (*after)(struct litmus *l))
{
	uint64_t end = now_ms() + SECONDS * 1000, rounds = 0, lost = 0, engine = 0, host_n = 0;
	int32_t lead = 0; // of the host: who is blind is too early, and waits longer next time
	uint32_t seed = 1;
	pthread_t t;

	setup(l);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&t, NULL, host, l), 0);
	while (lost == 0 && rounds < ROUNDS && (rounds % 256 != 0 || now_ms() < end)) {
		uint32_t wait = next_rand(&seed) % JITTER;
		bool engine_blind;

		before(l);
		l->host_waits = next_rand(&seed) % JITTER + (lead > 0 ? (uint32_t)lead : 0);
		barrier(&l->engine_at, &l->host_at);
		delay(wait + (lead < 0 ? (uint32_t)-lead : 0));
		engine_blind = round(l);
		barrier(&l->engine_at, &l->host_at);
		rounds++;
		engine += engine_blind;
		host_n += l->host_blind;
		lost += engine_blind && l->host_blind;
		if (l->host_blind != engine_blind)
			lead += l->host_blind ? lead < LEAD_MAX : -(lead > -LEAD_MAX);
		after(l);
	}
	atomic_store(&l->stop, true);
	atomic_fetch_add(&l->engine_at, 2);
	pthread_join(t, NULL);
	printf("%lu rounds, engine blind in %lu, host in %lu ", (unsigned long)rounds,
		(unsigned long)engine, (unsigned long)host_n);
	if (engine == 0 || host_n == 0)
		printf("(the threads did not meet: nothing is said) ");
	CU_ASSERT_EQUAL(lost, 0);
	teardown(l);
}

// An engine that publishes, towards a host that goes to sleep.
static void *host_sleeps(void *arg)
{
	struct litmus *l = arg;
	struct ob_chan_shm *shm = ob_seg_chan(l->p.seg, &l->p.l, 0);
	char junk[16];

	for (;;) {
		uint32_t tail = atomic_load(&shm->ev.tail);

		barrier(&l->host_at, &l->engine_at);
		if (atomic_load(&l->stop))
			return NULL;
		delay(l->host_waits);
		atomic_store_explicit(&shm->host_sleeping, 1, memory_order_relaxed);
		full_fence(l);
		l->host_blind = atomic_load_explicit(&shm->ev.tail, memory_order_acquire) == tail;
		barrier(&l->host_at, &l->engine_at);
		while (recv(l->p.bells[0], junk, sizeof(junk), MSG_DONTWAIT) > 0)
			;
		atomic_store(&shm->host_sleeping, 0);
		while (peer_has_event(&l->p))
			peer_event(&l->p);
	}
}

static void publish_before(struct litmus *l)
{
	struct rec *r = &l->w.st.recs[0];

	HARD_SET(r->snd_una, HARD_GET(r->snd_una) + 1);
	l->w.h.ops.notify(&l->w.h, l->s, TCP_EV_SENT);
	counters_mark(&l->w);
	(void)atomic_load(&ob_seg_chan(l->p.seg, &l->p.l, 0)->host_sleeping);
}

static bool publish_round(struct litmus *l)
{
	hostif_publish(&l->w.h);
	hostif_doorbells(&l->w.h);
	return ROSE(&l->w, doorbell_tx) + ROSE(&l->w, doorbell_limited) == 0;
}

static void nothing(struct litmus *l)
{
	(void)l;
}

static void test_publish(void)
{
	static struct litmus l;

	run(&l, host_sleeps, publish_before, publish_round, nothing);
}

// An engine that goes to sleep, towards a host that asks.
static void *host_asks(void *arg)
{
	struct litmus *l = arg;
	struct ob_seg_hdr *hdr = (struct ob_seg_hdr *)l->p.seg;

	for (;;) {
		CU_ASSERT_FATAL(ob_ring_room(&l->p.req, 1) > 0);
		*(struct ob_req *)ob_ring_at(&l->p.req, 0) = (struct ob_req){.op = OB_RQ_NOP};
		ob_ring_advance(&l->p.req, 1);
		(void)atomic_load(&hdr->engine_sleeping);
		barrier(&l->host_at, &l->engine_at);
		if (atomic_load(&l->stop))
			return NULL;
		delay(l->host_waits);
		ob_ring_publish(&l->p.req);
		full_fence(l);
		// It rings no doorbell when it finds the engine awake.
		l->host_blind = !atomic_load_explicit(&hdr->engine_sleeping, memory_order_relaxed);
		barrier(&l->host_at, &l->engine_at);
	}
}

static void sleep_before(struct litmus *l)
{
	(void)atomic_load(&ob_seg_chan(l->p.seg, &l->p.l, 0)->req.tail);
}

static bool sleep_round(struct litmus *l)
{
	return !hostif_sleep_prepare(&l->w.h);
}

static void sleep_after(struct litmus *l)
{
	hostif_sleep_done(&l->w.h);
	hostif_requests(&l->w.h);
}

static void test_sleep(void)
{
	static struct litmus l;

	run(&l, host_asks, sleep_before, sleep_round, sleep_after);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{"publishing and a host that goes to sleep", test_publish},
		{"going to sleep and a host that asks", test_sleep},
		CU_TEST_INFO_NULL,
	};

	return unit_run("fences", tests);
}
