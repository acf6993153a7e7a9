// DCTCP (RFC 8257): the window shrinks by the share of bytes that were marked. Growth and losses are
// NewReno's.
#include "engine/tcp/cc.h"

#define ALPHA_BITS 20u
#define ALPHA_ONE (1u << ALPHA_BITS)

// Names as in section 3.3.
struct dctcp {
	uint64_t window_end; // offset
	uint64_t bytes_acked;
	uint64_t bytes_marked;
	uint32_t alpha; // of ALPHA_ONE
	uint32_t grown; // bytes acknowledged since cwnd last grew
};
static_assert(sizeof(struct dctcp) <= CC_PRIV_BYTES, "fits beside the soft state");

static struct dctcp *own(struct cc *c)
{
	return (struct dctcp *)c->priv->bytes;
}

static void dctcp_init(struct cc *c, uint32_t init_segs)
{
	struct dctcp *d = own(c);

	c->s->cwnd = cc_init_wnd(c->mss, init_segs);
	c->s->ssthresh = CC_SSTHRESH_INIT;
	*d = (struct dctcp){
		.window_end = c->s->snd_nxt,
		.alpha = (uint32_t)(c->cfg->tcp_dctcp_alpha << (ALPHA_BITS - 10)),
	};
}

// Slow start, then one MSS for each window acknowledged.
static void dctcp_acked(struct cc *c, const struct cc_ack *a)
{
	struct dctcp *d = own(c);
	struct tcp_soft *s = c->s;

	d->grown += s->cwnd < s->ssthresh ? cc_slow_start(c, a->acked) : a->acked;
	if (d->grown >= s->cwnd) {
		d->grown -= s->cwnd;
		if (d->grown > s->cwnd)
			d->grown = s->cwnd;
		cc_grow(s, c->mss);
	}
}

// Section 3.3, steps 2 to 8, when the observation window is over.
static void dctcp_marked(struct cc *c, const struct cc_ack *a)
{
	uint32_t g = (uint32_t)c->cfg->tcp_dctcp_shift_g, share;
	struct dctcp *d = own(c);

	d->bytes_acked += a->acked;
	if (a->ece)
		d->bytes_marked += a->acked;
	if (a->una <= d->window_end || d->bytes_acked == 0)
		return;
	share = (uint32_t)((d->bytes_marked << ALPHA_BITS) / d->bytes_acked);
	// What the shift rounds off would keep alpha from ever reaching 0.
	d->alpha -= d->alpha >> g ? d->alpha >> g : d->alpha;
	d->alpha += share >> g;
	d->window_end = a->nxt;
	d->bytes_acked = d->bytes_marked = 0;
}

// Sections 3.3 (9) and 3.5. cwnd, not what is in flight: a mark says something of the path, and a
// small one should not cost what the application has left unused.
static uint32_t dctcp_ssthresh(struct cc *c, uint32_t flight, enum cc_event ev)
{
	uint32_t cwnd = c->s->cwnd, wnd;

	own(c)->grown = 0;
	if (ev == CC_ECN)
		wnd = cwnd - (uint32_t)(((uint64_t)cwnd * own(c)->alpha) >> (ALPHA_BITS + 1));
	else
		wnd = flight / 2;
	return wnd > 2 * c->mss ? wnd : 2 * c->mss;
}

static void dctcp_idle(struct cc *c, uint32_t init_segs, uint64_t idle_us)
{
	uint32_t rw = cc_init_wnd(c->mss, init_segs);

	(void)idle_us;
	if (c->s->cwnd > rw)
		c->s->cwnd = rw;
	own(c)->grown = 0;
}

const struct cc_ops cc_dctcp = {
	.name = "dctcp",
	.id = OB_CC_DCTCP,
	.ecn = true,
	.init = dctcp_init,
	.acked = dctcp_acked,
	.ssthresh = dctcp_ssthresh,
	.idle = dctcp_idle,
	.marked = dctcp_marked,
};
