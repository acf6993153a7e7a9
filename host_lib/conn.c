// The state of connections, and the lists they are on. Links live in the connection, so that an
// idle one costs nothing more; a slot leaves every list before it is released.
#include <errno.h>
#include <stdlib.h>

#include "host_lib/lib.h"

// ---- Slots

void conn_begin(struct ob_channel *ch, struct conn *c, uint32_t gen, enum conn_phase phase)
{
	// The links are LINK_NONE: see conn_free_slot().
	*c = (struct conn){.gen = gen, .phase = phase};
	atomic_store_explicit(&ch->words[conn_slot(ch, c)].consumed, 0, memory_order_relaxed);
	ch->owned[conn_slot(ch, c) / 64] |= 1ull << conn_slot(ch, c) % 64;
	ch->n_conns++;
}

void conn_free_slot(struct ob_channel *ch, struct conn *c)
{
	uint32_t slot = conn_slot(ch, c);

	*c = (struct conn){.gen = c->gen, .phase = PHASE_FREE};
	ch->owned[slot / 64] &= ~(1ull << slot % 64);
	settings_drop(ch, &ch->cold[slot].set);
	if (slot < ch->n_accept)
		return;
	ch->free_slots[(ch->free_slots_head + ch->free_slots_n) % ch->n_connect] = slot;
	ch->free_slots_n++;
}

static uint32_t laddr_index(struct ob_channel *ch, const struct ob_addr *a)
{
	uint32_t i = 0;

	while (i < ch->n_laddrs && !ob_addr_eq(&ch->laddrs[i], a))
		i++;
	if (i == ch->n_laddrs && i < LADDR_UNKNOWN)
		ch->laddrs[ch->n_laddrs++] = *a;
	return i;
}

void conn_set_cold(struct ob_channel *ch, struct conn *c, const struct ob_event *e)
{
	struct conn_cold *cold = &ch->cold[conn_slot(ch, c)];

	*cold = (struct conn_cold){
		.raddr = e->conn.raddr,
		.rport = e->conn.rport,
		.lport = e->conn.lport,
		.mss = e->conn.mss,
		.opts = e->conn.opts & 0xfu,
		.laddr = laddr_index(ch, &e->conn.laddr) & LADDR_UNKNOWN,
		.set = cold->set,
	};
}

// ---- The lists of those with events, and of those with requests

static void list_add(struct ob_channel *ch, struct list *l, struct conn *c, bool dirty)
{
	uint32_t at = conn_slot(ch, c) + 2;
	uint32_t *link = dirty ? &c->dirty_link : &c->ready_link;
	struct conn *last;

	if (*link != LINK_NONE)
		return;
	*link = LINK_END;
	if (l->head == LINK_NONE) {
		l->head = at;
	} else {
		last = &ch->conns[l->tail - 2];
		*(dirty ? &last->dirty_link : &last->ready_link) = at;
	}
	l->tail = at;
}

static struct conn *list_pop(struct ob_channel *ch, struct list *l, bool dirty)
{
	struct conn *c;
	uint32_t *link;

	if (l->head == LINK_NONE)
		return NULL;
	c = &ch->conns[l->head - 2];
	link = dirty ? &c->dirty_link : &c->ready_link;
	l->head = *link == LINK_END ? LINK_NONE : *link;
	*link = LINK_NONE;
	return c;
}

void conn_ready(struct ob_channel *ch, struct conn *c, uint8_t bits)
{
	c->ev |= bits;
	list_add(ch, &ch->ready, c, false);
}

void conn_dirty(struct ob_channel *ch, struct conn *c, uint8_t bits)
{
	c->dirty |= bits;
	list_add(ch, &ch->dirty, c, true);
}

struct conn *ready_pop(struct ob_channel *ch)
{
	return list_pop(ch, &ch->ready, false);
}

struct conn *dirty_first(struct ob_channel *ch)
{
	return ch->dirty.head == LINK_NONE ? NULL : &ch->conns[ch->dirty.head - 2];
}

void dirty_pop(struct ob_channel *ch)
{
	list_pop(ch, &ch->dirty, true);
}

void conn_purge(struct ob_channel *ch)
{
	struct list old = ch->ready;
	uint32_t n = ch->waiters_n;
	struct conn *c;

	ch->ready = (struct list){0};
	while ((c = list_pop(ch, &old, false)) != NULL)
		if (c->ev)
			list_add(ch, &ch->ready, c, false);
	ch->waiters_n = 0;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t slot = ch->waiters[(ch->waiters_head + i) % ch->waiters_cap];

		if (ch->conns[slot].app_closed)
			ch->conns[slot].waiting = 0;
		else
			ch->waiters[(ch->waiters_head + ch->waiters_n++) % ch->waiters_cap] = slot;
	}
}

// ---- Waiting for room in the send arena

// The rule of switches whose ports share one buffer: a connection may hold as much as stays free.
// So one alone gets half, and however many do not read, the next one finds some.
uint64_t conn_tx_share(const struct ob_channel *ch, const struct conn *c)
{
	uint64_t n_free = ch->arena.free_bytes;
	uint64_t kept = ch->arena.bytes / TX_KEPT;
	uint64_t held = c->tx_unacked;
	uint64_t share = 0;

	if (ch->max_tx_blocks && c->tx_tail
		&& ch->tx_blocks >= ch->max_tx_blocks - ch->max_tx_blocks / TX_KEPT)
		return 0;
	if (!n_free || (ch->max_tx_blocks && ch->tx_blocks >= ch->max_tx_blocks))
		return 0;
	if (n_free > kept + held)
		share = (n_free - kept - held) / 2;
	if (n_free / TX_SMALL > held && n_free / TX_SMALL - held > share)
		share = n_free / TX_SMALL - held;
	if (share < ARENA_UNIT_BYTES && !c->tx_tail)
		share = ARENA_UNIT_BYTES;
	// Not worth a block.
	return share < ARENA_UNIT_BYTES || share < held / TX_BLOCK_PARTS ? 0 : share;
}

