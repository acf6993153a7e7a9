// Segments that belong to no data: resets, challenge ACKs, answers of TIME-WAIT.
#include "engine/tcp/ecn.h"

static void emit_bare(struct tcp *t, struct seg_out *s)
{
	if (t->sink.room(t->sink.ctx) == 0)
		return; // the peer's next segment brings it about again
	COUNT(t->cnt, tcp_tx_segs);
	t->sink.emit(t->sink.ctx, s);
}

// RFC 9293 section 3.5.2 group 1, and 3.10.7.1.
void reply_reset(struct tcp *t, const struct seg_in *in)
{
	struct seg_out s = {.t = in->t, .flags = TCP_RST};

	if (!net_limit_take(&t->reset_limit, t->now_us))
		return;
	if (in->flags & TCP_ACK) {
		s.seq = in->ack;
	} else {
		s.flags |= TCP_ACK;
		s.ack = in->seq + in->len + !!(in->flags & TCP_SYN) + !!(in->flags & TCP_FIN);
	}
	COUNT(t->cnt, tcp_reset_tx);
	emit_bare(t, &s);
}

void reply_reset_conn(struct tcp *t, const struct rec *r, const struct tcp_soft *s)
{
	struct seg_out o = {
		.t = rec_tuple(r),
		.seq = snd_seq(r, s ? s->snd_max : HARD_GET(r->snd_max)),
		.ack = rcv_seq(r, s ? s->rcv_nxt : HARD_GET(r->rcv_nxt)),
		.flags = TCP_RST | TCP_ACK,
	};

	if (s && (r->opts & (OB_NEG_ECN | REC_NO_ECT)) == OB_NEG_ECN && cc_ops_of(s)->ecn)
		o.ecn = ECN_ECT0; // RFC 8257 section 3.5
	// A reset beyond what the peer's window allows would be ignored: snd_max never is.
	COUNT(t->cnt, tcp_reset_tx);
	emit_bare(t, &o);
}

// With the ACK, so that a peer in SYN-SENT, whose SYN-ACK was lost, takes it too.
void reply_reset_half(struct tcp *t, const struct half *h)
{
	struct seg_out o = {
		.t = half_tuple(h),
		.seq = h->iss + 1,
		.ack = h->irs + 1,
		.flags = TCP_RST | TCP_ACK,
	};

	COUNT(t->cnt, tcp_reset_tx);
	emit_bare(t, &o);
}

void reply_ack(struct tcp *t, const struct seg_tuple *k, uint32_t seq, uint32_t ack, uint16_t wnd,
	const uint32_t *ts_ecr)
{
	struct seg_out s = {.t = *k, .seq = seq, .ack = ack, .wnd = wnd, .flags = TCP_ACK};
	struct tcp_opts o = {.has_ts = ts_ecr != NULL};

	if (ts_ecr) { // RFC 7323 section 3.2: in every segment, once negotiated
		o.ts_val = ts_clock(t) + isn_ts_offset(&t->st->hdr->secrets, k);
		o.ts_ecr = *ts_ecr;
		s.opt_len = (uint8_t)tcp_opts_write(&o, s.opt);
	}
	emit_bare(t, &s);
}

bool answer_take(struct tcp *t, struct tcp_answers *a)
{
	uint32_t second = (uint32_t)(t->now_us / 1000000);

	if (a->second != second)
		*a = (struct tcp_answers){.second = second};
	if (a->n >= t->cfg->tcp_challenge_rate) {
		COUNT(t->cnt, drop_tcp_challenge_limit);
		return false;
	}
	a->n++;
	return true;
}

bool challenge(struct tcp *t, struct tcp_soft *s)
{
	if (!answer_take(t, &slow_of(t, s)->answers))
		return false;
	COUNT(t->cnt, tcp_challenge_tx);
	conn_ack_now(t, s);
	return true;
}

static void tw_ack(struct tcp *t, const struct tw *e, const struct seg_in *in)
{
	// Nothing is received any more; an entry without a timestamp had none negotiated.
	reply_ack(t, &in->t, e->snd_nxt, e->rcv_nxt, 0, e->ts_recent ? &e->ts_recent : NULL);
}

// RFC 6191 section 2: whether a SYN is newer than all of the connection that was.
static bool tw_newer(const struct tcp *t, const struct tw *e, const struct seg_in *in)
{
	bool later = seq_gt(in->seq, e->rcv_nxt);
	struct tcp_opts o;

	if (!tcp_opts_parse(&o, in->opt, in->opt_len, true))
		return false;
	if (!o.has_ts || !t->cfg->tcp_timestamps)
		return later;
	if (e->ts_recent == 0) // it had none
		return true;
	return seq_gt(o.ts_val, e->ts_recent) || (o.ts_val == e->ts_recent && later);
}

// RFC 9293 section 3.10.7.4 for TIME-WAIT, RFC 6191 for a new SYN, RFC 1337 for resets.
void tw_input(struct tcp *t, struct tw *e, const struct seg_in *in)
{
	uint32_t listener, snd_nxt, end = in->seq + in->len + !!(in->flags & TCP_FIN);
	bool again;

	if ((in->flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN) {
		bool newer = tw_newer(t, e, in);

		listener = listener_find(t, &in->t);
		if (listener == STATE_NIL || !newer) {
			COUNT(t->cnt, drop_syn_time_wait);
			tw_ack(t, e, in);
			return;
		}
		snd_nxt = e->snd_nxt;
		COUNT(t->cnt, tcp_tw_reused);
		tw_remove(t->tw, e);
		listen_syn(t, in, listener, snd_nxt);
		return;
	}
	COUNT(t->cnt, drop_tw_segs);
	if (in->flags & TCP_RST)
		return;
	// The FIN of a peer whom our last ACK did not reach starts the time over, and has to be answered; one
	// from elsewhere, by which a stranger could keep the entry for ever, does not.
	again = (in->flags & (TCP_FIN | TCP_ACK | TCP_SYN)) == (TCP_FIN | TCP_ACK)
		&& end == e->rcv_nxt;
	if (again)
		tw_add(t->tw, &in->t, e->snd_nxt, e->rcv_nxt, e->ts_recent, t->now_us);
	else if (end == in->seq && !(in->flags & TCP_SYN) && in->seq == e->rcv_nxt)
		return; // a plain ACK of our FIN, again
	if (again || net_limit_take(&t->reset_limit, t->now_us)) {
		struct tw *now = tw_find(t->tw, &in->t, t->now_us);

		if (now)
			tw_ack(t, now, in);
	}
}
