// The 2MSL time is the same for all, so that the order of entering is the order of expiry: a list,
// and chains by the key, which is a keyed hash and so needs no further hashing.
#include "engine/tcp/timewait.h"

#include <stdlib.h>

#include "engine/tcp/isn.h"

struct tw_node {
	uint32_t chain; // next with the same bucket; of a free entry: next free
	uint32_t prev; // older
	uint32_t next; // younger
};

struct tcp_tw {
	struct state *st;
	struct counters *cnt;
	struct tw_node *nodes; // by entry
	uint32_t *heads; // [mask + 1]
	uint32_t mask;
	uint32_t n;
	uint32_t free;
	uint32_t oldest;
	uint32_t youngest;
	uint32_t count;
	uint32_t msl2_ms;
	uint64_t now_ms; // of the last call, to extend the 32 bits of expiry
};

static uint32_t expiry_of(const struct tw *e)
{
	return atomic_load_explicit(&e->expiry, memory_order_relaxed);
}

// Milliseconds from the last call's time to the entry's expiry; not above 0: it has expired.
static int32_t remains(const struct tcp_tw *w, uint32_t i)
{
	return (int32_t)(expiry_of(&w->st->tw[i]) - (uint32_t)w->now_ms);
}

static uint32_t *bucket(const struct tcp_tw *w, const uint8_t *key)
{
	uint32_t h;

	memcpy(&h, key, sizeof(h));
	return &w->heads[h & w->mask];
}

static uint32_t lookup(const struct tcp_tw *w, const uint8_t *key)
{
	uint32_t i = *bucket(w, key);

	while (i != STATE_NIL && memcmp(w->st->tw[i].key, key, 16) != 0)
		i = w->nodes[i].chain;
	return i;
}

static void order_append(struct tcp_tw *w, uint32_t i)
{
	w->nodes[i].prev = w->youngest;
	w->nodes[i].next = STATE_NIL;
	if (w->youngest != STATE_NIL)
		w->nodes[w->youngest].next = i;
	else
		w->oldest = i;
	w->youngest = i;
}

static void order_remove(struct tcp_tw *w, uint32_t i)
{
	const struct tw_node *n = &w->nodes[i];

	if (n->prev != STATE_NIL)
		w->nodes[n->prev].next = n->next;
	else
		w->oldest = n->next;
	if (n->next != STATE_NIL)
		w->nodes[n->next].prev = n->prev;
	else
		w->youngest = n->prev;
}

static void link_in(struct tcp_tw *w, uint32_t i)
{
	uint32_t *head = bucket(w, w->st->tw[i].key);

	w->nodes[i].chain = *head;
	*head = i;
	order_append(w, i);
	w->count++;
}

static void put_free(struct tcp_tw *w, uint32_t i)
{
	w->nodes[i].chain = w->free;
	w->free = i;
}

static void drop(struct tcp_tw *w, uint32_t i)
{
	uint32_t *at = bucket(w, w->st->tw[i].key);

	HARD_SET(w->st->tw[i].expiry, 0);
	while (*at != i)
		at = &w->nodes[*at].chain;
	*at = w->nodes[i].chain;
	order_remove(w, i);
	w->count--;
	put_free(w, i);
}

struct by_expiry {
	int32_t remains;
	uint32_t i;
};

static int compare(const void *a, const void *b)
{
	const struct by_expiry *x = a;
	const struct by_expiry *y = b;

	return (x->remains > y->remains) - (x->remains < y->remains);
}

// Takes in what a predecessor left. An expiry further away than 2MSL is none of ours, or one so
// old that 32 bits have wrapped.
static int load(struct tcp_tw *w)
{
	struct by_expiry *found;
	uint32_t n = 0;

	found = malloc((size_t)w->n * sizeof(*found));
	if (!found)
		return -1;
	for (uint32_t i = w->n; i-- > 0;) {
		int32_t left = remains(w, i);

		if (expiry_of(&w->st->tw[i]) != 0 && left > 0 && (uint32_t)left <= w->msl2_ms + 1) {
			found[n].remains = left;
			found[n++].i = i;
			continue;
		}
		HARD_SET(w->st->tw[i].expiry, 0);
		put_free(w, i);
	}
	qsort(found, n, sizeof(*found), compare);
	for (uint32_t k = 0; k < n; k++)
		link_in(w, found[k].i);
	free(found);
	return 0;
}

