#include "tools/bench/core_peer.h"

#include <errno.h>
#include <rte_cycles.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/seq.h"
#include "engine/net/seg.h"
#include "tools/bench/core_pkt.h"

#define LATE_MIN 65536u
#define STEP_MAX_US 200u // a step that comes later than that after the last one: it was a pause
#define TUPLES (1u << 22) // of short connections: used again after that many

int peer_init(struct peer *p, enum peer_load load, uint32_t n, uint64_t tsc_hz)
{
	uint32_t late = LATE_MIN;

	memset(p, 0, sizeof(*p));
	while (late < 2 * n)
		late *= 2;
	p->load = load;
	p->n = n;
	p->tsc_per_ms = tsc_hz / 1000;
	p->random = 0x9e3779b97f4a7c15u;
	p->flows = calloc(n, sizeof(*p->flows));
	p->late = malloc(late * sizeof(*p->late));
	p->late_mask = late - 1;
	for (uint32_t i = 0; p->flows && i < n; i++)
		p->flows[i].tuple = i;
	return p->flows && p->late ? 0 : -ENOMEM;
}

void peer_fini(struct peer *p)
{
	free(p->flows);
	free(p->late);
}

static uint32_t random_below(struct peer *p, uint32_t n)
{
	p->random ^= p->random << 13;
	p->random ^= p->random >> 7;
	p->random ^= p->random << 17;
	return (uint32_t)((p->random >> 32) * n >> 32);
}

static struct peer_flow *flow_of(struct peer *p, uint32_t tuple)
{
	struct peer_flow *f = NULL;

	if (p->load == LOAD_SHORT)
		f = &p->flows[tuple % p->n];
	else if (tuple < p->n)
		f = &p->flows[tuple];
	return f && f->tuple == tuple ? f : NULL;
}

// A segment with an ACK in it: nothing is owed any more.
static void say(struct peer *p, struct peer_flow *f, uint8_t flags, uint16_t len, uint64_t stamp)
{
	pkt_send(p, f, flags | TCP_ACK, f->snd_nxt, len, stamp);
	f->snd_nxt += len + !!(flags & TCP_FIN);
	f->acked = f->rcv_nxt;
	f->owed = 0;
}

static void ack(struct peer *p, struct peer_flow *f)
{
	p->acks++;
	say(p, f, 0, 0, 0);
}

// What is owed is paid with the next segment, or when the time has come.
static void ack_later(struct peer *p, struct peer_flow *f)
{
	if (f->queued)
		return;
	f->queued = true;
	p->late[p->late_tail++ & p->late_mask]
		= (struct peer_late){(uint32_t)(f - p->flows), p->run_tsc + p->delack_tsc};
}

static void late_acks(struct peer *p)
{
	// After a pause they are due all at once: no faster than the engine takes them.
	while (p->late_head != p->late_tail && wire_waiting(p->w) < p->burst) {
		const struct peer_late *l = &p->late[p->late_head & p->late_mask];
		struct peer_flow *f = &p->flows[l->flow];

		if ((int64_t)(p->run_tsc - l->due_tsc) < 0)
			return;
		p->late_head++;
		f->queued = false;
		if (f->acked != f->rcv_nxt && f->state == FLOW_OPEN)
			ack(p, f);
	}
}

static void begin(struct peer *p, struct peer_flow *f)
{
	uint32_t isn = (uint32_t)(p->now_tsc >> 6);

	f->state = FLOW_SYN;
	f->rcv_nxt = f->acked = f->ts_recent = 0;
	f->snd_nxt = isn + 1;
	p->opening++;
	pkt_send(p, f, TCP_SYN, isn, 0, 0);
}

bool peer_open(struct peer *p, uint32_t most)
{
	p->now_tsc = rte_rdtsc();
	while (p->next_open < p->n && p->opening < most)
		begin(p, &p->flows[p->next_open++]);
	return p->open == p->n;
}

static uint64_t stamp_of(const struct peer_flow *f, uint32_t seq)
{
	return (uint64_t)f->tuple << 32 | seq;
}

static void request(struct peer *p, struct peer_flow *f)
{
	f->busy = true;
	p->under_way++;
	say(p, f, TCP_PSH, PEER_SMALL, stamp_of(f, f->snd_nxt));
}

static void established(struct peer *p, struct peer_flow *f, const struct peer_seg *s)
{
	f->state = FLOW_OPEN;
	f->rcv_nxt = s->seq + 1;
	f->edge = s->ack + s->wnd;
	f->ts_recent = s->ts_val;
	p->ts = s->has_ts;
	p->shift = s->shift;
	p->opening--;
	p->open++;
	ack(p, f);
	if (p->load == LOAD_SHORT)
		request(p, f);
}

