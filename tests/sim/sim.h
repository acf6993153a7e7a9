// The simulator: engines, hosts and a wire in one thread, under a virtual clock.
//
// sim.c     a seed from its beginning to its end        wire.c    stations, delay, faults, capture
// node.c    an engine: the real core, its port a wire   host.c    a host: the real library
// app.c     what applications do                        flow.c    what connections are to do
// fault.c   what goes wrong, and when                   check*.c  what must always be true
// peer*.c   a TCP of its own that plays the other side  wrap.c    waiting and time inside the library
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include "engine/core.h"
#include "engine/hostif/control.h"
#include "host_lib/include/outboard.h"
#include "tests/sim/plan.h"
#include "tests/sim/stats.h"
#include "tests/sim/wire.h"

#define SIM_NEVER UINT64_MAX
#define SIM_NODES 2u
#define SIM_HOSTS 5u // of one engine: three, and those that come after deaths
#define SIM_CHANNELS 3u
#define SIM_LISTENERS 3u
#define SIM_FLOWS 24u
#define SIM_CONNS 64u // records of an engine
#define SIM_TIME_WAIT 128u // entries of an engine
#define NODE_RX 1024u
#define FRAME_MAX 4200u

struct sim;
struct node;
struct flow;
struct peer;

// A connection's two ends: 0 opens it, 1 accepts it (in a simultaneous open, both open).
enum gate {
	GATE_NONE, // sends whenever it can
	GATE_ECHO, // what it has received
	GATE_ASK, // one unit more than it has received answers to
	GATE_ANSWER, // a unit for each whole unit received
	GATE_EOF, // nothing before the other's end
};

struct end {
	struct flow *flow;
	struct host *host; // NULL: the scripted peer's, or not there yet
	unsigned chan;
	ob_conn_t conn;
	uint64_t total; // bytes to send
	uint64_t sent;
	uint64_t rcvd;
	uint64_t unread_until_us; // a reader that stalls
	uint64_t abort_at; // sent + rcvd; SIM_NEVER: not at all
	enum gate gate;
	int error; // how the connection ended, if not in order
	bool live; // conn is valid
	bool open; // connected or accepted
	bool shut;
	bool eof;
	bool over; // the application is done with it
	bool aborted;
	bool in_order; // it was told that all went well
};

struct flow {
	unsigned id;
	unsigned kind;
	uint32_t base[2]; // of the pattern that each end sends
	uint32_t unit;
	struct end end[2];
	uint32_t addr[2]; // IPv4, network order
	uint16_t port[2]; // [0] 0: not known yet
	uint64_t start_us;
	uint64_t ended_us; // when its first end was over
	struct flow *after; // begins when that one is over
	bool begun;
	bool simultaneous;
	bool may_fail; // a fault has hit one of its ends
	bool keep_port;
};

struct chan {
	struct host *host;
	struct ob_channel *ch;
	unsigned index;
	uint64_t due_us;
	bool armed;
	int listener[SIM_LISTENERS]; // -1: none
	bool up[SIM_LISTENERS];
};

struct host {
	struct node *node;
	struct ob_host *h; // NULL: dead, or not yet born
	unsigned number;
	uint32_t index; // as the engine counts hosts
	unsigned n_chans;
	struct chan chans[SIM_CHANNELS];
	uint64_t stalled_until_us;
	uint64_t born_us;
	bool dead;
};

// What has arrived since the engine last emptied its receive ring (check_echo.c).
#define SHADOW_HEARD 16u
struct shadow_heard {
	uint32_t ts_val;
	uint32_t seq, end;
	bool ce;
	bool ts; // it has timestamps
};
struct shadow_echo {
	struct shadow_heard heard[SHADOW_HEARD];
	uint32_t n; // more than there is room for: not all of them are known
	uint32_t ts_recent, rcv_nxt; // of the record then; a sequence number
	bool known; // whether all that came since is noted
	bool owed; // a mark is to be echoed
};

// A reduction of CUBIC that can be taken back (check_loss.c).
struct shadow_loss {
	uint64_t undo_una;
	uint32_t w_max, k_ms; // of the curve before it
	uint32_t ssthresh, restored; // reduced, and when it is taken back
	uint32_t prior_cwnd;
	bool known; // w_max and k_ms
	bool reduced;
};

// What was last seen of a record.
struct shadow {
	uint64_t life;
	uint64_t snd_una, snd_max, snd_wr, rcv_nxt, rcv_edge;
	uint32_t ts_recent;
	uint64_t sent_high; // one past the highest byte that left
	uint32_t ts_sent; // highest timestamp that left
	bool ts_known;
	uint8_t state;
	uint64_t checked; // received bytes compared up to here
	uint64_t left_us; // when data left last
	uint64_t left_from; // the lowest offset that left then
	uint32_t left_again; // and how often it left again
	uint64_t peer_edge; // highest offset that the other side ever allowed
	bool peer_edge_known;
	bool sack_unsaid; // the last bare ACK did not say what is held behind a gap
	struct shadow_echo echo;
	struct shadow_loss loss;
	uint64_t keep_sent_us; // when the last keepalive probe left, by the engine's clock
	uint32_t keep_probes; // that were not answered
	struct flow *flow;
	unsigned side;
};

