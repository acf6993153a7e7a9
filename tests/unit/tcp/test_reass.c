// Out-of-order ranges against a bitmap, and the order of SACK blocks.
#include <time.h>

#include "engine/tcp/reass.h"
#include "tests/unit/eal_main.h"

#define SPACE 400u

static struct tcp_ooo o;

static void clear(void)
{
	memset(&o, 0, sizeof(o));
}

static bool sane(void)
{
	for (uint32_t i = 0; i < o.n; i++) {
		if (o.r[i].start >= o.r[i].end || (i > 0 && o.r[i].start <= o.r[i - 1].end))
			return false;
	}
	return o.n <= OOO_RANGES && (o.n == 0 || o.last < o.n);
}

static void test_merge(void)
{
	clear();
	CU_ASSERT(ooo_add(&o, 100, 200) && ooo_add(&o, 300, 400) && o.n == 2);
	CU_ASSERT(ooo_add(&o, 200, 250)); // touches
	CU_ASSERT(o.n == 2 && o.r[0].start == 100 && o.r[0].end == 250 && o.last == 0);
	CU_ASSERT(ooo_add(&o, 120, 130)); // inside
	CU_ASSERT(o.n == 2 && o.r[0].start == 100 && o.r[0].end == 250);
	CU_ASSERT(ooo_add(&o, 500, 600) && o.n == 3 && o.last == 2);
	CU_ASSERT(ooo_add(&o, 240, 500)); // joins all
	CU_ASSERT(o.n == 1 && o.r[0].start == 100 && o.r[0].end == 600 && o.last == 0);
	CU_ASSERT(ooo_add(&o, 50, 50) && o.n == 1); // nothing
	CU_ASSERT(ooo_add(&o, 10, 20) && o.n == 2 && o.last == 0 && o.r[1].start == 100);
}

static void test_full(void)
{
	clear();
	for (uint32_t i = 0; i < OOO_RANGES; i++)
		CU_ASSERT(ooo_add(&o, 100 + 10 * i, 105 + 10 * i));
	struct tcp_ooo before = o;

	CU_ASSERT(!ooo_add(&o, 10, 20));
	CU_ASSERT(!ooo_add(&o, 9000, 9001));
	CU_ASSERT_EQUAL(memcmp(&before, &o, sizeof(o)), 0);
	CU_ASSERT(ooo_add(&o, 105, 110)); // joins two: there is room again
	CU_ASSERT_EQUAL(o.n, OOO_RANGES - 1);
	CU_ASSERT(ooo_add(&o, 10, 20));
}

static void test_advance(void)
{
	clear();
	ooo_add(&o, 100, 200);
	ooo_add(&o, 300, 400);
	ooo_add(&o, 500, 600);
	CU_ASSERT_EQUAL(ooo_advance(&o, 99), 99);
	CU_ASSERT_EQUAL(o.n, 3);
	CU_ASSERT_EQUAL(ooo_advance(&o, 100), 200);
	CU_ASSERT(o.n == 2 && o.r[0].start == 300 && o.last == 1);
	CU_ASSERT_EQUAL(ooo_advance(&o, 350), 400);
	CU_ASSERT_EQUAL(ooo_advance(&o, 700), 700);
	CU_ASSERT_EQUAL(o.n, 0);
	CU_ASSERT_EQUAL(ooo_advance(&o, 800), 800);
}

// RFC 2018 section 4: "The first SACK block MUST specify the contiguous block of data containing the
// segment which triggered this ACK". Section 7's first example: segments of 500 from 5000, the
// first lost: the second's ACK says 5500-6000, the third's 5500-6500, and so on.
static void test_sack(void)
{
	uint32_t start[4];
	uint32_t end[4];

	clear();
	for (uint32_t i = 1; i < 8; i++) {
		ooo_add(&o, 500 * i, 500 * i + 500);
		CU_ASSERT_EQUAL(ooo_sack(&o, 5000, UINT64_MAX, start, end, 4), 1);
		CU_ASSERT(start[0] == 5500 && end[0] == 5500 + 500 * i);
	}
	// Case 3: the second, fourth, sixth and last of eight are lost.
	clear();
	ooo_add(&o, 1000, 1500);
	CU_ASSERT_EQUAL(ooo_sack(&o, 5000, UINT64_MAX, start, end, 4), 1);
	ooo_add(&o, 2000, 2500);
	CU_ASSERT_EQUAL(ooo_sack(&o, 5000, UINT64_MAX, start, end, 4), 2);
	CU_ASSERT(start[0] == 7000 && end[0] == 7500 && start[1] == 6000 && end[1] == 6500);
	ooo_add(&o, 3000, 3500);
	CU_ASSERT_EQUAL(ooo_sack(&o, 5000, UINT64_MAX, start, end, 4), 3);
	CU_ASSERT(start[0] == 8000 && start[1] == 7000 && start[2] == 6000);
	// The fourth arrives and joins its neighbours: its block comes first.
	ooo_add(&o, 1500, 2000);
	CU_ASSERT_EQUAL(ooo_sack(&o, 5000, UINT64_MAX, start, end, 4), 2);
	CU_ASSERT(start[0] == 6000 && end[0] == 7500 && start[1] == 8000 && end[1] == 8500);
	CU_ASSERT_EQUAL(ooo_sack(&o, 5000, UINT64_MAX, start, end, 1), 1);
	CU_ASSERT_EQUAL(start[0], 6000);
	CU_ASSERT_EQUAL(ooo_sack(&o, 5000, UINT64_MAX, start, end, 0), 0);
	// Sequence numbers wrap, offsets do not.
	clear();
	ooo_add(&o, (1ull << 32) + 10, (1ull << 32) + 20);
	CU_ASSERT_EQUAL(ooo_sack(&o, 0xfffffff8, UINT64_MAX, start, end, 4), 1);
	CU_ASSERT(start[0] == 2 && end[0] == 12);
	clear();
	CU_ASSERT_EQUAL(ooo_sack(&o, 5000, UINT64_MAX, start, end, 4), 0);
}

