// SACK both ways (RFC 2018), D-SACK both ways (RFC 2883), the scoreboard under want of ranges.
#include <time.h>

#include "tests/unit/tcp/path.h"
#include "tests/unit/tcp/tcp_peer.h"

// Holes go again, in order, and nothing of what the peer holds. "Drop segments 2, 4 and 7 once."
static void test_holes(void)
{
	struct bench *b = path_open(NO_TS);

	path_send(b, 1001, 10);
	advance(b, RTT_US);
	sack1(b, 2001, 3001, 4001);
	sack2(b, 2001, 5001, 7001, 3001, 4001);
	sack2(b, 2001, 8001, 11001, 5001, 7001);
	expect(b, .seq = 2001, .len = 1000);
	expect(b, .seq = 4001, .len = 1000);
	expect(b, .seq = 7001, .len = 1000);
	expect_none(b);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rtx_fast), 1);
	advance(b, RTT_US);
	inject(b, .ack = 11001);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rtx_segs), 3);
	CU_ASSERT_EQUAL(tcp_soft(&b->t, b->conn)->cwnd, tcp_soft(&b->t, b->conn)->ssthresh);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rtx_rto), 0);
	CU_ASSERT_EQUAL(b->t.n_flights_used, 0);
	bench_free(b);
}

// What cannot be, and what is said again, is no news.
static void test_noise(void)
{
	struct bench *b = path_open(NO_TS);

	path_send(b, 1001, 10);
	advance(b, RTT_US);
	sack1(b, 1001, 3001, 3001); // empty
	sack1(b, 1001, 9001, 2001); // upside down
	sack1(b, 1001, 2001, 20001); // of nothing that was sent
	sack1(b, 1001, 1001, 9001); // not acknowledged?
	sack1(b, 1001, -5000000, -4000000); // of nothing that ever was
	CU_ASSERT_PTR_NULL(flight_of(&b->t, tcp_soft(&b->t, b->conn))
			? (flight_of(&b->t, tcp_soft(&b->t, b->conn))->sacked ? b : NULL)
			: NULL);
	for (int i = 0; i < 5; i++)
		sack1(b, 1001, 2001, 3001);
	expect_none(b);
	CU_ASSERT_EQUAL(flight_of(&b->t, tcp_soft(&b->t, b->conn))->sacked, 1000);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rtx_segs), 0);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_dup_ack_rx), 1);
	inject(b, .ack = 11001);
	bench_free(b);
}

// Blocks of a peer that never offered SACK are noise.
static void test_not_offered(void)
{
	struct bench *b = bench_new();

	establish(b, .mss = 1000);
	path_send(b, 1, 10);
	inject(b, .ack = 1, .len = 10, .n_sack = 1, .sack_l0 = 1001, .sack_r0 = 9001);
	flush(b);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rtx_fast), 0);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_dsack_rx), 0);
	host_consume(b, 10);
	flush(b);
	bench_free(b);
}

// RFC 2018 section 8: a time-out with SACKed data at the left edge says that the peer has thrown it
// away: it goes again.
static void test_reneging(void)
{
	struct bench *b = path_open(NO_TS);

	path_send(b, 1001, 6);
	advance(b, RTT_US);
	sack1(b, 1001, 3001, 7001);
	expect(b, .seq = 1001, .len = 1000);
	expect(b, .seq = 2001, .len = 1000);
	inject(b, .ack = 3001); // and not 7001
	CU_ASSERT_EQUAL(counter_delta(b, tcp_sack_reneged), 0);
	advance_until_sent(b, 2000000);
	expect(b, .seq = 3001, .len = 1000);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_sack_reneged), 1);
	inject(b, .ack = 4001);
	expect(b, .seq = 4001, .len = 1000);
	expect(b, .seq = 5001, .len = 1000);
	expect_none(b);
	inject(b, .ack = 7001);
	bench_free(b);
}

