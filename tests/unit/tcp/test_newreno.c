// NewReno's windows, by the formulas of RFC 5681 and 6928.
#include "engine/tcp/cc.h"
#include "tests/unit/eal_main.h"

#define MSS 1000u

static struct tcp_soft s;
static struct cc_priv priv;
static uint32_t *const counted = (uint32_t *)priv.bytes; // its only field
static struct cc c = {.s = &s, .priv = &priv, .mss = MSS};

static void start(uint32_t cwnd, uint32_t ssthresh)
{
	memset(&s, 0, sizeof(s));
	memset(&priv, 0, sizeof(priv));
	s.cwnd = cwnd;
	s.ssthresh = ssthresh;
}

static void acked(uint32_t bytes)
{
	cc_newreno.acked(&c, &(struct cc_ack){.acked = bytes});
}

// RFC 6928 section 2: min(10*MSS, max(2*MSS, 14600)).
static void test_init(void)
{
	static const struct {
		uint32_t mss;
		uint32_t iw;
	} t[] = {{1460, 14600}, {1000, 10000}, {536, 5360}, {1500, 14600}, {4000, 14600},
		{8960, 17920}};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		start(1, 1);
		c.mss = t[i].mss;
		cc_newreno.init(&c, 10);
		CU_ASSERT_EQUAL(s.cwnd, t[i].iw);
		CU_ASSERT(s.ssthresh >= 1u << 30); // "arbitrarily high"
	}
	c.mss = MSS;
	cc_newreno.init(&c, 1);
	CU_ASSERT_EQUAL(s.cwnd, MSS);
	CU_ASSERT_PTR_EQUAL(cc_find("newreno"), &cc_newreno);
	CU_ASSERT_PTR_EQUAL(cc_by_id(OB_CC_NEWRENO), &cc_newreno);
	CU_ASSERT_PTR_NULL(cc_find("vegas"));
	CU_ASSERT_PTR_NULL(cc_by_id(OB_CC_DEFAULT));
	CU_ASSERT_PTR_NULL(cc_by_id(OB_CC_END));
}

// RFC 5681 equation 2 with L of RFC 3465 and 9406: cwnd += min(N, L * SMSS), L 64, and 1 after a
// time-out (RFC 3465 section 2.3).
static void test_slow_start(void)
{
	start(10000, 500000);
	acked(400);
	CU_ASSERT_EQUAL(s.cwnd, 10400);
	acked(1000);
	CU_ASSERT_EQUAL(s.cwnd, 11400);
	acked(2000);
	CU_ASSERT_EQUAL(s.cwnd, 13400);
	acked(44000); // what a receiver has coalesced does not slow it down
	CU_ASSERT_EQUAL(s.cwnd, 57400);
	acked(200000);
	CU_ASSERT_EQUAL(s.cwnd, 57400 + 64 * MSS);
	s.flags = SOFT_LOSS;
	s.cwnd = 1000;
	acked(5000);
	CU_ASSERT_EQUAL(s.cwnd, 2000);
	// What lies beyond ssthresh is congestion avoidance's.
	start(9000, 10000);
	acked(3000);
	CU_ASSERT(s.cwnd == 10000 && *counted == 2000);
}

// Section 3.1: one SMSS a round trip, counted in bytes.
static void test_avoidance(void)
{
	start(10000, 10000);
	for (int i = 0; i < 9; i++)
		acked(1000);
	CU_ASSERT_EQUAL(s.cwnd, 10000);
	acked(1000);
	CU_ASSERT_EQUAL(s.cwnd, 11000);
	for (int i = 0; i < 5; i++)
		acked(2000);
	CU_ASSERT_EQUAL(s.cwnd, 11000);
	acked(1000);
	CU_ASSERT_EQUAL(s.cwnd, 12000);
	// What one window leaves over counts for the next.
	start(10000, 10000);
	for (int i = 0; i < 4; i++)
		acked(3000);
	CU_ASSERT(s.cwnd == 11000 && *counted == 2000);
	start(12000, 12000);
	// One ACK of many windows does not grow it by many segments, then or later.
	acked(200000);
	CU_ASSERT_EQUAL(s.cwnd, 13000);
	acked(1);
	acked(1);
	acked(1);
	CU_ASSERT(s.cwnd <= 14000);
}

static void test_bound(void)
{
	start((1u << 30) - 10, UINT32_MAX);
	for (int i = 0; i < 10; i++)
		acked(MSS);
	CU_ASSERT_EQUAL(s.cwnd, 1u << 30);
}

// RFC 5681 equation 4: "max (FlightSize / 2, 2*SMSS)", whatever the event; cwnd is the caller's.
static void test_ssthresh(void)
{
	start(20000, 64000);
	*counted = 500;
	CU_ASSERT_EQUAL(cc_newreno.ssthresh(&c, 16000, CC_LOSS), 8000);
	CU_ASSERT(s.cwnd == 20000 && s.ssthresh == 64000 && *counted == 0);
	CU_ASSERT_EQUAL(cc_newreno.ssthresh(&c, 16000, CC_TIMEOUT), 8000);
	CU_ASSERT_EQUAL(cc_newreno.ssthresh(&c, 3000, CC_LOSS), 2000);
	CU_ASSERT_EQUAL(cc_newreno.ssthresh(&c, 0, CC_ECN), 2000);
}

// Section 4.1: RW = min(IW, cwnd).
static void test_idle(void)
{
	start(50000, 30000);
	cc_newreno.idle(&c, 10, 1000000);
	CU_ASSERT(s.cwnd == 10000 && s.ssthresh == 30000);
	s.cwnd = 4000;
	cc_newreno.idle(&c, 10, 1000000);
	CU_ASSERT_EQUAL(s.cwnd, 4000);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"the initial window (RFC 6928)", test_init},
		{"slow start", test_slow_start},
		{"congestion avoidance", test_avoidance},
		{"the window is bounded", test_bound},
		{"what a congestion event means", test_ssthresh},
		{"restart after idling", test_idle},
		CU_TEST_INFO_NULL,
	};

	return unit_run("tcp newreno", tests);
}
