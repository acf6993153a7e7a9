// ECN on a connection (RFC 3168): what is marked, what a mark does, once a window.
#include "tests/unit/tcp/ecn_path.h"

// Sections 6.1.4 to 6.1.6: only new data.
static void test_what_is_ect(void)
{
	struct bench *b = ecn_open(1);

	host_send(b, 5000, 0);
	for (int i = 0; i < 5; i++)
		expect(b, .seq = 1001 + 1000 * i, .flags = TCP_ACK, .ecn = ECN_ECT0);
	inject(b, .len = 1000, .ack = 1001);
	advance(b, 50000);
	expect(b, .flags = TCP_ACK, .ack = 1001, .len = 0, .ecn = 0); // a pure ACK
	sack1(b, 1001, 2001, 6001);
	expect(b, .seq = 1001, .len = 1000, .ecn = 0); // again
	host_send(b, 1000, 0);
	expect(b, .seq = 6001, .len = 1000, .ecn = ECN_ECT0);
	inject(b, .ack = 7001, .wnd = 0);
	host_send(b, 1000, 0);
	advance_until_sent(b, 3000000);
	expect(b, .seq = 7001, .len = 1, .ecn = 0, .flags = TCP_ACK); // a window probe
	inject(b, .ack = 7001, .wnd = 60000);
	expect(b, .seq = 7001, .len = 1000, .ecn = 0); // one byte of it has left before
	host_shutdown(b);
	expect(b, .flags = TCP_ACK | TCP_FIN, .len = 0, .ecn = 0);
	host_consume(b, 1000);
	flush(b);
	bench_free(b);
}

// Section 6.1.3: ECE on everything until CWR comes; a mark that comes with it counts anew.
static void test_latch(void)
{
	struct bench *b = ecn_open(1);

	inject(b, .len = 1000, .ecn = ECN_ECT0);
	advance(b, 50000);
	expect(b, .flags = TCP_ACK);
	inject(b, .len = 10, .ecn = ECN_CE);
	expect(b, .flags = ACK_ECE, .ack = 1011); // at once
	inject(b, .len = 1000, .ecn = ECN_ECT0);
	inject(b, .len = 1000, .ecn = ECN_ECT0);
	expect(b, .flags = ACK_ECE);
	host_send(b, 1000, 0);
	expect(b, .flags = ACK_ECE, .seq = 1001, .len = 1000, .ecn = ECN_ECT0);
	// Outside of the window neither counts (section 6.1.5).
	inject(b, .seq = 1, .len = 10, .flags = TCP_ACK | TCP_CWR, .ecn = ECN_CE);
	expect(b, .flags = ACK_ECE);
	inject(b, .flags = TCP_ACK | TCP_CWR); // no text
	inject(b, .len = 1000, .flags = TCP_ACK | TCP_CWR, .ecn = ECN_CE);
	flush(b);
	inject(b, .len = 1000);
	inject(b, .len = 1000);
	expect(b, .flags = ACK_ECE);
	inject(b, .len = 1000, .flags = TCP_ACK | TCP_CWR);
	inject(b, .len = 1000);
	flush(b);
	inject(b, .len = 1000);
	inject(b, .len = 1000);
	expect(b, .flags = TCP_ACK);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_ecn_ce_rx), 2);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_ecn_cwr_rx), 2);
	host_consume(b, host_received(b));
	flush(b);
	bench_free(b);
}

// Behind a gap as well.
static void test_latch_out_of_order(void)
{
	struct bench *b = ecn_open(1);

	inject(b, .seq = 1001, .len = 1000, .ecn = ECN_CE);
	expect(b, .flags = ACK_ECE, .ack = 1, .n_sack = 1);
	inject(b, .seq = 1, .len = 1000, .flags = TCP_ACK | TCP_CWR);
	expect(b, .flags = TCP_ACK, .ack = 2001);
	host_consume(b, 2000);
	flush(b);
	bench_free(b);
}

// Section 6.1.2: the window is halved, once for what was in flight; CWR goes with the next new data,
// and nothing is sent again. ECE counts again when CWR has been acknowledged.
static void test_reduction(int64_t sack)
{
	struct bench *b = ecn_open(sack);
	uint32_t cwnd;

	path_send(b, 1001, 10);
	soft(b)->cwnd = 10000;
	soft(b)->ssthresh = 10000;
	advance(b, RTT_US);
	inject(b, .ack = 2001, .flags = ACK_ECE);
	CU_ASSERT_EQUAL(soft(b)->ssthresh, 5000);
	CU_ASSERT(soft(b)->flags & SOFT_RECOVERY);
	expect_none(b); // nothing to send
	for (int i = 3; i <= 10; i++)
		inject(b, .ack = 1000 * i + 1, .flags = ACK_ECE);
	CU_ASSERT_EQUAL(soft(b)->ssthresh, 5000);
	inject(b, .ack = 11001, .flags = ACK_ECE); // as it came before CWR did
	CU_ASSERT_EQUAL(soft(b)->cwnd, 5000);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_ecn_reduced), 1);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_ecn_ece_rx), 10);
	host_send(b, 5000, 0);
	expect(b, .seq = 11001, .flags = TCP_ACK | TCP_CWR, .ecn = ECN_ECT0);
	for (int i = 1; i < 5; i++)
		expect(b, .seq = 11001 + 1000 * i, .flags = TCP_ACK, .ecn = ECN_ECT0);
	advance(b, RTT_US);
	inject(b, .ack = 11001, .flags = ACK_ECE); // says nothing new
	CU_ASSERT_EQUAL(counter_delta(b, tcp_ecn_reduced), 1);
	cwnd = soft(b)->cwnd;
	inject(b, .ack = 12001, .flags = ACK_ECE); // marked again
	CU_ASSERT_EQUAL(counter_delta(b, tcp_ecn_reduced), 2);
	CU_ASSERT(soft(b)->ssthresh <= cwnd / 2);
	inject(b, .ack = 16001);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rtx_segs), 0);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rtx_fast), 0);
	flush(b);
	bench_free(b);
}

