// In the place of a host: slots, receive buffers and memory to send from, requests by a call.
#include <errno.h>
#include <rte_malloc.h>
#include <stdlib.h>

#include "tools/bench/system/peer.h"

#define RX_BYTES (32u << 20)
#define RX_BUF 4096u
#define SNDBUF (1u << 20) // what a connection may have unacknowledged

// --- TCP says ------------------------------------------------------------------------------------

static uint32_t op_place(
	void *ctx, struct tcp_soft *s, uint64_t off, const uint8_t *data, uint32_t len)
{
	struct peer *p = ctx;

	return place_rx(&p->place, s, off, data, len);
}

// Nobody listens here.
static int op_slot_get(
	void *ctx, uint16_t host, uint8_t chan, uint32_t conn, uint32_t *slot, uint32_t *gen)
{
	(void)ctx;
	(void)host;
	(void)chan;
	(void)conn;
	(void)slot;
	(void)gen;
	return -ENOSPC;
}

static void op_slot_set(void *ctx, uint16_t host, uint32_t slot, uint32_t gen, uint32_t conn)
{
	struct peer *p = ctx;
	struct ob_slot_word *w = ob_seg_slot(p->mem->base, &p->mem->l, slot);

	(void)host;
	if (p->conns[slot].gen != gen)
		return;
	p->conns[slot].id = conn;
	atomic_store_explicit(&w->consumed, 0, memory_order_relaxed);
	atomic_store_explicit(&w->taken_gen, gen, memory_order_relaxed);
}

static void op_notify(void *ctx, struct tcp_soft *s, unsigned bits)
{
	struct peer *p = ctx;
	uint32_t slot = tcp_rec(&p->tcp, s->conn)->slot;
	struct peer_conn *c = &p->conns[slot];

	c->bits |= (uint8_t)bits;
	if (c->listed)
		return;
	c->listed = true;
	p->news[p->n_news++] = slot;
}

static void op_connect_failed(
	void *ctx, uint16_t host, uint8_t chan, uint32_t slot, uint32_t gen, int error)
{
	struct peer *p = ctx;

	(void)host;
	(void)chan;
	if (p->conns[slot].gen != gen)
		return;
	p->conns[slot].id = TCP_NONE;
	if (p->loaded)
		load_closed(&p->load, slot, error);
}

static void op_freed(void *ctx, const struct rec *r)
{
	(void)ctx;
	(void)r;
}

// --- the load asks ---------------------------------------------------------------------------------

static int ask_connect(void *ctx, uint32_t i)
{
	struct peer *p = ctx;
	struct peer_conn *c = &p->conns[i];
	struct tcp_open o
		= {.raddr = p->to, .rport = p->to_port, .slot = i, .slot_gen = c->gen + 1};
	uint32_t id;
	int rc;

	if (c->id != TCP_NONE)
		return -EAGAIN;
	rc = tcp_connect(&p->tcp, &o, &id);
	if (rc)
		return rc == -EADDRNOTAVAIL || rc == -ENFILE ? -EAGAIN : rc;
	*c = (struct peer_conn){.id = id, .gen = o.slot_gen, .listed = c->listed, .bits = c->bits};
	return 0;
}

static uint64_t ask_acked(void *ctx, uint32_t i)
{
	struct peer *p = ctx;

	return chain_data_end(HARD_GET(tcp_rec(&p->tcp, p->conns[i].id)->snd_una));
}

static size_t ask_send(void *ctx, uint32_t i, const uint8_t *data, size_t len)
{
	struct peer *p = ctx;
	struct peer_conn *c = &p->conns[i];
	uint64_t room = SNDBUF - (c->wr - ask_acked(p, i));
	uint32_t part = (uint32_t)(len < room ? len : room);

	c->blocked = part < len;
	if (part == 0)
		return 0;
	if (tcp_send(&p->tcp, c->id, c->wr, (uint64_t)(data - p->mem->base), part, 0)) {
		c->blocked = true;
		return 0;
	}
	c->wr += part;
	return part;
}

static void ask_close(void *ctx, uint32_t i)
{
	struct peer *p = ctx;

	tcp_close(&p->tcp, p->conns[i].id, p->conns[i].wr);
}

const struct load_ops peer_load_ops = {ask_connect, ask_send, ask_close, ask_acked};

// --- the load is told --------------------------------------------------------------------------------

// Consumed before it is handed over: a close in answer to it must not find it unread. What lies there
// stays until the next burst is placed.
static void tell_data(struct peer *p, uint32_t i)
{
	struct peer_conn *c = &p->conns[i];
	struct tcp_soft *s = tcp_soft(&p->tcp, c->id);
	uint64_t nxt = HARD_GET(tcp_rec(&p->tcp, c->id)->rcv_nxt), end = chain_data_end(nxt);

	while (s && c->rd < end) {
		ob_span spans[8];
		uint32_t n = place_spans(&p->place, s, c->rd, end, spans, 8, &c->rd);

		if (n == 0)
			break;
		atomic_store_explicit(&ob_seg_slot(p->mem->base, &p->mem->l, i)->consumed, c->rd,
			memory_order_release);
		tcp_consumed(&p->tcp, c->id, c->rd);
		for (uint32_t k = 0; k < n && p->loaded; k++)
			load_received(&p->load, i, p->mem->base + ob_span_off(spans[k]),
				ob_span_len(spans[k]));
	}
	if ((nxt & STATE_FIN) && p->loaded && p->load.conns[i].state == LOAD_OPEN)
		load_fail(&p->load, EPIPE, "the server closed a connection");
}

