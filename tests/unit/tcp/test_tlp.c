// Tail loss probes (RFC 8985 section 7).
#include "tests/unit/tcp/path.h"

// The tail of a flight is lost: the last segment goes again after two round trips, and its SACK tells
// the rest. "Drop segments 3 and 4 of 4 once."
static void test_tail(void)
{
	struct bench *b = path_open(NO_TS);
	uint64_t us;

	path_send(b, 1001, 4);
	advance(b, RTT_US);
	inject(b, .ack = 3001);
	us = advance_until_sent(b, 1000000);
	CU_ASSERT(us >= 2 * RTT_US - 10000 && us < 2 * RTT_US + 10000);
	expect(b, .seq = 4001, .len = 1000);
	expect_none(b);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_tlp_tx), 1);
	CU_ASSERT_EQUAL(soft(b)->cwnd, 10000);
	advance(b, RTT_US);
	sack1(b, 3001, 4001, 5001);
	advance_until_sent(b, RTT_US / 4 + 1000);
	expect(b, .seq = 3001, .len = 1000);
	inject(b, .ack = 5001);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rtx_rto), 0);
	advance(b, 3000000);
	expect_none(b);
	bench_free(b);
}

// New data is the better probe (section 7.3), past cwnd if need be; it repairs nothing.
static void test_new_data(void)
{
	struct bench *b = path_open(NO_TS);

	host_send(b, 30000, 0);
	flush(b);
	CU_ASSERT_EQUAL(soft(b)->snd_nxt, 11000);
	advance_until_sent(b, 1000000);
	expect(b, .seq = 11001, .len = 1000);
	expect_none(b);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_tlp_tx), 1);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rtx_segs), 0);
	inject(b, .ack = 12001);
	flush(b);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_tlp_recovered), 0);
	CU_ASSERT_FALSE(soft(b)->flags & SOFT_TLP);
	inject(b, .ack = 31001);
	flush(b);
	bench_free(b);
}

// Section 7.4.2: a probe that repaired a loss is a congestion event; one that was not needed, as a
// D-SACK tells, is not.
static void test_repaired(void)
{
	struct bench *b = path_open(NO_TS);
	uint32_t cwnd;

	path_send(b, 1001, 4);
	advance(b, RTT_US);
	inject(b, .ack = 4001);
	advance_until_sent(b, 1000000);
	expect(b, .seq = 4001, .len = 1000);
	inject(b, .ack = 5001);
	cwnd = soft(b)->cwnd;
	CU_ASSERT_EQUAL(counter_delta(b, tcp_tlp_recovered), 0); // not known yet
	path_send(b, 5001, 2);
	inject(b, .ack = 7001);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_tlp_recovered), 1);
	CU_ASSERT(soft(b)->cwnd < cwnd && soft(b)->cwnd == soft(b)->ssthresh);
	bench_free(b);

	b = path_open(NO_TS);
	path_send(b, 1001, 4);
	advance(b, RTT_US);
	inject(b, .ack = 4001);
	advance_until_sent(b, 1000000);
	expect(b, .seq = 4001, .len = 1000);
	inject(b, .ack = 5001);
	path_send(b, 5001, 1);
	advance(b, 1000);
	path_send(b, 6001, 1);
	sack1(b, 5001, 4001, 5001);
	cwnd = soft(b)->cwnd;
	inject(b, .ack = 7001);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_tlp_recovered), 0);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_dsack_rx), 1);
	CU_ASSERT(soft(b)->cwnd >= cwnd);
	CU_ASSERT_EQUAL(soft(b)->reo_mult, 0); // it says nothing of reordering
	bench_free(b);
}

// Section 7.2: one segment in flight waits for a delayed ACK; past the RTO the probe takes its place,
// and the next time it is the time-out.
static void test_one_segment(void)
{
	struct bench *b = path_open(NO_TS);
	uint64_t us, rto = soft(b)->rto_us;

	path_send(b, 1001, 1);
	us = advance_until_sent(b, 2000000);
	CU_ASSERT(us >= rto && us < rto + 1000);
	expect(b, .seq = 1001, .len = 1000);
	CU_ASSERT(counter_delta(b, tcp_tlp_tx) == 1 && counter_delta(b, tcp_rtx_rto) == 0);
	us = advance_until_sent(b, 2000000);
	CU_ASSERT(us >= rto && us < rto + 1000);
	expect(b, .seq = 1001, .len = 1000);
	CU_ASSERT(counter_delta(b, tcp_tlp_tx) == 1 && counter_delta(b, tcp_rtx_rto) == 1);
	inject(b, .ack = 2001);
	bench_free(b);
}

// Not without SACK, and not in recovery.
static void test_not(void)
{
	struct bench *b = bench_new();

	establish(b, .mss = 1000);
	path_send(b, 1, 4);
	advance(b, 20000);
	inject(b, .ack = 2001);
	CU_ASSERT(advance_until_sent(b, 1000000) >= 199000);
	flush(b);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_tlp_tx), 0);
	inject(b, .ack = 4001);
	bench_free(b);
	b = path_open(NO_TS);
	path_send(b, 1001, 6);
	advance(b, RTT_US);
	sack1(b, 1001, 2001, 6001);
	expect(b, .seq = 1001, .len = 1000);
	advance_until_sent(b, 2000000);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_tlp_tx), 0);
	flush(b);
	inject(b, .ack = 7001);
	bench_free(b);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"a lost tail", test_tail},
		{"new data probes", test_new_data},
		{"what the answer means", test_repaired},
		{"one segment in flight", test_one_segment},
		{"where there is no probe", test_not},
		CU_TEST_INFO_NULL,
	};

	if (unit_eal() < 0)
		return 1;
	return unit_run("tcp tlp", tests);
}
