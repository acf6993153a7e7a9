// The timing wheel against a list that is searched from end to end.
#include "engine/base/wheel.h"

#include <string.h>
#include <time.h>

#include "tests/unit/eal_main.h"

#define N 400u
#define BASE 1000000u

static uint64_t rng_state;

static uint64_t rng(void)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return rng_state;
}

struct model {
	struct wheel w;
	uint64_t now;
	bool armed[N];
	uint64_t when[N]; // as asked for
	uint64_t asked[N]; // when it was armed
};

static void model_init(struct model *m)
{
	memset(m, 0, sizeof(*m));
	m->now = BASE;
	CU_ASSERT_EQUAL_FATAL(wheel_init(&m->w, N, BASE), 0);
}

static void model_arm(struct model *m, uint32_t id, uint64_t when)
{
	wheel_arm(&m->w, id, when);
	m->armed[id] = true;
	m->when[id] = when;
	m->asked[id] = m->now;
}

// The latest time at which a timer may stay on the wheel: one tick late, and a tick behind the
// one in which it was armed when it lay in the past.
static uint64_t latest(const struct model *m, uint32_t id)
{
	uint64_t from = m->when[id] > m->asked[id] ? m->when[id] : m->asked[id];

	return from + WHEEL_TICK_US;
}

static bool model_fired(struct model *m, uint32_t id)
{
	bool good = id < N && m->armed[id] && m->when[id] <= m->now && !wheel_armed(&m->w, id);

	if (id < N)
		m->armed[id] = false;
	return good;
}

// Everything that must hold after the wheel has come to m->now. Returns whether it does.
static bool model_check(const struct model *m)
{
	uint64_t next = wheel_next_us(&m->w);
	uint64_t first = UINT64_MAX;
	uint32_t n = 0;

	for (uint32_t id = 0; id < N; id++) {
		if (m->armed[id] != wheel_armed(&m->w, id))
			return false;
		if (!m->armed[id])
			continue;
		n++;
		if (latest(m, id) <= m->now) // should have fired
			return false;
		if (wheel_due_us(&m->w, id) < m->when[id])
			return false;
		if (wheel_due_us(&m->w, id) < first)
			first = wheel_due_us(&m->w, id);
	}
	if (n != m->w.armed)
		return false;
	return n == 0 ? next == UINT64_MAX : next <= first && next > m->now - WHEEL_TICK_US;
}

static bool model_advance(struct model *m, uint64_t now, unsigned max)
{
	uint32_t ids[N];
	bool good = true;
	unsigned n;

	m->now = now;
	do {
		n = wheel_advance(&m->w, now, ids, max);
		good = good && n <= max;
		for (unsigned i = 0; i < n; i++)
			good = model_fired(m, ids[i]) && good;
	} while (n == max && good);
	return good && model_check(m);
}

// Times of every size: within a tick up to a thousand years.
static uint64_t random_span(void)
{
	return rng() >> (20 + rng() % 44);
}

static void random_ops(void)
{
	struct model m;
	bool good = true;

	model_init(&m);
	for (unsigned step = 0; good && step < 60000; step++) {
		uint32_t id = (uint32_t)(rng() % N);
		uint64_t t = random_span() % ((uint64_t)1 << 44);

		switch (rng() % 8) {
		case 0:
			wheel_disarm(&m.w, id);
			m.armed[id] = false;
			break;
		case 1: // in the past
			model_arm(&m, id, m.now > t ? m.now - t : 0);
			break;
		case 2:
		case 3:
		case 4:
		case 5:
			model_arm(&m, id, m.now + t);
			break;
		default:
			good = model_advance(&m, m.now + (rng() % 4 ? t % 2000000 : t),
				1 + (unsigned)(rng() % 40));
		}
	}
	CU_ASSERT(good);
	wheel_fini(&m.w);
}

// Driven by wheel_next_us() alone, as a sleeping engine does it: nothing fires late.
static void sleeps_by_next(void)
{
	struct model m;
	unsigned wakes = 0;
	bool good = true;

	model_init(&m);
	for (uint32_t id = 0; id < N; id++)
		model_arm(&m, id, m.now + random_span() % ((uint64_t)1 << 42));
	while (good && m.w.armed > 0 && wakes++ < 100000)
		good = model_advance(&m, wheel_next_us(&m.w), 7);
	CU_ASSERT(good);
	CU_ASSERT_EQUAL(m.w.armed, 0);
	// A few steps down the levels for each timer, not one for each tick.
	CU_ASSERT(wakes < N * WHEEL_LEVELS * 8);
	wheel_fini(&m.w);
}

static void never_early_never_late(void)
{
	struct wheel w;
	uint32_t id;

	CU_ASSERT_EQUAL_FATAL(wheel_init(&w, 1, BASE), 0);
	for (uint64_t delay = 0; delay < 1000; delay++) {
		uint64_t start = w.base_us + w.tick * WHEEL_TICK_US;
		uint64_t now = start;

		wheel_arm(&w, 0, start + delay);
		while (wheel_advance(&w, now, &id, 1) == 0)
			now++;
		CU_ASSERT(now >= start + delay);
		CU_ASSERT(now <= start + delay + WHEEL_TICK_US);
	}
	wheel_fini(&w);
}

