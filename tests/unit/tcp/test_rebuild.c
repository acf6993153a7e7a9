// What a rebuilt connection believes: the host's word within bounds, and a record only when its check
// sum is right.
#include <errno.h>

#include "tests/unit/tcp/tcp_peer.h"

#define WELL 40001 // the port of another peer

static struct tcp_soft *soft_of(struct bench *b)
{
	struct tcp_soft *s = tcp_soft_held(&b->t, b->conn);

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	return s;
}

static void forget_with_word(struct bench *b, uint64_t word)
{
	atomic_store(&ob_seg_slot(b->mem.base, &b->mem.l, bench_rec(b)->slot)->consumed, word);
	tcp_forget(&b->t, b->conn);
}

// A word beyond what was received: all of it counts as read, and not a byte more. The edge stays
// within the window of what is there.
static void test_word_high(void)
{
	static const uint64_t words[]
		= {5001, 1u << 20, 1ull << 40, (1ull << 63) - 1, 1ull << 63, UINT64_MAX};

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct bench *b = bench_new();
		uint64_t space;

		establish(b, .wscale = 0);
		inject(b, .len = 2500);
		inject(b, .len = 2500);
		flush(b);
		space = b->cfg.tcp_rcv_wnd;
		forget_with_word(b, words[i]);
		CU_ASSERT_EQUAL(soft_of(b)->rcv_consumed, 5000);
		CU_ASSERT_EQUAL(soft_of(b)->rcv_reported, 5000);
		turn(b);
		CU_ASSERT(HARD_GET(bench_rec(b)->rcv_edge) <= 5000 + space);
		CU_ASSERT_EQUAL(b->mem.n_free, b->mem.n_bufs);
		// What comes now is placed and told of, not taken for read.
		host_notes(b);
		inject(b, .len = 1000);
		CU_ASSERT_EQUAL(host_received(b), 6000);
		CU_ASSERT(host_notes(b) & TCP_EV_DATA);
		CU_ASSERT_EQUAL(soft_of(b)->rcv_reported, 5000);
		b->rd = 5000;
		CU_ASSERT_EQUAL(host_consume(b, 6000), 0);
		flush(b);
		bench_free(b);
	}
}

// A word that went back: what was given up before is not reported again, nor counted as held.
static void test_word_low(void)
{
	struct bench *b = bench_new();

	establish(b, .wscale = 0);
	inject(b, .len = 2500);
	inject(b, .len = 2500);
	flush(b);
	CU_ASSERT_EQUAL(host_consume(b, 4500), 0); // two buffers of 2,048 are gone
	forget_with_word(b, 0);
	CU_ASSERT_EQUAL(soft_of(b)->rcv_consumed, 4096);
	CU_ASSERT_EQUAL(soft_of(b)->rcv_reported, 4096);
	CU_ASSERT_EQUAL(host_consume(b, 5000), 0);
	// Nothing is held: everything was read, whatever the word says.
	forget_with_word(b, 17);
	CU_ASSERT_EQUAL(soft_of(b)->rcv_consumed, 5000);
	turn(b);
	CU_ASSERT(HARD_GET(bench_rec(b)->rcv_edge) <= 5000 + b->cfg.tcp_rcv_wnd);
	flush(b);
	bench_free(b);
}

// A slot that is none of the host's, in a record that says so: its word is not read.
static void test_no_slot(void)
{
	struct bench *b = bench_new();
	struct rec *r;
	uint32_t slot;

	establish(b);
	inject(b, .len = 1000);
	flush(b);
	r = bench_rec(b);
	slot = r->slot;
	r->slot = UINT32_MAX;
	r->sum = rec_sum(r); // as a faulty engine might have stored it
	tcp_forget(&b->t, b->conn);
	CU_ASSERT_EQUAL(soft_of(b)->rcv_consumed, 1000);
	r->slot = slot;
	r->sum = rec_sum(r);
	flush(b);
	bench_free(b);
}

