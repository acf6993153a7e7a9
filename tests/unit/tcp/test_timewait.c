// TIME-WAIT against a model: 100,000 entries, restarts, removals, expiry, eviction, a successor.
#include <time.h>

#include "engine/tcp/timewait.h"
#include "tests/unit/eal_main.h"

#define MSL2_MS 1000u
#define MANY 100000u

static struct state st;
static struct counters cnt;
static struct tcp_tw *w;

static void start(uint32_t n, uint64_t now_us)
{
	struct config c;
	char err[256];

	config_defaults(&c);
	c.limits_time_wait = n;
	c.limits_conns = c.limits_half_open = c.limits_pieces = 64;
	c.limits_hosts = 1;
	memset(&cnt, 0, sizeof(cnt));
	CU_ASSERT_EQUAL_FATAL(state_create(&st, &c, true, 0, 1000000000, err, sizeof(err)), 0);
	w = tw_create(&st, &cnt, MSL2_MS, now_us);
	CU_ASSERT_PTR_NOT_NULL_FATAL(w);
}

static void stop(void)
{
	tw_destroy(w);
	state_destroy(&st, true);
}

static struct seg_tuple tuple(uint32_t i)
{
	struct seg_tuple t = {.lport = 80, .rport = (uint16_t)i};

	t.laddr = ob_addr_v4(0x0100000a);
	t.raddr = ob_addr_v4(i >> 16);
	return t;
}

static void add(uint32_t i, uint64_t now_us)
{
	struct seg_tuple t = tuple(i);

	tw_add(w, &t, i, i + 1, i + 2, now_us);
}

static struct tw *find(uint32_t i, uint64_t now_us)
{
	struct seg_tuple t = tuple(i);

	return tw_find(w, &t, now_us);
}

static void test_one(void)
{
	struct tw *e;

	start(16, 1000000);
	CU_ASSERT_PTR_NULL(find(1, 1000000));
	CU_ASSERT_EQUAL(tw_next_us(w), UINT64_MAX);
	add(1, 1000900);
	e = find(1, 1000900);
	CU_ASSERT_PTR_NOT_NULL_FATAL(e);
	CU_ASSERT(e->snd_nxt == 1 && e->rcv_nxt == 2 && e->ts_recent == 3);
	CU_ASSERT_EQUAL(tw_count(w), 1);
	// Not before 2MSL is over, and not long after it.
	CU_ASSERT(tw_next_us(w) >= 2000900 && tw_next_us(w) <= 2001900);
	tw_expire(w, 2000899);
	CU_ASSERT_PTR_NOT_NULL(find(1, 2000899));
	CU_ASSERT_PTR_NULL(find(1, 2001900));
	CU_ASSERT_EQUAL(tw_count(w), 1);
	tw_expire(w, 2001900);
	CU_ASSERT_EQUAL(tw_count(w), 0);
	CU_ASSERT_EQUAL(HARD_GET(e->expiry), 0);
	CU_ASSERT_EQUAL(tw_next_us(w), UINT64_MAX);
	stop();
}

static void test_restart(void)
{
	start(16, 1000000);
	add(1, 1000000);
	add(2, 1100000);
	add(1, 1500000); // restarted: goes behind 2
	CU_ASSERT_EQUAL(tw_count(w), 2);
	tw_expire(w, 2200000);
	CU_ASSERT_PTR_NOT_NULL(find(1, 2200000));
	CU_ASSERT_PTR_NULL(find(2, 2200000));
	CU_ASSERT_EQUAL(tw_count(w), 1);
	tw_remove(w, find(1, 2200000));
	CU_ASSERT_PTR_NULL(find(1, 2200000));
	CU_ASSERT_EQUAL(tw_count(w), 0);
	stop();
}

static void test_evict(void)
{
	start(16, 1000000);
	for (uint32_t i = 0; i < 16; i++)
		add(i, 1000000 + i);
	CU_ASSERT_EQUAL(cnt.tcp_tw_evicted, 0);
	add(16, 1000100);
	CU_ASSERT_EQUAL(cnt.tcp_tw_evicted, 1);
	CU_ASSERT_EQUAL(tw_count(w), 16);
	CU_ASSERT_PTR_NULL(find(0, 1000100)); // the oldest
	for (uint32_t i = 1; i <= 16; i++)
		CU_ASSERT_PTR_NOT_NULL(find(i, 1000100));
	stop();
}

// The millisecond clock of the entries wraps after 49 days; 0 is no time.
static void test_wrap(void)
{
	uint64_t wrap_us = (1ull << 32) * 1000;

	start(16, wrap_us - 5000000);
	add(1, wrap_us - 1000000); // its expiry would be 0
	add(2, wrap_us - 500000);
	CU_ASSERT_PTR_NOT_NULL(find(1, wrap_us - 1000));
	CU_ASSERT_PTR_NOT_NULL(find(2, wrap_us + 499000));
	CU_ASSERT_EQUAL(tw_next_us(w), wrap_us + 1000);
	tw_expire(w, wrap_us + 2000);
	CU_ASSERT_EQUAL(tw_count(w), 1);
	CU_ASSERT_EQUAL(tw_next_us(w), wrap_us + 500000);
	tw_expire(w, wrap_us + 500000);
	CU_ASSERT_EQUAL(tw_count(w), 0);
	stop();
}

