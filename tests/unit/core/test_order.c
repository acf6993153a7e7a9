// core_turn(): nothing leaves, to the wire or to a host, before the hard record covers it, and what
// a turn brought about leaves in that turn. The checks of each turn are order.c's.
#include <sys/socket.h>

#include "engine/base/seq.h"
#include "tests/unit/core/order.h"

static struct rig r;

static void open_plain(void)
{
	struct ob_seg_layout l = peer_layout(1, 6);

	rig_open(&r, NULL, &l);
	rig_listen(&r, RIG_PORT);
}

static struct ob_req of(const struct rig_end *e, enum ob_req_op op, uint64_t off)
{
	return (struct ob_req){.op = (uint8_t)op, .slot = e->slot, .gen = e->gen, .off = off};
}

// Passive, data in and out, the peer closes first.
static void test_passive(void)
{
	struct rig_end e;
	struct ob_event ev;

	open_plain();
	rig_accept(&r, &e, 1001);
	rig_say(&r, &e, TCP_ACK, 700); // two buffers
	ev = rig_event(&r, OB_EV_DATA); // in the turn in which it came
	CU_ASSERT(ev.data.off == 0 && ev.n > 0);
	rig_hear(&r, &e, TCP_ACK, 0);
	rig_consume(&r, &e, 700);
	rig_do(&r, rig_send_req(&r, &e, 0, 4000));
	rig_hear(&r, &e, TCP_ACK, 1460);
	rig_hear(&r, &e, TCP_ACK, 1460);
	CU_ASSERT(rig_silent(&r)); // Nagle
	rig_say(&r, &e, TCP_ACK, 0);
	rig_hear(&r, &e, TCP_ACK, 1080);
	CU_ASSERT_EQUAL(rig_event(&r, OB_EV_SENT).sent[0].off, 2920);
	rig_say(&r, &e, TCP_ACK, 0);
	CU_ASSERT_EQUAL(rig_event(&r, OB_EV_SENT).sent[0].off, 4000);
	rig_say(&r, &e, TCP_FIN | TCP_ACK, 0);
	ev = rig_event(&r, OB_EV_DATA);
	CU_ASSERT_EQUAL(ev.flags & OB_EV_FIN, OB_EV_FIN);
	rig_hear(&r, &e, TCP_ACK, 0);
	rig_do(&r, rig_send_req(&r, &e, 4000, 100)); // half closed
	rig_hear(&r, &e, TCP_ACK, 100);
	rig_do(&r, of(&e, OB_RQ_CLOSE, 4100));
	rig_hear(&r, &e, TCP_FIN | TCP_ACK, 0);
	rig_say(&r, &e, TCP_ACK, 0);
	rig_event(&r, OB_EV_SENT);
	CU_ASSERT_EQUAL(rig_event(&r, OB_EV_CLOSED).error, 0);
	rig_release(&r, &e);
	CU_ASSERT(rig_silent(&r) && r.seen_half == 1);
	rig_close(&r);
}

// Active, then closed by us: TIME-WAIT is there before the last ACK leaves, and answers again.
static void test_active(void)
{
	struct rig_end e;

	open_plain();
	rig_connect(&r, &e, 2001, 4);
	rig_do(&r, rig_send_req(&r, &e, 0, 10));
	rig_hear(&r, &e, TCP_ACK, 10);
	rig_do(&r, of(&e, OB_RQ_SHUTDOWN, 10));
	rig_hear(&r, &e, TCP_FIN | TCP_ACK, 0);
	rig_say(&r, &e, TCP_ACK, 0);
	rig_event(&r, OB_EV_SENT);
	rig_say(&r, &e, TCP_ACK, 300); // FIN-WAIT-2: the other direction goes on
	rig_event(&r, OB_EV_DATA);
	rig_hear(&r, &e, TCP_ACK, 0);
	rig_consume(&r, &e, 300);
	rig_turn(&r);
	rig_say(&r, &e, TCP_FIN | TCP_ACK, 0);
	rig_hear(&r, &e, TCP_ACK, 0);
	CU_ASSERT_EQUAL(r.seen_tw, 1);
	rig_event(&r, OB_EV_DATA);
	CU_ASSERT_EQUAL(rig_event(&r, OB_EV_CLOSED).error, 0);
	rig_release(&r, &e);
	e.seq--; // its FIN again
	rig_say(&r, &e, TCP_FIN | TCP_ACK, 0);
	rig_hear(&r, &e, TCP_ACK, 0);
	CU_ASSERT_EQUAL(r.seen_tw, 2);
	CU_ASSERT_EQUAL(r.seen_half, 1);
	rig_close(&r);
}

