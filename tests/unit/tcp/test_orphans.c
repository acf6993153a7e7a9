// Connections whose host is gone (docs/hard-state.md, rule 12): which of them may finish, and when
// those that may are given up.
#include "tests/unit/tcp/tcp_bench.h"

#define SPORT 5000

// Opens a connection, writes 3000 bytes and shuts it down.
static uint32_t open_shut(struct bench *b, int64_t sport)
{
	b->peer_seq = 0;
	inject(b, .flags = TCP_SYN, .seq = 0, .mss = 1460, .sport = sport);
	expect(b, .flags = TCP_SYN | TCP_ACK, .ack = 1, .sport = sport);
	inject(b, .seq = 1, .ack = 1, .sport = sport);
	CU_ASSERT_EQUAL(host_send(b, 3000, 0), 0);
	CU_ASSERT_EQUAL(host_shutdown(b), 0);
	flush(b);
	return b->conn;
}

static void host_goes(struct bench *b)
{
	uint32_t cursor = 0;
	bool done;

	do {
		done = tcp_host_gone(&b->t, 0, &cursor, 8);
		turn(b);
	} while (!done);
}

// A host that gives the slot of a closed connection up before TCP is over is told no more of it, also when
// its soft state is made anew; the connection ends in order, and its slot is not freed twice.
static void test_released(void)
{
	struct bench *b = bench_new();

	establish(b, .mss = 1000);
	CU_ASSERT_EQUAL(tcp_release(&b->t, b->conn), -EBUSY);
	CU_ASSERT_EQUAL(host_close(b), 0);
	expect(b, .flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 1);
	inject(b, .seq = 1, .ack = 2);
	b->notes = 0;
	CU_ASSERT_EQUAL(tcp_release(&b->t, b->conn), 0);
	CU_ASSERT_EQUAL(b->n_freed, 1);
	CU_ASSERT_EQUAL(tcp_release(&b->t, b->conn), -EALREADY);
	tcp_forget(&b->t, b->conn);
	flush(b);
	CU_ASSERT_EQUAL(rec_phase(bench_rec(b)), REC_LIVE);
	inject(b, .flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 2);
	flush(b);
	CU_ASSERT_EQUAL(rec_phase(bench_rec(b)), REC_FREE);
	CU_ASSERT_EQUAL(b->cnt.tcp_tw_entered, 1);
	CU_ASSERT_EQUAL(b->n_freed, 1);
	CU_ASSERT_EQUAL(b->notes, 0);
	CU_ASSERT_EQUAL(b->t.host_conns[0], 0);
	CU_ASSERT_EQUAL(b->t.n_orphans, 0);
	bench_free(b);
}

// Beyond limits.orphans, one that could finish is reset at once like any other.
static void test_limit(void)
{
	struct bench *b = bench_new();
	uint32_t conns[5];

	b->cfg.limits_orphans = 2;
	CU_ASSERT_EQUAL(host_listen(b), 0);
	for (unsigned i = 0; i < 5; i++)
		conns[i] = open_shut(b, SPORT + i);
	host_goes(b);
	for (unsigned i = 2; i < 5; i++)
		expect(b, .flags = TCP_RST | TCP_ACK, .len = 0, .sport = SPORT + i);
	expect_none(b);
	CU_ASSERT_EQUAL(b->t.n_orphans, 2);
	for (unsigned i = 0; i < 5; i++)
		CU_ASSERT_EQUAL(rec_phase(&b->st.recs[conns[i]]), i < 2 ? REC_LIVE : REC_FREE);
	bench_free(b);
	// None at all.
	b = bench_new();
	b->cfg.limits_orphans = 0;
	host_listen(b);
	open_shut(b, SPORT);
	host_goes(b);
	expect(b, .flags = TCP_RST | TCP_ACK, .len = 0, .sport = SPORT);
	expect_none(b);
	CU_ASSERT_EQUAL(b->t.n_orphans, 0);
	bench_free(b);
}

