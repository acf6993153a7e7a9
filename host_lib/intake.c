// Events: what the engine has published becomes state of connections, and flags for the
// application. Every event carries absolute values, so that one which comes twice changes nothing.
#include <errno.h>

#include "host_lib/lib.h"

#define PREFETCH_AHEAD 4

// The connection of an event, or NULL when it is for an earlier one or for none.
static struct conn *find(struct ob_channel *ch, uint32_t slot, uint32_t gen)
{
	struct conn *c;

	if (slot >= ch->n_slots) {
		ch->stats.events_bad++;
		return NULL;
	}
	c = &ch->conns[slot];
	if (c->gen != gen || c->phase == PHASE_FREE) {
		ch->stats.events_stale++;
		return NULL;
	}
	return c;
}

// A lingering close is told once, when all that was sent is acknowledged or the connection is over.
static void linger_tell(struct ob_channel *ch, struct conn *c)
{
	if (c->app_closed && ch->cold[conn_slot(ch, c)].linger && !(c->ev & EV_BIT(OB_CLOSED)))
		conn_ready(ch, c, EV_BIT(OB_CLOSED));
}

static bool acked(struct ob_channel *ch, struct conn *c, uint64_t off)
{
	bool good = conn_acked(ch, c, off);

	if (c->app_closed && c->tx_unacked == 0)
		linger_tell(ch, c);
	return good;
}

static void conn_over(struct ob_channel *ch, struct conn *c, int error)
{
	bool was_connecting = c->phase == PHASE_CONNECTING;

	if (was_connecting && !error)
		error = -ECONNABORTED;
	c->phase = PHASE_OVER;
	c->err = (uint8_t)(error < 0 && error > -256 ? -error : 0);
	c->dirty = 0;
	c->want_write = 0;
	conn_drop_tx(ch, c);
	linger_tell(ch, c);
	if (c->app_closed && !c->ev)
		conn_dirty(ch, c, DIRTY_RELEASE); // else once that was reported
	else if (!c->app_closed)
		conn_ready(ch, c, EV_BIT(was_connecting ? OB_CONNECTED : OB_CLOSED));
}

static void take_accept(struct ob_channel *ch, const struct ob_event *e)
{
	struct listener *l
		= e->flags & OB_EV_NO_LISTENER ? NULL : listener_get(ch, e->conn.chan_listener);
	struct conn *c = e->slot < ch->n_accept ? &ch->conns[e->slot] : NULL;

	if (!c || e->gen == 0) {
		ch->stats.events_bad++;
		return;
	}
	if ((int32_t)(e->gen - c->gen) <= 0) {
		ch->stats.events_stale++;
		return;
	}
	if (c->phase != PHASE_FREE) {
		ch->stats.events_bad++;
		return;
	}
	conn_begin(ch, c, e->gen, PHASE_OPEN);
	conn_set_cold(ch, c, e);
	// The engine, or the one after it, sees that the host knows this connection.
	atomic_store_explicit(&ch->words[e->slot].taken_gen, e->gen, memory_order_release);
	if (!l || l->state != LISTENER_UP) {
		c->app_closed = 1;
		ch->n_conns--;
		conn_dirty(ch, c, DIRTY_ABORT);
		return;
	}
	ch->cold[e->slot].set = l->set;
	settings_hold(ch, l->set);
	c->user = e->conn.chan_listener;
	conn_ready(ch, c, EV_BIT(OB_ACCEPTED));
}

static void take_connect(struct ob_channel *ch, const struct ob_event *e)
{
	struct conn *c = find(ch, e->slot, e->gen);

	if (!c)
		return;
	if (c->phase != PHASE_CONNECTING) {
		ch->stats.events_stale++;
		return;
	}
	if (e->error) {
		conn_over(ch, c, e->error);
		return;
	}
	c->phase = PHASE_OPEN;
	conn_set_cold(ch, c, e);
	atomic_store_explicit(&ch->words[e->slot].taken_gen, e->gen, memory_order_release);
	if (!c->app_closed)
		conn_ready(ch, c, EV_BIT(OB_CONNECTED));
}

static void add_span(struct ob_channel *ch, struct conn *c, uint64_t off, uint32_t len)
{
	struct node *tail = &ch->nodes[c->rx_tail];
	uint64_t span = tail->span;
	uint32_t i;

	c->rx_ready += len;
	// Appended to the same buffer.
	if (c->rx_tail && ob_span_off(span) + ob_span_len(span) == off
		&& (uint64_t)ob_span_len(span) + len < 1u << 24) {
		tail->span = ob_span_make(ob_span_off(span), ob_span_len(span) + len);
		return;
	}
	i = node_take(ch);
	ch->nodes[i].span = ob_span_make(off, len);
	ch->nodes[i].next = c->rx_tail ? tail->next : i;
	if (c->rx_tail)
		tail->next = i;
	c->rx_tail = i;
}

// Whether the spans of an event can be: inside the receive buffers and with no gap before them.
static bool data_good(
	const struct ob_channel *ch, const struct conn *c, const struct ob_event *e, uint64_t *end)
{
	const struct ob_seg_layout *l = &ch->host->layout;

	*end = e->data.off;
	if (e->n > OB_EV_SPANS || e->data.off > c->rx_off + c->rx_ready)
		return false;
	for (uint32_t i = 0; i < e->n; i++) {
		if (!ob_range_inside(ob_span_off(e->data.spans[i]), ob_span_len(e->data.spans[i]),
			    l->rx_off, l->rx_off + l->rx_bytes))
			return false;
		*end += ob_span_len(e->data.spans[i]);
	}
	return !c->peer_fin || *end <= c->rx_off + c->rx_ready;
}

