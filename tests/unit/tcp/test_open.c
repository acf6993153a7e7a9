// Opening: passive, active, simultaneous; what is negotiated; what goes wrong.
#include <errno.h>

#include "tests/unit/tcp/tcp_bench.h"

// RFC 9293 figure 6.
static void test_passive(void)
{
	struct bench *b = bench_new();

	CU_ASSERT_EQUAL(host_listen(b), 0);
	inject(b, .flags = TCP_SYN, .seq = 0, .mss = 1460);
	expect(b, .flags = TCP_SYN | TCP_ACK, .seq = 0, .ack = 1, .len = 0, .mss = 1460,
		.wnd = 65535);
	expect_none(b);
	CU_ASSERT_EQUAL(b->t.n_live, 0); // half-open is no record
	inject(b, .seq = 1, .ack = 1);
	expect_none(b);
	expect_state(b, ESTABLISHED);
	CU_ASSERT(host_notes(b) & TCP_EV_ACCEPT);
	CU_ASSERT_EQUAL(b->cnt.tcp_established, 1);
	CU_ASSERT_EQUAL(b->cnt.tcp_passive_open, 1);
	bench_free(b);
}

static void test_active(void)
{
	struct bench *b = bench_new();

	CU_ASSERT_EQUAL(host_connect(b), 0);
	expect(b, .flags = TCP_SYN, .seq = 0, .len = 0, .mss = 1460, .wscale = 7, .sack_ok = 1,
		.ts_ecr = 0);
	expect_none(b);
	inject(b, .flags = TCP_SYN | TCP_ACK, .seq = 0, .ack = 1, .mss = 1460);
	expect(b, .flags = TCP_ACK, .seq = 1, .ack = 1, .len = 0, .ts_val = -1);
	expect_none(b);
	expect_state(b, ESTABLISHED);
	CU_ASSERT(host_notes(b) & TCP_EV_CONNECT);
	CU_ASSERT_EQUAL(b->cnt.tcp_active_open, 1);
	CU_ASSERT_EQUAL(b->cnt.tcp_established, 1);
	bench_free(b);
}

// The third segment may carry data, and a FIN.
static void test_data_in_third(void)
{
	struct bench *b = bench_new();

	host_listen(b);
	inject(b, .flags = TCP_SYN, .mss = 1460);
	expect(b, .flags = TCP_SYN | TCP_ACK);
	inject(b, .flags = TCP_ACK | TCP_FIN, .len = 100);
	expect(b, .flags = TCP_ACK, .seq = 1, .ack = 102);
	expect_state(b, CLOSE_WAIT);
	CU_ASSERT_EQUAL(host_received(b), 100);
	host_consume(b, 100);
	bench_free(b);
}

// Figure 7.
static void test_simultaneous(void)
{
	struct bench *b = bench_new();

	CU_ASSERT_EQUAL(host_connect(b), 0);
	expect(b, .flags = TCP_SYN, .seq = 0);
	inject(b, .flags = TCP_SYN, .seq = 0, .mss = 1000);
	expect(b, .flags = TCP_SYN | TCP_ACK, .seq = 0, .ack = 1, .mss = 1460);
	CU_ASSERT_EQUAL(b->cnt.tcp_simultaneous, 1);
	inject(b, .flags = TCP_SYN | TCP_ACK, .seq = 0, .ack = 1, .mss = 1000);
	expect_state(b, ESTABLISHED);
	CU_ASSERT(host_notes(b) & TCP_EV_CONNECT);
	flush(b);
	CU_ASSERT_EQUAL(host_send(b, 1000, 0), 0);
	expect(b, .seq = 1, .ack = 1, .len = 1000);
	bench_free(b);
}

// RFC 9293 MUST-15: 536 without the option. RFC 7323: scaling and timestamps only where both
// offer; RFC 2018: SACK likewise.
static void test_options(void)
{
	static const struct {
		int64_t mss, wscale, sack_ok, ts;
		uint32_t first; // length of the first segment
	} t[] = {
		{ANY, ANY, 0, ANY, 536},
		{1000, ANY, 0, ANY, 1000},
		{9000, ANY, 0, ANY, 1460}, // ours is the bound
		{1460, 3, 0, ANY, 1460},
		{1460, ANY, 1, ANY, 1460},
		{1460, ANY, 0, 5, 1448}, // RFC 6691: options come out of the segment
		{1460, 14, 1, 5, 1448},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct bench *b = bench_new();

		host_listen(b);
		inject(b, .flags = TCP_SYN, .mss = t[i].mss, .wscale = t[i].wscale,
			.sack_ok = t[i].sack_ok, .ts_val = t[i].ts, .ts_ecr = 0);
		expect(b, .flags = TCP_SYN | TCP_ACK, .mss = 1460,
			.wscale = t[i].wscale == ANY ? -1 : 7, .sack_ok = t[i].sack_ok,
			.ts_ecr = t[i].ts == ANY ? -1 : t[i].ts);
		b->peer_ts = t[i].ts != ANY;
		inject(b, .ts_val = t[i].ts == ANY ? -1 : 6);
		expect_state(b, ESTABLISHED);
		host_send(b, 3000, 0);
		expect(b, .flags = TCP_ACK, .seq = 1, .len = t[i].first,
			.ts_ecr = t[i].ts == ANY ? -1 : 6);
		flush(b);
		bench_free(b);
	}
}

