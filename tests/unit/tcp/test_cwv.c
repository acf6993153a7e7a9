// Windows that are not used, and what becomes of them (RFC 7661, RFC 5681 section 4.1).
#include "tests/unit/tcp/path.h"

#define SEC 1000000u

static struct cwv *cwv(struct bench *b)
{
	return &b->t.cc_priv[b->t.soft_of[b->conn]].cwv;
}

// A window of 40 segments, filled and doubled twice, and no slow start from there. RFC 5681, unless `cc`
// says otherwise.
static struct bench *path_used(int64_t *next, const char *cc)
{
	struct bench *b = bench_new();

	b->cfg.tcp_idle_restart = 0;
	if (cc)
		snprintf(b->cfg.tcp_congestion_control, sizeof(b->cfg.tcp_congestion_control), "%s",
			cc);
	CU_ASSERT_EQUAL_FATAL(host_connect(b), 0);
	expect(b, .flags = TCP_SYN);
	b->peer_seq = 0;
	b->peer_ack = 1;
	advance(b, RTT_US);
	inject(b, .flags = TCP_SYN | TCP_ACK, .mss = 1000, .sack_ok = 1, .wscale = 4);
	flush(b);
	*next = 1;
	for (int n = 10; n <= 20; n *= 2) {
		path_send(b, *next, n);
		*next += 1000 * n;
		advance(b, RTT_US);
		inject(b, .ack = *next);
	}
	CU_ASSERT_EQUAL(soft(b)->cwnd, 40000);
	soft(b)->ssthresh = 40000;
	counter_mark(b);
	return b;
}

// n segments in a round of their own.
static void path_round(struct bench *b, int64_t *next, int n)
{
	path_send(b, *next, n);
	*next += 1000 * n;
	advance(b, RTT_US);
	inject(b, .ack = *next);
}

// Section 4.3: a window of which less than half was acknowledged in any round of the sampling period
// (section 4.2: one second) is not validated; it is when half of it is.
static void test_phases(void)
{
	int64_t next;
	struct bench *b = path_used(&next, NULL);

	for (int i = 0; i < 7; i++)
		path_round(b, &next, 5);
	CU_ASSERT_FALSE(cwv(b)->nonvalidated); // 20 segments in one round, less than a second ago
	for (int i = 0; i < 12; i++)
		path_round(b, &next, 5);
	CU_ASSERT_TRUE(cwv(b)->nonvalidated);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_cwv_nonvalidated), 1);
	CU_ASSERT_EQUAL(soft(b)->cwnd, 40000); // it is kept, and does not grow
	path_round(b, &next, 19); // less than half
	path_round(b, &next, 19);
	CU_ASSERT_TRUE(cwv(b)->nonvalidated);
	path_round(b, &next, 20);
	path_round(b, &next, 1);
	CU_ASSERT_FALSE(cwv(b)->nonvalidated);
	bench_free(b);
}

// Section 4.3: a window grows only while it is in use.
static void test_growth(void)
{
	int64_t next;
	struct bench *b = path_used(&next, NULL);

	path_round(b, &next, 38);
	CU_ASSERT_EQUAL(soft(b)->cwnd, 40000);
	path_round(b, &next, 40);
	CU_ASSERT_EQUAL(soft(b)->cwnd, 41000);
	bench_free(b);
}

static struct bench *path_unused(int64_t *next)
{
	struct bench *b = path_used(next, NULL);

	for (int i = 0; i < 20; i++)
		path_round(b, next, 8);
	CU_ASSERT_TRUE_FATAL(cwv(b)->nonvalidated);
	counter_mark(b);
	return b;
}

// Section 4.4.2: on congestion half of Max(pipeACK, LossFlightSize), not of cwnd; at the end of the
// recovery less half of what was sent again; pipeACK is not known then.
static void test_congestion(void)
{
	int64_t next;
	struct bench *b = path_unused(&next);

	path_send(b, next, 6); // pipeACK says 8
	advance(b, RTT_US);
	sack1(b, next, next + 2000, next + 6000);
	expect(b, .seq = next, .len = 1000);
	expect(b, .seq = next + 1000, .len = 1000);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_cwv_reduced), 1);
	CU_ASSERT_EQUAL(soft(b)->ssthresh, 4000);
	advance(b, RTT_US);
	inject(b, .ack = next + 6000);
	CU_ASSERT_FALSE(soft(b)->flags & SOFT_RECOVERY);
	CU_ASSERT_EQUAL(soft(b)->cwnd, 2667); // 2 of 6 were sent again
	CU_ASSERT_EQUAL(soft(b)->cwnd, soft(b)->ssthresh);
	CU_ASSERT_FALSE(cwv(b)->nonvalidated);
	CU_ASSERT_EQUAL(cwv(b)->max[0] + cwv(b)->max[1] + cwv(b)->max[2], 0);
	bench_free(b);
	// A window that was in use: half of it, and it stays so.
	b = path_used(&next, NULL);
	path_send(b, next, 40);
	advance(b, RTT_US);
	sack1(b, next, next + 2000, next + 40000);
	flush(b);
	advance(b, RTT_US);
	inject(b, .ack = next + 40000);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_cwv_reduced), 0);
	CU_ASSERT_EQUAL(soft(b)->cwnd, 20000);
	bench_free(b);
}

