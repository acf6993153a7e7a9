// Many connections: less soft state than connections, hosts that go, a clean stop.
#include <errno.h>

#include "tests/unit/tcp/tcp_bench.h"

static uint32_t open_from(struct bench *b, int64_t sport)
{
	b->peer_seq = 0;
	inject(b, .flags = TCP_SYN, .seq = 0, .mss = 1460, .sport = sport);
	expect(b, .flags = TCP_SYN | TCP_ACK, .ack = 1, .sport = sport);
	inject(b, .seq = 1, .ack = 1, .sport = sport);
	return b->conn;
}

// Idle connections give their soft state up to busy ones and are rebuilt when they are needed.
static void test_soft(void)
{
	struct bench *b = bench_new();
	uint32_t conns[40], iss[40];

	b->cfg.limits_soft = 16;
	CU_ASSERT_EQUAL(host_listen(b), 0);
	for (unsigned i = 0; i < 32; i++) {
		conns[i] = open_from(b, 5000 + i);
		iss[i] = b->iss;
		CU_ASSERT_EQUAL(tcp_state(&b->st.recs[conns[i]]), TCPS_ESTABLISHED);
	}
	CU_ASSERT_EQUAL(b->t.n_live, 32);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 32; i++) {
			b->conn = conns[i];
			b->iss = iss[i];
			inject(b, .seq = 1 + 100 * round, .ack = 1, .len = 100, .sport = 5000 + i);
			CU_ASSERT_EQUAL(host_received(b), 100 * (round + 1));
			b->rd = 100 * round;
			host_consume(b, 100 * (round + 1));
			advance(b, 100000); // acknowledged: idle again
			b->cap_head = b->cap_tail - 1;
			expect(b, .flags = TCP_ACK, .ack = 101 + 100 * round, .sport = 5000 + i);
		}
	}
	CU_ASSERT(b->cnt.tcp_soft_rebuilt >= 64);
	CU_ASSERT_EQUAL(b->cnt.soft_exhausted, 0);
	bench_free(b);
}

// When none is idle a segment is put off: the peer sends it again.
static void test_soft_exhausted(void)
{
	struct bench *b = bench_new();
	uint32_t first;

	b->cfg.limits_soft = 16;
	host_listen(b);
	first = open_from(b, 5000);
	for (unsigned i = 1; i < 17; i++) {
		open_from(b, 5000 + i);
		host_send(b, 1000, 0); // in flight: not idle
		flush(b);
	}
	b->conn = first;
	inject(b, .seq = 1, .len = 100, .sport = 5000);
	CU_ASSERT(b->cnt.soft_exhausted > 0);
	CU_ASSERT_EQUAL(host_received(b), 0);
	flush(b);
	inject(b, .seq = 1, .ack = 1001, .sport = 5016); // one is idle again
	b->conn = first;
	b->iss = b->st.recs[first].iss;
	inject(b, .seq = 1, .ack = 1, .len = 100, .sport = 5000);
	CU_ASSERT_EQUAL(host_received(b), 100);
	b->rd = 0;
	host_consume(b, 100);
	flush(b);
	bench_free(b);
}

static void host_goes(struct bench *b)
{
	uint32_t cursor = 0;

	for (unsigned i = 0; i < 1000 && !tcp_host_gone(&b->t, 0, &cursor, 8); i++)
		turn(b);
	turn(b);
}

// docs/hard-state.md, rule 12: what was shut down finishes, the rest is reset.
static void test_host_gone(void)
{
	struct bench *b = bench_new();
	uint32_t orphan, reset;

	host_listen(b);
	reset = open_from(b, 5000);
	host_send(b, 1000, 0);
	flush(b);
	inject(b, .flags = TCP_SYN, .seq = 0, .mss = 1460, .sport = 5001); // half-open
	flush(b);
	orphan = open_from(b, PEER_PORT);
	flush(b);
	host_send(b, 3000, 0);
	host_shutdown(b);
	CU_ASSERT_EQUAL(host_connect_from(b, 99), 0); // half-open, too
	flush(b);
	host_goes(b);
	expect(b, .flags = TCP_RST | TCP_ACK, .sport = 5000, .len = 0);
	expect_none(b);
	CU_ASSERT_EQUAL(rec_phase(&b->st.recs[reset]), REC_FREE);
	CU_ASSERT_EQUAL(b->t.n_half_used, 0);
	CU_ASSERT_EQUAL(b->t.n_orphans, 1);
	CU_ASSERT_EQUAL(tcp_state(&b->st.recs[orphan]), TCPS_FIN_WAIT_1);
	inject(b, .flags = TCP_SYN, .seq = 0, .mss = 1460, .sport = 5002); // nobody listens
	expect(b, .flags = TCP_RST | TCP_ACK, .sport = 5002);
	// What was written still goes out, also when it is lost.
	advance_until_sent(b, 5000000);
	expect(b, .seq = 1, .len = 1460);
	inject(b, .seq = 1, .ack = 3002);
	CU_ASSERT_EQUAL(tcp_state(&b->st.recs[orphan]), TCPS_FIN_WAIT_2);
	flush(b);
	inject(b, .flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 3002);
	expect(b, .flags = TCP_ACK, .seq = 3002, .ack = 2);
	CU_ASSERT_EQUAL(rec_phase(&b->st.recs[orphan]), REC_FREE);
	CU_ASSERT_EQUAL(tw_count(b->t.tw), 1);
	CU_ASSERT_EQUAL(tcp_host_conns(&b->t, 0), 0);
	bench_free(b);
}

