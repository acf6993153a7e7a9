// Segments that are not acceptable: sequence numbers, ACKs and timestamps out of range, no ACK at all, bad
// options, data behind the FIN.
#include <errno.h>

#include "tests/unit/tcp/tcp_bench.h"

// RFC 5961 section 5.2: SND.UNA - MAX.SND.WND <= SEG.ACK <= SND.NXT; else the segment is dropped and
// an ACK is sent.
static void test_ack_range(void)
{
	static const struct {
		int64_t ack;
		bool good;
	} t[] = {
		{1001, true},
		{1, true},
		{501, true},
		{1002, false},
		{-1000, true},
		{1 - 4000, true}, // SND.UNA - MAX.SND.WND
		{0 - 4000, false},
		{2000000000, false},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct bench *b = bench_new();

		b->peer_wnd = 4000;
		establish(b, .mss = 1000, .wnd = 4000);
		host_send(b, 1000, 0);
		expect(b, .seq = 1, .len = 1000);
		inject(b, .ack = t[i].ack, .len = 100);
		CU_ASSERT_EQUAL(host_received(b), t[i].good ? 100 : 0);
		CU_ASSERT_EQUAL(counter_delta(b, drop_tcp_ack_range), !t[i].good);
		if (!t[i].good)
			expect(b, .flags = TCP_ACK, .seq = 1001, .ack = 1, .len = 0);
		expect_state(b, ESTABLISHED);
		flush(b);
		bench_free(b);
	}
}

// RFC 9293 section 3.10.7.4: "If the ACK bit is off, drop the segment".
static void test_no_ack(void)
{
	struct bench *b = bench_new();

	establish(b);
	inject(b, .flags = TCP_PSH, .len = 100);
	inject(b, .flags = 0, .seq = 1, .len = 100);
	inject(b, .flags = TCP_FIN, .seq = 1);
	expect_none(b);
	CU_ASSERT_EQUAL(host_received(b), 0);
	CU_ASSERT_EQUAL(counter_delta(b, drop_tcp_no_ack), 3);
	expect_state(b, ESTABLISHED);
	bench_free(b);
}

// The table of RFC 9293 section 3.4 with RCV.WND = 65535: what is outside is acknowledged and dropped.
static void test_sequence(void)
{
	static const struct {
		int64_t seq, len;
		bool good;
	} t[] = {
		{1, 100, true},
		{65535, 1, true},
		{-1000, 100, false},
		{-99, 100, false},
		{65536, 1, false},
		{70000, 100, false},
		{-50, 101, true},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct bench *b = bench_new();

		establish(b);
		inject(b, .seq = t[i].seq, .len = t[i].len);
		if (!t[i].good || t[i].seq > 1)
			expect(b, .flags = TCP_ACK, .seq = 1, .ack = 1, .len = 0);
		CU_ASSERT_EQUAL(b->mem.n_free == b->mem.n_bufs, !t[i].good);
		flush(b);
		bench_free(b);
	}
}

// RFC 7323 section 5.3: an older timestamp: acknowledged and dropped; a reset is not tested.
// Section 5.2: "a timestamp s is less than t if 0 < (t - s) < 2^31".
static void test_paws(void)
{
	struct bench *b = bench_new();

	establish(b, .ts_val = 0xfffffff0);
	inject(b, .len = 10, .ts_val = 5); // wrapped: newer
	CU_ASSERT_EQUAL(host_received(b), 10);
	flush(b);
	inject(b, .len = 10, .ts_val = 0xfffffff8);
	expect(b, .flags = TCP_ACK, .seq = 1, .ack = 11, .ts_ecr = 5);
	CU_ASSERT_EQUAL(host_received(b), 10);
	CU_ASSERT_EQUAL(counter_delta(b, drop_tcp_paws), 1);
	inject(b, .seq = 11, .len = 10, .ts_val = 5); // the same is good
	CU_ASSERT_EQUAL(host_received(b), 20);
	// Out of order: does not move TS.Recent (section 4.3).
	inject(b, .seq = 31, .len = 10, .ts_val = 9);
	flush(b);
	inject(b, .seq = 21, .len = 10, .ts_val = 7);
	expect(b, .ack = 41, .ts_ecr = 7);
	CU_ASSERT_EQUAL(host_received(b), 40);
	inject(b, .flags = TCP_RST, .seq = 41, .ts_val = 1);
	CU_ASSERT_EQUAL(bench_error(b), ECONNRESET);
	bench_free(b);
}

