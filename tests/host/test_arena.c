#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>

#include "host_lib/arena.h"
#include "tests/host/fake.h"

static void sizes(void)
{
	struct arena a;
	uint32_t block;

	CU_ASSERT_EQUAL(arena_init(&a, 4096, 65535), -EINVAL);
	CU_ASSERT_EQUAL_FATAL(arena_init(&a, 4096, 65536 * 5 + 1), 0);
	CU_ASSERT_EQUAL(arena_alloc(&a, 1, &block), 256);
	CU_ASSERT_EQUAL(arena_offset(&a, block), 4096);
	CU_ASSERT_EQUAL(arena_alloc(&a, 257, &block), 1024);
	CU_ASSERT_EQUAL(arena_alloc(&a, 4096, &block), 4096);
	CU_ASSERT_EQUAL(arena_size(&a, block), 4096);
	CU_ASSERT_EQUAL(arena_alloc(&a, 65536, &block), 65536);
	CU_ASSERT_EQUAL(arena_alloc(&a, 1 << 20, &block), 65536);
	// No slab is left: what there is, smaller first.
	CU_ASSERT_EQUAL(arena_alloc(&a, 65536, &block), 4096);
	CU_ASSERT_EQUAL(arena_alloc(&a, 16384, &block), 4096);
	arena_fini(&a);
}

// Whatever is allocated never overlaps, and everything comes back.
static void churn(void)
{
	static uint8_t owner[64 * 256];
	struct arena a;
	uint32_t held[512];
	unsigned int n = 0;
	unsigned int seed = 7;
	bool whole = true;

	CU_ASSERT_EQUAL_FATAL(arena_init(&a, 0, 64 * 65536), 0);
	for (int i = 0; i < 200000; i++) {
		if (n < 512 && rand_r(&seed) % 2) {
			uint32_t block;
			uint32_t want = 1u << rand_r(&seed) % 18;
			uint32_t got = arena_alloc(&a, want, &block);

			if (!got)
				continue;
			for (uint32_t u = 0; u < got / 256; u++)
				whole = whole && !owner[block + u]++;
			held[n++] = block;
		} else if (n) {
			unsigned int pick = (unsigned int)rand_r(&seed) % n;

			for (uint32_t u = 0; u < arena_size(&a, held[pick]) / 256; u++)
				owner[held[pick] + u] = 0;
			arena_free(&a, held[pick]);
			held[pick] = held[--n];
		}
	}
	CU_ASSERT(whole);
	while (n)
		arena_free(&a, held[--n]);
	CU_ASSERT_EQUAL(a.free_bytes, a.bytes);
	for (uint32_t block; n < 64; n++)
		CU_ASSERT_EQUAL(arena_alloc(&a, 65536, &block), 65536);
	arena_fini(&a);
}

void suite_arena(void)
{
	CU_pSuite s = CU_add_suite("arena", NULL, NULL);

	CU_ADD_TEST(s, sizes);
	CU_ADD_TEST(s, churn);
}
