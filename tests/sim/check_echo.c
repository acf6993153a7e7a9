// What an engine says back of what has come: timestamps and marks. What has come is noted as it arrives,
// and looked at after the turns that took it in.
#include "engine/tcp/ecn.h"
#include "tests/sim/check.h"

static void wrong(struct node *n, const struct tcp_view *v, const char *what)
{
	sim_fail(n->sim, "engine %u, port %u to %u, flags %02x seq %u ack %u len %u: %s", n->index,
		v->sport, v->dport, v->flags, v->seq, v->ack, v->len, what);
}

void echo_arrival(struct node *n, uint32_t id, const struct tcp_view *v)
{
	struct shadow_echo *e = &n->shadow[id].echo;

	if (e->n < SHADOW_HEARD)
		e->heard[e->n] = (struct shadow_heard){.ts_val = v->ts_val,
			.seq = v->seq,
			.end = v->seq + v->len,
			.ce = v->ecn == ECN_CE,
			.ts = v->has_ts};
	e->n++;
	if (v->flags & TCP_CWR)
		e->owed = false;
}

// RFC 7323 section 4.3: TS.Recent is of a segment that touched the left edge, not of one behind a gap.
static void ts_recent(struct node *n, uint32_t id, const struct rec *r, uint32_t nxt)
{
	const struct shadow_echo *e = &n->shadow[id].echo;
	uint32_t ts = HARD_GET(r->ts_recent);
	bool gap = false;

	if (ts == e->ts_recent || e->n > SHADOW_HEARD)
		return;
	for (uint32_t i = 0; i < e->n; i++) {
		if (!e->heard[i].ts || e->heard[i].ts_val != ts)
			continue;
		if ((int32_t)(e->heard[i].seq - nxt) <= 0)
			return;
		gap = true;
	}
	if (gap)
		sim_fail(n->sim, "engine %u, record %u: TS.Recent %u is of a segment behind a gap",
			n->index, id, ts);
}

// RFC 3168 section 6.1.3: a mark is echoed until CWR comes, and one that comes with CWR all the same.
// It is certain that the engine took it when nothing else came, and the stream moved over it.
static void marks(struct node *n, uint32_t id, const struct rec *r, uint32_t nxt)
{
	const struct tcp_soft *s = tcp_soft_held(&n->core->tcp, id);
	struct shadow_echo *e = &n->shadow[id].echo;

	if (!s || cc_ops_of(s)->ecn || !(r->opts & OB_NEG_ECN) || n->sim->plan.amnesia_ppm
		|| n->sim->plan.soft) {
		e->owed = false;
		return;
	}
	if (e->owed || e->n != 1 || !e->heard[0].ce || e->heard[0].end == e->heard[0].seq
		|| e->heard[0].seq != e->rcv_nxt || (int32_t)(nxt - e->heard[0].end) < 0)
		return;
	e->owed = true;
	FIRED(n->sim, ce_owed);
}

void echo_turn(struct node *n, uint32_t id)
{
	const struct rec *r = &n->st.recs[id];
	uint32_t nxt = r->irs + 1 + (uint32_t)STATE_OFF(HARD_GET(r->rcv_nxt));
	struct shadow_echo *e = &n->shadow[id].echo;

	if (e->n) {
		if (e->known)
			ts_recent(n, id, r, nxt);
		if (n->n_rx) // perhaps this turn has not taken them in
			return;
		marks(n, id, r, nxt);
	}
	// What came while it was half-open was not noted, and may wait to be taken in.
	e->known |= n->n_rx == 0;
	e->ts_recent = HARD_GET(r->ts_recent);
	e->rcv_nxt = nxt;
	e->n = 0;
}

void echo_frame(struct node *n, uint32_t id, const struct tcp_view *v)
{
	marks(n, id, &n->st.recs[id], v->ack);
	if (n->shadow[id].echo.owed && !(v->flags & TCP_ECE))
		wrong(n, v, "does not echo a mark");
}
