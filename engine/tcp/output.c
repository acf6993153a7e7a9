// Segments out: data, FINs and ACKs of the connections that have something to say this turn
// (RFC 9293 section 3.8, RFC 5681). What is built here leaves after the commit.
#include <errno.h>

#include "engine/state/chain.h"
#include "engine/tcp/ecn.h"
#include "engine/tcp/output.h"

#define CONN_BUDGET 64u // segments of one connection in a turn

// Whether there is more to say of what came than the ACK field can: data leaves no room for it.
static bool sack_due(const struct tcp_soft *s, const struct rec *r)
{
	return (s->ooo != STATE_NIL || (s->flags & SOFT_DSACK)) && (r->opts & OB_NEG_SACK);
}

static void options(
	struct tcp *t, struct tcp_soft *s, const struct rec *r, struct seg_out *o, uint32_t len)
{
	struct tcp_opts opt = {.n_sack = 0};

	if (r->opts & OB_NEG_TS) {
		opt.has_ts = true;
		opt.ts_val = ts_clock(t) + s->ts_off;
		opt.ts_ecr = s->ts_recent;
	}
	if (len == 0 && sack_due(s, r))
		sack_blocks(t, s, r, &opt);
	o->opt_len = (uint8_t)tcp_opts_write(&opt, o->opt);
}

// The payload's parts. Returns its length: less than asked when it lies in too many parts.
static uint32_t gather(struct tcp *t, const struct rec *r, uint32_t *cursor, uint64_t off,
	uint32_t len, struct seg_out *o)
{
	struct chain_iov iov[SEG_IOV];
	uint32_t n, got;
	uint64_t marks;

	got = chain_tx_gather(
		t->st, &t->mem[r->host], r, cursor, off, len, iov, SEG_IOV, &n, &marks);
	o->n_iov = (uint8_t)n;
	for (uint32_t i = 0; i < n; i++) {
		o->iov[i].base = iov[i].base;
		o->iov[i].len = iov[i].len;
	}
	if (marks & PIECE_PUSH)
		o->flags |= TCP_PSH;
	return got;
}

int out_emit(struct tcp *t, struct tcp_soft *s, struct rec *r, uint32_t *cursor, uint64_t off,
	uint32_t len, bool fin)
{
	uint64_t data_end = wr_data_end(HARD_GET(r->snd_wr)), end;
	struct seg_out o = {
		.t = rec_tuple(r),
		.seq = snd_seq(r, off),
		.ack = rcv_seq(r, s->rcv_nxt),
		.flags = TCP_ACK,
		.may_fragment = s->flags & SOFT_FRAGMENT,
	};
	int rc;

	if (len) {
		uint32_t got = gather(t, r, cursor, off, len, &o);

		fin = fin && got == len;
		len = got;
	}
	o.len = len;
	end = off + len;
	if (fin)
		o.flags |= TCP_FIN;
	if (len && end == data_end)
		o.flags |= TCP_PSH;
	o.wnd = out_window(t, s, r);
	options(t, s, r, &o, len);
	if (r->opts & OB_NEG_ECN)
		ecn_out(s, r, &o, off);
	rc = t->sink.emit(t->sink.ctx, &o);
	if (rc == -ENOBUFS)
		return rc;
	if (unlikely(o.flags & TCP_CWR)) {
		s->flags &= ~SOFT_CWR;
		COUNT(t->cnt, tcp_ecn_cwr_tx);
	}
	// What could not leave for other reasons is lost on the way, as far as TCP knows.
	end += fin;
	if (len || fin) {
		if (off < s->snd_max)
			COUNT(t->cnt, tcp_rtx_segs);
		if (end > s->snd_max) {
			s->snd_max = end;
			list_dirty(t, s);
		}
	}
	COUNT(t->cnt, tcp_tx_segs);
	COUNT_N(t->cnt, tcp_tx_bytes, len);
	s->flags &= ~SOFT_UNACKED;
	if (len && sack_due(s, r))
		return (int)len; // and an ACK with it
	s->flags &= ~(SOFT_ACK_NOW | SOFT_ACK_WAIT);
	s->acks_owed = 0;
	if (!(s->flags & (SOFT_STARVED | SOFT_NO_BUFS)))
		s->ack_at = 0;
	return (int)len;
}

void out_arm(struct tcp *t, struct tcp_soft *s)
{
	struct rtt_bounds b = tcp_rtt_bounds(t, s);

	s->rtx_at = t->now_us + rtt_rto_us(s, &b);
	if (setting(t, s, OB_OPT_USER_TIMEOUT))
		user_begin(t, s);
}

uint32_t out_mss(const struct tcp_soft *s, const struct rec *r)
{
	return s->snd_mss - (r->opts & OB_NEG_TS ? 12u : 0u);
}

