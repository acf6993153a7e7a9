// ECN where segments are lost too (RFC 3168 section 6.1.2): recoveries, time-outs, probes, and a rebuild.
#include "tests/unit/tcp/ecn_path.h"

// A loss in the window that was reduced: sent again, but that is all (section 6.1.2). And the other
// way round: ECE for a window that a loss has halved.
static void test_loss_and_mark(void)
{
	struct bench *b = ecn_open(1);

	path_send(b, 1001, 10);
	soft(b)->cwnd = soft(b)->ssthresh = 10000;
	advance(b, RTT_US);
	inject(b, .ack = 2001, .flags = ACK_ECE);
	CU_ASSERT_EQUAL(soft(b)->ssthresh, 5000);
	inject(b, .ack = 2001, .flags = ACK_ECE, .n_sack = 1, .sack_l0 = 3001, .sack_r0 = 7001);
	expect(b, .seq = 2001, .len = 1000, .flags = TCP_ACK, .ecn = 0);
	CU_ASSERT_EQUAL(soft(b)->ssthresh, 5000);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rtx_fast), 1);
	inject(b, .ack = 11001, .flags = ACK_ECE);
	CU_ASSERT_EQUAL(soft(b)->cwnd, 5000);
	host_send(b, 5000, 0);
	expect(b, .seq = 11001, .flags = TCP_ACK | TCP_CWR, .len = 1000);
	flush(b);
	advance(b, RTT_US);
	sack1(b, 11001, 12001, 16001); // a loss
	expect(b, .seq = 11001, .len = 1000, .ecn = 0);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rtx_fast), 2);
	inject(b, .ack = 16001, .flags = ACK_ECE);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_ecn_reduced), 1);
	host_send(b, 1000, 0);
	expect(b, .seq = 16001, .flags = TCP_ACK | TCP_CWR); // it was reduced: the peer is told
	bench_free(b);
}

// The same without SACK: three duplicates.
static void test_loss_after_mark_reno(void)
{
	struct bench *b = ecn_open(0);

	path_send(b, 1001, 10);
	soft(b)->cwnd = soft(b)->ssthresh = 10000;
	advance(b, RTT_US);
	inject(b, .ack = 2001, .flags = ACK_ECE);
	inject(b, .ack = 3001, .flags = ACK_ECE);
	expect_none(b);
	for (int i = 0; i < 3; i++)
		inject(b, .ack = 3001, .flags = ACK_ECE);
	expect(b, .seq = 3001, .len = 1000, .ecn = 0);
	CU_ASSERT_EQUAL(soft(b)->ssthresh, 5000);
	inject(b, .ack = 5001, .flags = ACK_ECE); // NewReno: the next hole
	expect(b, .seq = 5001, .len = 1000, .ecn = 0);
	inject(b, .ack = 11001);
	CU_ASSERT_EQUAL(soft(b)->cwnd, 5000);
	bench_free(b);
}

// A time-out is a reduction too: CWR with the first new data, and ECE for what it lost is old.
static void test_timeout(void)
{
	struct bench *b = ecn_open(0);

	path_send(b, 1001, 4);
	advance_until_sent(b, 3000000);
	expect(b, .seq = 1001, .len = 1000, .flags = TCP_ACK, .ecn = 0);
	inject(b, .ack = 5001, .flags = ACK_ECE);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_ecn_reduced), 0);
	host_send(b, 1000, 0);
	expect(b, .seq = 5001, .flags = TCP_ACK | TCP_CWR, .ecn = ECN_ECT0);
	inject(b, .ack = 6001);
	bench_free(b);
}

// A probe of the tail goes out in a window that was reduced for a mark.
static void test_probe(void)
{
	struct bench *b = ecn_open(1);

	path_send(b, 1001, 4);
	soft(b)->cwnd = soft(b)->ssthresh = 10000;
	advance(b, RTT_US);
	inject(b, .ack = 2001, .flags = ACK_ECE);
	CU_ASSERT(soft(b)->flags & SOFT_RECOVERY);
	CU_ASSERT(advance_until_sent(b, 3000000) < 260000);
	expect(b, .seq = 4001, .len = 1000, .ecn = 0);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_tlp_tx), 1);
	inject(b, .ack = 5001);
	bench_free(b);
}

// A recovery with a mark in it cannot be taken back.
static void test_no_undo(void)
{
	for (int mark = 0; mark < 2; mark++) {
		struct bench *b = ecn_open(1);

		path_send(b, 1001, 10);
		soft(b)->cwnd = soft(b)->ssthresh = 10000;
		advance(b, RTT_US);
		sack1(b, 1001, 2001, 10001);
		expect(b, .seq = 1001, .len = 1000);
		inject(b, .ack = 10001, .flags = mark ? ACK_ECE : TCP_ACK);
		inject(b, .ack = 10001, .n_sack = 1, .sack_l0 = 1001, .sack_r0 = 2001); // D-SACK
		CU_ASSERT_EQUAL(counter_delta(b, tcp_dsack_undo), !mark);
		inject(b, .ack = 11001);
		CU_ASSERT_EQUAL(soft(b)->cwnd < 9000, mark);
		host_send(b, 1000, 0); // CWR is withdrawn with it
		expect(b, .seq = 11001, .flags = TCP_ACK | (mark ? TCP_CWR : 0));
		bench_free(b);
	}
}

// A rebuild: the latch is forgotten, a reduction is announced, ECE for what was sent before is old.
static void test_rebuilt(void)
{
	struct bench *b = ecn_open(1);

	path_send(b, 1001, 3);
	inject(b, .len = 1000, .ack = 1001, .ecn = ECN_CE);
	expect(b, .flags = ACK_ECE);
	tcp_forget(&b->t, b->conn);
	turn(b);
	expect(b, .seq = 1001, .len = 1000, .flags = TCP_ACK, .ecn = 0);
	advance(b, RTT_US);
	inject(b, .ack = 4001, .flags = ACK_ECE);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_ecn_reduced), 0);
	host_send(b, 1000, 0);
	expect(b, .seq = 4001, .flags = TCP_ACK | TCP_CWR, .ecn = ECN_ECT0);
	advance(b, RTT_US);
	inject(b, .ack = 5001, .flags = ACK_ECE);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_ecn_reduced), 1);
	inject(b, .len = 10, .ecn = ECN_CE);
	expect(b, .flags = ACK_ECE);
	host_consume(b, 1010);
	flush(b);
	bench_free(b);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"a loss and a mark", test_loss_and_mark},
		{"the same without SACK", test_loss_after_mark_reno},
		{"a time-out", test_timeout},
		{"a probe after a mark", test_probe},
		{"no undo", test_no_undo},
		{"after a rebuild", test_rebuilt},
		CU_TEST_INFO_NULL,
	};

	if (unit_eal() < 0)
		return 1;
	return unit_run("tcp ecn loss", tests);
}