// One that was shut down with data that nobody will read any more is no orphan: the peer must not
// take it for read (RFC 1122 section 4.2.2.13).
static void test_gone_unread(void)
{
	struct bench *b = bench_new();

	host_listen(b);
	open_from(b, PEER_PORT);
	inject(b, .seq = 1, .ack = 1, .len = 100);
	host_shutdown(b);
	flush(b);
	host_goes(b);
	expect(b, .flags = TCP_RST | TCP_ACK);
	expect_none(b);
	CU_ASSERT_EQUAL(b->t.n_orphans, 0);
	bench_free(b);
}

// An orphan whose peer is gone too ends in bounded time; one whose peer sends data is reset.
static void test_orphans_end(void)
{
	struct bench *b = bench_new();

	b->cfg.tcp_orphan_retries = 3;
	establish(b);
	host_send(b, 3000, 0);
	host_shutdown(b);
	flush(b);
	host_goes(b);
	CU_ASSERT_EQUAL(b->t.n_orphans, 1);
	advance(b, 20000000);
	CU_ASSERT_EQUAL(b->t.n_orphans, 0);
	CU_ASSERT_EQUAL(rec_phase(bench_rec(b)), REC_FREE);
	flush(b);
	bench_free(b);
	b = bench_new();
	establish(b);
	host_shutdown(b);
	flush(b);
	host_goes(b);
	CU_ASSERT_EQUAL(b->t.n_orphans, 1);
	inject(b, .seq = 1, .ack = 2, .len = 100);
	expect(b, .flags = TCP_RST | TCP_ACK, .seq = 2);
	CU_ASSERT_EQUAL(b->t.n_orphans, 0);
	bench_free(b);
}

static void test_reset_all(void)
{
	struct bench *b = bench_new();

	host_listen(b);
	for (unsigned i = 0; i < 20; i++)
		open_from(b, 5000 + i);
	b->room = 10;
	CU_ASSERT_FALSE(tcp_reset_all(&b->t));
	while (!tcp_reset_all(&b->t))
		turn(b);
	for (unsigned i = 0; i < 20; i++)
		expect(b, .flags = TCP_RST | TCP_ACK, .sport = 5000 + i);
	CU_ASSERT_EQUAL(bench_error(b), EPIPE);
	turn(b);
	bench_free(b);
}

// Who unlistens has no half-open connections: their place among the listeners may be another's soon.
static void test_unlisten(void)
{
	struct bench *b = bench_new();

	host_listen(b);
	inject(b, .flags = TCP_SYN, .seq = 0, .mss = 1460);
	expect(b, .flags = TCP_SYN | TCP_ACK);
	CU_ASSERT_EQUAL(b->t.n_half_used, 1);
	CU_ASSERT_EQUAL(tcp_unlisten(&b->t, b->listener), 0);
	CU_ASSERT_EQUAL(b->t.n_half_used, 0);
	CU_ASSERT_EQUAL(host_listen(b), 0); // another one in the same place
	inject(b, .seq = 1, .ack = 1);
	expect(b, .flags = TCP_RST);
	expect_none(b);
	CU_ASSERT_EQUAL(b->conn, TCP_NONE);
	bench_free(b);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"more connections than soft state", test_soft},
		{"soft state is exhausted", test_soft_exhausted},
		{"a host goes", test_host_gone},
		{"a host goes and has not read", test_gone_unread},
		{"orphans end", test_orphans_end},
		{"everything is reset", test_reset_all},
		{"half open, and nobody listens any more", test_unlisten},
		CU_TEST_INFO_NULL,
	};

	if (unit_eal() < 0)
		return 1;
	return unit_run("tcp many", tests);
}
