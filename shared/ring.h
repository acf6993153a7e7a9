// Single-producer single-consumer rings of 64-byte entries in a host's segment.
//
// Indices run freely and wrap by a mask that each side keeps in its own memory. A side's own
// index lives in its private view; what is in shared memory is only a published copy of it, so
// that nothing the other side writes can change what this side owns.
#ifndef OB_SHARED_RING_H
#define OB_SHARED_RING_H

#include <errno.h>

#include "shared/abi.h"

// In shared memory, before the entries.
struct ob_ring {
	// producer: rw, consumer: ro. Released by ob_ring_publish(), acquired by ob_ring_avail().
	alignas(64) _Atomic uint32_t tail;
	// consumer: rw, producer: ro. Released by ob_ring_release(), acquired by ob_ring_room().
	alignas(64) _Atomic uint32_t head;
};
static_assert(sizeof(struct ob_ring) == 128, "ABI: two cache lines");
static_assert(offsetof(struct ob_ring, head) == 64, "ABI: head owns a cache line");

// One side's private view. Not shared, not thread safe.
struct ob_ring_view {
	struct ob_ring *shm;
	uint8_t *entries; // (mask + 1) * OB_ENTRY_BYTES
	uint32_t mask;
	uint32_t mine; // own index: tail for a producer, head for a consumer
	uint32_t other; // last accepted copy of the other side's index
	uint32_t published; // own index as last stored to shared memory
};

// order: log2 of the number of entries. Both indices start at `start`.
static inline void ob_ring_view_init(
	struct ob_ring_view *v, struct ob_ring *shm, void *entries, uint32_t order, uint32_t start)
{
	v->shm = shm;
	v->entries = entries;
	v->mask = (1u << order) - 1;
	v->mine = v->other = v->published = start;
}

// Consumer: how many entries can be read. Returns -EPROTO when the producer's index cannot be
// true (it went back, or overtook the consumer); nothing is accepted from it then.
static inline int ob_ring_avail(struct ob_ring_view *v)
{
	// Pairs with the release in ob_ring_publish(): entries below tail are written.
	uint32_t tail = atomic_load_explicit(&v->shm->tail, memory_order_acquire);

	if (tail - v->mine > v->mask + 1 || tail - v->mine < v->other - v->mine)
		return -EPROTO;
	v->other = tail;
	return (int)(tail - v->mine);
}

// Producer: how many entries can be written. The other side's index is read again only when
// fewer than `want` are known to be free. Returns -EPROTO as ob_ring_avail() does.
static inline int ob_ring_room(struct ob_ring_view *v, uint32_t want)
{
	uint32_t room = v->mask + 1 - (v->mine - v->other);

	if (room >= want)
		return (int)room;
	// Pairs with the release in ob_ring_release(): entries below head are read.
	uint32_t head = atomic_load_explicit(&v->shm->head, memory_order_acquire);

	if (v->mine - head > v->mask + 1 || head - v->other > v->mine - v->other)
		return -EPROTO;
	v->other = head;
	return (int)(v->mask + 1 - (v->mine - head));
}

// The i-th entry from this side's index on, i below what avail or room returned.
static inline void *ob_ring_at(const struct ob_ring_view *v, uint32_t i)
{
	return v->entries + (size_t)((v->mine + i) & v->mask) * OB_ENTRY_BYTES;
}

// Moves this side's private index on; the other side sees it after publish or release.
static inline void ob_ring_advance(struct ob_ring_view *v, uint32_t n)
{
	v->mine += n;
}

// Producer: makes the entries written so far visible. Returns whether there were any.
static inline bool ob_ring_publish(struct ob_ring_view *v)
{
	if (v->published == v->mine)
		return false;
	v->published = v->mine;
	// Pairs with the acquire in ob_ring_avail().
	atomic_store_explicit(&v->shm->tail, v->mine, memory_order_release);
	return true;
}

// Consumer: gives back the entries read so far. Returns whether there were any.
static inline bool ob_ring_release(struct ob_ring_view *v)
{
	if (v->published == v->mine)
		return false;
	v->published = v->mine;
	// Pairs with the acquire in ob_ring_room().
	atomic_store_explicit(&v->shm->head, v->mine, memory_order_release);
	return true;
}

#endif