struct out_plan {
	uint32_t len;
	bool fin;
	bool last; // nothing is left behind it
};

// What could be sent now. Returns false when there is nothing left.
static bool plan(
	const struct tcp *t, const struct tcp_soft *s, const struct rec *r, struct out_plan *p)
{
	uint64_t wr = HARD_GET(r->snd_wr), data_end = wr_data_end(wr);
	uint64_t avail = data_end > s->snd_nxt ? data_end - s->snd_nxt : 0;
	uint64_t flight = s->snd_nxt - s->snd_una, pipe = flight_pipe(t, s), usable, room;
	uint32_t mss = out_mss(s, r);
	bool fin_due = wr & STATE_FIN && s->snd_nxt <= data_end;

	if (!avail && !fin_due)
		return false;
	usable = s->snd_wnd > flight ? s->snd_wnd - flight : 0;
	room = s->cwnd > pipe ? s->cwnd - pipe : 0;
	if (s->flags & SOFT_LOSS)
		room = frto_room(t, s, mss, room);
	if (usable > room)
		usable = room;
	p->len = (uint32_t)(avail < mss ? avail : mss);
	if (p->len > usable)
		p->len = (uint32_t)usable;
	p->last = p->len == avail;
	p->fin = fin_due && p->last && (usable > p->len || flight == 0);
	return true;
}

// Nagle's algorithm and sender's silly-window avoidance (RFC 9293 sections 3.7.4, 3.8.6.2.1).
static bool worth_sending(const struct tcp *t, const struct tcp_soft *s, const struct rec *r,
	const struct out_plan *p)
{
	bool more = s->snd_tail != STATE_NIL && t->st->pieces[s->snd_tail].where & PIECE_MORE;

	if (p->fin || (p->len && p->len == out_mss(s, r)))
		return true;
	if (p->len == 0)
		return false;
	if (p->len >= s->max_wnd / 2)
		return true;
	// Again: not less than before, unless nothing would bring the rest about.
	if (s->snd_nxt < s->snd_max && (p->last || s->snd_nxt == s->snd_una))
		return true;
	if (p->last && !more)
		return (rec_flags(r) & REC_NODELAY) || s->snd_nxt == s->snd_una;
	return false;
}

// Data held back with nothing in flight: a timer must move it on.
static void hold(struct tcp *t, struct tcp_soft *s)
{
	struct rtt_bounds b = tcp_rtt_bounds(t, s);

	if (s->rtx_at || s->snd_nxt != s->snd_una)
		return;
	s->flags |= SOFT_PROBE;
	s->rtx_at = t->now_us + (s->snd_wnd < s->snd_mss ? rtt_rto_us(s, &b) : TCP_OVERRIDE_US);
	if (setting(t, s, OB_OPT_USER_TIMEOUT))
		user_begin(t, s);
	conn_timer(t, s);
}

// [snd_nxt, end) has left.
static void sent_new(struct tcp *t, struct tcp_soft *s, uint64_t end, bool again)
{
	flight_sent(t, s, end, again);
	if (s->rtx_at == 0 || (s->flags & SOFT_PROBE)) {
		s->flags &= ~SOFT_PROBE;
		out_arm(t, s);
	}
	if (s->flags & SOFT_LOSS)
		frto_sent(t, s);
}

// A probe, or what silly-window avoidance has held long enough. snd_nxt stays where it is when
// the window is closed: what a probe sends counts for nothing until it is acknowledged.
static bool output_force(struct tcp *t, struct tcp_soft *s, struct rec *r, struct out_plan *p)
{
	bool closed = p->len == 0 && !p->fin;
	uint64_t data_end = wr_data_end(HARD_GET(r->snd_wr));
	uint32_t len = closed ? data_end > s->snd_nxt : p->len;
	bool again = s->snd_nxt < s->snd_max;
	int rc = out_emit(t, s, r, &s->snd_cur, s->snd_nxt, len, closed ? len == 0 : p->fin);

	if (rc < 0)
		return false;
	s->flags &= ~SOFT_FORCE;
	if (closed) {
		COUNT(t->cnt, tcp_probe_tx);
		s->snd_cur = STATE_NIL;
		hold(t, s); // the next one, whether or not this one is answered
		return true;
	}
	sent_new(t, s, s->snd_nxt + (uint32_t)rc + p->fin, again);
	return true;
}

// A keepalive probe: no data, and a SEQ that the peer has acknowledged, so that it answers (RFC 9293
// section 3.8.4). It bears all that an ACK would. Returns false when it could not leave.
static bool keep_probe(struct tcp *t, struct tcp_soft *s, struct rec *r)
{
	uint32_t none = STATE_NIL;

	if (out_emit(t, s, r, &none, s->snd_una - 1, 0, false) < 0)
		return false;
	s->flags &= ~SOFT_KEEP_SEND;
	COUNT(t->cnt, tcp_keepalive_tx);
	return true;
}

