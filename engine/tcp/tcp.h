// TCP: the whole state machine, over hard records (engine/state) and soft state that may be thrown
// away between any two turns. It reads no clock, no port and no ring: time comes in as now_us,
// segments go out through a sink, what concerns hosts goes up through struct tcp_ops.
#ifndef ENGINE_TCP_TCP_H
#define ENGINE_TCP_TCP_H

#include <rte_hash.h>

#include "engine/base/counters.h"
#include "engine/base/wheel.h"
#include "engine/net/net.h"
#include "engine/state/hostmem.h"
#include "engine/state/state.h"
#include "engine/tcp/ports.h"
#include "shared/congestion.h"
#include "shared/option.h"

// Connection ids: below n_conns a record, above it a half-open entry. Timers have the same numbers.
#define TCP_NONE UINT32_MAX

#define TCP_STATE_LIST(X)                                                                          \
	X(CLOSED)                                                                                  \
	X(SYN_SENT)                                                                                \
	X(SYN_RCVD)                                                                                \
	X(ESTABLISHED) X(FIN_WAIT_1) X(FIN_WAIT_2) X(CLOSE_WAIT) X(CLOSING) X(LAST_ACK) X(TIME_WAIT)

enum tcp_state {
#define X(name) TCPS_##name,
	TCP_STATE_LIST(X)
#undef X
};

// Bits of tcp_soft.flags
#define SOFT_DIRTY 0x0001u // on the commit list
#define SOFT_OUT 0x0002u // on the output list
#define SOFT_ACK_NOW 0x0004u // an ACK is due in this turn
#define SOFT_ACK_WAIT 0x0008u // an ACK is due when ack_at comes
#define SOFT_NOTIFY 0x0010u // on a channel's notify list (hostif)
#define SOFT_STARVED 0x0020u // the edge could not rise for want of buffers
#define SOFT_ZERO_WND 0x0040u // zero was advertised: reopen explicitly
#define SOFT_PROBE 0x0080u // rtx_at is a zero-window probe
#define SOFT_RTT 0x0100u // the next ACK of new data is a measurement (without a struct tcp_flight)
#define SOFT_RECOVERY 0x0200u // fast recovery (RFC 6675, RFC 9937)
#define SOFT_LOSS 0x0400u // after a time-out, until recover is acknowledged
#define SOFT_NO_BUFS 0x0800u // placement failed: advertise zero
#define SOFT_REBUILT 0x1000u // rebuilt from hard state, no acceptable ACK yet
#define SOFT_PUSH_RCVD 0x2000u
#define SOFT_FORCE 0x4000u // send one segment whatever the windows say (probe, time-out)
#define SOFT_WND_KNOWN 0x8000u
#define SOFT_RTX_HEAD 0x10000u // the first lost segment leaves whatever cwnd says
#define SOFT_WND_USED 0x1000000u // what was sent last filled cwnd: it may grow
#define SOFT_TLP 0x800000u // a tail loss probe is not answered yet
#define SOFT_TLP_RTX 0x40000u // it was sent before
#define SOFT_TLP_SEND 0x80000u // send one
#define SOFT_REO 0x100000u // soon_at is RACK's: something may turn out to be lost
#define SOFT_REORD 0x200000u // reordering was seen (RFC 8985 section 6.2)
#define SOFT_DSACK 0x400000u // struct tcp holds a D-SACK for it in this turn
#define SOFT_ECE 0x2000000u // what leaves carries ECE: RFC 3168's latch, or DCTCP.CE
#define SOFT_CWR 0x4000000u // the first new data carries CWR
#define SOFT_ECN_HOLD 0x8000000u // ECE with one segment: nothing new until rtx_at
#define SOFT_UNACKED 0x10000000u // rcv_nxt is past the last ACK that was sent
#define SOFT_FRAGMENT 0x20000000u // the path carries less than MTU_MIN: routers may fragment
#define SOFT_HEARD 0x20000u // a good segment at the left edge came in this turn
#define SOFT_SLOW 0x80000000u // its struct tcp_slow has a deadline
#define SOFT_KEEP_SEND 0x40000000u // send a keepalive probe

