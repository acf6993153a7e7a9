// A half-open connection becomes a full one (RFC 9293 section 3.10.7.4, SYN-RECEIVED, fifth step).
#include <errno.h>

#include "engine/tcp/internal.h"

#define SYN_LOST_RTO_US 3000000u // RFC 6298 section 5.7: the first time-out when a SYN was lost

// The record, committed by the store of its life.
static void fill_rec(struct tcp *t, struct rec *r, const struct half *h,
	const struct tcp_half_soft *hs, uint32_t slot, uint32_t gen)
{
	bool active = h->listener == UINT16_MAX;

	r->laddr = h->laddr;
	r->raddr = h->raddr;
	r->lport = h->lport;
	r->rport = h->rport;
	r->host = h->host;
	r->chan = h->chan;
	atomic_store_explicit(&r->flags, active ? REC_ACTIVE : 0, memory_order_relaxed);
	r->slot = slot;
	r->slot_gen = gen;
	r->iss = h->iss;
	r->irs = h->irs;
	r->mss = h->mss;
	r->listener = h->listener;
	r->wscale = h->wscale;
	r->opts = h->opts;
	r->sum = rec_sum(r);
	atomic_store_explicit(&r->snd_una, 0, memory_order_relaxed);
	atomic_store_explicit(&r->snd_max, 0, memory_order_relaxed);
	atomic_store_explicit(&r->snd_wr, 0, memory_order_relaxed);
	atomic_store_explicit(&r->rcv_nxt, 0, memory_order_relaxed);
	atomic_store_explicit(&r->rcv_edge, half_wnd(t), memory_order_relaxed);
	atomic_store_explicit(&r->rcv_head, STATE_NIL, memory_order_relaxed);
	atomic_store_explicit(&r->snd_head, STATE_NIL, memory_order_relaxed);
	atomic_store_explicit(&r->ts_recent, hs->ts_recent, memory_order_relaxed);
	atomic_store_explicit(&r->activity, (uint32_t)(t->now_us / 1000000), memory_order_relaxed);
	HARD_SET(r->life, rec_life(rec_gen(r), 0, REC_LIVE));
}

static void fill_soft(struct tcp *t, struct tcp_soft *s, const struct rec *r,
	const struct tcp_half_soft *hs, const struct seg_in *in)
{
	struct seg_tuple k = rec_tuple(r);

	s->rcv_edge = HARD_GET(r->rcv_edge);
	s->ts_recent = hs->ts_recent;
	s->ts_off = isn_ts_offset(&t->st->hdr->secrets, &k);
	settings_apply(t, s);
	s->snd_mss = r->mss;
	s->rcv_mss = RCV_MSS_FIRST;
	s->snd_wnd = s->max_wnd = (uint32_t)in->wnd << (in->flags & TCP_SYN ? 0 : peer_shift(r));
	s->wl1 = in->seq;
	s->wl2 = in->ack;
	s->flags |= SOFT_WND_KNOWN;
	cc_begin(t, s, setting(t, s, OB_OPT_INIT_CWND));
	s->rto_us = setting(t, s, OB_OPT_INIT_RTO);
	if (hs->retries == 0 && hs->sent_us) {
		struct rtt_bounds b = tcp_rtt_bounds(t, s);

		rtt_sample(s, (uint32_t)(t->now_us - hs->sent_us), 1, &b);
		rack_min_rtt(t, s, (uint32_t)(t->now_us - hs->sent_us));
	} else {
		cc_begin(t, s, 1); // RFC 5681 section 3.1: a SYN was lost
		if (s->rto_us < SYN_LOST_RTO_US)
			s->rto_us = SYN_LOST_RTO_US;
	}
}

// A record with soft state for the host, or TCP_NONE (counted).
static uint32_t rec_new(struct tcp *t, uint16_t host)
{
	int rc = share_rec(t, host);
	uint32_t conn;

	if (rc == -EMFILE) {
		COUNT(t->cnt, drop_syn_conn_share);
		return TCP_NONE;
	}
	conn = rc ? STATE_NIL : state_rec_alloc(t->st);
	if (conn == STATE_NIL || !soft_new(t, conn)) {
		COUNT(t->cnt, drop_syn_no_conn);
		if (conn != STATE_NIL)
			state_rec_free(t->st, conn);
		return TCP_NONE;
	}
	return conn;
}

uint32_t half_promote(struct tcp *t, uint32_t id, const struct seg_in *in)
{
	struct half *h = half_of(t, id);
	struct seg_tuple k = half_tuple(h);
	bool active = h->listener == UINT16_MAX;
	uint32_t conn = rec_new(t, h->host), slot = h->slot, gen = h->slot_gen;
	struct tcp_soft *s;

	if (conn == TCP_NONE)
		return TCP_NONE;
	if (!active && t->ops->slot_get(t->ops->ctx, h->host, h->chan, conn, &slot, &gen)) {
		COUNT(t->cnt, drop_syn_no_slot);
		soft_drop(t, conn);
		state_rec_free(t->st, conn);
		return TCP_NONE;
	}
	s = tcp_soft_held(t, conn);
	settings_take(t, &t->st->settings_of[conn],
		HARD_GET(*(active ? &t->st->settings_of[id]
				  : &t->st->listeners[h->listener].settings)));
	fill_rec(t, tcp_rec(t, conn), h, half_soft_of(t, id), slot, gen);
	fill_soft(t, s, tcp_rec(t, conn), half_soft_of(t, id), in);
	if (active)
		t->ops->slot_set(t->ops->ctx, h->host, slot, gen, conn);
	else
		t->lsoft[h->listener].accepted++;
	t->n_live++;
	share_rec_add(t, h->host);
	COUNT(t->cnt, tcp_established);
	COUNT_N(t->cnt, tcp_ecn_negotiated, !!(h->opts & OB_NEG_ECN));
	if (!active)
		COUNT(t->cnt, tcp_passive_open);
	if (half_soft_of(t, id)->over_tw) {
		struct tw *e = tw_find(t->tw, &k, t->now_us);

		if (e)
			tw_remove(t->tw, e);
	}
	half_drop(t, id); // takes the tuple out of the table
	if (conn_insert(t, &k, conn) < 0)
		COUNT(t->cnt, drop_syn_no_conn); // cannot be: the entry was just freed
	t->ops->notify(t->ops->ctx, s, active ? TCP_EV_CONNECT : TCP_EV_ACCEPT);
	list_dirty(t, s);
	return conn;
}
