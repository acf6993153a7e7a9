// Sending and receiving.
#include <errno.h>
#include <limits.h>

#include "host_lib/lib.h"

// Why a connection cannot be used for sending now, or 0.
static int send_refusal(const struct conn *c)
{
	if (c->phase == PHASE_CONNECTING)
		return -ENOTCONN;
	if (c->phase == PHASE_OVER)
		return conn_error(c, -ESHUTDOWN);
	return c->shut ? -ESHUTDOWN : 0;
}

// What is left in the last block.
static uint32_t tail_room(const struct ob_channel *ch, const struct conn *c)
{
	const struct node *tail = &ch->nodes[c->tx_tail];

	return c->tx_tail ? arena_size(&ch->arena, tail->block) - tail->used : 0;
}

// The block to write to next: the last one while it has room, or a new one. share: what of the
// arena the connection may take. Returns its room in bytes, or 0 when there is none.
static uint32_t block_room(struct ob_channel *ch, struct conn *c, size_t want, uint64_t share)
{
	uint32_t room = tail_room(ch, c);
	uint32_t block;
	uint32_t i;

	if (room)
		return room;
	if (!share || node_reserve(ch, 1))
		return 0;
	// A connection with much on its way gets large blocks, however small its writes are.
	if (want < c->tx_unacked)
		want = c->tx_unacked;
	if (want > share)
		want = share;
	room = arena_alloc(
		&ch->arena, want < ARENA_SLAB_BYTES ? (uint32_t)want : ARENA_SLAB_BYTES, &block);
	if (!room)
		return 0;
	if (room < ARENA_SLAB_BYTES && room < c->tx_unacked / TX_BLOCK_PARTS) {
		arena_free(&ch->arena, block); // crumbs: one descriptor for each would be too many
		return 0;
	}
	ch->tx_blocks++;
	i = node_take(ch);
	ch->nodes[i].block = block;
	ch->nodes[i].used = 0;
	ch->nodes[i].next = c->tx_tail ? ch->nodes[c->tx_tail].next : i;
	if (c->tx_tail)
		ch->nodes[c->tx_tail].next = i;
	c->tx_tail = i;
	return room;
}

static size_t copy_in(struct ob_channel *ch, struct conn *c, const uint8_t *data, size_t len)
{
	size_t taken = 0;

	while (taken < len) {
		uint32_t room = block_room(ch, c, len - taken, conn_tx_share(ch, c));
		struct node *tail = &ch->nodes[c->tx_tail];

		if (!room)
			break;
		if (room > len - taken)
			room = (uint32_t)(len - taken);
		memcpy(ch->seg + arena_offset(&ch->arena, tail->block) + tail->used, data + taken,
			room);
		tail->used += room;
		c->tx_off += room;
		c->tx_unacked += room;
		c->tx_unsent += room;
		taken += room;
	}
	return taken;
}

ssize_t ob_send(
	struct ob_channel *ch, ob_conn_t conn, const void *data, size_t len, unsigned int flags)
{
	struct conn *c = conn_get(ch, conn);
	size_t room;
	size_t taken;
	int error;

	if (channel_gone(ch))
		return -EPIPE;
	if (!c)
		return -EBADF;
	error = send_refusal(c);
	if (error || !len)
		return error;
	room = c->tx_unacked < ch->sndbuf_bytes ? ch->sndbuf_bytes - c->tx_unacked : 0;
	if (len > room)
		len = room;
	taken = copy_in(ch, c, data, len);
	if (!taken) {
		c->want_write = 1;
		// What it has on its way comes back as acknowledgements, and they wake it.
		if (!c->tx_unacked)
			conn_wait_arena(ch, c);
		return -EAGAIN;
	}
	c->dirty &= (uint8_t)~DIRTY_MORE;
	conn_dirty(ch, c,
		(uint8_t)(DIRTY_SEND | (flags & OB_SEND_MORE ? DIRTY_MORE : 0u)
			| (flags & OB_SEND_PUSH ? DIRTY_PUSH : 0u)));
	ch->unflushed_bytes += (uint32_t)taken;
	if (ch->unflushed_bytes >= UNFLUSHED_MAX_BYTES)
		flush(ch);
	return (ssize_t)taken;
}

// What there is to read: more than 0, 0 at the end of the stream, or why not.
static int recv_state(const struct ob_channel *ch, const struct conn *c)
{
	if (!c)
		return channel_gone(ch) ? -EPIPE : -EBADF;
	if (c->rx_ready)
		return 1;
	if (c->peer_fin)
		return 0;
	if (channel_gone(ch))
		return -EPIPE;
	if (c->phase == PHASE_CONNECTING)
		return -ENOTCONN;
	return c->phase == PHASE_OVER ? conn_error(c, 0) : -EAGAIN;
}

int ob_peek(struct ob_channel *ch, ob_conn_t conn, struct iovec *iov, int max)
{
	struct conn *c = conn_get(ch, conn);
	int state = recv_state(ch, c);
	uint32_t i;
	int n = 0;

	if (state <= 0)
		return state;
	i = c->rx_tail;
	while (n < max) {
		i = ch->nodes[i].next;
		iov[n].iov_base = ch->seg + ob_span_off(ch->nodes[i].span);
		iov[n++].iov_len = ob_span_len(ch->nodes[i].span);
		if (i == c->rx_tail)
			break;
	}
	return n;
}

void conn_consume(struct ob_channel *ch, struct conn *c, uint32_t len)
{
	c->rx_off += len;
	c->rx_ready -= len;
	c->rx_untold += len;
	while (len) {
		uint32_t i = ch->nodes[c->rx_tail].next;
		struct node *head = &ch->nodes[i];
		uint32_t span = ob_span_len(head->span);

		if (span > len) {
			head->span = ob_span_make(ob_span_off(head->span) + len, span - len);
			break;
		}
		len -= span;
		if (i == c->rx_tail)
			c->rx_tail = 0;
		else
			ch->nodes[c->rx_tail].next = head->next;
		node_put(ch, i);
	}
	// Read only by an engine that takes over.
	atomic_store_explicit(
		&ch->words[conn_slot(ch, c)].consumed, c->rx_off, memory_order_release);
	if (c->phase == PHASE_OPEN && (c->rx_untold >= CONSUMED_STEP_BYTES || !c->rx_ready))
		conn_dirty(ch, c, DIRTY_CONSUMED);
}

int ob_consume(struct ob_channel *ch, ob_conn_t conn, size_t len)
{
	struct conn *c = conn_get(ch, conn);

	if (!c)
		return -EBADF;
	if (len > c->rx_ready)
		return -EINVAL;
	if (len)
		conn_consume(ch, c, (uint32_t)len);
	return 0;
}

ssize_t ob_recv(struct ob_channel *ch, ob_conn_t conn, void *data, size_t len)
{
	struct conn *c = conn_get(ch, conn);
	int state = recv_state(ch, c);
	size_t got = 0;
	uint32_t i;

	if (state <= 0 || !len)
		return state < 0 ? state : 0;
	if (len > c->rx_ready)
		len = c->rx_ready;
	for (i = ch->nodes[c->rx_tail].next; got < len; i = ch->nodes[i].next) {
		ob_span s = ch->nodes[i].span;
		size_t part = ob_span_len(s) < len - got ? ob_span_len(s) : len - got;

		memcpy((uint8_t *)data + got, ch->seg + ob_span_off(s), part);
		got += part;
	}
	conn_consume(ch, c, (uint32_t)len);
	return (ssize_t)len;
}
