// Half-open connections: SYN-SENT and SYN-RECEIVED (RFC 9293 sections 3.10.7.3 and 3.10.7.4).
#include <errno.h>

#include "engine/tcp/internal.h"

#define HALF(t, id) (&(t)->st->half[(id) - (t)->n_conns])
#define HALF_SOFT(t, id) (&(t)->half_soft[(id) - (t)->n_conns])

uint32_t half_new(struct tcp *t, const struct seg_tuple *k, uint16_t host)
{
	uint32_t i = state_half_alloc(t->st);
	struct half *h;

	if (i == STATE_NIL)
		return TCP_NONE;
	if (conn_insert(t, k, t->n_conns + i) < 0) {
		state_half_free(t->st, i);
		return TCP_NONE;
	}
	h = &t->st->half[i];
	h->laddr = k->laddr;
	h->raddr = k->raddr;
	h->lport = k->lport;
	h->rport = k->rport;
	h->host = host;
	h->irs = 0;
	h->error = 0;
	h->listener = UINT16_MAX;
	h->slot = h->slot_gen = 0;
	t->half_soft[i] = (struct tcp_half_soft){.rto_us = (uint32_t)t->cfg->tcp_init_rto_us};
	t->host_conns[host]++;
	t->n_half_used++;
	return t->n_conns + i;
}

// Takes the options of a SYN over. RFC 7323: scaling and timestamps only when both sides offer.
void half_opts(struct tcp *t, struct half *h, const struct tcp_opts *o)
{
	uint16_t mss = o->has_mss ? o->mss : 536; // RFC 9293 MUST-15

	h->mss = mss < 64 ? 64 : mss < t->mss ? mss : t->mss;
	h->opts = 0;
	h->wscale = 0;
	if (o->has_wscale) {
		h->opts |= OB_NEG_WSCALE;
		h->wscale = (uint8_t)(o->wscale | t->cfg->tcp_wscale << 4);
	}
	if (o->has_ts && t->cfg->tcp_timestamps)
		h->opts |= OB_NEG_TS;
	if (o->sack_ok && t->cfg->tcp_sack)
		h->opts |= OB_NEG_SACK;
}

void half_drop(struct tcp *t, uint32_t id)
{
	struct half *h = HALF(t, id);
	struct seg_tuple k = half_tuple(h);

	conn_remove(t, &k);
	wheel_disarm(&t->wheel, id);
	if (h->listener != UINT16_MAX)
		t->lsoft[h->listener].half_open--;
	t->host_conns[h->host]--;
	t->n_half_used--;
	state_half_free(t->st, id - t->n_conns);
}

void half_fail(struct tcp *t, uint32_t id, int error)
{
	struct half *h = HALF(t, id);

	if (h->listener == UINT16_MAX)
		t->ops->connect_failed(t->ops->ctx, h->host, h->chan, h->slot, h->slot_gen, error);
	half_drop(t, id);
}

void half_send(struct tcp *t, uint32_t id)
{
	struct tcp_half_soft *hs = HALF_SOFT(t, id);

	if (hs->queued)
		return;
	hs->queued = 1;
	t->half_out.ids[t->half_out.n++] = id;
}

// The window of a SYN or SYN-ACK, which is not scaled (RFC 7323 section 2.2).
static uint32_t first_wnd(const struct tcp *t)
{
	uint32_t wnd = tcp_rcv_wnd(t);

	return wnd < 65535 ? wnd : 65535;
}

// Builds the SYN or SYN-ACK. Returns what the sink says.
static int half_emit(struct tcp *t, const struct half *h, const struct tcp_half_soft *hs)
{
	bool active = HARD_GET(h->phase) == HALF_SYN_SENT;
	struct tcp_opts o = {
		.has_mss = true,
		.mss = t->mss,
		.has_wscale = active || (h->opts & OB_NEG_WSCALE),
		.wscale = (uint8_t)t->cfg->tcp_wscale,
		.has_ts = active ? t->cfg->tcp_timestamps : !!(h->opts & OB_NEG_TS),
		.sack_ok = active ? t->cfg->tcp_sack : !!(h->opts & OB_NEG_SACK),
	};
	struct seg_out s = {.t = half_tuple(h), .seq = h->iss, .flags = TCP_SYN};

	s.wnd = (uint16_t)first_wnd(t);
	if (!active) {
		s.flags |= TCP_ACK;
		s.ack = h->irs + 1;
	}
	if (o.has_ts) {
		o.ts_val = ts_clock(t) + isn_ts_offset(&t->st->hdr->secrets, &s.t);
		o.ts_ecr = active ? 0 : hs->ts_recent;
	}
	s.opt_len = (uint8_t)tcp_opts_write(&o, s.opt);
	COUNT(t->cnt, tcp_tx_segs);
	return t->sink.emit(t->sink.ctx, &s);
}

