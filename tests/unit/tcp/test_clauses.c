// Clauses of docs/rfc-matrix.md that concern no file of their own.
#include <errno.h>

#include "tests/unit/tcp/tcp_bench.h"

#define US (0x0100000au) // 10.0.0.1, in network order
#define PEER (0x0200000au)

// RFC 9293 MUST-23: "at least 3 minutes" for a SYN, with the options as they are.
static void test_syn_for_three_minutes(void)
{
	struct bench *b = bench_new();

	CU_ASSERT_EQUAL(host_connect(b), 0);
	advance(b, 180000000);
	CU_ASSERT_EQUAL(b->connect_error, 0);
	advance(b, 10000000);
	CU_ASSERT_EQUAL(b->connect_error, -ETIMEDOUT);
	bench_free(b);
}

static int connect_to(struct bench *b, uint32_t laddr, uint32_t raddr, uint16_t rport)
{
	struct tcp_open o = {.lport = 0, .rport = rport, .slot = BENCH_SLOTS / 2, .slot_gen = 1};

	o.laddr = laddr ? ob_addr_v4(laddr) : (struct ob_addr){{0}};
	o.raddr = ob_addr_v4(raddr);
	return tcp_connect(&b->t, &o, &b->half);
}

// MUST-46: an OPEN to an address that is no station's is refused; MUST-43 to 45: the local address is a
// parameter that may be left out.
static void test_open_addresses(void)
{
	static const uint32_t bad[]
		= {0, 0x000000e0, 0xffffffff, 0x010000ef, 0x0100007f, 0x010000f0};
	struct bench *b = bench_new();
	struct tcp_open six = {.rport = 80};

	bench_start(b);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(connect_to(b, US, bad[i], 80), -EINVAL);
	CU_ASSERT_EQUAL(connect_to(b, US, PEER, 0), -EINVAL);
	CU_ASSERT_EQUAL(connect_to(b, PEER, PEER, 80), -EADDRNOTAVAIL);
	six.raddr.b[0] = 0xfe;
	CU_ASSERT_EQUAL(tcp_connect(&b->t, &six, &b->half), -EAFNOSUPPORT);
	CU_ASSERT_EQUAL(b->t.n_half_used, 0);
	b->slots[BENCH_SLOTS / 2].gen = 1;
	CU_ASSERT_EQUAL(connect_to(b, 0, PEER, 80), 0);
	turn(b);
	CU_ASSERT_FATAL(b->cap_tail - b->cap_head == 1);
	CU_ASSERT(ob_addr_eq(&b->caps[b->cap_head].s.t.laddr, &b->cfg.addr));
	CU_ASSERT(b->caps[b->cap_head].s.t.lport >= b->cfg.tcp_port_min);
	flush(b);
	bench_free(b);
}

static int listen_at(struct bench *b, uint32_t addr, uint16_t port, uint16_t number, uint8_t chan)
{
	struct tcp_open o = {.lport = port, .number = number, .chan = chan, .gen = 1, .backlog = 4};
	uint32_t id;
	int rc;

	o.laddr = addr ? ob_addr_v4(addr) : (struct ob_addr){{0}};
	rc = tcp_listen(&b->t, &o, &id);
	if (rc == 0)
		b->listener = id;
	return rc;
}

