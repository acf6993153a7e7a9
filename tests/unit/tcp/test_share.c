// What one host and one user may take of what all share: half-open entries and connections.
#include <errno.h>

#include "tests/unit/tcp/tcp_bench.h"

#define HALF 32u // the bench's tables
#define CONNS 64u

struct two {
	struct bench *b;
	struct host_mem mem[2];
};

// A bench with a second host, whose memory is never touched: nothing of it gets established.
static void two_open(struct two *w, uint64_t share)
{
	w->b = bench_new();
	w->b->cfg.limits_hosts = 2;
	w->b->cfg.limits_host_share = share;
	w->b->hold = true;
	bench_start(w->b);
	w->mem[0] = w->b->mem;
	w->mem[1] = (struct host_mem){.account = 1};
	w->b->t.mem = w->mem;
	counter_mark(w->b);
}

static void two_close(struct two *w)
{
	uint32_t cursor = 0;

	for (uint16_t host = 0; host < 2; host++, cursor = 0)
		tcp_host_gone(&w->b->t, host, &cursor, UINT32_MAX);
	for (uint16_t i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(w->b->t.host_half[i], 0);
		CU_ASSERT_EQUAL(w->b->t.user_conns[i], 0);
	}
	flush(w->b);
	bench_free(w->b);
}

static int connect_as(struct two *w, uint16_t host, uint16_t lport)
{
	struct tcp_open o = {.host = host,
		.lport = lport,
		.rport = 80,
		.raddr = ob_addr_v4(0x0200000a),
		.slot = lport % 8 + BENCH_SLOTS / 2};
	uint32_t id;

	return tcp_connect(&w->b->t, &o, &id);
}

static uint32_t connects_until(struct two *w, uint16_t host, uint16_t *lport, int error)
{
	uint32_t n = 0;
	int rc;

	while ((rc = connect_as(w, host, (*lport)++)) == 0)
		n++;
	CU_ASSERT_EQUAL(rc, error);
	return n;
}

// A mass of connects: four fifths, then the other one gets four fifths of the rest, and some remain.
static void test_connects(void)
{
	uint16_t lport = 1000;
	struct two w;

	two_open(&w, 4);
	CU_ASSERT_EQUAL(connects_until(&w, 0, &lport, -EMFILE), 26);
	CU_ASSERT_EQUAL(connects_until(&w, 1, &lport, -EMFILE), 5);
	CU_ASSERT_EQUAL(w.b->st.n_free_half, 1);
	CU_ASSERT_EQUAL(connect_as(&w, 0, lport), -EMFILE);
	two_close(&w);
	// Whoever wants it to be first come, first served.
	two_open(&w, 1000000);
	CU_ASSERT_EQUAL(connects_until(&w, 0, &lport, -ENFILE), HALF);
	CU_ASSERT_EQUAL(connect_as(&w, 1, lport), -ENFILE);
	two_close(&w);
}

static void syn(struct two *w, uint16_t sport, uint16_t dport)
{
	struct seg_in in = {.t = {.laddr = w->b->cfg.addr,
				    .raddr = ob_addr_v4(0x0200000a),
				    .lport = dport,
				    .rport = sport},
		.flags = TCP_SYN,
		.wnd = 1000};

	tcp_input(&w->b->t, &in, 1);
}

// A listener that is flooded with SYNs leaves entries for another host's.
static void test_flood(void)
{
	struct tcp_open o = {.lport = 80, .gen = 1, .backlog = 1000};
	uint32_t listener;
	struct two w;

	two_open(&w, 4);
	CU_ASSERT_EQUAL(tcp_listen(&w.b->t, &o, &listener), 0);
	o.host = 1;
	o.lport = 81;
	CU_ASSERT_EQUAL(tcp_listen(&w.b->t, &o, &listener), 0);
	for (uint16_t i = 0; i < 100; i++)
		syn(&w, 1000 + i, 80);
	CU_ASSERT_EQUAL(w.b->t.host_half[0], 26);
	CU_ASSERT_EQUAL(counter_delta(w.b, drop_syn_half_share), 74);
	syn(&w, 5000, 81);
	CU_ASSERT_EQUAL(w.b->t.host_half[1], 1);
	CU_ASSERT_EQUAL(counter_delta(w.b, drop_syn_half_share), 74);
	CU_ASSERT_EQUAL(counter_delta(w.b, drop_syn_half_full), 0);
	two_close(&w);
}

