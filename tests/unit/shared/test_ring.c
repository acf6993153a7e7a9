// Rings: order, wrap-around, full and empty, indices that cannot be, and two threads at once.
#include <CUnit/Basic.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/event.h"
#include "shared/request.h"
#include "shared/segment.h"

#define ORDER 4u
#define N (1u << ORDER)

struct pair {
	struct ob_ring shm;
	alignas(64) uint8_t entries[N * OB_ENTRY_BYTES];
	struct ob_ring_view p; // producer
	struct ob_ring_view c; // consumer
};

static void pair_init(struct pair *r, uint32_t start)
{
	atomic_init(&r->shm.tail, start);
	atomic_init(&r->shm.head, start);
	ob_ring_view_init(&r->p, &r->shm, r->entries, ORDER, start);
	ob_ring_view_init(&r->c, &r->shm, r->entries, ORDER, start);
}

static void put(struct pair *r, uint64_t v)
{
	*(uint64_t *)ob_ring_at(&r->p, 0) = v;
	ob_ring_advance(&r->p, 1);
}

static uint64_t get(struct pair *r)
{
	uint64_t v = *(const uint64_t *)ob_ring_at(&r->c, 0);

	ob_ring_advance(&r->c, 1);
	return v;
}

static void order(void)
{
	struct pair r;

	pair_init(&r, 0);
	CU_ASSERT_EQUAL(ob_ring_avail(&r.c), 0);
	CU_ASSERT_EQUAL(ob_ring_room(&r.p, 1), (int)N);
	CU_ASSERT_FALSE(ob_ring_publish(&r.p));
	CU_ASSERT_FALSE(ob_ring_release(&r.c));
	put(&r, 1);
	put(&r, 2);
	CU_ASSERT_EQUAL(ob_ring_avail(&r.c), 0); // not before it is published
	CU_ASSERT(ob_ring_publish(&r.p));
	CU_ASSERT_FALSE(ob_ring_publish(&r.p));
	CU_ASSERT_EQUAL(ob_ring_avail(&r.c), 2);
	CU_ASSERT_EQUAL(*(const uint64_t *)ob_ring_at(&r.c, 1), 2);
	CU_ASSERT_EQUAL(get(&r), 1);
	CU_ASSERT_EQUAL(get(&r), 2);
	CU_ASSERT_EQUAL(ob_ring_avail(&r.c), 0);
}

static void full(void)
{
	struct pair r;

	pair_init(&r, 0);
	for (uint64_t i = 0; i < N; i++)
		put(&r, i);
	CU_ASSERT_EQUAL(ob_ring_room(&r.p, 1), 0);
	ob_ring_publish(&r.p);
	CU_ASSERT_EQUAL(ob_ring_avail(&r.c), (int)N);
	CU_ASSERT_EQUAL(get(&r), 0);
	CU_ASSERT_EQUAL(ob_ring_room(&r.p, 1), 0); // not before it is released
	ob_ring_release(&r.c);
	CU_ASSERT_EQUAL(ob_ring_room(&r.p, 1), 1);
	put(&r, N);
	ob_ring_publish(&r.p);
	for (uint64_t i = 1; i <= N; i++)
		CU_ASSERT_EQUAL(get(&r), i);
}

// Indices run over the end of 32 bits as over any other.
static void wrap(void)
{
	struct pair r;
	uint64_t in = 0;
	uint64_t out = 0;
	unsigned int seed = 3;

	pair_init(&r, UINT32_MAX - 50);
	while (out < 1000) {
		int n = rand_r(&seed) % (int)(N + 1);

		for (int i = 0; i < n && ob_ring_room(&r.p, 1) > 0; i++)
			put(&r, in++);
		ob_ring_publish(&r.p);
		n = ob_ring_avail(&r.c);
		CU_ASSERT_FATAL(n >= 0);
		for (n = rand_r(&seed) % (n + 1); n > 0; n--)
			CU_ASSERT_EQUAL(get(&r), out++);
		ob_ring_release(&r.c);
	}
}

// What the other side writes cannot be true: -EPROTO, and nothing is accepted.
static void insane(void)
{
	static const uint32_t starts[] = {0, 5, UINT32_MAX - 2, 1u << 31};

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		uint32_t s = starts[i];
		struct pair r;

		// A tail that is too far, one that goes back, one that is behind the head.
		pair_init(&r, s);
		for (int k = 0; k < 4; k++)
			put(&r, 0);
		ob_ring_publish(&r.p);
		CU_ASSERT_EQUAL(ob_ring_avail(&r.c), 4);
		atomic_store(&r.shm.tail, s + N + 1);
		CU_ASSERT_EQUAL(ob_ring_avail(&r.c), -EPROTO);
		atomic_store(&r.shm.tail, s + 3);
		CU_ASSERT_EQUAL(ob_ring_avail(&r.c), -EPROTO);
		atomic_store(&r.shm.tail, s - 1);
		CU_ASSERT_EQUAL(ob_ring_avail(&r.c), -EPROTO);
		atomic_store(&r.shm.tail, s + (1u << 31));
		CU_ASSERT_EQUAL(ob_ring_avail(&r.c), -EPROTO);
		atomic_store(&r.shm.tail, s + N);
		CU_ASSERT_EQUAL(ob_ring_avail(&r.c), (int)N);
		// A head that goes back, or overtakes the producer.
		pair_init(&r, s);
		for (uint32_t k = 0; k < N; k++)
			put(&r, 0);
		atomic_store(&r.shm.head, s + 2);
		CU_ASSERT_EQUAL(ob_ring_room(&r.p, 1), 2);
		put(&r, 0);
		put(&r, 0);
		atomic_store(&r.shm.head, s + 1);
		CU_ASSERT_EQUAL(ob_ring_room(&r.p, 1), -EPROTO);
		atomic_store(&r.shm.head, s + N + 3);
		CU_ASSERT_EQUAL(ob_ring_room(&r.p, 1), -EPROTO);
		atomic_store(&r.shm.head, s + N + 2);
		CU_ASSERT_EQUAL(ob_ring_room(&r.p, 1), (int)N);
	}
}

