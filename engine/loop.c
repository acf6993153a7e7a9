// The loop: what the engine does, in order. One turn takes what has come in, from the wire and from
// hosts, and commits all of it before any of it is answered, to the wire or to a ring.
#include <rte_cycles.h>
#include <rte_mbuf.h>

#include "engine/core.h"
#include "engine/offload/place.h"

static uint64_t core_clock(const struct ob_core *c)
{
	return clock_us(&c->st->hdr->clock, rte_rdtsc());
}

int core_init(
	struct ob_core *c, const struct config *cfg, struct state *st, char *err, size_t err_bytes)
{
	int rc;

	c->cfg = cfg;
	c->st = st;
	c->adaptive = strcmp(cfg->engine_idle, "adaptive") == 0;
	c->now_us = c->busy_us = core_clock(c);
	c->net_ops = (struct net_ops){&c->tcp, tcp_icmp, tcp_unreachable};
	rc = net_init(&c->net, cfg, &c->port, &c->cnt, &c->net_ops, c->now_us, err, err_bytes);
	if (rc)
		return rc;
	rc = hostif_init(&c->hostif, cfg, st, &c->tcp, &c->cnt);
	if (rc) {
		snprintf(err, err_bytes, "tables of hosts: %s (see [limits])", strerror(-rc));
		goto err_net;
	}
	rc = tcp_init(&c->tcp, cfg, st, &c->cnt, &c->hostif.ops, net_sink(&c->net), c->hostif.mem,
		c->port.mtu, c->now_us);
	if (rc) {
		snprintf(err, err_bytes, "TCP's tables: %s (see [limits])", strerror(-rc));
		goto err_hostif;
	}
	return 0;

err_hostif:
	hostif_fini(&c->hostif);
err_net:
	net_fini(&c->net);
	return rc;
}

void core_fini(struct ob_core *c)
{
	tcp_fini(&c->tcp);
	hostif_fini(&c->hostif);
	net_fini(&c->net);
}

// The burst's packets go back when everything that pointed into them is done.
static void free_kept(struct ob_core *c, unsigned n)
{
	rte_pktmbuf_free_bulk(c->kept, n);
}

bool core_turn(struct ob_core *c)
{
	uint64_t tx_before = c->cnt.tx_pkts, events_before = c->cnt.ev_published;
	unsigned n, n_segs;
	bool busy;

	c->now_us = core_clock(c);
	tcp_begin(&c->tcp, c->now_us);

	// What came in: from the wire, placed as it is taken; then from hosts; then from the clock.
	n = port_rx(&c->port, c->rx, c->port.burst);
	n_segs = net_input(&c->net, c->rx, n, c->segs, c->kept, c->now_us);
	tcp_input(&c->tcp, c->segs, n_segs);
	free_kept(c, n_segs);
	hostif_commands(&c->hostif);
	busy = hostif_requests(&c->hostif) > 0;
	net_timers(&c->net, c->now_us);
	tcp_timers(&c->tcp);

	// What goes out: built, committed, and only then let go.
	tcp_output(&c->tcp);
	tcp_commit(&c->tcp);
	port_flush(&c->port);
	hostif_publish(&c->hostif);
	hostif_doorbells(&c->hostif);

	if (c->cfg->debug_amnesia)
		tcp_amnesia(&c->tcp, c->cfg->debug_amnesia);
	COUNT(&c->cnt, turns);
	busy |= n || c->cnt.tx_pkts != tx_before || c->cnt.ev_published != events_before;
	if (busy)
		COUNT(&c->cnt, busy_turns);
	return busy;
}

// Adaptive: after idle_after_us without work, sleeps that double up to idle_sleep_us, cut short by
// the next timer and by doorbells of hosts. The port is looked at after each.
static void core_idle(struct ob_core *c)
{
	uint64_t next, timer, neigh;

	if (c->now_us - c->busy_us < c->cfg->engine_idle_after_us)
		return;
	timer = tcp_next_us(&c->tcp);
	neigh = net_next_us(&c->net);
	next = timer < neigh ? timer : neigh;
	if (next <= c->now_us)
		return;
	c->sleep_us = c->sleep_us ? c->sleep_us * 2 : 32;
	if (c->sleep_us > c->cfg->engine_idle_sleep_us)
		c->sleep_us = (uint32_t)c->cfg->engine_idle_sleep_us;
	if (next - c->now_us < c->sleep_us)
		c->sleep_us = (uint32_t)(next - c->now_us);
	if (!hostif_sleep_prepare(&c->hostif)) {
		COUNT(&c->cnt, sleeps);
		hostif_sleep_wait(&c->hostif, c->sleep_us);
	}
	hostif_sleep_done(&c->hostif);
}

// A clean stop: resets leave in turns, as many as fit into each, then the hosts are told.
static void core_end(struct ob_core *c)
{
	bool done;

	do {
		tcp_begin(&c->tcp, core_clock(c));
		done = tcp_reset_all(&c->tcp);
		tcp_commit(&c->tcp);
		port_flush(&c->port);
		hostif_publish(&c->hostif);
		hostif_doorbells(&c->hostif);
	} while (!done);
}

void core_run(struct ob_core *c)
{
	while (!atomic_load_explicit(&c->stop, memory_order_relaxed)) {
		if (core_turn(c)) {
			c->busy_us = c->now_us;
			c->sleep_us = 0;
		} else if (c->adaptive) {
			core_idle(c);
		}
	}
	core_end(c);
}
