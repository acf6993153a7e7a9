// Every state of RFC 9293 section 3.3.2, every combination of the eight flags, text or none, sequence numbers in
// the window, on its edges and on either side of it, acknowledgements old, current, new and of the
// future: one segment each, and the reaction compared with the oracle (states_oracle.c).
#include <errno.h>

#include "tests/unit/tcp/bench_host.h"
#include "tests/unit/tcp/states_oracle.h"

#define N_FLAGS 256u
#define SENT 1000 // acknowledged before the segment comes
#define FLIGHT 500 // not yet
#define READ 200 // received and consumed
#define PEER_WND 8000

// Where connections stand when the segment comes: the states, and two that differ within one.
enum scene {
	S_CLOSED,
	S_LISTEN,
	S_SYN_SENT,
	S_SYN_RECEIVED,
	S_SYN_RECEIVED_ACTIVE,
	S_ESTABLISHED,
	S_ZERO_WINDOW, // ESTABLISHED, with RCV.WND = 0
	S_FIN_WAIT_1,
	S_FIN_WAIT_2,
	S_CLOSE_WAIT,
	S_CLOSING,
	S_LAST_ACK,
	S_TIME_WAIT,
	SCENES
};

static const char *const scene_names[SCENES] = {"CLOSED", "LISTEN", "SYN-SENT", "SYN-RECEIVED",
	"SYN-RECEIVED (active)", "ESTABLISHED", "ESTABLISHED (window 0)", "FIN-WAIT-1",
	"FIN-WAIT-2", "CLOSE-WAIT", "CLOSING", "LAST-ACK", "TIME-WAIT"};

struct world {
	struct bench *b;
	enum scene scene;
	uint16_t port; // ours in SYN-SENT and CLOSED, else the peer's: no two cases share a tuple
	struct oracle_tcb tcb;
	uint64_t n, wrong;
	uint64_t replies[R_SYN_ACK + 1];
};

static bool ours(enum scene s)
{
	return s == S_CLOSED || s == S_SYN_SENT || s == S_SYN_RECEIVED_ACTIVE;
}

// A segment of the peer on this case's tuple.
#define peer(w, ...)                                                                               \
	inject((w)->b, .sport = ours((w)->scene) ? PEER_PORT : (w)->port,                          \
		.dport = ours((w)->scene) ? (w)->port : PORT, __VA_ARGS__)

// What the engine said last: the TCB's side of it is taken from the wire.
static const struct cap *last(struct world *w)
{
	CU_ASSERT_FATAL(w->b->cap_tail > w->b->cap_head);
	return &w->b->caps[(w->b->cap_tail - 1) % BENCH_SEGS];
}

static void heard(struct world *w)
{
	const struct cap *c = last(w);
	int64_t ack = (int32_t)(c->s.ack - w->b->peer_isn);

	w->tcb.snd_nxt = (int32_t)(c->s.seq - w->b->iss) + c->s.len + !!(c->s.flags & TCP_SYN)
		+ !!(c->s.flags & TCP_FIN);
	if (c->s.flags & TCP_ACK) {
		w->tcb.rcv_nxt = ack;
		w->tcb.rcv_wnd = c->s.wnd;
	}
	flush(w->b);
}

// A handshake, a stream each way: SND.UNA < SND.NXT, and RCV.NXT is not where it began.
static void make_established(struct world *w)
{
	struct bench *b = w->b;
	uint32_t want = w->scene == S_ZERO_WINDOW ? (uint32_t)b->cfg.tcp_rcv_wnd : READ;

	peer(w, .ack = 1, .wnd = PEER_WND);
	CU_ASSERT_FATAL(host_send(b, SENT, 0) == 0);
	peer(w, .len = want / 2, .ack = 1);
	peer(w, .len = want - want / 2, .ack = 1 + SENT);
	if (w->scene != S_ZERO_WINDOW)
		CU_ASSERT_FATAL(host_consume(b, READ) == 0);
	heard(w);
	CU_ASSERT_FATAL(w->tcb.rcv_nxt == 1 + want);
	CU_ASSERT_FATAL((w->tcb.rcv_wnd == 0) == (w->scene == S_ZERO_WINDOW));
	CU_ASSERT_FATAL(host_send(b, FLIGHT, OB_RQ_PUSH) == 0);
	heard(w);
	w->tcb.state = O_ESTABLISHED;
	w->tcb.snd_una = 1 + SENT;
	w->tcb.wl1 = 1 + want / 2;
	w->tcb.wl2 = 1 + SENT;
}

static void shut(struct world *w)
{
	CU_ASSERT_FATAL(host_shutdown(w->b) == 0);
	heard(w);
}

