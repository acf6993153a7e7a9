// CUBIC's windows, by the equations of RFC 9438, compared with the same in floating point.
#include <math.h>

#include "engine/tcp/cc.h"
#include "tests/unit/eal_main.h"

#define MSS 1000u
#define SEC 1000000ull

static struct counters cnt;
static struct tcp_soft s;
static struct cc_priv priv;
static struct cc c = {.s = &s, .priv = &priv, .cnt = &cnt, .mss = MSS};

static void start(uint32_t cwnd_segs)
{
	memset(&cnt, 0, sizeof(cnt));
	memset(&s, 0, sizeof(s));
	memset(&priv, 0, sizeof(priv));
	c.now_us = 1000 * SEC;
	c.mss = MSS;
	cc_cubic.init(&c, 10);
	s.cwnd = cwnd_segs * MSS;
	s.srtt_us = 100000;
}

static void acked(uint32_t bytes)
{
	cc_cubic.acked(&c, &(struct cc_ack){.acked = bytes});
}

// As the caller of a controller does: after an event cwnd is ssthresh.
static void event(enum cc_event ev)
{
	s.ssthresh = cc_cubic.ssthresh(&c, s.cwnd, ev);
	s.cwnd = ev == CC_TIMEOUT ? MSS : s.ssthresh;
}

// ACKs of every segment of one window, one round trip.
static void one_rtt(void)
{
	uint32_t left = s.cwnd, n = left / MSS;

	for (; left >= MSS; left -= MSS) {
		acked(MSS);
		c.now_us += s.srtt_us / n;
	}
}

static double window_at(double w_max, double cwnd, double t)
{
	double k = cbrt((w_max - cwnd) / 0.4);

	return 0.4 * pow(t - k, 3) + w_max;
}

#define NEAR(a, b, share) (fabs((double)(a) - (double)(b)) <= (share) * (double)(b))

// Section 4.6: ssthresh = flight_size * beta_cubic, at least 2 segments; W_max = cwnd.
static void test_decrease(void)
{
	start(100);
	CU_ASSERT_EQUAL(cc_cubic.ssthresh(&c, 100000, CC_LOSS), 70000);
	CU_ASSERT_EQUAL(cc_cubic.ssthresh(&c, 100000, CC_ECN), 70000);
	CU_ASSERT_EQUAL(cc_cubic.ssthresh(&c, 100000, CC_TIMEOUT), 70000);
	CU_ASSERT_EQUAL(cc_cubic.ssthresh(&c, 2500, CC_LOSS), 2000);
	CU_ASSERT_EQUAL(s.cwnd, 100000); // the caller's
	CU_ASSERT_PTR_EQUAL(cc_find("cubic"), &cc_cubic);
	CU_ASSERT_PTR_EQUAL(cc_by_id(OB_CC_CUBIC), &cc_cubic);
}

// Sections 4.2, 4.4, 4.5: from beta * W_max along the cubic function: concave up to W_max at K, convex
// behind it. At 1,000 segments and 100 ms the Reno-friendly window is far below.
static void test_curve(void)
{
	uint64_t began;
	double w_max = 1000, cwnd = 700, k = cbrt(300 / 0.4);

	start(1000);
	event(CC_LOSS);
	CU_ASSERT_EQUAL(s.cwnd, 700 * MSS);
	began = c.now_us;
	while (c.now_us < began + 15 * SEC) {
		double t = (double)(c.now_us - began) * 1e-6;

		// Each ACK moves cwnd to where the curve is a round trip later.
		if (t > 1 && !NEAR(s.cwnd, 1000 * window_at(w_max, cwnd, t), 0.01)) {
			CU_FAIL("cwnd is not on the curve");
			printf("%f s: %u\n", t, s.cwnd);
			break;
		}
		if (t < k - 0.5)
			CU_ASSERT(s.cwnd < 1000 * MSS && cnt.tcp_cubic_convex == 0);
		one_rtt();
	}
	CU_ASSERT(cnt.tcp_cubic_concave > 0 && cnt.tcp_cubic_convex > 0);
	CU_ASSERT_EQUAL(cnt.tcp_cubic_friendly, 0);
}

// Section 4.2: target is at most 1.5 * cwnd: a window does not grow faster than that in a round trip.
static void test_target_bound(void)
{
	uint32_t was;

	start(100);
	event(CC_LOSS);
	acked(MSS);
	c.now_us += 60 * SEC; // on the curve 80,000 segments above
	was = s.cwnd;
	one_rtt();
	CU_ASSERT(s.cwnd > was && s.cwnd <= was + was * 2 / 3);
	// One ACK of the whole window, or of more than that, is one round trip.
	was = s.cwnd;
	acked(10 * was);
	CU_ASSERT_EQUAL(s.cwnd, was + was / 2);
}

