// The text and the FIN of an acceptable segment (RFC 9293 section 3.10.7.4, seventh and eighth).
#include <errno.h>

#include "engine/state/chain.h"
#include "engine/tcp/ecn.h"
#include "engine/tcp/ooo.h"
#include "engine/tcp/output.h"

#define DENSE 255u // segments after the last that came out of order

// One past the highest byte that was placed, in order or not.
uint64_t rx_placed(const struct tcp *t, const struct tcp_soft *s)
{
	uint64_t end = rcv_data_end(s->rcv_nxt);

	if (s->ooo != STATE_NIL && t->ooo[s->ooo].n) {
		const struct tcp_ooo *o = &t->ooo[s->ooo];

		end = o->r[o->n - 1].end;
	}
	return end;
}

// The peer's FIN lies at `off`: everything before it is there.
static void take_fin(struct tcp_rx *x, uint64_t off)
{
	struct rec *r = x->r;

	// Told by one bit that is stored before the position is: whose FIN came first.
	if (HARD_GET(r->snd_wr) & STATE_FIN)
		rec_flag_clear(r, REC_FIN_FIRST);
	else
		rec_flag_set(r, REC_FIN_FIRST);
	x->s->rcv_nxt = (off + 1) | STATE_FIN;
	if (x->s->rtx_at && our_fin_acked(x->s, HARD_GET(r->snd_wr)))
		x->s->rtx_at = 0; // the limit of FIN-WAIT-2
	conn_ack_now(x->t, x->s);
}

// How soon the peer hears of it (RFC 9293 section 3.8.6.3, RFC 5681 section 4.2).
static void ack_policy(struct tcp_rx *x, uint32_t len, bool at_once)
{
	struct tcp *t = x->t;
	struct tcp_soft *s = x->s;

	uint32_t owed = s->acks_owed + len / OWED_UNIT, two;

	if (len > s->rcv_mss)
		s->rcv_mss = (uint16_t)(len < t->mss ? len : t->mss);
	// Two full segments, or as many bytes: the peer's may have become smaller since.
	two = 2 * (s->rcv_mss / OWED_UNIT);
	s->acks_owed = (uint8_t)(owed < UINT8_MAX ? owed : UINT8_MAX);
	if (at_once || owed >= (two < UINT8_MAX ? two : UINT8_MAX)
		|| setting(t, s, OB_OPT_DELACK) == 0 || (rec_flags(x->r) & REC_QUICKACK)) {
		conn_ack_now(t, s);
		return;
	}
	if (s->flags & SOFT_ACK_WAIT)
		return;
	s->flags |= SOFT_ACK_WAIT;
	s->ack_at = t->now_us + setting(t, s, OB_OPT_DELACK);
	conn_timer(t, s);
}

// One ACK answers for all that came in a turn, which is a good thing as long as nothing is lost. Behind a gap
// each segment has its own, which RFC 5681 section 4.2 asks for and a peer without SACK counts; and where a gap
// was lately each second one, because an ACK for a whole window is one whose loss stops the peer. The one that
// an earlier segment of this turn has brought about leaves here, as that segment left things; the last
// leaves with the turn's output. Neither leaves before the turn's commit.
void rx_ack_pending(struct tcp_rx *x)
{
	x->s->ack_dense--;
	if ((x->s->flags & SOFT_ACK_NOW) && out_ack_early(x->t, x->s, x->r))
		COUNT(x->t->cnt, tcp_dense_acks);
}

static void no_buffer(struct tcp_rx *x)
{
	COUNT(x->t->cnt, drop_tcp_no_buffer);
	x->s->flags |= SOFT_NO_BUFS;
	conn_ack_now(x->t, x->s);
}

// Part of a segment was here before: the peer is told (RFC 2883), in old segments as in new ones.
void rx_duplicate(struct tcp_rx *x, int64_t start, int64_t end)
{
	if ((x->r->opts & OB_NEG_SACK) && start >= 0 && start < end)
		sack_owe_duplicate(x->t, x->s, (uint64_t)start, (uint64_t)end);
}

// Data behind a gap: placed at its place, remembered softly (RFC 2018 allows forgetting it).
static void out_of_order(struct tcp_rx *x, const uint8_t *data, uint32_t len, bool fin)
{
	uint64_t start = (uint64_t)x->start, end = start + len;
	uint32_t placed = 0;
	struct tcp *t = x->t;
	struct tcp_soft *s = x->s;
	struct tcp_ooo *o;

	conn_ack_now(t, s); // RFC 5681 section 4.2: at once
	s->ack_dense = DENSE;
	if (len && !ooo_room(t, s, start, end)) {
		COUNT(t->cnt, drop_tcp_ooo_buffers);
		return;
	}
	o = ooo_get(t, s);
	if (!o) {
		COUNT(t->cnt, drop_tcp_ooo_full);
		return;
	}
	if (len) {
		uint64_t from = start, to = end;

		if (ooo_holds(o, &from, &to))
			rx_duplicate(x, (int64_t)from, (int64_t)to);
		placed = t->ops->place(t->ops->ctx, s, start, data, len);
	}
	if (placed < len)
		COUNT(t->cnt, drop_tcp_ooo_buffers);
	if (placed && !ooo_add(o, start, start + placed)) {
		COUNT(t->cnt, drop_tcp_ooo_full);
		placed = 0;
	} else if (placed) {
		COUNT(t->cnt, tcp_ooo_segs);
	}
	if (fin && placed == len)
		o->fin = (uint64_t)x->end + 1; // 0 says none
	ooo_settle(t, s);
}

