// The tuples of outgoing connections: who may have one that is in TIME-WAIT, and how a port is chosen.
#include <errno.h>

#include "tests/unit/tcp/tcp_bench.h"

#define FIRST 2000u // local ports of the tests that choose

// A connect of ours that is over, and that we closed first. The peer's last timestamp is 2000.
static void to_time_wait(struct bench *b, bool ts)
{
	if (ts)
		establish_active(b, .ts_val = 1000);
	else
		establish_active(b);
	host_close(b);
	flush(b);
	inject(b, .ack = 2, .ts_val = ts ? 2000 : -1);
	inject(b, .flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 2, .ts_val = ts ? 2000 : -1);
	flush(b);
	b->peer_ts = false;
	CU_ASSERT_EQUAL_FATAL(tw_count(b->t.tw), 1);
	counter_mark(b);
}

static struct tw *entry(struct bench *b, uint16_t lport)
{
	struct seg_tuple k = {.laddr = ob_addr_v4(0x0100000a),
		.raddr = ob_addr_v4(0x0200000a),
		.lport = lport,
		.rport = PEER_PORT};

	return tw_find(b->t.tw, &k, b->now_us);
}

// RFC 6191 for the side that opens: a second later, and only where timestamps were spoken and still are.
static void test_reuse(void)
{
	static const struct {
		bool ts, ts_now, option;
		uint32_t after_us;
		bool taken;
	} t[] = {
		{true, true, true, 1010000, true}, {true, true, true, 990000, false}, // too early
		{false, true, true, 59000000, false}, // nothing tells them apart
		{true, false, true, 59000000, false},
		{true, true, false, 59000000, false}, // turned off
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct bench *b = bench_new();
		int rc;

		to_time_wait(b, t[i].ts);
		advance(b, t[i].after_us);
		b->cfg.tcp_timestamps = t[i].ts_now;
		b->cfg.tcp_tw_reuse = t[i].option;
		rc = host_connect(b);
		if (rc != (t[i].taken ? 0 : -EADDRINUSE))
			printf("\nreuse: row %zu ", i);
		CU_ASSERT_EQUAL(rc, t[i].taken ? 0 : -EADDRINUSE);
		CU_ASSERT_EQUAL(counter_delta(b, tcp_tw_reopened), t[i].taken);
		CU_ASSERT_EQUAL(tw_count(b->t.tw), 1);
		bench_free(b);
	}
}

// The new connection's sequence numbers lie beyond the old one's, its timestamp is greater.
static void test_beyond(void)
{
	static const uint32_t ahead[]
		= {1, 1u << 20, 1u << 30, 0x7fffffff}; // of where the ISN would be

	for (size_t i = 0; i < sizeof(ahead) / sizeof(ahead[0]); i++) {
		struct bench *b = bench_new();
		uint32_t old_ts, snd_nxt;

		establish_active(b, .ts_val = 1000);
		inject(b, .len = 1);
		advance(b, 100000);
		old_ts = b->caps[(b->cap_tail - 1) % BENCH_SEGS].o.ts_val;
		host_consume(b, 1);
		host_close(b);
		flush(b);
		inject(b, .ack = 2);
		inject(b, .flags = TCP_FIN | TCP_ACK, .ack = 2);
		flush(b);
		advance(b, 2000000);
		snd_nxt = entry(b, PORT)->snd_nxt = b->iss + 500000 + ahead[i];
		CU_ASSERT_EQUAL_FATAL(host_connect(b), 0);
		CU_ASSERT(seq_gt(b->caps[b->cap_head % BENCH_SEGS].o.ts_val, old_ts));
		expect(b, .flags = TCP_SYN);
		CU_ASSERT(seq_gt(b->iss, snd_nxt));
		CU_ASSERT(b->iss - snd_nxt <= 0x10000);
		bench_free(b);
	}
}

