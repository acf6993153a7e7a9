// F-RTO (RFC 5682): spurious time-outs told by what the next two ACKs acknowledge.
#include "tests/unit/tcp/path.h"

// Ten segments leave, the path stands still, the timer fires; more is written meanwhile.
static void stall(struct bench *b, int64_t first, int more)
{
	path_send(b, first, 10);
	soft(b)->flags |= SOFT_TLP; // its probe is not what this is about
	advance_until_sent(b, 2000000);
	soft(b)->flags &= ~SOFT_TLP;
	expect(b, .seq = first, .len = 1000);
	expect_none(b);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rtx_rto), 1);
	CU_ASSERT_EQUAL(soft(b)->cwnd, 1000);
	if (more)
		host_send(b, 1000 * (uint32_t)more, 0);
	expect_none(b);
}

// Section 3.1: the first ACK lets two new segments go, the second acknowledges what was sent once: all
// is taken back, and nothing else is sent again.
static void test_spurious(void)
{
	struct bench *b = path_open(NO_TS);
	uint32_t cwnd = soft(b)->cwnd;

	stall(b, 1001, 20);
	inject(b, .ack = 2001);
	expect(b, .seq = 11001, .len = 1000);
	expect(b, .seq = 12001, .len = 1000);
	expect_none(b);
	inject(b, .ack = 3001);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_frto_undo), 1);
	CU_ASSERT(soft(b)->cwnd >= cwnd);
	CU_ASSERT_FALSE(soft(b)->flags & SOFT_LOSS);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rtx_segs), 1);
	flush(b);
	inject(b, .ack = 13001);
	flush(b);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rtx_segs), 1);
	inject(b, .ack = 31001);
	bench_free(b);
}

// Step 3a: the new segments are SACKed, the hole is real: the old ones go again.
static void test_genuine(void)
{
	struct bench *b = path_open(NO_TS);

	stall(b, 1001, 20);
	inject(b, .ack = 2001);
	expect(b, .seq = 11001, .len = 1000);
	expect(b, .seq = 12001, .len = 1000);
	sack1(b, 2001, 11001, 12001);
	expect(b, .seq = 2001, .len = 1000);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_frto_undo), 0);
	CU_ASSERT(soft(b)->flags & SOFT_LOSS);
	flush(b);
	inject(b, .ack = 13001);
	flush(b);
	CU_ASSERT_FALSE(soft(b)->flags & SOFT_LOSS);
	inject(b, .ack = 31001);
	flush(b);
	inject(b, .ack = 31001);
	bench_free(b);
}

// Step 2a: nothing new to send, or all is acknowledged: as ever.
static void test_conventional(void)
{
	struct bench *b = path_open(NO_TS);

	stall(b, 1001, 0);
	inject(b, .ack = 2001);
	expect(b, .seq = 2001, .len = 1000);
	expect(b, .seq = 3001, .len = 1000);
	expect_none(b);
	inject(b, .ack = 11001);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_frto_undo), 0);
	bench_free(b);
}

// Without SACK (section 2.1) a duplicate says that the hole is real.
static void test_without_sack(void)
{
	struct bench *b = bench_new();

	establish(b, .mss = 1000);
	path_send(b, 1, 10);
	advance_until_sent(b, 2000000);
	expect(b, .seq = 1, .len = 1000);
	host_send(b, 10000, 0);
	inject(b, .ack = 1001);
	expect(b, .seq = 10001, .len = 1000);
	expect(b, .seq = 11001, .len = 1000);
	expect_none(b);
	inject(b, .ack = 1001);
	expect(b, .seq = 1001, .len = 1000);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_frto_undo), 0);
	flush(b);
	inject(b, .ack = 12001);
	flush(b);
	inject(b, .ack = 20001);
	bench_free(b);
}

// docs/hard-state.md, rule 16: not for what another life has sent.
static void test_rebuilt(void)
{
	struct bench *b = path_open(NO_TS);

	path_send(b, 1001, 10);
	tcp_forget(&b->t, b->conn);
	turn(b);
	expect(b, .seq = 1001, .len = 1000);
	host_send(b, 20000, 0);
	expect_none(b);
	advance_until_sent(b, 3000000);
	expect(b, .seq = 1001, .len = 1000);
	inject(b, .ack = 2001);
	expect(b, .seq = 2001, .len = 1000); // not new data
	expect(b, .seq = 3001, .len = 1000);
	inject(b, .ack = 6001);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_frto_undo), 0);
	CU_ASSERT_EQUAL(soft(b)->srtt_us, 0); // nor a measurement
	flush(b);
	inject(b, .ack = 11001);
	CU_ASSERT_FALSE(soft(b)->flags & (SOFT_LOSS | SOFT_REBUILT));
	flush(b);
	inject(b, .ack = 31001);
	flush(b);
	bench_free(b);
}

// RFC 5682 section 3.1 (1): not when a fast recovery was under way, whose retransmissions would be taken for news.
static void test_in_recovery(void)
{
	struct bench *b = path_open(NO_TS);

	path_send(b, 1001, 10);
	advance(b, RTT_US);
	sack1(b, 1001, 2001, 5001);
	expect(b, .seq = 1001, .len = 1000);
	host_send(b, 20000, 0);
	flush(b);
	CU_ASSERT(soft(b)->flags & SOFT_RECOVERY);
	advance_until_sent(b, 3000000);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rtx_rto), 1);
	expect(b, .seq = 1001, .len = 1000);
	inject(b, .ack = 5001);
	expect(b, .seq = 5001, .len = 1000); // not new data
	flush(b);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_frto_undo), 0);
	inject(b, .ack = (int64_t)(soft(b)->snd_max + 1));
	flush(b);
	bench_free(b);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"a spurious time-out", test_spurious},
		{"a genuine one", test_genuine},
		{"nothing new to send", test_conventional},
		{"without SACK", test_without_sack},
		{"not after a rebuild", test_rebuilt},
		{"in a recovery", test_in_recovery},
		CU_TEST_INFO_NULL,
	};

	if (unit_eal() < 0)
		return 1;
	return unit_run("tcp frto", tests);
}
