// NewReno's windows, by the formulas of RFC 5681, 6582 and 6928.
#include "engine/tcp/cc.h"
#include "tests/unit/eal_main.h"

#define MSS 1000u

static struct tcp_soft s;

static void start(uint32_t cwnd, uint32_t ssthresh)
{
	memset(&s, 0, sizeof(s));
	s.cwnd = cwnd;
	s.ssthresh = ssthresh;
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
		cc_newreno.init(&s, t[i].mss, 10);
		CU_ASSERT_EQUAL(s.cwnd, t[i].iw);
		CU_ASSERT(s.ssthresh >= 1u << 30); // "arbitrarily high"
	}
	cc_newreno.init(&s, MSS, 1);
	CU_ASSERT_EQUAL(s.cwnd, MSS);
	CU_ASSERT_PTR_EQUAL(cc_find("newreno"), &cc_newreno);
	CU_ASSERT_PTR_NULL(cc_find("vegas"));
}

// RFC 5681 equation 2: cwnd += min(N, SMSS).
static void test_slow_start(void)
{
	start(10000, 64000);
	cc_newreno.ack(&s, MSS, 400);
	CU_ASSERT_EQUAL(s.cwnd, 10400);
	cc_newreno.ack(&s, MSS, 1000);
	CU_ASSERT_EQUAL(s.cwnd, 11400);
	cc_newreno.ack(&s, MSS, 2000);
	CU_ASSERT_EQUAL(s.cwnd, 12400);
}

// Section 3.1: one SMSS a round trip, counted in bytes.
static void test_avoidance(void)
{
	start(10000, 10000);
	for (int i = 0; i < 9; i++)
		cc_newreno.ack(&s, MSS, 1000);
	CU_ASSERT_EQUAL(s.cwnd, 10000);
	cc_newreno.ack(&s, MSS, 1000);
	CU_ASSERT_EQUAL(s.cwnd, 11000);
	for (int i = 0; i < 5; i++)
		cc_newreno.ack(&s, MSS, 2000);
	CU_ASSERT_EQUAL(s.cwnd, 11000);
	cc_newreno.ack(&s, MSS, 1000);
	CU_ASSERT_EQUAL(s.cwnd, 12000);
	// What one window leaves over counts for the next.
	start(10000, 10000);
	for (int i = 0; i < 4; i++)
		cc_newreno.ack(&s, MSS, 3000);
	CU_ASSERT(s.cwnd == 11000 && s.cc_acked == 2000);
	start(12000, 12000);
	// One ACK of many windows does not grow it by many segments, then or later.
	cc_newreno.ack(&s, MSS, 200000);
	CU_ASSERT_EQUAL(s.cwnd, 13000);
	cc_newreno.ack(&s, MSS, 1);
	cc_newreno.ack(&s, MSS, 1);
	cc_newreno.ack(&s, MSS, 1);
	CU_ASSERT(s.cwnd <= 14000);
}

static void test_bound(void)
{
	start((1u << 30) - 10, UINT32_MAX);
	for (int i = 0; i < 10; i++)
		cc_newreno.ack(&s, MSS, MSS);
	CU_ASSERT_EQUAL(s.cwnd, 1u << 30);
}

// RFC 5681 equation 4, section 3.2 steps 2 to 4, RFC 6582 section 3.2.
static void test_recovery(void)
{
	start(20000, 64000);
	cc_newreno.enter_recovery(&s, MSS, 20000);
	CU_ASSERT_EQUAL(s.ssthresh, 10000);
	CU_ASSERT_EQUAL(s.cwnd, 13000);
	cc_newreno.dup_ack(&s, MSS, 0);
	CU_ASSERT_EQUAL(s.cwnd, 14000);
	// Not RFC 5681: what SACK tells goes before counting ACKs.
	cc_newreno.dup_ack(&s, MSS, 3000);
	CU_ASSERT_EQUAL(s.cwnd, 14000);
	cc_newreno.dup_ack(&s, MSS, 6000);
	CU_ASSERT_EQUAL(s.cwnd, 16000);
	s.cwnd = 14000;
	// "deflate the congestion window by the amount of new data acknowledged", "if ... at least
	// one SMSS of new data, then add back SMSS bytes"
	cc_newreno.partial_ack(&s, MSS, 3000);
	CU_ASSERT_EQUAL(s.cwnd, 12000);
	cc_newreno.partial_ack(&s, MSS, 400);
	CU_ASSERT_EQUAL(s.cwnd, 11600);
	cc_newreno.partial_ack(&s, MSS, 50000);
	CU_ASSERT_EQUAL(s.cwnd, MSS);
	// "min (ssthresh, max(FlightSize, SMSS) + SMSS)"
	s.cwnd = 15000;
	cc_newreno.exit_recovery(&s, MSS, 3000);
	CU_ASSERT_EQUAL(s.cwnd, 4000);
	cc_newreno.exit_recovery(&s, MSS, 0);
	CU_ASSERT_EQUAL(s.cwnd, 2000);
	cc_newreno.exit_recovery(&s, MSS, 30000);
	CU_ASSERT_EQUAL(s.cwnd, 10000);
	// "max (FlightSize / 2, 2*SMSS)"
	start(3000, 64000);
	cc_newreno.enter_recovery(&s, MSS, 3000);
	CU_ASSERT(s.ssthresh == 2000 && s.cwnd == 5000);
}

// RFC 5681 section 3.1: ssthresh from the flight, cwnd to one segment; ssthresh "held constant" when
// the same segment was retransmitted before.
static void test_timeout(void)
{
	start(20000, 64000);
	cc_newreno.timeout(&s, MSS, 16000, false);
	CU_ASSERT(s.ssthresh == 8000 && s.cwnd == MSS);
	cc_newreno.timeout(&s, MSS, 1000, true);
	CU_ASSERT(s.ssthresh == 8000 && s.cwnd == MSS);
	cc_newreno.timeout(&s, MSS, 1000, false);
	CU_ASSERT(s.ssthresh == 2000 && s.cwnd == MSS);
}

// Section 4.1: RW = min(IW, cwnd).
static void test_idle(void)
{
	start(50000, 30000);
	cc_newreno.idle(&s, MSS, 10);
	CU_ASSERT(s.cwnd == 10000 && s.ssthresh == 30000);
	s.cwnd = 4000;
	cc_newreno.idle(&s, MSS, 10);
	CU_ASSERT_EQUAL(s.cwnd, 4000);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"the initial window (RFC 6928)", test_init},
		{"slow start", test_slow_start},
		{"congestion avoidance", test_avoidance},
		{"the window is bounded", test_bound},
		{"fast recovery (RFC 6582)", test_recovery},
		{"a time-out", test_timeout},
		{"restart after idling", test_idle},
		CU_TEST_INFO_NULL,
	};

	return unit_run("tcp newreno", tests);
}
