// Requests. Each entry is copied once, checked, and handed to TCP; what cannot be done is counted
// under one name and reported. Every one can come twice: what was done before is silent.
#include <errno.h>

#include "engine/hostif/requests.h"

#define OFFSET_MAX (1ull << 62)
#define RESET_ROOM 64u // of the transmit burst: it is not for resets alone

static int bad(struct call *x, uint64_t *counter, int error)
{
	x->bad = counter;
	return error;
}

// What TCP's answer means for the counters.
static int answer(struct call *x, int rc)
{
	struct counters *cnt = x->h->cnt;

	switch (rc) {
	case -EINVAL:
		return bad(x, &cnt->req_bad_offset, rc);
	case -EPIPE:
	case -EBUSY:
	case -ENOTCONN:
		return bad(x, &cnt->req_bad_state, rc);
	case -ENOPROTOOPT:
		return bad(x, &cnt->req_bad_value, rc);
	case -ENOBUFS:
		COUNT(cnt, req_settings);
		return rc;
	default:
		return rc;
	}
}

// A good listen or connect that cannot be had: it is no fault of the host's.
static int refused(struct call *x, int rc)
{
	struct counters *cnt = x->h->cnt;

	switch (rc) {
	case -EADDRINUSE:
	case -EADDRNOTAVAIL:
	case -EAFNOSUPPORT:
		COUNT(cnt, req_addr);
		break;
	case -EACCES:
		COUNT(cnt, req_user_port);
		break;
	case -ENFILE:
		if (x->q.op == OB_RQ_LISTEN)
			COUNT(cnt, req_listen_full);
		else
			COUNT(cnt, req_half_full);
		break;
	case -EMFILE:
		if (x->q.op == OB_RQ_LISTEN)
			COUNT(cnt, req_listen_share);
		else
			COUNT(cnt, req_half_share);
		break;
	case -EDQUOT:
		COUNT(cnt, req_user_conns);
		break;
	default:
		break;
	}
	return rc;
}

// The connection that a request names, half-open ones included.
static int conn_find(struct call *x, uint32_t *id)
{
	const struct hostif_slot *s;

	if (x->q.slot >= x->host->n_slots)
		return bad(x, &x->h->cnt->req_bad_slot, -EBADF);
	s = &x->host->slots[x->q.slot];
	if (x->q.gen == 0 || x->q.gen != s->gen)
		return bad(x, &x->h->cnt->req_bad_gen, -ESTALE);
	if (!slot_live(s)) {
		// It is over; what ends it was on the way, or comes again.
		if (x->q.op == OB_RQ_RELEASE || x->q.op == OB_RQ_ABORT || x->q.op == OB_RQ_CLOSE)
			return -EALREADY;
		return bad(x, &x->h->cnt->req_bad_gen, -ESTALE);
	}
	*id = s->id;
	return 0;
}

// One that has a record.
static int rec_find(struct call *x, uint32_t *conn)
{
	int rc = conn_find(x, conn);

	if (rc == 0 && tcp_id_is_half(x->h->tcp, *conn))
		return bad(x, &x->h->cnt->req_bad_state, -ENOTCONN);
	return rc;
}

static int listener_find_req(struct call *x, struct hostif_listener **l)
{
	if (x->q.slot >= OB_MAX_LISTENERS)
		return bad(x, &x->h->cnt->req_bad_slot, -EBADF);
	*l = &x->host->listeners[x->q.slot];
	if (x->q.gen == 0 || (int32_t)(x->q.gen - (*l)->gen) < 0)
		return bad(x, &x->h->cnt->req_bad_gen, -ESTALE);
	return 0;
}

// Port 0 is the engine's choice, which everyone may have.
static bool port_allowed(const struct call *x)
{
	return x->q.addr.lport == 0 || config_user_port(x->host->user, x->q.addr.lport);
}

static int do_nop(struct call *x)
{
	(void)x;
	return 0;
}

static int do_listen(struct call *x)
{
	struct hostif_listener *l;
	struct tcp_open o = {.host = (uint16_t)x->host->index,
		.chan = x->c->index,
		.number = (uint16_t)x->q.slot,
		.gen = x->q.gen,
		.laddr = x->q.addr.laddr,
		.lport = x->q.addr.lport,
		.backlog = x->q.len};
	uint32_t id;
	int rc = listener_find_req(x, &l);

	if (rc)
		return rc;
	if (x->q.gen == l->gen)
		return -EALREADY;
	if (l->id != STATE_NIL)
		return bad(x, &x->h->cnt->req_bad_state, -EBUSY);
	rc = port_allowed(x) ? tcp_listen(x->h->tcp, &o, &id) : -EACCES;
	if (rc == -EAGAIN)
		return rc;
	l->gen = x->q.gen;
	if (rc && rc != -EALREADY)
		return refused(x, rc);
	l->id = id;
	ev_add(x->h, x->c, OB_EV_LISTEN, x->q.slot, x->q.gen)->listen.lport
		= o.lport ? o.lport : x->h->st->listeners[id].lport;
	return 0;
}

