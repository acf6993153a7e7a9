// What the files of engine/tcp share among themselves.
#ifndef ENGINE_TCP_INTERNAL_H
#define ENGINE_TCP_INTERNAL_H

#include "engine/base/seq.h"
#include "engine/tcp/cc.h"
#include "engine/tcp/flight.h"
#include "engine/tcp/isn.h"
#include "engine/tcp/options.h"
#include "engine/tcp/reass.h"
#include "engine/tcp/rtt.h"
#include "engine/tcp/settings.h"
#include "engine/tcp/tcp.h"
#include "engine/tcp/timewait.h"
#include "shared/request.h"

#define TCP_OVERRIDE_US                                                                            \
	200000u // how long silly-window avoidance may hold data (RFC 9293 3.8.6.2.1)

#define RCV_MSS_FIRST 536u // where the estimate of the peer's segment size begins
#define OWED_UNIT 64u // bytes

// Context of one received segment on its way through the state machine.
struct tcp_rx {
	struct tcp *t;
	struct tcp_soft *s;
	struct rec *r;
	const struct seg_in *in;
	struct tcp_opts o;
	int64_t start; // stream offset of SEG.SEQ: below rcv_nxt for what is old
	int64_t end; // one past its data, without its FIN
	bool dsack; // it says what arrived twice: our offsets
	int64_t dsack_start;
	int64_t dsack_end;
};

// Sequence numbers of stream offsets.
static inline uint32_t snd_seq(const struct rec *r, uint64_t off)
{
	return r->iss + 1 + (uint32_t)off;
}

static inline uint32_t rcv_seq(const struct rec *r, uint64_t off)
{
	return r->irs + 1 + (uint32_t)STATE_OFF(off);
}

// End of the data that the host has written, without its FIN.
static inline uint64_t wr_data_end(uint64_t snd_wr)
{
	return STATE_OFF(snd_wr) - (snd_wr >> 63);
}

// End of the data received in order, without the FIN.
static inline uint64_t rcv_data_end(uint64_t rcv_nxt)
{
	return STATE_OFF(rcv_nxt) - (rcv_nxt >> 63);
}

static inline uint8_t rec_flags(const struct rec *r)
{
	return atomic_load_explicit(&r->flags, memory_order_relaxed);
}

static inline void rec_flag_set(struct rec *r, uint8_t bits)
{
	atomic_store_explicit(&r->flags, rec_flags(r) | bits, memory_order_release);
}

static inline void rec_flag_clear(struct rec *r, uint8_t bits)
{
	atomic_store_explicit(&r->flags, rec_flags(r) & ~bits, memory_order_release);
}

static inline bool our_fin_acked(const struct tcp_soft *s, uint64_t snd_wr)
{
	return snd_wr >> 63 && s->snd_una == STATE_OFF(snd_wr);
}

static inline uint32_t peer_shift(const struct rec *r)
{
	return r->wscale & 15;
}

static inline uint32_t our_shift(const struct rec *r)
{
	return r->wscale >> 4;
}

static inline struct rtt_bounds tcp_rtt_bounds(const struct tcp *t, const struct tcp_soft *s)
{
	const uint32_t *v = t->settings[s->settings].value;

	return (struct rtt_bounds){v[OB_OPT_MIN_RTO], v[OB_OPT_MAX_RTO], v[OB_OPT_INIT_RTO]};
}

// Where each ACK and what leaves is counted for the validation of cwnd; the rest of that struct is touched
// only while the window is in use.
static inline const void *cwv_line(const struct tcp *t, const struct tcp_soft *s)
{
	return &t->cc_priv[s - t->soft];
}

static inline struct tcp_slow *slow_of(const struct tcp *t, const struct tcp_soft *s)
{
	return &t->slow[s - t->soft];
}

// The clock of our timestamps: milliseconds, to which each connection adds an offset of its own.
static inline uint32_t ts_clock(const struct tcp *t)
{
	return (uint32_t)(t->now_us / 1000);
}

static inline struct cc cc_of(const struct tcp *t, struct tcp_soft *s)
{
	return (struct cc){.s = s,
		.priv = &t->cc_priv[t->soft_of[s->conn]],
		.cnt = t->cnt,
		.cfg = t->cfg,
		.now_us = t->now_us,
		.mss = s->snd_mss};
}

