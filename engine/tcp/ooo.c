#include "engine/tcp/ooo.h"

#include <errno.h>
#include <stdlib.h>

#include "engine/state/chain.h"

#define IDLE_US 1000000u // idle for so long, data goes before that which holds more
#define GIVE_MAX 16u // connections that give back at a time
#define FAR_BUFS 16u // a gap that would take more is not bridged when buffers are few

int ooo_init(struct tcp *t)
{
	uint32_t n = (uint32_t)t->cfg->limits_ooo;

	t->ooo = calloc(n, sizeof(*t->ooo));
	t->ooo_free = malloc(n * sizeof(*t->ooo_free));
	t->ooo_node = calloc(n, sizeof(*t->ooo_node));
	t->ooo_host = malloc(t->cfg->limits_hosts * sizeof(*t->ooo_host));
	if (!t->ooo || !t->ooo_free || !t->ooo_node || !t->ooo_host)
		return -ENOMEM;
	while (t->n_ooo_free < n) {
		t->ooo_free[t->n_ooo_free] = n - 1 - t->n_ooo_free;
		t->n_ooo_free++;
	}
	for (uint64_t i = 0; i < t->cfg->limits_hosts; i++) {
		t->ooo_host[i].n = 0;
		for (unsigned k = 0; k < OOO_CLASSES; k++)
			t->ooo_host[i].lists[k] = (struct ooo_list){STATE_NIL, STATE_NIL};
	}
	return 0;
}

void ooo_fini(struct tcp *t)
{
	free(t->ooo);
	free(t->ooo_free);
	free(t->ooo_node);
	free(t->ooo_host);
}

static struct ooo_list *list_of(const struct tcp *t, const struct ooo_node *n)
{
	return &t->ooo_host[n->host].lists[n->class];
}

static void node_unlink(struct tcp *t, uint32_t i)
{
	const struct ooo_node *n = &t->ooo_node[i];
	struct ooo_list *l = list_of(t, n);

	if (n->prev != STATE_NIL)
		t->ooo_node[n->prev].next = n->next;
	else
		l->oldest = n->next;
	if (n->next != STATE_NIL)
		t->ooo_node[n->next].prev = n->prev;
	else
		l->newest = n->prev;
}

// At the end; or at the beginning, when it only comes from another class and is older than all here.
static void node_link(struct tcp *t, uint32_t i)
{
	struct ooo_node *n = &t->ooo_node[i];
	struct ooo_list *l = list_of(t, n);
	bool late = l->oldest != STATE_NIL && n->at_us < t->ooo_node[l->oldest].at_us;

	n->prev = late ? STATE_NIL : l->newest;
	n->next = late ? l->oldest : STATE_NIL;
	if (n->prev != STATE_NIL)
		t->ooo_node[n->prev].next = i;
	else
		l->oldest = i;
	if (n->next != STATE_NIL)
		t->ooo_node[n->next].prev = i;
	else
		l->newest = i;
}

// How many buffers come free with the data of a chain that ends at `end`: those that begin at or past
// rcv_nxt, and the one that holds rcv_nxt when all before it is consumed.
static uint32_t held(const struct tcp *t, const struct tcp_soft *s, uint64_t end)
{
	uint32_t buf = t->mem[tcp_rec(t, s->conn)->host].l.rx_buf_bytes;
	uint64_t nxt = rcv_data_end(s->rcv_nxt);

	if (end <= nxt)
		return 0;
	return (uint32_t)((end - nxt + (s->rcv_consumed == nxt ? buf - 1 : 0)) / buf);
}

static uint8_t class_of(uint32_t bufs)
{
	uint32_t class = bufs ? 32u - (uint32_t)__builtin_clz(bufs) : 0;

	return (uint8_t)(class < OOO_CLASSES ? class : OOO_CLASSES - 1);
}

void ooo_file(struct tcp *t, const struct tcp_soft *s, bool heard)
{
	struct ooo_node *n = &t->ooo_node[s->ooo];
	uint32_t tail = s->rcv_tail;
	uint64_t end = chain_rx_end(t->st, tcp_rec(t, s->conn), &tail, s->rcv_nxt);
	uint8_t class = class_of(held(t, s, end));

	if (!heard && class == n->class)
		return;
	node_unlink(t, s->ooo);
	n->class = class;
	if (heard)
		n->at_us = t->now_us;
	node_link(t, s->ooo);
}

void ooo_put(struct tcp *t, struct tcp_soft *s)
{
	if (s->ooo == STATE_NIL)
		return;
	node_unlink(t, s->ooo);
	t->ooo_host[t->ooo_node[s->ooo].host].n--;
	t->ooo_free[t->n_ooo_free++] = s->ooo;
	s->ooo = STATE_NIL;
}

// Only what was never acknowledged goes: recovery would cut the same (docs/hard-state.md, rule 2), so
// that an engine may die at any point of it.
void ooo_forget(struct tcp *t, struct tcp_soft *s)
{
	struct rec *r = tcp_rec(t, s->conn);
	struct host_mem *m = &t->mem[r->host];
	uint64_t nxt = rcv_data_end(s->rcv_nxt);

	if (s->ooo == STATE_NIL)
		return;
	ooo_put(t, s);
	sack_forget(t, s, nxt);
	if (s->rcv_tail == STATE_NIL || t->st->pieces[s->rcv_tail].start >= nxt)
		chain_rx_trim(t->st, m, r, &s->rcv_tail, s->rcv_nxt);
	if (s->rcv_consumed == nxt)
		chain_rx_release(t->st, m, r, &s->rcv_tail, nxt, nxt);
}