// MUST-41, MUST-42: passive OPENs for one port with other local addresses do not get into each other's way; a
// port that is left out is chosen, the same for the same request.
static void test_listens(void)
{
	struct bench *b = bench_new();
	uint32_t exact, any;

	bench_start(b);
	CU_ASSERT_EQUAL(listen_at(b, 0, PORT, 1, 0), 0);
	any = b->listener;
	CU_ASSERT_EQUAL(listen_at(b, US, PORT, 2, 0), 0);
	exact = b->listener;
	CU_ASSERT_EQUAL(listen_at(b, US, PORT, 2, 0), -EALREADY);
	CU_ASSERT_EQUAL(listen_at(b, US, PORT, 3, 0), -EADDRINUSE);
	CU_ASSERT_EQUAL(listen_at(b, PEER, PORT, 4, 0), -EADDRNOTAVAIL);
	inject(b, .flags = TCP_SYN, .seq = 0, .mss = 1460);
	expect(b, .flags = TCP_SYN | TCP_ACK);
	CU_ASSERT_EQUAL(b->t.lsoft[exact].half_open, 1);
	CU_ASSERT_EQUAL(b->t.lsoft[any].half_open, 0);
	CU_ASSERT_EQUAL(listen_at(b, 0, 0, 5, 0), 0);
	CU_ASSERT(b->st.listeners[b->listener].lport >= b->cfg.tcp_port_min);
	CU_ASSERT_EQUAL(listen_at(b, 0, 0, 5, 0), -EALREADY);
	for (uint16_t i = 6; i < 10; i++)
		CU_ASSERT_EQUAL(listen_at(b, 0, 0, i, 0), 0);
	CU_ASSERT_EQUAL(listen_at(b, 0, 0, 10, 0), -EMFILE); // its share
	bench_free(b);
}

// RFC 7323 section 5.3 R1, in SYN-RECEIVED: an older timestamp is answered and dropped.
static void test_paws_half(void)
{
	struct bench *b = bench_new();

	CU_ASSERT_EQUAL(host_listen(b), 0);
	inject(b, .flags = TCP_SYN, .seq = 0, .mss = 1460, .ts_val = 5000);
	expect(b, .flags = TCP_SYN | TCP_ACK, .ts_ecr = 5000);
	counter_mark(b);
	inject(b, .ack = 1, .ts_val = 4999);
	expect(b, .flags = TCP_ACK, .seq = 1, .ack = 1, .ts_ecr = 5000);
	expect_none(b);
	CU_ASSERT_EQUAL(counter_delta(b, drop_tcp_paws), 1);
	CU_ASSERT_EQUAL(b->t.n_half_used, 1);
	inject(b, .ack = 1, .ts_val = 5000);
	expect_none(b);
	expect_state(b, ESTABLISHED);
	bench_free(b);
}

// MUST-61: PSH is on the last segment of what was written, and on no other; MAY-15: but where it is asked for.
static void test_push(void)
{
	struct bench *b = bench_new();

	establish(b, .mss = 1000);
	CU_ASSERT_EQUAL(host_send(b, 2500, 0), 0);
	for (unsigned i = 0; i < 3; i++) {
		if (i == 2)
			inject(b, .ack = 2001); // for Nagle
		CU_ASSERT_EQUAL(!!(b->caps[b->cap_head % BENCH_SEGS].s.flags & TCP_PSH), i == 2);
		expect(b, .len = i == 2 ? 500 : 1000);
	}
	inject(b, .ack = 2501);
	b->hold = true;
	CU_ASSERT_EQUAL(host_send(b, 1000, OB_RQ_PUSH), 0);
	// From elsewhere in memory, a period of the pattern on: spans that touch are one, with one PSH.
	CU_ASSERT_EQUAL(tcp_send(&b->t, b->conn, b->wr, b->own_off + b->wr + 65536, 1000, 0), 0);
	b->wr += 1000;
	b->hold = false;
	turn(b);
	for (unsigned i = 0; i < 2; i++) {
		CU_ASSERT(b->caps[b->cap_head % BENCH_SEGS].s.flags & TCP_PSH);
		expect(b, .len = 1000);
	}
	bench_free(b);
}

// MUST-65: MSS, like the other options of a SYN, is in no other segment.
static void test_syn_options(void)
{
	struct bench *b = bench_new();

	establish(b, .mss = 1000, .wscale = 7, .sack_ok = 1, .ts_val = 1000);
	CU_ASSERT_EQUAL(host_send(b, 100, 0), 0);
	expect(b, .len = 100, .mss = -1, .wscale = -1, .sack_ok = 0, .ts_ecr = 1000);
	inject(b, .len = 100, .seq = 101);
	expect(b, .len = 0, .mss = -1, .wscale = -1, .sack_ok = 0, .n_sack = 1);
	bench_free(b);
}

