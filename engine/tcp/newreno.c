// NewReno: RFC 5681 with the initial window of RFC 6928, counting bytes (RFC 3465).
#include "engine/tcp/cc.h"

struct newreno {
	uint32_t acked; // bytes acknowledged since cwnd last grew
};
static_assert(sizeof(struct newreno) <= CC_PRIV_BYTES, "fits beside the soft state");

static struct newreno *own(struct cc *c)
{
	return (struct newreno *)c->priv->bytes;
}

static void newreno_init(struct cc *c, uint32_t init_segs)
{
	c->s->cwnd = cc_init_wnd(c->mss, init_segs);
	c->s->ssthresh = CC_SSTHRESH_INIT;
	own(c)->acked = 0;
}

static void newreno_acked(struct cc *c, const struct cc_ack *a)
{
	struct newreno *n = own(c);
	struct tcp_soft *s = c->s;
	uint32_t acked = a->acked;

	if (s->cwnd < s->ssthresh)
		acked = cc_slow_start(c, acked);
	// Congestion avoidance: one MSS for each window acknowledged
	n->acked += acked;
	if (n->acked >= s->cwnd) {
		n->acked -= s->cwnd;
		if (n->acked > s->cwnd)
			n->acked = s->cwnd;
		cc_grow(s, c->mss);
	}
}

// RFC 5681 equation 4
static uint32_t newreno_ssthresh(struct cc *c, uint32_t flight, enum cc_event ev)
{
	(void)ev;
	own(c)->acked = 0;
	return flight / 2 > 2 * c->mss ? flight / 2 : 2 * c->mss;
}

static void newreno_idle(struct cc *c, uint32_t init_segs, uint64_t idle_us)
{
	uint32_t rw = cc_init_wnd(c->mss, init_segs);

	(void)idle_us;
	if (c->s->cwnd > rw)
		c->s->cwnd = rw;
	own(c)->acked = 0;
}

const struct cc_ops cc_newreno = {
	.name = "newreno",
	.id = OB_CC_NEWRENO,
	.init = newreno_init,
	.acked = newreno_acked,
	.ssthresh = newreno_ssthresh,
	.idle = newreno_idle,
};
