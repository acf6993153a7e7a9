// Lingering closes: what is acknowledged in time ends in order, the rest with a reset; time 0 is the
// reset at once. And closed connections whose peer does not move are given up.
#include "tests/unit/tcp/tcp_bench.h"

#define SECOND 1000000ull

static void linger(struct bench *b, unsigned ms)
{
	CU_ASSERT_EQUAL(host_set(b, OB_OPT_LINGER, 1), 0);
	CU_ASSERT_EQUAL(host_set(b, OB_OPT_LINGER_TIME, ms), 0);
}

static void test_zero(void)
{
	struct bench *b = bench_new();

	establish(b);
	host_send(b, 500, 0);
	expect(b, .seq = 1, .len = 500);
	linger(b, 0);
	host_close(b);
	expect(b, .flags = TCP_RST | TCP_ACK);
	expect_none(b);
	CU_ASSERT_EQUAL(bench_error(b), ECONNABORTED);
	CU_ASSERT_EQUAL(b->cnt.tcp_linger_timeout, 0);
	bench_free(b);
	// The time alone means nothing.
	b = bench_new();
	establish(b);
	host_set(b, OB_OPT_LINGER_TIME, 1000);
	host_close(b);
	expect(b, .flags = TCP_FIN | TCP_ACK);
	advance(b, 5 * SECOND);
	expect_state(b, FIN_WAIT_1);
	flush(b);
	bench_free(b);
}

static void test_in_time(void)
{
	struct bench *b = bench_new();

	establish(b, .mss = 1000, .wnd = 1000);
	linger(b, 3000);
	host_send(b, 2500, 0);
	host_close(b);
	flush(b);
	advance(b, 100000);
	inject(b, .ack = 1001, .wnd = 60000);
	flush(b);
	inject(b, .ack = 2502);
	expect_state(
		b, FIN_WAIT_2); // all of it is acknowledged: from here on FIN-WAIT-2's limit holds
	advance(b, 10 * SECOND);
	expect_state(b, FIN_WAIT_2);
	inject(b, .flags = TCP_FIN | TCP_ACK);
	CU_ASSERT_EQUAL(bench_error(b), 0);
	flush(b);
	bench_free(b);
}

static void test_too_late(void)
{
	struct bench *b = bench_new();

	establish(b, .mss = 1000);
	linger(b, 3000);
	host_send(b, 2500, 0);
	host_close(b);
	flush(b);
	advance(b, 2900000);
	expect_state(b, FIN_WAIT_1);
	flush(b);
	advance(b, 200000);
	CU_ASSERT_EQUAL(bench_error(b), ETIMEDOUT);
	expect(b, .flags = TCP_RST | TCP_ACK);
	CU_ASSERT_EQUAL(b->cnt.tcp_linger_timeout, 1);
	bench_free(b);
	// The data, but not the FIN: the host was told that all is well, and so it ends.
	b = bench_new();
	establish(b, .mss = 1000);
	linger(b, 3000);
	host_send(b, 500, 0);
	host_close(b);
	flush(b);
	inject(b, .ack = 501);
	advance(b, 2900000);
	flush(b);
	advance_until_sent(b, 5000000);
	expect(b, .flags = TCP_FIN | TCP_ACK, .seq = 501, .len = 0);
	expect_state(b, FIN_WAIT_1);
	inject(b, .ack = 502);
	expect_state(b, FIN_WAIT_2);
	CU_ASSERT_EQUAL(b->cnt.tcp_linger_timeout, 0);
	bench_free(b);
	// And the peer was first to close.
	b = bench_new();
	establish(b, .mss = 1000);
	linger(b, 3000);
	inject(b, .flags = TCP_FIN | TCP_ACK);
	host_close(b);
	expect_state(b, LAST_ACK);
	flush(b);
	advance(b, 3100000);
	expect_state(b, LAST_ACK);
	CU_ASSERT_EQUAL(b->cnt.tcp_linger_timeout, 0);
	flush(b);
	bench_free(b);
}

// Forgotten, it has its whole time again, and no more.
static void test_forgotten(void)
{
	struct bench *b = bench_new();

	establish(b, .mss = 1000);
	linger(b, 3000);
	host_send(b, 500, 0);
	host_close(b);
	advance(b, 2 * SECOND);
	tcp_forget(&b->t, b->conn);
	turn(b);
	advance(b, 2900000);
	expect_state(b, FIN_WAIT_1);
	advance(b, 200000);
	CU_ASSERT_EQUAL(bench_error(b), ETIMEDOUT);
	flush(b);
	bench_free(b);
}

// No linger: a closed connection waits for a peer that answers and takes nothing, but not for ever. Before
// the close it does: RFC 9293 section 3.8.6.1, MUST-37.
static void test_closed_window(void)
{
	struct bench *b = bench_new();
	unsigned probes = 0;

	establish(b, .mss = 1000);
	host_set(b, OB_OPT_RETRIES, 4);
	host_send(b, 1000, 0);
	inject(b, .ack = 1001, .wnd = 0);
	host_send(b, 1000, 0);
	flush(b);
	for (int i = 0; i < 10; i++) {
		advance_until_sent(b, 120 * SECOND);
		flush(b);
		b->peer_ack = 1001;
		inject(b, .ack = 1001, .wnd = 0);
	}
	expect_state(b, ESTABLISHED);
	host_close(b);
	expect_state(b, FIN_WAIT_1);
	flush(b);
	while (rec_phase(bench_rec(b)) == REC_LIVE && probes < 20) {
		advance_until_sent(b, 120 * SECOND);
		probes++;
		flush(b);
		b->peer_ack = 1001;
		if (rec_phase(bench_rec(b)) == REC_LIVE)
			inject(b, .ack = 1001, .wnd = 0);
	}
	CU_ASSERT_EQUAL(probes, 5); // four, and the reset
	CU_ASSERT_EQUAL(bench_error(b), ETIMEDOUT);
	bench_free(b);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"no time at all", test_zero},
		{"in time", test_in_time},
		{"too late", test_too_late},
		{"forgotten", test_forgotten},
		{"a closed window", test_closed_window},
		CU_TEST_INFO_NULL,
	};

	if (unit_eal() < 0)
		return 1;
	return unit_run("tcp linger", tests);
}
