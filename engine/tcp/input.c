// Segments in: look-up in stages, then RFC 9293 section 3.10.7, its steps numbered as there.
#include <errno.h>

#include "engine/tcp/internal.h"

#define INPUT_BURST 64u

// Steps of section 3.10.7.4 for the synchronised states. Each says whether to go on.

// PAWS (RFC 7323 section 5.3) and the options of the segment.
static bool step_options(struct tcp_rx *x)
{
	const struct seg_in *in = x->in;

	x->o.n_sack = 0;
	x->o.has_ts = tcp_opts_fast_ts(in->opt, in->opt_len, &x->o.ts_val, &x->o.ts_ecr);
	if (!x->o.has_ts && in->opt_len && !tcp_opts_parse(&x->o, in->opt, in->opt_len, false)) {
		COUNT(x->t->cnt, drop_tcp_options);
		return false;
	}
	if (!(x->r->opts & OB_NEG_TS) || !x->o.has_ts || (in->flags & TCP_RST))
		return true;
	// One that has heard nothing for 24 days takes any timestamp (section 5.5).
	if (seq_lt(x->o.ts_val, x->s->ts_recent)
		&& (uint32_t)(x->t->now_us / 1000000) - HARD_GET(x->r->activity) < 24u * 86400) {
		COUNT(x->t->cnt, drop_tcp_paws);
		conn_ack_now(x->t, x->s);
		return false;
	}
	return true;
}

// First, the sequence number: some of the segment must lie in the window, or touch its edges.
static bool step_sequence(struct tcp_rx *x)
{
	struct tcp *t = x->t;
	int64_t nxt = (int64_t)STATE_OFF(x->s->rcv_nxt);
	int64_t edge = (int64_t)x->s->rcv_edge;
	int64_t end = x->end + !!(x->in->flags & TCP_FIN);

	if (x->in->flags & TCP_RST) {
		// RFC 5961 section 3.2: what is outside of RCV.NXT <= SEG.SEQ < RCV.NXT + RCV.WND is
		// dropped silently. A closed window lets one in, at RCV.NXT.
		if (x->start == nxt || (x->start > nxt && x->start < edge))
			return true;
		COUNT(t->cnt, drop_tcp_rst_window);
		return false;
	}
	if (edge < nxt)
		edge = nxt; // a FIN may lie at the edge
	if (end >= nxt && x->start <= edge)
		return true;
	// A bare ACK from below the window: of a peer whose probe was taken, or what it sent before the window
	// shrank by rounding, and who has not heard of it. Its SEQ cannot be another while our window is
	// closed to it, and if its news did not count, two such ends would tell each other for ever. It
	// is answered, since it may be a keepalive.
	if (x->start < nxt && nxt - x->start <= (int64_t)tcp_rcv_wnd(t) && end == x->start
		&& !(x->in->flags & TCP_SYN)) {
		if (answer_take(t, &slow_of(t, x->s)->answers))
			conn_ack_now(t, x->s);
		return true;
	}
	if (end < nxt && end > x->start) {
		COUNT(t->cnt, tcp_dup_segs);
		rx_duplicate(x, x->start, x->end);
	} else {
		COUNT(t->cnt, drop_tcp_window);
	}
	// What is old is acknowledged again; answers to empty ones are limited, lest two ends loop.
	if (end > x->start || answer_take(t, &slow_of(t, x->s)->answers))
		conn_ack_now(t, x->s);
	return false;
}

// Second, the RST bit (RFC 5961 section 3.2). Never goes on.
static void step_reset(struct tcp_rx *x)
{
	struct tcp *t = x->t;
	uint8_t flags = rec_flags(x->r);
	enum tcp_state st;

	if (x->start != (int64_t)STATE_OFF(x->s->rcv_nxt)) {
		COUNT(t->cnt, drop_tcp_rst_challenge);
		challenge(t, x->s);
		return;
	}
	COUNT(t->cnt, tcp_reset_rx);
	list_dirty(t, x->s); // what was placed in this burst is still reported
	st = tcp_state(x->r);
	// In CLOSING and LAST-ACK the application has no more to learn (section 3.10.7.4).
	conn_done(t, x->s->conn,
		(flags & REC_CLOSED) && (st == TCPS_CLOSING || st == TCPS_LAST_ACK) ? 0
										    : ECONNRESET);
}

// RFC 7323 section 4.3: only a segment that begins at or before what was acknowledged last moves TS.Recent:
// a delayed ACK echoes the first of those that it is for. A segment also says how old
// TS.Recent is (section 5.5), which nothing that we send does. A timestamp that is lower has come this
// far because TS.Recent is too old to compare with: it takes its place.
static void step_ts_recent(struct tcp_rx *x)
{
	int64_t nxt = (int64_t)STATE_OFF(x->s->rcv_nxt);

	if (x->start > nxt)
		return;
	x->s->flags |= SOFT_HEARD;
	if (HARD_GET(x->r->activity) != (uint32_t)(x->t->now_us / 1000000))
		list_dirty(x->t, x->s);
	if ((x->s->flags & SOFT_UNACKED) && x->start == nxt)
		return;
	if (x->o.has_ts && (x->r->opts & OB_NEG_TS) && x->o.ts_val != x->s->ts_recent) {
		x->s->ts_recent = x->o.ts_val;
		list_dirty(x->t, x->s);
	}
}