// The peer's FIN, with an acknowledgement.
static void fin_comes(struct world *w, int64_t ack)
{
	peer(w, .flags = TCP_FIN | TCP_ACK, .seq = w->tcb.rcv_nxt, .ack = ack);
	w->tcb.wl1 = w->tcb.rcv_nxt;
	w->tcb.wl2 = ack;
	w->tcb.snd_una = ack;
	heard(w);
}

static void make_later(struct world *w)
{
	enum scene s = w->scene;

	make_established(w);
	if (s == S_CLOSE_WAIT || s == S_LAST_ACK)
		fin_comes(w, w->tcb.snd_una);
	if (s == S_FIN_WAIT_1 || s == S_CLOSING || s == S_FIN_WAIT_2 || s == S_LAST_ACK
		|| s == S_TIME_WAIT)
		shut(w);
	if (s == S_CLOSING)
		fin_comes(w, w->tcb.snd_una);
	if (s == S_FIN_WAIT_2) {
		peer(w, .seq = w->tcb.rcv_nxt, .ack = w->tcb.snd_nxt);
		w->tcb.snd_una = w->tcb.wl2 = w->tcb.snd_nxt;
		w->tcb.wl1 = w->tcb.rcv_nxt;
	}
	if (s == S_TIME_WAIT)
		fin_comes(w, w->tcb.snd_nxt);
}

static void make(struct world *w)
{
	static const enum oracle_state states[SCENES] = {O_CLOSED, O_LISTEN, O_SYN_SENT,
		O_SYN_RECEIVED, O_SYN_RECEIVED, O_ESTABLISHED, O_ESTABLISHED, O_FIN_WAIT_1,
		O_FIN_WAIT_2, O_CLOSE_WAIT, O_CLOSING, O_LAST_ACK, O_TIME_WAIT};
	struct bench *b = w->b;

	w->tcb = (struct oracle_tcb){.active = ours(w->scene),
		.max_wnd = PEER_WND,
		.snd_wnd = PEER_WND,
		.wnd_most = (int64_t)b->cfg.tcp_rcv_wnd};
	w->port = w->port == UINT16_MAX ? 1024 : (uint16_t)(w->port + 1);
	b->now_us += 1000;
	b->peer_seq = b->peer_ack = 0;
	b->conn = TCP_NONE;
	if (w->scene == S_CLOSED || w->scene == S_LISTEN) {
		w->tcb.rcv_nxt = 1;
		w->tcb.rcv_wnd = PEER_WND;
	} else if (ours(w->scene)) {
		CU_ASSERT_FATAL(host_connect_from(b, w->port) == 0);
		b->iss = last(w)->s.seq;
		if (w->scene == S_SYN_RECEIVED_ACTIVE)
			peer(w, .flags = TCP_SYN, .seq = 0, .wnd = PEER_WND, .mss = 1460);
		heard(w);
		if (w->scene == S_SYN_SENT)
			w->tcb.rcv_wnd = PEER_WND; // none yet: to place segments by
	} else {
		peer(w, .flags = TCP_SYN, .seq = 0, .wnd = PEER_WND, .mss = 1460);
		b->iss = last(w)->s.seq;
		heard(w);
		if (w->scene != S_SYN_RECEIVED)
			make_later(w);
	}
	w->tcb.state = states[w->scene];
	b->connect_error = 0;
}

static struct seg_tuple tuple(const struct world *w)
{
	struct seg_tuple k = {.laddr = ob_addr_v4(0x0100000a), .raddr = ob_addr_v4(0x0200000a)};

	k.lport = ours(w->scene) ? w->port : PORT;
	k.rport = ours(w->scene) ? PEER_PORT : w->port;
	return k;
}

// The engine's TCB in the oracle's words.
static void have_rec(struct world *w, uint32_t id, struct oracle_tcb *t)
{
	static const enum oracle_state names[] = {
		[TCPS_ESTABLISHED] = O_ESTABLISHED,
		[TCPS_FIN_WAIT_1] = O_FIN_WAIT_1,
		[TCPS_FIN_WAIT_2] = O_FIN_WAIT_2,
		[TCPS_CLOSE_WAIT] = O_CLOSE_WAIT,
		[TCPS_CLOSING] = O_CLOSING,
		[TCPS_LAST_ACK] = O_LAST_ACK,
	};
	const struct rec *r = tcp_rec(&w->b->t, id);
	const struct tcp_soft *s = tcp_soft_held(&w->b->t, id);

	t->state = names[tcp_state(r)];
	t->snd_una = (int32_t)(snd_seq(r, HARD_GET(r->snd_una)) - w->b->iss);
	t->rcv_nxt = (int32_t)(rcv_seq(r, HARD_GET(r->rcv_nxt)) - w->b->peer_isn);
	t->snd_wnd = s->snd_wnd;
}

