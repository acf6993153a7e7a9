// Requests. The application's calls leave flags on connections; here they become entries of the
// request ring. What finds no room stays flagged, so that nothing is ever lost to a full ring. A call
// that writes its entry itself lets the flags go first (request_next()).
#include <errno.h>

#include "host_lib/lib.h"

bool request_room(struct ob_channel *ch, uint32_t n)
{
	int room = ob_ring_room(&ch->req, n);

	if (room >= 0 && (uint32_t)room < n && ob_ring_publish(&ch->req)) {
		channel_ring_bell(ch);
		room = ob_ring_room(&ch->req, n);
	}
	if (room < 0)
		atomic_store(&ch->host->gone, true); // nothing sensible can come of this engine
	return room >= 0 && (uint32_t)room >= n;
}

bool requests_taken(struct ob_channel *ch)
{
	ob_ring_room(&ch->req, ch->req.mask + 1); // reads the other side's index again
	return ch->req.other == ch->req.mine;
}

struct ob_req *request_add(
	struct ob_channel *ch, enum ob_req_op op, uint32_t slot, uint32_t gen, uint64_t off)
{
	struct ob_req *r = ob_ring_at(&ch->req, 0);

	*r = (struct ob_req){.op = (uint8_t)op, .slot = slot, .gen = gen, .off = off};
	ob_ring_advance(&ch->req, 1);
	ch->stats.requests++;
	return r;
}

// Finds the block that holds the first byte not sent yet, and that byte's place in it.
static struct node *first_unsent(struct ob_channel *ch, const struct conn *c, uint32_t *at)
{
	struct node *n = &ch->nodes[c->tx_tail];
	uint32_t skip;

	if (n->used >= c->tx_unsent) {
		*at = n->used - c->tx_unsent;
		return n;
	}
	n = &ch->nodes[n->next];
	skip = c->tx_unacked - c->tx_unsent + n->done;
	while (skip >= n->used) {
		skip -= n->used;
		n = &ch->nodes[n->next];
	}
	*at = skip;
	return n;
}

// Whether block b begins in memory where a ends.
static bool beside(const struct ob_channel *ch, const struct node *a, const struct node *b)
{
	return arena_offset(&ch->arena, a->block) + arena_size(&ch->arena, a->block)
		== arena_offset(&ch->arena, b->block);
}

// Returns false when the ring is full.
static bool flush_send(struct ob_channel *ch, struct conn *c)
{
	struct node *n;
	struct ob_req *r;
	uint32_t at;

	if (!c->tx_unsent)
		return true;
	n = first_unsent(ch, c, &at);
	for (;; n = &ch->nodes[n->next], at = 0) {
		if (!request_room(ch, 1))
			return false;
		r = request_add(ch, OB_RQ_SEND, conn_slot(ch, c), c->gen, c->tx_off - c->tx_unsent);
		r->send.arena_off = arena_offset(&ch->arena, n->block) + at;
		r->len = n->used - at;
		// Blocks that lie side by side go out as one span.
		while (r->len < c->tx_unsent && beside(ch, n, &ch->nodes[n->next])) {
			n = &ch->nodes[n->next];
			r->len += n->used;
		}
		r->send.consumed = c->rx_off;
		c->rx_untold = 0;
		c->dirty &= (uint8_t)~DIRTY_CONSUMED;
		c->tx_unsent -= r->len;
		if (!c->tx_unsent)
			break;
		r->flags = OB_RQ_MORE;
	}
	if (c->dirty & DIRTY_MORE)
		r->flags |= OB_RQ_MORE;
	if (c->dirty & DIRTY_PUSH)
		r->flags |= OB_RQ_PUSH;
	return true;
}

static bool flush_op(
	struct ob_channel *ch, struct conn *c, uint8_t bit, enum ob_req_op op, uint64_t off)
{
	if (!(c->dirty & bit))
		return true;
	if (!request_room(ch, 1))
		return false;
	request_add(ch, op, conn_slot(ch, c), c->gen, off);
	c->dirty &= (uint8_t)~bit;
	return true;
}

// The last request of a connection: the slot is the engine's, or free, when this is in the ring.
static bool flush_release(struct ob_channel *ch, struct conn *c)
{
	if (!request_room(ch, 1))
		return false;
	if (c->ready_link != LINK_NONE || c->waiting)
		conn_purge(ch);
	dirty_pop(ch);
	request_add(ch, OB_RQ_RELEASE, conn_slot(ch, c), c->gen, 0);
	conn_free_slot(ch, c);
	return true;
}

// Writes what one connection, the first of the list, asks for, and takes it off.
static bool flush_conn(struct ob_channel *ch, struct conn *c)
{
	if (c->dirty & DIRTY_RELEASE)
		return flush_release(ch, c);
	if (c->dirty & DIRTY_ABORT) {
		if (!flush_op(ch, c, DIRTY_ABORT, OB_RQ_ABORT, 0))
			return false;
	} else {
		if (c->dirty & DIRTY_SEND && !flush_send(ch, c))
			return false;
		c->dirty &= (uint8_t)~DIRTY_SEND;
		if (c->dirty & DIRTY_CONSUMED) {
			if (!flush_op(ch, c, DIRTY_CONSUMED, OB_RQ_CONSUMED, c->rx_off))
				return false;
			c->rx_untold = 0;
		}
		if (!flush_op(ch, c, DIRTY_SHUTDOWN, OB_RQ_SHUTDOWN, c->tx_off)
			|| !flush_op(ch, c, DIRTY_CLOSE, OB_RQ_CLOSE, c->tx_off))
			return false;
	}
	c->dirty = 0;
	dirty_pop(ch);
	return true;
}

// Writes what was asked for so far. Returns whether all of it found room.
static bool write_all(struct ob_channel *ch)
{
	struct conn *c;

	if (ch->listeners_unlisten && !listeners_flush(ch))
		return false;
	while ((c = dirty_first(ch)) != NULL)
		if (!flush_conn(ch, c))
			return false;
	return true;
}

bool request_next(struct ob_channel *ch, uint32_t n)
{
	return write_all(ch) && request_room(ch, n);
}

int flush(struct ob_channel *ch)
{
	bool all;

	if (channel_gone(ch))
		return -EPIPE;
	all = write_all(ch);
	ch->unflushed_bytes = 0;
	if (ob_ring_publish(&ch->req))
		channel_ring_bell(ch);
	return channel_gone(ch) ? -EPIPE : all ? 0 : -EAGAIN;
}

int ob_flush(struct ob_channel *ch)
{
	return flush(ch);
}