// The SEQ of a bare ACK: snd_max, but inside the peer's window, or it would be ignored.
bool out_ack(struct tcp *t, struct tcp_soft *s, struct rec *r)
{
	uint64_t seq = s->snd_max, edge = s->snd_una + s->snd_wnd;
	uint32_t none = STATE_NIL;

	// What lies beyond by less than the unit of its window was allowed before it was rounded.
	if (s->snd_nxt > edge && s->snd_nxt - edge < 1ull << peer_shift(r))
		seq = s->snd_nxt;
	else if ((s->flags & SOFT_WND_KNOWN) && edge < seq)
		seq = edge;
	return out_emit(t, s, r, &none, seq, 0, false) >= 0;
}

bool out_ack_early(struct tcp *t, struct tcp_soft *s, struct rec *r)
{
	bool left;

	if (t->sink.room(t->sink.ctx) == 0)
		return false;
	t->edges_stay = true;
	left = out_ack(t, s, r);
	t->edges_stay = false;
	return left;
}

// Everything that may leave now. Returns false when it must come back in a later turn.
static bool conn_output(struct tcp *t, struct tcp_soft *s, struct rec *r)
{
	uint32_t cursor = STATE_NIL; // of what is sent again
	struct out_plan p;

	// After just a multiple of 71 minutes (32 bits) a round trip's worth of idle times looks short. To be sure of
	// these would cost each answer of an echo a line of memory, and what is missed is one restart of the window.
	if (s->snd_nxt == s->snd_una && s->snd_max == s->snd_una && s->sent_us
		&& (uint32_t)t->now_us - s->sent_us > s->srtt_us)
		cwv_resume(t, s);
	for (unsigned n = 0; n < CONN_BUDGET && !(s->flags & SOFT_ECN_HOLD); n++) {
		bool again;
		int rc;

		if (t->sink.room(t->sink.ctx) == 0)
			return false;
		if (s->flight != STATE_NIL || (s->flags & SOFT_TLP_SEND)) {
			rc = resend(t, s, r, &cursor);
			if (rc < 0)
				return false;
			if (rc > 0)
				continue;
		}
		if (!plan(t, s, r, &p)) {
			s->flags &= ~SOFT_FORCE;
			break;
		}
		if (!worth_sending(t, s, r, &p)) {
			if (s->flags & SOFT_FORCE)
				return output_force(t, s, r, &p);
			hold(t, s);
			break;
		}
		s->flags &= ~SOFT_FORCE;
		again = s->snd_nxt < s->snd_max;
		rc = out_emit(t, s, r, &s->snd_cur, s->snd_nxt, p.len, p.fin);
		if (rc < 0)
			return false;
		sent_new(t, s, s->snd_nxt + (uint32_t)rc + (p.fin && (uint32_t)rc == p.len), again);
		if (n == CONN_BUDGET - 1)
			return false;
	}
	if (s->flags & SOFT_KEEP_SEND)
		return keep_probe(t, s, r);
	return !(s->flags & SOFT_ACK_NOW) || out_ack(t, s, r);
}

// New data has left. Whether cwnd was what bounded it is known now (RFC 7661 section 4.3), not when
// ACKs come: in a burst of them each sees less in flight than the one before. Slow start doubles
// what is used.
static void sent_in_turn(struct tcp *t, struct tcp_soft *s, const struct rec *r)
{
	uint32_t pipe = flight_pipe(t, s);

	s->sent_flight = pipe;
	cwv_sent(t, s,
		pipe + s->snd_mss > s->cwnd || (s->cwnd < s->ssthresh && 2ull * pipe >= s->cwnd));
	if (!(s->flags & (SOFT_RECOVERY | SOFT_LOSS)))
		tlp_arm(t, s, r);
}

void tcp_output(struct tcp *t)
{
	uint32_t kept = 0, n = t->out.n;

	half_output(t);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t conn = t->out.ids[i];
		struct tcp_soft *s = tcp_soft_held(t, conn);
		uint64_t nxt;
		bool done;

		if (!s || !(s->flags & SOFT_OUT))
			continue;
		s->flags &= ~SOFT_OUT;
		if (rec_phase(tcp_rec(t, conn)) != REC_LIVE)
			continue;
		nxt = s->snd_nxt;
		done = conn_output(t, s, tcp_rec(t, conn));
		if (s->snd_nxt != nxt)
			sent_in_turn(t, s, tcp_rec(t, conn));
		if (!done) {
			s->flags |= SOFT_OUT;
			t->out.ids[kept++] = conn;
		} else {
			conn_timer(t, s);
		}
	}
	t->out.n = kept;
	sack_turn_end(t);
}
