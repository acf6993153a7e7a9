// Closing: each order of FINs, what is left unread.
#include <errno.h>

#include "tests/unit/tcp/tcp_bench.h"

static uint32_t tw_entries(const struct bench *b)
{
	return tw_count(b->t.tw);
}

// RFC 9293 figure 12: we close first.
static void test_active_close(void)
{
	struct bench *b = bench_new();

	establish(b);
	CU_ASSERT_EQUAL(host_close(b), 0);
	expect(b, .flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 1);
	expect_state(b, FIN_WAIT_1);
	inject(b, .ack = 2);
	expect_state(b, FIN_WAIT_2);
	expect_none(b);
	inject(b, .flags = TCP_FIN | TCP_ACK);
	expect(b, .flags = TCP_ACK, .seq = 2, .ack = 2);
	CU_ASSERT_EQUAL(bench_error(b), 0);
	CU_ASSERT(host_notes(b) & TCP_EV_CLOSED);
	CU_ASSERT_EQUAL(tw_entries(b), 1);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_tw_entered), 1);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_closed), 1);
	CU_ASSERT_EQUAL(tcp_release(&b->t, b->conn), 0);
	CU_ASSERT_EQUAL(b->n_freed, 1);
	CU_ASSERT_EQUAL(rec_phase(bench_rec(b)), REC_FREE);
	advance(b, 61000000);
	expect_none(b);
	CU_ASSERT_EQUAL(tw_entries(b), 0);
	bench_free(b);
}

// The peer closes first: CLOSE-WAIT, LAST-ACK, no TIME-WAIT.
static void test_passive_close(void)
{
	struct bench *b = bench_new();

	establish(b);
	inject(b, .flags = TCP_FIN | TCP_ACK);
	expect(b, .flags = TCP_ACK, .seq = 1, .ack = 2);
	expect_state(b, CLOSE_WAIT);
	CU_ASSERT(host_notes(b) & TCP_EV_DATA);
	CU_ASSERT_EQUAL(host_close(b), 0);
	expect(b, .flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 2);
	expect_state(b, LAST_ACK);
	inject(b, .ack = 2);
	expect_none(b);
	CU_ASSERT_EQUAL(bench_error(b), 0);
	CU_ASSERT_EQUAL(tw_entries(b), 0);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_closed), 1);
	CU_ASSERT_EQUAL(tcp_release(&b->t, b->conn), 0);
	bench_free(b);
}

// Figure 13: both at once, CLOSING.
static void test_simultaneous(void)
{
	struct bench *b = bench_new();

	establish(b);
	host_close(b);
	expect(b, .flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 1);
	inject(b, .flags = TCP_FIN | TCP_ACK, .ack = 1);
	expect(b, .flags = TCP_ACK, .seq = 2, .ack = 2);
	expect_state(b, CLOSING);
	inject(b, .ack = 2);
	expect_none(b);
	CU_ASSERT_EQUAL(bench_error(b), 0);
	CU_ASSERT_EQUAL(tw_entries(b), 1);
	bench_free(b);
}

// FIN and the ACK of ours in one segment: TIME-WAIT from FIN-WAIT-1.
static void test_fin_ack(void)
{
	struct bench *b = bench_new();

	establish(b);
	host_close(b);
	expect(b, .flags = TCP_FIN | TCP_ACK);
	inject(b, .flags = TCP_FIN | TCP_ACK, .ack = 2);
	expect(b, .flags = TCP_ACK, .seq = 2, .ack = 2);
	CU_ASSERT_EQUAL(bench_error(b), 0);
	CU_ASSERT_EQUAL(tw_entries(b), 1);
	bench_free(b);
}

