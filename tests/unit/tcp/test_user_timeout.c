// The user time-out (RFC 9293 section 3.9.1, "User Timeout"; RFC 5482, its local half) and R2 (section
// 3.8.3): "an application MUST be able to set the value for R2 for a particular connection" (MUST-21).
#include "tests/unit/tcp/tcp_bench.h"

#define SECOND 1000000ull

// How long a connection lives on whose peer says nothing any more, in microseconds.
static uint64_t lives(struct bench *b)
{
	uint64_t begin = b->now_us;

	while (rec_phase(bench_rec(b)) == REC_LIVE && b->now_us < begin + 3600 * SECOND)
		advance_until_sent(b, 3600 * SECOND);
	CU_ASSERT_EQUAL(bench_error(b), ETIMEDOUT);
	CU_ASSERT_EQUAL(b->caps[(b->cap_tail - 1) % BENCH_SEGS].s.flags, TCP_RST | TCP_ACK);
	flush(b);
	return b->now_us - begin;
}

static bool near(uint64_t us, uint64_t ms)
{
	return us + 2000 >= ms * 1000 && us <= ms * 1000 + 2000;
}

// It ends at the time that was set, not at the next time-out, and whether that comes sooner or later
// than the last of the retries.
static void test_data(void)
{
	static const uint64_t ms[] = {700, 3000, 10000, 600000};

	for (unsigned i = 0; i < 4; i++) {
		struct bench *b = bench_new();

		b->cfg.tcp_data_retries = 5;
		establish(b, .mss = 1000, .sack_ok = i % 2);
		CU_ASSERT_EQUAL(host_set(b, OB_OPT_USER_TIMEOUT, ms[i]), 0);
		host_send(b, 2500, 0);
		CU_ASSERT(near(lives(b), ms[i]));
		CU_ASSERT_EQUAL(b->cnt.tcp_user_timeout, 1);
		CU_ASSERT_EQUAL(b->cnt.tcp_timeout, 1);
		CU_ASSERT(host_notes(b) & TCP_EV_CLOSED);
		bench_free(b);
	}
}

// Shorter than the first time-out: it is seen at that one.
static void test_short(void)
{
	struct bench *b = bench_new();

	establish(b, .mss = 1000);
	host_set(b, OB_OPT_USER_TIMEOUT, 1);
	host_send(b, 100, 0);
	CU_ASSERT(near(lives(b), 200));
	bench_free(b);
}

// What is acknowledged in time starts it anew; nothing at all is needed when nothing is outstanding.
static void test_progress(void)
{
	struct bench *b = bench_new();
	uint64_t rto_ms;

	establish(b, .mss = 1000, .wnd = 1000);
	host_set(b, OB_OPT_USER_TIMEOUT, 5000);
	host_send(b, 8000, 0);
	for (int i = 1; i < 8; i++) {
		advance(b, 4 * SECOND);
		flush(b);
		inject(b, .ack = 1 + 1000 * i, .wnd = 1000);
	}
	expect_state(b, ESTABLISHED);
	flush(b);
	inject(b, .ack = 8001);
	advance(b, 60 * SECOND);
	expect_none(b);
	expect_state(b, ESTABLISHED);
	host_send(b, 100, 0);
	// Round trips of four seconds were measured: less than a time-out is no time to wait.
	rto_ms = tcp_soft_held(&b->t, b->conn)->rto_us / 1000;
	CU_ASSERT(near(lives(b), rto_ms > 5000 ? rto_ms : 5000));
	bench_free(b);
}

// A stream that never stands still, and of which something is outstanding all the time.
static void test_stream(void)
{
	struct bench *b = bench_new();

	establish(b, .mss = 1000, .wnd = 3000);
	host_set(b, OB_OPT_USER_TIMEOUT, 2000);
	host_send(b, 60000, 0);
	for (int i = 1; i < 57; i++) {
		advance(b, 100000);
		flush(b);
		inject(b, .ack = 1 + 1000 * i, .wnd = 3000);
	}
	expect_state(b, ESTABLISHED);
	flush(b);
	CU_ASSERT(near(lives(b), 2000));
	bench_free(b);
}

// A peer that keeps its window closed is given up, although it answers.
static void test_closed_window(void)
{
	struct bench *b = bench_new();
	uint64_t begin;

	establish(b, .mss = 1000);
	host_set(b, OB_OPT_USER_TIMEOUT, 8000);
	host_send(b, 1000, 0);
	expect(b, .len = 1000);
	inject(b, .ack = 1001, .wnd = 0);
	host_send(b, 1000, 0);
	begin = b->now_us;
	while (rec_phase(bench_rec(b)) == REC_LIVE && b->now_us < begin + 100 * SECOND) {
		advance_until_sent(b, 100 * SECOND);
		flush(b);
		b->peer_ack = 1001;
		if (rec_phase(bench_rec(b)) == REC_LIVE)
			inject(b, .ack = 1001, .wnd = 0);
	}
	CU_ASSERT(near(b->now_us - begin, 8000));
	CU_ASSERT_EQUAL(bench_error(b), ETIMEDOUT);
	bench_free(b);
}

