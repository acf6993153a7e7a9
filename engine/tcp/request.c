// What hosts ask of connections (RFC 9293 section 3.10, user calls). Every request can come again:
// it is keyed by stream offset, and what was done before is -EALREADY.
#include <errno.h>

#include "engine/state/chain.h"
#include "engine/tcp/ooo.h"

#define MTU_MIN 576u

static bool unicast(const struct ob_addr *a)
{
	uint32_t first = a->b[12];

	return ob_addr_is_v4(a) && first != 0 && first < 224 && first != 127;
}

int tcp_connect(struct tcp *t, const struct tcp_open *o, uint32_t *id)
{
	struct seg_tuple k
		= {.laddr = o->laddr, .raddr = o->raddr, .lport = o->lport, .rport = o->rport};
	struct tw *tw = NULL;
	uint32_t tried = 0;
	struct half *h;
	int rc = 0;

	if (!unicast(&o->raddr) || o->rport == 0)
		return ob_addr_is_v4(&o->raddr) ? -EINVAL : -EAFNOSUPPORT;
	if (ob_addr_is_any(&o->laddr))
		k.laddr = t->cfg->addr;
	else if (!ob_addr_eq(&o->laddr, &t->cfg->addr))
		return -EADDRNOTAVAIL;
	if (o->lport == 0)
		rc = port_choose(t, &k, &tw, o->ports_tried ? o->ports_tried : &tried);
	else if (!port_usable(t, &k, &tw))
		rc = -EADDRINUSE;
	if (rc == 0)
		rc = half_new(t, &k, o->host, id);
	if (rc)
		return rc;
	h = &t->st->half[*id - t->n_conns];
	h->iss = isn_make(&t->st->hdr->secrets, &k, t->now_us);
	if (tw) {
		// Its entry stays until the new connection is there: another attempt goes by it again.
		COUNT(t->cnt, tcp_tw_reopened);
		h->iss = isn_beyond(h->iss, tw->snd_nxt);
		half_soft_of(t, *id)->over_tw = 1;
	}
	h->mss = t->mss;
	h->chan = o->chan;
	h->opts = 0;
	h->wscale = 0;
	h->slot = o->slot;
	h->slot_gen = o->slot_gen;
	HARD_SET(h->phase, HALF_SYN_SENT);
	COUNT(t->cnt, tcp_active_open);
	half_send(t, *id);
	return 0;
}

static bool over(const struct rec *r)
{
	return rec_phase(r) != REC_LIVE;
}

int tcp_send(struct tcp *t, uint32_t conn, uint64_t off, uint64_t arena_off, uint32_t len,
	unsigned flags)
{
	struct rec *r = tcp_rec(t, conn);
	uint64_t wr = HARD_GET(r->snd_wr), marks = 0;
	struct tcp_soft *s;
	int rc;

	if (over(r))
		return -EPIPE;
	if (off + len <= wr_data_end(wr))
		return -EALREADY;
	if (wr & STATE_FIN)
		return -EPIPE;
	if (off > wr)
		return -EINVAL;
	if (off < wr) { // partly repeated
		arena_off += wr - off;
		len -= (uint32_t)(wr - off);
		off = wr;
	}
	s = tcp_soft(t, conn);
	if (!s)
		return -EAGAIN;
	if (flags & OB_RQ_PUSH)
		marks |= PIECE_PUSH;
	if (flags & OB_RQ_MORE)
		marks |= PIECE_MORE;
	rc = chain_tx_append(t->st, &t->mem[r->host], r, &s->snd_tail, off, arena_off, len, marks);
	if (rc)
		return rc;
	HARD_SET(r->snd_wr, off + len);
	list_out(t, s);
	return 0;
}

int tcp_consumed(struct tcp *t, uint32_t conn, uint64_t off)
{
	struct rec *r = tcp_rec(t, conn);
	struct tcp_soft *s = tcp_soft(t, conn);

	if (!s)
		return -EAGAIN;
	if (off > rcv_data_end(HARD_GET(r->rcv_nxt)))
		return -EINVAL;
	if (off <= s->rcv_consumed)
		return -EALREADY;
	s->rcv_consumed = off;
	chain_rx_release(t->st, &t->mem[r->host], r, &s->rcv_tail, off, rx_placed(t, s));
	if (s->ooo != STATE_NIL)
		ooo_file(t, s, false);
	if (!over(r) && !(s->rcv_nxt & STATE_FIN) && edge_worth(t, s, r))
		conn_ack_now(t, s);
	return 0;
}