// conn.c
struct seg_tuple rec_tuple(const struct rec *r);
struct seg_tuple half_tuple(const struct half *h);
uint32_t conn_lookup(const struct tcp *t, const struct seg_tuple *k); // id, or TCP_NONE
int conn_insert(struct tcp *t, const struct seg_tuple *k, uint32_t id);
void conn_remove(struct tcp *t, const struct seg_tuple *k);
void list_dirty(struct tcp *t, struct tcp_soft *s); // for tcp_commit()
void list_out(struct tcp *t, struct tcp_soft *s); // for tcp_output()
void conn_ack_now(struct tcp *t, struct tcp_soft *s);
// TCP is over: error 0 or a positive errno. The record waits for its host, or is freed.
void conn_done(struct tcp *t, uint32_t conn, int error);
void conn_free(struct tcp *t, uint32_t conn);
// damage.c: whether the record can be believed. One that cannot (counted) is over when this returns,
// and is its owner's still, DONE with EIO.
bool conn_whole(struct tcp *t, uint32_t conn);
// Puts the connection's one timer where its earliest deadline is.
void conn_timer(struct tcp *t, struct tcp_soft *s);
// After its positions were committed: TIME-WAIT, the end of LAST-ACK, FIN-WAIT-2's limit.
void conn_settle(struct tcp *t, struct tcp_soft *s);
// soft.c
struct tcp_soft *soft_new(struct tcp *t, uint32_t conn);
void soft_drop(struct tcp *t, uint32_t conn);
// cc.c: the controller is chosen and begins, with a window of `segs` segments.
void cc_begin(struct tcp *t, struct tcp_soft *s, uint32_t segs);

// listen.c
uint32_t listener_find(const struct tcp *t, const struct seg_tuple *k);
void listen_syn(struct tcp *t, const struct seg_in *in, uint32_t listener, uint32_t iss_min);
// half.c
static inline struct half *half_of(const struct tcp *t, uint32_t id)
{
	return &t->st->half[id - t->n_conns];
}

static inline struct tcp_half_soft *half_soft_of(const struct tcp *t, uint32_t id)
{
	return &t->half_soft[id - t->n_conns];
}

// Returns 0 and the id, or what share_half() says.
int half_new(struct tcp *t, const struct seg_tuple *k, uint16_t host, uint32_t *id);
void half_opts(struct tcp *t, struct half *h, const struct seg_in *in, const struct tcp_opts *o);
void half_input(struct tcp *t, uint32_t id, const struct seg_in *in);
void half_drop(struct tcp *t, uint32_t id);
void half_fail(struct tcp *t, uint32_t id, int error); // negative errno for its host
void half_send(struct tcp *t, uint32_t id); // queues its SYN or SYN-ACK
void half_output(struct tcp *t);
void half_timeout(struct tcp *t, uint32_t id);
// The window of a SYN or SYN-ACK, which is not scaled (RFC 7323 section 2.2).
uint32_t half_wnd(const struct tcp *t);
// promote.c: the full record of a half-open connection: committed, then the half-open entry is
// freed; where both exist the full one wins. TCP_NONE (counted) when there is no room for it.
uint32_t half_promote(struct tcp *t, uint32_t id, const struct seg_in *in);

// share.c: whether the host may have one more half-open entry: 0, -ENFILE none is left, -EMFILE it has
// its share, -EDQUOT its user has its connections. Of records: 0, -ENFILE or -EMFILE.
int share_half(const struct tcp *t, uint16_t host);
int share_rec(const struct tcp *t, uint16_t host);
int share_listener(const struct tcp *t, uint16_t host); // the same of listeners
// Whether who has `have` of something may have one more, with n_free left.
bool share_of(const struct tcp *t, uint32_t have, uint32_t n_free);
void share_half_add(struct tcp *t, uint16_t host);
void share_half_remove(struct tcp *t, uint16_t host);
void share_rec_add(struct tcp *t, uint16_t host);
void share_rec_remove(struct tcp *t, uint16_t host);

