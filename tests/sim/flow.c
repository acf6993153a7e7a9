// What connections are to do, and the bytes that they carry.
#include "tests/sim/sim.h"

#define CALLS_MAX 1024u

enum kind { ECHO, BULK_UP, BULK_DOWN, BULK_BOTH, ASK, HALF_CLOSE, SHORT, SIMULTANEOUS, KINDS };

static uint8_t bytes[PATTERN_PERIOD + PATTERN_RUN];

static void pattern_make(void)
{
	struct draw d = draw_stream(1, "pattern", 0);

	if (bytes[0] | bytes[1] | bytes[2])
		return;
	for (unsigned i = 0; i < PATTERN_PERIOD; i++)
		bytes[i] = (uint8_t)(draw64(&d) >> 32);
	memcpy(bytes + PATTERN_PERIOD, bytes, PATTERN_RUN);
}

const uint8_t *pattern(uint32_t base, uint64_t off)
{
	return bytes + (base + off) % PATTERN_PERIOD;
}

bool pattern_is(uint32_t base, uint64_t off, const uint8_t *p, uint64_t n)
{
	while (n) {
		uint64_t part = n < PATTERN_RUN ? n : PATTERN_RUN;

		if (memcmp(pattern(base, off), p, part) != 0)
			return false;
		off += part;
		p += part;
		n -= part;
	}
	return true;
}

static unsigned draw_kind(struct draw *d, const struct plan *p, bool engines)
{
	unsigned k;
	unsigned tries = 0;

	do
		k = (unsigned)draw_below(d, KINDS);
	while (((p->kinds && !(p->kinds >> k & 1)) || (k == SIMULTANEOUS && !engines))
		&& ++tries < 64);
	return k == SIMULTANEOUS && !engines ? BULK_BOTH : k;
}

// Tiny writes or reads of a large transfer take long, and say nothing new.
static uint64_t bounded(uint64_t most, uint64_t each)
{
	return each && each * CALLS_MAX < most ? each * CALLS_MAX : most;
}

static void shape(struct flow *f, struct draw *d, const struct plan *p)
{
	uint64_t most = bounded(bounded(p->max_bytes, p->write_bytes), p->read_bytes);
	uint64_t a = draw_log(d, 1, most), b = draw_log(d, 1, most);
	struct end *e = f->end;

	if (p->crowd || p->deep)
		a = b = most;
	e[0].gate = e[1].gate = GATE_NONE;
	switch (f->kind) {
	case ECHO:
		e[0].total = e[1].total = a;
		e[1].gate = GATE_ECHO;
		break;
	case BULK_UP:
		e[0].total = a;
		break;
	case BULK_DOWN:
		e[1].total = b;
		break;
	case ASK:
		f->unit = (uint32_t)draw_log(d, 1, 4096);
		a = (a < 64u * f->unit ? a : 64u * f->unit) / f->unit + 1;
		e[0].total = e[1].total = a * f->unit;
		e[0].gate = GATE_ASK;
		e[1].gate = GATE_ANSWER;
		break;
	case HALF_CLOSE:
		e[0].total = a;
		e[1].total = b;
		e[1].gate = GATE_EOF;
		break;
	case SHORT:
		e[0].total = a % 64;
		e[1].total = b % 64;
		break;
	default: // both ways; a simultaneous open too
		e[0].total = a;
		e[1].total = b;
	}
}

// The engine, the host and the channel of each end.
static void place(struct sim *s, struct flow *f, struct draw *d)
{
	unsigned client = s->n_nodes == 2 ? (unsigned)draw_below(d, 2) : 0;
	bool script = s->plan.script;
	bool passive = script && draw_odds(d, 500000); // the peer opens it

	for (unsigned side = 0; side < 2; side++) {
		struct node *n = &s->nodes[script ? 0 : side ? 1 - client : client];
		struct host *h = &n->hosts[draw_below(d, n->n_hosts)];
		bool peers = script && side == !passive;

		f->addr[side] = peers ? s->nodes[1].addr : n->addr;
		f->end[side].host = peers ? NULL : h;
		f->end[side].chan = (unsigned)draw_below(d, h->n_chans);
	}
}

static void ports(struct sim *s, struct flow *f, struct draw *d)
{
	struct host *server = f->end[1].host;
	uint64_t n = s->plan.listeners ? s->plan.listeners : 1;
	unsigned listener = (unsigned)draw_below(d, n);
	bool chosen = draw_odds(d, 200000) && f->id > 0;

	f->port[0] = (uint16_t)(20000 + f->id);
	f->port[1] = server ? host_port(server->number, listener) : (uint16_t)(9000 + f->id);
	if (f->simultaneous)
		f->port[1] = (uint16_t)(21000 + f->id);
	else if (chosen && f->end[0].host)
		f->port[0] = 0; // the engine's choice
}