// Everything that the host may not have heard is said again, and only that.
static void test_said_again(void)
{
	struct bench *b = bench_new();
	struct ob_slot_word *w;

	establish(b);
	w = ob_seg_slot(b->mem.base, &b->mem.l, bench_rec(b)->slot);
	tcp_forget(&b->t, b->conn);
	CU_ASSERT_EQUAL(host_notes(b), 0);
	host_send(b, 100, 0);
	inject(b, .ack = 101);
	host_notes(b);
	tcp_forget(&b->t, b->conn);
	CU_ASSERT_EQUAL(host_notes(b), TCP_EV_SENT);
	inject(b, .ack = 101, .len = 10);
	host_notes(b);
	tcp_forget(&b->t, b->conn);
	CU_ASSERT_EQUAL(host_notes(b), TCP_EV_SENT | TCP_EV_DATA);
	atomic_store(&w->taken_gen, 0); // not taken yet
	tcp_forget(&b->t, b->conn);
	CU_ASSERT_EQUAL(host_notes(b), TCP_EV_ACCEPT | TCP_EV_SENT | TCP_EV_DATA);
	atomic_store(&w->taken_gen, bench_rec(b)->slot_gen);
	host_consume(b, 10);
	inject(b, .ack = 101, .flags = TCP_RST);
	soft_drop(&b->t, b->conn);
	host_notes(b);
	CU_ASSERT_PTR_NOT_NULL(tcp_soft(&b->t, b->conn));
	CU_ASSERT_EQUAL(host_notes(b), TCP_EV_SENT | TCP_EV_CLOSED);
	flush(b);
	bench_free(b);
	b = bench_new();
	establish_active(b);
	atomic_store(&ob_seg_slot(b->mem.base, &b->mem.l, bench_rec(b)->slot)->taken_gen, 0);
	tcp_forget(&b->t, b->conn);
	CU_ASSERT_EQUAL(host_notes(b), TCP_EV_CONNECT);
	flush(b);
	bench_free(b);
}

// Two connections with something in every direction; the first one's record is damaged at `at`.
struct pair {
	struct bench *b;
	uint32_t hurt;
	struct rec *r;
};

static struct pair pair_make(size_t at)
{
	struct bench *b = bench_new();
	struct pair p = {.b = b};

	establish(b);
	p.hurt = b->conn;
	p.r = bench_rec(b);
	inject(b, .len = 3000);
	host_send(b, 1000, 0);
	flush(b);
	inject(b, .sport = WELL, .flags = TCP_SYN, .seq = 0, .mss = 1460);
	expect(b, .sport = WELL, .flags = TCP_SYN | TCP_ACK);
	inject(b, .sport = WELL, .seq = 1, .ack = 1);
	expect_state(b, ESTABLISHED);
	CU_ASSERT_NOT_EQUAL_FATAL(b->conn, p.hurt);
	((uint8_t *)p.r)[at] ^= 0x41;
	counter_mark(b);
	return p;
}

// It is over, its owner's, and nobody else noticed.
static void pair_check(struct pair *p, size_t at)
{
	struct bench *b = p->b;
	bool good = counter_delta(b, tcp_rec_damaged) == 1 && rec_phase(p->r) == REC_DONE
		&& REC_LIFE_ERROR(HARD_GET(p->r->life)) == EIO && p->r->host == 0 && p->r->slot == 0
		&& p->r->slot_gen == b->slots[0].gen && p->r->rport == PEER_PORT
		&& p->r->sum == rec_sum(p->r);

	if (!good)
		printf("\n    byte %zu ", at);
	CU_ASSERT(good);
	flush(b);
	// The peer's next segment finds no connection.
	inject(b, .seq = 3001, .ack = 1, .len = 10);
	expect(b, .flags = TCP_RST);
	// The other one lives.
	inject(b, .sport = WELL, .seq = 1, .ack = 1, .len = 100);
	CU_ASSERT_EQUAL(host_received(b), 100);
	CU_ASSERT_EQUAL(host_send(b, 10, 0), 0);
	flush(b);
	CU_ASSERT_EQUAL(tcp_release(&b->t, p->hurt), 0);
	CU_ASSERT_EQUAL(rec_phase(p->r), REC_FREE);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rec_damaged), 1);
	bench_free(b);
}

