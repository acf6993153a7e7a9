// Keepalive (RFC 9293 section 3.8.4, RFC 1122 section 4.2.3.6): "MUST be able to turn [it] on or off for
// each TCP connection, and [it] MUST default to off" (MUST-24, MUST-25), "MUST only be sent when no sent
// data is outstanding, and no data or acknowledgment packets have been received ... within an
// interval" (MUST-26), of no less than two hours by default (MUST-28), and "MUST NOT interpret failure
// to respond to any specific probe as a dead connection" (MUST-29).
//
// The record says in whole seconds when the peer was heard of: a probe may come a second late.
#include "tests/unit/tcp/tcp_bench.h"

#define SECOND 1000000ull

static bool within(uint64_t us, uint64_t from_s, uint64_t to_s)
{
	return us >= from_s * SECOND && us <= to_s * SECOND + 2000;
}

static void keep(struct bench *b, unsigned idle, unsigned interval, unsigned count)
{
	CU_ASSERT_EQUAL(host_set(b, OB_OPT_KEEPALIVE_IDLE, idle), 0);
	CU_ASSERT_EQUAL(host_set(b, OB_OPT_KEEPALIVE_INTERVAL, interval), 0);
	CU_ASSERT_EQUAL(host_set(b, OB_OPT_KEEPALIVE_COUNT, count), 0);
	CU_ASSERT_EQUAL(host_set(b, OB_OPT_KEEPALIVE, 1), 0);
}

static void test_default(void)
{
	struct bench *b = bench_new();
	uint64_t us;

	establish(b);
	CU_ASSERT_EQUAL(advance_until_sent(b, 100000 * SECOND), 100000 * SECOND); // off
	host_set(b, OB_OPT_KEEPALIVE, 1);
	inject(b); // heard of now
	us = advance_until_sent(b, 100000 * SECOND);
	CU_ASSERT(within(us, 7200, 7201));
	expect(b, .flags = TCP_ACK, .seq = 0, .ack = 1, .len = 0);
	for (int i = 1; i < 9; i++) {
		us = advance_until_sent(b, 100 * SECOND);
		CU_ASSERT(within(us, 75, 75));
		expect(b, .flags = TCP_ACK, .seq = 0, .ack = 1, .len = 0);
	}
	expect_state(b, ESTABLISHED);
	us = advance_until_sent(b, 100 * SECOND);
	CU_ASSERT(within(us, 75, 75));
	expect(b, .flags = TCP_RST | TCP_ACK, .seq = 1);
	CU_ASSERT_EQUAL(bench_error(b), ETIMEDOUT);
	CU_ASSERT(host_notes(b) & TCP_EV_CLOSED);
	CU_ASSERT_EQUAL(b->cnt.tcp_keepalive_tx, 9);
	CU_ASSERT_EQUAL(b->cnt.tcp_keepalive_timeout, 1);
	CU_ASSERT_EQUAL(b->cnt.tcp_timeout, 1);
	bench_free(b);
}

// The SEQ is one that the peer has acknowledged, also behind data and a FIN; what it answers keeps the
// connection.
static void test_answered(void)
{
	struct bench *b = bench_new();

	establish(b);
	keep(b, 10, 3, 2);
	host_send(b, 500, 0);
	expect(b, .seq = 1, .len = 500);
	inject(b, .ack = 501);
	for (int i = 0; i < 10; i++) {
		uint64_t us = advance_until_sent(b, 100 * SECOND);

		CU_ASSERT(within(us, i ? 7 : 10, 11));
		expect(b, .flags = TCP_ACK, .seq = 500, .len = 0);
		inject(b, .ack = 501);
		expect_none(b);
	}
	// One that is not answered, and another one that is.
	advance_until_sent(b, 100 * SECOND);
	expect(b, .flags = TCP_ACK, .seq = 500);
	CU_ASSERT(within(advance_until_sent(b, 100 * SECOND), 3, 3));
	expect(b, .flags = TCP_ACK, .seq = 500);
	inject(b, .ack = 501);
	CU_ASSERT(within(advance_until_sent(b, 100 * SECOND), 10, 11));
	expect(b, .flags = TCP_ACK, .seq = 500);
	inject(b, .ack = 501);
	host_shutdown(b);
	expect(b, .flags = TCP_FIN | TCP_ACK, .seq = 501);
	inject(b, .ack = 502);
	expect_state(b, FIN_WAIT_2); // shut down, not closed: it may last
	CU_ASSERT(within(advance_until_sent(b, 100 * SECOND), 10, 11));
	expect(b, .flags = TCP_ACK, .seq = 501);
	bench_free(b);
}

