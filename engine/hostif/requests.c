// Requests. Each entry is copied once, checked, and handed to TCP; what cannot be done is counted
// under one name and reported. Every one can come twice: what was done before is silent.
#include <errno.h>

#include "engine/hostif/internal.h"

#define OFFSET_MAX (1ull << 62)
#define PREFETCH_AHEAD 4u
#define ABORTS_AHEAD 1024u // entries looked at behind a send that waits

// One request on its way.
struct call {
	struct hostif *h;
	struct hostif_host *host;
	struct hostif_chan *c;
	struct ob_req q; // the core's own copy
	uint64_t *bad; // the counter of what is wrong with it, or NULL
};

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
	*id = s->id & SLOT_ID;
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
	rc = tcp_listen(x->h->tcp, &o, &id);
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
	rc = tcp_unlisten(x->h->tcp, l->id);
	if (rc != -EAGAIN)
		l->id = STATE_NIL;
	return rc;
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
		.rport = x->q.addr.rport};
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
	rc = tcp_connect(x->h->tcp, &o, &id);
	if (rc == -EAGAIN)
		return rc;
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

static int do_abort(struct call *x)
{
	uint32_t id;
	int rc = conn_find(x, &id);

	return rc ? rc : answer(x, tcp_abort(x->h->tcp, id));
}

static int do_release(struct call *x)
{
	const struct tcp_soft *s;
	uint32_t conn;
	int rc = rec_find(x, &conn);

	if (rc)
		return rc;
	if (rec_phase(tcp_rec(x->h->tcp, conn)) == REC_LIVE)
		return bad(x, &x->h->cnt->req_bad_state, -EBUSY);
	// It has not been told all yet: its soft state is on a list.
	s = tcp_soft_held(x->h->tcp, conn);
	if (s && (s->flags & SOFT_NOTIFY))
		return -EAGAIN;
	return answer(x, tcp_release(x->h->tcp, conn));
}

static bool option_good(uint16_t option, uint64_t value)
{
	switch (option) {
#define X(name, unit, min, max, def, doc)                                                          \
	case OB_OPT_##name:                                                                        \
		return value + 1 > (uint64_t)(min) && value <= (uint64_t)(max);
		OB_OPTION_LIST(X)
#undef X
	default:
		return false;
	}
}

static int do_setopt_listener(struct call *x)
{
	struct hostif_listener *l;
	int rc = listener_find_req(x, &l);

	if (rc)
		return rc;
	if (x->q.gen != l->gen || l->id == STATE_NIL)
		return bad(x, &x->h->cnt->req_bad_gen, -ESTALE);
	if (!option_good(x->q.option, x->q.off))
		return bad(x, &x->h->cnt->req_bad_value, -EINVAL);
	return answer(x, tcp_listener_setopt(x->h->tcp, l->id, x->q.option, x->q.off));
}

static int do_setopt(struct call *x)
{
	uint32_t id, *slot_id;
	int rc;

	if (x->q.flags & OB_RQ_LISTENER)
		return do_setopt_listener(x);
	rc = conn_find(x, &id);
	if (rc)
		return rc;
	if (!option_good(x->q.option, x->q.off))
		return bad(x, &x->h->cnt->req_bad_value, -EINVAL);
	if (!tcp_id_is_half(x->h->tcp, id))
		return answer(x, tcp_setopt(x->h->tcp, id, x->q.option, x->q.off));
	slot_id = &x->host->slots[x->q.slot].id; // kept until it is established
	if (x->q.off)
		*slot_id |= SLOT_OPT(x->q.option);
	else
		*slot_id &= ~SLOT_OPT(x->q.option);
	return 0;
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
	[OB_RQ_ABORT] = do_abort,
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

// Returns false when the request stays for a later turn.
static bool take(struct call *x)
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

// A send waits for descriptors. Only connections that end may give them back, so that aborts behind
// it are done at once; they are silent repetitions when their turn comes.
static void aborts_ahead(struct call *x, uint32_t n)
{
	struct call ahead = {.h = x->h, .host = x->host, .c = x->c};

	for (uint32_t i = 1; i < n && i < ABORTS_AHEAD; i++) {
		memcpy(&ahead.q, ob_ring_at(&x->c->req, i), sizeof(ahead.q));
		atomic_signal_fence(memory_order_seq_cst);
		if (ahead.q.op == OB_RQ_ABORT)
			do_abort(&ahead);
	}
}

static uint32_t chan_requests(struct hostif *h, struct hostif_chan *c)
{
	struct call x = {.h = h, .host = c->host, .c = c};
	int n = ob_ring_avail(&c->req);
	uint32_t i, burst = (uint32_t)h->cfg->limits_req_burst;

	if (n == 0)
		return 0;
	if (n < 0) {
		host_kill(h, c->host, &h->cnt->host_protocol);
		return 0;
	}
	if ((uint32_t)n < burst)
		burst = (uint32_t)n;
	for (i = 0; i < burst; i++) {
		// Without room for an answer no question is taken.
		if (!c->host->ending_us && !ev_room(h, c, 1))
			break;
		if (i + PREFETCH_AHEAD < burst)
			__builtin_prefetch(ob_ring_at(&c->req, PREFETCH_AHEAD));
		memcpy(&x.q, ob_ring_at(&c->req, 0), sizeof(x.q));
		// What was checked is what is used: the copy is not made again.
		atomic_signal_fence(memory_order_seq_cst);
		if (!take(&x)) {
			if (x.q.op == OB_RQ_SEND)
				aborts_ahead(&x, (uint32_t)n - i);
			break;
		}
		ob_ring_advance(&c->req, 1);
	}
	if (i < burst)
		COUNT(h->cnt, req_put_off);
	c->host->requests += i;
	COUNT_N(h->cnt, req_taken, i);
	return i;
}

// A host whose process is gone goes when all that it asked for is done, or has waited long enough.
static void end_host(struct hostif *h, struct hostif_host *host)
{
	uint64_t no_reason = 0;

	for (uint32_t i = 0; i < host->n_chans && h->tcp->now_us < host->ending_us; i++)
		if (ob_ring_avail(&host->chans[i].req) > 0)
			return;
	host_kill(h, host, &no_reason);
}

uint32_t hostif_requests(struct hostif *h)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < h->n_active; i++) {
		struct hostif_host *host = h->active[i];

		if (atomic_load_explicit(&host->mem->broken, memory_order_relaxed))
			host_kill(h, host, &h->cnt->host_fault);
		for (uint32_t k = 0; k < host->n_chans && host_up(host); k++) {
			if (k + 1 < host->n_chans)
				__builtin_prefetch(&host->chans[k + 1].shm->req.tail);
			n += chan_requests(h, &host->chans[k]);
		}
		if (host->ending_us)
			end_host(h, host);
	}
	// What they did is stored: the hosts may use the entries again.
	for (uint32_t i = 0; n && i < h->n_active; i++) {
		struct hostif_host *host = h->active[i];

		for (uint32_t k = 0; k < host->n_chans; k++) {
			struct hostif_chan *c = &host->chans[k];

			if (c->req.mine == c->req.published)
				continue;
			HARD_SET(c->hard->req_head, c->req.mine);
			ob_ring_release(&c->req);
		}
	}
	return n;
}
