// RACK (RFC 8985 section 6): loss by time, reordering and its window.
#include "tests/unit/tcp/path.h"

// Section 6.2 step 1: a minimum of long ago says nothing of the path as it is now.
static void test_min_rtt(void)
{
	struct bench *b = path_open(NO_TS);

	path_send(b, 1001, 1);
	advance(b, 3 * RTT_US / 2);
	inject(b, .ack = 2001);
	CU_ASSERT(soft(b)->min_rtt_us <= RTT_US);
	advance(b, 301 * 1000000ull);
	path_send(b, 2001, 1);
	advance(b, 3 * RTT_US / 2);
	inject(b, .ack = 3001);
	CU_ASSERT(soft(b)->min_rtt_us > RTT_US);
	bench_free(b);
}

// An engine that has run for longer than 32 bits of microseconds: what has just left is not old.
static void test_uptime(void)
{
	struct bench *b = path_open(NO_TS);

	b->now_us += 1ull << 32;
	turn(b);
	path_send(b, 1001, 10);
	advance(b, RTT_US);
	sack1(b, 1001, 2001, 3001);
	expect_none(b);
	advance(b, RTT_US / 4 + 2000); // the reordering window
	expect(b, .seq = 1001, .len = 1000);
	inject(b, .ack = 11001);
	flush(b);
	bench_free(b);
}

// One segment SACKed: the one before it is waited for a quarter of the round trip, then it is lost.
static void test_reo_timer(void)
{
	struct bench *b = path_open(NO_TS);
	uint64_t us;

	path_send(b, 1001, 4);
	advance(b, RTT_US);
	sack1(b, 1001, 2001, 3001);
	expect_none(b);
	us = advance_until_sent(b, 1000000);
	CU_ASSERT(us >= RTT_US / 4 && us < RTT_US / 4 + 1000);
	expect(b, .seq = 1001, .len = 1000);
	expect_none(b);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rack_lost), 1000);
	inject(b, .ack = 5001);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rtx_rto), 0);
	advance(b, 2000000);
	expect_none(b);
	bench_free(b);
}

// It comes in time: nothing is sent again.
static void test_reordered(void)
{
	struct bench *b = path_open(NO_TS);

	path_send(b, 1001, 4);
	advance(b, RTT_US);
	sack1(b, 1001, 2001, 3001);
	advance(b, 10000);
	inject(b, .ack = 5001);
	advance(b, 2000000);
	expect_none(b);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rtx_segs), 0);
	CU_ASSERT(soft(b)->flags & SOFT_REORD);
	bench_free(b);
}

// Section 6.2 step 4: three SACKed segments are enough where nothing was ever reordered; after that
// they are not.
static void test_dup_thresh(void)
{
	struct bench *b = path_open(NO_TS);

	path_send(b, 1001, 8);
	advance(b, RTT_US);
	sack1(b, 1001, 2001, 4001);
	expect_none(b);
	sack1(b, 1001, 2001, 5001);
	expect(b, .seq = 1001, .len = 1000);
	expect_none(b);
	advance(b, RTT_US);
	inject(b, .ack = 9001);
	CU_ASSERT(soft(b)->ssthresh == 4000 && soft(b)->cwnd == 4000);
	soft(b)->cwnd = 20000;
	path_send(b, 9001, 8);
	advance(b, RTT_US);
	soft(b)->flags |= SOFT_REORD;
	sack1(b, 9001, 10001, 14001);
	expect_none(b);
	advance(b, 20000);
	expect_none(b);
	CU_ASSERT(advance_until_sent(b, 1000000) < 10000);
	expect(b, .seq = 9001, .len = 1000);
	inject(b, .ack = 17001);
	bench_free(b);
}

// What was sent again and is lost again is found by what was sent after it.
static void test_lost_rtx(void)
{
	struct bench *b = path_open(NO_TS);

	path_send(b, 1001, 10);
	advance(b, RTT_US);
	sack1(b, 1001, 2001, 6001);
	expect(b, .seq = 1001, .len = 1000);
	host_send(b, 3000, 0); // new data behind it
	sack1(b, 1001, 2001, 9001);
	expect(b, .seq = 11001, .len = 1000);
	flush(b);
	advance(b, RTT_US);
	sack2(b, 1001, 11001, 12001, 2001, 9001);
	advance(b, RTT_US / 4 + 1000);
	expect(b, .seq = 1001, .len = 1000);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rtx_rto), 0);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rtx_fast), 1);
	flush(b);
	inject(b, .ack = 14001);
	flush(b);
	bench_free(b);
}

