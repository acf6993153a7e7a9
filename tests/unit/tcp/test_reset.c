// Resets and SYNs on a connection, segments for no connection, and the limits of what answers them.
#include <errno.h>

#include "tests/unit/tcp/tcp_bench.h"

// RFC 5961 section 3.2. Our window is [1, 65536).
static void test_reset_window(void)
{
	static const struct {
		int64_t seq;
		enum { ENDS, CHALLENGE, DROPPED } what;
	} t[] = {
		{1, ENDS}, // "exactly matches the next expected sequence number"
		{2, CHALLENGE}, // "inside the current receive window"
		{65535, CHALLENGE},
		{65536, DROPPED}, // "outside": silently
		{70000, DROPPED},
		{0, DROPPED},
		{-1000, DROPPED},
		{2000000000, DROPPED},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		for (int with_ack = 0; with_ack < 2; with_ack++) {
			struct bench *b = bench_new();

			establish(b);
			inject(b, .flags = TCP_RST | (with_ack ? TCP_ACK : 0), .seq = t[i].seq);
			if (t[i].what == CHALLENGE)
				expect(b, .flags = TCP_ACK, .seq = 1, .ack = 1, .len = 0);
			expect_none(b);
			CU_ASSERT_EQUAL(bench_error(b), t[i].what == ENDS ? ECONNRESET : -1);
			CU_ASSERT_EQUAL(counter_delta(b, tcp_reset_rx), t[i].what == ENDS);
			CU_ASSERT_EQUAL(counter_delta(b, tcp_challenge_tx), t[i].what == CHALLENGE);
			CU_ASSERT_EQUAL(
				counter_delta(b, drop_tcp_rst_challenge), t[i].what == CHALLENGE);
			CU_ASSERT_EQUAL(
				counter_delta(b, drop_tcp_rst_window), t[i].what == DROPPED);
			bench_free(b);
		}
	}
}

// In every state a reset ends it.
static void test_reset_states(void)
{
	for (int state = 0; state < 6; state++) {
		struct bench *b = bench_new();

		establish(b);
		if (state == 1 || state == 2 || state == 4)
			host_shutdown(b); // FIN-WAIT-1, CLOSING
		if (state == 2)
			inject(b, .ack = 2); // FIN-WAIT-2
		if (state == 4)
			inject(b, .flags = TCP_FIN | TCP_ACK, .ack = 1);
		if (state == 3 || state == 5)
			inject(b, .flags = TCP_FIN | TCP_ACK); // CLOSE-WAIT
		if (state == 5)
			host_shutdown(b); // LAST-ACK
		flush(b);
		inject(b, .flags = TCP_RST);
		expect_none(b);
		CU_ASSERT_EQUAL(rec_phase(bench_rec(b)), REC_DONE);
		CU_ASSERT(bench_error(b) == ECONNRESET || (state >= 4 && bench_error(b) == 0));
		bench_free(b);
	}
}

// SYN-RECEIVED: a reset at its place ends a half-open connection (the listener goes on).
static void test_reset_half(void)
{
	struct bench *b = bench_new();

	host_listen(b);
	inject(b, .flags = TCP_SYN, .seq = 0, .mss = 1460);
	expect(b, .flags = TCP_SYN | TCP_ACK);
	inject(b, .flags = TCP_RST, .seq = 100000);
	inject(b, .flags = TCP_RST, .seq = 65536);
	inject(b, .flags = TCP_RST, .seq = 0);
	CU_ASSERT_EQUAL(b->t.n_half_used, 1);
	CU_ASSERT_EQUAL(counter_delta(b, drop_tcp_rst_window), 3);
	expect_none(b);
	inject(b, .flags = TCP_RST, .seq = 65535);
	expect(b, .flags = TCP_ACK, .seq = 1, .ack = 1);
	inject(b, .flags = TCP_RST, .seq = 1000);
	CU_ASSERT_EQUAL(b->t.n_half_used, 1);
	expect(b, .flags = TCP_ACK, .seq = 1, .ack = 1);
	inject(b, .flags = TCP_RST, .seq = 1);
	expect_none(b);
	CU_ASSERT_EQUAL(b->t.n_half_used, 0);
	CU_ASSERT_EQUAL(b->t.lsoft[b->listener].half_open, 0);
	inject(b, .flags = TCP_SYN, .seq = 0, .mss = 1460);
	expect(b, .flags = TCP_SYN | TCP_ACK);
	// A bad ACK is answered with a reset and changes nothing (RFC 9293 section 3.10.7.4).
	inject(b, .flags = TCP_ACK, .seq = 1, .ack = 5);
	expect(b, .flags = TCP_RST, .seq = 5);
	inject(b, .flags = TCP_ACK, .seq = 1, .ack = 1);
	expect_state(b, ESTABLISHED);
	bench_free(b);
}

// RFC 5961 section 4.2: a SYN, "irrespective of the sequence number", is answered with an ACK.
static void test_syn(void)
{
	static const int64_t seqs[] = {0, 1, 2, 1000, 70000, -1000, 2000000000};

	for (size_t i = 0; i < sizeof(seqs) / sizeof(seqs[0]); i++) {
		for (unsigned ack = 0; ack <= TCP_ACK; ack += TCP_ACK) {
			struct bench *b = bench_new();

			establish(b);
			inject(b, .flags = TCP_SYN | ack, .seq = seqs[i], .mss = 1460);
			expect(b, .flags = TCP_ACK, .seq = 1, .ack = 1, .len = 0);
			expect_none(b);
			expect_state(b, ESTABLISHED);
			bench_free(b);
		}
	}
}