void ooo_settle(struct tcp *t, struct tcp_soft *s)
{
	const struct tcp_ooo *o = &t->ooo[s->ooo];

	if ((s->rcv_nxt & STATE_FIN) || (o->n == 0 && o->fin == 0))
		ooo_forget(t, s);
	else
		ooo_file(t, s, true);
}

// The host's longest idle table gives way.
static bool evict(struct tcp *t, const struct ooo_host *h)
{
	uint32_t oldest = STATE_NIL;

	for (unsigned k = 0; k < OOO_CLASSES; k++) {
		uint32_t i = h->lists[k].oldest;

		if (i != STATE_NIL
			&& (oldest == STATE_NIL
				|| t->ooo_node[i].at_us < t->ooo_node[oldest].at_us))
			oldest = i;
	}
	if (oldest == STATE_NIL)
		return false;
	COUNT(t->cnt, tcp_ooo_evicted);
	ooo_forget(t, tcp_soft_held(t, t->ooo_node[oldest].conn));
	return true;
}

struct tcp_ooo *ooo_get(struct tcp *t, struct tcp_soft *s)
{
	uint16_t host = tcp_rec(t, s->conn)->host;
	struct ooo_host *h = &t->ooo_host[host];

	if (s->ooo != STATE_NIL)
		return &t->ooo[s->ooo];
	if (!share_of(t, h->n, t->n_ooo_free) && !evict(t, h))
		return NULL;
	h->n++;
	s->ooo = t->ooo_free[--t->n_ooo_free];
	memset(&t->ooo[s->ooo], 0, sizeof(t->ooo[0]));
	t->ooo_node[s->ooo] = (struct ooo_node){.at_us = t->now_us, .conn = s->conn, .host = host};
	node_link(t, s->ooo);
	return &t->ooo[s->ooo];
}

// Whose data goes next: what has been idle for long, else of those that hold the most what has been
// idle longest, if it holds as much as class `least`. Never `self`.
static uint32_t victim(const struct tcp *t, const struct ooo_host *h, uint32_t self, unsigned least)
{
	uint32_t oldest = STATE_NIL, most = STATE_NIL;

	for (unsigned k = 1; k < OOO_CLASSES; k++) {
		uint32_t i = h->lists[k].oldest;

		if (i != STATE_NIL && i == self)
			i = t->ooo_node[i].next;
		if (i == STATE_NIL)
			continue;
		if (oldest == STATE_NIL || t->ooo_node[i].at_us < t->ooo_node[oldest].at_us)
			oldest = i;
		if (k >= least)
			most = i;
	}
	if (oldest != STATE_NIL && t->now_us - t->ooo_node[oldest].at_us >= IDLE_US)
		return oldest;
	return most;
}

// Until the host could take `want` buffers. Returns how many connections gave back.
static unsigned reclaim(struct tcp *t, uint16_t host, uint32_t self, uint64_t want, unsigned least)
{
	unsigned n;

	for (n = 0; n < GIVE_MAX && chain_rx_room(t->st, &t->mem[host]) < want; n++) {
		uint32_t i = victim(t, &t->ooo_host[host], self, least);

		if (i == STATE_NIL)
			break;
		COUNT(t->cnt, tcp_ooo_reclaimed);
		ooo_forget(t, tcp_soft_held(t, t->ooo_node[i].conn));
	}
	return n;
}

bool ooo_room(struct tcp *t, struct tcp_soft *s, uint64_t start, uint64_t end)
{
	struct rec *r = tcp_rec(t, s->conn);
	const struct host_mem *m = &t->mem[r->host];
	uint64_t have = chain_rx_end(t->st, r, &s->rcv_tail, s->rcv_nxt);
	uint64_t buf = m->l.rx_buf_bytes, want;

	if (end <= have)
		return true;
	want = (end - have + buf - 1) / buf + ooo_spare(m);
	if (chain_rx_room(t->st, m) >= want)
		return true;
	if (start > have + FAR_BUFS * buf)
		return false;
	reclaim(t, r->host, s->ooo, want, class_of(held(t, s, end)));
	return chain_rx_room(t->st, m) >= want;
}

bool ooo_yield(struct tcp *t, struct tcp_soft *s, uint64_t end)
{
	struct rec *r = tcp_rec(t, s->conn);
	uint64_t have = chain_rx_end(t->st, r, &s->rcv_tail, s->rcv_nxt);
	uint32_t buf = t->mem[r->host].l.rx_buf_bytes;

	return end > have && reclaim(t, r->host, s->ooo, (end - have + buf - 1) / buf, 1) > 0;
}

void ooo_refill(struct tcp *t, uint16_t host)
{
	if (t->ooo_host[host].n)
		reclaim(t, host, STATE_NIL, ooo_spare(&t->mem[host]), 1);
}