// Both close at once: CLOSING.
static void test_closing(void)
{
	struct rig_end e;

	open_plain();
	rig_accept(&r, &e, 1002);
	rig_do(&r, of(&e, OB_RQ_CLOSE, 0));
	r.out_head = r.out_tail; // its FIN is on the way
	rig_say(&r, &e, TCP_FIN | TCP_ACK, 0);
	rig_hear(&r, &e, TCP_ACK, 0);
	e.ack++; // now it has it
	rig_say(&r, &e, TCP_ACK, 0);
	rig_event(&r, OB_EV_DATA);
	CU_ASSERT_EQUAL(rig_event(&r, OB_EV_CLOSED).error, 0);
	rig_release(&r, &e);
	CU_ASSERT(rig_silent(&r));
	rig_close(&r);
}

// Lost segments: sent again by the timer, the SYN-ACK and data.
static void test_again(void)
{
	struct rig_end e;

	open_plain();
	rig_accept(&r, &e, 1003);
	rig_do(&r, rig_send_req(&r, &e, 0, 2000));
	rig_forget(&r);
	rig_advance(&r, 4000000);
	rig_turn(&r);
	rig_hear(&r, &e, TCP_ACK, 1460);
	rig_say(&r, &e, TCP_ACK, 0);
	rig_hear(&r, &e, TCP_ACK, 540);
	rig_say(&r, &e, TCP_ACK, 0);
	CU_ASSERT(r.core->cnt.tcp_rtx_segs >= 1);
	while (peer_has_event(&r.host))
		rig_event(&r, OB_EV_SENT);
	// Reset by the peer.
	rig_say(&r, &e, TCP_RST, 0);
	CU_ASSERT_EQUAL(rig_event(&r, OB_EV_CLOSED).error, -ECONNRESET);
	rig_release(&r, &e);
	// A handshake whose SYN-ACK is lost.
	e = (struct rig_end){.port = 1004, .to = RIG_PORT, .isn = 7, .seq = 7, .wnd = RIG_WND};
	rig_say(&r, &e, TCP_SYN, 0);
	rig_forget(&r);
	rig_advance(&r, 4000000);
	rig_turn(&r);
	rig_hear(&r, &e, TCP_SYN | TCP_ACK, 0);
	CU_ASSERT(r.seen_half >= 3);
	rig_say(&r, &e, TCP_ACK, 0);
	e.slot = rig_event(&r, OB_EV_ACCEPT).slot;
	e.gen = rig_rec(&r, &e)->slot_gen;
	rig_do(&r, of(&e, OB_RQ_ABORT, 0));
	rig_hear(&r, &e, TCP_RST | TCP_ACK, 0);
	CU_ASSERT_EQUAL(rig_event(&r, OB_EV_CLOSED).error, -ECONNABORTED);
	rig_release(&r, &e);
	rig_close(&r);
}

// A window that closes and opens: no edge leaves before it is stored.
static void test_window(void)
{
	struct rig_end e;
	struct rig_seg s = {0};
	uint64_t got = 0, last = 0;

	open_plain();
	rig_accept(&r, &e, 1005);
	while (r.core->hostif.mem[0].n_free > 2 && got < 20000) {
		rig_say(&r, &e, TCP_ACK, 1000);
		got += 1000;
		while (!rig_silent(&r))
			s = rig_hear(&r, &e, TCP_ACK, 0);
	}
	CU_ASSERT(s.wnd > 0);
	for (; peer_has_event(&r.host); last = got)
		rig_event(&r, OB_EV_DATA);
	CU_ASSERT_EQUAL(last, got);
	rig_consume(&r, &e, got);
	rig_advance(&r, 100000);
	rig_forget(&r);
	rig_do(&r, of(&e, OB_RQ_ABORT, 0));
	rig_hear(&r, &e, TCP_RST | TCP_ACK, 0);
	rig_event(&r, OB_EV_CLOSED);
	rig_release(&r, &e);
	rig_close(&r);
}

// A sleeping host is woken behind its events.
static void test_bell(void)
{
	struct ob_chan_shm *shm;
	struct rig_end e;
	char junk[8];

	open_plain();
	rig_accept(&r, &e, 1006);
	shm = ob_seg_chan(r.host.seg, &r.host.l, 0);
	atomic_store(&shm->host_sleeping, 1);
	rig_say(&r, &e, TCP_ACK, 100);
	CU_ASSERT_EQUAL(r.seen_bells, 1);
	CU_ASSERT_EQUAL(recv(r.host.bells[0], junk, sizeof(junk), MSG_DONTWAIT), 1);
	rig_event(&r, OB_EV_DATA);
	rig_forget(&r);
	rig_say(&r, &e, TCP_RST, 0);
	CU_ASSERT_EQUAL(r.seen_bells, 2);
	rig_event(&r, OB_EV_CLOSED);
	rig_release(&r, &e);
	rig_close(&r);
}

