// RFC 9293 section 3.10.7 as a function of state and segment. Quotations are from there. What the standard
// leaves open, and where the engine does something else on purpose, is in functions of their own,
// called choice_*(); docs/rfc-matrix.md gives the reasons.
#include "tests/unit/tcp/states_oracle.h"

#include <errno.h>

#include "engine/net/seg.h"

// "outside the window" and so on are about [RCV.NXT, RCV.NXT + RCV.WND).
static bool in_window(const struct oracle_tcb *t, int64_t seq)
{
	return seq >= t->rcv_nxt && seq < t->rcv_nxt + t->rcv_wnd;
}

static int64_t seg_len(const struct oracle_seg *g)
{
	return g->len + !!(g->flags & TCP_SYN) + !!(g->flags & TCP_FIN);
}

// Table 6.
static bool acceptable(const struct oracle_tcb *t, const struct oracle_seg *g)
{
	int64_t len = seg_len(g);

	if (len == 0)
		return t->rcv_wnd ? in_window(t, g->seq) : g->seq == t->rcv_nxt;
	return t->rcv_wnd && (in_window(t, g->seq) || in_window(t, g->seq + len - 1));
}

// Appendix A.2: the table drops what an honest peer sends. A segment that touches either edge is heard: at
// the right one, its sender has filled our window; at the left one, it is the last thing again. Of a
// closed window both edges are one place, and what lies across it is heard as well.
static bool choice_touches(const struct oracle_tcb *t, const struct oracle_seg *g)
{
	int64_t end = g->seq + g->len + !!(g->flags & TCP_FIN);

	return g->seq == t->rcv_nxt + t->rcv_wnd || end == t->rcv_nxt
		|| (t->rcv_wnd == 0 && g->seq < t->rcv_nxt && end > t->rcv_nxt);
}

// Appendix A.2: a bare ACK from below the window, by a window at most, is answered, and heard as well.
static bool choice_from_below(const struct oracle_tcb *t, const struct oracle_seg *g)
{
	return seg_len(g) == 0 && g->seq < t->rcv_nxt && t->rcv_nxt - g->seq <= t->wnd_most;
}

static void ack(struct oracle_end *e)
{
	e->reply = R_ACK;
	e->seq = e->t.snd_nxt;
	e->ack = e->t.rcv_nxt;
}

// "<SEQ=SEG.ACK><CTL=RST>"
static void rst(struct oracle_end *e, const struct oracle_seg *g)
{
	e->reply = R_RST;
	e->seq = g->ack;
}

// Sections 3.10.7.1 and 3.5.2.
static void closed(struct oracle_end *e, const struct oracle_seg *g)
{
	if (g->flags & TCP_RST)
		return;
	if (g->flags & TCP_ACK) {
		rst(e, g);
		return;
	}
	e->reply = R_RST_ACK;
	e->ack = g->seq + seg_len(g);
}

static void syn_received(struct oracle_end *e, const struct oracle_seg *g)
{
	e->t.state = O_SYN_RECEIVED;
	e->t.rcv_nxt = g->seq + 1;
	e->reply = R_SYN_ACK;
	e->ack = e->t.rcv_nxt;
}

// Section 3.10.7.2.
static void listen(struct oracle_end *e, const struct oracle_seg *g)
{
	if (g->flags & TCP_RST) // first
		return;
	if (g->flags & TCP_ACK) { // second
		rst(e, g);
		return;
	}
	// Third. A choice: a SYN with a FIN is nobody's honest opening, and text that comes with a SYN is not
	// kept: it is not acknowledged, so it comes again.
	if ((g->flags & TCP_SYN) && !(g->flags & TCP_FIN))
		syn_received(e, g);
}

