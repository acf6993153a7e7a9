// What the tests of requests begin with.
#ifndef TESTS_UNIT_HOSTIF_REQUESTS_H
#define TESTS_UNIT_HOSTIF_REQUESTS_H

#include "tests/unit/hostif/fixture.h"

#define CONN 3u
#define HALF_ID (WORLD_CONNS + 2)
#define LISTENER 7u
#define CONNECT_SLOT 4u // the first: four slots are for accepts

// A connection in slot 0, one half-open in the first connect slot, a listener.
static inline void setup(struct world *w, struct peer *p)
{
	struct ob_req connect = {.op = OB_RQ_CONNECT,
		.slot = CONNECT_SLOT,
		.gen = 10,
		.addr = {.raddr = ob_addr_v4(0x0200000a), .rport = 80}};
	struct ob_req listen = {
		.op = OB_RQ_LISTEN, .slot = LISTENER, .gen = 5, .len = 16, .addr = {.lport = 8080}};

	world_with_host(w, p);
	world_conn(w, p, CONN);
	script.answer_id = HALF_ID;
	peer_request(p, &connect);
	world_turn(w);
	script.answer_id = 2;
	peer_request(p, &listen);
	world_turn(w);
	CU_ASSERT_EQUAL(peer_event(p).type, OB_EV_LISTEN);
	CU_ASSERT(!peer_has_event(p));
	CU_ASSERT_EQUAL(p->host->slots[CONNECT_SLOT].id, HALF_ID);
	memset(&script, 0, sizeof(script));
	counters_mark(w);
}

#endif
