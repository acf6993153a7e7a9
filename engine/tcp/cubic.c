// CUBIC (RFC 9438), its slow start by HyStart++ (RFC 9406). Windows are bytes, times milliseconds, so
// that with C = 0.4 segments/s^3 the cubic function is exact in 64 bits (docs/congestion-control.md).
#include "engine/tcp/cubic.h"

#define C_DIVISOR 2500000000ull // 1 / C, in ms^3
#define MS_MAX 100000u // of |t - K|: its cube and an MSS fit 64 bits, and are more than any window
#define EST_SHIFT 10u // fraction bits of W_est
#define ALPHA 542u // 3 (1 - beta) / (1 + beta), with as many

static struct cubic *own(struct cc *c)
{
	return (struct cubic *)c->priv->bytes;
}

// The largest integer whose cube is not above v: three bits of v for each of its own.
static uint32_t cube_root(uint64_t v)
{
	uint64_t root = 0;

	for (int bits = 63; bits >= 0; bits -= 3) {
		uint64_t step;

		root <<= 1;
		step = 3 * root * (root + 1) + 1; // (root + 1)^3 - root^3
		if (v >> bits >= step) {
			v -= step << bits;
			root++;
		}
	}
	return (uint32_t)root;
}

// Equation 1: W_cubic(t) = C (t - K)^3 + W_max.
static uint32_t w_cubic(const struct cubic_stage *g, uint64_t t_us, uint32_t mss)
{
	uint64_t t = t_us / 1000, d = t < g->k_ms ? g->k_ms - t : t - g->k_ms, by;

	if (d > MS_MAX)
		d = MS_MAX;
	by = d * d * d * mss / C_DIVISOR;
	if (t < g->k_ms)
		return by < g->w_max ? (uint32_t)(g->w_max - by) : 0;
	return by < CC_CWND_MAX - g->w_max ? (uint32_t)(g->w_max + by) : CC_CWND_MAX;
}

static void stage_begin(struct cc *c, struct cubic_stage *g)
{
	uint32_t cwnd = c->s->cwnd;

	g->epoch_us = c->now_us;
	g->w_est = (uint64_t)cwnd << EST_SHIFT;
	g->rest = 0;
	if (g->w_max == 0 && g->cwnd_prior == 0)
		g->cwnd_prior = cwnd; // section 4.10: slow start ended without a loss
	if (g->w_max <= cwnd) {
		g->w_max = cwnd; // and after a time-out (section 4.8)
		g->k_ms = 0;
	} else { // equation 2
		g->k_ms = cube_root((uint64_t)(g->w_max - cwnd) * C_DIVISOR / c->mss);
	}
}

// Equation 4. alpha is 1 when W_est has reached the window of the last congestion event.
static uint32_t reno_friendly(struct cc *c, struct cubic_stage *g, uint32_t acked)
{
	uint32_t alpha = g->w_est >> EST_SHIFT >= g->cwnd_prior ? 1u << EST_SHIFT : ALPHA;

	g->w_est += (uint64_t)acked * c->mss * alpha / c->s->cwnd;
	if (g->w_est >> EST_SHIFT > CC_CWND_MAX)
		g->w_est = (uint64_t)CC_CWND_MAX << EST_SHIFT;
	return (uint32_t)(g->w_est >> EST_SHIFT);
}

