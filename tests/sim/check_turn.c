// What must be true of every record after every turn: positions only rise and keep their order, and
// what is committed as received lies in the host's memory.
#include "engine/state/chain.h"
#include "engine/tcp/internal.h"
#include "engine/tcp/timewait.h"
#include "tests/sim/check.h"

#define BOOKS_EVERY 64u

// Why a connection's numbers are wrong, as one line.
static void wrong(struct node *n, uint32_t i, const char *what)
{
	const struct rec *r = &n->st.recs[i];

	sim_fail(n->sim,
		"engine %u, record %u (%s, port %u to %u): %s; snd_una %llu snd_max %llu snd_wr "
		"%llx "
		"rcv_nxt %llx rcv_edge %llu",
		n->index, i, tcp_state_name(tcp_state(r)), r->lport, r->rport, what,
		(unsigned long long)HARD_GET(r->snd_una), (unsigned long long)HARD_GET(r->snd_max),
		(unsigned long long)HARD_GET(r->snd_wr), (unsigned long long)HARD_GET(r->rcv_nxt),
		(unsigned long long)HARD_GET(r->rcv_edge));
}

// Received bytes that became committed: they are where the record says, and what was sent.
static void placed(struct node *n, uint32_t i, uint64_t to)
{
	struct shadow *sh = &n->shadow[i];
	const struct rec *r = &n->st.recs[i];
	const struct host_mem *m = &n->core->hostif.mem[r->host];
	uint64_t at = sh->checked;

	sh->checked = to;
	if (!sh->flow || !m->base || atomic_load(&r->flags) & REC_ORPHAN)
		return;
	while (at < to) {
		ob_span spans[8];
		uint64_t reached = at;
		uint32_t k = chain_rx_spans(&n->st, r, STATE_NIL, at, to, spans, 8, &reached);

		if (k == 0 || reached <= at) {
			wrong(n, i, "received bytes are committed, but not placed");
			return;
		}
		for (uint32_t j = 0; j < k; j++) {
			if (!pattern_is(sh->flow->base[1 - sh->side], at,
				    m->base + ob_span_off(spans[j]), ob_span_len(spans[j]))) {
				wrong(n, i, "what is committed as received is not what was sent");
				return;
			}
			at += ob_span_len(spans[j]);
		}
	}
}

static void order(struct node *n, uint32_t i, const struct shadow *now)
{
	const struct shadow *sh = &n->shadow[i];

	if (now->snd_una < sh->snd_una || now->snd_max < sh->snd_max
		|| STATE_OFF(now->snd_wr) < STATE_OFF(sh->snd_wr)
		|| STATE_OFF(now->rcv_nxt) < STATE_OFF(sh->rcv_nxt))
		wrong(n, i, "a position went back");
	if (now->rcv_edge < sh->rcv_edge)
		wrong(n, i, "the advertised edge went back");
	if ((int32_t)(now->ts_recent - sh->ts_recent) < 0)
		wrong(n, i, "the peer's timestamp went back");
	if (now->snd_una > now->snd_max || now->snd_max > STATE_OFF(now->snd_wr))
		wrong(n, i, "snd_una <= snd_max <= snd_wr does not hold");
	if (chain_data_end(now->rcv_nxt) > now->rcv_edge)
		wrong(n, i, "data beyond the advertised edge was taken");
}

static void soft(struct node *n, uint32_t i, const struct shadow *now)
{
	const struct tcp_soft *s = tcp_soft_held(&n->core->tcp, i);

	if (!s || s->flags & SOFT_DIRTY)
		return;
	if (s->snd_una != now->snd_una || s->snd_max != now->snd_max || s->rcv_nxt != now->rcv_nxt
		|| s->rcv_edge != now->rcv_edge)
		wrong(n, i, "soft and hard positions differ after the commit");
	if (s->snd_nxt < s->snd_una || s->snd_nxt > s->snd_max)
		wrong(n, i, "snd_una <= snd_nxt <= snd_max does not hold");
	if (s->cwnd == 0 || s->snd_mss == 0 || s->rcv_consumed > chain_data_end(s->rcv_nxt))
		wrong(n, i, "soft state cannot be");
}

// A connection with keepalive has a timer whatever happens to its soft state; its settings are those
// that its application made, or a part of them: one may not have been asked for yet.
static void settings(struct node *n, uint32_t i)
{
	const struct plan *p = &n->sim->plan;
	const struct tcp *t = &n->core->tcp;
	const struct tcp_soft *s = tcp_soft_held(t, i);
	bool keep = tcp_getopt(t, i, OB_OPT_KEEPALIVE);

	if (keep && !(HARD_GET(n->st.recs[i].flags) & (REC_CLOSED | REC_ORPHAN))
		&& !wheel_armed(&t->wheel, i))
		wrong(n, i, "has keepalive and no timer");
	if (s && s->settings != HARD_GET(n->st.settings_of[i]))
		wrong(n, i, "its soft state has other settings");
	if (keep && tcp_getopt(t, i, OB_OPT_KEEPALIVE_IDLE) != p->keepalive_s)
		wrong(n, i, "keepalive is not as the application set it");
}

