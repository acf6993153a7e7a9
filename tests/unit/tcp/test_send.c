// Data out: segments, the peer's window, Nagle, silly windows, probes.
#include <errno.h>

#include "tests/unit/tcp/tcp_bench.h"

static void test_segments(void)
{
	struct bench *b = bench_new();

	establish(b, .mss = 1000);
	CU_ASSERT_EQUAL(host_send(b, 3500, 0), 0);
	for (int i = 0; i < 3; i++)
		expect(b, .flags = TCP_ACK, .seq = 1 + 1000 * i, .ack = 1, .len = 1000);
	expect_none(b); // Nagle holds the rest
	inject(b, .ack = 3001);
	expect(b, .seq = 3001, .len = 500);
	CU_ASSERT(b->caps[(b->cap_head - 1) % BENCH_SEGS].s.flags & TCP_PSH);
	inject(b, .ack = 3501);
	advance(b, 5000000);
	expect_none(b);
	bench_free(b);
}

// Requests that repeat, overlap, or leave a gap (docs/hard-state.md, rule 8).
static void test_requests(void)
{
	struct bench *b = bench_new();
	uint64_t at;

	establish(b, .mss = 1000);
	at = b->own_off;
	CU_ASSERT_EQUAL(host_send(b, 1000, 0), 0);
	expect(b, .seq = 1, .len = 1000);
	CU_ASSERT_EQUAL(tcp_send(&b->t, b->conn, 0, at, 1000, 0), -EALREADY);
	CU_ASSERT_EQUAL(tcp_send(&b->t, b->conn, 500, at + 500, 500, 0), -EALREADY);
	CU_ASSERT_EQUAL(tcp_send(&b->t, b->conn, 1001, at + 1001, 10, 0), -EINVAL);
	turn(b);
	expect_none(b);
	CU_ASSERT_EQUAL(tcp_send(&b->t, b->conn, 500, at + 500, 1500, 0), 0); // half is new
	turn(b);
	expect(b, .seq = 1001, .len = 1000);
	expect_none(b);
	b->wr = 2000;
	CU_ASSERT_EQUAL(host_shutdown(b), 0);
	expect(b, .flags = TCP_ACK | TCP_FIN, .seq = 2001, .len = 0);
	CU_ASSERT_EQUAL(tcp_shutdown(&b->t, b->conn, 2000), -EALREADY);
	CU_ASSERT_EQUAL(tcp_send(&b->t, b->conn, 1000, at + 1000, 1000, 0), -EALREADY);
	CU_ASSERT_EQUAL(tcp_send(&b->t, b->conn, 2000, at + 2000, 10, 0), -EPIPE);
	bench_free(b);
	b = bench_new();
	establish(b);
	CU_ASSERT_EQUAL(tcp_shutdown(&b->t, b->conn, 5), -EINVAL);
	bench_free(b);
}

// A segment is gathered from many small writes, each its own span.
static void test_gather(void)
{
	struct bench *b = bench_new();

	b->cfg.limits_pieces = 64;
	establish(b, .mss = 1000);
	host_send(b, 1000, 0);
	expect(b, .seq = 1, .len = 1000);
	// The pattern repeats every 64 KB: the same bytes from two places in turn.
	for (unsigned i = 0; i < 40; i++, b->wr += 10)
		CU_ASSERT_EQUAL(
			tcp_send(&b->t, b->conn, b->wr, b->own_off + b->wr + (i % 2 << 16), 10, 0),
			0);
	host_shutdown(b);
	for (int i = 0; i < 100 && b->peer_ack < 1401; i++) {
		inject(b, .ack = b->peer_ack);
		while (b->cap_head != b->cap_tail && b->peer_ack < 1361)
			expect(b, .flags = TCP_ACK); // no FIN before all of it
		while (b->cap_head != b->cap_tail)
			expect(b, .ack = 1);
	}
	inject(b, .ack = 1402);
	expect_state(b, FIN_WAIT_2);
	flush(b);
	bench_free(b);
}

