// Whole transfers over a bad path, and with the soft state thrown away: the streams stay whole.
// docs/hard-state.md: soft state may be lost at any time; what is in the record is enough.
#include <errno.h>
#include <time.h>

#include "tests/unit/tcp/tcp_peer.h"

static void end(struct peer *p)
{
	struct bench *b = p->b;

	CU_ASSERT_FALSE(p->reset);
	CU_ASSERT_EQUAL(p->rcv_nxt, p->to_read);
	CU_ASSERT_EQUAL(p->host_read, p->to_send);
	b->amnesia = false;
	bench_free(b);
}

static unsigned seed_of_run(void)
{
	unsigned seed = (unsigned)time(NULL);

	if (getenv("OB_SEED"))
		seed = (unsigned)strtoul(getenv("OB_SEED"), NULL, 0);
	printf("seed %u ", seed);
	return seed;
}

static void test_plain(void)
{
	struct bench *b = bench_new();
	struct peer p;

	establish(b, .wscale = 0);
	peer_init(&p, b, 1000000, 1000000);
	CU_ASSERT(peer_run(&p, 2000));
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rtx_segs), 0);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_dup_segs), 0);
	end(&p);
}

// Loss, repetition and disorder in both directions, with and without options.
static void test_bad_path(void)
{
	unsigned seed = seed_of_run();

	for (unsigned i = 0; i < 24; i++) {
		struct bench *b = bench_new();
		struct peer p;

		if (i % 2)
			establish(b, .wscale = 0, .sack_ok = 1, .ts_val = 1);
		else
			establish(b);
		peer_init(&p, b, 300000, 300000);
		p.sack = i % 2;
		p.seed = seed + i;
		p.drop_pm = i % 3 == 0 ? 100 : 20;
		p.dup_pm = 20;
		p.reorder_pm = 50;
		if (!peer_run(&p, 600000))
			printf("\nseed %u does not end", p.seed);
		end(&p);
	}
}

// Everything is forgotten after every turn.
static void test_every_turn(void)
{
	for (unsigned i = 0; i < 2; i++) {
		struct bench *b = bench_new();
		struct peer p;

		if (i)
			establish(b, .wscale = 0, .sack_ok = 1, .ts_val = 1);
		else
			establish(b);
		b->amnesia = true;
		peer_init(&p, b, 200000, 200000);
		CU_ASSERT(peer_run(&p, 20000));
		CU_ASSERT(counter_delta(b, tcp_soft_rebuilt) + 2 >= p.rounds);
		end(&p);
	}
}

// Once, at each round of a short transfer in turn: opening, data, FINs, all of it.
static void test_each_step(void)
{
	for (unsigned at = 0; at < 60; at++) {
		struct bench *b = bench_new();
		struct peer p;

		establish(b);
		peer_init(&p, b, 20000, 20000);
		p.host_chunk = 3000;
		for (unsigned i = 0; i < at && !peer_done(&p); i++)
			peer_round(&p);
		tcp_forget(&b->t, b->conn);
		if (!peer_run(&p, 5000))
			printf("\nforgotten at %u: does not end", at);
		end(&p);
	}
}

// At random, on a bad path.
static void test_random(void)
{
	unsigned seed = seed_of_run();

	for (unsigned i = 0; i < 24; i++) {
		struct bench *b = bench_new();
		struct peer p;
		unsigned r = seed + i;

		if (i % 2)
			establish(b, .wscale = 0, .sack_ok = 1, .ts_val = 1);
		else
			establish(b);
		peer_init(&p, b, 200000, 200000);
		p.seed = seed + i;
		p.sack = i % 2;
		p.drop_pm = i % 3 * 20;
		p.dup_pm = p.reorder_pm = 20;
		for (unsigned n = 0; !peer_done(&p) && !p.reset && n < 600000; n++) {
			peer_round(&p);
			if (rand_r(&r) % 8 == 0)
				tcp_forget(&b->t, b->conn);
			p.host_stopped = n / 200 % 3 == 1; // and the host does not read for a while
		}
		if (!peer_done(&p))
			printf("\nseed %u does not end", p.seed);
		end(&p);
	}
}