// SHLD-15, SHLD-16: the window shrank: what is in it still goes again, what is not does not, nor anything new.
static void test_shrunk(void)
{
	struct bench *b = bench_new();

	establish(b, .mss = 1000, .wnd = 4000);
	CU_ASSERT_EQUAL(host_send(b, 8000, 0), 0);
	for (int i = 0; i < 4; i++)
		expect(b, .len = 1000);
	inject(b, .ack = 1001, .wnd = 1000);
	expect_none(b);
	advance_until_sent(b, 2000000);
	expect(b, .seq = 1001, .len = 1000);
	expect_none(b);
	bench_free(b);
}

// RFC 6298 section 5.7: when a SYN was lost, the first time-out is three seconds.
static void test_rto_after_lost_syn(void)
{
	struct bench *b = bench_new();

	CU_ASSERT_EQUAL(host_listen(b), 0);
	inject(b, .flags = TCP_SYN, .seq = 0, .mss = 1460);
	expect(b, .flags = TCP_SYN | TCP_ACK);
	CU_ASSERT(advance_until_sent(b, 2000000) < 1100000);
	expect(b, .flags = TCP_SYN | TCP_ACK);
	inject(b, .seq = 1, .ack = 1);
	CU_ASSERT_EQUAL(host_send(b, 100, 0), 0);
	expect(b, .seq = 1, .len = 100);
	CU_ASSERT(advance_until_sent(b, 5000000) >= 3000000);
	expect(b, .seq = 1, .len = 100);
	bench_free(b);
}

// MUST-58, MUST-59: what comes in one burst is processed before an ACK leaves; one for all of it.
static void test_aggregate(void)
{
	struct bench *b = bench_new();

	establish(b, .mss = 1000);
	b->hold = true;
	for (unsigned i = 0; i < 10; i++)
		inject(b, .len = 1000);
	b->hold = false;
	turn(b);
	expect(b, .flags = TCP_ACK, .ack = 10001, .len = 0);
	expect_none(b);
	host_consume(b, 10000);
	flush(b);
	bench_free(b);
}

// MUST-1: a window is unsigned: 65535 is the largest and not -1.
static void test_window_unsigned(void)
{
	struct bench *b = bench_new();

	b->cfg.tcp_init_cwnd = 100;
	establish(b, .mss = 1460, .wnd = 65535);
	CU_ASSERT_EQUAL(host_send(b, 100000, 0), 0);
	CU_ASSERT(b->cap_tail - b->cap_head >= 10);
	CU_ASSERT_EQUAL(tcp_soft_held(&b->t, b->conn)->snd_wnd, 65535);
	flush(b);
	bench_free(b);
}

// RFC 6093 section 4, MUST-31: urgent data of any length stays in the stream, where it is.
static void test_urgent_inline(void)
{
	struct bench *b = bench_new();

	establish(b);
	for (unsigned i = 0; i < 5; i++)
		inject(b, .flags = TCP_ACK | TCP_URG, .len = 700);
	CU_ASSERT_EQUAL(host_received(b), 3500);
	host_consume(b, 3500);
	flush(b);
	bench_free(b);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"a SYN for three minutes", test_syn_for_three_minutes},
		{"addresses of an OPEN", test_open_addresses},
		{"LISTENs for one port", test_listens},
		{"PAWS in SYN-RECEIVED", test_paws_half},
		{"PSH on the last segment", test_push},
		{"options of a SYN", test_syn_options},
		{"what goes again when the window shrank", test_shrunk},
		{"a time-out after a lost SYN", test_rto_after_lost_syn},
		{"one ACK for a burst", test_aggregate},
		{"windows are unsigned", test_window_unsigned},
		{"urgent data is in the stream", test_urgent_inline},
		CU_TEST_INFO_NULL,
	};

	if (unit_eal() < 0)
		return 1;
	return unit_run("tcp clauses", tests);
}