// As much as there is room for. Data in order goes before data that the peer will send again.
static uint32_t place(struct tcp_rx *x, const uint8_t *data, uint32_t len)
{
	const struct tcp_ops *ops = x->t->ops;
	struct tcp_soft *s = x->s;
	uint32_t n = len ? ops->place(ops->ctx, s, s->rcv_nxt, data, len) : 0;

	if (unlikely(n < len) && ooo_yield(x->t, s, s->rcv_nxt + len))
		n += ops->place(ops->ctx, s, s->rcv_nxt + n, data + n, len - n);
	if (n < len)
		no_buffer(x);
	return n;
}

static void in_order(struct tcp_rx *x, const uint8_t *data, uint32_t len, bool fin)
{
	struct tcp *t = x->t;
	struct tcp_soft *s = x->s;
	uint32_t placed = place(x, data, len);
	bool had_gap = s->ooo != STATE_NIL;
	uint64_t end;

	COUNT_N(t->cnt, tcp_rx_bytes, placed);
	end = s->rcv_nxt + placed;
	fin = fin && placed == len;
	if (had_gap) {
		struct tcp_ooo *o = &t->ooo[s->ooo];
		uint64_t whole = ooo_advance(o, end);

		COUNT_N(t->cnt, tcp_rx_bytes, whole - end);
		end = whole;
		fin = fin || (o->fin && o->fin - 1 == end);
	}
	if (end != s->rcv_nxt) {
		s->rcv_nxt = end;
		s->flags |= SOFT_UNACKED;
		if (x->in->flags & TCP_PSH)
			s->flags |= SOFT_PUSH_RCVD;
		ack_policy(x, len, had_gap);
	}
	if (fin)
		take_fin(x, end);
	if (had_gap)
		ooo_settle(t, s);
	ooo_reserve(t, x->r->host);
	list_dirty(t, s);
	if (!(rec_flags(x->r) & REC_UNHEARD))
		t->ops->notify(t->ops->ctx, s, TCP_EV_DATA);
}

void rx_data(struct tcp_rx *x)
{
	const struct seg_in *in = x->in;
	struct tcp_soft *s = x->s;
	const uint8_t *data = in->data;
	uint32_t len = in->len;
	bool fin = in->flags & TCP_FIN;
	int64_t nxt = (int64_t)STATE_OFF(s->rcv_nxt);
	int64_t edge = (int64_t)s->rcv_edge;

	if (s->rcv_nxt & STATE_FIN) {
		// CLOSE-WAIT and later: nothing comes behind the FIN.
		if (x->end > nxt - 1)
			COUNT(x->t->cnt, drop_tcp_past_fin);
		else
			COUNT(x->t->cnt, tcp_dup_segs);
		conn_ack_now(x->t, s);
		return;
	}
	// The application is done with it: new data finds no reader (RFC 1122 section 4.2.2.13).
	if (len && x->end > nxt && (rec_flags(x->r) & REC_CLOSED)) {
		COUNT(x->t->cnt, drop_tcp_after_close);
		reply_reset_conn(x->t, x->r, s);
		conn_done(x->t, s->conn, ECONNRESET);
		return;
	}
	if (x->end < nxt || (x->end == nxt && !fin)) {
		COUNT(x->t->cnt, tcp_dup_segs);
		rx_duplicate(x, x->start, x->end);
		conn_ack_now(x->t, s);
		return;
	}
	// Trimmed to the window, on both sides.
	if (x->start < nxt) {
		rx_duplicate(x, x->start, nxt);
		conn_ack_now(x->t, s);
		data += nxt - x->start;
		len -= (uint32_t)(nxt - x->start);
		x->start = nxt;
	}
	if (x->end > edge) {
		uint32_t cut = (uint32_t)(x->end - edge);

		if (cut >= len && len) {
			COUNT(x->t->cnt, drop_tcp_window);
			conn_ack_now(x->t, s);
			return;
		}
		len -= cut;
		x->end = edge;
		fin = false;
		conn_ack_now(x->t, s);
	}
	if (unlikely((in->ecn == ECN_CE) | (in->flags & TCP_CWR) | (s->flags & SOFT_ECE)))
		ecn_text(x);
	if (x->start > nxt)
		out_of_order(x, data, len, fin);
	else
		in_order(x, data, len, fin);
}