// A peer that answers zero-window probes is alive, and a host would wait for it without end. An orphan
// does not: answers that acknowledge nothing leave it its tcp.orphan_retries time-outs.
static void test_zero_window(void)
{
	struct bench *b = bench_new();
	unsigned probes = 0;
	bool over = false;

	b->cfg.tcp_orphan_retries = 3;
	establish(b, .mss = 1000, .wnd = 1000);
	host_send(b, 3000, 0);
	host_shutdown(b);
	flush(b);
	inject(b, .seq = 1, .ack = 1001, .wnd = 0);
	host_goes(b);
	expect_none(b);
	CU_ASSERT_EQUAL(b->t.n_orphans, 1);
	while (!over && probes < 20) {
		CU_ASSERT_FATAL(advance_until_sent(b, 120000000) < 120000000);
		over = b->caps[b->cap_head % BENCH_SEGS].s.flags & TCP_RST;
		flush(b);
		if (over)
			break;
		probes++;
		inject(b, .seq = 1, .ack = 1001, .wnd = 0);
	}
	CU_ASSERT(over);
	CU_ASSERT_EQUAL(probes, 3);
	CU_ASSERT_EQUAL(b->cnt.tcp_timeout, 1);
	CU_ASSERT_EQUAL(b->t.n_orphans, 0);
	CU_ASSERT_EQUAL(rec_phase(bench_rec(b)), REC_FREE);
	bench_free(b);
}

// The same peer takes a little now and then: each time the orphan has all its time-outs again, and
// ends as it should.
static void test_slow_reader(void)
{
	struct bench *b = bench_new();
	int64_t got = 1001;

	b->cfg.tcp_orphan_retries = 3;
	establish(b, .mss = 1000, .wnd = 1000);
	host_send(b, 3000, 0);
	host_shutdown(b);
	flush(b);
	inject(b, .seq = 1, .ack = got, .wnd = 0);
	host_goes(b);
	for (unsigned i = 0; i < 10; i++) {
		for (unsigned k = 0; k < 2; k++) {
			advance_until_sent(b, 120000000);
			expect(b, .flags = TCP_ACK, .seq = got);
			inject(b, .seq = 1, .ack = got, .wnd = 0);
		}
		advance_until_sent(b, 120000000);
		expect(b, .flags = TCP_ACK, .seq = got, .len = 1);
		inject(b, .seq = 1, .ack = ++got, .wnd = 0);
	}
	CU_ASSERT_EQUAL(b->t.n_orphans, 1);
	inject(b, .seq = 1, .ack = got, .wnd = 60000);
	flush(b);
	inject(b, .flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 3002);
	expect(b, .flags = TCP_ACK, .seq = 3002, .ack = 2);
	CU_ASSERT_EQUAL(b->t.n_orphans, 0);
	CU_ASSERT_EQUAL(b->cnt.tcp_timeout, 0);
	bench_free(b);
}

// A host that gave up memory which it had handed over: the pages read as zeros from then on, and no
// byte of them goes to a peer. Its connections are reset, finished or not.
static void test_broken(void)
{
	struct bench *b = bench_new();

	establish(b, .mss = 1000, .wnd = 1000);
	host_send(b, 3000, 0);
	host_shutdown(b);
	expect(b, .flags = ANY, .seq = 1, .len = 1000);
	expect_none(b);
	atomic_store(&b->mem.broken, 1);
	host_goes(b);
	expect(b, .flags = TCP_RST | TCP_ACK, .len = 0);
	CU_ASSERT_EQUAL(b->t.n_orphans, 0);
	CU_ASSERT_EQUAL(rec_phase(bench_rec(b)), REC_FREE);
	advance(b, 5000000);
	expect_none(b);
	bench_free(b);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"a slot given up early", test_released},
		{"no more than limits.orphans", test_limit},
		{"a window that stays closed", test_zero_window},
		{"a peer that reads slowly", test_slow_reader},
		{"a broken host leaves none", test_broken},
		CU_TEST_INFO_NULL,
	};

	if (unit_eal() < 0)
		return 1;
	return unit_run("tcp orphans", tests);
}
