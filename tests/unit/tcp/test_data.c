// Data in: acknowledging, order, the window that we offer.
#include <errno.h>

#include "tests/unit/tcp/tcp_bench.h"

static void test_both_ways(void)
{
	struct bench *b = bench_new();

	establish(b);
	CU_ASSERT_EQUAL(host_send(b, 500, 0), 0);
	expect(b, .flags = TCP_ACK, .seq = 1, .ack = 1, .len = 500);
	inject(b, .seq = 1, .ack = 501, .len = 300);
	CU_ASSERT(host_notes(b) & TCP_EV_DATA);
	CU_ASSERT_EQUAL(host_received(b), 300);
	CU_ASSERT_EQUAL(HARD_GET(bench_rec(b)->snd_una), 500);
	CU_ASSERT_EQUAL(host_consume(b, 300), 0);
	CU_ASSERT_EQUAL(host_send(b, 10, 0), 0); // takes the ACK along
	expect(b, .flags = TCP_ACK, .seq = 501, .ack = 301, .len = 10);
	inject(b, .ack = 511);
	advance(b, 1000000);
	expect_none(b);
	bench_free(b);
}

// Hosts hear of both; what was acknowledged comes back.
static void test_notices(void)
{
	struct bench *b = bench_new();

	establish(b);
	inject(b, .len = 10);
	CU_ASSERT_EQUAL(host_notes(b), TCP_EV_DATA);
	host_send(b, 10, 0);
	flush(b);
	CU_ASSERT_EQUAL(host_notes(b), 0);
	CU_ASSERT_EQUAL(b->st.n_free_pieces, b->st.hdr->n_pieces - 2);
	inject(b, .ack = 11);
	CU_ASSERT_EQUAL(host_notes(b), TCP_EV_SENT);
	CU_ASSERT_EQUAL(b->st.n_free_pieces, b->st.hdr->n_pieces - 1);
	host_consume(b, 10);
	CU_ASSERT_EQUAL(b->st.n_free_pieces, b->st.hdr->n_pieces);
	CU_ASSERT_EQUAL(b->mem.n_free, b->mem.n_bufs); // an idle connection holds no buffer
	bench_free(b);
}

// RFC 9293 section 3.8.6.3: an ACK is delayed less than 0.5 s, and "SHOULD be generated for at least
// every second full-sized segment".
static void test_delayed_ack(void)
{
	struct bench *b = bench_new();
	uint64_t us;

	establish(b);
	inject(b, .len = 1460);
	host_consume(b, 1460);
	expect_none(b);
	us = advance_until_sent(b, 1000000);
	CU_ASSERT(us >= 40000 && us < 41000);
	expect(b, .flags = TCP_ACK, .seq = 1, .ack = 1461, .len = 0);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_ack_delayed), 1);
	inject(b, .len = 1460);
	expect_none(b);
	inject(b, .len = 1460);
	expect(b, .flags = TCP_ACK, .ack = 1 + 3 * 1460);
	host_consume(b, 3 * 1460);
	advance(b, 1000000);
	expect_none(b); // once
	// Two in one burst: one ACK for both.
	b->hold = true;
	inject(b, .len = 1460);
	inject(b, .len = 1460);
	b->hold = false;
	turn(b);
	expect(b, .flags = TCP_ACK, .ack = 1 + 5 * 1460);
	expect_none(b);
	bench_free(b);
}

static void test_quickack(void)
{
	struct bench *b = bench_new();

	establish(b);
	CU_ASSERT_EQUAL(tcp_setopt(&b->t, b->conn, OB_OPT_QUICKACK, 1), 0);
	turn(b);
	inject(b, .len = 10);
	expect(b, .flags = TCP_ACK, .ack = 11);
	bench_free(b);
}

