// What ob-load (on the host library) and kpeer (on the kernel's sockets) have in common: options,
// the payload, and what each connection has to do next.
//
// A client begins each connection with a header that says how much goes which way and who closes
// first, so that a server needs none of these options. Every byte is checked against its position
// in its connection.
#ifndef OB_EXAMPLES_LOAD_H
#define OB_EXAMPLES_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOAD_BLOCK_BYTES 65536u

enum load_side { LOAD_NONE, LOAD_CLIENT, LOAD_SERVER, LOAD_ALTERNATE };

struct load_opts {
	const char *listen; // [ADDR:]PORT
	const char *connect; // ADDR:PORT
	const char *socket; // of the engine; NULL: the default
	uint64_t conns; // client: how many; server: ends after so many, 0: never
	uint64_t concurrent; // at once
	uint64_t bytes_up; // client to server, each connection
	uint64_t bytes_down;
	enum load_side closer;
	enum load_side half; // who shuts down first; the other side sends after that
	uint64_t rate; // bytes a second that this program sends, 0: no limit
	double pause_read_s; // stop reading once, half way through
	double hold_s; // the closer waits so long before it closes
	double timeout_s; // give up when nothing happens for so long
	unsigned int threads;
	bool quiet; // no "ready"
};

// Reads the command line; prints the usage and exits when it is wrong.
void load_parse(struct load_opts *o, int argc, char **argv);

struct load_hdr {
	uint32_t magic;
	uint32_t seed;
	uint64_t up;
	uint64_t down;
	uint8_t closer; // enum load_side
	uint8_t half;
	uint8_t spare[6];
};

struct load_conn {
	bool client;
	bool eof; // the peer has ended its direction
	bool shut; // we have ended ours
	bool wrong; // a byte was not what it had to be
	bool paused; // reading was stopped once
	uint32_t hdr_done; // bytes of the header sent or received
	struct load_hdr hdr;
	uint64_t tx_done; // payload bytes
	uint64_t rx_done;
	int64_t resume_us; // reading goes on; 0: it has not stopped
	int64_t close_us; // when a held connection is closed, 0: not known yet
	int64_t begun_us;
};

// What has to be done with a connection.
enum load_act {
	LOAD_WAIT, // nothing but what load_tx() and load_may_read() say
	LOAD_SHUT, // end our direction, once
	LOAD_CLOSE, // all is well
	LOAD_FAIL, // it ended early, or a byte was wrong
};

struct load_stats {
	uint64_t started;
	uint64_t completed;
	uint64_t failed;
	uint64_t wrong; // of the failed: those with a wrong byte
	uint64_t bytes_sent;
	uint64_t bytes_received;
	uint64_t errors; // of the failed: those that an error ended
	int first_error; // negative errno
	const char *first_what; // where
	uint64_t longest_us; // of a connection
	uint64_t sum_us;
};

int64_t load_now_us(void);
// A client's connection number `id` from 0, or a server's.
void load_begin_client(struct load_conn *c, const struct load_opts *o, uint64_t id);
void load_begin_server(struct load_conn *c);

// The next bytes to send, *len of them, or NULL when there is nothing to send now.
const void *load_tx(struct load_conn *c, size_t *len);
void load_tx_done(struct load_conn *c, size_t len);
// Checks len received bytes.
void load_rx(struct load_conn *c, const void *data, size_t len);
// Whether to read now; stops once for o->pause_read_s.
bool load_may_read(struct load_conn *c, const struct load_opts *o, int64_t now_us);
enum load_act load_act(struct load_conn *c, const struct load_opts *o, int64_t now_us);

// How many bytes a thread may send now under o->rate; begun_us: when it began.
size_t load_allowance(
	const struct load_opts *o, const struct load_stats *s, int64_t begun_us, int64_t now_us);
void load_ended(struct load_stats *s, const struct load_conn *c, bool well, int64_t now_us);
void load_error(struct load_stats *s, int error, const char *what);
void load_merge(struct load_stats *into, const struct load_stats *s);
// Prints one JSON object. Returns the exit status.
int load_print(const struct load_opts *o, const struct load_stats *s, double seconds);

#endif