// What a successor finds in the segment is the same, in the same order.
static void test_successor(void)
{
	uint64_t now = 5000000;

	start(64, now);
	for (uint32_t i = 0; i < 64; i++)
		add(i, now += 1000);
	for (uint32_t i = 0; i < 64; i += 3)
		add(i, now += 1000); // another order than that of the entries
	tw_remove(w, find(10, now));
	tw_destroy(w);
	w = tw_create(&st, &cnt, MSL2_MS, now);
	CU_ASSERT_EQUAL(tw_count(w), 63);
	for (uint32_t i = 0; i < 64; i++)
		CU_ASSERT((find(i, now) != NULL) == (i != 10));
	CU_ASSERT_EQUAL(find(5, now)->snd_nxt, 5);
	CU_ASSERT_EQUAL(tw_next_us(w), 5000000 + 2 * 1000 + MSL2_MS * 1000);
	// The next to go is the oldest, 1; then 2, 4, 5, 7.
	add(100, now);
	add(101, now); // one more than there are
	CU_ASSERT_EQUAL(cnt.tcp_tw_evicted, 1);
	CU_ASSERT(!find(1, now) && find(2, now));
	// A successor that comes late finds none; nor one whose clock is not ours.
	tw_destroy(w);
	w = tw_create(&st, &cnt, MSL2_MS, now + 2000000);
	CU_ASSERT_EQUAL(tw_count(w), 0);
	add(1, now);
	tw_destroy(w);
	w = tw_create(&st, &cnt, MSL2_MS, now - 3000000);
	CU_ASSERT_EQUAL(tw_count(w), 0);
	for (uint32_t i = 0; i < 64; i++)
		CU_ASSERT_EQUAL(HARD_GET(st.tw[i].expiry), 0);
	stop();
}

// The model: for each tuple when it expires (0: it is not there), and a queue of (tuple, expiry)
// in the order of entering, in which what was restarted or removed since is stale.
static uint64_t expires_ms[2 * MANY];
static struct {
	uint32_t i;
	uint64_t ms;
} queue[4 * MANY];
static uint32_t head, tail, present;

static void model_drop_oldest(void)
{
	while (expires_ms[queue[head].i] != queue[head].ms)
		head++;
	expires_ms[queue[head++].i] = 0;
	present--;
}

static void model_expire(uint64_t now_us)
{
	while (head < tail && queue[head].ms <= now_us / 1000) {
		if (expires_ms[queue[head].i] == queue[head].ms) {
			expires_ms[queue[head].i] = 0;
			present--;
		}
		head++;
	}
}

static void model_add(uint32_t i, uint64_t now_us)
{
	if (expires_ms[i] == 0 && present++ == MANY)
		model_drop_oldest();
	expires_ms[i] = (now_us + 999) / 1000 + MSL2_MS;
	queue[tail].i = i;
	queue[tail++].ms = expires_ms[i];
}

static void test_model(void)
{
	unsigned seed = (unsigned)time(NULL);
	uint64_t now = 1000000;

	if (getenv("OB_SEED"))
		seed = (unsigned)strtoul(getenv("OB_SEED"), NULL, 0);
	printf("seed %u ", seed);
	start(MANY, now);
	memset(expires_ms, 0, sizeof(expires_ms));
	head = tail = present = 0;
	// Faster than they expire, then slower: the table fills, evicts, and empties.
	for (uint32_t step = 0; step < 4 * MANY - 8; step++) {
		uint32_t i = (uint32_t)rand_r(&seed) % (2 * MANY);

		now += step < 2 * MANY ? rand_r(&seed) % 8 : rand_r(&seed) % 40;
		if (step % 64 == 0) {
			model_expire(now);
			tw_expire(w, now);
			CU_ASSERT_EQUAL_FATAL(tw_count(w), present);
		}
		if (rand_r(&seed) % 8 == 0) {
			struct tw *e = find(i, now);

			CU_ASSERT_FATAL((e != NULL) == (expires_ms[i] > now / 1000));
			CU_ASSERT_FATAL(!e || e->snd_nxt == i);
			if (e && rand_r(&seed) % 2) {
				tw_remove(w, e);
				expires_ms[i] = 0;
				present--;
			}
			continue;
		}
		// The model cannot tell two entries of one tuple in the same millisecond apart.
		if (expires_ms[i] == (now + 999) / 1000 + MSL2_MS)
			continue;
		model_add(i, now);
		add(i, now);
	}
	CU_ASSERT(cnt.tcp_tw_evicted > 1000);
	for (uint32_t i = 0; i < 2 * MANY; i++)
		CU_ASSERT_FATAL((find(i, now) != NULL) == (expires_ms[i] > now / 1000));
	printf("%lu evicted ", (unsigned long)cnt.tcp_tw_evicted);
	tw_expire(w, now + 2 * MSL2_MS * 1000);
	CU_ASSERT_EQUAL(tw_count(w), 0);
	stop();
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"one entry for 2MSL", test_one},
		{"a restart goes to the end", test_restart},
		{"the oldest goes when it is full", test_evict},
		{"the clock wraps", test_wrap},
		{"a successor finds what is there", test_successor},
		{"100,000 entries against a model", test_model},
		CU_TEST_INFO_NULL,
	};

	return unit_run("tcp timewait", tests);
}