#define STRESS 2000000ull

static void *produce(void *arg)
{
	struct pair *r = arg;
	unsigned int seed = 17;
	uint64_t i = 0;

	while (i < STRESS) {
		int room = ob_ring_room(&r->p, 1 + (uint32_t)rand_r(&seed) % 4);

		if (room < 0)
			return (void *)1;
		for (; room > 0 && i < STRESS; room--) {
			uint64_t *e = ob_ring_at(&r->p, 0);

			for (uint64_t k = 0; k < 8; k++)
				e[k] = i * 8 + k;
			ob_ring_advance(&r->p, 1);
			i++;
			if (rand_r(&seed) % 8 == 0)
				break;
		}
		if (!ob_ring_publish(&r->p))
			sched_yield();
	}
	return NULL;
}

static void stress(void)
{
	static struct pair r;
	uint64_t out = 0;
	bool right = true;
	pthread_t t;
	void *failed;

	pair_init(&r, UINT32_MAX - 1000);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&t, NULL, produce, &r), 0);
	while (out < STRESS) {
		int n = ob_ring_avail(&r.c);

		CU_ASSERT_FATAL(n >= 0);
		if (n == 0)
			sched_yield();
		for (; n > 0; n--) {
			const uint64_t *e = ob_ring_at(&r.c, 0);

			for (uint64_t k = 0; k < 8; k++)
				right = right && e[k] == out * 8 + k;
			ob_ring_advance(&r.c, 1);
			out++;
		}
		ob_ring_release(&r.c);
	}
	pthread_join(t, &failed);
	CU_ASSERT_PTR_NULL(failed);
	CU_ASSERT(right);
}

static struct ob_seg_layout a_layout(void)
{
	struct ob_seg_layout l = {
		.n_channels = 3,
		.req_order = 6,
		.ev_order = 7,
		.n_slots_accept = 100,
		.n_slots_connect = 50,
		.rx_buf_bytes = 2048,
		.rx_bytes = 1000000,
		.arena_bytes = 300000,
	};

	CU_ASSERT_EQUAL(ob_seg_layout_make(&l, 4096), 0);
	return l;
}

static void layout(void)
{
	struct ob_seg_layout l = a_layout();

	CU_ASSERT_PTR_NULL(ob_seg_layout_check(&l));
	CU_ASSERT_EQUAL(l.rx_bytes % l.rx_buf_bytes, 0);
	CU_ASSERT(l.arena_bytes >= l.rx_bytes + 300000);
#define BAD(change)                                                                                \
	do {                                                                                       \
		l = a_layout();                                                                    \
		change;                                                                            \
		CU_ASSERT_PTR_NOT_NULL(ob_seg_layout_check(&l));                                   \
	} while (0)
	BAD(l.n_channels = 0);
	BAD(l.n_channels = OB_MAX_CHANNELS + 1);
	BAD(l.req_order = 3);
	BAD(l.ev_order = 17);
	BAD(l.n_slots_accept = l.n_slots_connect = 0);
	BAD(l.n_slots_connect = OB_MAX_SLOTS + 1);
	BAD(l.seg_bytes = OB_MAX_SEGMENT + 1);
	BAD(l.seg_bytes -= 1);
	BAD(l.chan_off = 0);
	BAD(l.chan_off = ~0ull - 63);
	BAD(l.chan_stride += 64);
	BAD(l.slots_off = l.chan_off);
	BAD(l.slots_off = ~0ull - 63);
	BAD(l.arena_off = l.slots_off);
	BAD(l.arena_bytes = ~0ull);
	BAD(l.rx_off = l.arena_off - 64);
	BAD(l.rx_off += 1);
	BAD(l.rx_bytes = ~0ull / 2048 * 2048);
	BAD(l.rx_buf_bytes = 100);
	BAD(l.rx_buf_bytes = 0);
#undef BAD
}

static void spans(void)
{
	ob_span s = ob_span_make((1ull << 40) - 1, (1u << 24) - 1);

	CU_ASSERT_EQUAL(ob_span_off(s), (1ull << 40) - 1);
	CU_ASSERT_EQUAL(ob_span_len(s), (1u << 24) - 1);
	CU_ASSERT(ob_range_inside(10, 0, 10, 10));
	CU_ASSERT_FALSE(ob_range_inside(10, 1, 10, 10));
	CU_ASSERT_FALSE(ob_range_inside(~0ull, 2, 0, ~0ull));
}

int main(void)
{
	unsigned int failed;
	CU_pSuite s;

	if (CU_initialize_registry() != CUE_SUCCESS)
		return 2;
	s = CU_add_suite("ring", NULL, NULL);
	CU_ADD_TEST(s, order);
	CU_ADD_TEST(s, full);
	CU_ADD_TEST(s, wrap);
	CU_ADD_TEST(s, insane);
	CU_ADD_TEST(s, stress);
	CU_ADD_TEST(s, layout);
	CU_ADD_TEST(s, spans);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed != 0;
}
