// Taking requests from the rings of all hosts, once a turn.
#include <rte_prefetch.h>

#include "engine/hostif/requests.h"

#define PREFETCH_AHEAD 16u
#define ABORTS_AHEAD 1024u // entries looked at behind a send that waits

// A send waits for descriptors. Only connections that end may give them back, so that aborts behind
// it are done at once; they are silent repetitions when their turn comes. Each entry is looked at once
// while the same send waits: what was no connection's then is none that holds a descriptor now.
static void aborts_ahead(struct call *x, uint32_t n)
{
	struct call ahead = {.h = x->h, .host = x->host, .c = x->c};
	struct hostif_chan *c = x->c;
	uint32_t i = c->ahead_of == c->req.mine && c->ahead ? c->ahead : 1;

	if (n > ABORTS_AHEAD)
		n = ABORTS_AHEAD;
	if (i < n)
		COUNT_N(x->h->cnt, req_ahead, n - i);
	for (; i < n; i++) {
		memcpy(&ahead.q, ob_ring_at(&c->req, i), sizeof(ahead.q));
		atomic_signal_fence(memory_order_seq_cst);
		if (ahead.q.op == OB_RQ_ABORT)
			request_abort(&ahead);
	}
	c->ahead_of = c->req.mine;
	c->ahead = i;
}

// What requests ahead will touch: the entry of the far one, and, by what the near one says so far, its
// slot and the beginning of its data. What the host writes there it may change meanwhile, so each word is
// read once; a wrong one makes for a useless prefetch, of an address that need not be a pointer.
static void prefetch_ahead(struct hostif_chan *c, uint32_t left)
{
	const struct host_mem *m = c->host->mem;

	if (left > PREFETCH_AHEAD)
		rte_prefetch0(ob_ring_at(&c->req, PREFETCH_AHEAD));
	if (left > PREFETCH_AHEAD / 2) {
		const struct ob_req *q = ob_ring_at(&c->req, PREFETCH_AHEAD / 2);

		uint32_t slot = __atomic_load_n(&q->slot, __ATOMIC_RELAXED);
		uint64_t off = __atomic_load_n(&q->send.arena_off, __ATOMIC_RELAXED);

		if (slot < c->host->n_slots)
			rte_prefetch0(&c->host->slots[slot]);
		if (__atomic_load_n(&q->op, __ATOMIC_RELAXED) == OB_RQ_SEND)
			rte_prefetch0((const void *)((uintptr_t)m->base + off));
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
		prefetch_ahead(c, burst - i);
		memcpy(&x.q, ob_ring_at(&c->req, 0), sizeof(x.q));
		// What was checked is what is used: the copy is not made again.
		atomic_signal_fence(memory_order_seq_cst);
		if (!request_take(&x)) {
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
				rte_prefetch0(&host->chans[k + 1].shm->req.tail);
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
