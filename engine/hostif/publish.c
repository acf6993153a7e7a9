// Events. What a host is told follows from the committed record; a full ring loses nothing, since
// the connection stays on its channel's list until all of it was said.
#include <errno.h>
#include <sys/socket.h>

#include "engine/hostif/internal.h"

#define EV_AHEAD 4u

void chan_dirty(struct hostif *h, struct hostif_chan *c)
{
	if (c->is_dirty)
		return;
	c->is_dirty = true;
	c->next_dirty = h->dirty;
	h->dirty = c;
}

void news_add(void *ctx, struct tcp_soft *s, unsigned bits)
{
	struct hostif *h = ctx;
	const struct rec *r = tcp_rec(h->tcp, s->conn);
	struct hostif_host *host = r->host < h->n_hosts ? h->hosts[r->host] : NULL;
	uint32_t me = (uint32_t)(s - h->tcp->soft);
	struct hostif_chan *c;

	if (!host || !host_up(host) || r->chan >= host->n_chans)
		return;
	s->notify |= (uint16_t)bits;
	if (s->flags & SOFT_NOTIFY)
		return;
	c = &host->chans[r->chan];
	s->flags |= SOFT_NOTIFY;
	s->notify_next = STATE_NIL;
	if (c->news_head == STATE_NIL)
		c->news_head = me;
	else
		h->tcp->soft[c->news_tail].notify_next = me;
	c->news_tail = me;
	c->news_in++;
	chan_dirty(h, c);
}

static void news_pop(struct hostif *h, struct hostif_chan *c)
{
	struct tcp_soft *s = &h->tcp->soft[c->news_head];

	c->news_head = s->notify_next;
	c->news_out++;
	s->notify_next = STATE_NIL;
	s->notify = 0;
	s->flags &= ~SOFT_NOTIFY;
}

bool news_drop(struct hostif *h, struct hostif_chan *c, uint32_t max)
{
	for (; c->news_head != STATE_NIL && max; max--)
		news_pop(h, c);
	return c->news_head == STATE_NIL;
}

uint32_t ev_room(struct hostif *h, struct hostif_chan *c, uint32_t want)
{
	int room = ob_ring_room(&c->ev, want);

	if (room < 0) {
		host_kill(h, c->host, &h->cnt->host_protocol);
		return 0;
	}
	return (uint32_t)room < want ? 0 : (uint32_t)room;
}

struct ob_event *ev_add(
	struct hostif *h, struct hostif_chan *c, enum ob_ev_type type, uint32_t slot, uint32_t gen)
{
	struct ob_event *e = ob_ring_at(&c->ev, 0);

	// The host read it last: its line comes over before it is written.
	__builtin_prefetch(ob_ring_at(&c->ev, EV_AHEAD), 1);
	*e = (struct ob_event){.type = (uint8_t)type, .slot = slot, .gen = gen};
	ob_ring_advance(&c->ev, 1);
	chan_dirty(h, c);
	return e;
}

// The listener that a record names. NULL: none, if it was damaged; or a later one of the same entry: then
// the host was told before, and this comes from soft state that was rebuilt.
static const struct listener *listener_of(const struct hostif *h, const struct rec *r)
{
	const struct listener *l;

	if (r->listener >= h->st->hdr->n_listeners)
		return NULL;
	l = &h->st->listeners[r->listener];
	return REC_LIFE_PHASE(HARD_GET(l->life)) != REC_FREE && l->host == r->host
			&& l->chan == r->chan
		? l
		: NULL;
}

static void tell_listener(struct ob_event *e, const struct listener *l)
{
	if (l)
		e->conn.chan_listener = (uint8_t)l->number;
	else
		e->flags = OB_EV_NO_LISTENER;
}

static bool tell_open(
	struct hostif *h, struct hostif_chan *c, struct tcp_soft *s, const struct rec *r)
{
	bool accept = s->notify & TCP_EV_ACCEPT;
	struct ob_event *e;

