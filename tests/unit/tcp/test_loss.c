// Loss without SACK: time-outs and back-off, fast retransmit, recovery, measuring.
#include <errno.h>

#include "tests/unit/tcp/tcp_bench.h"

// Sends n segments of 1000 and takes them off the wire.
static void send_segs(struct bench *b, int64_t first, int n)
{
	host_send(b, 1000 * (uint32_t)n, 0);
	for (int i = 0; i < n; i++)
		expect(b, .seq = first + 1000 * i, .len = 1000);
}

// RFC 6298 section 5.4 to 5.6: the earliest segment is sent again, RTO doubled; then the
// connection is given up (RFC 9293 section 3.8.3).
static void test_backoff(void)
{
	struct bench *b = bench_new();

	b->cfg.tcp_data_retries = 4;
	establish(b, .mss = 1000);
	host_send(b, 1000, 0);
	expect(b, .seq = 1, .len = 1000);
	for (uint64_t ms = 200; ms <= 1600; ms *= 2) {
		uint64_t us = advance_until_sent(b, 60000000);

		CU_ASSERT(us >= ms * 1000 && us <= ms * 1000 + 1000);
		expect(b, .flags = TCP_ACK, .seq = 1, .len = 1000);
		expect_none(b);
	}
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rtx_rto), 4);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rtx_segs), 4);
	advance(b, 3300000);
	CU_ASSERT_EQUAL(bench_error(b), ETIMEDOUT);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_timeout), 1);
	CU_ASSERT(host_notes(b) & TCP_EV_CLOSED);
	flush(b);
	bench_free(b);
}

// RFC 5681 section 3.1: after a time-out one segment; then slow start over what was lost.
static void test_timeout_window(void)
{
	struct bench *b = bench_new();

	establish(b, .mss = 1000);
	send_segs(b, 1, 10);
	advance_until_sent(b, 1000000);
	expect(b, .seq = 1, .len = 1000);
	expect_none(b);
	CU_ASSERT_EQUAL(tcp_soft(&b->t, b->conn)->ssthresh, 5000); // half of the flight
	inject(b, .ack = 1001);
	expect(b, .seq = 1001, .len = 1000);
	expect(b, .seq = 2001, .len = 1000);
	expect_none(b);
	inject(b, .ack = 3001);
	expect(b, .seq = 3001, .len = 1000);
	expect(b, .seq = 4001, .len = 1000);
	expect(b, .seq = 5001, .len = 1000);
	expect_none(b);
	inject(b, .ack = 10001); // the others had arrived
	advance(b, 5000000);
	expect_none(b);
	bench_free(b);
}

// With timestamps a segment is 12 bytes shorter than what cwnd counts in: those do not go alone.
static void test_timeout_odd(void)
{
	struct bench *b = bench_new();

	establish(b, .mss = 1012, .ts_val = 100);
	send_segs(b, 1, 10);
	advance_until_sent(b, 1000000);
	expect(b, .seq = 1, .len = 1000);
	expect_none(b);
	inject(b, .ack = 1001);
	expect(b, .seq = 1001, .len = 1000);
	expect(b, .seq = 2001, .len = 1000);
	expect_none(b);
	// A window that has shrunk below a segment: what fits, or nothing would move.
	inject(b, .ack = 3001, .wnd = 300);
	expect(b, .seq = 3001, .len = 300);
	expect_none(b);
	bench_free(b);
}

// RFC 6298 section 5.3: an ACK of new data restarts the timer, with the RTO from then on.
static void test_restart(void)
{
	struct bench *b = bench_new();
	uint64_t us;

	establish(b, .mss = 1000);
	send_segs(b, 1, 3);
	advance(b, 150000);
	inject(b, .ack = 1001);
	expect_none(b);
	us = advance_until_sent(b, 5000000);
	// The sample of 150 ms: SRTT 7/8 * 0 + 1/8 * 150 at the least; not before the minimum.
	CU_ASSERT(us >= 200000);
	expect(b, .seq = 1001, .len = 1000);
	bench_free(b);
}

// RFC 6298 section 3 (Karn): no sample from what was sent again; the backed-off RTO stays until there
// is one ("only ... when new data has been sent and acknowledged").
static void test_karn(void)
{
	struct bench *b = bench_new();
	uint64_t us;

	establish(b, .mss = 1000);
	host_send(b, 1000, 0);
	expect(b, .seq = 1);
	for (int i = 0; i < 3; i++) {
		advance_until_sent(b, 5000000);
		expect(b, .seq = 1, .len = 1000);
	}
	advance(b, 300000);
	inject(b, .ack = 1001); // of which of the four?
	CU_ASSERT(tcp_soft(&b->t, b->conn)->srtt_us < 1000);
	host_send(b, 1000, 0);
	expect(b, .seq = 1001, .len = 1000);
	us = advance_until_sent(b, 10000000);
	CU_ASSERT(us >= 1600000 && us < 1610000);
	expect(b, .seq = 1001);
	bench_free(b);
}

