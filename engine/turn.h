// One turn of the loop, as stages in order. A turn takes what has come in, from the wire and from
// hosts, and commits all of it before any of it is answered, to the wire or to a ring.
//
// The order is said once, in TURN_STAGES: core_turn() runs them one behind the other, and
// tools/bench runs the same ones with a look at the clock between them.
#ifndef ENGINE_TURN_H
#define ENGINE_TURN_H

#include <rte_cycles.h>
#include <rte_mbuf.h>

#include "engine/core.h"

// What came in: from the wire, placed as it is taken; then from hosts; then from the clock. What
// goes out: built, committed, and only then let go.
#define TURN_STAGES(X)                                                                             \
	X(rx)                                                                                      \
	X(net)                                                                                     \
	X(tcp)                                                                                     \
	X(free)                                                                                    \
	X(requests) X(timers) X(output) X(commit) X(tx) X(publish) X(doorbells)

// What stages of a turn leave for later ones.
struct turn {
	uint64_t tx_before;
	uint64_t events_before;
	unsigned n; // packets received
	unsigned n_segs; // TCP segments among them
	bool busy; // requests were taken
};

static inline uint64_t core_clock(const struct ob_core *c)
{
	if (unlikely(c->clock != NULL))
		return c->clock(c->clock_ctx);
	return clock_us(&c->st->hdr->clock, rte_rdtsc());
}

// No timer is due before: what a sleep may last.
uint64_t core_next_us(const struct ob_core *c);

static inline void turn_rx(struct ob_core *c, struct turn *t)
{
	t->tx_before = c->cnt.tx_pkts;
	t->events_before = c->cnt.ev_published;
	c->now_us = core_clock(c);
	tcp_begin(&c->tcp, c->now_us);
	t->n = port_rx(&c->port, c->rx, c->port.burst);
}

static inline void turn_net(struct ob_core *c, struct turn *t)
{
	t->n_segs = net_input(&c->net, c->rx, t->n, c->segs, c->kept, c->now_us);
}

static inline void turn_tcp(struct ob_core *c, struct turn *t)
{
	tcp_input(&c->tcp, c->segs, t->n_segs);
}

// The burst's packets go back when everything that pointed into them is done.
static inline void turn_free(struct ob_core *c, struct turn *t)
{
	rte_pktmbuf_free_bulk(c->kept, t->n_segs);
}

static inline void turn_requests(struct ob_core *c, struct turn *t)
{
	hostif_commands(&c->hostif);
	t->busy = hostif_requests(&c->hostif) > 0;
}

static inline void turn_timers(struct ob_core *c, struct turn *t)
{
	(void)t;
	net_timers(&c->net, c->now_us);
	tcp_timers(&c->tcp);
}

static inline void turn_output(struct ob_core *c, struct turn *t)
{
	(void)t;
	tcp_output(&c->tcp);
}

static inline void turn_commit(struct ob_core *c, struct turn *t)
{
	(void)t;
	tcp_commit(&c->tcp);
}

static inline void turn_tx(struct ob_core *c, struct turn *t)
{
	(void)t;
	port_flush(&c->port);
}

static inline void turn_publish(struct ob_core *c, struct turn *t)
{
	(void)t;
	hostif_publish(&c->hostif);
}

static inline void turn_doorbells(struct ob_core *c, struct turn *t)
{
	hostif_doorbells(&c->hostif);
	// Not in idle turns, whose number says nothing about the traffic: each rebuilt connection sends
	// again, and on a slow path that alone would fill it.
	if (c->cfg->debug_amnesia && t->n)
		tcp_amnesia(&c->tcp, c->cfg->debug_amnesia);
	COUNT(&c->cnt, turns);
	t->busy |= t->n || c->cnt.tx_pkts != t->tx_before
		|| c->cnt.ev_published != t->events_before;
	if (t->busy)
		COUNT(&c->cnt, busy_turns);
}

#endif
