// The commit: every position that moved in this turn is stored in its record, before the burst
// that tells the peer of it leaves and before any event or buffer that depends on it goes out.
#include "engine/state/chain.h"
#include "engine/tcp/internal.h"

static void commit_one(struct tcp *t, struct tcp_soft *s, struct rec *r)
{
	HARD_SET(r->ts_recent, s->ts_recent);
	// Over-estimates are harmless: the edge and snd_max go first.
	HARD_SET(r->rcv_edge, s->rcv_edge);
	HARD_SET(r->snd_max, s->snd_max);
	// The pieces behind rcv_nxt were filled and linked before.
	HARD_SET(r->rcv_nxt, s->rcv_nxt);
	if (HARD_GET(r->snd_una) != s->snd_una) {
		HARD_SET(r->snd_una, s->snd_una);
		chain_tx_release(t->st, &t->mem[r->host], r, &s->snd_tail, &s->snd_cur, s->snd_una);
	}
	if (s->flags & SOFT_HEARD)
		HARD_SET(r->activity, (uint32_t)(t->now_us / 1000000));
	s->flags &= ~SOFT_HEARD;
}

void tcp_commit(struct tcp *t)
{
	uint32_t n = t->dirty.n;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t conn = t->dirty.ids[i];
		struct tcp_soft *s = tcp_soft_held(t, conn);

		if (!s || !(s->flags & SOFT_DIRTY))
			continue;
		s->flags &= ~SOFT_DIRTY;
		commit_one(t, s, tcp_rec(t, conn));
		COUNT(t->cnt, commits);
		conn_settle(t, s);
	}
	// Settling may have put connections back: into this list, behind n.
	t->dirty.n -= n;
	memmove(t->dirty.ids, t->dirty.ids + n, t->dirty.n * sizeof(uint32_t));
}
