// What the tests of hostif share: an engine without wire and with a scripted TCP, and a host that
// speaks the protocol by hand. Everything runs in one thread.
#ifndef TESTS_UNIT_HOSTIF_FIXTURE_H
#define TESTS_UNIT_HOSTIF_FIXTURE_H

#include "engine/hostif/attach.h"
#include "engine/hostif/control.h"
#include "engine/hostif/fault.h"
#include "tests/unit/eal_main.h"

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
};

// A host's side.
struct peer {
	int fd; // control socket
	int mem;
	uint8_t *seg;
	struct ob_seg_layout l;
	struct ob_msg_attached reply;
	int bells[OB_MAX_CHANNELS];
	struct ob_ring_view req;
	struct ob_ring_view ev;
	struct hostif_host *host; // the engine's
};

void world_open(struct world *w);
void world_close(struct world *w);
// A round of both threads.
void world_turn(struct world *w);

// What a good host asks for.
struct ob_seg_layout peer_layout(uint32_t channels, uint32_t order);
// memfd of that many bytes; seals: F_SEAL_*.
int peer_memfd(uint64_t bytes, int seals);
int peer_connect(const struct world *w);
struct ob_msg_attach peer_message(const struct ob_seg_layout *l);
// Sends bytes and a descriptor (-1: none), lets the engine work, and takes the answer. Returns its
// error, or 1 when there is no answer, 2 when the engine hung up.
int peer_ask(struct world *w, struct peer *p, const void *bytes, size_t n, int fd);
// Attaches in order; channel 0's rings are in req and ev.
void peer_attach(struct world *w, struct peer *p, uint32_t channels, uint32_t order);
void peer_close(struct peer *p);
// Puts a request into the ring of channel 0 and publishes it.
void peer_request(struct peer *p, const struct ob_req *q);
// Takes the next event, which must be there.
struct ob_event peer_event(struct peer *p);
bool peer_has_event(struct peer *p);

// A live record with soft state for a connection of the host, in accept slot order.
struct tcp_soft *world_conn(struct world *w, struct peer *p, uint32_t conn);

void counters_mark(struct world *w);
// How much a counter rose since the mark, and how much all of them did.
#define ROSE(w, name) ((w)->cnt.name - (w)->before.name)
uint64_t counters_rose(const struct world *w);

#endif