// Whether one that has waited for acknowledgements has room to make a new beginning worth it.
static bool worth_writing(const struct ob_channel *ch, const struct conn *c)
{
	uint64_t share = conn_tx_share(ch, c);

	return c->tx_unacked <= ch->sndbuf_bytes / 2 && share && share >= c->tx_unacked;
}

void conn_wait_arena(struct ob_channel *ch, struct conn *c)
{
	uint32_t *grown;
	uint32_t cap;

	if (c->waiting)
		return;
	if (ch->waiters_n == ch->waiters_cap) {
		cap = ch->waiters_cap ? ch->waiters_cap * 2 : 64;
		grown = malloc(cap * sizeof(*grown));
		if (!grown) {
			conn_ready(ch, c, EV_BIT(OB_WRITABLE)); // tries again instead of waiting
			return;
		}
		for (uint32_t i = 0; i < ch->waiters_n; i++)
			grown[i] = ch->waiters[(ch->waiters_head + i) % ch->waiters_cap];
		free(ch->waiters);
		ch->waiters = grown;
		ch->waiters_cap = cap;
		ch->waiters_head = 0;
	}
	ch->waiters[(ch->waiters_head + ch->waiters_n++) % ch->waiters_cap] = conn_slot(ch, c);
	c->waiting = 1;
}

void conn_wake_waiters(struct ob_channel *ch)
{
	// As many as could fill what is free, in turn; at least one, so that none waits for ever.
	uint64_t n = ch->arena.free_bytes / ARENA_SLAB_BYTES + (ch->arena.free_bytes > 0);

	if (ch->max_tx_blocks && n + ch->tx_blocks > ch->max_tx_blocks)
		n = ch->tx_blocks < ch->max_tx_blocks ? ch->max_tx_blocks - ch->tx_blocks : 0;
	while (ch->waiters_n && n) {
		struct conn *c = &ch->conns[ch->waiters[ch->waiters_head]];

		ch->waiters_head = (ch->waiters_head + 1) % ch->waiters_cap;
		ch->waiters_n--;
		c->waiting = 0;
		if (!c->want_write || c->app_closed || c->phase != PHASE_OPEN)
			continue;
		c->want_write = 0;
		conn_ready(ch, c, EV_BIT(OB_WRITABLE));
		n--;
	}
}

// ---- Nodes: spans of received data and blocks of sent data

int node_reserve(struct ob_channel *ch, uint32_t n)
{
	uint32_t more = ch->n_nodes ? ch->n_nodes : 256;
	struct node *grown;

	if (ch->free_nodes >= n)
		return 0;
	grown = realloc(ch->nodes, ((size_t)ch->n_nodes + more) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	ch->nodes = grown;
	ch->nodes[0] = (struct node){0};
	for (uint32_t i = 0; i < more; i++)
		if (ch->n_nodes + i != 0)
			node_put(ch, ch->n_nodes + i);
	ch->n_nodes += more;
	return 0;
}

uint32_t node_take(struct ob_channel *ch)
{
	uint32_t i = ch->free_node;

	ch->free_node = ch->nodes[i].next;
	ch->free_nodes--;
	ch->nodes[i].done = 0;
	return i;
}

void node_put(struct ob_channel *ch, uint32_t i)
{
	ch->nodes[i].next = ch->free_node;
	ch->free_node = i;
	ch->free_nodes++;
}

void conn_drop_rx(struct ob_channel *ch, struct conn *c)
{
	while (c->rx_tail) {
		uint32_t head = ch->nodes[c->rx_tail].next;

		if (head == c->rx_tail)
			c->rx_tail = 0;
		else
			ch->nodes[c->rx_tail].next = ch->nodes[head].next;
		node_put(ch, head);
	}
	c->rx_ready = 0;
}

static void tx_pop(struct ob_channel *ch, struct conn *c)
{
	uint32_t head = ch->nodes[c->tx_tail].next;

	arena_free(&ch->arena, ch->nodes[head].block);
	ch->tx_blocks--;
	if (head == c->tx_tail)
		c->tx_tail = 0;
	else
		ch->nodes[c->tx_tail].next = ch->nodes[head].next;
	node_put(ch, head);
}

void conn_drop_tx(struct ob_channel *ch, struct conn *c)
{
	while (c->tx_tail)
		tx_pop(ch, c);
	c->tx_unsent = 0;
}

bool conn_acked(struct ob_channel *ch, struct conn *c, uint64_t off)
{
	uint64_t una = c->tx_off - c->tx_unacked;
	uint32_t n;

	if (off <= una)
		return true;
	if (off > c->tx_off - c->tx_unsent)
		return false;
	n = (uint32_t)(off - una);
	c->tx_unacked -= n;
	while (n && c->tx_tail) {
		struct node *head = &ch->nodes[ch->nodes[c->tx_tail].next];
		uint32_t part = head->used - head->done;

		if (part > n) {
			head->done += n;
			break;
		}
		n -= part;
		tx_pop(ch, c);
	}
	if (!c->want_write || c->phase != PHASE_OPEN)
		return true;
	if (worth_writing(ch, c)) {
		c->want_write = 0;
		conn_ready(ch, c, EV_BIT(OB_WRITABLE));
	} else if (!c->tx_unacked) {
		conn_wait_arena(ch, c); // no acknowledgement will wake it any more
	}
	return true;
}