// A host that does not read: the window closes and opens, forgotten or not.
static void test_host_stops(void)
{
	for (unsigned amnesia = 0; amnesia < 2; amnesia++) {
		struct bench *b = bench_new();
		struct peer p;

		b->cfg.tcp_rcv_wnd = 30000;
		establish(b);
		b->amnesia = amnesia;
		peer_init(&p, b, 200000, 1000);
		for (unsigned n = 0; n < 5; n++) {
			p.host_stopped = true;
			for (unsigned i = 0; i < 1000; i++)
				peer_round(&p);
			CU_ASSERT_EQUAL(p.snd_wnd >> 11, 0);
			CU_ASSERT(host_received(b) - p.host_read <= 30000);
			CU_ASSERT(host_received(b) - p.host_read >= 28000);
			p.host_stopped = false;
			for (unsigned i = 0; i < 2; i++)
				peer_round(&p);
		}
		CU_ASSERT(peer_run(&p, 10000));
		end(&p);
	}
}

// Each closing state survives.
static void test_closing_states(void)
{
	struct bench *b = bench_new();

	b->cfg.tcp_fin_wait2_ms = 5000;
	b->amnesia = true;
	host_listen(b);
	inject(b, .flags = TCP_SYN, .mss = 1460);
	expect(b, .flags = TCP_SYN | TCP_ACK);
	inject(b, .seq = 1, .ack = 1);
	flush(b);
	CU_ASSERT_EQUAL(host_close(b), 0);
	expect_state(b, FIN_WAIT_1);
	advance(b, 1000); // forgotten: sent again
	flush(b);
	inject(b, .seq = 1, .ack = 2);
	expect_state(b, FIN_WAIT_2);
	b->amnesia = false; // forgotten at every turn the limit would begin again every turn
	advance(b, 5200000);
	CU_ASSERT_EQUAL(rec_phase(bench_rec(b)), REC_DONE);
	flush(b);
	bench_free(b);

	b = bench_new();
	b->amnesia = true;
	establish(b);
	inject(b, .flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 1);
	expect_state(b, CLOSE_WAIT);
	advance(b, 1000);
	expect_state(b, CLOSE_WAIT);
	host_close(b);
	expect_state(b, LAST_ACK);
	advance(b, 1000);
	expect_state(b, LAST_ACK);
	flush(b);
	inject(b, .seq = 2, .ack = 2);
	CU_ASSERT_EQUAL(bench_error(b), 0);
	CU_ASSERT_EQUAL(tw_count(b->t.tw), 0);
	flush(b);
	bench_free(b);

	b = bench_new();
	b->amnesia = true;
	establish(b);
	host_close(b);
	inject(b, .flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 1);
	expect_state(b, CLOSING);
	advance(b, 1000);
	flush(b);
	inject(b, .seq = 2, .ack = 2);
	CU_ASSERT_EQUAL(bench_error(b), 0);
	CU_ASSERT_EQUAL(tw_count(b->t.tw), 1);
	flush(b);
	bench_free(b);
}

// Rule 16: in flight counts as lost; one segment until the first acceptable ACK.
static void test_rebuilt_output(void)
{
	struct bench *b = bench_new();

	establish(b, .mss = 1000);
	host_send(b, 8000, 0);
	for (int i = 0; i < 8; i++)
		expect(b, .seq = 1 + 1000 * i, .len = 1000);
	tcp_forget(&b->t, b->conn);
	turn(b);
	expect(b, .seq = 1, .ack = 1, .len = 1000);
	while (b->cap_head != b->cap_tail)
		expect(b, .len = 0);
	// What the peer had of it is acceptable: up to snd_max, which is hard (rule 4).
	inject(b, .ack = 5001);
	CU_ASSERT_EQUAL(counter_delta(b, drop_tcp_ack_range), 0);
	CU_ASSERT_EQUAL(HARD_GET(bench_rec(b)->snd_una), 5000);
	expect(b, .seq = 5001, .len = 1000);
	expect(b, .seq = 6001, .len = 1000);
	expect_none(b);
	bench_free(b);
}

