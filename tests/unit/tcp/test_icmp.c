// ICMP errors about connections: which end one, and which say how large a packet may be.
#include <errno.h>

#include "tests/unit/tcp/tcp_bench.h"

// RFC 1122 section 4.2.3.9 and RFC 5927: a hard error ends a connect, a soft one is its reason in
// the end; a sequence number that was not sent says nothing.
static void test_icmp(void)
{
	struct bench *b = bench_new();
	struct seg_icmp e = {.error = -ECONNREFUSED, .hard = true};

	b->cfg.tcp_syn_retries = 1;
	host_connect(b);
	expect(b, .flags = TCP_SYN);
	e.t.laddr = ob_addr_v4(0x0100000a);
	e.t.raddr = ob_addr_v4(0x0200000a);
	e.t.lport = PORT;
	e.t.rport = PEER_PORT;
	e.seq = b->iss + 5;
	tcp_icmp(&b->t, &e);
	turn(b);
	CU_ASSERT_EQUAL(b->connect_error, 0);
	e.seq = b->iss;
	CU_ASSERT(tcp_icmp(&b->t, &e));
	turn(b);
	CU_ASSERT_EQUAL(b->connect_error, -ECONNREFUSED);
	CU_ASSERT_FALSE(tcp_icmp(&b->t, &e));
	host_connect(b);
	expect(b, .flags = TCP_SYN);
	e.seq = b->iss;
	e.hard = false;
	e.error = -EHOSTUNREACH;
	CU_ASSERT(tcp_icmp(&b->t, &e));
	turn(b);
	CU_ASSERT_EQUAL(b->connect_error, 0);
	advance(b, 10000000);
	CU_ASSERT_EQUAL(b->connect_error, -EHOSTUNREACH);
	flush(b);
	bench_free(b);
}

// Of an established connection no ICMP error makes an end (RFC 5927 section 4, RFC 1122 4.2.3.9);
// one that says how large a packet may be is obeyed (RFC 1191).
static void test_icmp_established(void)
{
	struct bench *b = bench_new();
	struct seg_icmp e = {.error = -ECONNREFUSED, .hard = true};

	establish(b, .mss = 1460);
	host_send(b, 1460, 0);
	expect(b, .seq = 1, .len = 1460);
	e.t = rec_tuple(bench_rec(b));
	e.seq = b->iss + 1;
	tcp_icmp(&b->t, &e);
	turn(b);
	expect_state(b, ESTABLISHED);
	e.error = -EMSGSIZE;
	e.mtu = 1240;
	e.seq = b->iss + 5000; // not in flight
	tcp_icmp(&b->t, &e);
	turn(b);
	expect_none(b);
	e.seq = b->iss + 1;
	CU_ASSERT(tcp_icmp(&b->t, &e));
	turn(b);
	expect(b, .seq = 1, .len = 1200);
	advance_until_sent(b, 2000000);
	inject(b, .ack = 1201);
	flush(b);
	host_send(b, 3000, 0);
	for (unsigned i = b->cap_head; i != b->cap_tail; i++)
		CU_ASSERT(b->caps[i % BENCH_SEGS].s.len <= 1200);
	flush(b);
	bench_free(b);
}

// A path that carries less than what every host takes (RFC 1191 section 3 has 68, RFC 9293 section 3.7.1 our
// 536), or does not say how much: nobody may make us send dust, so that routers may fragment instead.
static void test_icmp_small(void)
{
	static const uint16_t mtus[] = {575, 68, 0};

	for (unsigned i = 0; i < 3; i++) {
		struct bench *b = bench_new();
		struct seg_icmp e = {.error = -EMSGSIZE, .mtu = mtus[i]};

		establish(b, .mss = 1460);
		host_send(b, 1460, 0);
		CU_ASSERT_FALSE(b->caps[b->cap_head % BENCH_SEGS].s.may_fragment);
		expect(b, .seq = 1, .len = 1460);
		e.t = rec_tuple(bench_rec(b));
		e.seq = b->iss + 1;
		CU_ASSERT(tcp_icmp(&b->t, &e));
		turn(b);
		CU_ASSERT(b->caps[b->cap_head % BENCH_SEGS].s.may_fragment);
		expect(b, .seq = 1, .len = 536);
		flush(b);
		CU_ASSERT(tcp_icmp(&b->t, &e)); // again: nothing new
		turn(b);
		expect_none(b);
		inject(b, .ack = 1461);
		flush(b);
		bench_free(b);
	}
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{"errors and a connect", test_icmp},
		{"errors and a connection", test_icmp_established},
		{"a small path", test_icmp_small},
		CU_TEST_INFO_NULL,
	};

	if (unit_eal() < 0)
		return 1;
	return unit_run("tcp icmp", tests);
}