static uint64_t half_rto_us(const struct tcp *t, const struct tcp_half_soft *hs)
{
	uint64_t us = (uint64_t)hs->rto_us << hs->retries;

	return us < t->cfg->tcp_max_rto_us ? us : t->cfg->tcp_max_rto_us; // RFC 6298 section 2.5
}

void half_output(struct tcp *t)
{
	uint32_t done = 0;

	for (; done < t->half_out.n; done++) {
		uint32_t id = t->half_out.ids[done];
		struct tcp_half_soft *hs = HALF_SOFT(t, id);
		struct half *h = HALF(t, id);
		int rc;

		if (HARD_GET(h->phase) == HALF_FREE || !hs->queued)
			continue;
		if (t->sink.room(t->sink.ctx) == 0)
			break;
		rc = half_emit(t, h, hs);
		if (rc == -ENOBUFS)
			break;
		hs->queued = 0;
		hs->sent_us = t->now_us;
		wheel_arm(&t->wheel, id, t->now_us + half_rto_us(t, hs));
		if (rc == -EHOSTUNREACH && h->listener == UINT16_MAX) {
			COUNT(t->cnt, tcp_connect_unreach);
			half_fail(t, id, rc);
		}
	}
	t->half_out.n -= done;
	memmove(t->half_out.ids, t->half_out.ids + done, t->half_out.n * sizeof(uint32_t));
}

void half_timeout(struct tcp *t, uint32_t id)
{
	struct tcp_half_soft *hs = HALF_SOFT(t, id);
	struct half *h = HALF(t, id);
	bool active = h->listener == UINT16_MAX;

	if (HARD_GET(h->phase) == HALF_FREE)
		return;
	if (hs->retries++ >= (active ? t->cfg->tcp_syn_retries : t->cfg->tcp_synack_retries)) {
		if (active)
			COUNT(t->cnt, tcp_connect_timeout);
		else
			COUNT(t->cnt, tcp_timeout);
		half_fail(t, id, hs->soft_error ? -hs->soft_error : -ETIMEDOUT);
		return;
	}
	COUNT(t->cnt, tcp_rtx_rto);
	COUNT(t->cnt, tcp_rtx_segs);
	half_send(t, id);
}