// RFC 2883 section 4.1: what came twice is told first, in the next ACK and in no other.
static void test_dsack_sent(void)
{
	struct bench *b = path_open(NO_TS);

	inject(b, .len = 1000);
	advance(b, 50000);
	flush(b);
	inject(b, .seq = 1, .len = 1000); // all of it
	expect(b, .ack = 1001, .n_sack = 1, .sack_l0 = 1, .sack_r0 = 1001);
	inject(b, .seq = 501, .len = 1000); // half of it
	expect(b, .ack = 1501, .n_sack = 1, .sack_l0 = 501, .sack_r0 = 1001);
	inject(b, .seq = 1501, .len = 10);
	advance(b, 50000);
	expect(b, .ack = 1511, .n_sack = 0);
	// Behind a gap the block that holds it comes second (section 4.2.1, the third example).
	inject(b, .seq = 3001, .len = 1000);
	expect(b, .ack = 1511, .n_sack = 1, .sack_l0 = 3001, .sack_r0 = 4001);
	inject(b, .seq = 6001, .len = 1000);
	expect(b, .n_sack = 2, .sack_l0 = 6001, .sack_r0 = 7001, .sack_l1 = 3001, .sack_r1 = 4001);
	inject(b, .seq = 3501, .len = 1000);
	expect(b, .n_sack = 3, .sack_l0 = 3501, .sack_r0 = 4001, .sack_l1 = 3001, .sack_r1 = 4501,
		.sack_l2 = 6001, .sack_r2 = 7001);
	inject(b, .seq = 6001, .len = 1000);
	expect(b, .n_sack = 3, .sack_l0 = 6001, .sack_r0 = 7001, .sack_l1 = 6001, .sack_r1 = 7001,
		.sack_l2 = 3001, .sack_r2 = 4501);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_dsack_tx), 4);
	// In one turn each has its ACK, and in the second place the one that holds it.
	b->hold = true;
	inject(b, .seq = 3001, .len = 500);
	inject(b, .seq = 3501, .len = 500);
	inject(b, .seq = 8001, .len = 500);
	b->hold = false;
	turn(b);
	expect(b, .n_sack = 3, .sack_l0 = 3001, .sack_r0 = 3501, .sack_l1 = 3001, .sack_r1 = 4501);
	expect(b, .n_sack = 3, .sack_l0 = 3501, .sack_r0 = 4001, .sack_l1 = 3001, .sack_r1 = 4501);
	expect(b, .n_sack = 3, .sack_l0 = 8001, .sack_r0 = 8501);
	expect_none(b);
	// What is older has one: two that follow each other are one block.
	b->hold = true;
	inject(b, .seq = 1, .len = 500);
	inject(b, .seq = 501, .len = 500);
	b->hold = false;
	turn(b);
	expect(b, .n_sack = 4, .sack_l0 = 1, .sack_r0 = 1001, .sack_l1 = 8001, .sack_r1 = 8501);
	expect_none(b);
	host_consume(b, 1510);
	flush(b);
	bench_free(b);
	// Not to a peer that does not know SACK.
	b = bench_new();
	establish(b);
	inject(b, .len = 100);
	flush(b);
	inject(b, .seq = 1, .len = 100);
	expect(b, .ack = 101, .n_sack = 0);
	host_consume(b, 100);
	flush(b);
	bench_free(b);
}

// With data to send as well the blocks get an ACK of their own.
static void test_blocks_beside_data(void)
{
	struct bench *b = path_open(NO_TS);

	b->hold = true;
	host_send(b, 1000, 0);
	inject(b, .seq = 1001, .len = 1000);
	b->hold = false;
	turn(b);
	expect(b, .seq = 1001, .len = 1000, .n_sack = 0);
	expect(b, .len = 0, .ack = 1, .n_sack = 1, .sack_l0 = 1001, .sack_r0 = 2001);
	expect_none(b);
	bench_free(b);
}