int tcp_shutdown(struct tcp *t, uint32_t conn, uint64_t off)
{
	struct rec *r = tcp_rec(t, conn);
	uint64_t wr = HARD_GET(r->snd_wr);
	struct tcp_soft *s;

	if (over(r))
		return -EPIPE;
	if (wr & STATE_FIN)
		return -EALREADY;
	if (off != wr)
		return -EINVAL;
	s = tcp_soft(t, conn);
	if (!s)
		return -EAGAIN;
	HARD_SET(r->snd_wr, (wr + 1) | STATE_FIN);
	list_out(t, s);
	return 0;
}

int tcp_abort(struct tcp *t, uint32_t id)
{
	struct rec *r;
	struct tcp_soft *s;

	if (tcp_id_is_half(t, id)) {
		half_fail(t, id, -ECONNABORTED);
		return 0;
	}
	r = tcp_rec(t, id);
	if (over(r))
		return -EALREADY;
	s = tcp_soft(t, id);
	if (!s)
		return -EAGAIN;
	reply_reset_conn(t, r, s);
	rec_flag_set(r, REC_CLOSED);
	conn_done(t, id, ECONNABORTED);
	return 0;
}

int tcp_close(struct tcp *t, uint32_t id, uint64_t off)
{
	struct rec *r;
	struct tcp_soft *s;
	int rc;

	if (tcp_id_is_half(t, id))
		return tcp_abort(t, id);
	r = tcp_rec(t, id);
	if (over(r))
		return -EALREADY;
	s = tcp_soft(t, id);
	if (!s)
		return -EAGAIN;
	// RFC 1122 section 4.2.2.13: received data that nobody will read means a reset.
	if (s->rcv_consumed < rcv_data_end(s->rcv_nxt))
		return tcp_abort(t, id);
	if (setting_of(t, id, OB_OPT_LINGER) && setting_of(t, id, OB_OPT_LINGER_TIME) == 0)
		return tcp_abort(t, id);
	rc = tcp_shutdown(t, id, off);
	if (rc && rc != -EALREADY)
		return rc;
	if (rc == -EALREADY && (rec_flags(r) & REC_CLOSED))
		return rc;
	rec_flag_set(r, REC_CLOSED);
	slow_follow(t, s, r);
	list_dirty(t, s); // FIN-WAIT-2 gets its limit
	return 0;
}

int tcp_release(struct tcp *t, uint32_t conn)
{
	struct rec *r = tcp_rec(t, conn);

	if (rec_phase(r) == REC_FREE || (rec_flags(r) & REC_RELEASED))
		return -EALREADY;
	if (over(r)) {
		conn_free(t, conn);
		return 0;
	}
	if (!(rec_flags(r) & REC_CLOSED))
		return -EBUSY;
	// The slot is another's once this is stored.
	rec_flag_set(r, REC_RELEASED);
	t->ops->freed(t->ops->ctx, r);
	return 0;
}

// One connection of a host that is gone: finished writes still go out (bounded), the rest resets.
static void rec_orphan(struct tcp *t, uint32_t conn)
{
	struct rec *r = tcp_rec(t, conn);
	struct tcp_soft *s;

	if (over(r)) {
		conn_free(t, conn);
		return;
	}
	s = tcp_soft(t, conn);
	if (over(r)) { // it was damaged
		conn_free(t, conn);
		return;
	}
	rec_flag_set(r, REC_ORPHAN);
	t->n_orphans++;
	if (s && (HARD_GET(r->snd_wr) & STATE_FIN) && !atomic_load(&t->mem[r->host].broken)
		&& s->rcv_consumed >= rcv_data_end(s->rcv_nxt)
		&& t->n_orphans <= t->cfg->limits_orphans) {
		rec_flag_set(r, REC_CLOSED);
		list_dirty(t, s);
		return;
	}
	reply_reset_conn(t, r, s);
	conn_done(t, conn, ECONNABORTED);
}

bool tcp_host_gone(struct tcp *t, uint16_t host, uint32_t *cursor, uint32_t max)
{
	uint32_t end = t->n_conns + t->n_half;

	if (*cursor == 0)
		for (uint32_t i = 0; i < t->st->hdr->n_listeners; i++)
			if (REC_LIFE_PHASE(HARD_GET(t->st->listeners[i].life)) != REC_FREE
				&& t->st->listeners[i].host == host) {
				tcp_unlisten(t, i);
				tcp_listener_free(t, i);
			}
	for (; max && *cursor < end && t->host_conns[host]; max--, ++*cursor) {
		uint32_t id = *cursor;

		if (tcp_id_is_half(t, id)) {
			struct half *h = &t->st->half[id - t->n_conns];

			if (HARD_GET(h->phase) != HALF_FREE && h->host == host)
				half_drop(t, id);
		} else if (rec_phase(tcp_rec(t, id)) != REC_FREE
			&& (conn_whole(t, id) || rec_phase(tcp_rec(t, id)) != REC_FREE)
			&& tcp_rec(t, id)->host == host
			&& !(rec_flags(tcp_rec(t, id)) & REC_ORPHAN)) {
			if (t->sink.room(t->sink.ctx) < 64)
				return false; // the resets of this turn
			rec_orphan(t, id);
		}
	}
	return *cursor >= end || t->host_conns[host] == 0;
}

