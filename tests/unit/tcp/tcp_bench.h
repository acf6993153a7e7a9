// A bench for TCP: state, one host with memory of its own, a wire that captures segments, virtual
// time, and a peer whose segments the test writes. A test reads like a packet trace:
//
//	struct bench *b = bench_new();
//	host_listen(b);
//	inject(b, .flags = TCP_SYN, .seq = 0, .mss = 1460);
//	expect(b, .flags = TCP_SYN | TCP_ACK, .seq = 0, .ack = 1);
//	inject(b, .seq = 1, .ack = 1);
//	expect_none(b);
//
// Sequence numbers are relative, as packet analysers show them: 0 is the SYN, 1 the first byte, of
// either side. The peer's real ones begin shortly before 2^32, so that every test crosses it.
// Payload is a function of its place in the stream; what the engine sends and places is compared.
// Each helper ends with a turn of the loop, unless it says otherwise. After each turn it is checked
// that what left was committed before (docs/hard-state.md, rules 2 to 5).
#ifndef TESTS_UNIT_TCP_BENCH_H
#define TESTS_UNIT_TCP_BENCH_H

#include "engine/tcp/internal.h"
#include "tests/unit/eal_main.h"

// Defaults come first in the initialisers below and are overridden by what a test names.
#pragma GCC diagnostic ignored "-Woverride-init"

#define BENCH_SEGS 4096u
#define BENCH_SLOTS 64u
#define PEER_ISN 0xffffff00u
#define PORT 80u
#define PEER_PORT 40000u
#define ANY INT64_MIN // not named

// A segment as a test names it, relative. ANY where it does not matter or has a default.
struct pkt {
	int64_t flags; // inject: ACK
	int64_t seq; // inject: the peer's next, which then moves on
	int64_t ack; // inject: all that was expected so far
	int64_t wnd; // inject: the last one; as on the wire
	int64_t len; // inject: 0
	int64_t mss; // option absent unless named; expect: -1 says absent
	int64_t wscale; // the same
	int64_t sack_ok; // 1 or 0
	int64_t ts_val; // inject: the peer's clock, once timestamps are negotiated; -1: none
	int64_t ts_ecr;
	int64_t n_sack; // inject: 0
	int64_t sack_l0, sack_r0, sack_l1, sack_r1, sack_l2, sack_r2; // relative
	int64_t sport; // the peer's port
	int64_t dport;
	int64_t ecn; // of the IP header; inject: 0
};

#define PKT_ANY                                                                                    \
	.flags = ANY, .seq = ANY, .ack = ANY, .wnd = ANY, .len = ANY, .mss = ANY, .wscale = ANY,   \
	.sack_ok = ANY, .ts_val = ANY, .ts_ecr = ANY, .n_sack = ANY, .sack_l0 = ANY,               \
	.sack_r0 = ANY, .sack_l1 = ANY, .sack_r1 = ANY, .sack_l2 = ANY, .sack_r2 = ANY,            \
	.sport = ANY, .dport = ANY, .ecn = ANY

// A captured segment.
struct cap {
	struct seg_out s;
	struct tcp_opts o;
	uint64_t at_us;
	uint8_t data[9000];
};

struct bench_slot {
	uint32_t conn; // TCP_NONE: free
	uint32_t gen;
};

