#include "engine/tcp/cc.h"
#include "engine/tcp/internal.h"

const struct cc_ops *const cc_all[OB_CC_END] = {
	[OB_CC_NEWRENO] = &cc_newreno,
	[OB_CC_CUBIC] = &cc_cubic,
	[OB_CC_DCTCP] = &cc_dctcp,
};

const struct cc_ops *cc_find(const char *name)
{
	for (unsigned i = OB_CC_DEFAULT + 1; i < OB_CC_END; i++)
		if (cc_all[i] && strcmp(cc_all[i]->name, name) == 0)
			return cc_all[i];
	return NULL;
}

const struct cc_ops *cc_by_id(unsigned id)
{
	return id < OB_CC_END ? cc_all[id] : NULL;
}

// RFC 6928 section 2: min(10 MSS, max(2 MSS, 14600)), for any number of segments.
uint32_t cc_init_wnd(uint32_t mss, uint32_t segs)
{
	uint32_t most = segs * 1460;

	if (most < 2 * mss)
		most = 2 * mss;
	if (segs * mss < most)
		most = segs * mss;
	return most;
}

void cc_grow(struct tcp_soft *s, uint32_t by)
{
	s->cwnd = s->cwnd < CC_CWND_MAX - by ? s->cwnd + by : CC_CWND_MAX;
}

// RFC 3465 section 2.3: after a time-out an ACK may cover what had arrived long ago.
uint32_t cc_ss_bytes(const struct cc *c, uint32_t acked)
{
	uint32_t most = (c->s->flags & SOFT_LOSS ? 1 : CC_SS_SEGS) * c->mss;

	return acked < most ? acked : most;
}

uint32_t cc_slow_start(struct cc *c, uint32_t acked)
{
	uint32_t by = cc_ss_bytes(c, acked), room = c->s->ssthresh - c->s->cwnd;

	if (by <= room) {
		cc_grow(c->s, by);
		return 0;
	}
	c->s->cwnd = c->s->ssthresh;
	return by - room;
}

void cc_begin(struct tcp *t, struct tcp_soft *s, uint32_t segs)
{
	struct cc c = cc_of(t, s);

	memset(c.priv, 0, sizeof(*c.priv));
	s->cc = setting(t, s, OB_OPT_CONGESTION) & 7u;
	cc_ops_of(s)->init(&c, segs);
}