void est_input(struct tcp *t, uint32_t conn, const struct seg_in *in)
{
	struct rec *r = tcp_rec(t, conn);
	struct tcp_soft *s = tcp_soft(t, conn);
	struct tcp_rx x = {.t = t, .s = s, .r = r, .in = in};

	if (!s)
		return; // counted: the peer sends it again
	x.start = (int64_t)STATE_OFF(s->rcv_nxt) + (int32_t)(in->seq - rcv_seq(r, s->rcv_nxt));
	x.end = x.start + in->len;
	if (!step_options(&x) || !step_sequence(&x))
		return;
	if (in->flags & TCP_RST) {
		step_reset(&x);
		return;
	}
	// Fourth, the SYN bit (RFC 5961 section 4.2).
	if (in->flags & TCP_SYN) {
		COUNT(t->cnt, drop_tcp_syn_challenge);
		challenge(t, s);
		return;
	}
	// Fifth, the ACK field.
	if (!(in->flags & TCP_ACK)) {
		COUNT(t->cnt, drop_tcp_no_ack);
		return;
	}
	if (unlikely(s->ack_dense) && in->len)
		rx_ack_pending(&x);
	step_ts_recent(&x);
	if (!rx_ack(&x))
		return;
	// Sixth, the URG bit: urgent data is in the stream (RFC 6093 section 4).
	// Seventh and eighth, the text and the FIN bit.
	if (in->len || (in->flags & TCP_FIN))
		rx_data(&x);
}

// CLOSED and LISTEN (sections 3.10.7.1 and 3.10.7.2), and what TIME-WAIT has kept.
static void no_conn_input(struct tcp *t, const struct seg_in *in)
{
	struct tw *e = tw_count(t->tw) ? tw_find(t->tw, &in->t, t->now_us) : NULL;
	uint32_t listener;

	if (e) {
		tw_input(t, e, in);
		return;
	}
	if (in->flags & TCP_RST) {
		COUNT(t->cnt, drop_tcp_rst_stray);
		return;
	}
	listener = listener_find(t, &in->t);
	if (listener == STATE_NIL || (in->flags & TCP_ACK)) {
		COUNT(t->cnt, drop_tcp_no_conn);
		reply_reset(t, in);
		return;
	}
	if ((in->flags & (TCP_SYN | TCP_FIN)) != TCP_SYN) {
		COUNT(t->cnt, drop_tcp_flags);
		return;
	}
	listen_syn(t, in, listener, 0);
}

// Whether a look-up made at the beginning of the burst still holds.
static bool id_fits(const struct tcp *t, uint32_t id, const struct seg_tuple *k)
{
	struct seg_tuple have;

	if (tcp_id_is_half(t, id)) {
		const struct half *h = &t->st->half[id - t->n_conns];

		if (HARD_GET(h->phase) == HALF_FREE)
			return false;
		have = half_tuple(h);
	} else {
		if (rec_phase(tcp_rec(t, id)) != REC_LIVE)
			return false;
		have = rec_tuple(tcp_rec(t, id));
	}
	return memcmp(&have, k, sizeof(have)) == 0;
}

static void input_burst(struct tcp *t, struct seg_in *segs, unsigned n)
{
	const void *keys[INPUT_BURST];
	void *data[INPUT_BURST];
	uint64_t hits = 0;

	for (unsigned i = 0; i < n; i++)
		keys[i] = &segs[i].t;
	rte_hash_lookup_bulk_data(t->table, keys, n, &hits, data);
	for (unsigned i = 0; i < n; i++) {
		uint32_t id = (uint32_t)(uintptr_t)data[i];

		if (!(hits >> i & 1) || tcp_id_is_half(t, id))
			continue;
		__builtin_prefetch(&t->soft_of[id]);
		__builtin_prefetch(tcp_rec(t, id), 1);
		__builtin_prefetch(&tcp_rec(t, id)->laddr);
		__builtin_prefetch(&t->wheel.nodes[id], 1);
	}
	for (unsigned i = 0; i < n; i++) {
		uint32_t id = hits >> i & 1 ? (uint32_t)(uintptr_t)data[i] : TCP_NONE;
		struct tcp_soft *s = id < t->n_conns ? tcp_soft_held(t, id) : NULL;

		if (!s)
			continue;
		for (unsigned line = 0; line < sizeof(*s); line += 64)
			__builtin_prefetch((const uint8_t *)s + line, 1);
		__builtin_prefetch(cwv_line(t, s), 1); // every ACK of new data counts there
	}
	for (unsigned i = 0; i < n; i++) {
		uint32_t id = hits >> i & 1 ? (uint32_t)(uintptr_t)data[i] : TCP_NONE;

		if (id == TCP_NONE || !id_fits(t, id, &segs[i].t))
			id = conn_lookup(t, &segs[i].t);
		if (id == TCP_NONE)
			no_conn_input(t, &segs[i]);
		else if (tcp_id_is_half(t, id))
			half_input(t, id, &segs[i]);
		else
			est_input(t, id, &segs[i]);
	}
}

void tcp_input(struct tcp *t, struct seg_in *segs, unsigned n)
{
	COUNT_N(t->cnt, tcp_rx_segs, n);
	for (unsigned at = 0; at < n; at += INPUT_BURST)
		input_burst(t, segs + at, n - at < INPUT_BURST ? n - at : INPUT_BURST);
}