// What a channel is to be told (tcp_soft.notify). Owned by hostif, set by TCP.
#define TCP_EV_ACCEPT 0x01u
#define TCP_EV_CONNECT 0x02u
#define TCP_EV_DATA 0x04u
#define TCP_EV_SENT 0x08u
#define TCP_EV_CLOSED 0x10u

// Soft state of a connection. Working copies of hard positions are committed once a turn.
struct tcp_soft {
	uint32_t conn;
	uint32_t flags;
	uint64_t snd_una;
	uint64_t snd_nxt; // next offset to send
	uint64_t snd_max;
	uint64_t rcv_nxt; // with STATE_FIN
	uint64_t rcv_edge;
	uint64_t rtx_at; // microseconds; 0: not set. Retransmission, probe, FIN-WAIT-2
	uint64_t ack_at;
	uint64_t soon_at; // before rtx_at: tail loss probe, or RACK (SOFT_REO)
	uint64_t rcv_consumed; // the host needs nothing below it
	uint64_t rcv_reported; // with STATE_FIN; owned by hostif
	uint64_t sent_reported; // owned by hostif
	uint32_t sent_us; // when data or a FIN last left, modulo 2^32; 0: never
	uint32_t flight; // index of its struct tcp_flight, or STATE_NIL (flight.h)
	uint32_t ts_off; // added to the millisecond clock in our timestamps
	uint32_t snd_wnd; // bytes
	uint32_t max_wnd; // largest window the peer ever offered
	uint32_t wl1; // SEQ and ACK of the segment that last updated snd_wnd
	uint32_t wl2;
	uint32_t cwnd; // bytes
	uint32_t ssthresh;
	uint32_t srtt_us; // 0: no measurement yet
	uint32_t rttvar_us;
	uint32_t min_rtt_us;
	uint32_t sent_flight; // bytes in flight when new data last left
	uint32_t rto_us;
	uint32_t ts_recent;
	uint32_t ooo; // index of its out-of-order ranges, or STATE_NIL
	uint32_t rcv_tail; // last receive piece, or STATE_NIL
	uint32_t snd_tail; // last send piece
	uint32_t snd_cur; // send piece that holds snd_nxt, or STATE_NIL: search
	uint32_t notify_next;
	uint16_t notify;
	uint16_t min_rtt_s; // when it was measured, modulo 2^16 seconds
	uint16_t rcv_mss; // estimate of the peer's segment size
	uint16_t snd_mss; // the record's, bounded by the path MTU (learned from ICMP)
	uint8_t backoff; // doublings of the time-out now in force
	uint8_t retries; // time-outs without any answer
	uint8_t acks_owed; // data since the last ACK, in OWED_UNIT
	uint8_t ack_dense; // segments for which one ACK a turn is not enough: the path loses
	uint8_t reo_mult; // quarters of min_rtt_us added to RACK's reordering window
	uint8_t reo_persist : 5; // recoveries until that is forgotten
	uint8_t cc : 3; // enum ob_cc: its congestion controller
	uint16_t settings; // the record's
};
static_assert(sizeof(struct tcp_soft) <= 192, "budget of an active connection");
static_assert(OB_CC_END <= 8, "tcp_soft.cc");

// How often what does not belong to a connection was answered in this second: a limit for each of
// them, since one for all would let a peer silence the answers to others' keepalives, and tell it by
// its own answers of theirs (RFC 5961 section 7, CVE-2016-5696).
struct tcp_answers {
	uint32_t second;
	uint32_t n;
};

// Deadlines that few connections have, beside each soft state; meaningful with SOFT_SLOW. All in
// microseconds, 0: none.
struct tcp_slow {
	uint64_t at; // the earliest of them
	uint64_t keep_at; // keepalive: when to look again
	uint64_t keep_sent_us; // the last probe
	uint64_t user_at; // the end of the user time-out of what begins at user_una
	uint64_t user_since_us; // and its beginning
	uint64_t user_una;
	uint64_t linger_at; // a close is over by then
	uint8_t keep_probes; // not answered
	struct tcp_answers answers; // with or without SOFT_SLOW
};

