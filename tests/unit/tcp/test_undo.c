// Recoveries that were none: Eifel (RFC 3522, RFC 4015) and D-SACK (RFC 3708).
#include "tests/unit/tcp/path.h"

// The first of ten is taken for lost and goes again; the clock of timestamps moves on before that.
static uint32_t reordered(struct bench *b)
{
	uint32_t cwnd;

	path_send(b, 1001, 10);
	advance(b, RTT_US);
	cwnd = soft(b)->cwnd;
	sack1(b, 1001, 2001, 6001);
	expect(b, .seq = 1001, .len = 1000);
	CU_ASSERT(soft(b)->flags & SOFT_RECOVERY);
	CU_ASSERT(soft(b)->ssthresh <= 6000);
	return cwnd;
}

// The ACK echoes the original's timestamp: taken back at once.
// SACKs and the ACK of the late original in one turn: nothing was sent again, so nothing tells that it was
// spurious, and it is certain.
static void test_unsent(void)
{
	for (int ts = 0; ts < 2; ts++) {
		struct bench *b = path_open(ts);

		path_send(b, 1001, 10);
		advance(b, RTT_US);
		b->hold = true;
		sack1(b, 1001, 2001, 3001);
		sack1(b, 1001, 2001, 4001);
		sack1(b, 1001, 2001, 5001);
		inject(b, .ack = 5001);
		b->hold = false;
		turn(b);
		CU_ASSERT_EQUAL(counter_delta(b, tcp_rtx_fast), 1);
		CU_ASSERT_EQUAL(counter_delta(b, tcp_rtx_segs), 0);
		CU_ASSERT_EQUAL(counter_delta(b, tcp_unsent_undo), 1);
		CU_ASSERT_FALSE(soft(b)->flags & SOFT_RECOVERY);
		CU_ASSERT(soft(b)->flags & SOFT_REORD);
		CU_ASSERT(soft(b)->cwnd >= 10000 && soft(b)->ssthresh > 10000);
		inject(b, .ack = 11001);
		expect_none(b);
		bench_free(b);
	}
}

// One of two came late, the other is lost: it goes again, and the reduction stays.
static void test_unsent_one_lost(void)
{
	struct bench *b = path_open(NO_TS);

	path_send(b, 1001, 10);
	advance(b, RTT_US);
	b->hold = true;
	sack1(b, 1001, 3001, 4001);
	sack1(b, 1001, 3001, 5001);
	sack1(b, 1001, 3001, 7001);
	sack1(b, 2001, 3001, 7001);
	b->hold = false;
	turn(b);
	expect(b, .seq = 2001, .len = 1000);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_unsent_undo), 0);
	CU_ASSERT(soft(b)->flags & SOFT_RECOVERY);
	inject(b, .ack = 11001);
	CU_ASSERT(soft(b)->cwnd < 10000);
	flush(b);
	bench_free(b);
}

static void test_eifel(void)
{
	struct bench *b = path_open(TS);
	uint32_t echo, cwnd;

	b->hold = true;
	host_send(b, 0, 0);
	b->hold = false;
	path_send(b, 1001, 10);
	echo = b->peer_ts_ecr;
	advance(b, RTT_US);
	cwnd = soft(b)->cwnd;
	sack1(b, 1001, 2001, 6001);
	expect(b, .seq = 1001, .len = 1000);
	inject(b, .ack = 6001, .ts_ecr = echo);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_eifel_undo), 1);
	CU_ASSERT_FALSE(soft(b)->flags & SOFT_RECOVERY);
	CU_ASSERT(soft(b)->cwnd >= cwnd && soft(b)->ssthresh > cwnd);
	inject(b, .ack = 11001);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rtx_segs), 1);
	bench_free(b);
	// The retransmission's timestamp: it was needed.
	b = path_open(TS);
	path_send(b, 1001, 10);
	advance(b, RTT_US);
	sack1(b, 1001, 2001, 6001);
	expect(b, .seq = 1001, .len = 1000);
	inject(b, .ack = 6001);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_eifel_undo), 0);
	CU_ASSERT(soft(b)->flags & SOFT_RECOVERY);
	inject(b, .ack = 11001);
	bench_free(b);
}

