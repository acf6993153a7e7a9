// A host that speaks the protocol by hand, in the thread of the engine under test.
#ifndef TESTS_UNIT_HOSTIF_PEER_H
#define TESTS_UNIT_HOSTIF_PEER_H

#include <fcntl.h>

#include "engine/hostif/control.h"
#include "tests/unit/eal_main.h"

// What a host has to know of the engine.
struct peer_engine {
	const char *path; // of its socket
	struct hostif *h;
	void (*turn)(void *ctx); // lets both of its threads do their work
	void *ctx;
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

// What a good host asks for.
struct ob_seg_layout peer_layout(uint32_t channels, uint32_t order);
#define PEER_SEALS (F_SEAL_SHRINK | F_SEAL_GROW) // those that a segment has to have
// memfd of that many bytes; seals: F_SEAL_*.
int peer_memfd(uint64_t bytes, int seals);
int peer_connect(const struct peer_engine *e);
struct ob_msg_attach peer_message(const struct ob_seg_layout *l);
// Sends bytes and a descriptor (-1: none), lets the engine work, and takes the answer. Returns its
// error, or 1 when there is no answer, 2 when the engine hung up.
int peer_ask(const struct peer_engine *e, struct peer *p, const void *bytes, size_t n, int fd);
// Attaches in order; channel 0's rings are in req and ev.
void peer_attach(const struct peer_engine *e, struct peer *p, uint32_t channels, uint32_t order);
// The same with a layout of its own.
void peer_attach_layout(const struct peer_engine *e, struct peer *p, const struct ob_seg_layout *l);
void peer_close(struct peer *p);
// Puts a request into the ring of channel 0 and publishes it.
void peer_request(struct peer *p, const struct ob_req *q);
// Takes the next event, which must be there.
struct ob_event peer_event(struct peer *p);
bool peer_has_event(struct peer *p);

#endif