// With nothing in the pool there is one range, and what is lost goes again as with go-back-N: each
// segment once, as far as cwnd goes.
static void test_one_range(void)
{
	struct bench *b = path_open(NO_TS);

	b->t.n_ranges = 0;
	path_send(b, 1001, 4);
	advance(b, 1000);
	path_send(b, 5001, 4);
	expect_none(b);
	advance(b, RTT_US);
	sack1(b, 1001, 2001, 3001); // cannot be remembered
	expect_none(b);
	advance_until_sent(b, 2000000);
	expect(b, .seq = 8001, .len = 1000); // a probe
	expect_none(b);
	advance_until_sent(b, 2000000);
	expect(b, .seq = 1001, .len = 1000);
	expect_none(b);
	CU_ASSERT_EQUAL(tcp_soft(&b->t, b->conn)->snd_nxt, 2001 - 1);
	inject(b, .ack = 3001); // the peer had 2001 to 3001
	expect(b, .seq = 3001, .len = 1000);
	expect(b, .seq = 4001, .len = 1000);
	expect_none(b);
	inject(b, .ack = 9001);
	expect_none(b);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rtx_segs), 4);
	CU_ASSERT_EQUAL(b->t.n_flights_used, 0);
	bench_free(b);
}

// With two, a lost range and what is SACKed behind it: the second makes room for what goes again. The rest
// goes as ACKs come, and waits for no timer; what is held and was forgotten is learnt from the next ACK.
static void test_two_ranges(void)
{
	struct bench *b = path_open(NO_TS);

	b->t.n_ranges = 1;
	path_send(b, 1001, 8);
	advance(b, RTT_US);
	sack1(b, 1001, 5001, 9001);
	for (unsigned i = 1; i <= 4; i++)
		expect(b, .seq = 1000 * i + 1, .len = 1000);
	expect_none(b);
	advance(b, RTT_US);
	sack1(b, 2001, 5001, 9001);
	expect_none(b);
	inject(b, .ack = 9001);
	expect_none(b);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rtx_rto), 0);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rtx_segs), 4);
	CU_ASSERT_EQUAL(b->t.n_flights_used, 0);
	bench_free(b);
}

// One that has more ranges than are left gets no more; another still does.
static void test_ranges_shared(void)
{
	struct bench *b = path_open(NO_TS);
	struct tcp_soft *s = tcp_soft(&b->t, b->conn);

	b->t.n_ranges = 40;
	tcp_soft(&b->t, b->conn)->cwnd = 200000;
	path_send(b, 1001, 60);
	advance(b, RTT_US);
	for (int i = 0; i < 30; i++) // every second one
		sack1(b, 1001, 2001 + 2000 * i, 3001 + 2000 * i);
	CU_ASSERT(flight_of(&b->t, s)->n >= 20 && flight_of(&b->t, s)->n <= 26);
	CU_ASSERT(counter_delta(b, tcp_scoreboard_full) > 0);
	bench_free(b);
}

// With hardly a range to be had the streams are whole all the same, only slower.
static void test_want_of_ranges(void)
{
	unsigned seed
		= getenv("OB_SEED") ? (unsigned)atoi(getenv("OB_SEED")) : (unsigned)time(NULL);
	uint64_t full = 0;

	printf("seed %u ", seed);
	for (unsigned i = 0; i < 24; i++) {
		struct bench *b = bench_new();
		struct peer p;

		b->cfg.limits_sack_ranges = i / 2;
		establish(b, .wscale = 0, .sack_ok = 1, .ts_val = 1);
		peer_init(&p, b, 1000, 500000);
		p.seed = seed + i;
		p.sack = true;
		p.drop_pm = i % 2 ? 30 : 100;
		if (!peer_run(&p, 600000))
			printf("\nseed %u with %u ranges does not end", p.seed, i / 2);
		CU_ASSERT_FALSE(p.reset);
		CU_ASSERT_EQUAL(p.rcv_nxt, p.to_read);
		CU_ASSERT(b->cnt.tcp_rtx_segs < b->cnt.tcp_tx_segs / 3);
		full += b->cnt.tcp_scoreboard_full;
		bench_free(b);
	}
	CU_ASSERT(full > 100);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"holes are filled in order", test_holes},
		{"noise", test_noise},
		{"SACK that was not offered", test_not_offered},
		{"reneging", test_reneging},
		{"D-SACK sent (RFC 2883)", test_dsack_sent},
		{"blocks beside data", test_blocks_beside_data},
		{"one range", test_one_range},
		{"two ranges", test_two_ranges},
		{"ranges are shared", test_ranges_shared},
		{"want of ranges", test_want_of_ranges},
		CU_TEST_INFO_NULL,
	};

	if (unit_eal() < 0)
		return 1;
	return unit_run("tcp sack", tests);
}
