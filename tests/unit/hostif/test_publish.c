// Events of committed records, slots and their generations.
#include <errno.h>

#include "tests/unit/hostif/fixture.h"

static void finish(struct world *w, struct tcp_soft *s, int error)
{
	struct rec *r = &w->st.recs[s->conn];

	HARD_SET(r->life, rec_life(rec_gen(r), (uint32_t)error, REC_DONE));
	world_notify(w, s, TCP_EV_CLOSED);
}

// A connection is established: every field of it is told.
static struct tcp_soft *told_of_accept(struct world *w, struct peer *p)
{
	struct tcp_soft *s = world_conn(w, p, 7);
	struct rec *r = &w->st.recs[7];
	struct ob_event e;

	r->laddr = ob_addr_v4(0x0100000a);
	r->raddr = ob_addr_v4(0x0200000a);
	r->lport = 80;
	r->rport = 40000;
	r->mss = 1448;
	r->opts = OB_NEG_TS | OB_NEG_SACK;
	r->listener = 3;
	w->st.listeners[3].number = 200;
	HARD_SET(w->st.listeners[3].life, rec_life(1, 0, REC_LIVE));
	world_notify(w, s, TCP_EV_ACCEPT);
	CU_ASSERT_EQUAL(s->flags & SOFT_NOTIFY, SOFT_NOTIFY);
	world_turn(w);
	CU_ASSERT_EQUAL(s->flags & SOFT_NOTIFY, 0);
	e = peer_event(p);
	CU_ASSERT(e.type == OB_EV_ACCEPT && e.slot == 0 && e.gen == 1 && e.error == 0);
	CU_ASSERT(ob_addr_eq(&e.conn.laddr, &r->laddr) && ob_addr_eq(&e.conn.raddr, &r->raddr));
	CU_ASSERT(e.conn.lport == 80 && e.conn.rport == 40000 && e.conn.mss == 1448);
	CU_ASSERT(e.conn.opts == r->opts && e.conn.chan_listener == 200);
	CU_ASSERT_EQUAL(e.conn.when_us, w->tcp.now_us);
	CU_ASSERT_EQUAL(atomic_load(&p->host->chans[0].hard->ev_tail), 1);
	return s;
}

// Data came, and ours was acknowledged with our FIN: one event for both.
static void told_of_data(struct world *w, struct peer *p, struct tcp_soft *s)
{
	struct rec *r = &w->st.recs[s->conn];
	struct ob_event e;

	world_receive(w, s, 100);
	s->flags |= SOFT_PUSH_RCVD;
	HARD_SET(r->snd_wr, 51 | STATE_FIN);
	HARD_SET(r->snd_una, 51); // with our FIN
	world_notify(w, s, TCP_EV_SENT);
	world_turn(w);
	e = peer_event(p);
	CU_ASSERT(e.type == OB_EV_DATA && e.n == 1 && e.flags == OB_EV_PUSH);
	CU_ASSERT(e.data.off == 0 && e.data.sent == 50);
	CU_ASSERT_EQUAL(ob_span_len(e.data.spans[0]), 100);
	CU_ASSERT_EQUAL(p->seg[ob_span_off(e.data.spans[0]) + 99], 99);
	CU_ASSERT(!peer_has_event(p)); // SENT went along
}

// Every field of an established connection, and its life up to RELEASE.
static void test_life(void)
{
	struct world w;
	struct peer p;
	struct tcp_soft *s;
	struct ob_event e;

	world_with_host(&w, &p);
	s = told_of_accept(&w, &p);
	told_of_data(&w, &p, s);
	s->rcv_nxt = 101 | STATE_FIN;
	HARD_SET(w.st.recs[7].rcv_nxt, s->rcv_nxt);
	world_notify(&w, s, TCP_EV_DATA);
	finish(&w, s, ECONNRESET);
	world_turn(&w);
	e = peer_event(&p);
	CU_ASSERT(e.type == OB_EV_DATA && e.n == 0 && e.flags == OB_EV_FIN && e.data.off == 100);
	e = peer_event(&p);
	CU_ASSERT(e.type == OB_EV_CLOSED && e.error == -ECONNRESET);
	CU_ASSERT(e.closed.sent == 50 && e.closed.received == 100);
	CU_ASSERT_EQUAL(p.host->slots[0].id, 7); // the host has the slot until it releases it
	peer_request(&p, &(struct ob_req){.op = OB_RQ_RELEASE, .slot = 0, .gen = 1});
	world_turn(&w);
	CU_ASSERT_EQUAL(p.host->slots[0].id & SLOT_TAG, SLOT_FREE);
	CU_ASSERT(!peer_has_event(&p));
	world_end(&w, &p);
}