// The full record of a half-open connection: committed, then the half-open entry is freed; where
// both exist the full one wins. TCP_NONE (counted) when there is no room for it.
static uint32_t promote(struct tcp *t, uint32_t id, const struct seg_in *in)
{
	struct tcp_half_soft *hs = HALF_SOFT(t, id);
	struct half *h = HALF(t, id);
	struct seg_tuple k = half_tuple(h);
	bool active = h->listener == UINT16_MAX;
	uint32_t conn = state_rec_alloc(t->st), slot = h->slot, gen = h->slot_gen;
	struct tcp_soft *s = conn == STATE_NIL ? NULL : soft_new(t, conn);
	struct rec *r = conn == STATE_NIL ? NULL : tcp_rec(t, conn);

	if (!s) {
		COUNT(t->cnt, drop_syn_no_conn);
		goto err_rec;
	}
	if (!active && t->ops->slot_get(t->ops->ctx, h->host, h->chan, conn, &slot, &gen)) {
		COUNT(t->cnt, drop_syn_no_slot);
		goto err_soft;
	}
	r->laddr = h->laddr;
	r->raddr = h->raddr;
	r->lport = h->lport;
	r->rport = h->rport;
	r->host = h->host;
	r->chan = h->chan;
	atomic_store_explicit(&r->flags, active ? REC_ACTIVE : t->st->listeners[h->listener].flags,
		memory_order_relaxed);
	r->slot = slot;
	r->slot_gen = gen;
	r->iss = h->iss;
	r->irs = h->irs;
	r->mss = h->mss;
	r->listener = h->listener;
	r->wscale = h->wscale;
	r->opts = h->opts;
	r->sum = rec_sum(r);
	s->rcv_edge = first_wnd(t);
	atomic_store_explicit(&r->snd_una, 0, memory_order_relaxed);
	atomic_store_explicit(&r->snd_max, 0, memory_order_relaxed);
	atomic_store_explicit(&r->snd_wr, 0, memory_order_relaxed);
	atomic_store_explicit(&r->rcv_nxt, 0, memory_order_relaxed);
	atomic_store_explicit(&r->rcv_edge, s->rcv_edge, memory_order_relaxed);
	atomic_store_explicit(&r->rcv_head, STATE_NIL, memory_order_relaxed);
	atomic_store_explicit(&r->snd_head, STATE_NIL, memory_order_relaxed);
	atomic_store_explicit(&r->ts_recent, hs->ts_recent, memory_order_relaxed);
	atomic_store_explicit(&r->activity, (uint32_t)(t->now_us / 1000000), memory_order_relaxed);
	HARD_SET(r->life, rec_life(rec_gen(r), 0, REC_LIVE));

	s->ts_recent = hs->ts_recent;
	s->ts_off = isn_ts_offset(&t->st->hdr->secrets, &k);
	s->snd_mss = h->mss;
	s->rcv_mss = RCV_MSS_FIRST;
	s->snd_wnd = s->max_wnd = (uint32_t)in->wnd << (in->flags & TCP_SYN ? 0 : peer_shift(r));
	s->wl1 = in->seq;
	s->wl2 = in->ack;
	s->flags |= SOFT_WND_KNOWN;
	t->cc->init(s, s->snd_mss, (uint32_t)t->cfg->tcp_init_cwnd);
	s->rto_us = (uint32_t)t->cfg->tcp_init_rto_us;
	if (hs->retries == 0 && hs->sent_us) {
		struct rtt_bounds b = tcp_rtt_bounds(t);

		rtt_sample(s, (uint32_t)(t->now_us - hs->sent_us), 1, &b);
	} else {
		t->cc->init(s, s->snd_mss, 1); // RFC 5681 section 3.1: a SYN was lost
	}
	if (active)
		t->ops->slot_set(t->ops->ctx, h->host, slot, gen, conn);
	else
		t->lsoft[h->listener].accepted++;
	t->n_live++;
	t->host_conns[h->host]++;
	COUNT(t->cnt, tcp_established);
	if (!active)
		COUNT(t->cnt, tcp_passive_open);
	half_drop(t, id); // takes the tuple out of the table
	if (conn_insert(t, &k, conn) < 0)
		COUNT(t->cnt, drop_syn_no_conn); // cannot be: the entry was just freed
	t->ops->notify(t->ops->ctx, s, active ? TCP_EV_CONNECT : TCP_EV_ACCEPT);
	list_dirty(t, s);
	return conn;

err_soft:
	soft_drop(t, conn);
err_rec:
	if (conn != STATE_NIL)
		state_rec_free(t->st, conn);
	return TCP_NONE;
}

// Section 3.10.7.3.
static void syn_sent_input(struct tcp *t, uint32_t id, const struct seg_in *in)
{
	struct tcp_half_soft *hs = HALF_SOFT(t, id);
	struct half *h = HALF(t, id);
	struct tcp_opts o;
	uint32_t conn;

	// First, the ACK bit.
	if ((in->flags & TCP_ACK) && in->ack != h->iss + 1) {
		COUNT(t->cnt, drop_tcp_ack_range);
		if (!(in->flags & TCP_RST))
			reply_reset(t, in);
		return;
	}
	// Second, the RST bit.
	if (in->flags & TCP_RST) {
		if (!(in->flags & TCP_ACK)) {
			COUNT(t->cnt, drop_tcp_rst_window);
			return;
		}
		COUNT(t->cnt, tcp_connect_refused);
		half_fail(t, id, -ECONNREFUSED);
		return;
	}
	// Fourth, the SYN bit.
	if (!(in->flags & TCP_SYN)) {
		COUNT(t->cnt, drop_tcp_flags);
		return;
	}
	if (!tcp_opts_parse(&o, in->opt, in->opt_len, true)) {
		COUNT(t->cnt, drop_tcp_options);
		return;
	}
	h->irs = in->seq;
	half_opts(t, h, &o);
	hs->ts_recent = o.ts_val;
	if (in->flags & TCP_ACK) {
		conn = promote(t, id, in);
		if (conn != TCP_NONE) {
			conn_ack_now(t, tcp_soft_held(t, conn));
		} else if (t->st->n_free_recs == 0) {
			// The peer has its side open already. The host is told at once, not by a
			// time-out that names another reason.
			reply_reset(t, in);
			half_fail(t, id, -ENFILE);
		}
		return;
	}
	// Simultaneous open (section 3.5, figure 8).
	COUNT(t->cnt, tcp_simultaneous);
	hs->snd_wnd = in->wnd;
	hs->retries = 0;
	HARD_SET(h->phase, HALF_SYN_RCVD);
	half_send(t, id);
}