// A listener has ended: connections of it that the host has not been told of are reset. Returns false
// when there are more than have room in this turn.
static bool untold_reset(struct call *x, struct hostif_listener *l)
{
	struct tcp *t = x->h->tcp;

	l->untold_end = x->c->news_out; // nothing to wait for
	for (uint32_t i = x->c->news_head; i != STATE_NIL; i = t->soft[i].notify_next) {
		const struct tcp_soft *s = &t->soft[i];

		if (!(s->notify & TCP_EV_ACCEPT) || tcp_rec(t, s->conn)->listener != l->id)
			continue;
		if (rec_phase(tcp_rec(t, s->conn)) == REC_LIVE) {
			if (t->sink.room(t->sink.ctx) < RESET_ROOM)
				return false;
			tcp_abort(t, s->conn);
			COUNT(x->h->cnt, tcp_untold_reset);
		}
		l->untold_end = x->c->news_in;
	}
	return true;
}

static int do_unlisten(struct call *x)
{
	struct hostif_listener *l;
	int rc = listener_find_req(x, &l);

	if (rc)
		return rc;
	if (x->q.gen != l->gen)
		return bad(x, &x->h->cnt->req_bad_gen, -ESTALE);
	if (l->id == STATE_NIL)
		return -EALREADY;
	if (!l->ending) {
		tcp_unlisten(x->h->tcp, l->id);
		if (!untold_reset(x, l))
			return -EAGAIN;
		l->ending = true;
	}
	// Its number and its entry are its own until the host has been told of the last of them, unless
	// nobody is there to be told.
	if (!x->host->ending_us && (int32_t)(x->c->news_out - l->untold_end) < 0)
		return -EAGAIN;
	tcp_listener_free(x->h->tcp, l->id);
	l->id = STATE_NIL;
	l->ending = false;
	return 0;
}

static int do_connect(struct call *x)
{
	struct tcp_open o = {.host = (uint16_t)x->host->index,
		.chan = x->c->index,
		.slot = x->q.slot,
		.slot_gen = x->q.gen,
		.laddr = x->q.addr.laddr,
		.raddr = x->q.addr.raddr,
		.lport = x->q.addr.lport,
		.rport = x->q.addr.rport,
		.ports_tried = &x->c->ports_tried};
	struct hostif_slot *s;
	uint32_t id;
	int rc;

	if (x->q.slot >= x->host->n_slots || x->q.slot < x->host->n_accept)
		return bad(x, &x->h->cnt->req_bad_slot, -EBADF);
	s = &x->host->slots[x->q.slot];
	if (x->q.gen != 0 && x->q.gen == s->gen)
		return -EALREADY;
	if (x->q.gen == 0 || (int32_t)(x->q.gen - s->gen) < 0)
		return bad(x, &x->h->cnt->req_bad_gen, -ESTALE);
	if ((s->id & SLOT_TAG) != SLOT_FREE)
		return bad(x, &x->h->cnt->req_bad_state, -EBUSY);
	if (o.rport == 0)
		return bad(x, &x->h->cnt->req_bad_value, -EINVAL);
	rc = port_allowed(x) ? tcp_connect(x->h->tcp, &o, &id) : -EACCES;
	if (rc == -EAGAIN)
		return rc;
	x->c->ports_tried = 0;
	s->gen = x->q.gen;
	if (rc == 0)
		s->id = id;
	return rc == -EINVAL ? bad(x, &x->h->cnt->req_bad_value, rc) : refused(x, rc);
}

static int do_send(struct call *x)
{
	const struct ob_seg_layout *l = &x->host->mem->l;
	const struct ob_req *q = &x->q;
	uint32_t conn;
	int rc = rec_find(x, &conn);

	if (rc)
		return rc;
	if (q->len == 0 || (q->flags & ~(OB_RQ_MORE | OB_RQ_PUSH)))
		return bad(x, &x->h->cnt->req_bad_value, -EINVAL);
	if (!ob_range_inside(
		    q->send.arena_off, q->len, l->arena_off, l->arena_off + l->arena_bytes))
		return bad(x, &x->h->cnt->req_bad_span, -EFAULT);
	if (q->off >= OFFSET_MAX)
		return bad(x, &x->h->cnt->req_bad_offset, -EINVAL);
	if (q->send.consumed) {
		rc = tcp_consumed(x->h->tcp, conn, q->send.consumed);
		if (rc && rc != -EALREADY)
			return answer(x, rc);
	}
	return answer(x, tcp_send(x->h->tcp, conn, q->off, q->send.arena_off, q->len, q->flags));
}

