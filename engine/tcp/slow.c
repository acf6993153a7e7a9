// Timers that few connections have: keepalive (RFC 9293 section 3.8.4), the user time-out (sections
// 3.8.3 and 3.9.1, RFC 5482) and the time of a lingering close. Nothing of them is done for a packet:
// each looks, when it fires, at what the connection has known all along. docs/timers.md.
#include <errno.h>

#include "engine/tcp/internal.h"

#define SECOND_US 1000000ull

static uint64_t first_of(uint64_t a, uint64_t b)
{
	return !a || (b && b < a) ? b : a;
}

static void slow_arm(struct tcp *t, struct tcp_soft *s)
{
	struct tcp_slow *w = slow_of(t, s);

	w->at = first_of(first_of(w->keep_at, w->user_at), w->linger_at);
	if (w->at)
		s->flags |= SOFT_SLOW;
	else
		s->flags &= ~SOFT_SLOW;
	conn_timer(t, s);
}

// When the peer was last heard of: less than a second before this. The record says it in seconds.
static uint64_t heard_us(const struct rec *r)
{
	return (HARD_GET(r->activity) + 1ull) * SECOND_US;
}

// One that the application has closed waits for the peer by other timers.
static bool keep_wanted(const struct tcp *t, const struct tcp_soft *s, const struct rec *r)
{
	return setting(t, s, OB_OPT_KEEPALIVE) && !(rec_flags(r) & (REC_CLOSED | REC_ORPHAN));
}

static uint64_t keep_idle_end(const struct tcp *t, const struct tcp_soft *s, const struct rec *r)
{
	return heard_us(r) + setting(t, s, OB_OPT_KEEPALIVE_IDLE) * SECOND_US;
}

// The user time-out of data: not below what a round trip may take (RFC 5482 section 3.1).
static uint64_t user_us(const struct tcp *t, const struct tcp_soft *s)
{
	uint64_t us = setting(t, s, OB_OPT_USER_TIMEOUT) * 1000ull;

	return us > s->rto_us ? us : s->rto_us;
}

void slow_follow(struct tcp *t, struct tcp_soft *s, const struct rec *r)
{
	struct tcp_slow *w = slow_of(t, s);

	if (!keep_wanted(t, s, r)) {
		w->keep_at = 0;
		w->keep_probes = 0;
	} else if (w->keep_probes == 0) {
		w->keep_at = keep_idle_end(t, s, r);
	}
	w->user_at = w->user_since_us && setting(t, s, OB_OPT_USER_TIMEOUT)
		? w->user_since_us + user_us(t, s)
		: 0;
	if (!(rec_flags(r) & REC_CLOSED) || !setting(t, s, OB_OPT_LINGER))
		w->linger_at = 0;
	else if (!w->linger_at)
		w->linger_at = t->now_us + setting(t, s, OB_OPT_LINGER_TIME) * 1000ull;
	slow_arm(t, s);
}

// Whether the user time-out, where there is one, has come for a peer that answers no probe. It takes
// the place of the number of probes.
static bool keep_over(const struct tcp *t, const struct tcp_soft *s, const struct rec *r)
{
	uint64_t after_us = setting(t, s, OB_OPT_USER_TIMEOUT) * 1000ull;
	const struct tcp_slow *w = slow_of(t, s);

	if (after_us)
		return w->keep_probes && t->now_us >= heard_us(r) + after_us;
	return w->keep_probes >= setting(t, s, OB_OPT_KEEPALIVE_COUNT);
}

// Returns whether the connection goes on.
static bool keep_fired(struct tcp *t, struct tcp_soft *s, struct rec *r)
{
	uint64_t idle_end = keep_idle_end(t, s, r), end;
	struct tcp_slow *w = slow_of(t, s);

	w->keep_at = 0;
	if (!keep_wanted(t, s, r))
		return true;
	if (heard_us(r) > w->keep_sent_us)
		w->keep_probes = 0; // it was answered
	if (s->snd_una != STATE_OFF(HARD_GET(r->snd_wr))) {
		// What is to be acknowledged has timers that find out sooner.
		w->keep_probes = 0;
		w->keep_at = t->now_us + setting(t, s, OB_OPT_KEEPALIVE_IDLE) * SECOND_US;
		return true;
	}
	if (w->keep_probes == 0 && t->now_us < idle_end) {
		w->keep_at = idle_end;
		return true;
	}
	if (keep_over(t, s, r)) {
		COUNT(t->cnt, tcp_keepalive_timeout);
		conn_give_up(t, s, r);
		return false;
	}
	w->keep_probes++;
	w->keep_sent_us = t->now_us;
	w->keep_at = t->now_us + setting(t, s, OB_OPT_KEEPALIVE_INTERVAL) * SECOND_US;
	end = heard_us(r) + setting(t, s, OB_OPT_USER_TIMEOUT) * 1000ull;
	if (setting(t, s, OB_OPT_USER_TIMEOUT) && end > t->now_us)
		w->keep_at = first_of(w->keep_at, end);
	s->flags |= SOFT_KEEP_SEND;
	list_out(t, s);
	return true;
}

void user_begin(struct tcp *t, struct tcp_soft *s)
{
	struct tcp_slow *w = slow_of(t, s);

	if (w->user_at && w->user_una == s->snd_una)
		return;
	w->user_una = s->snd_una;
	w->user_since_us = t->now_us;
	w->user_at = t->now_us + user_us(t, s);
	slow_arm(t, s);
}

// Something was acknowledged meanwhile: the rest is looked at again. The retransmission timer was set
// at the last progress, or a time-out has come since.
static void user_go_on(struct tcp *t, struct tcp_soft *s)
{
	struct rtt_bounds b = tcp_rtt_bounds(t, s);
	uint64_t rto = rtt_rto_us(s, &b);
	struct tcp_slow *w = slow_of(t, s);

	w->user_una = s->snd_una;
	w->user_since_us
		= s->rtx_at > rto && s->rtx_at - rto < t->now_us ? s->rtx_at - rto : t->now_us;
	w->user_at = w->user_since_us + user_us(t, s);
}

// Returns whether the connection goes on.
static bool user_fired(struct tcp *t, struct tcp_soft *s, struct rec *r)
{
	struct tcp_slow *w = slow_of(t, s);

	w->user_at = w->user_since_us = 0;
	if (s->snd_una == STATE_OFF(HARD_GET(r->snd_wr)))
		return true;
	if (s->snd_una != w->user_una)
		user_go_on(t, s);
	if (w->user_at > t->now_us)
		return true;
	COUNT(t->cnt, tcp_user_timeout);
	conn_give_up(t, s, r);
	return false;
}

// Returns whether the connection goes on: when all data is acknowledged the host was told that the close is
// done, and the FIN has the time of any other.
static bool linger_fired(struct tcp *t, struct tcp_soft *s, struct rec *r)
{
	slow_of(t, s)->linger_at = 0;
	if (s->snd_una >= wr_data_end(HARD_GET(r->snd_wr)))
		return true;
	COUNT(t->cnt, tcp_linger_timeout);
	conn_give_up(t, s, r);
	return false;
}

void slow_fired(struct tcp *t, struct tcp_soft *s, struct rec *r)
{
	struct tcp_slow *w = slow_of(t, s);

	if (w->linger_at && w->linger_at <= t->now_us && !linger_fired(t, s, r))
		return;
	if (w->user_at && w->user_at <= t->now_us && !user_fired(t, s, r))
		return;
	if (w->keep_at && w->keep_at <= t->now_us && !keep_fired(t, s, r))
		return;
	slow_arm(t, s);
}