static void tell_closed(struct peer *p, uint32_t i)
{
	struct peer_conn *c = &p->conns[i];
	uint64_t life = HARD_GET(tcp_rec(&p->tcp, c->id)->life);

	if (REC_LIFE_PHASE(life) != REC_DONE)
		return;
	tcp_release(&p->tcp, c->id);
	c->id = TCP_NONE;
	if (p->loaded)
		load_closed(&p->load, i, -(int)REC_LIFE_ERROR(life));
}

static void tell(struct peer *p, uint32_t i)
{
	struct peer_conn *c = &p->conns[i];
	unsigned bits = c->bits;

	c->bits = 0;
	c->listed = false;
	if (c->id == TCP_NONE || tcp_id_is_half(&p->tcp, c->id))
		return;
	if ((bits & TCP_EV_CONNECT) && p->loaded)
		load_connected(&p->load, i);
	if (bits & (TCP_EV_DATA | TCP_EV_CLOSED))
		tell_data(p, i);
	if ((bits & TCP_EV_SENT) && c->blocked && p->loaded)
		load_writable(&p->load, i);
	if (bits & TCP_EV_CLOSED)
		tell_closed(p, i);
}

void peer_news(struct peer *p)
{
	uint32_t *list = p->news, n = p->n_news;

	p->news = p->news_taken;
	p->news_taken = list;
	p->n_news = 0;
	for (uint32_t k = 0; k < n; k++)
		tell(p, list[k]);
}

bool peer_drop_all(struct peer *p)
{
	bool none = true;

	for (uint32_t i = 0; i < PEER_CONNS; i++) {
		if (p->conns[i].id == TCP_NONE)
			continue;
		tcp_abort(&p->tcp, p->conns[i].id); // what is over already is not harmed
		none = false;
	}
	return none;
}

// --- memory --------------------------------------------------------------------------------------------

int peer_host_open(struct peer *p)
{
	uint64_t own = PEER_CONNS * LOAD_MSG_BYTES + LOAD_BLOCK_BYTES;
	struct host_mem *m;

	p->mem = calloc(p->cfg.limits_hosts, sizeof(*p->mem));
	p->conns = calloc(PEER_CONNS, sizeof(*p->conns));
	p->news = calloc(PEER_CONNS, sizeof(*p->news));
	p->news_taken = calloc(PEER_CONNS, sizeof(*p->news_taken));
	if (!p->mem || !p->conns || !p->news || !p->news_taken)
		return -ENOMEM;
	for (uint32_t i = 0; i < PEER_CONNS; i++)
		p->conns[i].id = TCP_NONE;
	m = p->mem;
	m->l = (struct ob_seg_layout){.arena_bytes = own,
		.rx_bytes = RX_BYTES,
		.rx_buf_bytes = RX_BUF,
		.n_channels = 1,
		.req_order = OB_MIN_RING_ORDER,
		.ev_order = OB_MIN_RING_ORDER,
		.n_slots_connect = PEER_CONNS};
	if (ob_seg_layout_make(&m->l, 4096))
		return -EINVAL;
	m->base = rte_zmalloc("peer", m->l.seg_bytes, 4096);
	m->n_bufs = m->n_free = (uint32_t)(m->l.rx_bytes / RX_BUF);
	m->low_mark = m->n_bufs / 16;
	m->free = calloc(m->n_bufs, sizeof(*m->free));
	m->gen = calloc(m->n_bufs, sizeof(*m->gen));
	if (!m->base || !m->free || !m->gen)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->n_bufs; i++)
		m->free[i] = m->n_bufs - 1 - i;
	p->msgs_off = m->l.rx_off + m->l.rx_bytes;
	p->block_off = p->msgs_off + PEER_CONNS * LOAD_MSG_BYTES;
	p->place = (struct place){&p->st, p->mem};
	p->tcp_ops = (struct tcp_ops){.ctx = p,
		.place = op_place,
		.slot_get = op_slot_get,
		.slot_set = op_slot_set,
		.notify = op_notify,
		.connect_failed = op_connect_failed,
		.freed = op_freed};
	return 0;
}

void peer_host_close(struct peer *p)
{
	if (p->mem) {
		rte_free(p->mem->base);
		free(p->mem->free);
		free(p->mem->gen);
	}
	free(p->mem);
	free(p->conns);
	free(p->news);
	free(p->news_taken);
}
