// RFC 6298, its formulas worked by hand.
#include "engine/tcp/rtt.h"
#include "tests/unit/eal_main.h"

static struct tcp_soft s;
static struct rtt_bounds b;

static void start(uint32_t min_us)
{
	memset(&s, 0, sizeof(s));
	b = (struct rtt_bounds){.min_us = min_us, .max_us = 60000000, .init_us = 1000000};
}

// 2.2: SRTT = R, RTTVAR = R/2, RTO = SRTT + max(G, K*RTTVAR), K = 4.
// 2.3: RTTVAR = 3/4 * RTTVAR + 1/4 * |SRTT - R'|, SRTT = 7/8 * SRTT + 1/8 * R', in this order.
static void test_formulas(void)
{
	start(1000);
	rtt_sample(&s, 100000, 1, &b);
	CU_ASSERT(s.srtt_us == 100000 && s.rttvar_us == 50000 && s.rto_us == 300000);
	rtt_sample(&s, 180000, 1, &b); // |100 - 180| = 80
	CU_ASSERT(s.rttvar_us == 57500); // 37500 + 20000
	CU_ASSERT(s.srtt_us == 110000); // 87500 + 22500
	CU_ASSERT_EQUAL(s.rto_us, 340000);
	rtt_sample(&s, 30000, 1, &b); // |110 - 30| = 80
	CU_ASSERT(s.rttvar_us == 63125); // 43125 + 20000
	CU_ASSERT(s.srtt_us == 100000); // 96250 + 3750
	CU_ASSERT_EQUAL(s.rto_us, 352500);
}

// 2.4: a minimum; 2.5: a maximum; RTTVAR's part is held up by the minimum too, lest a steady path have a
// time-out of hardly more than a round trip.
static void test_bounds(void)
{
	start(200000);
	rtt_sample(&s, 100, 1, &b);
	CU_ASSERT_EQUAL(s.rto_us, 200100);
	for (int i = 0; i < 100; i++)
		rtt_sample(&s, 400000, 1, &b);
	CU_ASSERT_EQUAL(s.rto_us, s.srtt_us + 200000);
	start(1000);
	for (int i = 0; i < 100; i++)
		rtt_sample(&s, 4000, 1, &b);
	CU_ASSERT_EQUAL(s.srtt_us, 4000);
	CU_ASSERT(s.rttvar_us < 250);
	CU_ASSERT_EQUAL(s.rto_us, 5000); // SRTT + G
	start(1000);
	rtt_sample(&s, UINT32_MAX, 1, &b);
	CU_ASSERT_EQUAL(s.rto_us, 60000000);
	rtt_sample(&s, 0, 1, &b);
	CU_ASSERT(s.srtt_us > 0);
	start(1000);
	rtt_sample(&s, 0, 0, &b);
	CU_ASSERT(s.srtt_us > 0); // 0 means that there was none
}

// 2.1: before a measurement, and 5.5: doubled by each time-out, at most the maximum.
static void test_backoff(void)
{
	static const uint32_t first[] = {1, 2, 4, 8, 16, 32, 60, 60};

	start(200000);
	for (uint8_t i = 0; i < 8; i++) {
		s.backoff = i;
		CU_ASSERT_EQUAL(rtt_rto_us(&s, &b), first[i] * 1000000);
	}
	s.backoff = 255;
	CU_ASSERT_EQUAL(rtt_rto_us(&s, &b), 60000000);
	// 5.7 and Karn: a measurement ends the back-off.
	rtt_sample(&s, 100000, 1, &b);
	CU_ASSERT_EQUAL(s.backoff, 0);
	CU_ASSERT_EQUAL(rtt_rto_us(&s, &b), 300000);
	s.backoff = 2;
	CU_ASSERT_EQUAL(rtt_rto_us(&s, &b), 1200000);
	CU_ASSERT_EQUAL(s.rto_us, 300000);
}

// RFC 7323 appendix G: alpha and beta divided by the samples expected in a window, so that a
// window of samples weighs about as much as one did.
static void test_many(void)
{
	start(1000);
	rtt_sample(&s, 80000, 1, &b);
	rtt_sample(&s, 160000, 10, &b);
	CU_ASSERT_EQUAL(s.rttvar_us, 41000); // 40000 + (80000 - 40000) / 40
	CU_ASSERT_EQUAL(s.srtt_us, 81000); // 80000 + 80000 / 80
	start(1000);
	rtt_sample(&s, 80000, 1, &b);
	for (int i = 0; i < 100; i++)
		rtt_sample(&s, 160000, 100, &b);
	CU_ASSERT(s.srtt_us > 88000 && s.srtt_us < 90000); // once: 90000
}

// However many samples there are, it comes to the goal, from below and from above.
static void test_converges(void)
{
	start(1000);
	rtt_sample(&s, 10000, 1, &b);
	for (int i = 0; i < 200000; i++)
		rtt_sample(&s, 20000, 1000, &b);
	CU_ASSERT(s.srtt_us == 20000 && s.rttvar_us == 0);
	for (int i = 0; i < 200000; i++)
		rtt_sample(&s, 5000, 1000, &b);
	CU_ASSERT(s.srtt_us == 5000 && s.rttvar_us == 0);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"SRTT, RTTVAR and RTO (section 2)", test_formulas},
		{"bounds and granularity", test_bounds},
		{"the first time-out and back-off (section 5)", test_backoff},
		{"many samples a window (RFC 7323 G)", test_many},
		{"no sticking by rounding", test_converges},
		CU_TEST_INFO_NULL,
	};

	return unit_run("tcp rtt", tests);
}