// Data of the peer counts as much as an answer.
static void test_traffic(void)
{
	struct bench *b = bench_new();

	establish(b);
	keep(b, 10, 3, 2);
	for (int i = 0; i < 20; i++) {
		advance(b, 6 * SECOND);
		inject(b, .len = 100);
		host_consume(b, 100 * (i + 1));
		advance(b, SECOND);
		flush(b); // delayed ACKs
	}
	CU_ASSERT_EQUAL(b->cnt.tcp_keepalive_tx, 0);
	CU_ASSERT(within(advance_until_sent(b, 100 * SECOND), 9, 10));
	bench_free(b);
}

// While data is not acknowledged there are retransmissions, and no probes.
static void test_outstanding(void)
{
	struct bench *b = bench_new();

	establish(b);
	keep(b, 1, 1, 1);
	host_send(b, 100, 0);
	advance(b, 100 * SECOND);
	CU_ASSERT_EQUAL(b->cnt.tcp_keepalive_tx, 0);
	expect_state(b, ESTABLISHED);
	// A window that is closed has probes of its own.
	flush(b);
	inject(b, .ack = 101, .wnd = 0);
	host_send(b, 100, 0);
	for (int i = 0; i < 5; i++) {
		advance_until_sent(b, 100 * SECOND);
		flush(b);
		b->peer_ack = 101;
		inject(b, .ack = 101, .wnd = 0);
	}
	CU_ASSERT_EQUAL(b->cnt.tcp_keepalive_tx, 0);
	expect_state(b, ESTABLISHED);
	bench_free(b);
}

// Turned off, nothing is sent; changed while it runs, the new times hold at once.
static void test_changed(void)
{
	struct bench *b = bench_new();

	establish(b);
	keep(b, 100, 50, 5);
	advance(b, 60 * SECOND);
	expect_none(b);
	host_set(b, OB_OPT_KEEPALIVE_IDLE, 61);
	CU_ASSERT(within(advance_until_sent(b, 100 * SECOND), 1, 2));
	expect(b, .flags = TCP_ACK, .seq = 0);
	host_set(b, OB_OPT_KEEPALIVE_INTERVAL, 2);
	CU_ASSERT(within(advance_until_sent(b, 100 * SECOND), 50, 50)); // the one under way
	expect(b, .flags = TCP_ACK, .seq = 0);
	CU_ASSERT(within(advance_until_sent(b, 100 * SECOND), 2, 2));
	expect(b, .flags = TCP_ACK, .seq = 0);
	host_set(b, OB_OPT_KEEPALIVE, 0);
	CU_ASSERT_EQUAL(advance_until_sent(b, 1000 * SECOND), 1000 * SECOND);
	expect_state(b, ESTABLISHED);
	bench_free(b);
}