// RFC 5681 section 4.2: a segment out of order, and one that fills a gap, is acknowledged at once.
// RFC 2018 section 4: the ACK reports it.
static void test_out_of_order(void)
{
	struct bench *b = bench_new();

	establish(b, .sack_ok = 1);
	inject(b, .seq = 101, .len = 100);
	expect(b, .flags = TCP_ACK, .ack = 1, .n_sack = 1, .sack_l0 = 101, .sack_r0 = 201);
	inject(b, .seq = 301, .len = 100);
	expect(b, .ack = 1, .n_sack = 2, .sack_l0 = 301, .sack_r0 = 401, .sack_l1 = 101,
		.sack_r1 = 201);
	CU_ASSERT_EQUAL(host_received(b), 0);
	CU_ASSERT_EQUAL(host_notes(b) & TCP_EV_DATA, 0);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_ooo_segs), 2);
	inject(b, .seq = 1, .len = 100);
	expect(b, .ack = 201, .n_sack = 1, .sack_l0 = 301, .sack_r0 = 401);
	CU_ASSERT_EQUAL(host_received(b), 200);
	inject(b, .seq = 201, .len = 100);
	expect(b, .ack = 401, .n_sack = 0);
	CU_ASSERT_EQUAL(host_received(b), 400);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rx_bytes), 400);
	host_consume(b, 400);
	expect_none(b);
	CU_ASSERT_EQUAL(b->t.n_ooo_free, b->cfg.limits_ooo);
	bench_free(b);
}

// Without SACK no blocks are sent; the data is kept all the same.
static void test_no_sack(void)
{
	struct bench *b = bench_new();

	establish(b);
	inject(b, .seq = 101, .len = 100);
	expect(b, .ack = 1, .n_sack = 0);
	inject(b, .seq = 1, .len = 100);
	expect(b, .ack = 201);
	host_consume(b, 200);
	bench_free(b);
}

// Segments that overlap on either side are trimmed; what is old is acknowledged at once.
static void test_overlap(void)
{
	struct bench *b = bench_new();

	establish(b);
	inject(b, .seq = 1, .len = 200);
	inject(b, .seq = 101, .len = 200); // half of it is old
	CU_ASSERT_EQUAL(host_received(b), 300);
	advance(b, 100000);
	flush(b);
	inject(b, .seq = 1, .len = 300);
	expect(b, .flags = TCP_ACK, .seq = 1, .ack = 301, .len = 0);
	inject(b, .seq = 201, .len = 50);
	expect(b, .ack = 301);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_dup_segs), 2);
	inject(b, .seq = 401, .len = 100);
	inject(b, .seq = 451, .len = 150);
	inject(b, .seq = 251, .len = 200); // old, new and out of order
	CU_ASSERT_EQUAL(host_received(b), 600);
	flush(b);
	host_consume(b, 600);
	bench_free(b);
}

// A FIN that comes early waits for what is before it.
static void test_fin_out_of_order(void)
{
	struct bench *b = bench_new();

	establish(b);
	inject(b, .flags = TCP_ACK | TCP_FIN, .seq = 101, .len = 100);
	expect(b, .ack = 1);
	expect_state(b, ESTABLISHED);
	inject(b, .seq = 1, .len = 100);
	expect(b, .ack = 202);
	expect_state(b, CLOSE_WAIT);
	CU_ASSERT_EQUAL(host_received(b), 200);
	host_consume(b, 200);
	bench_free(b);
	// The FIN alone.
	b = bench_new();
	establish(b);
	inject(b, .flags = TCP_ACK | TCP_FIN, .seq = 101);
	expect(b, .ack = 1);
	inject(b, .seq = 1, .len = 100);
	expect(b, .ack = 102);
	expect_state(b, CLOSE_WAIT);
	host_consume(b, 100);
	CU_ASSERT_EQUAL(b->t.n_ooo_free, b->cfg.limits_ooo);
	bench_free(b);
}

// More gaps than are kept: the peer sends it again, nothing is lost.
static void test_many_gaps(void)
{
	struct bench *b = bench_new();

	establish(b);
	for (int64_t i = 0; i <= OOO_RANGES; i++)
		inject(b, .seq = 11 + 20 * i, .len = 10);
	CU_ASSERT_EQUAL(counter_delta(b, drop_tcp_ooo_full), 1);
	for (int64_t i = 0; i <= OOO_RANGES; i++)
		inject(b, .seq = 1 + 20 * i, .len = 10);
	CU_ASSERT_EQUAL(host_received(b), 20 * OOO_RANGES + 10);
	inject(b, .seq = 11 + 20 * OOO_RANGES, .len = 10);
	CU_ASSERT_EQUAL(host_received(b), 20 * OOO_RANGES + 20);
	flush(b);
	host_consume(b, host_received(b));
	bench_free(b);
}