// A tiny ring and much to say: all of it arrives, in order, as the host makes room.
static void test_full_ring(void)
{
	struct world w;
	struct peer p;
	struct tcp_soft *s[4];
	uint64_t off[4] = {0};
	uint32_t accepted = 0, closed = 0, fins = 0, rounds = 0;

	world_with_host(&w, &p);
	// Buffers in an order that merges nothing: a span each.
	for (uint32_t i = 0; i < 32; i++)
		p.host->mem->free[31 - i] = (i * 7) % 32;
	for (uint32_t i = 0; i < 4; i++) {
		s[i] = world_conn(&w, &p, i);
		world_notify(&w, s[i], TCP_EV_ACCEPT);
	}
	for (uint32_t k = 0; k < 8; k++)
		for (uint32_t i = 0; i < 4; i++)
			world_receive(&w, s[i], 512);
	for (uint32_t i = 0; i < 4; i++) {
		s[i]->rcv_nxt = 4097 | STATE_FIN;
		HARD_SET(w.st.recs[i].rcv_nxt, s[i]->rcv_nxt);
		finish(&w, s[i], 0);
	}
	// 4 * (accept, 2 of data, closed) fill the 16 entries but for what refusals leave.
	for (; closed < 4 && rounds < 40; rounds++) {
		world_turn(&w);
		for (uint32_t take = 0; take < 3 && peer_has_event(&p); take++) {
			struct ob_event e = peer_event(&p);
			uint32_t i = e.slot;

			CU_ASSERT_FATAL(i < 4 && e.gen == 1);
			if (e.type == OB_EV_ACCEPT) {
				accepted++;
				continue;
			}
			if (e.type == OB_EV_CLOSED) {
				CU_ASSERT_EQUAL(off[i], 4096);
				closed++;
				continue;
			}
			CU_ASSERT(e.type == OB_EV_DATA && e.data.off == off[i]);
			for (uint32_t k = 0; k < e.n; k++)
				for (uint32_t b = 0; b < ob_span_len(e.data.spans[k]);
					b++, off[i]++)
					if (p.seg[ob_span_off(e.data.spans[k]) + b]
						!= (uint8_t)off[i])
						CU_FAIL_FATAL("another byte");
			fins += e.flags & OB_EV_FIN;
			CU_ASSERT((e.flags & OB_EV_FIN) == 0 || off[i] == 4096);
		}
	}
	CU_ASSERT(accepted == 4 && closed == 4 && fins == 4);
	CU_ASSERT(!peer_has_event(&p));
	world_end(&w, &p);
}

