#include <errno.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <string.h>

#include "engine/net/arp.h"
#include "engine/net/eth.h"
#include "engine/net/neigh_table.h"

int neigh_init(struct net *n, const struct config *cfg)
{
	struct neigh_table *t = neigh_table_make(cfg, n->now_us);

	n->neigh = t;
	if (t == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < cfg->n_neigh; i++) {
		struct neigh *e = neigh_add(t, ob_addr_get_v4(&cfg->neigh[i].addr));

		if (e == NULL) {
			neigh_fini(n);
			return -ENOMEM;
		}
		memcpy(e->mac, cfg->neigh[i].mac, 6);
		e->state = NEIGH_STATIC;
	}
	return 0;
}

void neigh_fini(struct net *n)
{
	if (n->neigh != NULL)
		neigh_table_free(n->neigh);
	n->neigh = NULL;
}

static void ask(struct net *n, struct neigh *e)
{
	struct neigh_table *t = n->neigh;
	// One that we knew is asked alone at first; it may have moved.
	bool alone = e->state == NEIGH_AGED && e->tries == 0;

	e->tries++;
	arp_ask(n, ob_addr_get_v4(&e->addr), alone ? e->mac : NULL);
	wheel_arm(&t->wheel, neigh_id(t, e), n->now_us + t->retry_us);
}

static void confirm(struct net *n, struct neigh *e, const uint8_t mac[6])
{
	struct neigh_table *t = n->neigh;
	struct rte_mbuf *pkts[NEIGH_WAIT];
	unsigned n_pkts = 0;

	if (e->state == NEIGH_STATIC)
		return;
	if (e->state == NEIGH_ASKED)
		n_pkts = neigh_take(t, e, pkts);
	memcpy(e->mac, mac, 6);
	e->state = NEIGH_KNOWN;
	e->tries = 0;
	wheel_arm(&t->wheel, neigh_id(t, e), n->now_us + t->age_us);
	for (unsigned i = 0; i < n_pkts; i++)
		eth_send(n, pkts[i], e->mac, RTE_ETHER_TYPE_IPV4);
	if (n_pkts > 0)
		e->used_us = n->now_us;
}

int neigh_check(const struct net *n, uint32_t hop_be)
{
	const struct neigh *e = neigh_find(n->neigh, hop_be);

	return e != NULL && e->state == NEIGH_FAILED ? -EHOSTUNREACH : 0;
}

int neigh_send(struct net *n, struct rte_mbuf *m, uint32_t hop_be)
{
	struct neigh_table *t = n->neigh;
	struct neigh *e = neigh_find(t, hop_be);

	if (unlikely(e == NULL)) {
		neigh_evict(t, n->now_us);
		e = neigh_add(t, hop_be);
		if (e == NULL) {
			COUNT(n->cnt, neigh_full);
			rte_pktmbuf_free(m);
			return -EHOSTUNREACH;
		}
		e->state = NEIGH_ASKED;
		ask(n, e);
	}
	switch (e->state) {
	case NEIGH_ASKED:
		if (!neigh_wait(t, e, m)) {
			COUNT(n->cnt, neigh_queue_full);
			rte_pktmbuf_free(m);
		}
		return 0;
	case NEIGH_FAILED:
		rte_pktmbuf_free(m);
		return -EHOSTUNREACH;
	}
	e->used_us = n->now_us;
	eth_send(n, m, e->mac, RTE_ETHER_TYPE_IPV4);
	return 0;
}

void neigh_learn(struct net *n, uint32_t addr_be, const uint8_t mac[6])
{
	struct neigh *e = neigh_find(n->neigh, addr_be);

	// Strangers who ask for us push nobody out.
	if (e == NULL)
		e = neigh_add(n->neigh, addr_be);
	if (e != NULL)
		confirm(n, e, mac);
}

bool neigh_answer(struct net *n, uint32_t addr_be, const uint8_t mac[6])
{
	struct neigh *e = neigh_find(n->neigh, addr_be);

	if (e == NULL || (e->state != NEIGH_ASKED && e->state != NEIGH_AGED))
		return false;
	confirm(n, e, mac);
	return true;
}

void neigh_doubt(struct net *n, uint32_t addr_be, const uint8_t mac[6])
{
	struct neigh *e = neigh_find(n->neigh, addr_be);

	if (e == NULL || e->state != NEIGH_KNOWN || memcmp(e->mac, mac, 6) == 0)
		return;
	e->state = NEIGH_AGED;
	e->tries = 1; // asks all stations at once
	ask(n, e);
}

// It did not answer: whoever waits for it hears of it.
static void fail(struct net *n, struct neigh *e)
{
	struct neigh_table *t = n->neigh;
	struct rte_mbuf *pkts[NEIGH_WAIT];
	struct ob_addr hop = e->addr;
	unsigned n_pkts = e->state == NEIGH_ASKED ? neigh_take(t, e, pkts) : 0;

	COUNT(n->cnt, neigh_failed);
	e->state = NEIGH_FAILED;
	wheel_arm(&t->wheel, neigh_id(t, e), n->now_us + NEIGH_FAILED_US);
	if (n->ops != NULL && n->ops->unreachable != NULL) {
		n->ops->unreachable(n->ops->ctx, &hop);
		for (unsigned i = 0; i < n_pkts; i++) {
			const struct rte_ipv4_hdr *ip
				= rte_pktmbuf_mtod(pkts[i], const struct rte_ipv4_hdr *);
			struct ob_addr dst = ob_addr_v4(ip->dst_addr);

			// Behind a gateway: each of the stations that it stood for.
			if (!ob_addr_eq(&dst, &hop))
				n->ops->unreachable(n->ops->ctx, &dst);
		}
	}
	rte_pktmbuf_free_bulk(pkts, n_pkts);
}

static void expire(struct net *n, struct neigh *e)
{
	struct neigh_table *t = n->neigh;

	switch (e->state) {
	case NEIGH_KNOWN:
		if (n->now_us - e->used_us >= t->age_us) {
			neigh_forget(t, e);
			break;
		}
		e->state = NEIGH_AGED;
		ask(n, e);
		break;
	case NEIGH_ASKED:
	case NEIGH_AGED:
		if (e->tries < t->tries)
			ask(n, e);
		else
			fail(n, e);
		break;
	case NEIGH_FAILED:
		neigh_forget(t, e);
		break;
	}
}

void neigh_timers(struct net *n)
{
	uint32_t ids[16];
	unsigned n_ids;

	do {
		n_ids = wheel_advance(&n->neigh->wheel, n->now_us, ids, 16);
		for (unsigned i = 0; i < n_ids; i++)
			expire(n, &n->neigh->entries[ids[i]]);
	} while (n_ids == 16);
}

uint64_t neigh_next_us(const struct net *n)
{
	return wheel_next_us(&n->neigh->wheel);
}