struct node {
	struct sim *sim;
	unsigned index;
	uint32_t addr;
	struct station station;
	struct config cfg;
	struct state st;
	struct ob_core *core;
	struct control control;
	struct rte_mempool *pool;
	struct rte_mbuf *rx[NODE_RX];
	unsigned rx_head, n_rx;
	uint64_t clock_off_us; // its clock is so far ahead
	uint64_t next_us; // its next turn
	uint64_t stalled_until_us;
	uint64_t idle_us; // between turns that find nothing to do
	uint64_t seen_published, seen_bells;
	bool asleep;
	bool up;
	struct host hosts[SIM_HOSTS];
	unsigned n_hosts;
	struct shadow shadow[SIM_CONNS];
	uint64_t undone, reductions; // of all its connections, before this turn
	bool refused; // frames were, in this turn
	struct tw tw[SIM_TIME_WAIT]; // as last seen
	uint64_t tw_gone; // entries that were evicted or used again, and may end early
	struct rte_mbuf *kept_mbufs[1024]; // out of the pool: it is smaller, or a famine
	unsigned n_kept_mbufs;
	unsigned famines; // under way: something of its own is taken away
	uint64_t n_turns;
	struct draw draw;
};

struct fault_plan;

struct sim {
	struct plan plan;
	struct stats *stats; // of the run
	uint64_t start_us;
	uint64_t now_us;
	uint64_t end_us; // by then all must be over
	uint64_t hash;
	uint64_t n_steps;
	bool failed;
	char failure[512];
	struct wire wire;
	struct node nodes[SIM_NODES];
	unsigned n_nodes;
	struct peer *peer;
	struct flow flows[SIM_FLOWS];
	unsigned n_flows;
	struct fault_plan *faults;
	struct draw draw_app;
	bool healed; // faults are over
	bool quiet; // the applications have ended
	bool may_break; // connections may end by errors in this seed
	bool scarce; // resources are so few that connections may be refused
};

// The one that runs, for what is called without a context: the library's waits, randomness.
extern struct sim *sim_running;

// ---- sim.c
// Runs one seed. Returns whether everything was true; s->hash and s->failure say more.
bool sim_run(struct sim *s, struct stats *stats, uint64_t seed, FILE *trace);
// Notes the first failure; the run ends at the next step.
void sim_fail(struct sim *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
// Goes on in virtual time, without applications: for waits inside the library.
void sim_pass(struct sim *s, uint64_t us);
// Everything that could happen now in engines and control threads.
void sim_pump(struct sim *s);
void sim_hash(struct sim *s, const void *bytes, size_t n);
void sim_hash_word(struct sim *s, uint64_t v);

// ---- wrap.c
int wrap_start(void); // once in a process; 0, or libsodium does not start
void wrap_seed(uint64_t seed); // what libsodium draws from

// ---- node.c
// Once in a process: EAL and the pools. Returns 0 or a negative errno.
int nodes_start(unsigned job);
int node_open(struct node *n, struct sim *s, unsigned index);
void node_close(struct node *n);
uint64_t node_now(const struct node *n);
void node_turn(struct node *n); // one turn, if it may have one
void node_kick(struct node *n); // it has something to do
void node_asked(struct node *n); // a host has: an engine that sleeps needs a doorbell
void node_control(struct node *n); // the control thread's round
bool node_quiet(const struct node *n); // nothing is open, waiting or on its way

// ---- host.c
int host_open(struct host *h, struct node *n, unsigned number);
void host_listen(struct host *h);
void host_close(struct host *h);
void host_die(struct host *h);
void hosts_look(struct node *n); // after a turn: who has something to read?
uint16_t host_port(unsigned number, unsigned listener);

// ---- flow.c
void flows_plan(struct sim *s);
// The flow of a tuple, and which end has the local address. NULL: none (yet).
struct flow *flow_find(struct sim *s, uint32_t laddr, uint16_t lport, uint32_t raddr,
	uint16_t rport, unsigned *side);
// How far an end may send now.
uint64_t flow_limit(const struct end *e);
bool flow_over(const struct flow *f);
// Pattern: n bytes from stream offset `off`, valid until the next call of another flow's.
#define PATTERN_PERIOD 65521u
#define PATTERN_RUN 16384u // bytes that lie behind each other
const uint8_t *pattern(uint32_t base, uint64_t off);
bool pattern_is(uint32_t base, uint64_t off, const uint8_t *p, uint64_t n);

// ---- app.c
void app_run(struct chan *c); // a channel's thread has its turn
void apps_begin(struct sim *s); // flows whose time has come
uint64_t apps_next_us(const struct sim *s);
void app_lost(struct end *e, int error); // its host has died
bool apps_over(const struct sim *s);

// ---- fault.c
int faults_plan(struct sim *s);
void faults_free(struct sim *s);
uint64_t faults_next_us(const struct sim *s);
void faults_step(struct sim *s);
void faults_heal(struct sim *s);

// ---- check*.c
void check_turn(struct node *n); // after each turn
void check_frame(struct node *n, const uint8_t *frame, uint32_t len); // as it leaves
void check_arrival(struct node *n, const uint8_t *frame, uint32_t len); // as it comes in
void check_books(struct node *n); // buffers and pieces add up
void check_end(struct node *n); // nothing is left
void check_flow(struct sim *s, struct flow *f); // when both ends are over

#endif
