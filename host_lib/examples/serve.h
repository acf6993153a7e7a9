// What the example servers share: options, threads with a channel each, a clean end.
#ifndef OB_EXAMPLES_SERVE_H
#define OB_EXAMPLES_SERVE_H

#include <outboard.h>
#include <pthread.h>

#define SERVE_MAX_THREADS 64

struct serve_thread {
	struct serve *s;
	struct ob_channel *ch;
	pthread_t thread;
	int error;
	void *own; // the server's, NULL at first
	uint8_t buf[65536]; // scratch
};

struct serve {
	const char *program;
	const char *socket; // NULL: the default
	const char *addr; // NULL: any
	uint16_t port;
	unsigned int threads;
	bool busy; // poll without sleeping
	// Called for each event of a connection, in the thread that owns it.
	void (*event)(struct serve_thread *t, const struct ob_app_event *e);
	// Called when a thread ends, there may be connections left; or NULL.
	void (*ended)(struct serve_thread *t);
	struct serve_thread *all;
};

// Handles --socket, --addr, --port, --threads and --busy at argv[*i], moving *i on. Returns
// whether it was one of them; exits when it is wrong.
bool serve_option(struct serve *s, int argc, char **argv, int *i);
// argv[*i]'s value, moving *i on; exits when there is none.
const char *serve_value(int argc, char **argv, int *i);
#define SERVE_USAGE "[--socket PATH] [--addr A] --port N [--threads N] [--busy]"

// Attaches, listens on every thread, prints "ready" and serves until SIGTERM or SIGINT.
// Returns the exit status.
int serve_run(struct serve *s);

#endif