// Sends 10 bytes from a place that is not beside the last one's, so that they take a piece.
static int send_apart(struct bench *b)
{
	uint8_t *own = b->t.mem[0].base + b->own_off;
	uint32_t at = 32768 + 2 * (uint32_t)b->wr;
	int rc;

	memcpy(own + at, own + b->wr, 10);
	rc = tcp_send(&b->t, b->conn, b->wr, b->own_off + at, 10, OB_RQ_PUSH);
	if (rc == 0)
		b->wr += 10;
	return rc;
}

// Without a free piece the request is put off and nothing is changed.
static void test_no_pieces(void)
{
	struct bench *b = bench_new();
	int rc = 0;

	b->cfg.limits_pieces = 64;
	establish(b, .wnd = 0);
	// A segment takes few pieces: Nagle would hold those behind the first one.
	CU_ASSERT_EQUAL(tcp_setopt(&b->t, b->conn, OB_OPT_NODELAY, 1), 0);
	for (int i = 0; i < 64; i++)
		CU_ASSERT_EQUAL(send_apart(b), 0);
	rc = send_apart(b);
	CU_ASSERT_EQUAL(rc, -EAGAIN);
	CU_ASSERT_EQUAL(STATE_OFF(HARD_GET(bench_rec(b)->snd_wr)), 640);
	flush(b);
	inject(b, .wnd = 65535);
	flush(b);
	advance(b, 1000000);
	flush(b);
	inject(b, .ack = 641);
	CU_ASSERT_EQUAL(send_apart(b), 0);
	flush(b);
	bench_free(b);
}

// RFC 6928: ten segments; RFC 5681 and 3465: slow start from there.
static void test_initial_window(void)
{
	struct bench *b = bench_new();
	unsigned n;

	establish(b, .mss = 1000);
	host_send(b, 60000, 0);
	for (int i = 0; i < 10; i++)
		expect(b, .seq = 1 + 1000 * i, .len = 1000);
	expect_none(b);
	inject(b, .ack = 2001); // 2000 bytes, one ACK: room for four
	for (int i = 10; i < 14; i++)
		expect(b, .seq = 1 + 1000 * i, .len = 1000);
	expect_none(b);
	inject(b, .ack = 14001);
	n = b->cap_tail - b->cap_head;
	CU_ASSERT_EQUAL(n, 24);
	flush(b);
	bench_free(b);
}

// Nothing leaves beyond the peer's window.
static void test_peer_window(void)
{
	struct bench *b = bench_new();

	establish(b, .mss = 1000, .wnd = 3000);
	host_send(b, 10000, 0);
	for (int i = 0; i < 3; i++)
		expect(b, .seq = 1 + 1000 * i, .len = 1000);
	expect_none(b);
	inject(b, .ack = 1001, .wnd = 2000); // the edge stays
	expect_none(b);
	inject(b, .ack = 1001, .wnd = 4000);
	expect(b, .seq = 3001, .len = 1000);
	expect(b, .seq = 4001, .len = 1000);
	expect_none(b);
	// An old segment does not move the window (SND.WL1, SND.WL2).
	inject(b, .ack = 5001, .wnd = 1000);
	expect(b, .seq = 5001, .len = 1000);
	inject(b, .ack = 1001, .wnd = 65535);
	expect_none(b);
	bench_free(b);
	b = bench_new();
	establish(b, .mss = 1000);
	inject(b, .seq = 1, .len = 100, .wnd = 5000);
	inject(b, .seq = 101, .len = 100, .wnd = 3000);
	inject(b, .seq = 51, .len = 200, .wnd = 60000);
	advance(b, 100000);
	flush(b);
	b->peer_wnd = 3000;
	host_send(b, 10000, 0);
	for (int i = 0; i < 3; i++)
		expect(b, .seq = 1 + 1000 * i, .len = 1000);
	expect_none(b);
	host_consume(b, 250);
	bench_free(b);
}

