// Proportional Rate Reduction, by the formulas of RFC 9937 section 6.
#include "engine/tcp/prr.h"

#include "tests/unit/eal_main.h"

#define MSS 1000u

// One ACK of `newly` bytes; what is allowed leaves at once.
static uint32_t step(struct prr *p, uint32_t newly, bool safe)
{
	uint32_t may;

	p->delivered += newly;
	p->pipe -= newly;
	may = prr_sndcnt(p, newly, safe);
	p->out += may;
	p->pipe += may;
	return may;
}

// 20 segments in flight, the first is lost, ssthresh is half: a segment for every other delivered, and
// about ssthresh at the end.
static void test_proportional(void)
{
	struct prr p = {.ssthresh = 10000, .recover_fs = 20000, .pipe = 19000, .mss = MSS};

	CU_ASSERT_EQUAL(step(&p, 1000, false), 1000); // the first retransmission leaves at once
	for (int i = 2; i <= 16; i++) {
		uint32_t may = step(&p, 1000, false);

		CU_ASSERT_EQUAL(may, i % 2 ? 500 : i == 2 ? 0 : 500);
		if (i == 2)
			continue;
		CU_ASSERT(p.out == p.delivered / 2);
	}
	while (p.delivered < 19000)
		step(&p, 1000, false);
	CU_ASSERT(p.pipe >= 9000 && p.pipe <= 10000);
}

// Rounding up: "uses integer division, rounding up".
static void test_ceiling(void)
{
	struct prr p = {.ssthresh = 1000, .recover_fs = 3000, .pipe = 2500, .mss = 1, .out = 1};

	p.delivered = 1;
	CU_ASSERT_EQUAL(prr_sndcnt(&p, 1, false), 0); // ceil(1/3) - 1
	p.delivered = 4;
	CU_ASSERT_EQUAL(prr_sndcnt(&p, 1, false), 1); // ceil(4/3) - 1
	p.delivered = 3000000;
	p.recover_fs = 3000000000u; // no overflow
	p.ssthresh = 2000000000u;
	p.pipe = 2500000000u;
	CU_ASSERT_EQUAL(prr_sndcnt(&p, 1, false), 2000000 - 1);
}

// Below ssthresh: as much as was delivered, one more on a safe ACK, never past ssthresh.
static void test_bounds(void)
{
	struct prr p = {.ssthresh = 10000,
		.recover_fs = 20000,
		.pipe = 4000,
		.mss = MSS,
		.delivered = 9000,
		.out = 8000};

	CU_ASSERT_EQUAL(prr_sndcnt(&p, 1000, false), 1000); // CRB
	CU_ASSERT_EQUAL(prr_sndcnt(&p, 1000, true), 2000); // SSRB
	CU_ASSERT_EQUAL(prr_sndcnt(&p, 3000, false), 3000);
	p.out = 2000;
	CU_ASSERT_EQUAL(prr_sndcnt(&p, 1000, false), 6000); // what is left to catch up, to ssthresh
	p.pipe = 9500;
	CU_ASSERT_EQUAL(prr_sndcnt(&p, 1000, true), 500);
	p.pipe = 10000;
	CU_ASSERT_EQUAL(prr_sndcnt(&p, 1000, true), 0);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"in proportion to what is delivered", test_proportional},
		{"rounding", test_ceiling},
		{"the bounds below ssthresh", test_bounds},
		CU_TEST_INFO_NULL,
	};

	return unit_run("tcp prr", tests);
}