struct bench {
	struct config cfg;
	struct state st;
	struct counters cnt;
	struct counters mark; // of counter_delta()
	struct tcp t;
	struct tcp_ops ops;
	struct host_mem mem;
	uint8_t *own; // the part of the arena to send from, filled with the stream's pattern
	uint64_t own_off;
	uint64_t now_us;
	// The wire
	struct cap *caps;
	unsigned cap_head, cap_tail; // captured and not yet expected
	unsigned room; // segments that may leave in a turn
	unsigned used; // of it
	int emit_error; // what the next emit returns, once
	bool hold; // helpers queue and do not turn
	bool amnesia; // forget every connection after each turn
	struct seg_in in[64];
	uint8_t in_opt[64][40];
	uint8_t in_data[64][9000];
	unsigned n_in;
	// The peer
	uint32_t peer_isn;
	uint32_t iss; // the engine's, from its last SYN
	int64_t peer_seq, peer_ack;
	uint16_t peer_wnd;
	bool peer_ts; // timestamps are negotiated
	uint32_t peer_ts_val, peer_ts_ecr;
	// The host
	struct bench_slot slots[BENCH_SLOTS];
	uint32_t conn; // the last connection that was accepted or became connected
	uint32_t half; // the last connect
	uint32_t listener; // the last listen
	uint64_t wr; // of conn: what the host has sent
	uint64_t rd; // and consumed
	unsigned notes; // TCP_EV_* since the last look
	int connect_error;
	uint32_t ports_tried; // of a connect without a port
	unsigned n_freed;
	unsigned commits_wrong; // segments that left without their commit
	unsigned frees_wrong; // pieces freed while their record still owned what they hold
};

// Prepared, not started: cfg may still be changed. bench_start() is called by the first use.
struct bench *bench_new(void);
void bench_start(struct bench *b);
// Ends it and checks that nothing is lost: buffers, pieces, records, soft state.
void bench_free(struct bench *b);

uint8_t bench_pattern(uint64_t off); // the byte at a place of either stream
void turn(struct bench *b);
// Time passes in small steps, timers run when they are due.
void advance(struct bench *b, uint64_t us);
// The same until a segment is captured, at most `us`. Returns the microseconds that passed.
uint64_t advance_until_sent(struct bench *b, uint64_t us);

void bench_inject(struct bench *b, const struct pkt *p);
#define inject(b, ...) bench_inject(b, &(const struct pkt){PKT_ANY, __VA_ARGS__})

void bench_expect(struct bench *b, const struct pkt *p, const char *file, unsigned line);
#define expect(b, ...)                                                                             \
	bench_expect(b, &(const struct pkt){PKT_ANY, __VA_ARGS__}, __FILE__, __LINE__)
void bench_expect_none(struct bench *b, const char *file, unsigned line);
#define expect_none(b) bench_expect_none(b, __FILE__, __LINE__)
void flush(struct bench *b); // forgets what was captured

// Counters that changed since the last call: each check names them all or the ones it is about.
void counter_mark(struct bench *b);
#define counter_delta(b, name) ((b)->cnt.name - (b)->mark.name)

// The host. Each returns what TCP does.
int host_listen(struct bench *b);
int host_connect(struct bench *b); // from PORT to PEER_PORT
int host_connect_from(struct bench *b, uint16_t lport);
int host_send(struct bench *b, uint32_t len, unsigned flags);
int host_consume(struct bench *b, uint64_t upto); // compares what it takes
int host_shutdown(struct bench *b);
int host_close(struct bench *b);
int host_set(struct bench *b, enum ob_option option, uint64_t value); // of conn
uint64_t host_received(struct bench *b); // data in order and committed
unsigned host_notes(struct bench *b); // since the last call

struct rec *bench_rec(const struct bench *b);
enum tcp_state bench_state(const struct bench *b);
int bench_error(const struct bench *b); // of a record that is DONE
void bench_expect_state(struct bench *b, enum tcp_state s, const char *file, unsigned line);
#define expect_state(b, s) bench_expect_state(b, TCPS_##s, __FILE__, __LINE__)

// A passive open, done: options as the peer's SYN carries them.
void bench_establish(struct bench *b, const struct pkt *syn);
#define establish(b, ...) bench_establish(b, &(const struct pkt){PKT_ANY, __VA_ARGS__})
// An active open, done.
void bench_connect(struct bench *b, const struct pkt *synack);
#define establish_active(b, ...) bench_connect(b, &(const struct pkt){PKT_ANY, __VA_ARGS__})

#endif
