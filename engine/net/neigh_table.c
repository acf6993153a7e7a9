#include "engine/net/neigh_table.h"

#include <rte_jhash.h>
#include <rte_random.h>
#include <stdio.h>
#include <stdlib.h>

#define EVICT_STEPS 64u // entries looked at
#define IN_USE_US 1000000u

static bool make_hash(struct neigh_table *t)
{
	char name[RTE_HASH_NAMESIZE];
	struct rte_hash_parameters params = {
		.name = name,
		.entries = t->n,
		.key_len = sizeof(struct ob_addr),
		.hash_func = rte_jhash,
		.hash_func_init_val = (uint32_t)rte_rand(),
		.socket_id = SOCKET_ID_ANY,
		.extra_flag = RTE_HASH_EXTRA_FLAGS_EXT_TABLE,
	};

	snprintf(name, sizeof(name), "neigh_%p", (void *)t);
	t->hash = rte_hash_create(&params);
	return t->hash != NULL;
}

struct neigh_table *neigh_table_make(const struct config *cfg, uint64_t now_us)
{
	struct neigh_table *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->n = (uint32_t)cfg->net_neigh_max;
	t->age_us = cfg->net_neigh_age_s * 1000000;
	t->retry_us = cfg->net_neigh_retry_ms * 1000;
	t->tries = (uint32_t)cfg->net_neigh_tries;
	t->entries = calloc(t->n, sizeof(*t->entries));
	if (t->entries == NULL || !make_hash(t) || wheel_init(&t->wheel, t->n, now_us) < 0) {
		neigh_table_free(t);
		return NULL;
	}
	for (uint32_t i = 0; i < t->n; i++)
		t->entries[i].first = i + 1 < t->n ? i + 1 : NEIGH_NIL;
	for (uint32_t i = 0; i < NEIGH_WAIT_ALL; i++)
		t->waits[i].next = i + 1 < NEIGH_WAIT_ALL ? i + 1 : NEIGH_NIL;
	for (uint32_t i = 0; i < NEIGH_CACHE; i++)
		t->cache[i].id = NEIGH_NIL;
	return t;
}

unsigned neigh_take(struct neigh_table *t, struct neigh *e, struct rte_mbuf **pkts)
{
	unsigned n = 0;

	while (e->n_wait > 0) {
		uint32_t i = e->first;

		pkts[n++] = t->waits[i].m;
		e->first = t->waits[i].next;
		e->n_wait--;
		t->waits[i].next = t->wait_free;
		t->wait_free = i;
	}
	return n;
}

void neigh_table_free(struct neigh_table *t)
{
	struct rte_mbuf *pkts[NEIGH_WAIT];

	for (uint32_t i = 0; t->entries != NULL && i < t->n; i++)
		if (t->entries[i].state == NEIGH_ASKED)
			rte_pktmbuf_free_bulk(pkts, neigh_take(t, &t->entries[i], pkts));
	wheel_fini(&t->wheel);
	rte_hash_free(t->hash);
	free(t->entries);
	free(t);
}

static uint32_t cache_slot(uint32_t addr_be)
{
	return (rte_be_to_cpu_32(addr_be) * 2654435761u) >> 24 & (NEIGH_CACHE - 1);
}

struct neigh *neigh_find(struct neigh_table *t, uint32_t addr_be)
{
	uint32_t slot = cache_slot(addr_be);
	struct ob_addr key;
	void *data;

	if (likely(t->cache[slot].id != NEIGH_NIL && t->cache[slot].addr_be == addr_be))
		return &t->entries[t->cache[slot].id];
	key = ob_addr_v4(addr_be);
	if (rte_hash_lookup_data(t->hash, &key, &data) < 0)
		return NULL;
	t->cache[slot].addr_be = addr_be;
	t->cache[slot].id = (uint32_t)(uintptr_t)data;
	return &t->entries[t->cache[slot].id];
}

void neigh_forget(struct neigh_table *t, struct neigh *e)
{
	uint32_t slot = cache_slot(ob_addr_get_v4(&e->addr));

	if (t->cache[slot].id == neigh_id(t, e))
		t->cache[slot].id = NEIGH_NIL;
	rte_hash_del_key(t->hash, &e->addr);
	wheel_disarm(&t->wheel, neigh_id(t, e));
	e->state = NEIGH_FREE;
	e->first = t->free;
	t->free = neigh_id(t, e);
}

void neigh_evict(struct neigh_table *t, uint64_t now_us)
{
	for (uint32_t i = 0; i < EVICT_STEPS && t->free == NEIGH_NIL; i++) {
		struct neigh *e = &t->entries[t->hand];

		t->hand = (t->hand + 1) % t->n;
		if (e->state == NEIGH_FAILED
			|| (e->state == NEIGH_KNOWN && now_us - e->used_us > IN_USE_US))
			neigh_forget(t, e);
	}
}

struct neigh *neigh_add(struct neigh_table *t, uint32_t addr_be)
{
	struct neigh *e;

	if (t->free == NEIGH_NIL)
		return NULL;
	e = &t->entries[t->free];
	e->addr = ob_addr_v4(addr_be);
	if (rte_hash_add_key_data(t->hash, &e->addr, (void *)(uintptr_t)t->free) < 0)
		return NULL;
	t->free = e->first;
	e->n_wait = 0;
	e->tries = 0;
	e->used_us = 0;
	return e;
}

bool neigh_wait(struct neigh_table *t, struct neigh *e, struct rte_mbuf *m)
{
	uint32_t i = t->wait_free;

	if (e->n_wait == NEIGH_WAIT || i == NEIGH_NIL)
		return false;
	t->wait_free = t->waits[i].next;
	t->waits[i].m = m;
	t->waits[i].next = NEIGH_NIL;
	if (e->n_wait++ == 0)
		e->first = i;
	else
		t->waits[e->last].next = i;
	e->last = i;
	return true;
}