// Section 6.2 step 4: a D-SACK makes the window wider by a quarter, once a round; 16 recoveries
// without one make it forget.
static void test_window_adapts(void)
{
	struct bench *b = path_open(NO_TS);

	soft(b)->flags |= SOFT_REORD;
	path_send(b, 1001, 4);
	advance(b, RTT_US);
	sack1(b, 1001, 2001, 3001);
	advance(b, 30000);
	expect(b, .seq = 1001, .len = 1000);
	sack2(b, 3001, 1001, 2001, 4001, 5001); // both copies came
	CU_ASSERT_EQUAL(soft(b)->reo_mult, 1);
	sack2(b, 3001, 1001, 2001, 4001, 5001);
	CU_ASSERT_EQUAL(soft(b)->reo_mult, 1);
	inject(b, .ack = 5001);
	flush(b);
	for (int i = 0, at = 5001; i < 16; i++, at += 4000) {
		CU_ASSERT_EQUAL(soft(b)->reo_mult, 1);
		soft(b)->cwnd = 20000;
		path_send(b, at, 4);
		advance(b, RTT_US);
		sack1(b, at, at + 1000, at + 2000);
		advance(b, RTT_US / 4 + 10000);
		expect_none(b); // half a round trip now
		advance(b, RTT_US / 4);
		expect(b, .seq = at, .len = 1000);
		inject(b, .ack = at + 4000);
	}
	CU_ASSERT_EQUAL(soft(b)->reo_mult, 0);
	bench_free(b);
}

// ACKs come in bursts: half of what was in flight when something last left, not of what the burst has
// left over; and every ACK of it counts for the window's growth.
static void test_burst(void)
{
	struct bench *b = path_open(NO_TS);

	path_send(b, 1001, 10);
	advance(b, RTT_US);
	b->hold = true;
	inject(b, .ack = 4001);
	inject(b, .ack = 7001);
	sack1(b, 7001, 8001, 11001);
	b->hold = false;
	turn(b);
	expect(b, .seq = 7001, .len = 1000);
	CU_ASSERT_EQUAL(soft(b)->ssthresh, 5000);
	inject(b, .ack = 11001);
	bench_free(b);
	b = path_open(NO_TS);
	soft(b)->cwnd = soft(b)->ssthresh = 10000;
	path_send(b, 1001, 10);
	b->hold = true;
	for (int i = 1; i <= 10; i++)
		inject(b, .ack = 1001 + 1000 * i);
	b->hold = false;
	turn(b);
	CU_ASSERT_EQUAL(soft(b)->cwnd, 11000);
	bench_free(b);
}

// Section 6.3: a time-out takes for lost what is as old as the first segment, not what has just left.
static void test_timeout(void)
{
	struct bench *b = path_open(NO_TS);

	path_send(b, 1001, 1);
	advance(b, 10000);
	path_send(b, 2001, 1);
	advance(b, RTT_US - 10000);
	inject(b, .ack = 2001);
	soft(b)->flags |= SOFT_TLP; // its probe is not what this is about
	advance(b, soft(b)->rtx_at - b->now_us - 50000);
	path_send(b, 3001, 1);
	advance_until_sent(b, 1000000);
	expect(b, .seq = 2001, .len = 1000);
	expect_none(b);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rtx_rto), 1);
	CU_ASSERT_EQUAL(flight_of(&b->t, soft(b))->lost, 0);
	inject(b, .ack = 4001);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rtx_segs), 1);
	bench_free(b);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"the least round trip of five minutes", test_min_rtt},
		{"after 71 minutes", test_uptime},
		{"the reordering timer", test_reo_timer},
		{"reordering, no loss", test_reordered},
		{"three segments without reordering", test_dup_thresh},
		{"a lost retransmission", test_lost_rtx},
		{"D-SACK widens the window", test_window_adapts},
		{"a burst of ACKs", test_burst},
		{"a time-out", test_timeout},
		CU_TEST_INFO_NULL,
	};

	if (unit_eal() < 0)
		return 1;
	return unit_run("tcp rack", tests);
}