// Says again what was said in the SYN-ACK, with its window, which is scaled from here on.
static void half_ack(struct tcp *t, const struct half *h, const struct tcp_half_soft *hs)
{
	uint32_t wnd = tcp_rcv_wnd(t);
	struct seg_tuple k = half_tuple(h);

	wnd = (wnd < 65535 ? wnd : 65535) >> (h->wscale >> 4);
	reply_ack(t, &k, h->iss + 1, h->irs + 1, (uint16_t)wnd,
		h->opts & OB_NEG_TS ? &hs->ts_recent : NULL);
}

// Section 3.10.7.4 for SYN-RECEIVED.
static void syn_rcvd_input(struct tcp *t, uint32_t id, const struct seg_in *in)
{
	struct tcp_half_soft *hs = HALF_SOFT(t, id);
	struct half *h = HALF(t, id);
	bool active = h->listener == UINT16_MAX;
	struct tcp_opts o;
	uint32_t conn;

	// Our SYN-ACK was lost, or crossed this repetition.
	if ((in->flags & (TCP_SYN | TCP_RST)) == TCP_SYN && in->seq == h->irs
		&& (!(in->flags & TCP_ACK) || in->ack == h->iss + 1)) {
		if (!(in->flags & TCP_ACK)) {
			COUNT(t->cnt, tcp_syn_dup);
			half_send(t, id);
			return;
		}
	} else if (seq_lt(in->seq, h->irs + 1) || seq_gt(in->seq, h->irs + 1 + first_wnd(t))) {
		// First, the sequence number.
		COUNT(t->cnt, drop_tcp_window);
		if (!(in->flags & TCP_RST) && net_limit_take(&t->challenge_limit, t->now_us))
			half_ack(t, h, hs);
		return;
	} else if (in->flags & TCP_RST) {
		// Second, the RST bit (RFC 5961 section 3.2).
		if (in->seq != h->irs + 1) {
			COUNT(t->cnt, drop_tcp_rst_challenge);
			if (net_limit_take(&t->challenge_limit, t->now_us))
				half_ack(t, h, hs);
			return;
		}
		COUNT(t->cnt, tcp_reset_rx);
		half_fail(t, id, -ECONNREFUSED);
		return;
	} else if (in->flags & TCP_SYN) {
		// Fourth, the SYN bit (RFC 5961 section 4.2).
		COUNT(t->cnt, drop_tcp_syn_challenge);
		if (net_limit_take(&t->challenge_limit, t->now_us))
			half_ack(t, h, hs);
		return;
	}
	// Fifth, the ACK field.
	if (!(in->flags & TCP_ACK)) {
		COUNT(t->cnt, drop_tcp_no_ack);
		return;
	}
	if (in->ack != h->iss + 1) {
		COUNT(t->cnt, drop_tcp_ack_range);
		reply_reset(t, in);
		return;
	}
	if (!tcp_opts_parse(&o, in->opt, in->opt_len, in->flags & TCP_SYN)) {
		COUNT(t->cnt, drop_tcp_options);
		return;
	}
	if ((h->opts & OB_NEG_TS) && o.has_ts) {
		if (seq_lt(o.ts_val, hs->ts_recent)) {
			COUNT(t->cnt, drop_tcp_paws);
			return;
		}
		hs->ts_recent = o.ts_val;
	}
	conn = promote(t, id, in);
	if (conn == TCP_NONE)
		return;
	if (active)
		conn_ack_now(t, tcp_soft_held(t, conn));
	if (!(in->flags & TCP_SYN) && (in->len || (in->flags & TCP_FIN)))
		est_input(t, conn, in);
}

void half_input(struct tcp *t, uint32_t id, const struct seg_in *in)
{
	if (HARD_GET(HALF(t, id)->phase) == HALF_SYN_SENT)
		syn_sent_input(t, id, in);
	else
		syn_rcvd_input(t, id, in);
}