static void test_reduction_sack(void)
{
	test_reduction(1);
}

// Without SACK an ACK of a part is no sign of loss, as it is in fast recovery.
static void test_reduction_reno(void)
{
	test_reduction(0);
}

// Everything is acknowledged by the ACK that says it: there is nothing to pace.
static void test_reduction_of_nothing(void)
{
	struct bench *b = ecn_open(1);

	path_send(b, 1001, 10);
	soft(b)->cwnd = 10000;
	advance(b, RTT_US);
	inject(b, .ack = 11001, .flags = ACK_ECE);
	CU_ASSERT_EQUAL(soft(b)->cwnd, 5000);
	CU_ASSERT_FALSE(soft(b)->flags & SOFT_RECOVERY);
	host_send(b, 1000, 0);
	expect(b, .seq = 11001, .flags = TCP_ACK | TCP_CWR);
	bench_free(b);
}

// PRR paces it: about half as much leaves as is acknowledged.
static void test_paced(void)
{
	struct bench *b = ecn_open(1);
	int sent = 0;

	soft(b)->cwnd = soft(b)->ssthresh = 10000;
	host_send(b, 30000, 0);
	for (int i = 0; i < 10; i++)
		expect(b, .seq = 1001 + 1000 * i, .len = 1000);
	expect_none(b);
	advance(b, RTT_US);
	for (int i = 1; i <= 10; i++) {
		inject(b, .ack = 1000 * i + 1001, .flags = ACK_ECE);
		for (; b->cap_head != b->cap_tail; sent++)
			expect(b, .seq = 11001 + 1000 * sent, .ecn = ECN_ECT0,
				.flags = TCP_ACK | (sent ? 0 : TCP_CWR));
	}
	CU_ASSERT(sent >= 5 && sent <= 6);
	CU_ASSERT_EQUAL(soft(b)->cwnd, 5000);
	flush(b);
	bench_free(b);
}

// Section 6.1.2: with a window of one segment the next one waits for the time-out.
static void test_one_segment(void)
{
	struct bench *b = ecn_open(1);
	uint64_t us;

	soft(b)->cwnd = 1000;
	host_send(b, 3000, 0);
	expect(b, .seq = 1001, .len = 1000);
	expect_none(b);
	advance(b, RTT_US);
	inject(b, .ack = 2001, .flags = ACK_ECE);
	expect_none(b);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_ecn_held), 1);
	CU_ASSERT_EQUAL(soft(b)->cwnd, 1000);
	inject(b, .len = 1000);
	inject(b, .len = 1000); // what is owed leaves
	expect(b, .ack = 2001, .len = 0);
	us = advance_until_sent(b, 3000000);
	CU_ASSERT(us >= 200000 && us < 1000000);
	expect(b, .seq = 2001, .len = 1000, .flags = TCP_ACK | TCP_CWR, .ecn = ECN_ECT0);
	expect_none(b);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rtx_rto), 0);
	advance(b, RTT_US);
	inject(b, .ack = 3001); // no mark: on it goes
	expect(b, .seq = 3001, .len = 1000, .flags = TCP_ACK);
	inject(b, .ack = 4001);
	host_consume(b, 2000);
	flush(b);
	bench_free(b);
}

// When it was our FIN that was marked, nothing is left to wait: FIN-WAIT-2 has no such end.
static void test_one_segment_fin(void)
{
	struct bench *b = ecn_open(1);

	soft(b)->cwnd = 1000;
	host_shutdown(b);
	expect(b, .flags = TCP_ACK | TCP_FIN, .seq = 1001);
	inject(b, .ack = 1002, .flags = ACK_ECE);
	expect_state(b, FIN_WAIT_2);
	advance(b, 5000000);
	expect_none(b);
	expect_state(b, FIN_WAIT_2);
	inject(b, .len = 1000);
	CU_ASSERT_EQUAL(host_received(b), 1000);
	host_consume(b, 1000);
	flush(b);
	bench_free(b);
}

// Marks of no meaning: on a connection without ECN, and ECE there.
static void test_without(void)
{
	struct bench *b = bench_new();

	establish(b, .mss = 1000);
	host_send(b, 1000, 0);
	expect(b, .len = 1000, .ecn = 0);
	inject(b, .len = 1000, .ecn = ECN_CE);
	inject(b, .ack = 1001, .flags = ACK_ECE, .len = 1000);
	expect(b, .flags = TCP_ACK, .ack = 2001);
	CU_ASSERT_EQUAL(b->cnt.tcp_ecn_stray, 1);
	CU_ASSERT_EQUAL(b->cnt.tcp_ecn_ce_rx, 0);
	CU_ASSERT_EQUAL(b->cnt.tcp_ecn_reduced, 0);
	host_consume(b, 2000);
	flush(b);
	bench_free(b);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"what is ECT", test_what_is_ect},
		{"ECE until CWR", test_latch},
		{"the same behind a gap", test_latch_out_of_order},
		{"one reduction a window", test_reduction_sack},
		{"the same without SACK", test_reduction_reno},
		{"with nothing in flight", test_reduction_of_nothing},
		{"paced by PRR", test_paced},
		{"one segment waits", test_one_segment},
		{"one segment, our FIN", test_one_segment_fin},
		{"without ECN", test_without},
		CU_TEST_INFO_NULL,
	};

	if (unit_eal() < 0)
		return 1;
	return unit_run("tcp ecn", tests);
}
