// The application of the captured partner, on the host library: it listens or connects as that did,
// sends that one's bytes when it has read what that one had read, and checks all it reads.
#ifndef TOOLS_REPLAY_APP_H
#define TOOLS_REPLAY_APP_H

#include "tools/replay/live.h"

enum {
	APP_EVENTS = 256,
	APP_LISTENERS = 256,
};

// Finds a session by the peer's port. Returns NULL when there is none.
typedef struct live *(*app_find)(void *arg, uint16_t peer_port);
// Something happened to a session.
typedef void (*app_touch)(void *arg, struct live *l);

struct app {
	struct ob_host *host;
	struct ob_channel *ch;
	int listeners[APP_LISTENERS];
	uint16_t ports[APP_LISTENERS];
	int n_listeners;
	uint16_t port; // listen here in place of the captured port, 0: do not
	app_find find;
	app_touch touch;
	void *arg;
	uint64_t strays; // connections of nobody's
};

// Attaches. conns: how many at the most. Returns 0 or a negative errno, the reason in err.
int app_open(struct app *a, const char *socket, uint32_t conns, char *err, unsigned err_bytes);
void app_close(struct app *a);

// Listens where the captured servers did, once for each port. Returns as app_open().
int app_listen(
	struct app *a, const uint8_t engine[4], uint16_t port, char *err, unsigned err_bytes);
// Connects to the session's peer. Returns 0, -EAGAIN (try again) or a negative errno.
int app_connect(struct app *a, struct live *l);

// Takes events. Returns how many, or -EPIPE when the engine is gone.
int app_events(struct app *a, struct env *env);
// Reads, checks, and does what is due. Returns when to look again.
uint64_t app_run(struct app *a, struct live *l, struct env *env);
// Ends a session's connection, in order or with a reset.
void app_end(struct app *a, struct live *l, bool reset);

#endif