// What one connection does in the long run, in any order, with and without soft state.
static void mixed(void (*change)(struct config *cfg), unsigned seed)
{
	struct ob_seg_layout l = peer_layout(1, 6);
	struct rig_end e[4];
	uint64_t sent[4] = {0};

	rig_open(&r, change, &l);
	rig_listen(&r, RIG_PORT);
	for (uint16_t i = 0; i < 4; i++) {
		rig_accept(&r, &e[i], (uint16_t)(3000 + i));
		rig_forget(&r);
	}
	for (unsigned n = 0; n < 600; n++) {
		unsigned i = (unsigned)rand_r(&seed) % 4, what = (unsigned)rand_r(&seed) % 8;

		while (!rig_silent(&r)) {
			const struct rig_seg *s = &r.out[r.out_head++ % RIG_SEGS];
			struct rig_end *to = &e[s->dport - 3000];

			if (s->seq == to->ack && rand_r(&seed) % 16)
				to->ack += s->len;
			if (seq_gt(s->ack, to->seq))
				CU_FAIL_FATAL("acknowledged before it was sent");
		}
		while (peer_has_event(&r.host)) {
			struct ob_event ev = peer_event(&r.host);

			if (ev.type == OB_EV_DATA && ev.n)
				rig_consume(&r, &e[ev.slot],
					ev.data.off + ob_span_len(ev.data.spans[0]));
		}
		if (what < 3)
			rig_put(&r, &e[i], TCP_ACK, 1 + (uint32_t)rand_r(&seed) % 400);
		else if (what < 5)
			rig_put(&r, &e[i], TCP_ACK, 0);
		else if (what == 5 && sent[i] < 40000) {
			rig_ask(&r, rig_send_req(&r, &e[i], sent[i], 800));
			sent[i] += 800;
		}
		if (what == 6)
			rig_advance(&r, 300000);
		else
			rig_turn(&r);
	}
	CU_ASSERT(r.seen_segs > 300 && r.seen_events > 100);
	for (unsigned i = 0; i < 4; i++)
		rig_ask(&r, of(&e[i], OB_RQ_ABORT, 0));
	for (unsigned n = 0; n < 20; n++) {
		rig_turn(&r);
		while (peer_has_event(&r.host))
			peer_event(&r.host);
	}
	for (unsigned i = 0; i < 4; i++)
		rig_release(&r, &e[i]);
	rig_turns(&r, 3);
	rig_close(&r);
}

// Rebuilt, then told what the host has read, before anything is published: that is not said again,
// and where it was no span is made up.
static void test_consumed_between(void)
{
	struct rig_end e;
	struct ob_event ev;

	open_plain();
	rig_accept(&r, &e, 1007);
	for (unsigned i = 0; i < 10; i++)
		rig_say(&r, &e, TCP_ACK, 1000);
	while (peer_has_event(&r.host))
		ev = rig_event(&r, OB_EV_DATA);
	tcp_forget(&r.core->tcp, (uint32_t)(rig_rec(&r, &e) - r.st.recs));
	rig_consume(&r, &e, 9900);
	rig_turn(&r);
	ev = rig_event(&r, OB_EV_DATA);
	CU_ASSERT(ev.data.off == 9900 && ev.n == 1 && ob_span_len(ev.data.spans[0]) == 100);
	CU_ASSERT(!peer_has_event(&r.host));
	rig_forget(&r);
	rig_say(&r, &e, TCP_RST, 0);
	rig_event(&r, OB_EV_CLOSED);
	rig_release(&r, &e);
	rig_close(&r);
}

static void amnesia(struct config *cfg)
{
	cfg->debug_amnesia = 1000000;
}

static void test_mixed(void)
{
	for (unsigned seed = 1; seed <= 4; seed++) {
		mixed(NULL, seed);
		mixed(amnesia, seed);
	}
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"passive open, data, half close", test_passive},
		{"active open, TIME-WAIT", test_active},
		{"both close at once", test_closing},
		{"segments that are lost", test_again},
		{"a window that closes", test_window},
		{"a sleeping host", test_bell},
		{"read between a rebuild and its events", test_consumed_between},
		{"everything mixed, with amnesia too", test_mixed},
		CU_TEST_INFO_NULL,
	};

	if (unit_eal() < 0)
		return 1;
	return unit_run("core order", tests);
}
