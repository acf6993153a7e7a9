// Listeners that end while connections of theirs have not been told: no other listener gets these.
#include <unistd.h>

#include "tests/unit/hostif/requests.h"

#define ENTRY 2u // of the state segment, as setup() has it
#define SECOND 9u // another listener's number

// A connection of the listener's that the host has not been told of.
static struct tcp_soft *untold(struct world *w, struct peer *p, uint32_t conn)
{
	struct tcp_soft *s = world_conn(w, p, conn);

	w->st.recs[conn].listener = ENTRY;
	world_notify(w, s, TCP_EV_ACCEPT);
	return s;
}

// The event ring is full, the listener ends, and the next one asks for a place at once.
static void fill_and_relisten(struct world *w, struct peer *p)
{
	for (unsigned i = 0; i < 16; i++) {
		peer_request(p, &(struct ob_req){.op = OB_RQ_N});
		world_turn(w);
	}
	untold(w, p, 10);
	untold(w, p, 11);
	world_turn(w);
	memset(&script, 0, sizeof(script));
	script.room = 256;
	script.answer_id = ENTRY;
	peer_request(p, &(struct ob_req){.op = OB_RQ_UNLISTEN, .slot = LISTENER, .gen = 5});
	peer_request(p,
		&(struct ob_req){
			.op = OB_RQ_LISTEN, .slot = SECOND, .gen = 1, .addr = {.lport = 81}});
	counters_mark(w);
}

// What is left of the full ring.
static void drain(struct world *w, struct peer *p, unsigned n)
{
	while (n--)
		CU_ASSERT_EQUAL(peer_event(p).type, OB_EV_REFUSED);
	world_turn(w);
}

static void test_untold(void)
{
	struct world w;
	struct peer p;
	struct ob_event e;

	setup(&w, &p);
	fill_and_relisten(&w, &p);
	world_turn(&w);
	CU_ASSERT_EQUAL(script.calls, 0); // no room for an answer
	// Room for one event: both are reset at once, one is told, and the listener is not gone yet.
	drain(&w, &p, 1);
	CU_ASSERT_EQUAL(ROSE(&w, tcp_untold_reset), 2);
	CU_ASSERT_STRING_EQUAL(script.last, "abort");
	world_turn(&w);
	CU_ASSERT_STRING_EQUAL(script.last, "abort");
	CU_ASSERT_EQUAL(w.st.listeners[ENTRY].number, LISTENER);
	drain(&w, &p, 15);
	// Both under the number of the one that accepted them, then the next one's answer.
	for (unsigned i = 0; i < 2; i++) {
		e = peer_event(&p);
		CU_ASSERT(e.type == OB_EV_ACCEPT && e.flags == 0);
		CU_ASSERT_EQUAL(e.conn.chan_listener, LISTENER);
	}
	world_turn(&w);
	e = peer_event(&p);
	CU_ASSERT(e.type == OB_EV_LISTEN && e.slot == SECOND && e.error == 0);
	CU_ASSERT_EQUAL(w.st.listeners[ENTRY].number, SECOND);
	CU_ASSERT_EQUAL(w.h.hosts[0]->listeners[LISTENER].id, STATE_NIL);
	CU_ASSERT(!peer_has_event(&p));
	world_end(&w, &p);
}

// Resets need room to leave; nobody is told of anything when the host's process is gone.
static void test_room_and_end(void)
{
	struct world w;
	struct peer p;

	setup(&w, &p);
	fill_and_relisten(&w, &p);
	script.room = 0;
	drain(&w, &p, 1);
	world_turn(&w);
	CU_ASSERT_EQUAL(ROSE(&w, tcp_untold_reset), 0);
	CU_ASSERT_EQUAL(ROSE(&w, req_taken), 0);
	script.room = 256;
	drain(&w, &p, 1);
	CU_ASSERT(ROSE(&w, tcp_untold_reset) > 0);
	CU_ASSERT_EQUAL(ROSE(&w, req_taken), 0);
	close(p.fd);
	p.fd = -1;
	for (unsigned i = 0; i < 5; i++)
		world_turn(&w);
	CU_ASSERT_EQUAL(ROSE(&w, req_taken), 2);
	world_end(&w, &p);
}

// A record of no listener that there is: one that was damaged, or told before.
static void test_no_listener(void)
{
	static const uint16_t of[] = {UINT16_MAX, 5, ENTRY};
	struct world w;
	struct peer p;

	setup(&w, &p);
	w.st.listeners[ENTRY].chan = 1; // another channel's
	for (unsigned i = 0; i < 3; i++) {
		struct tcp_soft *s = world_conn(&w, &p, 10 + i);
		struct ob_event e;

		w.st.recs[s->conn].listener = of[i];
		world_notify(&w, s, TCP_EV_ACCEPT);
		world_turn(&w);
		e = peer_event(&p);
		CU_ASSERT(e.type == OB_EV_ACCEPT && e.flags == OB_EV_NO_LISTENER);
	}
	world_end(&w, &p);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{"connections that were not told of", test_untold},
		{"room for resets, and the end of the host", test_room_and_end},
		{"no listener", test_no_listener},
		CU_TEST_INFO_NULL,
	};

	return unit_run("listeners", tests);
}