// With timestamps the sample is good even so (RFC 7323 section 4).
static void test_timestamps(void)
{
	struct bench *b = bench_new();

	establish(b, .mss = 1012, .ts_val = 100);
	host_send(b, 1000, 0);
	expect(b, .seq = 1, .len = 1000);
	advance_until_sent(b, 5000000);
	expect(b, .seq = 1, .len = 1000);
	advance(b, 80000);
	inject(b, .ack = 1001); // echoes the second
	CU_ASSERT_EQUAL(tcp_soft(&b->t, b->conn)->backoff, 0);
	CU_ASSERT(tcp_soft(&b->t, b->conn)->srtt_us >= 8000);
	CU_ASSERT(tcp_soft(&b->t, b->conn)->srtt_us < 90000);
	bench_free(b);
}

// Measured: a path of 300 ms is not timed out after 200 ms.
static void test_measured(void)
{
	struct bench *b = bench_new();

	establish_active(b, .mss = 1000);
	for (int i = 0; i < 8; i++) {
		send_segs(b, 1 + 1000 * i, 1);
		advance(b, 150000);
		inject(b, .ack = 1001 + 1000 * i);
	}
	CU_ASSERT(tcp_soft(&b->t, b->conn)->srtt_us > 90000);
	CU_ASSERT(tcp_soft(&b->t, b->conn)->srtt_us < 151000);
	for (int i = 8; i < 30; i++) {
		send_segs(b, 1 + 1000 * i, 1);
		advance(b, 300000);
		if (b->cap_head != b->cap_tail)
			break;
		inject(b, .ack = 1001 + 1000 * i);
	}
	expect_none(b);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rtx_rto), 0);
	bench_free(b);
}

// RFC 5681 section 3.2: the third duplicate sends the lost segment again, at once. "Drop the third
// data segment once."
static void test_fast_retransmit(void)
{
	struct bench *b = bench_new();

	establish(b, .mss = 1000);
	send_segs(b, 1, 8);
	inject(b, .ack = 1001);
	inject(b, .ack = 2001); // the third is lost
	flush(b);
	inject(b, .ack = 2001); // 4
	inject(b, .ack = 2001); // 5
	expect_none(b);
	inject(b, .ack = 2001); // 6
	expect(b, .flags = TCP_ACK, .seq = 2001, .len = 1000);
	expect_none(b);
	inject(b, .ack = 2001); // 7
	inject(b, .ack = 2001); // 8
	expect_none(b);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rtx_fast), 1);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_dup_ack_rx), 5);
	inject(b, .ack = 8001);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rtx_rto), 0);
	advance(b, 5000000);
	expect_none(b);
	bench_free(b);
}

// What is no duplicate (RFC 5681 section 2): it carries data, changes the window, nothing is in
// flight.
static void test_no_duplicates(void)
{
	struct bench *b = bench_new();

	establish(b, .mss = 1000);
	for (int i = 0; i < 5; i++)
		inject(b, .ack = 1);
	expect_none(b);
	send_segs(b, 1, 3);
	for (int i = 0; i < 5; i++)
		inject(b, .ack = 1, .len = 10);
	for (int i = 0; i < 5; i++)
		inject(b, .ack = 1, .wnd = 60000 + i);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_dup_ack_rx), 0);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rtx_fast), 0);
	host_consume(b, 50);
	flush(b);
	bench_free(b);
}

// RFC 6582 section 3.2: a partial ACK sends the next hole again; recovery ends at `recover`, and the
// window is ssthresh then (RFC 9937).
static void test_partial(void)
{
	struct bench *b = bench_new();
	struct tcp_soft *s;

	establish(b, .mss = 1000);
	send_segs(b, 1, 10); // 1, 4 and 7 are lost
	inject(b, .ack = 1);
	inject(b, .ack = 1);
	inject(b, .ack = 1);
	expect(b, .seq = 1, .len = 1000);
	s = tcp_soft(&b->t, b->conn);
	CU_ASSERT(s->ssthresh == 5000 && s->cwnd == 7000);
	for (int i = 0; i < 4; i++)
		inject(b, .ack = 1);
	expect_none(b); // nothing new was written
	inject(b, .ack = 3001); // partial
	expect(b, .seq = 3001, .len = 1000);
	expect_none(b);
	inject(b, .ack = 6001);
	expect(b, .seq = 6001, .len = 1000);
	expect_none(b);
	inject(b, .ack = 10001);
	CU_ASSERT_FALSE(s->flags & SOFT_RECOVERY);
	CU_ASSERT_EQUAL(s->cwnd, 5000);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rtx_rto), 0);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rtx_segs), 3);
	bench_free(b);
}