// The model: a byte for each offset that is filled, and rcv_nxt.
static uint8_t map[SPACE + 64];

static uint32_t ranges_in_map(uint32_t from)
{
	uint32_t n = 0;

	for (uint32_t i = from; i < SPACE; i++)
		n += map[i] && (i == from || !map[i - 1]);
	return n;
}

static void check_map(uint64_t rcv_nxt)
{
	uint32_t at = 0;
	uint32_t start[OOO_RANGES];
	uint32_t end[OOO_RANGES];
	uint32_t n;

	CU_ASSERT_FATAL(sane());
	for (uint32_t i = (uint32_t)rcv_nxt; i < SPACE; i++) {
		while (at < o.n && o.r[at].end <= i)
			at++;
		CU_ASSERT_FATAL(map[i] == (at < o.n && o.r[at].start <= i));
	}
	n = ooo_sack(&o, 7, UINT64_MAX, start, end, OOO_RANGES);
	CU_ASSERT_FATAL(n == o.n && n == ranges_in_map((uint32_t)rcv_nxt));
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t j = start[i] - 7; j < end[i] - 7; j++)
			CU_ASSERT_FATAL(map[j]);
}

static void model_round(unsigned *seed)
{
	uint64_t rcv_nxt = 0;

	clear();
	memset(map, 0, sizeof(map));
	for (int step = 0; step < 200 && rcv_nxt < SPACE - 50; step++) {
		uint32_t len = 1 + (uint32_t)rand_r(seed) % (rand_r(seed) % 8 ? 6 : 60);
		uint64_t start = rcv_nxt + 1 + (uint32_t)rand_r(seed) % (SPACE - rcv_nxt - 1);
		uint64_t end = start + len < SPACE ? start + len : SPACE;

		if (start < end) {
			uint8_t old[sizeof(map)];

			memcpy(old, map, sizeof(map));
			memset(map + start, 1, end - start);
			if (!ooo_add(&o, start, end)) {
				CU_ASSERT_FATAL(ranges_in_map((uint32_t)rcv_nxt) == OOO_RANGES + 1);
				memcpy(map, old, sizeof(map));
			} else {
				CU_ASSERT_FATAL(
					o.r[o.last].start <= start && o.r[o.last].end >= end);
			}
		}
		check_map(rcv_nxt);
		if (rand_r(seed) % 10 == 0) {
			uint64_t to = rcv_nxt + 1 + (uint32_t)rand_r(seed) % 20;
			uint64_t whole = to;

			while (whole < SPACE && map[whole])
				whole++;
			rcv_nxt = ooo_advance(&o, to);
			CU_ASSERT_EQUAL_FATAL(rcv_nxt, whole);
			check_map(rcv_nxt);
		}
	}
}

static void test_model(void)
{
	unsigned seed = (unsigned)time(NULL);

	if (getenv("OB_SEED"))
		seed = (unsigned)strtoul(getenv("OB_SEED"), NULL, 0);
	printf("seed %u ", seed);
	for (int i = 0; i < 1500; i++)
		model_round(&seed);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"ranges merge", test_merge},
		{"a full table changes nothing", test_full},
		{"rcv_nxt takes what it reaches", test_advance},
		{"SACK blocks (RFC 2018)", test_sack},
		{"random ranges against a bitmap", test_model},
		CU_TEST_INFO_NULL,
	};

	return unit_run("tcp reass", tests);
}
