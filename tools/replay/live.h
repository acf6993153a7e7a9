// One session on its way: the live connection between the replayed peer and the application.
#ifndef TOOLS_REPLAY_LIVE_H
#define TOOLS_REPLAY_LIVE_H

#include "outboard.h"
#include "tools/replay/build.h"
#include "tools/replay/plan.h"

#define LIVE_RTO_NS 250000000ull // first retransmission time-out of the fallback

// Figures of a run, over all sessions.
struct totals {
	uint64_t segs; // of the file, sent
	uint64_t made_up; // of a handshake that is not in the file, sent
	uint64_t classes[STEP_REORDERED + 1]; // of these, by enum step_class
	uint64_t corrupt; // of these, with a wrong checksum
	uint64_t fallback_acks, fallback_retransmits, fallback_probes, fallback_clipped;
	uint64_t fallback_unseen; // of bytes that the capture does not have
	uint64_t split; // segments that were longer than the engine takes
	uint64_t host_bytes; // checked by the application
	uint64_t peer_bytes; // checked on the wire, retransmissions included
	uint64_t engine_segs, engine_again; // that came, and those that brought nothing new
	uint64_t rx_bad_sums, rx_strays;
	uint64_t lag_max_ns;
};

// Why a step has not left yet.
enum wait {
	WAIT_NOTHING,
	WAIT_TIME,
	WAIT_DATA, // what it acknowledges has not come
	WAIT_AGAIN, // what was lost has not come again
	WAIT_FLIGHT, // too much is unacknowledged
	WAIT_WINDOW,
	WAIT_END, // no step is left
};

struct live;

// Where the peer's segments go; the payload is of the stream, at offset `off`.
struct peer_sink {
	void (*send)(void *arg, const struct live *l, const struct out_seg *o, int64_t off,
		const uint8_t *payload, uint32_t bytes);
	void *arg;
};

// What holds for all sessions of a run.
struct env {
	struct peer_sink sink;
	double speed; // 0: as fast as causes allow
	uint16_t mtu;
	uint64_t now_ns;
	struct totals totals;
};

struct live {
	const struct plan *plan;
	const struct flow *ours, *theirs; // the replayed side, the host side
	uint32_t copy; // from 1
	uint32_t heap; // its place in the timers, + 1
	bool queued, started, opened, done;
	bool failed;
	char why[200]; // it failed
	int64_t flip_host, flip_peer; // this byte goes out wrong, -1: none
	bool flipped; // it has
	uint64_t start_ns, lag_ns, due_ns;

	// The peer.
	struct path path;
	struct live_map map;
	uint32_t step; // the next
	enum wait wait;
	bool have_irs;
	bool dead; // a reset was sent or came
	bool rst_sent;
	bool late_rst; // sent behind the end, where it ends nothing
	bool forced; // the next step leaves without its cause
	int64_t acked; // by the engine, of our stream
	int64_t engine_edge; // of its window
	uint8_t engine_shift;
	uint16_t engine_mss;
	int64_t snd_max; // the end of what was sent, SYN and FIN counted
	int64_t ack_sent;
	bool ack_again; // what was acknowledged came again: the engine has not got that ACK
	uint32_t ts_val;
	struct spans sent; // of our stream, SYN and FIN counted
	struct spans came; // of the engine's stream
	struct span *arrivals; // of its segments past ack_sent, in order
	uint32_t n_arrivals, room_arrivals;
	uint64_t moved_ns; // something came or left
	uint64_t heard_ns; // the engine sent some of its stream
	uint64_t blocked_ns; // the next step began to wait for its cause
	uint64_t forced_ns; // a step left without its cause
	uint64_t progress_ns; // the session came nearer to its end
	uint64_t acked_ns; // the engine acknowledged more, or more was sent
	uint64_t rto_ns;
	int64_t repair_end; // retransmit up to here, each time more is acknowledged

	// The application.
	ob_conn_t conn;
	uint32_t cue;
	int64_t host_sent, host_read;
	bool connected, peer_closed, host_closed, host_reset, host_fin;
};

// ours: which side's numbers; isn and ts_base: where its live ones begin.
void live_init(struct live *l, const struct plan *plan, uint32_t isn, uint32_t ts_base);
void live_free(struct live *l);

// The session is over, and wrong.
void live_fail(struct live *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
// The bytes at `found`, at an offset of a flow, are those of the file. Otherwise the session fails.
bool live_check(struct live *l, const struct flow *f, int64_t off, const uint8_t *found,
	uint32_t bytes, const char *where);
// When something of the file's time is due.
uint64_t live_due(const struct live *l, const struct env *env, uint64_t t_ns);
// What is left for the application to do is to reset a connection that is over, in order and completely:
// in the capture its last segments came in another order.
bool live_nothing_to_reset(const struct live *l);
// Everything has been sent, has come and has been checked.
bool live_complete(const struct live *l);
// Something came that brings the session nearer to its end.
void live_moved(struct live *l, const struct env *env);
// What a session is waiting for, for a line of text.
const char *live_state(const struct live *l, char *text, size_t bytes);

// A packet of the engine's for this session.
void peer_input(struct live *l, struct env *env, const struct packet *p);
// Sends every step that may leave, and what a fallback asks for. Returns when to look again at the
// latest.
uint64_t peer_run(struct live *l, struct env *env);
// Tells the engine that the connection is over, where the session failed.
void peer_abort(struct live *l, struct env *env);

#endif