// What we do not want to offer is not answered.
static void test_options_off(void)
{
	struct bench *b = bench_new();

	b->cfg.tcp_timestamps = b->cfg.tcp_sack = false;
	b->cfg.tcp_wscale = 0;
	CU_ASSERT_EQUAL(host_connect(b), 0);
	expect(b, .flags = TCP_SYN, .sack_ok = 0, .ts_val = -1);
	bench_free(b);
	b = bench_new();
	b->cfg.tcp_timestamps = b->cfg.tcp_sack = false;
	host_listen(b);
	inject(b, .flags = TCP_SYN, .mss = 1460, .wscale = 2, .sack_ok = 1, .ts_val = 9);
	expect(b, .flags = TCP_SYN | TCP_ACK, .wscale = 7, .sack_ok = 0, .ts_val = -1);
	bench_free(b);
}

// RFC 7323 section 2.2: the window in a SYN "MUST NOT be scaled", in every other segment it is.
static void test_scaling(void)
{
	struct bench *b = bench_new();

	b->cfg.tcp_wscale = 4;
	b->cfg.tcp_rcv_wnd = 200000;
	host_listen(b);
	inject(b, .flags = TCP_SYN, .mss = 1000, .wscale = 3, .wnd = 10000);
	expect(b, .flags = TCP_SYN | TCP_ACK, .wscale = 4, .wnd = 65535);
	inject(b, .wnd = 250); // 2000 bytes
	host_send(b, 10000, 0);
	expect(b, .seq = 1, .len = 1000, .wnd = 12500);
	expect(b, .seq = 1001, .len = 1000);
	expect_none(b);
	bench_free(b);
	b = bench_new();
	establish_active(b, .mss = 1000, .wscale = 3, .wnd = 2000); // of a SYN-ACK
	host_send(b, 10000, 0);
	expect(b, .seq = 1, .len = 1000);
	expect(b, .seq = 1001, .len = 1000);
	expect_none(b);
	bench_free(b);
}

// RFC 6298: 1 s, doubled; then it is given up.
static void test_syn_lost(void)
{
	struct bench *b = bench_new();
	uint64_t us;

	b->cfg.tcp_syn_retries = 3;
	b->cfg.tcp_max_rto_us = 5000000;
	host_connect(b);
	expect(b, .flags = TCP_SYN);
	for (uint64_t s = 1; s <= 4; s *= 2) {
		us = advance_until_sent(b, 60000000);
		CU_ASSERT(us >= s * 1000000 && us < s * 1000000 + 1000);
		expect(b, .flags = TCP_SYN, .seq = 0);
	}
	CU_ASSERT_EQUAL(b->connect_error, 0);
	advance(b, 4900000); // not doubled past the maximum
	CU_ASSERT_EQUAL(b->connect_error, 0);
	advance(b, 200000);
	expect_none(b);
	CU_ASSERT_EQUAL(b->connect_error, -ETIMEDOUT);
	CU_ASSERT_EQUAL(b->cnt.tcp_connect_timeout, 1);
	bench_free(b);
}

static void test_synack_lost(void)
{
	struct bench *b = bench_new();

	b->cfg.tcp_synack_retries = 2;
	host_listen(b);
	inject(b, .flags = TCP_SYN, .seq = 0, .mss = 1460);
	expect(b, .flags = TCP_SYN | TCP_ACK, .seq = 0);
	inject(b, .flags = TCP_SYN, .seq = 0, .mss = 1460); // again
	expect(b, .flags = TCP_SYN | TCP_ACK, .seq = 0, .ack = 1);
	CU_ASSERT_EQUAL(b->cnt.tcp_syn_dup, 1);
	CU_ASSERT_EQUAL(b->t.n_half_used, 1);
	advance_until_sent(b, 2000000);
	expect(b, .flags = TCP_SYN | TCP_ACK, .seq = 0);
	advance_until_sent(b, 3000000);
	expect(b, .flags = TCP_SYN | TCP_ACK, .seq = 0);
	advance(b, 10000000);
	expect_none(b);
	CU_ASSERT_EQUAL(b->t.n_half_used, 0);
	CU_ASSERT_EQUAL(b->t.lsoft[b->listener].half_open, 0);
	bench_free(b);
}