// A FIN that comes again begins the time again: the second is one since then.
static void test_fin_again(void)
{
	struct bench *b = bench_new();

	to_time_wait(b, true);
	advance(b, 900000);
	inject(b, .flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 2, .ts_val = 2900);
	flush(b);
	advance(b, 500000);
	CU_ASSERT_EQUAL(host_connect(b), -EADDRINUSE);
	advance(b, 510000);
	CU_ASSERT_EQUAL(host_connect(b), 0);
	bench_free(b);
}

// The entry stays until the new connection is there: an attempt that fails leaves it as it was.
static void test_entry_stays(void)
{
	struct bench *b = bench_new();

	to_time_wait(b, true);
	advance(b, 1500000);
	CU_ASSERT_EQUAL_FATAL(host_connect(b), 0);
	expect(b, .flags = TCP_SYN);
	b->peer_seq = 0;
	inject(b, .flags = TCP_RST | TCP_ACK, .ack = 1);
	CU_ASSERT_EQUAL(b->connect_error, -ECONNREFUSED);
	CU_ASSERT_EQUAL(tw_count(b->t.tw), 1);
	CU_ASSERT_EQUAL_FATAL(host_connect(b), 0);
	expect(b, .flags = TCP_SYN);
	inject(b, .flags = TCP_SYN | TCP_ACK, .seq = 0, .ack = 1, .mss = 1460, .ts_val = 9000);
	expect(b, .flags = TCP_ACK, .seq = 1, .ack = 1);
	expect_state(b, ESTABLISHED);
	CU_ASSERT_EQUAL(tw_count(b->t.tw), 0);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_tw_reopened), 2);
	bench_free(b);
}

// The peer's last ACK was lost and it waits in LAST-ACK: it answers the SYN with what it waits for, the
// reset frees it, and the SYN that goes again is taken (RFC 9293 section 3.5.1, figure 9).
static void test_peer_in_last_ack(void)
{
	struct bench *b = bench_new();
	uint32_t old_iss;

	to_time_wait(b, true);
	old_iss = b->iss;
	advance(b, 1500000);
	CU_ASSERT_EQUAL_FATAL(host_connect(b), 0);
	expect(b, .flags = TCP_SYN);
	inject(b, .flags = TCP_ACK, .seq = 2, .ack = (int32_t)(old_iss + 2 - b->iss));
	expect(b, .flags = TCP_RST, .seq = (int32_t)(old_iss + 2 - b->iss));
	advance(b, 1100000);
	expect(b, .flags = TCP_SYN, .seq = 0);
	inject(b, .flags = TCP_SYN | TCP_ACK, .seq = 0, .ack = 1, .mss = 1460, .ts_val = 9000);
	expect_state(b, ESTABLISHED);
	bench_free(b);
}

// ---- The choice ------------------------------------------------------------------------------

static struct bench *bench_ports(uint32_t n)
{
	struct bench *b = bench_new();

	b->cfg.tcp_port_min = FIRST;
	b->cfg.tcp_port_max = FIRST + n - 1;
	b->cfg.limits_time_wait = 2 * n + 16;
	bench_start(b);
	return b;
}

// All ports towards the peer are in TIME-WAIT, without timestamps, for a minute.
static void fill(struct bench *b, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct seg_tuple k = {.laddr = ob_addr_v4(0x0100000a),
			.raddr = ob_addr_v4(0x0200000a),
			.lport = (uint16_t)(FIRST + i),
			.rport = PEER_PORT};

		tw_add(b->t.tw, &k, 1, 1, 0, b->now_us);
	}
	counter_mark(b);
}

static uint16_t chosen(const struct bench *b)
{
	return b->t.st->half[b->half - b->t.n_conns].lport;
}

// Calls until it is decided. Each does bounded work.
static int connect_patiently(struct bench *b, uint32_t *calls)
{
	int rc;

	b->ports_tried = *calls = 0;
	do {
		uint64_t before = b->cnt.tcp_port_tries;

		rc = host_connect_from(b, 0);
		++*calls;
		CU_ASSERT_FATAL(b->cnt.tcp_port_tries - before <= 64);
	} while (rc == -EAGAIN);
	return rc;
}