// Connections: one host alone gets its share, active and passive, and is told.
static void test_conns(void)
{
	struct bench *b = bench_new();

	host_listen(b);
	for (int64_t i = 0; i < BENCH_SLOTS / 2; i++) {
		inject(b, .flags = TCP_SYN, .seq = 0, .sport = 1000 + i, .mss = 1460);
		expect(b, .flags = TCP_SYN | TCP_ACK, .sport = 1000 + i);
		inject(b, .seq = 1, .ack = 1, .sport = 1000 + i);
		flush(b);
		if (counter_delta(b, drop_syn_conn_share))
			break;
		// As much as the bench has slots: the rest is made scarce.
		if (i == 11)
			b->st.n_free_recs = 3;
	}
	CU_ASSERT_EQUAL(counter_delta(b, tcp_established), 12);
	CU_ASSERT_EQUAL(counter_delta(b, drop_syn_conn_share), 1);
	CU_ASSERT_EQUAL(counter_delta(b, drop_syn_no_conn), 0);
	CU_ASSERT_EQUAL(host_connect(b), 0);
	expect(b, .flags = TCP_SYN);
	inject(b, .flags = TCP_SYN | TCP_ACK, .seq = 0, .ack = 1, .mss = 1460);
	CU_ASSERT_EQUAL(b->connect_error, -EMFILE);
	b->st.n_free_recs = CONNS - 12;
	flush(b);
	bench_free(b);
}

// Entries that come and go within a turn are on the list of those that send once each: as many pairs of
// a connect and its abort as a host likes need no more room than there are entries.
static void test_pairs(void)
{
	struct two w;
	uint32_t n_before;

	two_open(&w, 1000000);
	n_before = w.b->t.half_out.n;
	for (uint32_t i = 0; i < 20 * HALF; i++) {
		struct tcp_open o = {.lport = (uint16_t)(1000 + i),
			.rport = 80,
			.raddr = ob_addr_v4(0x0200000a),
			.slot = BENCH_SLOTS / 2,
			.slot_gen = w.b->slots[BENCH_SLOTS / 2].gen};
		uint32_t id;

		CU_ASSERT_EQUAL_FATAL(tcp_connect(&w.b->t, &o, &id), 0);
		CU_ASSERT_EQUAL_FATAL(tcp_abort(&w.b->t, id), 0);
		CU_ASSERT_FATAL(w.b->t.half_out.n <= HALF);
	}
	CU_ASSERT_EQUAL(w.b->t.half_out.n, n_before + 1);
	// The entry that is on the list sends for whoever has it in the end.
	uint16_t lport = 5000;

	CU_ASSERT_EQUAL(connects_until(&w, 0, &lport, -ENFILE), HALF);
	CU_ASSERT_EQUAL(w.b->t.half_out.n, HALF);
	two_close(&w);
}

// Listeners: of the bench's eight one host gets seven, and there is one for the next.
static void test_listeners(void)
{
	struct tcp_open o = {.gen = 1};
	uint32_t listener, first = 0, n = 0;
	struct two w;
	int rc;

	two_open(&w, 4);
	for (o.lport = 100; (rc = tcp_listen(&w.b->t, &o, &listener)) == 0; o.lport++, n++)
		first = n ? first : listener;
	CU_ASSERT_EQUAL(rc, -EMFILE);
	CU_ASSERT_EQUAL(n, 7);
	o.host = 1;
	CU_ASSERT_EQUAL(tcp_listen(&w.b->t, &o, &listener), 0);
	o.lport++;
	CU_ASSERT_EQUAL(tcp_listen(&w.b->t, &o, &listener), -ENFILE);
	// What was given up is another's, once nothing names it.
	CU_ASSERT_EQUAL(tcp_listener_free(&w.b->t, first), -EBUSY);
	CU_ASSERT_EQUAL(tcp_unlisten(&w.b->t, first), 0);
	CU_ASSERT_EQUAL(tcp_unlisten(&w.b->t, first), -EALREADY);
	CU_ASSERT_EQUAL(tcp_listen(&w.b->t, &o, &listener), -ENFILE);
	CU_ASSERT_EQUAL(tcp_listener_free(&w.b->t, first), 0);
	CU_ASSERT_EQUAL(tcp_listener_free(&w.b->t, first), -EALREADY);
	CU_ASSERT_EQUAL(tcp_listen(&w.b->t, &o, &listener), 0);
	two_close(&w);
}