// Section 4.2: "target = W_cubic(t + RTT)", reached with a window's worth of ACKs.
static void test_target(void)
{
	start(1000);
	event(CC_LOSS);
	s.srtt_us = 2 * SEC;
	acked(MSS);
	c.now_us += 2 * SEC;
	acked(s.cwnd);
	CU_ASSERT(NEAR(s.cwnd, 1000 * window_at(1000, 700, 4), 0.001));
}

// Growth of less than a byte an ACK adds up: 504 bytes to go, a segment of a thousand each time.
static void test_slow(void)
{
	uint32_t was;

	start(1000);
	event(CC_LOSS);
	acked(MSS);
	c.now_us += 8 * SEC;
	s.cwnd = was = (uint32_t)(1000 * window_at(1000, 700, 8));
	s.srtt_us = SEC;
	for (int i = 0; i < 1000; i++)
		acked(MSS);
	CU_ASSERT(s.cwnd > was + 250 && s.cwnd < was + 504);
}

// Section 4.3: W_est = W_est + alpha * segments_acked / cwnd; alpha = 3 (1 - beta) / (1 + beta) until W_est
// reaches cwnd_prior, then 1. With short round trips this is what counts.
static void test_friendly(void)
{
	double est = 70;

	start(100);
	s.srtt_us = 1000;
	event(CC_LOSS);
	for (int i = 0; i < 100; i++) {
		for (int k = 0; k < 10; k++) {
			est += (est < 100 ? 0.9 / 1.7 : 1) * s.cwnd / 10 / s.cwnd;
			acked(s.cwnd / 10);
		}
		c.now_us += 1000;
		CU_ASSERT(NEAR(s.cwnd, est * 1000, 0.01));
	}
	CU_ASSERT(s.cwnd > 140 * MSS);
	CU_ASSERT(cnt.tcp_cubic_friendly > 900);
}

// Section 4.7: W_max = cwnd * (1 + beta) / 2 when cwnd had not reached the last W_max.
static void test_fast_convergence(void)
{
	uint64_t began;

	start(1000);
	event(CC_LOSS);
	event(CC_LOSS); // at 700
	CU_ASSERT_EQUAL(s.cwnd, 490 * MSS);
	began = c.now_us;
	while (c.now_us < began + 4 * SEC)
		one_rtt();
	CU_ASSERT(NEAR(s.cwnd, 1000 * window_at(595, 490, 4), 0.01));
	// Grown past it: W_max is cwnd.
	start(1000);
	event(CC_LOSS);
	s.cwnd = 1001 * MSS;
	event(CC_LOSS);
	began = c.now_us;
	while (c.now_us < began + 4 * SEC)
		one_rtt();
	CU_ASSERT(NEAR(s.cwnd, 1000 * window_at(1001, 700.7, 4), 0.01));
}

// Section 4.8: slow start up to ssthresh, then K = 0 and W_max = cwnd, W_est too.
static void test_timeout(void)
{
	uint64_t began;

	start(1000);
	event(CC_TIMEOUT);
	CU_ASSERT_EQUAL(s.ssthresh, 700 * MSS);
	acked(MSS);
	CU_ASSERT_EQUAL(s.cwnd, 2 * MSS);
	s.cwnd = s.ssthresh;
	began = c.now_us;
	while (c.now_us < began + 5 * SEC)
		one_rtt();
	CU_ASSERT_EQUAL(cnt.tcp_cubic_concave, 0);
	CU_ASSERT(NEAR(s.cwnd, 1000 * (700 + 0.4 * 125), 0.01));
}

// Section 4.9: what the event has changed comes back with the window.
static void test_undo(void)
{
	struct cc_priv was;
	uint32_t cwnd;

	start(1000);
	event(CC_LOSS);
	for (int i = 0; i < 20; i++)
		one_rtt();
	was = priv;
	cwnd = s.cwnd;
	event(CC_LOSS);
	for (int i = 0; i < 3; i++)
		one_rtt();
	s.cwnd = cwnd;
	s.ssthresh = 700 * MSS;
	cc_cubic.undo(&c);
	CU_ASSERT_EQUAL(memcmp(was.bytes, priv.bytes, 32), 0); // the stage
	// In the first slow start: it goes on, and CSS is still to come.
	start(100);
	event(CC_LOSS);
	s.cwnd = 100 * MSS;
	s.ssthresh = CC_SSTHRESH_INIT;
	cc_cubic.undo(&c);
	acked(MSS);
	CU_ASSERT_EQUAL(s.cwnd, 101 * MSS);
}