// A destination's ports come in turn, each once, from a beginning that differs between engines.
static void test_in_turn(void)
{
	uint32_t begins = 0;
	uint16_t first = 0;

	for (unsigned run = 0; run < 8; run++) {
		struct bench *b = bench_ports(20);
		uint16_t at = 0;

		for (uint32_t i = 0; i < 20; i++) {
			b->ports_tried = 0;
			CU_ASSERT_EQUAL_FATAL(host_connect_from(b, 0), 0);
			CU_ASSERT(i == 0 || chosen(b) == (at + 1u - FIRST) % 20 + FIRST);
			at = chosen(b);
			if (i == 0)
				begins += run && at != first;
			if (i == 0 && run == 0)
				first = at;
		}
		CU_ASSERT_EQUAL(b->cnt.tcp_port_tries, 20);
		b->ports_tried = 0;
		CU_ASSERT_EQUAL(host_connect_from(b, 0), -EADDRNOTAVAIL);
		CU_ASSERT_EQUAL(b->cnt.req_ports, 1);
		bench_free(b);
	}
	CU_ASSERT(begins > 0);
}

// A search among many that are taken is spread over turns, and finds the one that is free.
static void test_last_free(void)
{
	for (uint32_t run = 0; run < 10; run++) {
		struct bench *b = bench_ports(1000);
		uint32_t calls;

		fill(b, 1000);
		tw_remove(b->t.tw, entry(b, (uint16_t)(FIRST + 111 * run)));
		CU_ASSERT_EQUAL(connect_patiently(b, &calls), 0);
		CU_ASSERT_EQUAL(chosen(b), FIRST + 111 * run);
		bench_free(b);
	}
}

// None left: found out once in a tenth of a second, and then said at once.
static void test_none_left(void)
{
	struct bench *b = bench_ports(1000);
	uint32_t calls;

	fill(b, 1000);
	CU_ASSERT_EQUAL(connect_patiently(b, &calls), -EADDRNOTAVAIL);
	CU_ASSERT_EQUAL(calls, 16);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_port_tries), 1000);
	CU_ASSERT_EQUAL(connect_patiently(b, &calls), -EADDRNOTAVAIL);
	CU_ASSERT_EQUAL(calls, 1);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_port_tries), 1000);
	CU_ASSERT_EQUAL(counter_delta(b, req_ports), 2);
	tw_remove(b->t.tw, entry(b, FIRST + 5));
	advance(b, 110000);
	CU_ASSERT_EQUAL(connect_patiently(b, &calls), 0);
	CU_ASSERT_EQUAL(chosen(b), FIRST + 5);
	bench_free(b);
}

// All requests of a turn together try so many and a few more each; the next turn has its own.
static void test_turn_bounded(void)
{
	struct bench *b = bench_ports(20000);
	struct tcp_open o = {.rport = PEER_PORT, .raddr = ob_addr_v4(0x0200000a)};
	uint32_t id;

	fill(b, 20000);
	tcp_begin(&b->t, b->now_us);
	for (unsigned i = 0; i < 100; i++)
		CU_ASSERT_EQUAL(tcp_connect(&b->t, &o, &id), -EAGAIN);
	CU_ASSERT(counter_delta(b, tcp_port_tries) <= 512 + 4 * 100);
	counter_mark(b);
	tcp_begin(&b->t, b->now_us);
	CU_ASSERT_EQUAL(tcp_connect(&b->t, &o, &id), -EAGAIN);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_port_tries), 64);
	bench_free(b);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"TIME-WAIT gives way", test_reuse},
		{"beyond the connection before", test_beyond},
		{"a FIN again", test_fin_again},
		{"the entry stays until it is established", test_entry_stays},
		{"a peer in LAST-ACK", test_peer_in_last_ack},
		{"ports in turn", test_in_turn},
		{"the last free port", test_last_free},
		{"none left", test_none_left},
		{"a turn is bounded", test_turn_bounded},
		CU_TEST_INFO_NULL,
	};

	return unit_eal() < 0 ? 1 : unit_run("tcp_ports", tests);
}