static int do_consumed(struct call *x)
{
	uint32_t conn;
	int rc = rec_find(x, &conn);

	return rc ? rc : answer(x, tcp_consumed(x->h->tcp, conn, x->q.off));
}

static int do_shutdown(struct call *x)
{
	uint32_t conn;
	int rc = rec_find(x, &conn);

	return rc ? rc : answer(x, tcp_shutdown(x->h->tcp, conn, x->q.off));
}

static int do_close(struct call *x)
{
	uint32_t id;
	int rc = conn_find(x, &id);

	return rc ? rc : answer(x, tcp_close(x->h->tcp, id, x->q.off));
}

int request_abort(struct call *x)
{
	uint32_t id;
	int rc = conn_find(x, &id);

	return rc ? rc : answer(x, tcp_abort(x->h->tcp, id));
}

static int do_release(struct call *x)
{
	const struct tcp_soft *s;
	const struct rec *r;
	uint32_t conn;
	int rc = rec_find(x, &conn);

	if (rc)
		return rc;
	r = tcp_rec(x->h->tcp, conn);
	if (rec_phase(r) == REC_LIVE && !(HARD_GET(r->flags) & REC_CLOSED))
		return bad(x, &x->h->cnt->req_bad_state, -EBUSY);
	// It has not been told all yet: its soft state is on a list.
	s = tcp_soft_held(x->h->tcp, conn);
	if (s && (s->flags & SOFT_NOTIFY))
		return -EAGAIN;
	return answer(x, tcp_release(x->h->tcp, conn));
}

static int do_setopt_listener(struct call *x)
{
	struct hostif_listener *l;
	int rc = listener_find_req(x, &l);

	if (rc)
		return rc;
	if (x->q.gen != l->gen || l->id == STATE_NIL)
		return bad(x, &x->h->cnt->req_bad_gen, -ESTALE);
	if (!ob_option_good(x->q.option, x->q.off))
		return bad(x, &x->h->cnt->req_bad_value, -EINVAL);
	return answer(x, tcp_listener_setopt(x->h->tcp, l->id, x->q.option, x->q.off));
}

static int do_setopt(struct call *x)
{
	uint32_t id;
	int rc;

	if (x->q.flags & OB_RQ_LISTENER)
		return do_setopt_listener(x);
	rc = conn_find(x, &id);
	if (rc)
		return rc;
	if (!ob_option_good(x->q.option, x->q.off))
		return bad(x, &x->h->cnt->req_bad_value, -EINVAL);
	return answer(x, tcp_setopt(x->h->tcp, id, x->q.option, x->q.off));
}

static int (*const handlers[OB_RQ_N])(struct call *x) = {
	[OB_RQ_NOP] = do_nop,
	[OB_RQ_LISTEN] = do_listen,
	[OB_RQ_UNLISTEN] = do_unlisten,
	[OB_RQ_CONNECT] = do_connect,
	[OB_RQ_SEND] = do_send,
	[OB_RQ_CONSUMED] = do_consumed,
	[OB_RQ_SHUTDOWN] = do_shutdown,
	[OB_RQ_CLOSE] = do_close,
	[OB_RQ_ABORT] = request_abort,
	[OB_RQ_RELEASE] = do_release,
	[OB_RQ_SETOPT] = do_setopt,
};

// Tells the host that a request was not done. There is room for one event.
static void refuse(struct call *x, int error)
{
	enum ob_ev_type type = x->q.op == OB_RQ_LISTEN ? OB_EV_LISTEN
		: x->q.op == OB_RQ_CONNECT	       ? OB_EV_CONNECT
						       : OB_EV_REFUSED;
	struct ob_event *e;

	if (x->bad) {
		*x->bad += 1;
		x->host->bad_requests++;
	}
	if (x->host->ending_us)
		return;
	e = ev_add(x->h, x->c, type, x->q.slot, x->q.gen);
	e->error = error;
	e->req_op = x->q.op;
}

bool request_take(struct call *x)
{
	int rc;

	x->bad = NULL;
	if (x->host->ending_us
		&& (x->q.op == OB_RQ_LISTEN || x->q.op == OB_RQ_CONNECT
			|| x->q.op == OB_RQ_RELEASE))
		return true; // for nobody
	if (x->q.op >= OB_RQ_N)
		rc = bad(x, &x->h->cnt->req_bad_op, -EOPNOTSUPP);
	else
		rc = handlers[x->q.op](x);
	if (rc == -EAGAIN)
		return false;
	if (rc == -EALREADY)
		COUNT(x->h->cnt, req_repeated);
	else if (rc)
		refuse(x, rc);
	return true;
}