// Section 4.10: slow start that ended without a loss: K = 0, W_max and cwnd_prior are cwnd.
static void test_after_hystart(void)
{
	uint64_t began;

	start(500);
	s.ssthresh = s.cwnd;
	began = c.now_us;
	while (c.now_us < began + 5 * SEC)
		one_rtt();
	CU_ASSERT_EQUAL(cnt.tcp_cubic_concave, 0);
	CU_ASSERT(NEAR(s.cwnd, 1000 * (500 + 0.4 * 125), 0.02));
}

// Sections 4.2 and 5.8: time during which the window was not in use does not count.
static void test_paused(void)
{
	uint32_t was;

	start(1000);
	event(CC_LOSS);
	for (int i = 0; i < 20; i++)
		one_rtt();
	was = s.cwnd;
	c.now_us += 30 * SEC;
	cc_cubic.paused(&c, 30 * SEC);
	one_rtt();
	CU_ASSERT(s.cwnd - was < 20 * MSS);
	c.now_us += 30 * SEC; // as it would be otherwise
	one_rtt();
	CU_ASSERT(s.cwnd - was > 200 * MSS);
}

// RFC 5681 section 4.1: and a stage of its own begins.
static void test_idle(void)
{
	start(1000);
	event(CC_LOSS);
	for (int i = 0; i < 20; i++)
		one_rtt();
	c.now_us += 100 * SEC;
	cc_cubic.idle(&c, 10, 100 * SEC);
	CU_ASSERT_EQUAL(s.cwnd, 10 * MSS);
	acked(10 * MSS);
	CU_ASSERT_EQUAL(s.cwnd, 20 * MSS);
	s.cwnd = s.ssthresh;
	one_rtt();
	CU_ASSERT(s.cwnd < s.ssthresh + 20 * MSS);
}

// A window of which less than half was in flight says nothing of the path: W_max is what was.
static void test_unused(void)
{
	start(1000);
	s.ssthresh = cc_cubic.ssthresh(&c, 100 * MSS, CC_LOSS);
	s.cwnd = s.ssthresh;
	CU_ASSERT_EQUAL(s.cwnd, 70 * MSS);
	for (uint64_t began = c.now_us; c.now_us < began + 3 * SEC;)
		one_rtt();
	CU_ASSERT(s.cwnd < 110 * MSS);
}

// Nothing wraps: the largest windows, segments and times.
static void test_bounds(void)
{
	start(1);
	c.mss = 8960;
	s.cwnd = CC_CWND_MAX;
	event(CC_LOSS);
	for (int i = 0; i < 200; i++) {
		uint32_t was = s.cwnd;

		c.now_us += (uint64_t)1 << i / 5;
		acked(s.cwnd);
		CU_ASSERT(s.cwnd >= was && s.cwnd <= CC_CWND_MAX);
	}
	CU_ASSERT_EQUAL(s.cwnd, CC_CWND_MAX);
	// 2^22 ms behind K = 0: a cube of 66 bits
	start(100);
	s.ssthresh = s.cwnd;
	acked(MSS);
	c.now_us += (1ull << 22) * 1000;
	acked(s.cwnd);
	CU_ASSERT(NEAR(s.cwnd, 150 * MSS, 0.01));
	start(2);
	event(CC_LOSS);
	for (int i = 0; i < 1000; i++) {
		c.now_us += 100;
		acked(1);
	}
	CU_ASSERT(s.cwnd >= 2 * MSS && s.cwnd < 3 * MSS);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"what a congestion event means (4.6)", test_decrease},
		{"the cubic function (4.2, 4.4, 4.5)", test_curve},
		{"the target (4.2)", test_target},
		{"it is bounded (4.2)", test_target_bound},
		{"slow growth", test_slow},
		{"the Reno-friendly region (4.3)", test_friendly},
		{"fast convergence (4.7)", test_fast_convergence},
		{"time-outs (4.8)", test_timeout},
		{"spurious events (4.9)", test_undo},
		{"after HyStart++ (4.10)", test_after_hystart},
		{"time that does not count (5.8)", test_paused},
		{"restart after idling", test_idle},
		{"a window that was not used", test_unused},
		{"bounds", test_bounds},
		CU_TEST_INFO_NULL,
	};

	return unit_run("tcp cubic", tests);
}