// Section 4.4.3: after five minutes ssthresh = max(ssthresh, 3 * cwnd / 4), cwnd = max(cwnd / 2, IW).
static void test_expiry(void)
{
	int64_t next;
	struct bench *b = path_unused(&next);

	soft(b)->ssthresh = 20000;
	for (int i = 0; i < 4; i++) {
		advance(b, 60 * SEC);
		path_round(b, &next, 8);
	}
	CU_ASSERT_EQUAL(soft(b)->cwnd, 40000);
	for (int i = 0; i < 2; i++) {
		advance(b, 60 * SEC);
		path_round(b, &next, 8);
	}
	CU_ASSERT_EQUAL(counter_delta(b, tcp_cwv_expired), 1);
	CU_ASSERT(soft(b)->cwnd == 20000 && soft(b)->ssthresh == 30000);
	// Nobody sends anything for long: as many times as it takes, and never below the initial window.
	advance(b, 3600ull * SEC);
	path_round(b, &next, 1);
	CU_ASSERT_EQUAL(soft(b)->cwnd, 10000);
	CU_ASSERT_EQUAL(soft(b)->ssthresh, 30000);
	soft(b)->cwnd = 15000;
	advance(b, 700ull * SEC);
	path_round(b, &next, 1);
	CU_ASSERT_EQUAL(soft(b)->cwnd, 10000);
	bench_free(b);
}

// tcp.idle_restart: RFC 5681 section 4.1, but the way back is slow start (ssthresh as above).
static void test_restart(void)
{
	int64_t next;
	struct bench *b = path_used(&next, NULL);

	b->cfg.tcp_idle_restart = 1;
	soft(b)->ssthresh = 20000;
	advance(b, 50000); // shorter than the time-out
	path_round(b, &next, 30);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_cwnd_restart), 0);
	advance(b, 2 * SEC);
	host_send(b, 30000, 0);
	CU_ASSERT_EQUAL(b->cap_tail - b->cap_head, 10);
	CU_ASSERT(soft(b)->cwnd == 10000 && soft(b)->ssthresh == 30000);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_cwnd_restart), 1);
	flush(b);
	bench_free(b);
	// Off: what is kept leaves at once.
	b = path_used(&next, NULL);
	advance(b, 2 * SEC);
	path_send(b, next, 30);
	CU_ASSERT_EQUAL(soft(b)->cwnd, 40000);
	CU_ASSERT_TRUE(cwv(b)->nonvalidated);
	bench_free(b);
}

// Idle for longer than 32 bits of microseconds hold, and by chance not long after that.
static void test_idle_wrap(void)
{
	for (int restart = 0; restart < 2; restart++) {
		int64_t next;
		struct bench *b = path_used(&next, NULL);
		uint64_t us = (1ull << 32) + (restart ? 150000 : 200 * SEC);

		b->cfg.tcp_idle_restart = restart;
		soft(b)->ssthresh = 20000;
		b->now_us += us - RTT_US; // path_used() ends a round trip after sending
		turn(b);
		host_send(b, 30000, 0);
		CU_ASSERT_EQUAL(b->cap_tail - b->cap_head, 10);
		CU_ASSERT_EQUAL(soft(b)->cwnd, 10000);
		flush(b);
		bench_free(b);
	}
}

// CUBIC's clock stands still while the application is the limit (RFC 9438 section 5.8).
static void test_clock(void)
{
	int64_t next;
	struct bench *b = path_used(&next, "cubic");
	uint64_t *epoch = (uint64_t *)b->t.cc_priv[b->t.soft_of[b->conn]].bytes; // its first field
	uint64_t was;

	CU_ASSERT_EQUAL(soft(b)->cc, OB_CC_CUBIC);
	path_round(b, &next, 40);
	was = *epoch;
	CU_ASSERT_EQUAL(was, b->now_us);
	for (int i = 0; i < 50; i++)
		path_round(b, &next, 5);
	path_round(b, &next, (int)soft(b)->cwnd / 1000);
	CU_ASSERT(*epoch - was > 49 * RTT_US && *epoch - was < 52 * RTT_US);
	was = *epoch;
	advance(b, 30 * SEC); // and while it says nothing
	path_round(b, &next, (int)soft(b)->cwnd / 1000);
	CU_ASSERT(*epoch - was > 29 * SEC && *epoch - was < 30 * SEC + 2 * RTT_US);
	bench_free(b);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"validated and not (4.3)", test_phases},
		{"growth of what is in use (4.3)", test_growth},
		{"congestion meanwhile (4.4.2)", test_congestion},
		{"five minutes (4.4.3)", test_expiry},
		{"restart after idling", test_restart},
		{"idle for more than 71 minutes", test_idle_wrap},
		{"CUBIC's clock", test_clock},
		CU_TEST_INFO_NULL,
	};

	if (unit_eal() < 0)
		return 1;
	return unit_run("tcp cwv", tests);
}