	if (!ev_room(h, c, 1))
		return false;
	e = ev_add(h, c, accept ? OB_EV_ACCEPT : OB_EV_CONNECT, r->slot, r->slot_gen);
	e->conn.laddr = r->laddr;
	e->conn.raddr = r->raddr;
	e->conn.lport = r->lport;
	e->conn.rport = r->rport;
	e->conn.mss = r->mss;
	e->conn.opts = r->opts & (uint8_t)~REC_NO_ECT;
	e->conn.when_us = h->tcp->now_us;
	if (accept)
		tell_listener(e, listener_of(h, r));
	s->notify &= (uint16_t) ~(TCP_EV_ACCEPT | TCP_EV_CONNECT);
	return true;
}

// Our data that is acknowledged, without the FIN.
static uint64_t sent_of(const struct rec *r)
{
	uint64_t una = HARD_GET(r->snd_una), end = chain_data_end(HARD_GET(r->snd_wr));

	return una < end ? una : end;
}

static bool tell_data(
	struct hostif *h, struct hostif_chan *c, struct tcp_soft *s, const struct rec *r)
{
	uint64_t nxt = HARD_GET(r->rcv_nxt), end = chain_data_end(nxt), reached;

	// A rebuilt connection begins with the host's word; requests may have gone past it since. What
	// was read is not said again: its buffers are others' by now.
	if (chain_data_end(s->rcv_reported) < s->rcv_consumed)
		s->rcv_reported = s->rcv_consumed;
	while (s->rcv_reported != nxt) {
		uint64_t from = chain_data_end(s->rcv_reported);
		struct ob_event *e;
		uint32_t n;

		if (!ev_room(h, c, 1))
			return false;
		e = ev_add(h, c, OB_EV_DATA, r->slot, r->slot_gen);
		e->data.off = from;
		e->data.sent = s->sent_reported = sent_of(r);
		n = place_spans(&h->place, s, from, end, e->data.spans, OB_EV_SPANS, &reached);
		e->n = (uint8_t)n;
		s->rcv_reported = reached;
		if (reached < end && n)
			continue;
		s->rcv_reported = nxt;
		e->flags = (nxt & STATE_FIN ? OB_EV_FIN : 0)
			| (s->flags & SOFT_PUSH_RCVD ? OB_EV_PUSH : 0);
		s->flags &= ~SOFT_PUSH_RCVD;
	}
	s->notify &= (uint16_t)~TCP_EV_DATA;
	return true;
}

// An event of this channel and turn that says SENT and may have room. How many it holds is counted
// here: the event itself lies in memory that the host writes to.
struct open_sent {
	struct ob_event *e; // NULL: none
	uint8_t n;
};

static bool tell_sent(struct hostif *h, struct hostif_chan *c, struct tcp_soft *s,
	const struct rec *r, struct open_sent *open)
{
	uint64_t sent = sent_of(r);

	if (sent > s->sent_reported) {
		if (!open->e || open->n == OB_EV_SENT_MAX) {
			if (!ev_room(h, c, 1))
				return false;
			*open = (struct open_sent){.e = ev_add(h, c, OB_EV_SENT, 0, 0)};
		}
		open->e->sent[open->n++] = (struct ob_ev_sent){r->slot, r->slot_gen, sent};
		open->e->n = open->n;
		s->sent_reported = sent;
	}
	s->notify &= (uint16_t)~TCP_EV_SENT;
	return true;
}

static bool tell_closed(
	struct hostif *h, struct hostif_chan *c, struct tcp_soft *s, const struct rec *r)
{
	uint64_t life = HARD_GET(r->life);
	struct ob_event *e;

	if (REC_LIFE_PHASE(life) == REC_DONE) {
		if (!ev_room(h, c, 1))
			return false;
		e = ev_add(h, c, OB_EV_CLOSED, r->slot, r->slot_gen);
		e->error = -(int32_t)REC_LIFE_ERROR(life);
		e->closed.sent = sent_of(r);
		e->closed.received = chain_data_end(HARD_GET(r->rcv_nxt));
	}
	s->notify &= (uint16_t)~TCP_EV_CLOSED;
	return true;
}