// A ring that is full when events come: they wait, counted, and nothing is said twice.
static void test_put_off(void)
{
	struct world w;
	struct peer p;
	struct tcp_soft *s;
	uint32_t n = 0;

	world_with_host(&w, &p);
	for (uint32_t i = 0; i < 16; i++)
		peer_request(&p, &(struct ob_req){.op = 99});
	world_turn(&w);
	CU_ASSERT_EQUAL(ROSE(&w, req_bad_op), 16);
	s = world_conn(&w, &p, 0);
	world_notify(&w, s, TCP_EV_ACCEPT);
	world_receive(&w, s, 10);
	// A failed connect waits as well.
	script.answer_id = WORLD_CONNS + 1;
	p.host->slots[5] = (struct hostif_slot){.gen = 3, .id = WORLD_CONNS + 1};
	p.host->slots[6] = (struct hostif_slot){.gen = 4, .id = WORLD_CONNS + 2};
	p.host->slots[4] = (struct hostif_slot){.gen = 5, .id = WORLD_CONNS + 3};
	w.h.ops.connect_failed(&w.h, 0, 0, 5, 3, -ETIMEDOUT);
	w.h.ops.connect_failed(&w.h, 0, 0, 6, 4, -ECONNREFUSED);
	w.h.ops.connect_failed(&w.h, 0, 0, 4, 5, -EHOSTUNREACH);
	world_turn(&w);
	world_turn(&w);
	CU_ASSERT_EQUAL(ROSE(&w, ev_put_off), 2);
	CU_ASSERT_EQUAL(ROSE(&w, ev_published), 16);
	while (n < 16 && peer_event(&p).type == OB_EV_REFUSED)
		n++;
	world_turn(&w);
	static const struct {
		uint32_t slot, gen;
		int error;
	} failed[] = {{5, 3, -ETIMEDOUT}, {6, 4, -ECONNREFUSED}, {4, 5, -EHOSTUNREACH}};
	for (uint32_t i = 0; i < 3; i++) {
		struct ob_event e = peer_event(&p);

		CU_ASSERT(e.type == OB_EV_CONNECT && e.slot == failed[i].slot
			&& e.gen == failed[i].gen && e.error == failed[i].error);
		CU_ASSERT_EQUAL(p.host->slots[e.slot].id & SLOT_TAG, SLOT_FREE);
	}
	CU_ASSERT_EQUAL(peer_event(&p).type, OB_EV_ACCEPT);
	CU_ASSERT_EQUAL(peer_event(&p).type, OB_EV_DATA);
	CU_ASSERT(!peer_has_event(&p));
	world_end(&w, &p);
}

// SENT: three connections an entry, only when something was acknowledged.
static void test_sent(void)
{
	struct world w;
	struct peer p;
	struct tcp_soft *s[4];
	struct ob_event e;

	world_with_host(&w, &p);
	for (uint32_t i = 0; i < 4; i++) {
		s[i] = world_conn(&w, &p, i);
		HARD_SET(w.st.recs[i].snd_wr, 1000);
		HARD_SET(w.st.recs[i].snd_una, 100 * i);
		world_notify(&w, s[i], TCP_EV_SENT);
	}
	world_turn(&w);
	e = peer_event(&p);
	CU_ASSERT(e.type == OB_EV_SENT && e.n == 3); // the first had nothing acknowledged
	for (uint32_t i = 0; i < 3; i++)
		CU_ASSERT(e.sent[i].slot == i + 1 && e.sent[i].gen == 1
			&& e.sent[i].off == 100 * (i + 1));
	CU_ASSERT(!peer_has_event(&p));
	world_notify(&w, s[1], TCP_EV_SENT); // nothing new
	world_turn(&w);
	CU_ASSERT(!peer_has_event(&p));
	for (uint32_t i = 0; i < 4; i++) {
		HARD_SET(w.st.recs[i].snd_una, 1000);
		world_notify(&w, s[i], TCP_EV_SENT);
	}
	world_turn(&w);
	CU_ASSERT_EQUAL(peer_event(&p).n, 3);
	CU_ASSERT_EQUAL(peer_event(&p).n, 1);
	// What is said of a connection comes behind its establishment.
	HARD_SET(w.st.recs[0].snd_wr, 2000);
	HARD_SET(w.st.recs[0].snd_una, 2000);
	HARD_SET(w.st.recs[1].snd_wr, 2000);
	HARD_SET(w.st.recs[1].snd_una, 2000);
	world_notify(&w, s[0], TCP_EV_SENT);
	world_notify(&w, s[1], TCP_EV_CONNECT | TCP_EV_SENT);
	world_turn(&w);
	e = peer_event(&p);
	CU_ASSERT(e.type == OB_EV_SENT && e.n == 1);
	CU_ASSERT_EQUAL(peer_event(&p).type, OB_EV_CONNECT);
	e = peer_event(&p);
	CU_ASSERT(e.type == OB_EV_SENT && e.n == 1 && e.sent[0].slot == 1);
	// The end comes behind all data, whoever forgot to say so.
	world_receive(&w, s[2], 10);
	s[2]->notify = 0;
	finish(&w, s[2], 0);
	world_turn(&w);
	CU_ASSERT_EQUAL(peer_event(&p).type, OB_EV_DATA);
	CU_ASSERT_EQUAL(peer_event(&p).type, OB_EV_CLOSED);
	world_end(&w, &p);
}

