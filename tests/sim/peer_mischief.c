// What the standard lets a peer do, or an attacker try: none of it may harm a connection.
#include "tests/sim/peer_conn.h"

#define OLD_MAX 200u
#define GARBAGE_MAX 100u

// The engine's record of the connection, for the exact edges of its window.
static const struct rec *record(const struct pconn *c)
{
	const struct node *n = &c->peer->sim->nodes[0];

	for (uint32_t i = 0; i < SIM_CONNS; i++) {
		const struct rec *r = &n->st.recs[i];

		if (rec_phase(r) == REC_LIVE && r->lport == c->flow->port[1 - c->side]
			&& r->rport == c->flow->port[c->side] && r->irs == c->iss)
			return r;
	}
	return NULL;
}

// Bytes that were acknowledged long ago come again, and are others now.
static void old_data(struct pconn *c)
{
	struct draw *d = &c->peer->draw;
	uint64_t n = c->snd_una < OLD_MAX ? c->snd_una : OLD_MAX;
	struct pseg s = {.ack = c->rcv_nxt, .flags = TCP_ACK, .garbage = true};

	if (n == 0 || c->snd_una > c->end->total)
		return;
	s.off = c->snd_una - draw_range(d, 1, n);
	s.len = (uint32_t)draw_range(d, 1, c->snd_una - s.off);
	FIRED(c->peer->sim, peer_old);
	peer_send(c, &s);
}

// The next bytes come with a timestamp of the past (PAWS), and are wrong.
static void old_time(struct pconn *c)
{
	struct pseg s = {.off = c->snd_una, .ack = c->rcv_nxt, .flags = TCP_ACK, .garbage = true};
	const struct rec *r = record(c);

	s.len = (uint32_t)draw_range(&c->peer->draw, 1, GARBAGE_MAX);
	s.ts_back = (int32_t)draw_range(&c->peer->draw, 1, 1000000);

	// Certain to be old: older than what the engine has.
	if (!c->ts || !r
		|| (int32_t)(peer_ts(c) - (uint32_t)s.ts_back - HARD_GET(r->ts_recent)) >= 0)
		return;
	s.off = STATE_OFF(HARD_GET(r->rcv_nxt));
	s.direct = true;
	FIRED(c->peer->sim, peer_paws);
	peer_send(c, &s);
}

// Data at the engine's right edge, part of it right when there are such bytes. Returns false: not now.
static bool outside_data(struct pconn *c, struct pseg *s, uint64_t nxt, uint64_t edge, bool overlap)
{
	struct draw *d = &c->peer->draw;

	if (!overlap) { // the first byte beyond
		s->off += draw_below(d, 3);
		return true;
	}
	s->good = (uint32_t)draw_range(d, 1, 50);
	if (nxt + s->good > edge || edge > c->end->total)
		return false;
	s->off = edge - s->good;
	s->len += s->good;
	if (c->snd_max < edge) // so much was sent in earnest
		c->snd_max = c->end->sent = edge;
	return true;
}

// An empty one that is wrong in one respect, while the engine's window is open. Returns false: not now.
static bool outside_empty(struct pconn *c, struct pseg *s, const struct rec *r, unsigned kind)
{
	uint64_t edge = HARD_GET(r->rcv_edge), nxt = HARD_GET(r->rcv_nxt);
	struct draw *d = &c->peer->draw;

	switch (kind) {
	case 2: // a reset just outside
		s->flags = TCP_RST;
		s->len = 0;
		s->off = draw_odds(d, 500000) ? edge : nxt - 1;
		break;
	case 3: // a reset inside, but not at the left edge (RFC 5961)
		if (edge - nxt < 2)
			return false;
		s->flags = TCP_RST;
		s->len = 0;
		s->off = draw_range(d, nxt + 1, edge - 1);
		break;
	case 4: // an old one, with URG
		if (edge == nxt)
			return false;
		s->flags = TCP_ACK | TCP_URG;
		s->off = nxt - 1 - draw_below(d, 1000);
		s->len = 0;
		break;
	case 5: // acknowledges what was never sent
		s->off = nxt;
		s->ack = HARD_GET(r->snd_max) + 1 + draw_below(d, 3);
		break;
	default: // acknowledges what is too old (RFC 5961 section 5)
		s->off = nxt;
		s->ack = HARD_GET(r->snd_una) - (1u << 30) - draw_below(d, 1000);
		break;
	}
	return edge != nxt;
}

// Right at the edges of the window, where an error by one shows: straight into the port, so that
// the window is still what the record says.
static void outside(struct pconn *c)
{
	struct draw *d = &c->peer->draw;
	const struct node *n = &c->peer->sim->nodes[0];
	const struct rec *r = record(c);
	struct pseg s = {.ack = c->rcv_nxt, .flags = TCP_ACK, .garbage = true, .direct = true};
	unsigned kind;

	// In the engine's very next turn: a later one may have moved its edges.
	if (!r || HARD_GET(r->rcv_nxt) & STATE_FIN || n->n_rx >= n->core->port.burst)
		return;
	s.off = HARD_GET(r->rcv_edge);
	s.len = (uint32_t)draw_range(d, 1, GARBAGE_MAX);
	kind = (unsigned)draw_below(d, 7);
	if (kind < 2 ? !outside_data(c, &s, HARD_GET(r->rcv_nxt), s.off, kind == 1)
		     : !outside_empty(c, &s, r, kind))
		return;
	FIRED(c->peer->sim, peer_outside);
	peer_send(c, &s);
}

// A byte far ahead of the rest: it wants room for all that lies between.
static void sparse(struct pconn *c)
{
	uint64_t most = flow_limit(c->end) < c->edge ? flow_limit(c->end) : c->edge;
	struct pseg s = {.ack = c->rcv_nxt, .flags = TCP_ACK, .len = 1};

	if (most < c->snd_nxt + 2 || c->fin_at == c->rcv_nxt)
		return;
	s.off = draw_range(&c->peer->draw, (c->snd_nxt + most) / 2, most - 1);
	if (s.off == c->snd_nxt)
		return;
	if (c->snd_max < s.off + 1)
		c->snd_max = s.off + 1;
	if (c->end->sent < c->snd_max)
		c->end->sent = c->snd_max;
	FIRED(c->peer->sim, peer_sparse);
	peer_send(c, &s);
}

void peer_mischief(struct pconn *c)
{
	struct peer *p = c->peer;
	struct sim *sim = p->sim;

	if (peer_manner(p, RENEGE) && c->n_held && draw_odds(&p->draw, 100000)) {
		c->n_held = 0;
		FIRED(sim, peer_renege);
	}
	if (peer_manner(p, ZERO_WINDOW) && sim->now_us >= c->closed_until_us
		&& draw_odds(&p->draw, 50000)) {
		c->closed_until_us = sim->now_us + draw_log(&p->draw, 1000, 3000000);
		FIRED(sim, peer_zero_window);
	}
	if (peer_manner(p, OLD) && draw_odds(&p->draw, 100000))
		old_data(c);
	if (peer_manner(p, OLD_TIME) && draw_odds(&p->draw, 100000))
		old_time(c);
	if (peer_manner(p, OUTSIDE) && draw_odds(&p->draw, 100000))
		outside(c);
	if (peer_manner(p, SPARSE) && draw_odds(&p->draw, 200000))
		sparse(c);
	if (peer_manner(p, DUP_ACK) && draw_odds(&p->draw, 50000)) {
		for (unsigned i = draw_below(&p->draw, 6) + 1; i; i--)
			peer_ack(c);
		FIRED(sim, peer_dup_ack);
	}
}
