// bench-server: what the suite `system` runs on the host's side. One logic on two back ends: the host
// library (server_ob.c) and the kernel's sockets (server_kernel.c).
#ifndef TOOLS_BENCH_SYSTEM_SERVER_H
#define TOOLS_BENCH_SYSTEM_SERVER_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define SERVER_BYTES 65536u // received or sent with one call
#define SERVER_BATCH 256 // events taken with one call

enum server_mode { SERVER_ECHO, SERVER_SINK, SERVER_SOURCE };

// What a thread does when nothing has happened.
enum server_idle {
	SERVER_SLEEP, // until something does
	SERVER_YIELD, // looks again, and lets others have the CPU in between
};

struct server {
	enum server_mode mode;
	enum server_idle idle;
	const char *addr; // where to listen
	uint16_t port;
	const char *socket; // the engine's
	uint8_t buf[SERVER_BYTES];
	uint8_t block[SERVER_BYTES]; // what a source sends
};

// A connection; `io` is the back end's.
struct server_conn {
	uint64_t io;
	uint8_t *rest; // of an echo that could not be sent yet
	uint32_t rest_len;
	uint32_t rest_at;
};

// Each returns a count of bytes, 0 at the end of the stream, or a negative errno; -EAGAIN: later,
// and an event says when.
struct server_ops {
	ssize_t (*recv)(void *ctx, uint64_t io, void *data, size_t len);
	ssize_t (*send)(void *ctx, uint64_t io, const void *data, size_t len);
};

// Something has happened on a connection: reads and writes what can be. Returns false when it is to
// be closed and given to server_end().
bool server_event(struct server *s, const struct server_ops *ops, void *ctx, struct server_conn *c);

struct server_conn *server_begin(uint64_t io); // NULL: out of memory
void server_end(struct server_conn *c);

void server_ready(void); // says so to whoever waits for it
extern volatile sig_atomic_t server_stopped;

// The back ends: serve until a signal. Each returns the exit status of the program.
int server_ob(struct server *s);
int server_kernel(struct server *s);

#endif