// Every byte of the cold line, found when the soft state is made again: by amnesia, by a segment, by a
// request.
static void test_damaged(void)
{
	for (size_t at = offsetof(struct rec, laddr); at < sizeof(struct rec); at++) {
		if (at == offsetof(struct rec, flags))
			continue;
		for (unsigned how = 0; how < 4; how++) {
			struct pair p = pair_make(at);
			struct bench *b = p.b;

			if (how > 0) {
				wheel_disarm(&b->t.wheel, p.hurt);
				soft_drop(&b->t, p.hurt);
			}
			if (how < 2)
				tcp_forget(&b->t, p.hurt);
			else if (how == 2)
				inject(b, .seq = 3001, .ack = 1, .len = 10);
			else
				CU_ASSERT_EQUAL(tcp_shutdown(&b->t, p.hurt, 1000), -EAGAIN);
			turn(b);
			if (how == 3)
				CU_ASSERT_EQUAL(tcp_shutdown(&b->t, p.hurt, 1000), -EPIPE);
			pair_check(&p, at);
		}
	}
}

// Its host goes: it is found although it says that it is another's.
static void test_damaged_host_gone(void)
{
	struct pair p = pair_make(offsetof(struct rec, host));
	struct bench *b = p.b;
	uint32_t cursor = 0;

	CU_ASSERT(tcp_host_gone(&b->t, 0, &cursor, 1000));
	turn(b);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rec_damaged), 1);
	CU_ASSERT_EQUAL(tcp_host_conns(&b->t, 0), 0);
	flush(b);
	bench_free(b);
}

// Damaged when it was over already: its release gives everything back to whom it belongs.
static void test_damaged_done(void)
{
	struct pair p = pair_make(offsetof(struct rec, flags)); // not in the sum
	struct bench *b = p.b;

	atomic_store(&p.r->flags, 0);
	inject(b, .flags = TCP_RST, .seq = 3001);
	CU_ASSERT_EQUAL(rec_phase(p.r), REC_DONE);
	p.r->host = 77;
	p.r->slot = UINT32_MAX;
	CU_ASSERT_EQUAL(tcp_release(&b->t, p.hurt), 0);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_rec_damaged), 1);
	CU_ASSERT_EQUAL(rec_phase(p.r), REC_FREE);
	flush(b);
	bench_free(b);
}

// An ACK that was on its way when the soft state was lost says nothing new, and what it bears counts: how far
// back it may be follows from the largest window, which is not known any more (RFC 5961 section 5.2).
static void test_old_ack(void)
{
	struct bench *b = bench_new();

	establish(b);
	host_send(b, 1000, 0);
	flush(b);
	inject(b, .ack = 1001);
	tcp_forget(&b->t, b->conn);
	turn(b);
	flush(b);
	inject(b, .ack = 1, .len = 10);
	CU_ASSERT_EQUAL(host_received(b), 10);
	CU_ASSERT_EQUAL(b->cnt.drop_tcp_ack_range, 0);
	b->rd = 0;
	host_consume(b, 10);
	flush(b);
	bench_free(b);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"a word that is too high", test_word_high},
		{"a word that is too low", test_word_low},
		{"no such slot", test_no_slot},
		{"what is said again", test_said_again},
		{"damaged records", test_damaged},
		{"a damaged record of a host that goes", test_damaged_host_gone},
		{"a damaged record of a connection that is over", test_damaged_done},
		{"an ACK from before", test_old_ack},
		CU_TEST_INFO_NULL,
	};

	if (unit_eal() < 0)
		return 1;
	return unit_run("tcp rebuild", tests);
}