static int take_data(struct ob_channel *ch, const struct ob_event *e)
{
	struct conn *c = find(ch, e->slot, e->gen);
	uint64_t skip;
	uint64_t end;

	if (!c)
		return 0;
	if (node_reserve(ch, OB_EV_SPANS))
		return -ENOMEM;
	if (c->phase != PHASE_OPEN) {
		ch->stats.events_stale++;
		return 0;
	}
	ch->stats.events_bad += !acked(ch, c, e->data.sent);
	if (c->app_closed)
		return 0;
	if (!data_good(ch, c, e, &end)) {
		ch->stats.events_bad++;
		return 0;
	}
	skip = c->rx_off + c->rx_ready - e->data.off;
	if (end > e->data.off + skip)
		conn_ready(ch, c, EV_BIT(OB_READABLE));
	for (uint32_t i = 0; i < e->n; i++) {
		uint32_t len = ob_span_len(e->data.spans[i]);

		if (skip < len)
			add_span(ch, c, ob_span_off(e->data.spans[i]) + skip, len - (uint32_t)skip);
		skip -= skip < len ? skip : len;
	}
	if (e->flags & OB_EV_FIN && !c->peer_fin && end == c->rx_off + c->rx_ready) {
		c->peer_fin = 1;
		conn_ready(ch, c, EV_BIT(OB_PEER_CLOSED));
	}
	return 0;
}

static void take_sent(struct ob_channel *ch, const struct ob_event *e)
{
	for (uint32_t i = 0; i < e->n && i < OB_EV_SENT_MAX; i++) {
		const struct ob_ev_sent *s = &e->sent[i];
		struct conn *c = find(ch, s->slot, s->gen);

		if (c && !acked(ch, c, s->off))
			ch->stats.events_bad++;
	}
}

static void take_closed(struct ob_channel *ch, const struct ob_event *e)
{
	struct conn *c = e->slot < ch->n_slots ? &ch->conns[e->slot] : NULL;

	// A repetition: the engine has not seen the RELEASE, or is another one.
	if (c && c->phase == PHASE_FREE && c->gen == e->gen && request_room(ch, 1)) {
		request_add(ch, OB_RQ_RELEASE, e->slot, e->gen, 0);
		ch->stats.events_stale++;
		return;
	}
	c = find(ch, e->slot, e->gen);
	if (!c)
		return;
	if (c->phase == PHASE_OVER) {
		ch->stats.events_stale++;
		return;
	}
	conn_acked(ch, c, e->closed.sent);
	conn_over(ch, c, e->error);
}

static void take_refused(struct ob_channel *ch, const struct ob_event *e)
{
	struct conn *c;

	ch->stats.requests_refused++;
	if (e->req_op == OB_RQ_LISTEN) {
		listener_event(ch, e);
		return;
	}
	if (e->req_op != OB_RQ_CONNECT && e->req_op != OB_RQ_SEND)
		return;
	c = find(ch, e->slot, e->gen);
	if (!c)
		return;
	if (c->phase == PHASE_CONNECTING)
		conn_over(ch, c, e->error ? e->error : -ENOBUFS);
	else if (c->phase == PHASE_OPEN && e->req_op == OB_RQ_SEND)
		conn_dirty(ch, c, DIRTY_ABORT); // its stream has a hole now
}

static int take(struct ob_channel *ch, const struct ob_event *e)
{
	switch (e->type) {
	case OB_EV_LISTEN:
		listener_event(ch, e);
		return 0;
	case OB_EV_ACCEPT:
		take_accept(ch, e);
		return 0;
	case OB_EV_CONNECT:
		take_connect(ch, e);
		return 0;
	case OB_EV_DATA:
		return take_data(ch, e);
	case OB_EV_SENT:
		take_sent(ch, e);
		return 0;
	case OB_EV_CLOSED:
		take_closed(ch, e);
		return 0;
	case OB_EV_REFUSED:
		take_refused(ch, e);
		return 0;
	default:
		ch->stats.events_bad += e->type != OB_EV_NONE;
		return 0;
	}
}

int intake(struct ob_channel *ch)
{
	int n = ob_ring_avail(&ch->ev);
	int error = 0;
	int i;

	if (n < 0) {
		atomic_store(&ch->host->gone, true); // its index cannot be true
		return -EPIPE;
	}
	for (i = 0; i < n; i++) {
		struct ob_event *e = ob_ring_at(&ch->ev, 0);

		if (i + PREFETCH_AHEAD < n) {
			const struct ob_event *later = ob_ring_at(&ch->ev, PREFETCH_AHEAD);

			if (later->slot < ch->n_slots)
				__builtin_prefetch(&ch->conns[later->slot], 1);
		}
		error = take(ch, e);
		if (error)
			break;
		ob_ring_advance(&ch->ev, 1);
	}
	ob_ring_release(&ch->ev);
	ch->stats.events += (uint64_t)i;
	// Each time, events or not: those that were woken before may have left room.
	if (ch->waiters_n)
		conn_wake_waiters(ch);
	return error && i == 0 ? error : i;
}
