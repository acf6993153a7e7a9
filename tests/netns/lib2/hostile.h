// obt-hostile: a host that keeps no rule. It speaks to the engine by shared/*.h alone.
#ifndef TESTS_NETNS_LIB2_HOSTILE_H
#define TESTS_NETNS_LIB2_HOSTILE_H

#include "shared/control.h"
#include "shared/event.h"
#include "shared/request.h"

struct evil {
	int ctl;
	int fd;
	int bell;
	uint8_t *seg;
	struct ob_seg_layout l;
	struct ob_chan_shm *chan;
	struct ob_ring_view req;
	struct ob_ring_view ev;
	uint32_t gen; // of the next connection or listener
};

// Exits with status 1 and `what`, with errno's text.
void evil_die(const char *what) __attribute__((noreturn));
void evil_layout(struct ob_seg_layout *l, bool huge); // one channel, rings of 16 and 64 entries
int evil_memfd(uint64_t bytes, unsigned int flags, int seals);
int evil_connect(void);
// Returns what sendmsg() does; fd -1: no descriptor.
int evil_send(int s, const void *m, size_t bytes, int fd);
// The engine's answer. Returns its error, or 1 when the socket ended without one. bell: may be NULL.
int evil_answer(int s, struct ob_msg_attached *m, int *bell);
struct ob_msg_attach evil_message(const struct ob_seg_layout *l);
// Attaches in order, or exits.
void evil_attach(struct evil *e, bool huge);

// Writes a request and publishes it. Waits for room.
void evil_ask(struct evil *e, const struct ob_req *q);
// The next event, consumed; waits a second at the most. Returns whether there was one.
bool evil_event(struct evil *e, struct ob_event *out);
void evil_ring(struct evil *e); // the engine's doorbell
// Whether the engine has thrown this host out; waits that long.
bool evil_thrown_out(struct evil *e, int ms);
// A connection to 10.77.0.2 in connect slot `at`. Returns its generation, or exits.
uint32_t evil_conn(struct evil *e, uint32_t slot, uint16_t port);

// Commands; each returns the exit status.
int evil_attaches(int argc, char **argv); // hostile_attach.c
int evil_garbage(int argc, char **argv); // hostile_ring.c
int evil_indices(int argc, char **argv);
int evil_requests(int argc, char **argv);
int evil_bells(int argc, char **argv);
int evil_deaf(int argc, char **argv);
int evil_punch(int argc, char **argv); // hostile_punch.c

#endif
