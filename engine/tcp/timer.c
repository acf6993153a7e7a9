// Timers: retransmission (RFC 6298), zero-window probes (RFC 9293 section 3.8.6.1), delayed ACKs,
// the limit of FIN-WAIT-2.
#include <errno.h>
#include <rte_prefetch.h>

#include "engine/tcp/internal.h"

#define TIMER_BURST 64u
#define SOFT_AGAIN_US 1000000u // how soon soft state is asked for again when there was none

void conn_give_up(struct tcp *t, struct tcp_soft *s, struct rec *r)
{
	COUNT(t->cnt, tcp_timeout);
	reply_reset_conn(t, r, s);
	conn_done(t, s->conn, ETIMEDOUT);
}

// R2 (RFC 9293 section 3.8.3): with a user time-out that decides alone.
static bool retries_over(const struct tcp *t, const struct tcp_soft *s, const struct rec *r)
{
	if (rec_flags(r) & REC_ORPHAN)
		return s->retries >= t->cfg->tcp_orphan_retries;
	return !setting(t, s, OB_OPT_USER_TIMEOUT) && s->retries >= setting(t, s, OB_OPT_RETRIES);
}

static void rtx_fired(struct tcp *t, struct tcp_soft *s, struct rec *r)
{
	s->rtx_at = 0;
	if (tcp_state(r) == TCPS_FIN_WAIT_2) {
		COUNT(t->cnt, tcp_timeout);
		conn_done(t, s->conn, 0);
		return;
	}
	if (s->flags & SOFT_ECN_HOLD) {
		s->flags &= ~SOFT_ECN_HOLD;
		list_out(t, s);
		return;
	}
	if (!(s->flags & SOFT_PROBE) && tlp_eligible(t, s, r)) {
		tlp_fired(t, s); // its time was bounded by the RTO (RFC 8985 section 7.2)
		return;
	}
	if (retries_over(t, s, r)) {
		conn_give_up(t, s, r);
		return;
	}
	if (s->retries < UINT8_MAX)
		s->retries++;
	if (s->flags & SOFT_PROBE) {
		s->flags &= ~SOFT_PROBE;
		s->flags |= SOFT_FORCE;
	} else {
		recovery_timeout(t, s, r);
	}
	if (s->backoff < 16)
		s->backoff++;
	list_out(t, s);
}

static void soon_fired(struct tcp *t, struct tcp_soft *s, const struct rec *r)
{
	s->soon_at = 0;
	if (s->flags & SOFT_REO) {
		s->flags &= ~SOFT_REO;
		recovery_reo_fired(t, s);
	} else if (tlp_eligible(t, s, r)) {
		tlp_fired(t, s);
	}
}

// The timer of a connection that gave its soft state up: only keepalive keeps one going then.
static struct tcp_soft *soft_of_timer(struct tcp *t, uint32_t conn)
{
	struct tcp_soft *s = tcp_soft_held(t, conn);

	if (s || rec_phase(tcp_rec(t, conn)) != REC_LIVE || !setting_of(t, conn, OB_OPT_KEEPALIVE))
		return s;
	s = tcp_soft(t, conn);
	if (!s && rec_phase(tcp_rec(t, conn)) == REC_LIVE)
		wheel_arm(&t->wheel, conn, t->now_us + SOFT_AGAIN_US);
	return s;
}

void conn_timeout(struct tcp *t, uint32_t conn)
{
	struct tcp_soft *s = soft_of_timer(t, conn);
	struct rec *r = tcp_rec(t, conn);

	if (!s || rec_phase(r) != REC_LIVE)
		return;
	if (s->ack_at && s->ack_at <= t->now_us) {
		s->ack_at = 0;
		if (s->flags & SOFT_ACK_WAIT) {
			COUNT(t->cnt, tcp_ack_delayed);
			s->flags &= ~SOFT_ACK_WAIT;
			conn_ack_now(t, s);
		}
		if (s->flags & (SOFT_STARVED | SOFT_NO_BUFS))
			starved_retry(t, s, r);
	}
	if (s->soon_at && s->soon_at <= t->now_us)
		soon_fired(t, s, r);
	if (s->rtx_at && s->rtx_at <= t->now_us)
		rtx_fired(t, s, r);
	if ((s->flags & SOFT_SLOW) && slow_of(t, s)->at <= t->now_us)
		slow_fired(t, s, r);
	if (tcp_soft_held(t, conn) == s && rec_phase(r) == REC_LIVE)
		conn_timer(t, s);
}

// Timers of a burst belong to connections that were not looked at for a while: their lines are asked
// for together, in the order in which they lead to each other. (rte_prefetch0, here and where a
// function does nothing else: gcc takes one with __builtin_prefetch alone for pure, and drops the call.)
static void prefetch_due(const struct tcp *t, const uint32_t *ids, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (tcp_id_is_half(t, ids[i]))
			continue;
		rte_prefetch0(&t->soft_of[ids[i]]);
		rte_prefetch0(tcp_rec(t, ids[i]));
	}
	for (unsigned i = 0; i < n; i++) {
		const struct tcp_soft *s
			= tcp_id_is_half(t, ids[i]) ? NULL : tcp_soft_held(t, ids[i]);

		if (s) {
			rte_prefetch0(s);
			rte_prefetch0(&s->ack_at);
		}
	}
}

void tcp_timers(struct tcp *t)
{
	uint32_t ids[TIMER_BURST];
	unsigned n;

	do {
		n = wheel_advance(&t->wheel, t->now_us, ids, TIMER_BURST);
		if (n > 1)
			prefetch_due(t, ids, n);
		for (unsigned i = 0; i < n; i++) {
			if (tcp_id_is_half(t, ids[i]))
				half_timeout(t, ids[i]);
			else
				conn_timeout(t, ids[i]);
		}
	} while (n == TIMER_BURST);
	tw_expire(t->tw, t->now_us);
}

uint64_t tcp_next_us(const struct tcp *t)
{
	uint64_t a = wheel_next_us(&t->wheel), b = tw_next_us(t->tw);

	if (t->out.n || t->half_out.n || t->dirty.n)
		return t->now_us;
	return a < b ? a : b;
}
