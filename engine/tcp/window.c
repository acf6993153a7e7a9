// The receive window: how far its right edge may rise, and when the peer is told (RFC 9293 section
// 3.8.6).
#include "engine/tcp/internal.h"
#include "engine/tcp/output.h"

#define STARVED_RETRY_US 10000u // how often a starved connection looks for buffers

uint32_t tcp_rcv_wnd(const struct tcp *t)
{
	uint64_t most = 65535ull << t->cfg->tcp_wscale;

	return (uint32_t)(t->cfg->tcp_rcv_wnd < most ? t->cfg->tcp_rcv_wnd : most);
}

static uint32_t rcv_space(const struct tcp *t, const struct rec *r)
{
	uint64_t most = 65535ull << our_shift(r);

	return (uint32_t)(t->cfg->tcp_rcv_wnd < most ? t->cfg->tcp_rcv_wnd : most);
}

static bool buffers_low(const struct tcp *t, const struct rec *r)
{
	const struct host_mem *m = &t->mem[r->host];

	return m->n_free <= m->low_mark;
}

// By how much the edge may rise now: 0 when it is not worth a segment of its own window
// (RFC 9293 section 3.8.6.2.2).
static uint64_t edge_gain(const struct tcp *t, const struct tcp_soft *s, const struct rec *r)
{
	uint32_t space = rcv_space(t, r);
	uint64_t target = s->rcv_consumed + space, gain;
	uint32_t step = space / 2 < t->mss ? space / 2 : t->mss;

	if ((s->rcv_nxt & STATE_FIN) || target <= s->rcv_edge)
		return 0;
	gain = target - s->rcv_edge;
	return gain >= step ? gain : 0;
}

bool edge_worth(struct tcp *t, struct tcp_soft *s, const struct rec *r)
{
	uint64_t gain = edge_gain(t, s, r);

	if (gain == 0 || buffers_low(t, r))
		return false;
	return gain >= rcv_space(t, r) / 4 || (s->flags & (SOFT_ZERO_WND | SOFT_NO_BUFS))
		|| s->rcv_edge - STATE_OFF(s->rcv_nxt) < 2u * t->mss;
}

// A connection whose edge could not rise looks again by its timer.
static void starve(struct tcp *t, struct tcp_soft *s)
{
	s->flags |= SOFT_STARVED;
	if (s->ack_at == 0)
		s->ack_at = t->now_us + STARVED_RETRY_US;
	conn_timer(t, s);
}

void starved_retry(struct tcp *t, struct tcp_soft *s, struct rec *r)
{
	if (buffers_low(t, r)) {
		starve(t, s);
		return;
	}
	s->flags &= ~SOFT_STARVED;
	conn_ack_now(t, s);
}

uint16_t out_window(struct tcp *t, struct tcp_soft *s, const struct rec *r)
{
	uint64_t gain = t->edges_stay ? 0 : edge_gain(t, s, r), nxt = STATE_OFF(s->rcv_nxt), wnd;

	if (gain && buffers_low(t, r)) {
		starve(t, s);
	} else if (gain) {
		s->rcv_edge += gain;
		list_dirty(t, s);
	}
	if ((s->flags & SOFT_NO_BUFS) && !buffers_low(t, r))
		s->flags &= ~SOFT_NO_BUFS;
	wnd = s->rcv_edge > nxt ? s->rcv_edge - nxt : 0;
	if (s->flags & SOFT_NO_BUFS) {
		wnd = 0;
		starve(t, s);
	}
	wnd >>= our_shift(r);
	if (wnd == 0)
		s->flags |= SOFT_ZERO_WND;
	else
		s->flags &= ~SOFT_ZERO_WND;
	return (uint16_t)(wnd < 65535 ? wnd : 65535);
}