uint32_t tcp_host_conns(const struct tcp *t, uint16_t host)
{
	return t->host_conns[host];
}

// RFC 9293 section 3.10.5 (ABORT): SYN-RECEIVED is reset, SYN-SENT is just over.
static bool half_reset_all(struct tcp *t)
{
	for (uint32_t i = 0; t->n_half_used && i < t->n_half; i++) {
		const struct half *h = &t->st->half[i];
		uint8_t phase = HARD_GET(h->phase);

		if (phase == HALF_FREE)
			continue;
		if (t->sink.room(t->sink.ctx) < 8)
			return false;
		if (phase == HALF_SYN_RCVD)
			reply_reset_half(t, h);
		half_fail(t, t->n_conns + i, -EPIPE);
	}
	return true;
}

bool tcp_reset_all(struct tcp *t)
{
	for (uint32_t i = 0; i < t->n_conns; i++) {
		struct rec *r = tcp_rec(t, i);
		struct tcp_soft *s;

		if (rec_phase(r) != REC_LIVE)
			continue;
		if (t->sink.room(t->sink.ctx) < 8)
			return false;
		s = tcp_soft(t, i);
		if (rec_phase(r) != REC_LIVE)
			continue; // it was damaged
		reply_reset_conn(t, r, s);
		conn_done(t, i, EPIPE);
	}
	return half_reset_all(t);
}

// RFC 1191. Segments do not shrink below what every host takes (RFC 9293 section 3.7.1), so that nobody can make us
// send dust; a path that carries less than that, or a router that does not say how much, has to fragment them.
static void path_mtu(struct tcp *t, struct tcp_soft *s, uint16_t mtu)
{
	bool small = mtu < MTU_MIN;
	uint16_t mss = (uint16_t)((small ? MTU_MIN : mtu) - 40);

	if (mss >= s->snd_mss && (!small || (s->flags & SOFT_FRAGMENT)))
		return;
	if (mss < s->snd_mss)
		s->snd_mss = mss;
	if (small)
		s->flags |= SOFT_FRAGMENT;
	// What was too large goes again; that is no congestion.
	if (s->snd_nxt > s->snd_una)
		flight_lose(t, s, s->snd_una, s->snd_nxt);
	s->flags |= SOFT_RTX_HEAD;
	list_out(t, s);
}

bool tcp_icmp(void *tcp, const struct seg_icmp *e)
{
	struct tcp *t = tcp;
	uint32_t id = conn_lookup(t, &e->t);
	struct tcp_soft *s;
	struct rec *r;

	if (id == TCP_NONE)
		return false;
	if (tcp_id_is_half(t, id)) {
		struct half *h = &t->st->half[id - t->n_conns];

		if (e->seq != h->iss || h->listener != UINT16_MAX)
			return false;
		// RFC 1122 section 4.2.3.9: hard errors end a connect, soft ones are remembered.
		if (e->hard) {
			COUNT(t->cnt, tcp_connect_unreach);
			half_fail(t, id, e->error);
		} else {
			t->half_soft[id - t->n_conns].soft_error = (uint8_t)-e->error;
		}
		return true;
	}
	r = tcp_rec(t, id);
	s = tcp_soft(t, id);
	// RFC 5927 section 4: it must quote something that is in flight.
	if (!s || seq_lt(e->seq, snd_seq(r, s->snd_una)) || seq_geq(e->seq, snd_seq(r, s->snd_max)))
		return false;
	if (e->error == -EMSGSIZE)
		path_mtu(t, s, e->mtu);
	return true; // else: a soft error on an established connection changes nothing (RFC 5927)
}

void tcp_unreachable(void *tcp, const struct ob_addr *dst)
{
	struct tcp *t = tcp;

	for (uint32_t i = 0; t->n_half_used && i < t->n_half; i++) {
		struct half *h = &t->st->half[i];

		if (HARD_GET(h->phase) == HALF_SYN_SENT && ob_addr_eq(&h->raddr, dst)) {
			COUNT(t->cnt, tcp_connect_unreach);
			half_fail(t, t->n_conns + i, -EHOSTUNREACH);
		}
	}
}