// Seventh and eighth, with the ACK at once (the tests do without delayed ACKs).
static void text(struct oracle_end *e, const struct oracle_seg *g)
{
	struct oracle_tcb *t = &e->t;
	int64_t end = g->seq + g->len, edge = t->rcv_nxt + t->rcv_wnd;
	bool fin = g->flags & TCP_FIN;

	if (g->len == 0 && !fin)
		return;
	if (t->state != O_ESTABLISHED && t->state != O_FIN_WAIT_1 && t->state != O_FIN_WAIT_2) {
		ack(e); // "Ignore the segment text." A choice: the peer is told where we are.
		return;
	}
	if (g->seq <= t->rcv_nxt) { // else "held for later processing"
		int64_t upto = end < edge ? end : edge;

		if (upto > t->rcv_nxt)
			t->rcv_nxt = upto;
		if (fin && end == t->rcv_nxt) {
			t->rcv_nxt++;
			t->state = t->state == O_ESTABLISHED ? O_CLOSE_WAIT
				: t->state == O_FIN_WAIT_1   ? O_CLOSING
							     : O_TIME_WAIT;
		}
		t->rcv_wnd = edge - t->rcv_nxt;
	}
	ack(e);
}

static void window(struct oracle_tcb *t, const struct oracle_seg *g, bool advances)
{
	// A choice: an ACK that advances brings its window with it though its SEQ is old (test_window.c).
	if (!advances && !(t->wl1 < g->seq || (t->wl1 == g->seq && t->wl2 <= g->ack)))
		return;
	t->snd_wnd = g->wnd;
	t->wl1 = g->seq;
	t->wl2 = g->ack;
}

// Fifth, for the synchronised states. Returns whether the segment goes on.
static bool ack_field(struct oracle_end *e, const struct oracle_seg *g)
{
	struct oracle_tcb *t = &e->t;
	bool advances = g->ack > t->snd_una;

	// RFC 5961 section 5.2: "discarded and an ACK sent back"
	if (g->ack < t->snd_una - t->max_wnd || g->ack > t->snd_nxt) {
		ack(e);
		return false;
	}
	if (g->ack < t->snd_una) // "it can be ignored"
		return true;
	t->snd_una = g->ack;
	window(t, g, advances);
	if (!advances || t->snd_una != t->snd_nxt)
		return true;
	// "if the FIN segment is now acknowledged"
	if (t->state == O_FIN_WAIT_1)
		t->state = O_FIN_WAIT_2;
	else if (t->state == O_CLOSING)
		t->state = O_TIME_WAIT;
	else if (t->state == O_LAST_ACK)
		t->state = O_CLOSED;
	return true;
}

// Section 3.10.7.3.
static void syn_sent(struct oracle_end *e, const struct oracle_seg *g)
{
	struct oracle_tcb *t = &e->t;
	bool acks = g->flags & TCP_ACK;

	if (acks && (g->ack <= t->snd_una || g->ack > t->snd_nxt)) { // first
		if (!(g->flags & TCP_RST))
			rst(e, g);
		return;
	}
	if (g->flags & TCP_RST) { // second
		if (!acks)
			return;
		t->state = O_CLOSED;
		e->error = ECONNREFUSED;
		return;
	}
	if (!(g->flags & TCP_SYN)) // fifth
		return;
	if (!acks) { // fourth; the choice about text with a SYN as in LISTEN
		syn_received(e, g);
		return;
	}
	t->state = O_ESTABLISHED;
	t->snd_una = g->ack;
	t->snd_wnd = g->wnd;
	t->rcv_nxt = g->seq + 1;
	t->rcv_wnd = t->wnd_most < 65535 ? t->wnd_most : 65535;
	ack(e);
	// "If there are other controls or text in the segment, then continue"
	text(e,
		&(const struct oracle_seg){
			.flags = g->flags & ~TCP_SYN, .seq = g->seq + 1, .len = g->len});
}