// Settings as they are in force, in the engine's own memory. Number 0: the configuration's.
struct tcp_settings {
	uint32_t refs; // records, half-open entries and listeners
	uint16_t next; // in the chain of its sum, or the next free one; 0: the last
	uint16_t host; // that made it
	uint32_t value[OB_OPT_N];
};

// Soft part of a half-open connection, by its index.
struct tcp_half_soft {
	uint64_t sent_us; // of the last SYN or SYN-ACK
	uint32_t rto_us;
	uint32_t ts_recent;
	uint32_t snd_wnd;
	uint8_t retries;
	uint8_t soft_error; // errno of an ICMP error
	uint8_t queued; // its index is on the list half_out: outlives the entry
	uint8_t over_tw; // its tuple has a TIME-WAIT entry, which goes when it is established
	struct tcp_answers answers;
};

// Upward calls.
struct tcp_ops {
	void *ctx;
	// Copies payload into host memory at stream offset `off` (at or past rcv_nxt), taking
	// buffers as needed. Returns how many bytes were placed, from the first on.
	uint32_t (*place)(
		void *ctx, struct tcp_soft *s, uint64_t off, const uint8_t *data, uint32_t len);
	// A free slot of the host for an accepted connection. Returns 0 or -ENOSPC.
	int (*slot_get)(void *ctx, uint16_t host, uint8_t chan, uint32_t conn, uint32_t *slot,
		uint32_t *gen);
	// A connect of the host has become the record `conn`: the slot means that from now on.
	void (*slot_set)(void *ctx, uint16_t host, uint32_t slot, uint32_t gen, uint32_t conn);
	// There is news of a connection for its host: TCP_EV_* bits, published after the commit.
	void (*notify)(void *ctx, struct tcp_soft *s, unsigned bits);
	// A connect failed with a negative errno; `id` is freed when this returns.
	void (*connect_failed)(
		void *ctx, uint16_t host, uint8_t chan, uint32_t slot, uint32_t gen, int error);
	// Whose a record is, whatever it says itself: fills its host, channel, slot and the slot's
	// generation, and leaves of its flags REC_ORPHAN at most, if its host goes. Returns whether
	// some slot is known to mean it. For damaged ones only, so it may be slow; NULL: none ever is.
	bool (*owner)(void *ctx, uint32_t conn, struct rec *r);
	// A record needs its slot no more: it is gone for good, or goes on without one.
	void (*freed)(void *ctx, const struct rec *r);
};

struct tcp_listener_soft {
	uint32_t half_open;
	uint64_t accepted;
	uint32_t next; // next listener with the same port, or STATE_NIL
};

struct tcp_ooo;
struct ooo_node;
struct ooo_host;
struct tcp_flight;
struct tcp_range;
struct cc_ops;
struct cc_priv;

// What came twice, to be told with the next ACK of this turn (RFC 2883).
#define TCP_DSACKS 64u
struct tcp_dsack {
	uint32_t conn; // TCP_NONE: told
	uint64_t start, end; // stream offsets
};

// A growing list of ids, handled once a turn.
struct tcp_list {
	uint32_t *ids;
	uint32_t n;
};

