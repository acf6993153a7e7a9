// The load of the suite `system`: what a client does with its connections and what it measures.
//
// The same for a client on the kernel's sockets (client.c) and for the DPDK peer (peer.c): those
// bring connections through struct load_ops, and tell what happens on them by the calls below.
// Nothing here is called from two threads.
#ifndef TOOLS_BENCH_SYSTEM_LOAD_H
#define TOOLS_BENCH_SYSTEM_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tools/bench/system/hist.h"

#define LOAD_MSG_BYTES 64u
#define LOAD_BLOCK_BYTES 65536u
#define LOAD_WATCH_MAX 4
#define LOAD_WATCH_MACHINE (-1) // all CPUs

enum load_case {
	LOAD_ECHO, // each connection has one 64-byte message under way
	LOAD_BULK_RX, // each sends as fast as it can: the server receives
	LOAD_BULK_TX, // each receives as fast as it can
	LOAD_SHORT, // connect, one message and its echo, close, again
	LOAD_IDLE, // all are open; the first one has a message echoed every 10 ms
};

// Whose CPU time is taken at the beginning and the end of the measured time.
struct load_watch {
	char name[16];
	pid_t pid; // 0: the program itself; or LOAD_WATCH_MACHINE
};

struct load_opts {
	enum load_case what;
	uint32_t conns;
	double seconds; // measured
	double warm_s; // before
	uint32_t opening; // handshakes under way at once
	const char *to; // ADDR:PORT
	struct load_watch watch[LOAD_WATCH_MAX];
	int n_watch;
};

// Connections have the numbers 0 to conns - 1.
struct load_ops {
	// Returns 0, and load_connected() or load_closed() follows; -EAGAIN: ask again later; or
	// another negative errno.
	int (*connect)(void *ctx, uint32_t i);
	// Returns how many bytes were taken; load_writable() follows when that was less than len.
	// The bytes stay as they are until they are acknowledged.
	size_t (*send)(void *ctx, uint32_t i, const uint8_t *data, size_t len);
	void (*close)(void *ctx, uint32_t i); // load_closed() follows
	uint64_t (*acked)(void *ctx, uint32_t i); // bytes that the other side has acknowledged
};

struct load_conn {
	uint64_t begun_ns; // when its message, or its connection, began
	uint64_t seq; // of the message
	uint32_t got; // bytes of the echo
	enum { LOAD_CLOSED, LOAD_OPENS, LOAD_OPEN, LOAD_CLOSES } state;
	bool waiting; // an echo is awaited
};

enum load_phase { LOAD_OPENING, LOAD_WARM, LOAD_RUN, LOAD_OVER };

struct load {
	struct load_opts o;
	const struct load_ops *ops;
	void *ctx;
	uint8_t *msgs; // [conns][LOAD_MSG_BYTES], where the other side of ops can send from
	const uint8_t *block; // [LOAD_BLOCK_BYTES], the same
	struct load_conn *conns;
	enum load_phase phase;
	uint32_t *closed; // numbers of connections to open, the next one last
	uint32_t n_closed;
	uint32_t n_opens;
	uint32_t n_open;
	uint64_t now_ns; // as of load_step()
	uint64_t begun_ns; // the phase
	uint64_t opened_ns; // how long it took until all were open
	uint64_t probed_ns;
	uint64_t moved; // everything that ever moved
	uint64_t moved_seen; // of it, when load_step() last looked
	uint64_t moved_ns; // when that was more than before
	uint64_t bytes; // received, all the time
	// While measuring.
	struct hist hist;
	uint64_t ops_done;
	uint64_t bytes_0; // received or acknowledged when it began
	uint64_t bytes_1; // and ended
	uint64_t cpu_ns[LOAD_WATCH_MAX];
	uint64_t ran_ns;
	const char *error; // what went wrong, first
	int error_no;
};

// Reads the command line, common to both clients: --case C --conns N --seconds S --warm S
// --opening N --to ADDR:PORT --watch NAME=PID... Ends the program when it is wrong. Every option has
// a value. What is not known here goes to `own`, if not NULL, which says whether it knows it.
void load_parse(struct load_opts *o, int argc, char **argv,
	bool (*own)(const char *name, const char *value));

// msgs and block: as above; filled here. Returns 0 or -ENOMEM.
int load_init(struct load *l, const struct load_opts *o, const struct load_ops *ops, void *ctx,
	uint8_t *msgs, uint8_t *block);
void load_fini(struct load *l);

// Opens connections, goes from phase to phase. Returns false when all is over, or nothing has moved
// for 10 seconds.
bool load_step(struct load *l);
// Nanoseconds until load_step() has something to do by itself.
uint64_t load_next_ns(const struct load *l);

// What happens to a connection.
void load_connected(struct load *l, uint32_t i);
void load_received(struct load *l, uint32_t i, const uint8_t *data, size_t len);
void load_writable(struct load *l, uint32_t i);
void load_closed(struct load *l, uint32_t i, int error); // 0: as load_ops.close asked
void load_fail(struct load *l, int error_no, const char *what);

uint64_t load_clock_ns(void);

// One line of KEY=VALUE for the bench. Returns the exit status of the program.
int load_print(const struct load *l);

#endif