// Changed while data waits: the time counts from when it was stuck. Taken back, retries decide again.
static void test_changed(void)
{
	struct bench *b = bench_new();
	uint64_t begin;

	establish(b, .mss = 1000);
	host_set(b, OB_OPT_USER_TIMEOUT, 100000);
	host_send(b, 100, 0);
	begin = b->now_us;
	advance(b, 3 * SECOND);
	host_set(b, OB_OPT_USER_TIMEOUT, 5000);
	lives(b);
	CU_ASSERT(near(b->now_us - begin, 5000));
	bench_free(b);
	b = bench_new();
	establish(b, .mss = 1000);
	host_set(b, OB_OPT_USER_TIMEOUT, 5000);
	host_set(b, OB_OPT_RETRIES, 6);
	host_send(b, 100, 0);
	advance(b, 3 * SECOND);
	host_set(b, OB_OPT_USER_TIMEOUT, 0);
	CU_ASSERT(lives(b) > 9 * SECOND);
	CU_ASSERT_EQUAL(b->cnt.tcp_user_timeout, 0);
	bench_free(b);
}

// R2 of a connection: so many time-outs, and the next one ends it.
static void test_retries(void)
{
	for (unsigned n = 1; n < 8; n += 3) {
		struct bench *b = bench_new();

		establish(b, .mss = 1000);
		host_set(b, OB_OPT_RETRIES, n);
		host_send(b, 100, 0);
		counter_mark(b);
		lives(b);
		CU_ASSERT_EQUAL(counter_delta(b, tcp_rtx_segs), n);
		bench_free(b);
	}
}

// A connect: SYNs of its own number and time-out, and the user time-out over all of them.
static void test_connect(void)
{
	struct bench *b = bench_new();
	unsigned syns = 0;

	host_connect(b);
	CU_ASSERT_EQUAL(tcp_setopt(&b->t, b->half, OB_OPT_SYN_RETRIES, 2), 0);
	advance(b, 60 * SECOND);
	for (; b->cap_head != b->cap_tail; b->cap_head++)
		syns++;
	CU_ASSERT_EQUAL(syns, 3);
	CU_ASSERT_EQUAL(b->connect_error, -ETIMEDOUT);
	bench_free(b);
	b = bench_new();
	host_connect(b);
	CU_ASSERT_EQUAL(tcp_setopt(&b->t, b->half, OB_OPT_USER_TIMEOUT, 4500), 0);
	advance(b, 4400000);
	CU_ASSERT_EQUAL(b->connect_error, 0);
	advance(b, 200000);
	CU_ASSERT_EQUAL(b->connect_error, -ETIMEDOUT);
	flush(b);
	bench_free(b);
	b = bench_new(); // before its first SYN has left
	b->room = 0;
	host_connect(b);
	CU_ASSERT_EQUAL(tcp_setopt(&b->t, b->half, OB_OPT_INIT_RTO, 300000), 0);
	b->room = 1000;
	turn(b);
	expect(b, .flags = TCP_SYN);
	CU_ASSERT(near(advance_until_sent(b, 10 * SECOND), 300));
	expect(b, .flags = TCP_SYN);
	CU_ASSERT(near(advance_until_sent(b, 10 * SECOND), 600));
	flush(b);
	bench_free(b);
}

// Soft state that is forgotten: the time counts from there.
static void test_forgotten(void)
{
	struct bench *b = bench_new();

	establish(b, .mss = 1000);
	host_set(b, OB_OPT_USER_TIMEOUT, 5000);
	host_send(b, 100, 0);
	advance(b, 4 * SECOND);
	tcp_forget(&b->t, b->conn);
	turn(b);
	CU_ASSERT(near(lives(b), 5000));
	bench_free(b);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"data", test_data},
		{"shorter than a time-out", test_short},
		{"progress", test_progress},
		{"a stream", test_stream},
		{"a closed window", test_closed_window},
		{"changed while it runs", test_changed},
		{"R2", test_retries},
		{"connecting", test_connect},
		{"forgotten", test_forgotten},
		CU_TEST_INFO_NULL,
	};

	if (unit_eal() < 0)
		return 1;
	return unit_run("tcp user time-out", tests);
}