// A probe counts with the one before it only when nothing was heard of the peer in between.
static void keepalive(struct node *n, uint32_t i)
{
	const struct tcp *t = &n->core->tcp;
	const struct tcp_soft *s = tcp_soft_held(t, i);
	const struct tcp_slow *w = s ? slow_of(t, s) : NULL;
	struct shadow *sh = &n->shadow[i];

	if (w && w->keep_probes > 1 && w->keep_probes > sh->keep_probes && sh->keep_probes
		&& (HARD_GET(n->st.recs[i].activity) + 1ull) * 1000000 > sh->keep_sent_us)
		wrong(n, i, "a keepalive probe that was answered counts");
	sh->keep_probes = w ? (uint32_t)w->keep_probes : 0;
	sh->keep_sent_us = w ? w->keep_sent_us : 0;
}

static void begin(struct node *n, uint32_t i, uint64_t life)
{
	struct shadow *sh = &n->shadow[i];
	const struct rec *r = &n->st.recs[i];
	const struct tcp_soft *s = tcp_soft_held(&n->core->tcp, i);

	*sh = (struct shadow){.life = life, .ts_recent = HARD_GET(r->ts_recent)};
	if (s) { // the window of the handshake
		sh->peer_edge = s->max_wnd;
		sh->peer_edge_known = true;
	}
	sh->flow = flow_find(n->sim, ob_addr_get_v4(&r->laddr), r->lport, ob_addr_get_v4(&r->raddr),
		r->rport, &sh->side);
}

static void end(struct node *n, uint32_t i)
{
	const struct rec *r = &n->st.recs[i];
	const struct shadow *sh = &n->shadow[i];

	if (r->iss + 1 + (uint32_t)sh->snd_max < r->iss
		|| r->irs + 1 + (uint32_t)STATE_OFF(sh->rcv_nxt) < r->irs)
		FIRED(n->sim, wrap);
}

void check_record(struct node *n, uint32_t i)
{
	struct shadow *sh = &n->shadow[i];
	const struct rec *r = &n->st.recs[i];
	uint64_t life = HARD_GET(r->life);
	struct shadow now;
	unsigned state;

	if (life == sh->life && REC_LIFE_PHASE(life) != REC_LIVE)
		return;
	if (REC_LIFE_GEN(life) != REC_LIFE_GEN(sh->life) && REC_LIFE_PHASE(life) != REC_FREE)
		begin(n, i, life);
	if (REC_LIFE_PHASE(sh->life) == REC_LIVE && REC_LIFE_PHASE(life) != REC_LIVE)
		end(n, i);
	sh->life = life;
	if (REC_LIFE_PHASE(life) == REC_FREE)
		return;
	now = *sh;
	now.snd_una = HARD_GET(r->snd_una);
	now.snd_max = HARD_GET(r->snd_max);
	now.snd_wr = HARD_GET(r->snd_wr);
	now.rcv_nxt = HARD_GET(r->rcv_nxt);
	now.rcv_edge = HARD_GET(r->rcv_edge);
	now.ts_recent = HARD_GET(r->ts_recent);
	order(n, i, &now);
	if (REC_LIFE_PHASE(life) == REC_LIVE) {
		soft(n, i, &now);
		settings(n, i);
	}
	*sh = now;
	placed(n, i, chain_data_end(now.rcv_nxt));
	state = tcp_state(r);
	if (state != sh->state) {
		sim_hash_word(n->sim, n->sim->now_us << 16 | (uint64_t)i << 8 | state);
		sh->state = (uint8_t)state;
	}
}

// What no host of ours ever does, and no engine may think of it.
static void counters(struct node *n)
{
	const struct counters *c = &n->core->cnt;

	if (c->host_protocol || c->host_fault)
		sim_fail(n->sim, "engine %u says that a host broke the protocol", n->index);
	if (c->req_bad_op || c->req_bad_slot || c->req_bad_span || c->req_bad_offset
		|| c->req_bad_value)
		sim_fail(n->sim, "engine %u says that a request was bad", n->index);
	if (c->arp_conflict)
		sim_fail(n->sim, "engine %u says that its address is another's", n->index);
}

// Unless frames were refused, one of which may have said it, or it could not leave yet.
static void sack_said(struct node *n, uint32_t i)
{
	const struct tcp_soft *s = tcp_soft_held(&n->core->tcp, i);
	struct shadow *sh = &n->shadow[i];

	if (sh->sack_unsaid && s && s->ooo != STATE_NIL && !(s->flags & SOFT_ACK_NOW)
		&& !n->refused)
		sim_fail(n->sim, "engine %u, connection %u: what is held behind a gap was not said",
			n->index, i);
	sh->sack_unsaid = false;
}

void check_turn(struct node *n)
{
	for (uint32_t i = 0; i < SIM_CONNS; i++) {
		check_record(n, i);
		if (rec_phase(&n->st.recs[i]) == REC_LIVE) {
			check_loss(n, i);
			echo_turn(n, i);
			keepalive(n, i);
			sack_said(n, i);
		}
	}
	loss_turn_end(n);
	n->refused = false;
	check_time_wait(n);
	counters(n);
	if (++n->n_turns % BOOKS_EVERY == 0)
		check_books(n);
}
