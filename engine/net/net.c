#include "engine/net/net.h"

#include <netinet/in.h>
#include <rte_prefetch.h>
#include <rte_random.h>
#include <stdio.h>
#include <string.h>

#include "engine/net/arp.h"
#include "engine/net/eth.h"
#include "engine/net/icmp.h"
#include "engine/net/ipv4.h"
#include "engine/net/neigh.h"
#include "engine/net/tcp_pkt.h"

#define STAGE_PKTS 32u // packets that pass a stage together
#define SECOND_US 1000000u

int net_init(struct net *n, const struct config *cfg, struct port *port, struct counters *cnt,
	const struct net_ops *ops, uint64_t now_us, char *err, size_t err_bytes)
{
	int r;

	memset(n, 0, sizeof(*n));
	n->port = port;
	n->cnt = cnt;
	n->ops = ops;
	n->now_us = now_us;
	n->addr = cfg->addr;
	n->addr_be = ob_addr_get_v4(&cfg->addr);
	if (cfg->prefix_len > 0)
		n->mask_be = rte_cpu_to_be_32(UINT32_MAX << (32 - cfg->prefix_len));
	n->gateway_be = ob_addr_is_any(&cfg->gateway) ? 0 : ob_addr_get_v4(&cfg->gateway);
	n->icmp_echo = cfg->net_icmp_echo;
	n->icmp_limit.rate = cfg->net_icmp_rate;
	n->ip_id = (uint16_t)rte_rand();
	r = neigh_init(n, cfg);
	if (r < 0) {
		snprintf(err, err_bytes, "net.neigh_max: no memory for %llu neighbours",
			(unsigned long long)cfg->net_neigh_max);
		return r;
	}
	arp_announce(n);
	return 0;
}

void net_fini(struct net *n)
{
	neigh_fini(n);
}

// Stage 1: what kind of packet it is, and whether its headers up to IP are sound.
static unsigned classify(const struct net *n, struct pkt *p)
{
	unsigned verdict;

	if (unlikely(p->m->nb_segs > 1) && rte_pktmbuf_linearize(p->m) < 0)
		return COUNTER_drop_eth_segs;
	verdict = eth_parse(n, p);
	return verdict == PKT_GOOD && p->ip != NULL ? ipv4_check(n, p) : verdict;
}

// Stage 2 for everything that is not TCP.
static unsigned answer(struct net *n, const struct pkt *p)
{
	if (p->ip == NULL)
		return arp_input(n, p);
	if (p->ip->next_proto_id == IPPROTO_ICMP)
		return icmp_input(n, p);
	return icmp_refuse(n, p);
}

static void end(struct net *n, struct rte_mbuf *m, unsigned verdict)
{
	if (verdict < COUNTERS) {
		((uint64_t *)n->cnt)[verdict]++;
		rte_pktmbuf_free(m);
	}
}

static unsigned input_some(struct net *n, struct rte_mbuf **mbufs, unsigned n_mbufs,
	struct seg_in *out, struct rte_mbuf **keep)
{
	struct pkt pkts[STAGE_PKTS];
	unsigned verdicts[STAGE_PKTS];
	unsigned n_out = 0;

	for (unsigned i = 0; i < n_mbufs; i++)
		rte_prefetch0(rte_pktmbuf_mtod(mbufs[i], void *));
	for (unsigned i = 0; i < n_mbufs; i++) {
		pkts[i].m = mbufs[i];
		verdicts[i] = classify(n, &pkts[i]);
	}
	for (unsigned i = 0; i < n_mbufs; i++) {
		struct pkt *p = &pkts[i];

		if (unlikely(verdicts[i] != PKT_GOOD)) {
			end(n, p->m, verdicts[i]);
		} else if (likely(p->ip != NULL && p->ip->next_proto_id == IPPROTO_TCP)) {
			verdicts[i] = tcp_rx_parse(n, p, &out[n_out]);
			if (likely(verdicts[i] == PKT_GOOD))
				keep[n_out++] = p->m;
			else
				end(n, p->m, verdicts[i]);
		} else {
			end(n, p->m, answer(n, p));
		}
	}
	return n_out;
}

unsigned net_input(struct net *n, struct rte_mbuf **pkts, unsigned n_pkts, struct seg_in *out,
	struct rte_mbuf **keep, uint64_t now_us)
{
	unsigned n_out = 0;

	n->now_us = now_us;
	for (unsigned at = 0; at < n_pkts; at += STAGE_PKTS)
		n_out += input_some(
			n, pkts + at, RTE_MIN(n_pkts - at, STAGE_PKTS), out + n_out, keep + n_out);
	return n_out;
}

void net_timers(struct net *n, uint64_t now_us)
{
	n->now_us = now_us;
	neigh_timers(n);
}

uint64_t net_next_us(const struct net *n)
{
	return neigh_next_us(n);
}

bool net_limit_take(struct net_limit *l, uint64_t now_us)
{
	uint64_t cost_us;
	uint64_t most_us;

	if (l->rate == 0)
		return false;
	cost_us = (SECOND_US + l->rate - 1) / l->rate;
	most_us = RTE_MAX(SECOND_US / 10, cost_us);
	l->tokens_us = RTE_MIN(l->tokens_us + (now_us - l->last_us), most_us);
	l->last_us = now_us;
	if (l->tokens_us < cost_us)
		return false;
	l->tokens_us -= cost_us;
	return true;
}