// RFC 9293 section 3.6: "a user who has closed may continue to RECEIVE".
static void test_half_close_ours(void)
{
	struct bench *b = bench_new();

	establish(b);
	host_send(b, 100, 0);
	CU_ASSERT_EQUAL(host_shutdown(b), 0);
	expect(b, .seq = 1, .len = 100);
	expect(b, .flags = TCP_FIN | TCP_ACK, .seq = 101, .len = 0);
	inject(b, .ack = 102);
	expect_state(b, FIN_WAIT_2);
	for (int i = 0; i < 50; i++) {
		inject(b, .len = 1460);
		host_consume(b, host_received(b));
	}
	CU_ASSERT_EQUAL(host_received(b), 50 * 1460);
	flush(b);
	advance(b, 600000000); // it may take any time: nobody has closed
	expect_state(b, FIN_WAIT_2);
	flush(b);
	inject(b, .flags = TCP_FIN | TCP_ACK, .len = 10);
	expect(b, .flags = TCP_ACK, .seq = 102, .ack = 50 * 1460 + 12);
	CU_ASSERT_EQUAL(tw_entries(b), 1);
	CU_ASSERT_EQUAL(bench_error(b), 0);
	// What came last can still be read.
	CU_ASSERT_EQUAL(host_received(b), 50 * 1460 + 10);
	CU_ASSERT_EQUAL(host_consume(b, 50 * 1460 + 10), 0);
	bench_free(b);
}

static void test_half_close_theirs(void)
{
	struct bench *b = bench_new();

	establish(b, .mss = 1000);
	inject(b, .flags = TCP_FIN | TCP_ACK, .len = 100);
	expect(b, .ack = 102);
	host_consume(b, 100);
	for (int i = 0; i < 20; i++) {
		host_send(b, 3000, 0);
		while (b->cap_head != b->cap_tail)
			expect(b, .flags = TCP_ACK, .ack = 102);
		inject(b, .ack = b->peer_ack);
	}
	expect_state(b, CLOSE_WAIT);
	CU_ASSERT_EQUAL(HARD_GET(bench_rec(b)->snd_una), 60000);
	host_shutdown(b);
	expect(b, .flags = TCP_FIN | TCP_ACK, .seq = 60001, .len = 0);
	expect_state(b, LAST_ACK);
	inject(b, .ack = 60002);
	CU_ASSERT_EQUAL(bench_error(b), 0);
	CU_ASSERT_EQUAL(tw_entries(b), 0);
	bench_free(b);
}

// The FIN follows all data, however long that takes.
static void test_fin_behind_data(void)
{
	struct bench *b = bench_new();

	establish(b, .mss = 1000, .wnd = 2000);
	host_send(b, 5000, 0);
	host_close(b);
	expect(b, .seq = 1, .len = 1000);
	expect(b, .seq = 1001, .len = 1000);
	expect_none(b);
	inject(b, .ack = 2001);
	expect(b, .flags = TCP_ACK, .seq = 2001, .len = 1000);
	expect(b, .flags = TCP_ACK, .seq = 3001, .len = 1000);
	inject(b, .ack = 4001);
	expect(b, .flags = TCP_FIN | TCP_ACK, .seq = 4001, .len = 1000);
	inject(b, .ack = 5001);
	expect_state(b, FIN_WAIT_1);
	advance_until_sent(b, 2000000);
	expect(b, .flags = TCP_FIN | TCP_ACK, .seq = 5001, .len = 0);
	inject(b, .ack = 5002);
	expect_state(b, FIN_WAIT_2);
	bench_free(b);
}

// A closed connection does not wait for the peer's FIN for ever.
static void test_fin_wait_2(void)
{
	struct bench *b = bench_new();

	b->cfg.tcp_fin_wait2_ms = 5000;
	establish(b);
	host_close(b);
	expect(b, .flags = TCP_FIN | TCP_ACK);
	inject(b, .ack = 2);
	expect_state(b, FIN_WAIT_2);
	advance(b, 4900000);
	expect_state(b, FIN_WAIT_2);
	advance(b, 200000);
	CU_ASSERT_EQUAL(rec_phase(bench_rec(b)), REC_DONE);
	flush(b);
	// The peer's FIN meets nothing or TIME-WAIT, and no listener takes it for something else.
	inject(b, .flags = TCP_FIN | TCP_ACK);
	CU_ASSERT_EQUAL(b->t.n_half_used, 0);
	flush(b);
	bench_free(b);
	// Shut down first, closed later: the time counts from there.
	b = bench_new();
	b->cfg.tcp_fin_wait2_ms = 5000;
	establish(b);
	host_shutdown(b);
	expect(b, .flags = TCP_FIN | TCP_ACK);
	inject(b, .ack = 2);
	advance(b, 20000000);
	expect_state(b, FIN_WAIT_2);
	host_close(b);
	advance(b, 4900000);
	expect_state(b, FIN_WAIT_2);
	advance(b, 200000);
	CU_ASSERT_EQUAL(rec_phase(bench_rec(b)), REC_DONE);
	flush(b);
	bench_free(b);
}

