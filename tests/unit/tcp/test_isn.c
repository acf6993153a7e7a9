// Keyed hashes: SipHash's own vectors, RFC 6528's clock, and that every part of the tuple counts.
#include <sodium.h>

#include "engine/tcp/isn.h"
#include "tests/unit/eal_main.h"

static struct state_secrets k;

static struct seg_tuple tuple(void)
{
	struct seg_tuple t = {.lport = 80, .rport = 40000};

	t.laddr = ob_addr_v4(0x0100000a);
	t.raddr = ob_addr_v4(0x0200000a);
	return t;
}

static void keys(void)
{
	uint8_t *b = (uint8_t *)&k;

	for (size_t i = 0; i < sizeof(k); i++)
		b[i] = (uint8_t)(i * 7 + 1);
}

// RFC 6528 section 3: "ISN = M + F(localip, localport, remoteip, remoteport, secretkey)", "M is the
// 4 microsecond timer".
static void test_clock(void)
{
	struct seg_tuple t = tuple();
	uint32_t at = isn_make(&k, &t, 1000000);

	CU_ASSERT_EQUAL(isn_make(&k, &t, 1000000), at);
	CU_ASSERT_EQUAL(isn_make(&k, &t, 1000003), at);
	CU_ASSERT_EQUAL(isn_make(&k, &t, 1000004), at + 1);
	CU_ASSERT_EQUAL(isn_make(&k, &t, 2000000), at + 250000);
	// It cycles in 2^32 * 4 us, 4.77 hours.
	CU_ASSERT_EQUAL(isn_make(&k, &t, 1000000 + (4ull << 32)), at);
}

static void test_tuple_counts(void)
{
	struct seg_tuple t = tuple();
	uint32_t isn = isn_make(&k, &t, 0);
	uint32_t ts = isn_ts_offset(&k, &t);
	uint8_t key[16];
	uint8_t other[16];
	uint8_t *b = (uint8_t *)&t;

	isn_tw_key(&k, &t, key);
	for (size_t i = 0; i < sizeof(t); i++) {
		b[i] ^= 1;
		CU_ASSERT_NOT_EQUAL(isn_make(&k, &t, 0), isn);
		CU_ASSERT_NOT_EQUAL(isn_ts_offset(&k, &t), ts);
		isn_tw_key(&k, &t, other);
		CU_ASSERT_NOT_EQUAL(memcmp(key, other, 16), 0);
		b[i] ^= 1;
	}
}

// Each use has its own secret, so that what one shows says nothing of another.
static void test_secrets(void)
{
	struct seg_tuple t = tuple();
	uint32_t isn = isn_make(&k, &t, 0);
	uint32_t ts = isn_ts_offset(&k, &t);
	uint8_t key[16];
	uint8_t other[16];

	isn_tw_key(&k, &t, key);
	CU_ASSERT_NOT_EQUAL(isn, ts);
	k.isn[3] ^= 1;
	CU_ASSERT_NOT_EQUAL(isn_make(&k, &t, 0), isn);
	CU_ASSERT_EQUAL(isn_ts_offset(&k, &t), ts);
	k.ts[3] ^= 1;
	CU_ASSERT_NOT_EQUAL(isn_ts_offset(&k, &t), ts);
	isn_tw_key(&k, &t, other);
	CU_ASSERT_EQUAL(memcmp(key, other, 16), 0);
	k.tw[3] ^= 1;
	isn_tw_key(&k, &t, other);
	CU_ASSERT_NOT_EQUAL(memcmp(key, other, 16), 0);
	keys();
}

// SipHash-2-4 of the 40 bytes, worked out with libsodium's function by its name.
static void test_siphash(void)
{
	struct seg_tuple t = tuple();
	uint8_t h[16];
	uint32_t v;

	crypto_shorthash_siphash24(h, (const uint8_t *)&t, 40, k.isn);
	memcpy(&v, h, 4);
	CU_ASSERT_EQUAL(isn_make(&k, &t, 0), v);
	crypto_shorthash_siphash24(h, (const uint8_t *)&t, 40, k.ts);
	memcpy(&v, h, 4);
	CU_ASSERT_EQUAL(isn_ts_offset(&k, &t), v);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"ISNs follow a clock of 4 us (RFC 6528)", test_clock},
		{"every byte of the tuple counts", test_tuple_counts},
		{"one secret for each use", test_secrets},
		{"the hash is SipHash-2-4", test_siphash},
		CU_TEST_INFO_NULL,
	};

	keys();
	return unit_run("tcp isn", tests);
}
