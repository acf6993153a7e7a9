#include "engine/base/wheel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SLOT_MASK (WHEEL_SLOTS - 1)
#define TOP (WHEEL_LEVELS - 1)
#define TICK_MAX (((uint64_t)1 << 48) - 1)

int wheel_init(struct wheel *w, uint32_t n, uint64_t now_us)
{
	memset(w, 0, sizeof(*w));
	w->nodes = calloc(n ? n : 1, sizeof(*w->nodes));
	if (w->nodes == NULL)
		return -ENOMEM;
	w->n = n;
	w->base_us = now_us;
	for (unsigned i = 0; i < WHEEL_LEVELS * WHEEL_SLOTS; i++)
		w->heads[i] = WHEEL_NIL;
	return 0;
}

void wheel_fini(struct wheel *w)
{
	free(w->nodes);
	w->nodes = NULL;
}

static unsigned index_at(uint64_t tick, unsigned level)
{
	return (unsigned)(tick >> (level * WHEEL_BITS)) & SLOT_MASK;
}

// Puts a timer that has its tick into the list for it, seen from the wheel's tick.
static void place(struct wheel *w, uint32_t id)
{
	struct wheel_node *node = &w->nodes[id];
	uint64_t differ = node->tick ^ w->tick;
	unsigned level = differ == 0 ? 0 : (63 - (unsigned)__builtin_clzll(differ)) / WHEEL_BITS;
	unsigned slot;

	if (level < TOP) {
		slot = index_at(node->tick, level);
	} else {
		uint64_t ahead = (node->tick >> TOP * WHEEL_BITS) - (w->tick >> TOP * WHEEL_BITS);

		level = TOP;
		slot = (index_at(w->tick, TOP) + (ahead < SLOT_MASK ? (unsigned)ahead : SLOT_MASK))
			& SLOT_MASK;
	}
	w->used[level][slot / 64] |= (uint64_t)1 << slot % 64;
	slot += level * WHEEL_SLOTS;
	node->slot = slot + 1;
	node->prev = WHEEL_NIL;
	node->next = w->heads[slot];
	if (node->next != WHEEL_NIL)
		w->nodes[node->next].prev = id;
	w->heads[slot] = id;
}

static void unlink_node(struct wheel *w, uint32_t id)
{
	struct wheel_node *node = &w->nodes[id];
	unsigned slot = node->slot - 1u;

	if (node->next != WHEEL_NIL)
		w->nodes[node->next].prev = node->prev;
	if (node->prev != WHEEL_NIL)
		w->nodes[node->prev].next = node->next;
	else
		w->heads[slot] = node->next;
	if (w->heads[slot] == WHEEL_NIL)
		w->used[slot / WHEEL_SLOTS][slot % WHEEL_SLOTS / 64] &= ~((uint64_t)1 << slot % 64);
	node->slot = 0;
}

void wheel_arm(struct wheel *w, uint32_t id, uint64_t when_us)
{
	struct wheel_node *node = &w->nodes[id];
	uint64_t tick = 0;

	if (when_us > w->base_us)
		tick = (when_us - w->base_us - 1) / WHEEL_TICK_US + 1;
	if (tick <= w->tick)
		tick = w->tick + 1;
	if (tick > TICK_MAX)
		tick = TICK_MAX;
	if (node->slot != 0) {
		if (node->tick == tick)
			return;
		unlink_node(w, id);
	} else {
		w->armed++;
	}
	node->tick = tick & TICK_MAX;
	place(w, id);
}

void wheel_disarm(struct wheel *w, uint32_t id)
{
	if (w->nodes[id].slot == 0)
		return;
	unlink_node(w, id);
	w->armed--;
}

uint64_t wheel_due_us(const struct wheel *w, uint32_t id)
{
	return w->base_us + (uint64_t)w->nodes[id].tick * WHEEL_TICK_US;
}

// The first used slot of a level at `from` or after it, or WHEEL_SLOTS.
static unsigned find_used(const struct wheel *w, unsigned level, unsigned from)
{
	for (unsigned word = from / 64; word < WHEEL_SLOTS / 64; word++) {
		uint64_t bits = w->used[level][word];

		if (word == from / 64)
			bits &= UINT64_MAX << from % 64;
		if (bits != 0)
			return word * 64 + (unsigned)__builtin_ctzll(bits);
	}
	return WHEEL_SLOTS;
}

// The next tick at which a list falls due or has to be spread over the levels below it.
static uint64_t next_tick(const struct wheel *w)
{
	unsigned here;
	unsigned slot;

	for (unsigned level = 0; level < TOP; level++) {
		unsigned shift = level * WHEEL_BITS;

		here = index_at(w->tick, level);
		slot = find_used(w, level, here + 1);
		if (slot < WHEEL_SLOTS)
			return ((w->tick >> shift) + (slot - here)) << shift;
	}
	here = index_at(w->tick, TOP);
	slot = find_used(w, TOP, here + 1);
	if (slot == WHEEL_SLOTS)
		slot = find_used(w, TOP, 0);
	if (slot == WHEEL_SLOTS)
		return UINT64_MAX;
	return ((w->tick >> TOP * WHEEL_BITS) + ((slot - here) & SLOT_MASK)) << TOP * WHEEL_BITS;
}

// Spreads the lists whose block begins at the wheel's tick.
static void cascade(struct wheel *w)
{
	for (unsigned level = TOP; level > 0; level--) {
		unsigned slot = index_at(w->tick, level);
		uint32_t id = w->heads[level * WHEEL_SLOTS + slot];

		if ((w->tick & (((uint64_t)1 << level * WHEEL_BITS) - 1)) != 0)
			continue;
		w->heads[level * WHEEL_SLOTS + slot] = WHEEL_NIL;
		w->used[level][slot / 64] &= ~((uint64_t)1 << slot % 64);
		while (id != WHEEL_NIL) {
			uint32_t next = w->nodes[id].next;

			place(w, id);
			id = next;
		}
	}
}

unsigned wheel_advance(struct wheel *w, uint64_t now_us, uint32_t *ids, unsigned max)
{
	uint64_t target = now_us < w->base_us ? 0 : (now_us - w->base_us) / WHEEL_TICK_US;
	unsigned n = 0;

	for (;;) {
		// What is due at this tick, or was left of it by an earlier call.
		uint32_t *head = &w->heads[w->tick & SLOT_MASK];
		uint64_t next;

		while (*head != WHEEL_NIL && n < max) {
			ids[n++] = *head;
			wheel_disarm(w, *head);
		}
		if (n == max || w->tick >= target)
			return n;
		next = next_tick(w);
		if (next > target) {
			w->tick = target;
			return n;
		}
		w->tick = next;
		cascade(w);
	}
}

uint64_t wheel_next_us(const struct wheel *w)
{
	uint64_t tick;

	if (w->armed == 0)
		return UINT64_MAX;
	tick = w->heads[w->tick & SLOT_MASK] != WHEEL_NIL ? w->tick : next_tick(w);
	return w->base_us + tick * WHEEL_TICK_US;
}