// With a user time-out, it decides and not the number of probes; but not without a probe.
static void test_user_timeout(void)
{
	struct bench *b = bench_new();
	uint64_t begin;

	establish(b);
	keep(b, 5, 2, 1);
	host_set(b, OB_OPT_USER_TIMEOUT, 12000);
	begin = b->now_us;
	while (rec_phase(bench_rec(b)) == REC_LIVE && b->now_us < begin + 100 * SECOND)
		advance_until_sent(b, 100 * SECOND);
	CU_ASSERT(within(b->now_us - begin, 12, 13));
	CU_ASSERT_EQUAL(bench_error(b), ETIMEDOUT);
	CU_ASSERT_EQUAL(b->cnt.tcp_keepalive_tx, 4);
	flush(b);
	bench_free(b);
	b = bench_new();
	establish(b);
	keep(b, 20, 2, 5);
	host_set(b, OB_OPT_USER_TIMEOUT, 3000);
	CU_ASSERT(within(advance_until_sent(b, 100 * SECOND), 20, 21));
	expect(b, .flags = TCP_ACK, .seq = 0);
	CU_ASSERT(within(advance_until_sent(b, 100 * SECOND), 2, 2));
	expect(b, .flags = TCP_RST | TCP_ACK);
	bench_free(b);
}

// A closed connection waits for its peer by FIN-WAIT-2's limit.
static void test_closed(void)
{
	struct bench *b = bench_new();

	establish(b);
	keep(b, 1, 1, 1);
	host_set(b, OB_OPT_FIN_TIMEOUT, 30000);
	host_close(b);
	expect(b, .flags = TCP_FIN | TCP_ACK);
	inject(b, .ack = 2);
	advance(b, 29 * SECOND);
	expect_none(b);
	expect_state(b, FIN_WAIT_2);
	advance(b, 2 * SECOND);
	CU_ASSERT_EQUAL(bench_error(b), 0);
	bench_free(b);
}

// Soft state that is forgotten between any two turns costs no probe and no end: what counts is in the
// record. Of probes that were not answered the count begins anew.
static void test_forgotten(void)
{
	struct bench *b = bench_new();
	uint64_t us;

	establish(b);
	keep(b, 10, 2, 3);
	flush(b);
	tcp_forget(&b->t, b->conn);
	turn(b);
	flush(b); // its ACK
	us = advance_until_sent(b, 100 * SECOND);
	CU_ASSERT(within(us, 9, 11));
	expect(b, .flags = TCP_ACK, .seq = 0);
	tcp_forget(&b->t, b->conn);
	turn(b);
	flush(b);
	advance(b, 7 * SECOND);
	CU_ASSERT_EQUAL(bench_error(b), ETIMEDOUT);
	flush(b);
	bench_free(b);
}

// More connections than soft states: the timer of one that gave its own up still fires.
static void test_no_soft(void)
{
	struct bench *b = bench_new();
	uint32_t first;

	b->cfg.limits_soft = 16;
	establish(b);
	first = b->conn;
	keep(b, 10, 2, 3);
	for (int i = 1; i <= 16; i++) {
		b->peer_seq = 0;
		inject(b, .flags = TCP_SYN, .seq = 0, .mss = 1460, .sport = 50000 + i);
		expect(b, .flags = TCP_SYN | TCP_ACK, .ack = 1, .sport = 50000 + i);
		inject(b, .seq = 1, .ack = 1, .sport = 50000 + i);
	}
	CU_ASSERT_PTR_NULL_FATAL(tcp_soft_held(&b->t, first)); // the one idle for longest
	advance(b, 12 * SECOND);
	CU_ASSERT_EQUAL(b->cnt.tcp_keepalive_tx, 1);
	CU_ASSERT_PTR_NOT_NULL(tcp_soft_held(&b->t, first));
	flush(b);
	bench_free(b);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"off, and as the RFC says", test_default},
		{"answered", test_answered},
		{"traffic", test_traffic},
		{"data outstanding", test_outstanding},
		{"changed while it runs", test_changed},
		{"with a user time-out", test_user_timeout},
		{"closed", test_closed},
		{"forgotten", test_forgotten},
		{"no soft state", test_no_soft},
		CU_TEST_INFO_NULL,
	};

	if (unit_eal() < 0)
		return 1;
	return unit_run("tcp keepalive", tests);
}