// A spurious time-out: the same, and what was marked lost is not sent again.
static void test_eifel_timeout(void)
{
	struct bench *b = path_open(TS);
	uint32_t echo, cwnd = soft(b)->cwnd;

	path_send(b, 1001, 10);
	echo = b->peer_ts_ecr;
	soft(b)->flags |= SOFT_TLP;
	advance_until_sent(b, 2000000);
	soft(b)->flags &= ~SOFT_TLP;
	expect(b, .seq = 1001, .len = 1000);
	inject(b, .ack = 2001, .ts_ecr = echo);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_eifel_undo), 1);
	CU_ASSERT(soft(b)->cwnd >= cwnd);
	expect_none(b);
	inject(b, .ack = 11001);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rtx_segs), 1);
	bench_free(b);
}

// D-SACK: when all that was sent again is reported as a duplicate.
static void test_dsack(void)
{
	struct bench *b = path_open(NO_TS);
	uint32_t cwnd = reordered(b);

	inject(b, .ack = 6001); // the original, late
	CU_ASSERT(soft(b)->flags & SOFT_RECOVERY);
	sack1(b, 6001, 1001, 2001); // and the copy
	CU_ASSERT_EQUAL(counter_delta(b, tcp_dsack_undo), 1);
	CU_ASSERT_FALSE(soft(b)->flags & SOFT_RECOVERY);
	CU_ASSERT(soft(b)->cwnd >= cwnd);
	CU_ASSERT_EQUAL(soft(b)->reo_mult, 1);
	inject(b, .ack = 11001);
	bench_free(b);
}

// Two were sent again and one is reported: not enough.
static void test_dsack_half(void)
{
	struct bench *b = path_open(NO_TS);

	path_send(b, 1001, 10);
	advance(b, RTT_US);
	sack1(b, 1001, 3001, 9001);
	expect(b, .seq = 1001, .len = 1000);
	expect(b, .seq = 2001, .len = 1000);
	inject(b, .ack = 9001);
	sack1(b, 9001, 1001, 2001);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_dsack_undo), 0);
	CU_ASSERT(soft(b)->flags & SOFT_RECOVERY);
	sack1(b, 9001, 2001, 3001);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_dsack_undo), 1);
	inject(b, .ack = 11001);
	bench_free(b);
}

// docs/hard-state.md, rule 16.
static void test_rebuilt(void)
{
	struct bench *b = path_open(TS);
	uint32_t echo;

	path_send(b, 1001, 10);
	echo = b->peer_ts_ecr;
	tcp_forget(&b->t, b->conn);
	turn(b);
	expect(b, .seq = 1001, .len = 1000);
	advance(b, 5000);
	inject(b, .ack = 2001, .ts_ecr = echo);
	inject(b, .ack = 2001, .n_sack = 1, .sack_l0 = 1001, .sack_r0 = 2001);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_eifel_undo), 0);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_dsack_undo), 0);
	CU_ASSERT(soft(b)->flags & SOFT_LOSS);
	CU_ASSERT(soft(b)->cwnd <= 3 * 1012);
	flush(b);
	inject(b, .ack = 11001);
	CU_ASSERT_FALSE(soft(b)->flags & (SOFT_LOSS | SOFT_REBUILT));
	bench_free(b);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"nothing was sent again", test_unsent},
		{"one of two was lost", test_unsent_one_lost},
		{"Eifel", test_eifel},
		{"Eifel after a time-out", test_eifel_timeout},
		{"D-SACK", test_dsack},
		{"D-SACK of a part", test_dsack_half},
		{"not after a rebuild", test_rebuilt},
		CU_TEST_INFO_NULL,
	};

	if (unit_eal() < 0)
		return 1;
	return unit_run("tcp undo", tests);
}