// The window shrinks as data comes and is never taken back; data beyond it is not taken
// (RFC 9293 section 3.8.6).
static void test_window(void)
{
	struct bench *b = bench_new();

	b->cfg.tcp_rcv_wnd = 4096;
	b->cfg.tcp_mss = 1000;
	establish(b, .mss = 1000);
	inject(b, .len = 1000);
	inject(b, .len = 1000);
	expect(b, .ack = 2001, .wnd = 2096);
	inject(b, .len = 1000);
	inject(b, .len = 1000);
	expect(b, .ack = 4001, .wnd = 96);
	inject(b, .len = 1000); // 96 of it fit
	expect(b, .ack = 4097, .wnd = 0);
	CU_ASSERT_EQUAL(host_received(b), 4096);
	// With a zero window only empty segments at rcv_nxt are acceptable; a probe is answered.
	inject(b, .seq = 4097, .len = 1);
	expect(b, .flags = TCP_ACK, .seq = 1, .ack = 4097, .wnd = 0);
	CU_ASSERT_EQUAL(host_received(b), 4096);
	// ACKs are taken all the same ("MUST ... accept valid ACKs", RFC 9293 MUST-66).
	host_send(b, 10, 0);
	expect(b, .len = 10);
	inject(b, .seq = 4097, .ack = 11);
	CU_ASSERT_EQUAL(HARD_GET(bench_rec(b)->snd_una), 10);
	host_consume(b, 4096);
	expect(b, .flags = TCP_ACK, .ack = 4097, .wnd = 4096); // reopened without being asked
	expect_none(b);
	bench_free(b);
}

// A FIN behind data that the window cuts is not taken with what is left: the rest would be lost.
static void test_window_fin(void)
{
	struct bench *b = bench_new();

	b->cfg.tcp_rcv_wnd = 4096;
	b->cfg.tcp_mss = 1000;
	establish(b, .mss = 1000);
	for (unsigned i = 0; i < 4; i++)
		inject(b, .len = 1000);
	flush(b);
	inject(b, .seq = 4001, .len = 1000, .flags = TCP_FIN | TCP_ACK);
	expect(b, .ack = 4097, .wnd = 0);
	expect_state(b, ESTABLISHED);
	CU_ASSERT_EQUAL(host_received(b), 4096);
	// Behind a gap, the same.
	host_consume(b, 4096);
	expect(b, .ack = 4097, .wnd = 4096);
	inject(b, .seq = 5001, .len = 3500, .flags = TCP_FIN | TCP_ACK);
	inject(b, .seq = 4097, .len = 904);
	CU_ASSERT_EQUAL(host_received(b), 8192);
	expect_state(b, ESTABLISHED);
	host_consume(b, 8192);
	flush(b);
	inject(b, .seq = 8193, .len = 308, .flags = TCP_FIN | TCP_ACK);
	expect(b, .ack = 8502);
	expect_state(b, CLOSE_WAIT);
	host_consume(b, 8500);
	flush(b);
	bench_free(b);
}

// RFC 9293 section 3.8.6.2.2: the window does not grow by less than min(RCV.BUFF / 2, MSS).
static void test_silly_window(void)
{
	struct bench *b = bench_new();
	int64_t edge;

	b->cfg.tcp_rcv_wnd = 8192;
	b->cfg.tcp_mss = 1000;
	establish(b, .mss = 1000);
	for (int i = 0; i < 8; i++)
		inject(b, .len = 1000);
	inject(b, .seq = 8001, .len = 192);
	advance(b, 100000);
	flush(b);
	b->peer_seq = 8193;
	edge = 8193;
	for (uint64_t at = 100; at <= 900; at += 100)
		host_consume(b, at);
	expect_none(b);
	inject(b, .seq = 8193, .len = 1); // a probe
	expect(b, .ack = edge, .wnd = 0);
	host_consume(b, 1000);
	expect(b, .ack = edge, .wnd = 1000);
	expect_none(b);
	bench_free(b);
}