static void past_is_next_tick(void)
{
	struct wheel w;
	uint32_t ids[2];

	CU_ASSERT_EQUAL_FATAL(wheel_init(&w, 2, BASE), 0);
	CU_ASSERT_EQUAL(wheel_advance(&w, BASE + 10 * WHEEL_TICK_US, ids, 2), 0);
	wheel_arm(&w, 0, 5);
	CU_ASSERT_EQUAL(wheel_next_us(&w), BASE + 11 * WHEEL_TICK_US);
	CU_ASSERT_EQUAL(wheel_advance(&w, BASE + 10 * WHEEL_TICK_US, ids, 2), 0);
	CU_ASSERT_EQUAL(wheel_advance(&w, BASE + 11 * WHEEL_TICK_US, ids, 2), 1);
	// A clock that goes back fires nothing and breaks nothing.
	wheel_arm(&w, 1, BASE + 20 * WHEEL_TICK_US);
	CU_ASSERT_EQUAL(wheel_advance(&w, 1, ids, 2), 0);
	CU_ASSERT_EQUAL(wheel_advance(&w, BASE + 20 * WHEEL_TICK_US, ids, 2), 1);
	wheel_fini(&w);
}

// More due than fit: they wait, may be moved and disarmed meanwhile, and the next call has them.
static void partial_advance(void)
{
	struct wheel w;
	uint32_t ids[8];

	CU_ASSERT_EQUAL_FATAL(wheel_init(&w, 8, BASE), 0);
	for (uint32_t id = 0; id < 8; id++)
		wheel_arm(&w, id, BASE + 65536ull * WHEEL_TICK_US);
	CU_ASSERT_EQUAL(wheel_advance(&w, BASE + 70000ull * WHEEL_TICK_US, ids, 3), 3);
	CU_ASSERT_EQUAL(w.armed, 5);
	CU_ASSERT_EQUAL(wheel_next_us(&w), BASE + 65536ull * WHEEL_TICK_US);
	for (uint32_t id = 0, left = 2; id < 8 && left > 0; id++) {
		if (!wheel_armed(&w, id))
			continue;
		if (--left)
			wheel_disarm(&w, id);
		else
			wheel_arm(&w, id, BASE + 80000ull * WHEEL_TICK_US);
	}
	CU_ASSERT_EQUAL(wheel_advance(&w, BASE + 70000ull * WHEEL_TICK_US, ids, 8), 3);
	CU_ASSERT_EQUAL(wheel_advance(&w, BASE + 80000ull * WHEEL_TICK_US, ids, 8), 1);
	CU_ASSERT_EQUAL(w.armed, 0);
	wheel_fini(&w);
}

// The span of the four levels is 6.4 days; what is beyond it waits in the last list and comes
// back to it. A jump of years costs no more than the lists that it passes.
static void far_future_and_big_jumps(void)
{
	const uint64_t day = 86400ull * 1000000;
	struct timespec a, b;
	struct wheel w;
	uint32_t id;

	CU_ASSERT_EQUAL_FATAL(wheel_init(&w, 2, BASE), 0);
	wheel_arm(&w, 0, BASE + 100 * day);
	for (uint64_t d = 1; d < 100; d++)
		CU_ASSERT_EQUAL(wheel_advance(&w, BASE + d * day, &id, 1), 0);
	CU_ASSERT_EQUAL(wheel_advance(&w, BASE + 100 * day, &id, 1), 1);
	wheel_arm(&w, 0, BASE + 4000 * day);
	wheel_arm(&w, 1, UINT64_MAX);
	clock_gettime(CLOCK_MONOTONIC, &a);
	CU_ASSERT_EQUAL(wheel_advance(&w, BASE + 4000 * day, &id, 1), 1);
	CU_ASSERT_EQUAL(id, 0);
	clock_gettime(CLOCK_MONOTONIC, &b);
	// Ten years are 2.7e12 ticks: one at a time they would take an hour.
	CU_ASSERT((b.tv_sec - a.tv_sec) < 2);
	CU_ASSERT(wheel_armed(&w, 1));
	wheel_fini(&w);
}

int main(int argc, char **argv)
{
	CU_TestInfo tests[] = {
		{"random operations against a model", random_ops},
		{"sleeping by wheel_next_us", sleeps_by_next},
		{"never early, at most a tick late", never_early_never_late},
		{"the past is due at the next tick", past_is_next_tick},
		{"more due than asked for", partial_advance},
		{"far future and big jumps", far_future_and_big_jumps},
		CU_TEST_INFO_NULL,
	};

	rng_state = argc > 1 ? strtoull(argv[1], NULL, 0) : (uint64_t)time(NULL);
	rng_state |= 1;
	printf("seed %llu\n", (unsigned long long)rng_state);
	return unit_run("wheel", tests);
}