static void reply(struct peer *p, struct peer_flow *f, const struct peer_seg *s)
{
	if (!f->busy || s->len != PEER_SMALL || s->stamp != stamp_of(f, f->snd_nxt - PEER_SMALL)) {
		p->errors.data++;
		return;
	}
	f->busy = false;
	p->under_way--;
	if (p->load == LOAD_SHORT) {
		f->state = FLOW_FIN;
		say(p, f, TCP_FIN, 0, 0);
		return;
	}
	p->ops++;
	ack_later(p, f);
}

static void data(struct peer *p, struct peer_flow *f, const struct peer_seg *s)
{
	if (s->seq != f->rcv_nxt) {
		if (seq_lt(s->seq, f->rcv_nxt)) {
			p->again++;
			p->twice_seq = s->seq;
			p->twice_len = s->len;
		} else {
			p->errors.gap++;
		}
		ack(p, f);
		p->twice_len = 0;
		return;
	}
	f->rcv_nxt += s->len;
	if (p->load == LOAD_ECHO || p->load == LOAD_SHORT) {
		reply(p, f, s);
	} else if (p->load == LOAD_TX) {
		p->ops += s->len;
		if (++f->owed >= 2)
			ack(p, f);
		else
			ack_later(p, f);
	} else {
		p->errors.data++;
	}
}

static void fin(struct peer *p, struct peer_flow *f)
{
	f->rcv_nxt++;
	ack(p, f);
	if (f->state != FLOW_FIN) {
		p->errors.closed++;
		return;
	}
	f->state = FLOW_CLOSED;
	f->tuple = (f->tuple + p->n) % TUPLES; // TUPLES is a multiple of n
	p->ops++;
	p->open--;
}

static void input(struct peer *p, const struct peer_seg *s)
{
	struct peer_flow *f = flow_of(p, s->tuple);

	if (!f || f->state == FLOW_CLOSED) {
		p->errors.stray++;
		return;
	}
	if (s->flags & TCP_RST) {
		p->errors.reset++;
		return;
	}
	if (f->state == FLOW_SYN) {
		if ((s->flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK) && s->ack == f->snd_nxt)
			established(p, f, s);
		else
			p->errors.stray++;
		return;
	}
	if (s->flags & TCP_SYN) {
		p->again++;
		ack(p, f);
		return;
	}
	if (seq_leq(s->seq, f->rcv_nxt))
		f->ts_recent = s->ts_val;
	f->edge = s->ack + (s->wnd << p->shift);
	if (s->len)
		data(p, f, s);
	if ((s->flags & TCP_FIN) && s->seq + s->len == f->rcv_nxt)
		fin(p, f);
}

static void load_requests(struct peer *p)
{
	while (p->under_way < p->depth && p->under_way < p->n && wire_waiting(p->w) < p->burst) {
		struct peer_flow *f = &p->flows[random_below(p, p->n)];

		// Few are busy, or few there are.
		while (f->busy)
			f = f + 1 < p->flows + p->n ? f + 1 : p->flows;
		request(p, f);
	}
}

static void load_segments(struct peer *p)
{
	for (uint32_t blocked = 0; blocked < 2 * p->n && wire_waiting(p->w) < p->burst;) {
		struct peer_flow *f = &p->flows[random_below(p, p->n)];
		uint32_t room = f->edge - f->snd_nxt, n = room / PEER_SEG;

		if ((int32_t)room < (int32_t)PEER_SEG) {
			blocked++;
			continue;
		}
		for (uint32_t i = 0; i < n && i < p->train; i++)
			say(p, f, 0, PEER_SEG, 0);
	}
}

static void load_connections(struct peer *p)
{
	for (uint32_t i = 0; i < p->n && wire_waiting(p->w) < p->burst; i++)
		if (p->flows[i].state == FLOW_CLOSED)
			begin(p, &p->flows[i]);
}

// A pause of the process would make all ACKs of that time due at once, in a slice that is thrown away.
static void pass_time(struct peer *p)
{
	uint64_t now = rte_rdtsc(), most = p->tsc_per_ms * STEP_MAX_US / 1000;

	p->run_tsc += now - p->now_tsc < most ? now - p->now_tsc : most;
	p->now_tsc = now;
}

void peer_step(struct peer *p)
{
	struct wire *w = p->w;
	struct peer_seg s;
	uint32_t n = w->n_out;

	pass_time(p);
	for (uint32_t i = 0; i < n; i++)
		if (pkt_read(p, w->out[i], &s))
			input(p, &s);
	rte_pktmbuf_free_bulk(w->out, n);
	w->n_out = 0;
	late_acks(p);
	if (!p->go || p->hold)
		return;
	if (p->load == LOAD_ECHO)
		load_requests(p);
	else if (p->load == LOAD_RX)
		load_segments(p);
	else if (p->load == LOAD_SHORT)
		load_connections(p);
}