struct tcp_tw *tw_create(struct state *st, struct counters *cnt, uint32_t msl2_ms, uint64_t now_us)
{
	struct tcp_tw *w = calloc(1, sizeof(*w));
	uint32_t n = st->hdr->n_tw;
	uint32_t buckets = 16;

	if (!w)
		return NULL;
	while (buckets < n)
		buckets *= 2;
	w->st = st;
	w->cnt = cnt;
	w->n = n;
	w->mask = buckets - 1;
	w->msl2_ms = msl2_ms;
	w->now_ms = now_us / 1000;
	w->free = w->oldest = w->youngest = STATE_NIL;
	w->nodes = malloc((size_t)n * sizeof(*w->nodes));
	w->heads = malloc((size_t)buckets * sizeof(*w->heads));
	if (w->heads)
		memset(w->heads, 0xff, (size_t)buckets * sizeof(*w->heads));
	if (!w->nodes || !w->heads || load(w) < 0) {
		tw_destroy(w);
		return NULL;
	}
	return w;
}

void tw_destroy(struct tcp_tw *w)
{
	if (!w)
		return;
	free(w->nodes);
	free(w->heads);
	free(w);
}

void tw_add(struct tcp_tw *w, const struct seg_tuple *t, uint32_t snd_nxt, uint32_t rcv_nxt,
	uint32_t ts_recent, uint64_t now_us)
{
	uint8_t key[16];
	uint32_t expiry;
	uint32_t i;
	struct tw *e;

	w->now_ms = now_us / 1000;
	// Rounded up, so that no entry goes early.
	expiry = (uint32_t)((now_us + 999) / 1000 + w->msl2_ms);
	if (expiry == 0)
		expiry = 1;
	isn_tw_key(&w->st->hdr->secrets, t, key);
	i = lookup(w, key);
	if (i != STATE_NIL) {
		order_remove(w, i);
		order_append(w, i);
	} else {
		if (w->free == STATE_NIL) {
			COUNT(w->cnt, tcp_tw_evicted);
			drop(w, w->oldest);
		}
		i = w->free;
		w->free = w->nodes[i].chain;
		memcpy(w->st->tw[i].key, key, sizeof(key));
		link_in(w, i);
	}
	e = &w->st->tw[i];
	e->snd_nxt = snd_nxt;
	e->rcv_nxt = rcv_nxt;
	e->ts_recent = ts_recent;
	HARD_SET(e->expiry, expiry);
}

struct tw *tw_find(struct tcp_tw *w, const struct seg_tuple *t, uint64_t now_us)
{
	uint8_t key[16];
	uint32_t i;

	if (w->count == 0)
		return NULL;
	w->now_ms = now_us / 1000;
	isn_tw_key(&w->st->hdr->secrets, t, key);
	i = lookup(w, key);
	return i != STATE_NIL && remains(w, i) > 0 ? &w->st->tw[i] : NULL;
}

uint32_t tw_age_ms(const struct tcp_tw *w, const struct tw *e)
{
	int32_t age = (int32_t)w->msl2_ms - remains(w, (uint32_t)(e - w->st->tw));

	return age > 0 ? (uint32_t)age : 0;
}

void tw_remove(struct tcp_tw *w, struct tw *e)
{
	drop(w, (uint32_t)(e - w->st->tw));
}

void tw_expire(struct tcp_tw *w, uint64_t now_us)
{
	w->now_ms = now_us / 1000;
	while (w->oldest != STATE_NIL && remains(w, w->oldest) <= 0)
		drop(w, w->oldest);
}

uint64_t tw_next_us(const struct tcp_tw *w)
{
	if (w->oldest == STATE_NIL)
		return UINT64_MAX;
	return (w->now_ms + (uint64_t)(int64_t)remains(w, w->oldest)) * 1000;
}

uint32_t tw_count(const struct tcp_tw *w)
{
	return w->count;
}