// A host's reading is told when it is worth it, not with every byte.
static void test_window_update(void)
{
	struct bench *b = bench_new();
	unsigned n = 0;

	b->cfg.tcp_rcv_wnd = 60000;
	establish(b);
	for (int i = 0; i < 40; i++) {
		inject(b, .len = 1460);
		flush(b);
	}
	advance(b, 100000);
	flush(b);
	for (uint64_t at = 1460; at <= 40 * 1460; at += 1460) {
		host_consume(b, at);
		n += b->cap_tail - b->cap_head;
		flush(b);
	}
	CU_ASSERT(n >= 2 && n <= 8);
	bench_free(b);
}

// The host has no buffers: what cannot be placed is not acknowledged, zero is advertised, and
// reopened when there are some (docs/hard-state.md, rule 5).
static void test_no_buffers(void)
{
	struct bench *b = bench_new();
	uint32_t taken;

	establish(b);
	inject(b, .len = 1460);
	inject(b, .len = 1460);
	flush(b);
	taken = b->mem.n_free;
	b->mem.n_free = 0;
	for (int i = 0; i < 4; i++)
		inject(b, .flags = TCP_ACK | TCP_FIN, .seq = 2921 + 1460 * i, .len = 1460);
	expect_state(b, ESTABLISHED); // a FIN behind data that was not taken is not taken
	b->peer_seq = (int64_t)host_received(b) + 1;
	CU_ASSERT(counter_delta(b, drop_tcp_no_buffer) > 0);
	CU_ASSERT(host_received(b) < 2920 + 4 * 1460);
	b->cap_head = b->cap_tail - 1;
	expect(b, .flags = TCP_ACK, .ack = (int64_t)host_received(b) + 1, .wnd = 0);
	host_consume(b, host_received(b));
	flush(b);
	b->mem.n_free += taken;
	advance(b, 1000000);
	b->cap_head = b->cap_tail - 1;
	CU_ASSERT(b->caps[b->cap_head % BENCH_SEGS].s.wnd > 0);
	expect(b, .flags = TCP_ACK, .ack = (int64_t)host_received(b) + 1);
	inject(b, .seq = (int64_t)host_received(b) + 1, .len = 1460);
	host_consume(b, host_received(b));
	flush(b);
	bench_free(b);
}

// The host cannot consume what is not there, nor twice.
static void test_consumed(void)
{
	struct bench *b = bench_new();

	establish(b);
	inject(b, .len = 100);
	CU_ASSERT_EQUAL(tcp_consumed(&b->t, b->conn, 101), -EINVAL);
	CU_ASSERT_EQUAL(tcp_consumed(&b->t, b->conn, UINT64_MAX), -EINVAL);
	CU_ASSERT_EQUAL(host_consume(b, 100), 0);
	CU_ASSERT_EQUAL(tcp_consumed(&b->t, b->conn, 100), -EALREADY);
	CU_ASSERT_EQUAL(tcp_consumed(&b->t, b->conn, 50), -EALREADY);
	bench_free(b);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"both ways", test_both_ways},
		{"notices, and memory comes back", test_notices},
		{"delayed ACKs", test_delayed_ack},
		{"ACKs at once on request", test_quickack},
		{"out of order, with SACK", test_out_of_order},
		{"out of order, without", test_no_sack},
		{"overlapping segments", test_overlap},
		{"a FIN out of order", test_fin_out_of_order},
		{"more gaps than are kept", test_many_gaps},
		{"the window closes and opens", test_window},
		{"a FIN beyond the window", test_window_fin},
		{"silly windows are not offered", test_silly_window},
		{"window updates are worth it", test_window_update},
		{"no buffers", test_no_buffers},
		{"what the host may say it consumed", test_consumed},
		CU_TEST_INFO_NULL,
	};

	if (unit_eal() < 0)
		return 1;
	return unit_run("tcp data", tests);
}