// Everything that the host has not been told of a connection. Returns false when the ring is full.
static bool tell(
	struct hostif *h, struct hostif_chan *c, struct tcp_soft *s, struct open_sent *open)
{
	const struct rec *r = tcp_rec(h->tcp, s->conn);

	if (s->notify & (TCP_EV_ACCEPT | TCP_EV_CONNECT)) {
		if (!tell_open(h, c, s, r))
			return false;
		open->e = NULL; // what follows of this connection comes behind
	}
	if ((s->notify & (TCP_EV_DATA | TCP_EV_CLOSED)) && !tell_data(h, c, s, r))
		return false;
	if ((s->notify & TCP_EV_SENT) && !tell_sent(h, c, s, r, open))
		return false;
	return !(s->notify & TCP_EV_CLOSED) || tell_closed(h, c, s, r);
}

static bool tell_failed(struct hostif *h, struct hostif_chan *c)
{
	uint32_t slot;
	int error;

	while (slot_failed_peek(c, &slot, &error)) {
		struct ob_event *e;

		if (!ev_room(h, c, 1))
			return false;
		e = ev_add(h, c, OB_EV_CONNECT, slot, c->host->slots[slot].gen);
		e->error = error;
		slot_failed_pop(c);
	}
	return true;
}

static bool tell_all(struct hostif *h, struct hostif_chan *c)
{
	struct open_sent open = {0};

	if (!tell_failed(h, c))
		return false;
	while (c->news_head != STATE_NIL) {
		struct tcp_soft *s = &h->tcp->soft[c->news_head];

		if (s->notify_next != STATE_NIL)
			__builtin_prefetch(&h->tcp->soft[s->notify_next].notify);
		if (!tell(h, c, s, &open))
			return false;
		news_pop(h, c);
	}
	return true;
}

void hostif_publish(struct hostif *h)
{
	struct hostif_chan *c = h->dirty, *next;

	h->dirty = NULL;
	for (; c; c = next) {
		uint32_t n;

		next = c->next_dirty;
		c->is_dirty = true; // while its events are added
		if (!host_up(c->host)) {
			c->is_dirty = false;
			continue;
		}
		bool all = tell_all(h, c);

		c->is_dirty = false;
		n = c->ev.mine - c->ev.published;
		if (n) {
			HARD_SET(c->hard->ev_tail, c->ev.mine);
			ob_ring_publish(&c->ev);
			c->host->events += n;
			COUNT_N(h->cnt, ev_published, n);
			c->next_bell = h->bells;
			h->bells = c;
		}
		if (!all && host_up(c->host)) {
			COUNT(h->cnt, ev_put_off);
			chan_dirty(h, c);
		}
	}
}

static void ring_bell(struct hostif *h, struct hostif_chan *c)
{
	// Pairs with the host's store of its head before it sleeps again.
	uint32_t sleeping = atomic_load_explicit(&c->shm->host_sleeping, memory_order_acquire);
	uint32_t head = atomic_load_explicit(&c->shm->ev.head, memory_order_acquire);

	// One that has taken all meanwhile needs no doorbell. It must not get one either: it would be
	// woken, find nothing and sleep again with the same head, as if that doorbell still rang.
	if (!sleeping || head == c->ev.mine) {
		c->rang = false;
		return;
	}
	// A host that sleeps has taken all events. One that has taken none since it was last woken
	// has not slept since: that doorbell still rings.
	if (c->rang && head == c->bell_head)
		return;
	c->rang = true;
	c->bell_head = head;
	if (send(c->bell, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1) {
		c->host->bells_tx++;
		COUNT(h->cnt, doorbell_tx);
	} else {
		COUNT(h->cnt, doorbell_limited); // full: there is enough in it to wake the host
	}
}

void hostif_doorbells(struct hostif *h)
{
	struct hostif_chan *c = h->bells;

	if (!c)
		return;
	h->bells = NULL;
	// Tails before flags. Pairs with the host's fence between its flag and its look at the tail.
	atomic_thread_fence(memory_order_seq_cst);
	for (; c; c = c->next_bell)
		if (host_up(c->host))
			ring_bell(h, c);
}