// RFC 9937: the window shrinks while recovery goes on, a segment for every other that was delivered;
// without SACK a duplicate stands for one.
static void test_inflation(void)
{
	struct bench *b = bench_new();

	establish(b, .mss = 1000);
	host_send(b, 40000, 0);
	for (int i = 0; i < 10; i++)
		expect(b, .seq = 1 + 1000 * i);
	expect_none(b);
	// Limited transmit: RFC 3042 section 2.
	inject(b, .ack = 1);
	expect(b, .seq = 10001, .len = 1000);
	inject(b, .ack = 1);
	expect(b, .seq = 11001, .len = 1000);
	expect_none(b);
	inject(b, .ack = 1);
	expect(b, .seq = 1, .len = 1000);
	// "additional data sent in limited transmit MUST NOT be included in this calculation"
	CU_ASSERT_EQUAL(tcp_soft(&b->t, b->conn)->ssthresh, 5000);
	// RecoverFS 10000, ssthresh 5000: 4000 delivered let 2000 go, of which one has left.
	for (int i = 0; i < 2; i++)
		inject(b, .ack = 1);
	expect_none(b);
	inject(b, .ack = 1);
	expect(b, .seq = 12001, .len = 1000);
	// In flight 6000, then 5000, which is ssthresh; from there on one for one.
	inject(b, .ack = 1);
	inject(b, .ack = 1);
	expect_none(b);
	inject(b, .ack = 1);
	expect(b, .seq = 13001, .len = 1000);
	expect_none(b);
	inject(b, .ack = 12001); // the end: two in flight, and ssthresh
	expect(b, .seq = 14001, .len = 1000);
	expect(b, .seq = 15001, .len = 1000);
	expect(b, .seq = 16001, .len = 1000);
	expect_none(b);
	bench_free(b);
}

// RFC 6582 section 3.2 step 2: duplicates after a time-out, for what was sent before it, do not
// start another recovery.
static void test_recover_after_timeout(void)
{
	struct bench *b = bench_new();

	establish(b, .mss = 1000);
	send_segs(b, 1, 10);
	advance_until_sent(b, 1000000);
	expect(b, .seq = 1);
	inject(b, .ack = 1001);
	expect(b, .seq = 1001);
	expect(b, .seq = 2001);
	for (int i = 0; i < 6; i++)
		inject(b, .ack = 1001); // the peer had those
	expect_none(b);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rtx_fast), 0);
	bench_free(b);
}

// The segment that was sent again is lost too: the time-out gets it.
static void test_lost_again(void)
{
	struct bench *b = bench_new();

	establish(b, .mss = 1000);
	send_segs(b, 1, 6);
	for (int i = 0; i < 5; i++)
		inject(b, .ack = 1);
	expect(b, .seq = 1, .len = 1000);
	expect_none(b);
	CU_ASSERT(advance_until_sent(b, 1000000) < 500000);
	expect(b, .seq = 1, .len = 1000);
	inject(b, .ack = 6001);
	advance(b, 5000000);
	expect_none(b);
	bench_free(b);
}

// A FIN is sent again like data.
static void test_fin_lost(void)
{
	struct bench *b = bench_new();

	establish(b, .mss = 1000);
	host_send(b, 500, 0);
	expect(b, .seq = 1, .len = 500);
	host_shutdown(b);
	expect(b, .flags = TCP_FIN | TCP_ACK, .seq = 501, .len = 0);
	inject(b, .ack = 501);
	advance_until_sent(b, 2000000);
	expect(b, .flags = TCP_FIN | TCP_ACK, .seq = 501, .len = 0);
	inject(b, .ack = 502);
	expect_state(b, FIN_WAIT_2);
	bench_free(b);
	// With data before it that is lost as well: both, in one segment.
	b = bench_new();
	establish(b, .mss = 1000);
	host_send(b, 500, 0);
	host_shutdown(b);
	flush(b);
	advance_until_sent(b, 2000000);
	expect(b, .seq = 1, .len = 500);
	inject(b, .ack = 501);
	if (b->cap_head == b->cap_tail)
		advance_until_sent(b, 2000000);
	flush(b);
	inject(b, .ack = 502);
	expect_state(b, FIN_WAIT_2);
	bench_free(b);
}

// RFC 5681 section 4.1: after idling longer than an RTO the window is not more than the initial one.
static void test_idle(void)
{
	struct bench *b = bench_new();

	establish(b, .mss = 1000);
	for (int i = 0; i < 4; i++) {
		host_send(b, 10000, 0);
		flush(b);
		inject(b, .ack = 10001 + 10000 * i);
	}
	tcp_soft(&b->t, b->conn)->cwnd = 50000;
	advance(b, 10000000);
	flush(b);
	host_send(b, 40000, 0);
	CU_ASSERT_EQUAL(b->cap_tail - b->cap_head, 10);
	flush(b);
	bench_free(b);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"time-outs, back-off, giving up", test_backoff},
		{"the window after a time-out", test_timeout_window},
		{"no crumbs after a time-out", test_timeout_odd},
		{"the timer starts again with an ACK", test_restart},
		{"Karn", test_karn},
		{"timestamps measure what was sent again", test_timestamps},
		{"a long path is measured", test_measured},
		{"fast retransmit", test_fast_retransmit},
		{"what is no duplicate", test_no_duplicates},
		{"partial ACKs (RFC 6582)", test_partial},
		{"the window in recovery", test_inflation},
		{"no recovery after a time-out", test_recover_after_timeout},
		{"lost again", test_lost_again},
		{"a lost FIN", test_fin_lost},
		{"restart after idling", test_idle},
		CU_TEST_INFO_NULL,
	};

	if (unit_eal() < 0)
		return 1;
	return unit_run("tcp loss", tests);
}
