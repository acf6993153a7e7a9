// ECN: negotiation (RFC 3168 section 6.1.1), the receiver's echo (section 6.1.3, RFC 8257 section 3.2),
// the sender's answer to it (section 6.1.2).
#include "engine/tcp/ecn.h"
#include "engine/tcp/output.h"

enum ecn_mode ecn_mode(const struct config *cfg)
{
	if (strcmp(cfg->tcp_ecn, "off") == 0)
		return ECN_OFF;
	return strcmp(cfg->tcp_ecn, "on") == 0 ? ECN_ON : ECN_PASSIVE;
}

// The controller that a half-open connection will have.
static const struct cc_ops *half_cc(const struct tcp *t, const struct half *h)
{
	uint32_t id = t->n_conns + (uint32_t)(h - t->st->half);
	const struct cc_ops *cc = cc_by_id(h->listener == UINT16_MAX
			? tcp_getopt(t, id, OB_OPT_CONGESTION)
			: tcp_listener_getopt(t, h->listener, OB_OPT_CONGESTION));

	return cc ? cc : t->cc;
}

uint8_t ecn_agree(const struct tcp *t, const struct half *h, const struct seg_in *in)
{
	uint8_t said = in->flags & ECN_SYN, had = h->opts & (OB_NEG_ECN | REC_NO_ECT);

	if (HARD_GET(h->phase) == HALF_SYN_SENT) {
		// ECE alone; in a simultaneous open both
		if (said == (in->flags & TCP_ACK ? TCP_ECE : ECN_SYN) && (had & OB_NEG_ECN))
			return had;
		return 0;
	}
	if (said != ECN_SYN || (t->ecn == ECN_OFF && !half_cc(t, h)->ecn))
		return 0;
	// RFC 3168 forbids ECT on a SYN: as Linux has it, only DCTCP's come so.
	return in->ecn == 0 || half_cc(t, h)->ecn ? OB_NEG_ECN : 0;
}

void ecn_syn_out(const struct tcp *t, struct half *h, bool first, struct seg_out *o)
{
	bool active = HARD_GET(h->phase) == HALF_SYN_SENT;

	// Only now: its controller may have been chosen since the connect.
	if (active && first && (t->ecn == ECN_ON || half_cc(t, h)->ecn))
		h->opts = OB_NEG_ECN;
	if (!(h->opts & OB_NEG_ECN) || (active && (h->opts & REC_NO_ECT)))
		return;
	o->flags |= active ? ECN_SYN : TCP_ECE;
	if (half_cc(t, h)->ecn) // RFC 8257 section 3.5
		o->ecn = ECN_ECT0;
}

bool ecn_fall_back(struct tcp *t, struct half *h)
{
	if ((h->opts & (OB_NEG_ECN | REC_NO_ECT)) != OB_NEG_ECN)
		return false;
	h->opts |= REC_NO_ECT;
	COUNT(t->cnt, tcp_ecn_fallback);
	return true;
}

void ecn_syn_again(struct tcp *t, struct half *h, const struct seg_in *in)
{
	if ((in->flags & ECN_SYN) != ECN_SYN)
		ecn_fall_back(t, h);
}

// An ACK for what is owed so far, before SOFT_ECE changes. Without room it is left out: what it would
// have covered counts with the next.
static void ack_before(struct tcp_rx *x)
{
	if ((x->s->flags & (SOFT_ACK_NOW | SOFT_ACK_WAIT)) && out_ack_early(x->t, x->s, x->r))
		COUNT(x->t->cnt, tcp_dctcp_acks);
}

void ecn_text(struct tcp_rx *x)
{
	bool ce = x->in->ecn == ECN_CE, cwr = x->in->flags & TCP_CWR;
	struct tcp_soft *s = x->s;
	struct tcp *t = x->t;

	if (!(x->r->opts & OB_NEG_ECN)) {
		COUNT_N(t->cnt, tcp_ecn_stray, ce);
		return;
	}
	COUNT_N(t->cnt, tcp_ecn_ce_rx, ce);
	COUNT_N(t->cnt, tcp_ecn_cwr_rx, cwr);
	if (cc_ops_of(s)->ecn) {
		if (ce == !!(s->flags & SOFT_ECE))
			return;
		ack_before(x);
		s->flags ^= SOFT_ECE;
		conn_ack_now(t, s);
		return;
	}
	if (cwr)
		s->flags &= ~SOFT_ECE;
	if (ce && !(s->flags & SOFT_ECE)) {
		s->flags |= SOFT_ECE;
		conn_ack_now(t, s);
	}
}

void ecn_reduced(struct tcp *t, struct tcp_soft *s)
{
	if ((tcp_rec(t, s->conn)->opts & (OB_NEG_ECN | REC_NO_ECT)) != OB_NEG_ECN)
		return;
	s->flags |= SOFT_CWR;
	t->ecn_answered[t->soft_of[s->conn]] = s->snd_max;
}

// One segment is all that may be in flight: the next one waits for the time-out.
static void hold(struct tcp *t, struct tcp_soft *s)
{
	COUNT(t->cnt, tcp_ecn_held);
	ecn_reduced(t, s);
	// Behind our FIN nothing waits, and rtx_at is the limit of FIN-WAIT-2.
	if (s->snd_nxt != s->snd_una || our_fin_acked(s, HARD_GET(tcp_rec(t, s->conn)->snd_wr)))
		return;
	s->flags |= SOFT_ECN_HOLD;
	out_arm(t, s);
}

bool ecn_echo(struct tcp_rx *x, uint32_t delivered)
{
	struct tcp_soft *s = x->s;
	struct tcp *t = x->t;
	struct tcp_flight *f = flight_of(t, s);

	if ((x->r->opts & (OB_NEG_ECN | REC_NO_ECT)) != OB_NEG_ECN)
		return false;
	COUNT(t->cnt, tcp_ecn_ece_rx);
	if (f)
		f->undo = 0; // whatever was reduced for, congestion was there
	if ((s->flags & (SOFT_RECOVERY | SOFT_LOSS))
		|| s->snd_una <= t->ecn_answered[t->soft_of[s->conn]])
		return false;
	COUNT(t->cnt, tcp_ecn_reduced);
	if (s->cwnd <= s->snd_mss)
		hold(t, s);
	else
		recovery_marked(t, s, delivered);
	return true;
}