// Section 4.3: a delayed ACK echoes the first of the segments that it is for, not the last; what fills a gap
// is echoed, what lies behind it is not.
static void test_ts_recent(void)
{
	struct bench *b = bench_new();

	establish(b, .ts_val = 100);
	inject(b, .len = 10, .ts_val = 101);
	inject(b, .len = 10, .ts_val = 102);
	expect_none(b);
	advance(b, 50000);
	expect(b, .ack = 21, .ts_ecr = 101);
	inject(b, .len = 10, .ts_val = 103);
	inject(b, .seq = 41, .len = 10, .ts_val = 104);
	expect(b, .ack = 31, .ts_ecr = 103);
	inject(b, .seq = 31, .len = 10, .ts_val = 105);
	expect(b, .ack = 51, .ts_ecr = 105);
	// The same in one turn: the early ACKs are for what came before them.
	b->hold = true;
	inject(b, .seq = 51, .len = 10, .ts_val = 106);
	inject(b, .seq = 71, .len = 10, .ts_val = 107);
	inject(b, .seq = 81, .len = 10, .ts_val = 108);
	inject(b, .seq = 61, .len = 10, .ts_val = 109);
	b->hold = false;
	turn(b);
	expect(b, .ack = 61, .ts_ecr = 106);
	expect(b, .ack = 61, .ts_ecr = 106);
	expect(b, .ack = 91, .ts_ecr = 109);
	host_consume(b, 90);
	expect_none(b);
	bench_free(b);
}

// Section 5.5: after 24 days without a segment any timestamp is taken.
static void test_paws_idle(void)
{
	struct bench *b = bench_new();

	establish(b, .ts_val = 1000);
	b->now_us += 25ull * 86400 * 1000000;
	turn(b);
	flush(b);
	inject(b, .len = 10, .ts_val = 500);
	CU_ASSERT_EQUAL(host_received(b), 10);
	flush(b);
	bench_free(b);
}

// What we send says nothing about the age of the peer's timestamps; what is dropped does not either.
static void test_paws_sent(void)
{
	struct bench *b = bench_new();

	establish(b, .ts_val = 1000);
	b->now_us += 13ull * 86400 * 1000000;
	host_send(b, 10, 0); // never acknowledged
	inject(b, .ack = 1, .len = 10, .ts_val = 400);
	CU_ASSERT_EQUAL(counter_delta(b, drop_tcp_paws), 1);
	b->now_us += 12ull * 86400 * 1000000;
	flush(b);
	inject(b, .seq = 1, .ack = 1, .len = 10, .ts_val = 500);
	CU_ASSERT_EQUAL(host_received(b), 10);
	CU_ASSERT_EQUAL(counter_delta(b, drop_tcp_paws), 1);
	// An empty segment with the same timestamp makes it young again.
	b->now_us += 20ull * 86400 * 1000000;
	inject(b, .ack = 1, .ts_val = 500);
	b->now_us += 20ull * 86400 * 1000000;
	flush(b);
	inject(b, .ack = 1, .len = 10, .ts_val = 300);
	CU_ASSERT_EQUAL(counter_delta(b, drop_tcp_paws), 2);
	CU_ASSERT_EQUAL(host_received(b), 10);
	flush(b);
	bench_free(b);
}

// Malformed options: dropped under their own counter.
static void test_bad_options(void)
{
	static const uint8_t bad[] = {8, 0, 1, 1};
	struct bench *b = bench_new();

	establish(b);
	b->hold = true;
	inject(b, .len = 10);
	b->in[0].opt = bad;
	b->in[0].opt_len = sizeof(bad);
	b->hold = false;
	turn(b);
	CU_ASSERT_EQUAL(host_received(b), 0);
	CU_ASSERT_EQUAL(counter_delta(b, drop_tcp_options), 1);
	expect_state(b, ESTABLISHED);
	flush(b);
	bench_free(b);
}

// Data behind the peer's FIN cannot be.
static void test_past_fin(void)
{
	struct bench *b = bench_new();

	establish(b);
	inject(b, .flags = TCP_FIN | TCP_ACK, .len = 10);
	flush(b);
	host_consume(b, 10);
	inject(b, .seq = 12, .len = 100);
	CU_ASSERT_EQUAL(host_received(b), 10);
	CU_ASSERT_EQUAL(counter_delta(b, drop_tcp_past_fin), 1);
	expect_state(b, CLOSE_WAIT);
	flush(b);
	inject(b, .flags = TCP_FIN | TCP_ACK, .seq = 11); // the FIN again
	expect(b, .flags = TCP_ACK, .ack = 12);
	bench_free(b);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"ACKs out of range", test_ack_range},
		{"segments without ACK", test_no_ack},
		{"sequence numbers out of the window", test_sequence},
		{"PAWS", test_paws},
		{"TS.Recent", test_ts_recent},
		{"PAWS after 24 days", test_paws_idle},
		{"PAWS and what we send", test_paws_sent},
		{"malformed options", test_bad_options},
		{"data behind the FIN", test_past_fin},
		CU_TEST_INFO_NULL,
	};

	if (unit_eal() < 0)
		return 1;
	return unit_run("tcp acceptable", tests);
}