// RFC 5681 section 3.1: when a SYN or SYN-ACK was lost the initial window is one segment.
static void test_lost_syn_window(void)
{
	struct bench *b = bench_new();

	host_connect(b);
	expect(b, .flags = TCP_SYN);
	advance_until_sent(b, 2000000);
	expect(b, .flags = TCP_SYN);
	inject(b, .flags = TCP_SYN | TCP_ACK, .mss = 1000);
	expect(b, .flags = TCP_ACK);
	host_send(b, 5000, 0);
	expect(b, .seq = 1, .len = 1000);
	expect_none(b);
	bench_free(b);
}

// RFC 9293 section 3.10.7.3.
static void test_refused(void)
{
	struct bench *b = bench_new();

	host_connect(b);
	expect(b, .flags = TCP_SYN);
	inject(b, .flags = TCP_RST, .seq = 0); // without ACK: dropped
	expect_none(b);
	CU_ASSERT_EQUAL(b->connect_error, 0);
	inject(b, .flags = TCP_RST | TCP_ACK, .seq = 0, .ack = 2); // not acceptable: dropped
	inject(b, .flags = TCP_RST | TCP_ACK, .seq = 0, .ack = 0);
	expect_none(b);
	CU_ASSERT_EQUAL(b->connect_error, 0);
	// "If SEG.ACK =< ISS or SEG.ACK > SND.NXT, send a reset <SEQ=SEG.ACK><CTL=RST>"
	inject(b, .flags = TCP_SYN | TCP_ACK, .seq = 0, .ack = 7, .mss = 1460);
	expect(b, .flags = TCP_RST, .seq = 7);
	inject(b, .flags = TCP_ACK, .seq = 1, .ack = 0);
	expect(b, .flags = TCP_RST, .seq = 0);
	CU_ASSERT_EQUAL(b->connect_error, 0);
	inject(b, .flags = TCP_RST | TCP_ACK, .seq = 0, .ack = 1);
	expect_none(b);
	CU_ASSERT_EQUAL(b->connect_error, -ECONNREFUSED);
	CU_ASSERT_EQUAL(b->cnt.tcp_connect_refused, 1);
	bench_free(b);
}

static void test_backlog(void)
{
	struct bench *b = bench_new();

	host_listen(b); // of 4
	for (int64_t i = 0; i < 4; i++) {
		inject(b, .flags = TCP_SYN, .seq = 0, .mss = 1460, .sport = 50000 + i);
		expect(b, .flags = TCP_SYN | TCP_ACK, .sport = 50000 + i);
	}
	inject(b, .flags = TCP_SYN, .seq = 0, .mss = 1460, .sport = 50004);
	expect_none(b);
	CU_ASSERT_EQUAL(b->cnt.drop_syn_backlog, 1);
	// One is done: there is room.
	inject(b, .flags = TCP_ACK, .seq = 1, .ack = 1, .sport = 50003);
	expect_none(b);
	expect_state(b, ESTABLISHED);
	inject(b, .flags = TCP_SYN, .seq = 0, .mss = 1460, .sport = 50004);
	expect(b, .flags = TCP_SYN | TCP_ACK, .sport = 50004);
	bench_free(b);
}

// Without a free slot the handshake is not finished; when there is one, the peer's next does it.
static void test_no_slot(void)
{
	struct bench *b = bench_new();

	host_listen(b);
	for (unsigned i = 0; i < BENCH_SLOTS / 2; i++)
		b->slots[i].gen = 1;
	inject(b, .flags = TCP_SYN, .mss = 1460);
	expect(b, .flags = TCP_SYN | TCP_ACK);
	inject(b, .seq = 1);
	CU_ASSERT_EQUAL(b->cnt.drop_syn_no_slot, 1);
	CU_ASSERT_EQUAL(b->t.n_live, 0);
	b->slots[3].gen = 2;
	advance_until_sent(b, 2000000);
	expect(b, .flags = TCP_SYN | TCP_ACK, .seq = 0, .ack = 1);
	inject(b, .seq = 1);
	expect_state(b, ESTABLISHED);
	bench_free(b);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"passive open", test_passive},
		{"active open", test_active},
		{"data and FIN in the third segment", test_data_in_third},
		{"simultaneous open", test_simultaneous},
		{"options are negotiated", test_options},
		{"options that we do not offer", test_options_off},
		{"windows are scaled but for the SYN's", test_scaling},
		{"a SYN is lost", test_syn_lost},
		{"a SYN-ACK is lost", test_synack_lost},
		{"one segment after a lost SYN (RFC 5681)", test_lost_syn_window},
		{"SYN-SENT: resets and bad ACKs", test_refused},
		{"the backlog", test_backlog},
		{"no slot for a connection", test_no_slot},
		CU_TEST_INFO_NULL,
	};

	if (unit_eal() < 0)
		return 1;
	return unit_run("tcp open", tests);
}