// RFC 9293 section 3.10.7.1 and 3.5.2: to no connection. "An incoming segment containing a RST is
// discarded"; with ACK: <SEQ=SEG.ACK><CTL=RST>; without: <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>.
static void test_no_connection(void)
{
	struct bench *b = bench_new();

	b->iss = 1000000;
	inject(b, .flags = TCP_SYN, .seq = 0, .mss = 1460);
	expect(b, .flags = TCP_RST | TCP_ACK, .seq = -1000000, .ack = 1);
	inject(b, .flags = TCP_ACK, .seq = 5, .ack = 77);
	expect(b, .flags = TCP_RST, .seq = 77);
	inject(b, .flags = TCP_FIN, .seq = 5, .len = 10);
	expect(b, .flags = TCP_RST | TCP_ACK, .seq = -1000000, .ack = 16);
	inject(b, .flags = TCP_RST, .seq = 5);
	inject(b, .flags = TCP_RST | TCP_ACK, .seq = 5, .ack = 77);
	expect_none(b);
	CU_ASSERT_EQUAL(b->cnt.drop_tcp_no_conn, 3);
	CU_ASSERT_EQUAL(b->cnt.drop_tcp_rst_stray, 2);
	CU_ASSERT_EQUAL(b->cnt.tcp_reset_tx, 3);
	// LISTEN (section 3.10.7.2): RST ignored, ACK answered with RST, nothing else than SYN taken.
	host_listen(b);
	inject(b, .flags = TCP_RST, .seq = 5);
	expect_none(b);
	inject(b, .flags = TCP_ACK, .seq = 5, .ack = 78);
	expect(b, .flags = TCP_RST, .seq = 78);
	inject(b, .flags = TCP_SYN | TCP_ACK, .seq = 5, .ack = 79);
	expect(b, .flags = TCP_RST, .seq = 79);
	inject(b, .flags = TCP_FIN, .seq = 5);
	inject(b, .flags = TCP_SYN | TCP_FIN, .seq = 5);
	inject(b, .flags = 0, .seq = 5, .len = 10);
	expect_none(b);
	CU_ASSERT_EQUAL(b->t.n_half_used, 0);
	bench_free(b);
}

// RFC 5961 section 7: challenge ACKs are limited; so are resets.
static void test_limits(void)
{
	struct bench *b = bench_new();
	unsigned n;

	b->cfg.tcp_challenge_rate = 100;
	b->cfg.tcp_reset_rate = 100;
	establish(b);
	for (int i = 0; i < 1000; i++)
		inject(b, .flags = TCP_RST, .seq = 100);
	n = b->cap_tail - b->cap_head;
	CU_ASSERT(n > 0 && n <= 100);
	CU_ASSERT(counter_delta(b, drop_tcp_challenge_limit) >= 900);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_challenge_tx), n);
	flush(b);
	for (int i = 0; i < 1000; i++)
		inject(b, .sport = 999);
	n = b->cap_tail - b->cap_head;
	CU_ASSERT(n > 0 && n <= 100);
	flush(b);
	bench_free(b);
}

// A flood on one connection leaves another's keepalives their answers, and half-open ones theirs; there is
// no common budget from which one could be told by another (RFC 5961 section 7).
static void test_limits_apart(void)
{
	struct bench *b = bench_new();

	b->cfg.tcp_challenge_rate = 3;
	establish(b);
	flush(b);
	for (int i = 0; i < 1000; i++)
		inject(b, .flags = TCP_SYN, .seq = 100);
	CU_ASSERT_EQUAL(b->cap_tail - b->cap_head, 3);
	CU_ASSERT_EQUAL(counter_delta(b, drop_tcp_challenge_limit), 997);
	flush(b);
	inject(b, .flags = TCP_SYN, .seq = 0, .mss = 1460, .sport = 77);
	expect(b, .flags = TCP_SYN | TCP_ACK, .ack = 1, .sport = 77);
	inject(b, .seq = 500000, .ack = 1, .sport = 77);
	expect(b, .flags = TCP_ACK, .ack = 1, .sport = 77);
	inject(b, .seq = 1, .ack = 1, .sport = 77); // established
	flush(b);
	for (int i = 0; i < 5; i++) // what asks whether it is alive
		inject(b, .seq = 0, .ack = 1, .sport = 77);
	CU_ASSERT_EQUAL(b->cap_tail - b->cap_head, 3);
	flush(b);
	advance(b, 1000000);
	inject(b, .seq = 0, .ack = 1, .sport = 77);
	expect(b, .flags = TCP_ACK, .ack = 1, .sport = 77);
	bench_free(b);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"resets and the window (RFC 5961)", test_reset_window},
		{"resets in every state", test_reset_states},
		{"resets and bad ACKs, half-open", test_reset_half},
		{"a SYN on a connection", test_syn},
		{"no connection, and LISTEN", test_no_connection},
		{"limits", test_limits},
		{"limits are each connection's", test_limits_apart},
		CU_TEST_INFO_NULL,
	};

	if (unit_eal() < 0)
		return 1;
	return unit_run("tcp reset", tests);
}
