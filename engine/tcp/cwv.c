// Congestion window validation (RFC 7661), and what becomes of a window after idling.
#include "engine/tcp/internal.h"

#define PERIOD_MIN_MS 1000u // the sampling period: that, or three round trips
#define NVP_MS 300000u // how long a window is kept that nobody uses
#define TICK_SHIFT 20u // microseconds: about a second
#define TICKS_EXACT 2048u // half of what 32 bits of microseconds hold
#define BINS 3u // of half a period each: what a sample says holds for one to one and a half periods

static uint32_t clock_ms(const struct tcp *t)
{
	return (uint32_t)(t->now_us / 1000);
}

static struct cwv *cwv_of(const struct tcp *t, const struct tcp_soft *s)
{
	return &t->cc_priv[t->soft_of[s->conn]].cwv;
}

// pipeACK, without those samples that are too old; 0: not known.
static uint32_t pipe_ack(const struct tcp *t, const struct tcp_soft *s, struct cwv *w)
{
	uint32_t bin = 3 * (s->srtt_us / 1000) / 2, most = 0;

	if (bin < PERIOD_MIN_MS / 2)
		bin = PERIOD_MIN_MS / 2;
	for (unsigned i = 0; i < BINS && clock_ms(t) - w->bin_ms >= bin; i++) {
		w->max[2] = w->max[1];
		w->max[1] = w->max[0];
		w->max[0] = 0;
		w->bin_ms += bin;
	}
	if (clock_ms(t) - w->bin_ms >= bin)
		w->bin_ms = clock_ms(t);
	for (unsigned i = 0; i < BINS; i++)
		most = w->max[i] > most ? w->max[i] : most;
	return most;
}

// Section 4.4.3: the window was not used for five minutes.
static void expire(struct tcp *t, struct tcp_soft *s, struct cwv *w)
{
	uint32_t iw = cc_init_wnd(s->snd_mss, setting(t, s, OB_OPT_INIT_CWND));
	uint32_t most = s->cwnd - s->cwnd / 4;

	while (clock_ms(t) - w->nvp_ms >= NVP_MS) {
		w->nvp_ms += NVP_MS;
		if (s->cwnd <= iw)
			continue;
		COUNT(t->cnt, tcp_cwv_expired);
		if (s->ssthresh < most)
			s->ssthresh = most;
		s->cwnd = s->cwnd / 2 > iw ? s->cwnd / 2 : iw;
		most = s->cwnd - s->cwnd / 4;
	}
}

// A round is over (section 4.2). A sender whose window is the limit is in the validated phase, whatever
// the last round says: in slow start cwnd is twice of what that has carried.
static void round_end(struct tcp *t, struct tcp_soft *s, struct cwv *w)
{
	uint32_t pipe = pipe_ack(t, s, w);

	if (w->acked > w->max[0])
		w->max[0] = w->acked;
	if (w->acked > pipe)
		pipe = w->acked;
	if ((s->flags & SOFT_WND_USED) || pipe >= s->cwnd / 2) {
		w->nonvalidated = 0;
	} else if (!w->nonvalidated) {
		COUNT(t->cnt, tcp_cwv_nonvalidated);
		w->nonvalidated = 1;
		w->nvp_ms = clock_ms(t);
	} else {
		expire(t, s, w);
	}
}

void cwv_acked(struct tcp *t, struct tcp_soft *s, uint64_t was)
{
	struct cwv *w = cwv_of(t, s);

	if ((int32_t)((uint32_t)s->snd_una - w->round_end) > 0) {
		if (w->acked)
			round_end(t, s, w);
		w->acked = 0;
		w->round_end = (uint32_t)s->snd_nxt;
	}
	w->acked += (uint32_t)(s->snd_una - was);
	w->acked_tick = (uint32_t)(t->now_us >> TICK_SHIFT);
}