static void have(struct world *w, struct oracle_end *e)
{
	struct bench *b = w->b;
	struct seg_tuple k = tuple(w);
	uint32_t id = conn_lookup(&b->t, &k);

	*e = (struct oracle_end){.t = {.state = O_CLOSED}};
	if (id != TCP_NONE && tcp_id_is_half(&b->t, id))
		e->t.state = HARD_GET(half_of(&b->t, id)->phase) == HALF_SYN_SENT ? O_SYN_SENT
										  : O_SYN_RECEIVED;
	else if (id != TCP_NONE)
		have_rec(w, id, &e->t);
	else if (tw_find(b->t.tw, &k, b->now_us))
		e->t.state = O_TIME_WAIT;
	if (b->connect_error)
		e->error = -b->connect_error;
	if (b->conn != TCP_NONE && bench_error(b) > 0)
		e->error = bench_error(b);
	if (b->cap_head != b->cap_tail) {
		const struct cap *c = last(w);

		switch (c->s.flags & ~(TCP_PSH | TCP_ECE | TCP_CWR)) {
		case TCP_RST | TCP_ACK:
			e->reply = R_RST_ACK;
			break;
		case TCP_RST:
			e->reply = R_RST;
			break;
		case TCP_SYN | TCP_ACK:
			e->reply = R_SYN_ACK;
			break;
		default:
			e->reply = R_ACK;
		}
		if (e->reply == R_SYN_ACK)
			b->iss = c->s.seq;
		e->seq = e->reply == R_RST_ACK ? c->s.seq : (uint32_t)(c->s.seq - b->iss);
		e->seq = (int32_t)e->seq;
		e->ack = e->reply == R_RST ? 0 : (int32_t)(c->s.ack - b->peer_isn);
	}
}

static bool same(struct world *w, const struct oracle_end *want, const struct oracle_end *got)
{
	bool gone = want->t.state == O_CLOSED || want->t.state == O_LISTEN;
	bool rec = want->t.state >= O_ESTABLISHED && want->t.state != O_TIME_WAIT;

	if (w->b->cap_tail - w->b->cap_head > 1 || want->reply != got->reply
		|| want->seq != got->seq || want->ack != got->ack)
		return false;
	if (gone ? got->t.state != O_CLOSED : got->t.state != want->t.state)
		return false;
	if (rec
		&& (want->t.snd_una != got->t.snd_una || want->t.rcv_nxt != got->t.rcv_nxt
			|| want->t.snd_wnd != got->t.snd_wnd))
		return false;
	// A passive open that was reset in SYN-RECEIVED has no user to tell.
	return got->error == (w->scene == S_SYN_RECEIVED ? 0 : want->error);
}

static void tell(const struct world *w, const struct oracle_seg *g, const struct oracle_end *e,
	const char *who)
{
	printf("\n%s: flags %02x seq %ld ack %ld len %ld (rcv_nxt %ld wnd %ld, una %ld nxt %ld): "
	       "%s: "
	       "state %d reply %d seq %ld ack %ld, una %ld rcv_nxt %ld wnd %ld error %d",
		scene_names[w->scene], g->flags, (long)g->seq, (long)g->ack, (long)g->len,
		(long)w->tcb.rcv_nxt, (long)w->tcb.rcv_wnd, (long)w->tcb.snd_una,
		(long)w->tcb.snd_nxt, who, e->t.state, e->reply, (long)e->seq, (long)e->ack,
		(long)e->t.snd_una, (long)e->t.rcv_nxt, (long)e->t.snd_wnd, e->error);
}

static void clean(struct world *w)
{
	struct bench *b = w->b;
	struct seg_tuple k = tuple(w);
	uint32_t id = conn_lookup(&b->t, &k);

	if (id != TCP_NONE)
		tcp_abort(&b->t, id);
	turn(b);
	flush(b);
	if (b->conn != TCP_NONE && rec_phase(bench_rec(b)) == REC_DONE)
		tcp_release(&b->t, b->conn);
}

static void one(struct world *w, const struct oracle_seg *g)
{
	struct oracle_end want = oracle(&w->tcb, g), got;

	peer(w, .flags = g->flags, .seq = g->seq, .ack = g->ack, .len = g->len, .wnd = g->wnd,
		.mss = g->flags & TCP_SYN ? 1460 : ANY);
	have(w, &got);
	w->n++;
	w->replies[want.reply]++;
	if (!same(w, &want, &got) && ++w->wrong <= 20) {
		tell(w, g, &want, "expected");
		tell(w, g, &got, "is");
	}
	clean(w);
}

