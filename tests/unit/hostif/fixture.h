// What the tests of hostif share: an engine without wire and with a scripted TCP. Everything, the
// host too, runs in one thread.
#ifndef TESTS_UNIT_HOSTIF_FIXTURE_H
#define TESTS_UNIT_HOSTIF_FIXTURE_H

#include "engine/hostif/attach.h"
#include "engine/hostif/fault.h"
#include "tests/unit/hostif/peer.h"

#define WORLD_CONNS 32u
#define WORLD_HALF 32u

// What TCP was asked for last, and what it answers.
struct script {
	uint32_t calls; // all of them
	const char *last;
	uint32_t id;
	uint64_t off;
	uint64_t arena_off;
	uint32_t len;
	unsigned flags;
	unsigned option;
	uint64_t value;
	struct tcp_open open;
	int answer; // of every request but tcp_consumed
	int answer_consumed;
	uint32_t answer_id; // of listen and connect
	bool gone; // tcp_host_gone was called
	unsigned room; // for segments in each turn
};

extern struct script script;

struct world {
	struct config cfg;
	struct counters cnt;
	struct counters before; // counters_mark()
	struct state st;
	struct tcp tcp;
	struct hostif h;
	struct control control;
	char path[CONTROL_PATH];
	struct peer_engine e; // for the peers
};

void world_open(struct world *w);
void world_close(struct world *w);
// With one host, of two channels and rings of 16, whose attach is not among the counters; and its end.
void world_with_host(struct world *w, struct peer *p);
void world_end(struct world *w, struct peer *p);
// A round of both threads.
void world_turn(struct world *w);

// A live record with soft state for a connection of the host, in accept slot order.
struct tcp_soft *world_conn(struct world *w, struct peer *p, uint32_t conn);
// TCP has something to tell of it: TCP_EV_*.
void world_notify(struct world *w, struct tcp_soft *s, unsigned bits);
// Received data, placed and committed.
void world_receive(struct world *w, struct tcp_soft *s, uint32_t len);

void counters_mark(struct world *w);
// How much a counter rose since the mark, and how much all of them did.
#define ROSE(w, name) ((w)->cnt.name - (w)->before.name)
uint64_t counters_rose(const struct world *w);

#endif
