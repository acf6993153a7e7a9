#include "host_lib/arena.h"

#include <errno.h>
#include <stdlib.h>

#define UNITS_A_SLAB (ARENA_SLAB_BYTES / ARENA_UNIT_BYTES)

static uint32_t class_bytes(uint32_t class)
{
	return ARENA_UNIT_BYTES << 2 * class;
}

int arena_init(struct arena *a, uint64_t off, uint64_t bytes)
{
	*a = (struct arena){.off = off, .n_slabs = (uint32_t)(bytes / ARENA_SLAB_BYTES)};
	if (a->n_slabs == 0)
		return -EINVAL;
	a->slabs = calloc(a->n_slabs, sizeof(*a->slabs));
	if (!a->slabs)
		return -ENOMEM;
	a->bytes = a->free_bytes = (uint64_t)a->n_slabs * ARENA_SLAB_BYTES;
	for (uint32_t i = 0; i < a->n_slabs; i++) {
		a->slabs[i].class = ARENA_CLASSES;
		a->slabs[i].next = i + 1 < a->n_slabs ? i + 2 : 0;
	}
	a->empty = 1;
	return 0;
}

void arena_fini(struct arena *a)
{
	free(a->slabs);
	a->slabs = NULL;
}

static void partial_insert(struct arena *a, uint32_t i)
{
	struct arena_slab *s = &a->slabs[i];
	uint32_t *head = &a->partial[s->class];

	s->prev = 0;
	s->next = *head;
	if (*head)
		a->slabs[*head - 1].prev = i + 1;
	*head = i + 1;
}

static void partial_remove(struct arena *a, uint32_t i)
{
	struct arena_slab *s = &a->slabs[i];

	if (s->prev)
		a->slabs[s->prev - 1].next = s->next;
	else
		a->partial[s->class] = s->next;
	if (s->next)
		a->slabs[s->next - 1].prev = s->prev;
}

// Takes a free slab for blocks of a class.
static bool slab_open(struct arena *a, uint32_t class)
{
	uint32_t n = ARENA_SLAB_BYTES / class_bytes(class);
	struct arena_slab *s;
	uint32_t i;

	if (!a->empty)
		return false;
	i = a->empty - 1;
	s = &a->slabs[i];
	a->empty = s->next;
	s->class = (uint16_t) class;
	s->n_free = (uint16_t)n;
	for (uint32_t w = 0; w < 4; w++) {
		uint32_t bits = n > w * 64 ? n - w * 64 : 0;

		s->free[w] = bits >= 64 ? ~0ull : (1ull << bits) - 1;
	}
	partial_insert(a, i);
	return true;
}

static uint32_t take(struct arena *a, uint32_t class, uint32_t *block)
{
	uint32_t i = a->partial[class] - 1;
	struct arena_slab *s = &a->slabs[i];
	uint32_t w = 0;
	uint32_t bit;

	while (!s->free[w])
		w++;
	bit = (uint32_t)__builtin_ctzll(s->free[w]);
	s->free[w] &= s->free[w] - 1;
	if (--s->n_free == 0)
		partial_remove(a, i);
	a->free_bytes -= class_bytes(class);
	*block = i * UNITS_A_SLAB + (w * 64 + bit) * (class_bytes(class) / ARENA_UNIT_BYTES);
	return class_bytes(class);
}

uint32_t arena_alloc(struct arena *a, uint32_t want_bytes, uint32_t *block)
{
	uint32_t want = 0;

	while (want < ARENA_CLASSES - 1 && class_bytes(want) < want_bytes)
		want++;
	if (a->partial[want] || slab_open(a, want))
		return take(a, want, block);
	for (uint32_t class = want; class -- > 0;)
		if (a->partial[class])
			return take(a, class, block);
	for (uint32_t class = want + 1; class < ARENA_CLASSES; class ++)
		if (a->partial[class])
			return take(a, class, block);
	return 0;
}

void arena_free(struct arena *a, uint32_t block)
{
	uint32_t i = block / UNITS_A_SLAB;
	struct arena_slab *s = &a->slabs[i];
	uint32_t bytes = class_bytes(s->class);
	uint32_t bit = block % UNITS_A_SLAB / (bytes / ARENA_UNIT_BYTES);

	s->free[bit / 64] |= 1ull << bit % 64;
	a->free_bytes += bytes;
	if (s->n_free++ == 0)
		partial_insert(a, i);
	if (s->n_free == ARENA_SLAB_BYTES / bytes) {
		partial_remove(a, i);
		s->class = ARENA_CLASSES;
		s->next = a->empty;
		a->empty = i + 1;
	}
}