// Sections 4.2 to 4.5.
static void avoid(struct cc *c, struct cubic_stage *g, uint32_t acked)
{
	struct tcp_soft *s = c->s;
	uint32_t est, target;
	uint64_t t, sum;

	if (g->epoch_us == 0)
		stage_begin(c, g);
	if (acked > s->cwnd)
		acked = s->cwnd;
	t = c->now_us - g->epoch_us;
	est = reno_friendly(c, g, acked);
	if (w_cubic(g, t, c->mss) < est) {
		COUNT(c->cnt, tcp_cubic_friendly);
		if (est > s->cwnd)
			s->cwnd = est;
		return;
	}
	if (s->cwnd < g->w_max)
		COUNT(c->cnt, tcp_cubic_concave);
	else
		COUNT(c->cnt, tcp_cubic_convex);
	target = w_cubic(g, t + s->srtt_us, c->mss);
	if (target > s->cwnd + s->cwnd / 2)
		target = s->cwnd + s->cwnd / 2;
	if (target <= s->cwnd)
		return;
	// (target - cwnd) / cwnd for each segment acknowledged
	sum = (uint64_t)(target - s->cwnd) * acked + g->rest;
	g->rest = (uint32_t)(sum % s->cwnd);
	cc_grow(s, (uint32_t)(sum / s->cwnd));
}

static void cubic_init(struct cc *c, uint32_t init_segs)
{
	struct cubic *k = own(c);

	c->s->cwnd = cc_init_wnd(c->mss, init_segs);
	c->s->ssthresh = CC_SSTHRESH_INIT;
	k->now = (struct cubic_stage){.epoch_us = 0};
	hystart_begin(&k->hystart);
}

static void cubic_acked(struct cc *c, const struct cc_ack *a)
{
	struct cubic *k = own(c);
	uint32_t acked = a->acked;

	if (c->s->ssthresh == CC_SSTHRESH_INIT) {
		hystart_acked(&k->hystart, c, a);
		return;
	}
	if (c->s->cwnd < c->s->ssthresh)
		acked = cc_slow_start(c, acked);
	if (acked)
		avoid(c, &k->now, acked);
}

// Sections 4.6 to 4.8. W_max is what the path has carried: not a window that was hardly used.
static uint32_t cubic_ssthresh(struct cc *c, uint32_t flight, enum cc_event ev)
{
	struct cubic *k = own(c);
	uint32_t cwnd = c->s->cwnd, ssthresh = (uint32_t)((uint64_t)flight * 7 / 10);

	if (flight < cwnd / 2)
		cwnd = flight;
	k->before = k->now;
	k->now = (struct cubic_stage){.cwnd_prior = cwnd};
	if (ev == CC_TIMEOUT)
		k->now.w_max = 0; // that of the stage's beginning
	else if (cwnd < k->before.w_max)
		k->now.w_max = (uint32_t)((uint64_t)cwnd * 17 / 20); // fast convergence
	else
		k->now.w_max = cwnd;
	return ssthresh > 2 * c->mss ? ssthresh : 2 * c->mss;
}

// Section 4.9. The caller has restored cwnd and ssthresh.
static void cubic_undo(struct cc *c)
{
	struct cubic *k = own(c);

	k->now = k->before;
	if (c->s->ssthresh == CC_SSTHRESH_INIT)
		hystart_begin(&k->hystart);
}

static void cubic_idle(struct cc *c, uint32_t init_segs, uint64_t idle_us)
{
	struct cubic *k = own(c);
	uint32_t rw = cc_init_wnd(c->mss, init_segs);

	(void)idle_us;
	if (c->s->cwnd > rw)
		c->s->cwnd = rw;
	k->now.epoch_us = 0;
	if (c->s->ssthresh == CC_SSTHRESH_INIT)
		hystart_begin(&k->hystart);
}

// Section 5.8: the curve stands still meanwhile.
static void cubic_paused(struct cc *c, uint64_t us)
{
	struct cubic_stage *g = &own(c)->now;

	if (g->epoch_us)
		g->epoch_us = g->epoch_us + us < c->now_us ? g->epoch_us + us : c->now_us;
}

const struct cc_ops cc_cubic = {
	.name = "cubic",
	.id = OB_CC_CUBIC,
	.init = cubic_init,
	.acked = cubic_acked,
	.ssthresh = cubic_ssthresh,
	.undo = cubic_undo,
	.idle = cubic_idle,
	.paused = cubic_paused,
};