struct tcp {
	const struct config *cfg;
	struct state *st;
	struct counters *cnt;
	const struct tcp_ops *ops;
	struct seg_sink sink;
	struct host_mem *mem; // [limits.hosts]
	uint64_t now_us; // of this turn
	uint32_t n_conns;
	uint32_t n_half;
	uint16_t mss; // ours: advertised, and the bound of what we send
	bool edges_stay; // windows are advertised as they were (out_ack_early)
	// Look-up: tuple to id; hash seeded with a secret.
	struct rte_hash *table;
	uint32_t *soft_of; // record to soft state, or STATE_NIL
	struct tcp_soft *soft;
	struct cc_priv *cc_priv; // beside each soft state: the congestion controller's own
	struct tcp_slow *slow; // beside each soft state
	struct tcp_settings *settings; // as st->settings
	uint16_t *settings_heads; // chains by sum
	uint16_t settings_free; // the first free one, 0: none
	uint32_t n_settings_free;
	uint32_t *host_settings; // how many a host made that are in use
	uint64_t *ecn_answered; // the same: ECE counts when something behind it is acknowledged
	uint32_t n_soft;
	uint32_t n_soft_free;
	uint32_t *soft_free;
	uint32_t soft_hand; // where the search for an idle one goes on
	struct tcp_half_soft *half_soft;
	struct tcp_ooo *ooo;
	uint32_t n_ooo_free;
	uint32_t *ooo_free;
	struct ooo_node *ooo_node; // beside each of ooo (ooo.h)
	struct ooo_host *ooo_host; // by host
	// Scoreboards (flight.h)
	struct tcp_flight *flights;
	uint32_t *flight_next; // links free ones
	uint32_t flight_free;
	uint32_t flights_fresh; // from here on they were never used
	uint32_t n_flights_used;
	struct tcp_range *ranges; // first one for each flight, by its index, then the pool
	uint32_t n_ranges; // of the pool, as the figures below
	uint32_t range_free;
	uint32_t ranges_fresh;
	uint32_t n_ranges_used;
	struct tcp_dsack dsacks[TCP_DSACKS];
	uint32_t n_dsacks;
	struct wheel wheel;
	struct tcp_list dirty;
	struct tcp_list out;
	struct tcp_list half_out; // half-open ids whose SYN or SYN-ACK is to leave
	// Listeners by port: head of a chain, or STATE_NIL.
	uint32_t *port_head;
	struct tcp_listener_soft *lsoft;
	struct tcp_ports ports;
	struct net_limit reset_limit;
	struct tcp_tw *tw;
	const struct cc_ops *cc; // tcp.congestion_control
	uint8_t ecn; // enum ecn_mode
	uint32_t n_live; // records LIVE or DONE
	uint32_t *host_conns; // records and half-open entries by host
	uint32_t *host_half; // of them half-open
	uint32_t *user_conns; // the same as host_conns, by host_mem.account
	uint32_t *host_listeners;
	uint32_t n_listeners_used;
	uint32_t n_half_used;
	uint32_t n_orphans;
	uint64_t rand; // soft randomness (amnesia)
};

// All memory is taken here. `mem` is the caller's table of hosts. Returns 0 or a negative errno.
int tcp_init(struct tcp *t, const struct config *cfg, struct state *st, struct counters *cnt,
	const struct tcp_ops *ops, struct seg_sink sink, struct host_mem *mem, uint16_t mtu,
	uint64_t now_us);
void tcp_fini(struct tcp *t);

// The stages of a turn, in this order; hosts' requests come between input and timers.
void tcp_begin(struct tcp *t, uint64_t now_us);
void tcp_input(struct tcp *t, struct seg_in *segs, unsigned n);
void tcp_timers(struct tcp *t);
void tcp_output(struct tcp *t);
void tcp_commit(struct tcp *t); // after this: tx burst, then events
uint64_t tcp_next_us(const struct tcp *t); // no timer is due before

// Requests. Each returns 0, or a negative errno and has changed nothing; -EAGAIN asks for the same
// request again in a later turn; -EALREADY says that it was done before.
// `host` is an index into mem. lport 0 leaves the choice to TCP.
struct tcp_open {
	uint16_t host;
	uint8_t chan;
	uint16_t number; // listen: the host's number of the listener
	uint32_t gen; // listen
	uint32_t slot;
	uint32_t slot_gen;
	struct ob_addr laddr;
	struct ob_addr raddr;
	uint16_t lport;
	uint16_t rport;
	uint32_t backlog;
	// connect without lport: how far the search for one came; 0 for a new request.
	// NULL: it begins anew with each call, at another port
	uint32_t *ports_tried;
};

