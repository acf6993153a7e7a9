// What segments say of windows, and which of them are heard.
#include "tests/unit/tcp/tcp_bench.h"

// An ACK that advances brings its window with it, though its SEQ is old: a retransmission tells of a
// window that ends where it did before. Otherwise what was acknowledged would count twice.
static void test_window_of_old_seq(void)
{
	struct bench *b = bench_new();

	b->cfg.tcp_init_cwnd = 10;
	establish(b, .mss = 1000, .wnd = 2000);
	CU_ASSERT_EQUAL(host_send(b, 6000, 0), 0);
	expect(b, .seq = 1, .len = 1000);
	expect(b, .seq = 1001, .len = 1000);
	expect_none(b);
	// Its sequence number is ahead: the peer has sent more, which was lost.
	inject(b, .seq = 201, .ack = 1, .wnd = 2000);
	inject(b, .seq = 1, .len = 100, .ack = 1001, .wnd = 1000);
	advance(b, 100000);
	expect(b, .len = 0, .ack = 101);
	expect_none(b); // the window still ends at 2001
	inject(b, .seq = 101, .len = 100, .ack = 2001, .wnd = 1000);
	expect(b, .seq = 2001, .len = 1000);
	expect_none(b);
	bench_free(b);
}

// Both windows were closed, and both probes were taken: each end's bare ACKs have the SEQ of its probe,
// one below what the other has. They are answered, and their news counts.
static void test_ack_of_taken_probe(void)
{
	struct bench *b = bench_new();

	establish(b, .mss = 1000, .wnd = 0);
	CU_ASSERT_EQUAL(host_send(b, 100, 0), 0);
	expect_none(b);
	advance(b, 300000);
	expect(b, .seq = 1, .len = 1);
	inject(b, .seq = 1, .len = 1, .ack = 1, .wnd = 0); // its probe
	advance(b, 100000);
	expect(b, .ack = 2, .len = 0);
	inject(b, .seq = 1, .ack = 2, .wnd = 1000);
	expect(b, .seq = 2, .len = 99);
	CU_ASSERT_EQUAL(HARD_GET(bench_rec(b)->snd_una), 1);
	expect_none(b);
	bench_free(b);
}

// The window of the handshake is not scaled: what was sent into it may lie beyond what the first scaled
// one says, by less than its unit. The SEQ of bare ACKs is behind it all the same, where the peer is.
static void test_rounded_window(void)
{
	struct bench *b = bench_new();

	b->cfg.tcp_delack_us = 0;
	bench_connect(b, &(const struct pkt){PKT_ANY, .mss = 1070, .wscale = 10, .wnd = 2355});
	CU_ASSERT_EQUAL(host_send(b, 2140, 0), 0);
	expect(b, .seq = 1, .len = 1070);
	expect(b, .seq = 1071, .len = 1070);
	inject(b, .seq = 1, .len = 100, .ack = 1, .wnd = 2);
	expect(b, .seq = 2141, .ack = 101, .len = 0);
	// The other way round: its bare ACK has a SEQ from before what it sent.
	inject(b, .seq = 9, .ack = 2141, .wnd = 2);
	CU_ASSERT_EQUAL(HARD_GET(bench_rec(b)->snd_una), 2140);
	bench_free(b);
}

// Text that comes with a SYN-ACK is taken, and its window is not scaled (RFC 7323 section 2.2).
static void test_text_with_syn_ack(void)
{
	struct bench *b = bench_new();

	CU_ASSERT_EQUAL(host_connect(b), 0);
	expect(b, .flags = TCP_SYN);
	inject(b, .flags = TCP_SYN | TCP_ACK, .seq = 0, .ack = 1, .mss = 1000, .wscale = 7,
		.wnd = 2000, .len = 100);
	expect(b, .flags = TCP_ACK, .seq = 1);
	expect_state(b, ESTABLISHED);
	CU_ASSERT_EQUAL(HARD_GET(bench_rec(b)->rcv_nxt), 100);
	CU_ASSERT_EQUAL(host_send(b, 4000, 0), 0);
	expect(b, .seq = 1, .ack = 101, .len = 1000);
	expect(b, .seq = 1001, .len = 1000);
	expect_none(b);
	bench_free(b);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"the window of an old SEQ that acknowledges", test_window_of_old_seq},
		{"the ACK of a probe that was taken", test_ack_of_taken_probe},
		{"a window that was rounded", test_rounded_window},
		{"text with a SYN-ACK", test_text_with_syn_ack},
		CU_TEST_INFO_NULL,
	};

	if (unit_eal() < 0)
		return 1;
	return unit_run("tcp window", tests);
}
