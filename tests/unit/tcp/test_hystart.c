// HyStart++, by the steps of RFC 9406 section 4.2. Each row of a round is what its ACKs say of the path.
#include "engine/tcp/hystart.h"
#include "tests/unit/eal_main.h"

#define MSS 1000u
#define MS 1000u

static struct counters cnt;
static struct tcp_soft s;
static struct hystart h;
static struct cc c = {.s = &s, .cnt = &cnt, .mss = MSS};
static uint64_t una, nxt;

static void start(void)
{
	memset(&cnt, 0, sizeof(cnt));
	memset(&s, 0, sizeof(s));
	s.cwnd = 20 * MSS;
	s.ssthresh = CC_SSTHRESH_INIT;
	una = 0;
	nxt = s.cwnd;
	hystart_begin(&h);
}

static void ack(uint32_t bytes, uint32_t rtt_us)
{
	una += bytes;
	hystart_acked(
		&h, &c, &(struct cc_ack){.una = una, .nxt = nxt, .acked = bytes, .rtt_us = rtt_us});
}

// A round of n ACKs of one segment each, with that round trip; what they let go leaves behind them.
static void path_round(unsigned n, uint32_t rtt_us)
{
	for (unsigned i = 0; i < n; i++)
		ack(MSS, rtt_us);
	una = nxt;
	nxt += s.cwnd;
}

// "cwnd = cwnd + min(N, L * SMSS)"
static void test_growth(void)
{
	start();
	ack(MSS, 10 * MS);
	CU_ASSERT_EQUAL(s.cwnd, 21 * MSS);
	ack(2 * MSS, 10 * MS);
	CU_ASSERT_EQUAL(s.cwnd, 23 * MSS);
	ack(CC_SS_SEGS * MSS + 1, 10 * MS);
	CU_ASSERT_EQUAL(s.cwnd, (23 + CC_SS_SEGS) * MSS);
	CU_ASSERT_EQUAL(s.ssthresh, CC_SSTHRESH_INIT);
}

// "RttThresh = max(MIN_RTT_THRESH, min(lastRoundMinRTT / MIN_RTT_DIVISOR, MAX_RTT_THRESH))
//  if (currentRoundMinRTT >= (lastRoundMinRTT + RttThresh)): exit slow start and enter CSS"
static void test_threshold(void)
{
	static const struct {
		uint32_t last_ms, now_ms;
		bool css;
	} t[] = {
		{10, 13, false}, // an eighth is 1.25 ms, MIN_RTT_THRESH 4
		{10, 14, true},
		{80, 89, false}, // an eighth
		{80, 90, true},
		{400, 415, false}, // MAX_RTT_THRESH 16
		{400, 416, true},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		start();
		path_round(8, t[i].last_ms * MS);
		path_round(8, t[i].now_ms * MS);
		CU_ASSERT_EQUAL(cnt.tcp_hystart_css, t[i].css);
		CU_ASSERT_EQUAL(s.ssthresh, CC_SSTHRESH_INIT);
	}
}

// "For rounds where at least N_RTT_SAMPLE RTT samples have been obtained": eight; the minimum of a round
// decides; ACKs that measure nothing are no samples; the round before is the one before, no older one.
static void test_samples(void)
{
	start();
	path_round(8, 50 * MS);
	path_round(7, 90 * MS);
	CU_ASSERT_EQUAL(cnt.tcp_hystart_css, 0);
	start();
	path_round(8, 50 * MS);
	for (int i = 0; i < 7; i++)
		ack(MSS, 90 * MS);
	ack(MSS, 0);
	CU_ASSERT_EQUAL(cnt.tcp_hystart_css, 0);
	ack(MSS, 90 * MS);
	CU_ASSERT_EQUAL(cnt.tcp_hystart_css, 1);
	start();
	path_round(8, 50 * MS);
	ack(MSS, 51 * MS);
	path_round(20, 90 * MS);
	CU_ASSERT_EQUAL(cnt.tcp_hystart_css, 0);
	start();
	path_round(8, 50 * MS);
	path_round(8, 54 * MS);
	path_round(8, 58 * MS);
	path_round(8, 62 * MS);
	CU_ASSERT_EQUAL(cnt.tcp_hystart_css, 0);
}

static void enter_css(void)
{
	start();
	path_round(8, 50 * MS);
	path_round(8, 60 * MS); // the eighth enters
	CU_ASSERT_EQUAL_FATAL(cnt.tcp_hystart_css, 1);
}

// "cwnd = cwnd + (min(N, L * SMSS)) / CSS_GROWTH_DIVISOR"
static void test_css_growth(void)
{
	uint32_t cwnd;

	enter_css();
	cwnd = s.cwnd;
	ack(MSS, 60 * MS);
	CU_ASSERT_EQUAL(s.cwnd, cwnd + MSS / 4);
	ack(4 * MSS, 60 * MS);
	CU_ASSERT_EQUAL(s.cwnd, cwnd + MSS / 4 + MSS);
}

// "If CSS_ROUNDS rounds are complete, enter congestion avoidance by setting ssthresh to the current cwnd";
// the partial round in which it was entered counts: four whole ones follow.
static void test_css_rounds(void)
{
	enter_css();
	for (int i = 0; i < 4; i++) {
		path_round(10, 60 * MS);
		CU_ASSERT_EQUAL(s.ssthresh, CC_SSTHRESH_INIT);
	}
	ack(MSS, 60 * MS);
	CU_ASSERT_EQUAL(cnt.tcp_hystart_exit, 1);
	CU_ASSERT_EQUAL(s.ssthresh, s.cwnd);
}

// "If currentRoundMinRTT < cssBaselineMinRtt: cssBaselineMinRtt = infinity, resume slow start"
static void test_resume(void)
{
	uint32_t cwnd;

	enter_css();
	path_round(8, 60 * MS); // not below: it goes on
	CU_ASSERT_EQUAL(cnt.tcp_hystart_resumed, 0);
	for (int i = 0; i < 7; i++)
		ack(MSS, 59 * MS);
	CU_ASSERT_EQUAL(cnt.tcp_hystart_resumed, 0); // eight samples here, too
	ack(MSS, 59 * MS);
	CU_ASSERT_EQUAL(cnt.tcp_hystart_resumed, 1);
	cwnd = s.cwnd;
	ack(MSS, 59 * MS);
	CU_ASSERT_EQUAL(s.cwnd, cwnd + MSS);
	// And again into CSS, with five rounds of its own.
	una = nxt;
	nxt += s.cwnd;
	path_round(8, 80 * MS);
	CU_ASSERT_EQUAL(cnt.tcp_hystart_css, 2);
	for (int i = 0; i < 4; i++)
		path_round(10, 80 * MS);
	CU_ASSERT_EQUAL(cnt.tcp_hystart_exit, 0);
	ack(MSS, 80 * MS);
	CU_ASSERT_EQUAL(cnt.tcp_hystart_exit, 1);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"slow start", test_growth},
		{"a delay that counts", test_threshold},
		{"samples of a round", test_samples},
		{"growth in conservative slow start", test_css_growth},
		{"its rounds", test_css_rounds},
		{"slow start goes on", test_resume},
		CU_TEST_INFO_NULL,
	};

	return unit_run("tcp hystart", tests);
}