// A short connection that its server closes first; the next one has the same tuple.
static void chain(struct sim *s, struct draw *d)
{
	struct flow *last = NULL;

	for (unsigned i = 0; i < s->n_flows; i++) {
		struct flow *f = &s->flows[i];

		if (f->kind != SHORT || f->end[0].host == NULL || !draw_odds(d, 700000))
			continue;
		f->end[0].total = 0;
		f->end[0].gate = GATE_EOF;
		f->keep_port = true;
		if (last) {
			memcpy(f->addr, last->addr, sizeof(f->addr));
			memcpy(f->port, last->port, sizeof(f->port));
			for (unsigned k = 0; k < 2; k++) {
				f->end[k].host = last->end[k].host;
				f->end[k].chan = last->end[k].chan;
			}
			f->after = last;
		} else if (f->port[0] == 0) {
			f->port[0] = (uint16_t)(20000 + f->id);
		}
		last = f;
	}
}

void flows_plan(struct sim *s)
{
	const struct plan *p = &s->plan;
	struct draw chains = draw_stream(p->seed, "chain", 0);

	pattern_make();
	s->n_flows = p->flows && p->flows <= SIM_FLOWS ? (unsigned)p->flows : 1;
	for (unsigned i = 0; i < s->n_flows; i++) {
		struct draw d = draw_stream(p->seed, "flow", i);
		struct flow *f = &s->flows[i];

		f->id = i;
		f->kind = draw_kind(&d, p, s->n_nodes == 2);
		f->simultaneous = f->kind == SIMULTANEOUS;
		for (unsigned side = 0; side < 2; side++) {
			f->base[side] = (uint32_t)draw_below(&d, PATTERN_PERIOD);
			f->end[side].flow = f;
			f->end[side].abort_at = SIM_NEVER;
		}
		f->start_us = s->now_us + (p->spread_us ? draw_below(&d, p->spread_us) : 0);
		shape(f, &d, p);
		place(s, f, &d);
		ports(s, f, &d);
	}
	if (p->old_port)
		chain(s, &chains);
}

// The local port that the engine chose, looked up in its records: its host may not know it yet.
static void resolve(struct flow *f)
{
	const struct end *e = &f->end[0];
	const struct node *n = e->host ? e->host->node : NULL;
	uint32_t slot = (uint32_t)e->conn, gen = (uint32_t)(e->conn >> 32);

	if (!n || !e->live)
		return;
	for (uint32_t i = 0; i < n->st.hdr->n_half; i++) {
		const struct half *h = &n->st.half[i];

		if (HARD_GET(h->phase) != HALF_FREE && h->listener == UINT16_MAX && h->slot == slot
			&& h->slot_gen == gen && h->host == e->host->index)
			f->port[0] = h->lport;
	}
	for (uint32_t i = 0; i < n->st.hdr->n_conns; i++) {
		const struct rec *r = &n->st.recs[i];

		if (rec_phase(r) != REC_FREE && r->slot == slot && r->slot_gen == gen
			&& r->host == e->host->index)
			f->port[0] = r->lport;
	}
}

struct flow *flow_find(struct sim *s, uint32_t laddr, uint16_t lport, uint32_t raddr,
	uint16_t rport, unsigned *side)
{
	struct flow *found = NULL;

	for (unsigned i = 0; i < s->n_flows; i++) {
		struct flow *f = &s->flows[i];

		if (f->begun && f->port[0] == 0)
			resolve(f);
		for (unsigned k = 0; f->begun && k < 2; k++) {
			if (f->addr[k] != laddr || f->port[k] != lport || f->addr[1 - k] != raddr
				|| f->port[1 - k] != rport)
				continue;
			// Of those that had the tuple, the one that came last.
			if (!found || f->after == found || f->start_us >= found->start_us) {
				found = f;
				*side = k;
			}
		}
	}
	return found;
}

uint64_t flow_limit(const struct end *e)
{
	uint32_t unit = e->flow->unit;
	uint64_t limit = e->total;

	switch (e->gate) {
	case GATE_NONE:
		return e->total;
	case GATE_ECHO:
		limit = e->rcvd;
		break;
	case GATE_ASK:
		limit = (e->rcvd / unit + 1) * unit;
		break;
	case GATE_ANSWER:
		limit = e->rcvd / unit * unit;
		break;
	case GATE_EOF:
		limit = e->eof ? e->total : 0;
		break;
	}
	return limit < e->total ? limit : e->total;
}

bool flow_over(const struct flow *f)
{
	return f->end[0].over && f->end[1].over;
}