static void every_place(struct world *w, unsigned flags)
{
	// Distances from RCV.NXT, from the right edge of the window, from RCV.NXT less the largest one.
	static const struct {
		enum { NXT, EDGE, LOW } from;
		int64_t by;
	} seqs[] = {{NXT, 0}, {NXT, -1}, {NXT, -50}, {NXT, -100}, {NXT, -101}, {LOW, 0}, {LOW, -1},
		{NXT, -2000000000}, {NXT, 1000}, {EDGE, -1}, {EDGE, -50}, {EDGE, 0}, {EDGE, 1},
		{EDGE, 2000000000}};

	for (size_t i = 0; i < sizeof(seqs) / sizeof(seqs[0]); i++) {
		for (int64_t len = 0; len <= 100; len += 100) {
			for (int a = 0; a < (flags & TCP_ACK ? 6 : 1); a++) {
				struct oracle_seg g = {.flags = flags, .len = len, .wnd = 7000};

				make(w);
				const int64_t acks[6] = {w->tcb.snd_nxt, w->tcb.snd_una,
					w->tcb.snd_una + 1, w->tcb.snd_una - 500,
					w->tcb.snd_una - w->tcb.max_wnd - 1, w->tcb.snd_nxt + 1};

				const int64_t bases[] = {0, w->tcb.rcv_wnd, -w->tcb.wnd_most};

				g.seq = w->tcb.rcv_nxt + seqs[i].by + bases[seqs[i].from];
				g.ack = acks[a];
				one(w, &g);
			}
		}
	}
}

static void scene(enum scene s)
{
	struct world w = {.b = bench_new(), .scene = s, .port = 1024};

	w.b->cfg.tcp_delack_us = 0;
	w.b->cfg.tcp_challenge_rate = w.b->cfg.tcp_reset_rate = 1000000;
	if (s == S_ZERO_WINDOW)
		w.b->cfg.tcp_rcv_wnd = 2048;
	bench_start(w.b);
	if (!ours(s))
		CU_ASSERT_FATAL(host_listen(w.b) == 0);
	for (unsigned flags = 0; flags < N_FLAGS; flags++)
		every_place(&w, flags);
	printf("%lu segments, answered by nothing %lu, ACK %lu, RST %lu, RST-ACK %lu, SYN-ACK "
	       "%lu\n    ",
		(unsigned long)w.n, (unsigned long)w.replies[R_NOTHING],
		(unsigned long)w.replies[R_ACK], (unsigned long)w.replies[R_RST],
		(unsigned long)w.replies[R_RST_ACK], (unsigned long)w.replies[R_SYN_ACK]);
	CU_ASSERT_EQUAL(w.wrong, 0);
	bench_free(w.b);
}

#define SCENE(name)                                                                                \
	static void test_##name(void)                                                              \
	{                                                                                          \
		scene(S_##name);                                                                   \
	}
SCENE(CLOSED)
SCENE(LISTEN)
SCENE(SYN_SENT)
SCENE(SYN_RECEIVED)
SCENE(SYN_RECEIVED_ACTIVE)
SCENE(ESTABLISHED)
SCENE(ZERO_WINDOW)
SCENE(FIN_WAIT_1)
SCENE(FIN_WAIT_2)
SCENE(CLOSE_WAIT)
SCENE(CLOSING)
SCENE(LAST_ACK)
SCENE(TIME_WAIT)

int main(void)
{
	CU_TestInfo tests[] = {
		{"CLOSED", test_CLOSED},
		{"LISTEN", test_LISTEN},
		{"SYN-SENT", test_SYN_SENT},
		{"SYN-RECEIVED", test_SYN_RECEIVED},
		{"SYN-RECEIVED, of an active open", test_SYN_RECEIVED_ACTIVE},
		{"ESTABLISHED", test_ESTABLISHED},
		{"ESTABLISHED, with a closed window", test_ZERO_WINDOW},
		{"FIN-WAIT-1", test_FIN_WAIT_1},
		{"FIN-WAIT-2", test_FIN_WAIT_2},
		{"CLOSE-WAIT", test_CLOSE_WAIT},
		{"CLOSING", test_CLOSING},
		{"LAST-ACK", test_LAST_ACK},
		{"TIME-WAIT", test_TIME_WAIT},
		CU_TEST_INFO_NULL,
	};

	if (unit_eal() < 0)
		return 1;
	return unit_run("tcp states", tests);
}