// Accept slots come back after RELEASE, the one used longest ago first, with a higher generation.
static void test_slots(void)
{
	struct world w;
	struct peer p;
	uint32_t slot, gen;

	world_with_host(&w, &p);
	for (uint32_t i = 0; i < 4; i++)
		world_conn(&w, &p, i);
	CU_ASSERT_EQUAL(w.h.ops.slot_get(&w.h, 0, 0, 9, &slot, &gen), -ENOSPC);
	CU_ASSERT_EQUAL(w.h.ops.slot_get(&w.h, 1, 0, 9, &slot, &gen), -ENOSPC); // no such host
	static const uint32_t order[] = {2, 0, 3, 1};
	for (uint32_t i = 0; i < 4; i++) {
		HARD_SET(w.st.recs[order[i]].life, rec_life(1, 0, REC_DONE));
		peer_request(&p, &(struct ob_req){.op = OB_RQ_RELEASE, .slot = order[i], .gen = 1});
		world_turn(&w);
	}
	for (uint32_t i = 0; i < 4; i++) {
		CU_ASSERT_EQUAL(w.h.ops.slot_get(&w.h, 0, 0, 10 + i, &slot, &gen), 0);
		CU_ASSERT(slot == order[i] && gen == 2);
	}
	CU_ASSERT_EQUAL(w.h.ops.slot_get(&w.h, 0, 0, 9, &slot, &gen), -ENOSPC);
	// The old generation means nothing any more, and a record of it frees nothing.
	counters_mark(&w);
	peer_request(&p, &(struct ob_req){.op = OB_RQ_RELEASE, .slot = 2, .gen = 1});
	world_turn(&w);
	CU_ASSERT_EQUAL(ROSE(&w, req_bad_gen), 1);
	w.st.recs[2].slot = 2;
	w.st.recs[2].slot_gen = 1;
	w.h.ops.freed(&w.h, &w.st.recs[2]);
	CU_ASSERT_EQUAL(p.host->slots[2].id, 10);
	// Generation 0 is never given.
	p.host->slots[2] = (struct hostif_slot){.gen = UINT32_MAX, .id = SLOT_FREE | SLOT_NIL};
	p.host->free_head = p.host->free_tail = 2;
	CU_ASSERT_EQUAL(w.h.ops.slot_get(&w.h, 0, 0, 9, &slot, &gen), 0);
	CU_ASSERT_EQUAL(gen, 1);
	world_end(&w, &p);
}

// RELEASE of a connection that has not been told all waits for that.
static void test_release_listed(void)
{
	struct world w;
	struct peer p;
	struct tcp_soft *s;

	world_with_host(&w, &p);
	s = world_conn(&w, &p, 0);
	finish(&w, s, 0);
	script.calls = 0;
	peer_request(&p, &(struct ob_req){.op = OB_RQ_RELEASE, .slot = 0, .gen = 1});
	hostif_requests(&w.h);
	CU_ASSERT_EQUAL(script.calls, 0);
	CU_ASSERT_EQUAL(ROSE(&w, req_put_off), 1);
	hostif_publish(&w.h);
	hostif_requests(&w.h);
	CU_ASSERT_STRING_EQUAL(script.last, "release");
	world_end(&w, &p);
}

// An event ring whose head cannot be.
static void test_broken_head(void)
{
	struct world w;
	struct peer p;
	struct tcp_soft *s;

	world_with_host(&w, &p);
	s = world_conn(&w, &p, 0);
	for (unsigned i = 0; i < 17; i++) {
		world_receive(&w, s, 1);
		if (i == 16)
			atomic_store(&ob_seg_chan(p.seg, &p.l, 0)->ev.head, 40);
		world_turn(&w);
	}
	CU_ASSERT_EQUAL(ROSE(&w, host_protocol), 1);
	for (unsigned i = 0; i < 10; i++)
		world_turn(&w);
	CU_ASSERT_EQUAL(w.h.n_active, 0);
	world_end(&w, &p);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{"the life of a connection", test_life},
		{"a full ring", test_full_ring},
		{"put off", test_put_off},
		{"sent", test_sent},
		{"slots", test_slots},
		{"release before all is told", test_release_listed},
		{"a broken event ring", test_broken_head},
		CU_TEST_INFO_NULL,
	};

	return unit_run("publish", tests);
}
