// The loop: turns (their stages in order are in turn.h), sleep between them, and the end.
#include <stdio.h>
#include <string.h>

#include "engine/turn.h"

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

bool core_turn(struct ob_core *c)
{
	struct turn t;

	// rx, net, tcp, free, requests, timers, output, commit, tx, publish, doorbells
#define X(stage) turn_##stage(c, &t);
	TURN_STAGES(X)
#undef X
	return t.busy;
}

uint64_t core_next_us(const struct ob_core *c)
{
	uint64_t timer = tcp_next_us(&c->tcp), neigh = net_next_us(&c->net);

	return timer < neigh ? timer : neigh;
}

// Adaptive: after idle_after_us without work, sleeps that double up to idle_sleep_us, cut short by
// the next timer and by doorbells of hosts. The port is looked at after each.
static void core_idle(struct ob_core *c)
{
	uint64_t next;

	if (c->now_us - c->busy_us < c->cfg->engine_idle_after_us)
		return;
	next = core_next_us(c);
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