// RFC 1122 section 4.2.2.13 (RFC 9293 section 3.6.1): data not read, or coming later: a reset.
static void test_unread(void)
{
	struct bench *b = bench_new();

	establish(b);
	inject(b, .len = 100);
	CU_ASSERT_EQUAL(host_close(b), 0);
	expect(b, .flags = TCP_RST | TCP_ACK, .seq = 1);
	expect_none(b);
	CU_ASSERT_EQUAL(rec_phase(bench_rec(b)), REC_DONE);
	CU_ASSERT_EQUAL(tw_entries(b), 0);
	bench_free(b);
	b = bench_new();
	establish(b);
	host_close(b);
	expect(b, .flags = TCP_FIN | TCP_ACK);
	inject(b, .ack = 2);
	inject(b, .len = 100);
	expect(b, .flags = TCP_RST | TCP_ACK, .seq = 2);
	CU_ASSERT_EQUAL(counter_delta(b, drop_tcp_after_close), 1);
	CU_ASSERT_EQUAL(rec_phase(bench_rec(b)), REC_DONE);
	bench_free(b);
	// All read: an orderly end.
	b = bench_new();
	establish(b);
	inject(b, .len = 100);
	host_consume(b, 100);
	host_close(b);
	expect(b, .flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 101);
	bench_free(b);
}

static void test_abort(void)
{
	struct bench *b = bench_new();

	establish(b, .mss = 1000);
	host_send(b, 5000, 0);
	flush(b);
	CU_ASSERT_EQUAL(tcp_abort(&b->t, b->conn), 0);
	turn(b);
	expect(b, .flags = TCP_RST | TCP_ACK, .seq = 5001);
	expect_none(b);
	CU_ASSERT_EQUAL(bench_error(b), ECONNABORTED);
	CU_ASSERT_EQUAL(tcp_abort(&b->t, b->conn), -EALREADY);
	CU_ASSERT_EQUAL(host_send(b, 10, 0), -EPIPE);
	inject(b, .ack = 1001); // nobody knows it any more
	expect(b, .flags = TCP_RST, .seq = 1001);
	bench_free(b);
	// Of a connect: it is forgotten.
	b = bench_new();
	host_connect(b);
	expect(b, .flags = TCP_SYN);
	CU_ASSERT_EQUAL(tcp_abort(&b->t, b->half), 0);
	CU_ASSERT_EQUAL(b->connect_error, -ECONNABORTED);
	advance(b, 10000000);
	expect_none(b);
	bench_free(b);
}

// A record is not released before it is over.
static void test_release(void)
{
	struct bench *b = bench_new();

	establish(b);
	CU_ASSERT_EQUAL(tcp_release(&b->t, b->conn), -EBUSY);
	inject(b, .flags = TCP_RST, .seq = 1);
	CU_ASSERT_EQUAL(bench_error(b), ECONNRESET);
	CU_ASSERT_EQUAL(b->n_freed, 0);
	CU_ASSERT_EQUAL(tcp_release(&b->t, b->conn), 0);
	CU_ASSERT_EQUAL(tcp_release(&b->t, b->conn), -EALREADY);
	CU_ASSERT_EQUAL(b->n_freed, 1);
	bench_free(b);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"we close first", test_active_close},
		{"the peer closes first", test_passive_close},
		{"both at once", test_simultaneous},
		{"FIN and ACK in one", test_fin_ack},
		{"half-close: ours", test_half_close_ours},
		{"half-close: theirs", test_half_close_theirs},
		{"the FIN is behind all data", test_fin_behind_data},
		{"FIN-WAIT-2 ends", test_fin_wait_2},
		{"a close with data unread", test_unread},
		{"abort", test_abort},
		{"release", test_release},
		CU_TEST_INFO_NULL,
	};

	if (unit_eal() < 0)
		return 1;
	return unit_run("tcp close", tests);
}
