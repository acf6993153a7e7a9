// A fake engine for tests of the host library: the control protocol and the rings, in this process.
//
// Two ways of use. By hand: after fake_attach() the test itself reads requests and publishes
// events, one at a time, so that every order of things can be made. On its own: fake_run() starts
// a thread that serves every connection as an echo, with windows, repeated events and sleeping.
#ifndef OB_TESTS_HOST_FAKE_H
#define OB_TESTS_HOST_FAKE_H

#include <pthread.h>

#include "host_lib/include/outboard.h"
#include "shared/control.h"
#include "shared/event.h"
#include "shared/request.h"

#define FAKE_CHANNELS 4

enum fake_reply {
	REPLY_OK,
	REPLY_ABI, // refuses the version
	REPLY_OTHER_ABI, // agrees, but speaks another version itself
	REPLY_LAYOUT, // refuses the layout
	REPLY_GARBAGE, // half a message
	REPLY_HANG_UP, // closes without a word
	REPLY_FEW_BELLS, // says one doorbell more than it sends
	REPLY_EXTRA_BELLS // sends more doorbells than there are channels
};

struct fake_chan {
	struct ob_chan_shm *shm;
	struct ob_ring_view req;
	struct ob_ring_view ev;
	int bell;
};

struct echo_conn;

struct fake {
	char path[64];
	int listen_fd;
	int ctl_fd;
	int mem_fd;
	struct ob_msg_attach attach; // as it came
	struct ob_seg_layout l;
	uint8_t *seg;
	enum fake_reply reply;
	uint32_t max_sends; // what the host is told; 0: no limit
	pthread_t thread;
	struct fake_chan chans[FAKE_CHANNELS];
	uint64_t rx_at; // by hand: where the next received data is placed
	// The echo thread's.
	_Atomic bool stop;
	_Atomic uint32_t errors; // what the library did wrong
	_Atomic uint64_t bells_tx;
	_Atomic uint64_t bells_rx;
	_Atomic uint64_t turns;
	unsigned int seed;
	bool put_off; // an event found its ring full
	unsigned int repeat; // one event in so many comes twice, 0: none
	struct echo_conn *echo;
	uint32_t window;
};

// Makes the socket. Dies when that fails: a test without an engine tests nothing.
void fake_start(struct fake *f);
void fake_stop(struct fake *f);

// Default options for this engine: small rings and arenas, ordinary pages.
struct ob_attach_opts fake_opts(const struct fake *f);
// ob_attach() with the fake's answer as f->reply says.
int fake_attach(struct fake *f, const struct ob_attach_opts *o, struct ob_host **host);
// Attaches and opens one channel; fails the test when it cannot.
struct ob_channel *fake_one(struct fake *f, struct ob_host **host);
// The engine dies: every descriptor is closed.
void fake_die(struct fake *f);

// The next request of a channel into *r. Returns whether there was one.
bool fake_req(struct fake *f, uint32_t ch, struct ob_req *r);
// Fails the test when the next request is not `op`.
struct ob_req fake_expect(struct fake *f, uint32_t ch, enum ob_req_op op);
// Whether there is no request left.
bool fake_quiet(struct fake *f, uint32_t ch);
// Publishes an event, and rings if the host sleeps. Returns false when the ring is full.
bool fake_event(struct fake *f, uint32_t ch, const struct ob_event *e);
void fake_accept(struct fake *f, uint32_t ch, uint32_t listener, uint32_t slot, uint32_t gen);
void fake_connected(struct fake *f, uint32_t ch, uint32_t slot, uint32_t gen, int error);
// Places bytes of the test stream (fake_byte()) from stream offset off and reports them.
void fake_data(struct fake *f, uint32_t ch, uint32_t slot, uint32_t gen, uint64_t off, uint32_t len,
	uint8_t flags);
void fake_sent(struct fake *f, uint32_t ch, uint32_t slot, uint32_t gen, uint64_t off);
void fake_closed(struct fake *f, uint32_t ch, uint32_t slot, uint32_t gen, int error);

static inline uint8_t fake_byte(uint64_t off)
{
	return (uint8_t)(off * 7 + (off >> 8) * 13 + 3);
}

// Starts and ends the echo thread. window: receive window of each connection, bytes.
void fake_run(struct fake *f, uint32_t window, unsigned int repeat);
void fake_join(struct fake *f);
// In echo.c: one turn; returns how many requests were taken.
unsigned int echo_turn(struct fake *f);
void echo_init(struct fake *f);
void echo_fini(struct fake *f);

// Suites, each registered by its own function.
void suite_attach(void);
void suite_channel(void);
void suite_conn(void);
void suite_listen(void);
void suite_stream(void);
void suite_limits(void);
void suite_gone(void);
void suite_sleep(void);
void suite_litmus(void);
void suite_threads(void);
void suite_wait(void);
void suite_arena(void);
void suite_http(void);
void suite_settings(void);
void suite_order(void);

#endif