// RFC 9293 section 3.7.4: with data in flight a small segment waits for the ACK.
static void test_nagle(void)
{
	struct bench *b = bench_new();

	establish(b, .mss = 1000);
	host_send(b, 10, 0);
	expect(b, .seq = 1, .len = 10);
	host_send(b, 10, 0);
	host_send(b, 10, 0);
	expect_none(b);
	inject(b, .ack = 11);
	expect(b, .seq = 11, .len = 20);
	host_send(b, 1010, 0); // a full one goes
	expect(b, .seq = 31, .len = 1000);
	expect_none(b);
	inject(b, .ack = 1031);
	expect(b, .seq = 1031, .len = 10);
	inject(b, .ack = 1041);
	// "MUST be a way for an application to disable" it (MUST-17).
	CU_ASSERT_EQUAL(tcp_setopt(&b->t, b->conn, OB_OPT_NODELAY, 1), 0);
	for (int i = 0; i < 3; i++) {
		host_send(b, 10, 0);
		expect(b, .seq = 1041 + 10 * i, .len = 10);
	}
	bench_free(b);
}

// MORE holds a small segment even with nothing in flight, for a bounded time.
static void test_more(void)
{
	struct bench *b = bench_new();

	establish(b, .mss = 1000);
	host_send(b, 400, OB_RQ_MORE);
	expect_none(b);
	host_send(b, 400, OB_RQ_MORE);
	expect_none(b);
	host_send(b, 400, 0);
	expect(b, .seq = 1, .len = 1000);
	expect_none(b);
	inject(b, .ack = 1001);
	expect(b, .seq = 1001, .len = 200);
	inject(b, .ack = 1201);
	host_send(b, 100, OB_RQ_MORE);
	expect_none(b);
	CU_ASSERT(advance_until_sent(b, 2000000) < 1000000);
	expect(b, .seq = 1201, .len = 100);
	bench_free(b);
}

// RFC 9293 section 3.8.6.2.1: a sliver of window is not filled, until the override time-out, unless
// it is half of the largest window seen.
static void test_silly_window(void)
{
	struct bench *b = bench_new();
	uint64_t us;

	establish(b, .mss = 1000, .wnd = 4000);
	host_send(b, 10000, 0);
	for (int i = 0; i < 4; i++)
		expect(b, .len = 1000);
	inject(b, .ack = 4001, .wnd = 300);
	expect_none(b);
	us = advance_until_sent(b, 5000000);
	CU_ASSERT(us >= 100000 && us <= 1000000); // "0.1 - 1.0 seconds"
	expect(b, .seq = 4001, .len = 300);
	bench_free(b);
	b = bench_new();
	establish(b, .mss = 1000, .wnd = 600);
	host_send(b, 10000, 0);
	expect(b, .seq = 1, .len = 600);
	inject(b, .ack = 601, .wnd = 300); // half of the largest
	expect(b, .seq = 601, .len = 300);
	bench_free(b);
}

// RFC 9293 section 3.8.6.1: probes "when the zero window has existed for the retransmission timeout
// period" and then at increasing intervals; "as long as the receiving TCP continues to send
// acknowledgments ... the sending TCP MUST allow the connection to stay open" (MUST-37).
static void test_zero_window(void)
{
	struct bench *b = bench_new();
	uint64_t us, last = 0;

	b->cfg.tcp_data_retries = 3;
	establish(b, .mss = 1000);
	host_send(b, 1000, 0);
	expect(b, .seq = 1, .len = 1000);
	inject(b, .ack = 1001, .wnd = 0);
	host_send(b, 5000, 0);
	expect_none(b);
	for (int i = 0; i < 20; i++) {
		us = advance_until_sent(b, 120000000);
		expect(b, .flags = TCP_ACK, .seq = 1001, .len = 1);
		expect_none(b);
		CU_ASSERT(us >= 200000 && us <= 61000000);
		CU_ASSERT(last == 0 || last > 30000000 || us + us / 10 >= 2 * last);
		last = us;
		b->peer_ack = 1001; // the probe does not fit
		inject(b, .ack = 1001, .wnd = 0);
		expect_none(b);
	}
	expect_state(b, ESTABLISHED);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_probe_tx), 20);
	// An ACK that lies behind the window, where the probe was, would be ignored.
	inject(b, .ack = 1001, .len = 1460);
	inject(b, .ack = 1001, .len = 1460);
	expect(b, .flags = TCP_ACK, .seq = 1001, .len = 0);
	host_consume(b, 2920);
	// It opens: everything goes, from the byte that was probed.
	inject(b, .ack = 1001, .wnd = 65535);
	for (int i = 0; i < 5; i++)
		expect(b, .seq = 1001 + 1000 * i, .len = 1000);
	inject(b, .ack = 6001);
	advance(b, 5000000);
	expect_none(b);
	bench_free(b);
}

