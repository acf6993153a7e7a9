// Setting TCP up, and the beginning of a turn.
#include <errno.h>
#include <rte_jhash.h>
#include <rte_lcore.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/tcp/ecn.h"
#include "engine/tcp/ooo.h"

#define SECOND_US 1000000u

static int table_create(struct tcp *t)
{
	static _Atomic unsigned serial; // names of hash tables are unique in a process
	char name[RTE_HASH_NAMESIZE];
	struct rte_hash_parameters p = {
		.name = name,
		.entries = t->n_conns + t->n_half,
		.key_len = sizeof(struct seg_tuple),
		.hash_func = rte_jhash,
		.socket_id = (int)rte_socket_id(),
		// Insertion never fails below the number of entries.
		.extra_flag = RTE_HASH_EXTRA_FLAGS_EXT_TABLE,
	};

	memcpy(&p.hash_func_init_val, t->st->hdr->secrets.cookie, sizeof(uint32_t));
	snprintf(name, sizeof(name), "ob_conn_%u", atomic_fetch_add(&serial, 1));
	t->table = rte_hash_create(&p);
	return t->table ? 0 : -ENOMEM;
}

#define PROMOTED_MAX 256u // segments in a turn: the bound of port.burst

// An array of n uint32_t: each its own index when `stack`, else all STATE_NIL.
static uint32_t *index_array(uint32_t n, bool stack)
{
	uint32_t *a = malloc((size_t)n * sizeof(*a));

	for (uint32_t i = 0; a && i < n; i++)
		a[i] = stack ? n - 1 - i : STATE_NIL;
	return a;
}

static int arrays_create(struct tcp *t, const struct config *cfg)
{
	t->soft_of = index_array(t->n_conns, false);
	t->soft = aligned_alloc(64, ((size_t)t->n_soft * sizeof(*t->soft) + 63) & ~(size_t)63);
	t->soft_free = index_array(t->n_soft, true);
	t->cc_priv = aligned_alloc(64, (size_t)t->n_soft * sizeof(*t->cc_priv));
	t->slow = calloc(t->n_soft, sizeof(*t->slow));
	t->ecn_answered = calloc(t->n_soft, sizeof(*t->ecn_answered));
	t->half_soft = calloc(t->n_half, sizeof(*t->half_soft));
	// A record that is freed within a turn leaves a stale entry, which is skipped. It comes back only
	// by a segment that promotes a half-open entry, and of these a turn has no more than a burst.
	t->dirty.ids = index_array(2 * t->n_conns + PROMOTED_MAX, false);
	t->out.ids = index_array(2 * t->n_conns + PROMOTED_MAX, false);
	t->half_out.ids = index_array(t->n_half, false); // an index is on it once
	t->port_head = index_array(65536, false);
	t->lsoft = calloc(cfg->limits_listeners, sizeof(*t->lsoft));
	t->host_conns = calloc(cfg->limits_hosts, sizeof(*t->host_conns));
	t->host_half = calloc(cfg->limits_hosts, sizeof(*t->host_half));
	t->user_conns = calloc(cfg->limits_hosts, sizeof(*t->user_conns));
	t->host_listeners = calloc(cfg->limits_hosts, sizeof(*t->host_listeners));
	if (!t->soft_of || !t->soft || !t->soft_free || !t->cc_priv || !t->ecn_answered || !t->slow
		|| !t->half_soft || !t->dirty.ids || !t->out.ids || !t->half_out.ids
		|| !t->port_head || !t->lsoft || !t->host_conns || !t->host_half || !t->user_conns
		|| !t->host_listeners)
		return -ENOMEM;
	t->n_soft_free = t->n_soft;
	for (uint32_t i = 0; i < t->n_soft; i++)
		t->soft[i].conn = TCP_NONE;
	return 0;
}

int tcp_init(struct tcp *t, const struct config *cfg, struct state *st, struct counters *cnt,
	const struct tcp_ops *ops, struct seg_sink sink, struct host_mem *mem, uint16_t mtu,
	uint64_t now_us)
{
	int rc;

	memset(t, 0, sizeof(*t));
	t->cfg = cfg;
	t->st = st;
	t->cnt = cnt;
	t->ops = ops;
	t->sink = sink;
	t->mem = mem;
	t->now_us = now_us;
	t->n_conns = st->hdr->n_conns;
	t->n_half = st->hdr->n_half;
	t->n_soft = (uint32_t)(cfg->limits_soft < t->n_conns ? cfg->limits_soft : t->n_conns);
	t->mss = (uint16_t)(cfg->tcp_mss < mtu - 40u ? cfg->tcp_mss : mtu - 40u);
	t->cc = cc_find(cfg->tcp_congestion_control);
	t->ecn = (uint8_t)ecn_mode(cfg);
	t->reset_limit = (struct net_limit){
		.rate = cfg->tcp_reset_rate, .tokens_us = SECOND_US, .last_us = now_us};
	randombytes_buf(&t->rand, sizeof(t->rand));
	t->rand |= 1;
	if (!t->cc)
		return -EINVAL;
	rc = arrays_create(t, cfg);
	if (rc == 0)
		rc = settings_init(t);
	if (rc == 0)
		rc = ports_init(&t->ports);
	if (rc == 0)
		rc = table_create(t);
	if (rc == 0)
		rc = flight_init(t);
	if (rc == 0)
		rc = ooo_init(t);
	if (rc == 0)
		rc = wheel_init(&t->wheel, t->n_conns + t->n_half, now_us);
	if (rc == 0) {
		t->tw = tw_create(st, cnt, (uint32_t)cfg->tcp_msl2_ms, now_us);
		rc = t->tw ? 0 : -ENOMEM;
	}
	if (rc)
		tcp_fini(t);
	return rc;
}

void tcp_fini(struct tcp *t)
{
	rte_hash_free(t->table);
	if (t->tw)
		tw_destroy(t->tw);
	wheel_fini(&t->wheel);
	free(t->soft_of);
	free(t->soft);
	free(t->cc_priv);
	free(t->slow);
	settings_fini(t);
	ports_fini(&t->ports);
	free(t->ecn_answered);
	flight_fini(t);
	free(t->soft_free);
	free(t->half_soft);
	ooo_fini(t);
	free(t->dirty.ids);
	free(t->out.ids);
	free(t->half_out.ids);
	free(t->port_head);
	free(t->lsoft);
	free(t->host_conns);
	free(t->host_half);
	free(t->user_conns);
	free(t->host_listeners);
	memset(t, 0, sizeof(*t));
}

void tcp_begin(struct tcp *t, uint64_t now_us)
{
	t->now_us = now_us;
	ports_begin(&t->ports);
}