// TS.Recent is hard, and our own timestamps go on (rule 7).
static void test_rebuilt_timestamps(void)
{
	struct bench *b = bench_new();
	uint32_t ts;

	establish(b, .mss = 1000, .ts_val = 1000);
	inject(b, .len = 10, .ts_val = 5000);
	advance(b, 100000);
	expect(b, .flags = TCP_ACK, .ack = 11, .ts_ecr = 5000);
	ts = b->peer_ts_ecr;
	tcp_forget(&b->t, b->conn);
	advance(b, 1000);
	expect(b, .flags = TCP_ACK, .ack = 11, .ts_ecr = 5000);
	CU_ASSERT(b->peer_ts_ecr - ts <= 2000);
	inject(b, .len = 10, .ts_val = 4999);
	CU_ASSERT_EQUAL(host_received(b), 10);
	CU_ASSERT_EQUAL(counter_delta(b, drop_tcp_paws), 1);
	flush(b);
	host_consume(b, 10);
	bench_free(b);
}

// What came out of order was never acknowledged: it is forgotten, and its buffers come back.
static void test_rebuilt_gap(void)
{
	struct bench *b = bench_new();

	establish(b);
	inject(b, .seq = 5001, .len = 1000);
	CU_ASSERT(b->mem.n_free < b->mem.n_bufs);
	tcp_forget(&b->t, b->conn);
	CU_ASSERT_EQUAL(b->mem.n_free, b->mem.n_bufs);
	CU_ASSERT_EQUAL(b->t.n_ooo_free, b->cfg.limits_ooo);
	inject(b, .seq = 1, .len = 5000);
	CU_ASSERT_EQUAL(host_received(b), 5000);
	host_consume(b, 5000);
	flush(b);
	bench_free(b);
}

// The host's word says that it has read, the request is still on its way: what it has read comes back
// now, because that request is a repetition then.
static void test_rebuilt_consumed(void)
{
	struct bench *b = bench_new();
	struct ob_slot_word *w;

	establish(b);
	inject(b, .len = 1460);
	flush(b);
	w = ob_seg_slot(b->mem.base, &b->mem.l, bench_rec(b)->slot);
	atomic_store(&w->consumed, 1460);
	tcp_forget(&b->t, b->conn);
	CU_ASSERT_EQUAL(tcp_consumed(&b->t, b->conn, 1460), -EALREADY);
	CU_ASSERT_EQUAL(b->mem.n_free, b->mem.n_bufs);
	CU_ASSERT_EQUAL(HARD_GET(bench_rec(b)->rcv_head), STATE_NIL);
	b->rd = 1460;
	inject(b, .len = 100);
	CU_ASSERT_EQUAL(host_received(b), 1560);
	host_consume(b, 1560);
	flush(b);
	bench_free(b);
}

// Rule 4: the SEQ of a bare ACK is snd_max, or the peer ignores it.
static void test_ack_seq(void)
{
	struct bench *b = bench_new();

	establish(b, .mss = 1000);
	host_send(b, 3000, 0);
	flush(b);
	tcp_forget(&b->t, b->conn);
	inject(b, .ack = 1, .len = 100);
	for (unsigned i = b->cap_head; i != b->cap_tail; i++) {
		const struct seg_out *s = &b->caps[i % BENCH_SEGS].s;

		CU_ASSERT(s->len > 0 || s->seq == b->iss + 3001);
	}
	CU_ASSERT_EQUAL(host_received(b), 100);
	flush(b);
	inject(b, .ack = 1, .len = 1460);
	inject(b, .ack = 1, .len = 1460);
	expect(b, .seq = 3001, .ack = 3021, .len = 0); // though it sends from 1001 on
	host_consume(b, 3020);
	flush(b);
	bench_free(b);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"a transfer both ways", test_plain},
		{"loss, repetition, disorder", test_bad_path},
		{"forgotten after every turn", test_every_turn},
		{"forgotten once, at each step", test_each_step},
		{"forgotten at random on a bad path", test_random},
		{"the host stops reading", test_host_stops},
		{"closing, forgotten", test_closing_states},
		{"what a rebuilt connection sends", test_rebuilt_output},
		{"a rebuilt connection's ACKs count", test_ack_seq},
		{"timestamps go on", test_rebuilt_timestamps},
		{"a gap is forgotten", test_rebuilt_gap},
		{"what was read comes back", test_rebuilt_consumed},
		CU_TEST_INFO_NULL,
	};

	if (unit_eal() < 0)
		return 1;
	return unit_run("tcp amnesia", tests);
}