// input.c: the synchronised states
void est_input(struct tcp *t, uint32_t conn, const struct seg_in *in);
// data.c: text and FIN of an acceptable segment
// A segment with text comes to a connection with ack_dense: an ACK that is due already leaves first.
void rx_ack_pending(struct tcp_rx *x);
void rx_data(struct tcp_rx *x);
void rx_duplicate(struct tcp_rx *x, int64_t start, int64_t end);
uint64_t rx_placed(const struct tcp *t, const struct tcp_soft *s);
// recovery.c
// An ACK brought news of what is in flight, or is a duplicate without SACK.
void recovery_ack(struct tcp_rx *x, struct flight_news *n, bool moved, bool dup);
// A congestion event begins a recovery paced by PRR. delivered: by the ACK that tells of it.
void recovery_enter(struct tcp *t, struct tcp_soft *s, enum cc_event ev, uint32_t delivered);
// A mark is told of: the window is reduced as for a loss, but nothing is lost.
void recovery_marked(struct tcp *t, struct tcp_soft *s, uint32_t delivered);
void recovery_timeout(struct tcp *t, struct tcp_soft *s, const struct rec *r);
void recovery_reo_fired(struct tcp *t, struct tcp_soft *s);
void recovery_probe_repaired(struct tcp *t, struct tcp_soft *s);
// After a rebuild all that is in flight counts as lost.
void recovery_rebuilt(struct tcp *t, struct tcp_soft *s);
// cwv.c
void cwv_acked(struct tcp *t, struct tcp_soft *s, uint64_t was); // snd_una has moved from `was`
// A congestion event with so much in flight: what may count as such (RFC 7661 section 4.4.2).
uint32_t cwv_flight(struct tcp *t, struct tcp_soft *s, uint32_t flight);
// A recovery is over in which `resent` bytes were sent again, of `flight`.
void cwv_recovered(struct tcp *t, struct tcp_soft *s, uint32_t resent, uint32_t flight);
void cwv_resume(struct tcp *t, struct tcp_soft *s); // something leaves, and nothing is in flight
void cwv_sent(struct tcp *t, struct tcp_soft *s, bool used); // new data has left: cwnd is in use
// rack.c
void rack_min_rtt(struct tcp *t, struct tcp_soft *s, uint32_t rtt_us);
void rack_ack(struct tcp_rx *x, struct tcp_flight *f, const struct flight_news *n);
// RFC 8985 section 6.2 step 2, for what left last of what was delivered.
void rack_delivered(struct tcp_rx *x, struct tcp_flight *f, const struct flight_news *n);
// Marks what is lost by now and sets the timer for what may be soon. Returns the bytes marked.
uint32_t rack_detect(struct tcp *t, struct tcp_soft *s, struct tcp_flight *f);
void rack_timeout(struct tcp *t, struct tcp_soft *s, struct tcp_flight *f);
void rack_recovered(struct tcp_soft *s); // a recovery has ended
// tlp.c
bool tlp_eligible(const struct tcp *t, const struct tcp_soft *s, const struct rec *r);
void tlp_arm(struct tcp *t, struct tcp_soft *s, const struct rec *r); // behind rtx_at
void tlp_fired(struct tcp *t, struct tcp_soft *s);
void tlp_sent(struct tcp *t, struct tcp_soft *s, uint64_t end, bool again);
bool tlp_ack(struct tcp_rx *x, uint64_t was_una, bool dup);
// sack.c
bool sack_duplicate(struct tcp_rx *x); // the ACK bears a D-SACK: sets x->dsack_start, dsack_end
void sack_input(struct tcp_rx *x, struct flight_news *n);
void sack_owe_duplicate(struct tcp *t, struct tcp_soft *s, uint64_t start, uint64_t end);
void sack_turn_end(struct tcp *t);
// What lies at or past `nxt` is not held any more: a D-SACK of it would say that it is.
void sack_forget(struct tcp *t, struct tcp_soft *s, uint64_t nxt);
void sack_blocks(struct tcp *t, struct tcp_soft *s, const struct rec *r, struct tcp_opts *opt);

// ack.c: false when the segment goes no further
bool rx_ack(struct tcp_rx *x);

// reply.c
void reply_reset(struct tcp *t, const struct seg_in *in); // for no connection
// s: NULL when no soft state is held: the committed positions serve.
void reply_reset_conn(struct tcp *t, const struct rec *r, const struct tcp_soft *s);
void reply_reset_half(struct tcp *t, const struct half *h); // in SYN-RECEIVED
// A bare ACK of no record. wnd: as on the wire; ts_ecr: NULL where timestamps are not in use.
void reply_ack(struct tcp *t, const struct seg_tuple *k, uint32_t seq, uint32_t ack, uint16_t wnd,
	const uint32_t *ts_ecr);
// One more answer to what does not belong to a connection, if tcp.challenge_rate lets it (counted).
bool answer_take(struct tcp *t, struct tcp_answers *a);
bool challenge(struct tcp *t, struct tcp_soft *s); // RFC 5961, limited as above
void tw_input(struct tcp *t, struct tw *e, const struct seg_in *in);

// window.c
uint32_t tcp_rcv_wnd(const struct tcp *t);
// Whether the edge could rise by so much that the peer should be told at once.
bool edge_worth(struct tcp *t, struct tcp_soft *s, const struct rec *r);
// The timer of a connection that found no buffers.
void starved_retry(struct tcp *t, struct tcp_soft *s, struct rec *r);

// timer.c
void conn_timeout(struct tcp *t, uint32_t conn);
// Resets a connection whose peer does not answer: ETIMEDOUT.
void conn_give_up(struct tcp *t, struct tcp_soft *s, struct rec *r);
// slow.c
void slow_fired(struct tcp *t, struct tcp_soft *s, struct rec *r);
// Its deadlines follow its settings, and its being closed.
void slow_follow(struct tcp *t, struct tcp_soft *s, const struct rec *r);
// There is data to be acknowledged, and a user time-out for it: from now, if it does not run already.
void user_begin(struct tcp *t, struct tcp_soft *s);

#endif