// A port that one host listens to is no other's: neither its exact address, nor the wildcard that would
// take it in, nor the exact one that would take from a wildcard. Others' ports and addresses are free.
static void test_ports_of_others(void)
{
	struct ob_addr exact, any = {.b = {0}};
	const struct {
		const struct ob_addr *first, *second;
		uint16_t lport;
		int rc;
	} t[] = {
		{&any, &any, 100, -EADDRINUSE},
		{&any, &exact, 100, -EADDRINUSE},
		{&exact, &any, 100, -EADDRINUSE},
		{&exact, &exact, 100, -EADDRINUSE},
		{&any, &any, 101, 0},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct tcp_open o = {.gen = 1, .lport = 100};
		uint32_t listener, other;
		struct two w;

		two_open(&w, 4);
		exact = w.b->cfg.addr;
		o.laddr = *t[i].first;
		CU_ASSERT_EQUAL(tcp_listen(&w.b->t, &o, &listener), 0);
		o.host = 1;
		o.laddr = *t[i].second;
		o.lport = t[i].lport;
		CU_ASSERT_EQUAL(tcp_listen(&w.b->t, &o, &other), t[i].rc);
		// Once the first has ended it is.
		CU_ASSERT_EQUAL(tcp_unlisten(&w.b->t, listener), 0);
		if (t[i].rc)
			CU_ASSERT_EQUAL(tcp_listen(&w.b->t, &o, &other), 0);
		two_close(&w);
	}
}

// Two hosts of one user have one account, whoever of them takes from it.
static void test_user(void)
{
	uint16_t lport = 1000;
	struct two w;

	two_open(&w, 4);
	w.mem[1].account = 0;
	w.mem[0].max_conns = w.mem[1].max_conns = 10;
	CU_ASSERT_EQUAL(connect_as(&w, 0, lport++), 0);
	CU_ASSERT_EQUAL(connects_until(&w, 1, &lport, -EDQUOT), 9);
	CU_ASSERT_EQUAL(connect_as(&w, 0, lport), -EDQUOT);
	struct tcp_open o = {.lport = 80, .gen = 1};
	uint32_t listener;

	CU_ASSERT_EQUAL(tcp_listen(&w.b->t, &o, &listener), 0);
	syn(&w, 5000, 80);
	CU_ASSERT_EQUAL(counter_delta(w.b, drop_syn_user_conns), 1);
	two_close(&w);
}

// A peer that asks for tiny segments gets small ones.
static void test_small_mss(void)
{
	struct bench *b = bench_new();

	establish(b, .mss = 1);
	host_send(b, 64, 0);
	expect(b, .len = 64);
	expect_none(b);
	CU_ASSERT_EQUAL(b->cnt.tcp_small_mss, 1);
	bench_free(b);
	b = bench_new();
	establish(b, .mss = 64);
	CU_ASSERT_EQUAL(b->cnt.tcp_small_mss, 0);
	bench_free(b);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"a mass of connects", test_connects},
		{"a flood of SYNs", test_flood},
		{"connections", test_conns},
		{"listeners", test_listeners},
		{"ports of others", test_ports_of_others},
		{"connects and aborts in one turn", test_pairs},
		{"the account of a user", test_user},
		{"a small MSS", test_small_mss},
		CU_TEST_INFO_NULL,
	};

	return unit_eal() < 0 ? 1 : unit_run("tcp_share", tests);
}