// SYN-RECEIVED has nothing before RCV.NXT but the SYN, and that comes again when our SYN-ACK was lost (then
// it leaves again), or with the ACK of a simultaneous open, which the table would drop (A.2).
static bool choice_syn_again(struct oracle_end *e, const struct oracle_seg *g)
{
	struct oracle_tcb *t = &e->t;

	if ((g->flags & (TCP_SYN | TCP_RST)) != TCP_SYN || g->seq != t->rcv_nxt - 1)
		return false;
	if (!(g->flags & TCP_ACK)) {
		e->reply = R_SYN_ACK;
		e->ack = t->rcv_nxt;
		return true;
	}
	if (g->ack != t->snd_nxt)
		return false;
	t->state = O_ESTABLISHED;
	t->snd_una = g->ack;
	t->snd_wnd = g->wnd;
	if (t->active)
		ack(e);
	text(e,
		&(const struct oracle_seg){
			.flags = g->flags & ~TCP_SYN, .seq = g->seq + 1, .len = g->len});
	return true;
}

// Fifth, for SYN-RECEIVED, and on.
static void syn_rcvd_ack(struct oracle_end *e, const struct oracle_seg *g)
{
	struct oracle_tcb *t = &e->t;

	if (!(t->snd_una < g->ack && g->ack <= t->snd_nxt)) {
		rst(e, g);
		return;
	}
	t->state = O_ESTABLISHED;
	t->snd_una = g->ack;
	t->snd_wnd = g->wnd;
	t->wl1 = g->seq;
	t->wl2 = g->ack;
	if (t->active) // a choice: the peer of a simultaneous open hears of it at once
		ack(e);
	text(e, g);
}

// TIME-WAIT: RFC 6191 for SYNs (the tests do without timestamps), RFC 1337 for resets.
static void time_wait(struct oracle_end *e, const struct oracle_seg *g)
{
	struct oracle_tcb *t = &e->t;

	if (g->flags & TCP_RST)
		return;
	if ((g->flags & (TCP_SYN | TCP_ACK | TCP_FIN)) == TCP_SYN && g->seq > t->rcv_nxt) {
		syn_received(e, g);
		return;
	}
	// "The only thing that can arrive in this state is a retransmission of the remote FIN. Acknowledge
	// it". A choice: whatever else comes is answered as well, but for what an honest peer sends last.
	if (seg_len(g) == 0 && g->seq == t->rcv_nxt)
		return;
	ack(e);
}

// Section 3.10.7.4.
static void synchronised(struct oracle_end *e, const struct oracle_seg *g)
{
	struct oracle_tcb *t = &e->t;
	bool half = t->state == O_SYN_RECEIVED;
	// A choice: in SYN-RECEIVED nothing that begins before the window can be new.
	bool heard = half ? g->seq >= t->rcv_nxt && g->seq <= t->rcv_nxt + t->rcv_wnd
			  : acceptable(t, g) || choice_touches(t, g);

	if (half && choice_syn_again(e, g))
		return;
	if (g->flags & TCP_RST) { // second, and RFC 5961 section 3.2
		if (g->seq == t->rcv_nxt) {
			e->error = half ? ECONNREFUSED : ECONNRESET;
			t->state = half && !t->active ? O_LISTEN : O_CLOSED;
		} else if (in_window(t, g->seq)) {
			ack(e);
		}
		return;
	}
	if (!heard && (half || !choice_from_below(t, g))) { // first
		ack(e);
		return;
	}
	if (g->flags & TCP_SYN) { // fourth, and RFC 5961 section 4.2
		ack(e);
		return;
	}
	if (!(g->flags & TCP_ACK)) { // fifth
		if (!heard)
			ack(e);
		return;
	}
	if (half) {
		syn_rcvd_ack(e, g);
		return;
	}
	if (ack_field(e, g))
		text(e, g);
	if (!heard)
		ack(e);
}

struct oracle_end oracle(const struct oracle_tcb *t, const struct oracle_seg *g)
{
	struct oracle_end e = {.t = *t};

	switch (t->state) {
	case O_CLOSED:
		closed(&e, g);
		break;
	case O_LISTEN:
		listen(&e, g);
		break;
	case O_SYN_SENT:
		syn_sent(&e, g);
		break;
	case O_TIME_WAIT:
		time_wait(&e, g);
		break;
	default:
		synchronised(&e, g);
	}
	return e;
}
