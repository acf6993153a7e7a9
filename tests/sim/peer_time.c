// The scripted peer's beginnings, timers and end.
#include <stdlib.h>

#include "tests/sim/peer_conn.h"

#define PATIENCE_US 20000000u
#define RESETS_AFTER 12u // time-outs in a row

static void start(struct peer *p, struct flow *f)
{
	struct pconn *c = &p->conns[f->id];

	peer_prepare(p, c, f, 0);
	c->state = P_SYN_SENT;
	peer_syn(c);
}

static bool starts(const struct peer *p, const struct flow *f)
{
	return f->begun && !f->end[0].host && !f->end[0].over && p->conns[f->id].state == P_NONE;
}

// Whether the other end has failed, and this one has waited long enough for it.
static uint64_t gives_up_at(const struct flow *f)
{
	const struct end *e = f->end[0].host ? &f->end[1] : &f->end[0];

	if (e->over || !f->ended_us || !f->may_fail)
		return SIM_NEVER;
	return f->ended_us + PATIENCE_US;
}

static void timeout(struct pconn *c)
{
	c->rtx_at = SIM_NEVER;
	if (c->backoff++ >= RESETS_AFTER) {
		peer_over(c, -ETIMEDOUT);
		return;
	}
	if (c->state != P_OPEN) {
		peer_syn(c);
		return;
	}
	c->snd_nxt = c->snd_una;
	if (c->snd_nxt == c->edge && c->snd_nxt < flow_limit(c->end)) { // a probe
		peer_send(c,
			&(struct pseg){.off = c->snd_nxt,
				.ack = c->rcv_nxt + (c->fin_at == c->rcv_nxt),
				.len = 1,
				.flags = TCP_ACK});
		if (c->snd_max < c->snd_nxt + 1)
			c->snd_max = c->snd_nxt + 1;
		if (c->end->sent < c->snd_max)
			c->end->sent = c->snd_max;
	}
	peer_output(c);
}

uint64_t peer_next_us(const struct peer *p)
{
	uint64_t next = SIM_NEVER;

	for (unsigned i = 0; i < p->sim->n_flows; i++) {
		const struct pconn *c = &p->conns[i];
		const struct flow *f = &p->sim->flows[i];
		uint64_t t = gives_up_at(f);

		if (starts(p, f))
			t = p->sim->now_us;
		if (c->state != P_NONE && c->state != P_OVER) {
			t = c->rtx_at < t ? c->rtx_at : t;
			t = c->ack_at < t ? c->ack_at : t;
			if (c->closed_until_us > p->sim->now_us && c->closed_until_us < t)
				t = c->closed_until_us;
		}
		next = t < next ? t : next;
	}
	return next;
}

static void conn_step(struct peer *p, struct flow *f, struct pconn *c)
{
	uint64_t now = p->sim->now_us;

	if (starts(p, f))
		start(p, f);
	if (now >= gives_up_at(f)) {
		if (c->state == P_NONE)
			peer_prepare(p, c, f, f->end[0].host ? 1 : 0);
		else if (c->state != P_OVER)
			peer_send(c, &(struct pseg){.off = c->snd_max, .flags = TCP_RST});
		peer_over(c, -ECONNABORTED);
	}
	if (c->state == P_NONE || c->state == P_OVER)
		return;
	if (c->closed_until_us && now >= c->closed_until_us) {
		c->closed_until_us = 0;
		if (c->state == P_OPEN)
			peer_ack(c); // the window opens
	}
	if (now >= c->ack_at)
		peer_ack(c);
	if (now >= c->rtx_at)
		timeout(c);
}

void peer_step(struct peer *p)
{
	for (unsigned i = 0; i < p->sim->n_flows && !p->sim->failed; i++)
		conn_step(p, &p->sim->flows[i], &p->conns[i]);
}

void peer_quiet(struct peer *p)
{
	p->quiet = true;
}

struct peer *peer_open(struct sim *s)
{
	struct peer *p = calloc(1, sizeof(*p));

	if (!p) {
		sim_fail(s, "out of memory");
		return NULL;
	}
	p->sim = s;
	p->addr = s->nodes[1].addr;
	p->draw = draw_stream(s->plan.seed, "peer", 0);
	p->manners = (unsigned)draw64(&p->draw) & 2047u;
	memcpy(p->station.mac, "\x02\0\0\0\0\2", 6);
	p->station.ctx = p;
	p->station.arrive = peer_arrive;
	p->number = wire_attach(&s->wire, &p->station);
	return p;
}

void peer_close(struct peer *p)
{
	free(p);
}
