// The send arena of a channel: blocks of 256 bytes to 64 KiB, cut from slabs of 64 KiB.
//
// A slab holds blocks of one size and is free again when all of them are. Everything but the
// payload lies in private memory. Costs do not grow with the size of the arena.
#ifndef OB_HOST_ARENA_H
#define OB_HOST_ARENA_H

#include <stdbool.h>
#include <stdint.h>

#define ARENA_SLAB_BYTES 65536u
#define ARENA_UNIT_BYTES 256u // blocks are named by their offset in units
#define ARENA_CLASSES 5u // 256, 1024, 4096, 16384, 65536 bytes

struct arena_slab {
	uint64_t free[4]; // a bit for each block
	uint32_t prev; // in the list of its class; index + 1, 0: none
	uint32_t next;
	uint16_t n_free;
	uint16_t class; // ARENA_CLASSES: the slab is free
};

struct arena {
	uint64_t off; // of the first slab, from the start of the segment
	uint64_t bytes; // n_slabs * ARENA_SLAB_BYTES
	uint64_t free_bytes;
	struct arena_slab *slabs;
	uint32_t n_slabs;
	uint32_t partial[ARENA_CLASSES]; // slabs that have free blocks
	uint32_t empty; // free slabs
};

// bytes: rounded down to whole slabs. Returns 0, -EINVAL when there is none, or -ENOMEM.
int arena_init(struct arena *a, uint64_t off, uint64_t bytes);
void arena_fini(struct arena *a);

// Allocates a block for about want_bytes: the smallest that holds them, else what there is.
// Returns its size in bytes and its name in *block, or 0 when nothing is free.
uint32_t arena_alloc(struct arena *a, uint32_t want_bytes, uint32_t *block);
void arena_free(struct arena *a, uint32_t block);

// Size in bytes of an allocated block.
static inline uint32_t arena_size(const struct arena *a, uint32_t block)
{
	return ARENA_UNIT_BYTES << 2
		* a->slabs[block / (ARENA_SLAB_BYTES / ARENA_UNIT_BYTES)].class;
}

// Its offset from the start of the segment.
static inline uint64_t arena_offset(const struct arena *a, uint32_t block)
{
	return a->off + (uint64_t)block * ARENA_UNIT_BYTES;
}

#endif