uint32_t cwv_flight(struct tcp *t, struct tcp_soft *s, uint32_t flight)
{
	struct cwv *w = cwv_of(t, s);
	uint32_t pipe;

	w->reduce = w->nonvalidated;
	if (!w->nonvalidated)
		return flight;
	COUNT(t->cnt, tcp_cwv_reduced);
	pipe = pipe_ack(t, s, w);
	return flight > pipe ? flight : pipe;
}

void cwv_recovered(struct tcp *t, struct tcp_soft *s, uint32_t resent, uint32_t flight)
{
	struct cwv *w = cwv_of(t, s);
	uint64_t less;

	// pipeACK is not known until there is a new sample (section 4.4.2).
	w->max[0] = w->max[1] = w->max[2] = w->acked = 0;
	w->round_end = (uint32_t)s->snd_nxt;
	w->nonvalidated = 0;
	if (!w->reduce)
		return;
	w->reduce = 0;
	// ssthresh is a share of what was in flight: the same share of what was sent again is less.
	less = flight ? (uint64_t)resent * s->ssthresh / flight : 0;
	s->ssthresh = less + 2 * s->snd_mss < s->ssthresh ? s->ssthresh - (uint32_t)less
							  : 2 * s->snd_mss;
	if (s->cwnd > s->ssthresh)
		s->cwnd = s->ssthresh;
}

// sent_us is kept in 32 bits, which are 71 minutes. After longer than that the last ACK tells well enough.
static uint64_t since_sent(const struct tcp *t, const struct tcp_soft *s)
{
	uint32_t ticks = (uint32_t)(t->now_us >> TICK_SHIFT) - cwv_of(t, s)->acked_tick;

	if (ticks > TICKS_EXACT)
		return (uint64_t)ticks << TICK_SHIFT;
	return (uint32_t)((uint32_t)t->now_us - s->sent_us);
}

// How long nothing was in flight: what was sent last was answered a round trip later.
static uint64_t idle_us(const struct tcp *t, const struct tcp_soft *s)
{
	uint64_t since = since_sent(t, s);

	return since > s->srtt_us ? since - s->srtt_us : 0;
}

void cwv_resume(struct tcp *t, struct tcp_soft *s)
{
	struct cwv *w = cwv_of(t, s);
	struct cc c = cc_of(t, s);
	uint32_t segs = setting(t, s, OB_OPT_INIT_CWND);
	uint64_t idle = idle_us(t, s), since = since_sent(t, s);

	s->flags &= ~SOFT_WND_USED;
	if (idle && !w->limited_ms)
		w->limited_ms = (uint32_t)((t->now_us - idle) / 1000) | 1;
	if (since <= s->rto_us)
		return;
	if (t->cfg->tcp_idle_restart) {
		uint32_t most = s->cwnd - s->cwnd / 4;

		if (s->cwnd <= cc_init_wnd(s->snd_mss, segs))
			return;
		COUNT(t->cnt, tcp_cwnd_restart);
		if (s->ssthresh < most)
			s->ssthresh
				= most; // what the path has carried is found again in slow start
		cc_ops_of(s)->idle(&c, segs, since);
		return;
	}
	if (!w->nonvalidated) {
		w->nonvalidated = 1;
		w->nvp_ms = (uint32_t)((t->now_us - since) / 1000);
		COUNT(t->cnt, tcp_cwv_nonvalidated);
	}
	expire(t, s, w);
}

void cwv_sent(struct tcp *t, struct tcp_soft *s, bool used)
{
	struct cwv *w;

	if (used && (s->flags & SOFT_WND_USED))
		return;
	w = cwv_of(t, s);
	if (!used) {
		s->flags &= ~SOFT_WND_USED;
		if (!w->limited_ms)
			w->limited_ms = clock_ms(t) | 1;
		return;
	}
	s->flags |= SOFT_WND_USED;
	if (w->limited_ms && cc_ops_of(s)->paused) {
		struct cc c = cc_of(t, s);

		cc_ops_of(s)->paused(&c, (uint64_t)(clock_ms(t) - w->limited_ms) * 1000);
	}
	w->limited_ms = 0;
}