// The probe's byte was taken: what follows begins behind it.
static void test_probe_taken(void)
{
	struct bench *b = bench_new();

	establish(b, .mss = 1000, .wnd = 0);
	host_send(b, 3000, 0);
	expect_none(b);
	advance_until_sent(b, 5000000);
	expect(b, .seq = 1, .len = 1);
	inject(b, .ack = 2, .wnd = 0);
	expect_none(b);
	advance_until_sent(b, 5000000);
	expect(b, .seq = 2, .len = 1);
	inject(b, .ack = 3, .wnd = 65535);
	expect(b, .seq = 3, .len = 1000);
	expect(b, .seq = 1003, .len = 1000);
	inject(b, .ack = 2003);
	expect(b, .seq = 2003, .len = 998);
	bench_free(b);
}

// A peer that does not answer probes at all is given up.
static void test_probe_unanswered(void)
{
	struct bench *b = bench_new();

	b->cfg.tcp_data_retries = 4;
	establish(b, .mss = 1000, .wnd = 0);
	host_send(b, 3000, 0);
	advance(b, 200000000);
	CU_ASSERT_EQUAL(bench_error(b), ETIMEDOUT);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_probe_tx), 4);
	flush(b);
	bench_free(b);
}

// "A TCP sender MUST be robust against window shrinking" (MUST-34): what is beyond is not sent
// for the first time; what was sent is sent again when its time comes.
static void test_shrink(void)
{
	struct bench *b = bench_new();

	establish(b, .mss = 1000, .wnd = 4000);
	host_send(b, 8000, 0);
	for (int i = 0; i < 4; i++)
		expect(b, .len = 1000);
	inject(b, .ack = 1001, .wnd = 1000); // shrunk by 2000
	expect_none(b);
	inject(b, .ack = 4001, .wnd = 1000);
	expect(b, .seq = 4001, .len = 1000);
	expect_none(b);
	expect_state(b, ESTABLISHED);
	bench_free(b);
}

// The sink is full: it goes on in a later turn, and nothing is lost or repeated.
static void test_no_room(void)
{
	struct bench *b = bench_new();

	establish(b, .mss = 1000);
	b->room = 0;
	host_send(b, 5000, 0);
	expect_none(b);
	CU_ASSERT_EQUAL(HARD_GET(bench_rec(b)->snd_max), 0);
	b->room = 1000;
	turn(b);
	for (int i = 0; i < 5; i++)
		expect(b, .seq = 1 + 1000 * i, .len = 1000);
	inject(b, .ack = 5001);
	b->emit_error = -ENOBUFS;
	host_send(b, 2000, 0);
	turn(b);
	expect(b, .seq = 5001, .len = 1000);
	expect(b, .seq = 6001, .len = 1000);
	expect_none(b);
	CU_ASSERT_EQUAL(HARD_GET(bench_rec(b)->snd_max), 7000);
	bench_free(b);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"segments", test_segments},
		{"requests are idempotent", test_requests},
		{"a segment is gathered from many spans", test_gather},
		{"out of pieces", test_no_pieces},
		{"the initial window and slow start", test_initial_window},
		{"the peer's window", test_peer_window},
		{"Nagle", test_nagle},
		{"MORE", test_more},
		{"silly windows are not filled", test_silly_window},
		{"a zero window is probed", test_zero_window},
		{"a probe's byte is taken", test_probe_taken},
		{"probes without an answer", test_probe_unanswered},
		{"the window shrinks", test_shrink},
		{"the sink is full", test_no_room},
		CU_TEST_INFO_NULL,
	};

	if (unit_eal() < 0)
		return 1;
	return unit_run("tcp send", tests);
}