// -EADDRINUSE another host listens there, -EADDRNOTAVAIL not our address or no port left, -ENFILE no
// listener left, -EMFILE the host has its share of them.
int tcp_listen(struct tcp *t, const struct tcp_open *o, uint32_t *listener);
// A listener ends in two steps: it accepts no more; and its entry may become another's, once no record
// names it any more whose host has not been told of it. -EBUSY before the first.
int tcp_unlisten(struct tcp *t, uint32_t listener);
int tcp_listener_free(struct tcp *t, uint32_t listener);
// -EADDRINUSE the tuple is taken, -EADDRNOTAVAIL not our address or no port left, -EAGAIN the search
// for a port goes on, -ENFILE no half-open entry left, -EMFILE the host has its share of them, -EDQUOT its user has its
// connections, -EINVAL a destination that cannot be. The id is in *id.
int tcp_connect(struct tcp *t, const struct tcp_open *o, uint32_t *id);
// Of a record: `conn`. arena_off and len were checked against the host's arena.
// -EINVAL a gap before off, -EPIPE after shutdown or reset, -EAGAIN out of pieces.
int tcp_send(struct tcp *t, uint32_t conn, uint64_t off, uint64_t arena_off, uint32_t len,
	unsigned flags);
int tcp_consumed(struct tcp *t, uint32_t conn, uint64_t off); // -EINVAL past rcv_nxt
int tcp_shutdown(struct tcp *t, uint32_t conn, uint64_t off); // off: all that was sent
// Of any id. A close with received data not consumed is a reset (RFC 1122 4.2.2.13).
int tcp_close(struct tcp *t, uint32_t id, uint64_t off);
int tcp_abort(struct tcp *t, uint32_t id);
// Its slot is free. One that is closed goes on to its end without one; -EBUSY while it is neither closed
// nor over.
int tcp_release(struct tcp *t, uint32_t conn);
// Settings (shared/option.h) of any id, and of a listener for the connections it will accept. `value`
// is within bounds. -ENOPROTOOPT no such option, -ENOBUFS no room for one more combination.
int tcp_setopt(struct tcp *t, uint32_t id, unsigned option, uint64_t value);
int tcp_listener_setopt(struct tcp *t, uint32_t listener, unsigned option, uint64_t value);

// The host is gone: its listeners, half-open and open connections end, those that were shut down
// finish as orphans. `max` connections are looked at from *cursor on; returns whether it is done.
bool tcp_host_gone(struct tcp *t, uint16_t host, uint32_t *cursor, uint32_t max);
// How many records still refer to the host.
uint32_t tcp_host_conns(const struct tcp *t, uint16_t host);
// A clean stop: every connection ends with a reset, half-open ones included. Returns false when this
// turn has no room for more of them: commit, flush and call again.
bool tcp_reset_all(struct tcp *t);

// From the network layer (struct net_ops).
bool tcp_icmp(void *tcp, const struct seg_icmp *e);
void tcp_unreachable(void *tcp, const struct ob_addr *dst);

// Looking.
//
// The value in force of any id, or of a listener; 0 when there is no such option.
uint32_t tcp_getopt(const struct tcp *t, uint32_t id, unsigned option);
uint32_t tcp_listener_getopt(const struct tcp *t, uint32_t listener, unsigned option);
// An engine-wide default.
uint32_t tcp_default(const struct tcp *t, unsigned option);
enum tcp_state tcp_state(const struct rec *r);
const char *tcp_state_name(enum tcp_state s);

static inline struct rec *tcp_rec(const struct tcp *t, uint32_t conn)
{
	return &t->st->recs[conn];
}

static inline bool tcp_id_is_half(const struct tcp *t, uint32_t id)
{
	return id >= t->n_conns;
}

// Soft state of a record if it is held, else NULL.
static inline struct tcp_soft *tcp_soft_held(const struct tcp *t, uint32_t conn)
{
	uint32_t i = t->soft_of[conn];

	return i == STATE_NIL ? NULL : &t->soft[i];
}

// Soft state of a live record, rebuilt from its hard state when it is not held. NULL (counted)
// when none can be had now.
struct tcp_soft *tcp_soft(struct tcp *t, uint32_t conn);

// Throws the soft state of a connection away and learns it again from the hard record, as a
// successor would. tcp_amnesia() does so for random connections, at `ppm` each.
void tcp_forget(struct tcp *t, uint32_t conn);
void tcp_amnesia(struct tcp *t, uint64_t ppm);

#endif
