// TCP options: layouts as they come, bad lengths, and what is written is read again.
#include <time.h>

#include "engine/tcp/options.h"
#include "tests/unit/eal_main.h"

static struct tcp_opts o;

static bool parse(const uint8_t *p, uint32_t len, bool syn)
{
	return tcp_opts_parse(&o, p, len, syn);
}

// As Linux sends it.
static void test_syn(void)
{
	static const uint8_t p[] = {2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7};

	CU_ASSERT(parse(p, sizeof(p), true));
	CU_ASSERT(o.has_mss && o.mss == 1460);
	CU_ASSERT(o.sack_ok);
	CU_ASSERT(o.has_ts && o.ts_val == 0x01020304 && o.ts_ecr == 0);
	CU_ASSERT(o.has_wscale && o.wscale == 7);
	CU_ASSERT_EQUAL(o.n_sack, 0);
	// "This option MUST only be sent in the initial connection request" (RFC 9293 3.2, MSS);
	// "This option MUST NOT be sent in a segment without a SYN" and is ignored there (RFC 7323).
	CU_ASSERT(parse(p, sizeof(p), false));
	CU_ASSERT(!o.has_mss && !o.sack_ok && !o.has_wscale);
	CU_ASSERT(o.has_ts && o.ts_val == 0x01020304);
	CU_ASSERT(parse(p, 0, true));
	CU_ASSERT(!o.has_mss && !o.has_ts);
}

// RFC 7323 section 2.3: a shift count greater than 14 "MUST ... use 14 instead".
static void test_wscale_bound(void)
{
	uint8_t p[] = {3, 3, 14};

	CU_ASSERT(parse(p, 3, true) && o.wscale == 14);
	p[2] = 15;
	CU_ASSERT(parse(p, 3, true) && o.wscale == 14);
	p[2] = 255;
	CU_ASSERT(parse(p, 3, true) && o.wscale == 14);
}

static void test_sack(void)
{
	static const uint8_t p[]
		= {1, 1, 5, 18, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0, 0, 0, 0xff, 0, 0, 9};

	CU_ASSERT(parse(p, sizeof(p), false));
	CU_ASSERT_EQUAL(o.n_sack, 2);
	CU_ASSERT(o.sack[0].start == 1 && o.sack[0].end == 2);
	CU_ASSERT(o.sack[1].start == 0xff000000 && o.sack[1].end == 0xff000009);
}

// RFC 9293 section 3.1: end of list ends, no-operation is a byte alone, options may begin anywhere,
// and MUST-6: what is not known is skipped by its length.
static void test_unknown(void)
{
	static const uint8_t unknown[] = {253, 5, 9, 9, 9, 2, 4, 2, 0x18, 0, 2, 4, 9, 9};
	static const uint8_t no_room[] = {253, 2, 1, 2, 4, 2, 0x18};

	CU_ASSERT(parse(unknown, sizeof(unknown), true));
	CU_ASSERT(o.has_mss && o.mss == 536);
	CU_ASSERT(parse(no_room, sizeof(no_room), true));
	CU_ASSERT(o.has_mss && o.mss == 536);
}

// MUST-7: "prepared to handle an illegal option length (e.g., zero)".
static void test_malformed(void)
{
	static const struct {
		uint8_t len;
		uint8_t b[20];
	} t[] = {
		{4, {253, 0, 1, 1}}, // length 0
		{4, {253, 1, 1, 1}}, // length 1
		{4, {1, 1, 253, 3}}, // past the end
		{4, {1, 1, 1, 8}}, // no length
		{4, {2, 3, 5, 0}}, // MSS of 3
		{8, {2, 6, 5, 0, 1, 1, 1, 1}}, // MSS of 6
		{4, {3, 4, 5, 0}}, // window scale of 4
		{4, {3, 2, 1, 1}}, // window scale of 2
		{4, {4, 3, 1, 1}}, // SACK-permitted of 3
		{12, {8, 9, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1}}, // timestamps of 9
		{12, {8, 12, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1}}, // timestamps of 12
		{4, {1, 1, 5, 2}}, // SACK without a block
		{12, {5, 9, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1}}, // SACK of half a block
	};
	uint8_t big[40] = {5, 34 + 4};
	uint8_t five[48] = {5, 42};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		CU_ASSERT(!parse(t[i].b, t[i].len, true));
		CU_ASSERT(!parse(t[i].b, t[i].len, false));
	}
	CU_ASSERT(!parse(big, sizeof(big), false));
	CU_ASSERT(!parse(five, sizeof(five), false)); // five blocks cannot be in 40 bytes
}

static void test_fast_ts(void)
{
	struct tcp_opts w = {.has_ts = true, .ts_val = 0x01020304, .ts_ecr = 0xfffefdfc};
	uint8_t p[TCP_MAX_SACK * 10];
	uint32_t val;
	uint32_t ecr;

	// RFC 7323 appendix A: <nop, nop, TS>
	CU_ASSERT_EQUAL(tcp_opts_write(&w, p), 12);
	CU_ASSERT(tcp_opts_fast_ts(p, 12, &val, &ecr));
	CU_ASSERT(val == 0x01020304 && ecr == 0xfffefdfc);
	CU_ASSERT(!tcp_opts_fast_ts(p, 11, &val, &ecr));
	for (int i = 0; i < 4; i++) {
		p[i] ^= 0x10;
		CU_ASSERT(!tcp_opts_fast_ts(p, 12, &val, &ecr));
		p[i] ^= 0x10;
	}
}

static bool same(const struct tcp_opts *a, const struct tcp_opts *b)
{
	if (a->has_mss != b->has_mss || a->has_wscale != b->has_wscale || a->has_ts != b->has_ts
		|| a->sack_ok != b->sack_ok || (a->has_mss && a->mss != b->mss)
		|| (a->has_wscale && a->wscale != b->wscale)
		|| (a->has_ts && (a->ts_val != b->ts_val || a->ts_ecr != b->ts_ecr)))
		return false;
	for (uint32_t i = 0; i < b->n_sack; i++)
		if (a->sack[i].start != b->sack[i].start || a->sack[i].end != b->sack[i].end)
			return false;
	return true;
}

// Every set of options with every number of blocks: what is written fits and is read back; as many
// blocks as 40 bytes hold.
static void test_write(void)
{
	uint8_t p[41];

	for (unsigned set = 0; set < 16; set++) {
		for (uint8_t n = 0; n <= TCP_MAX_SACK; n++) {
			struct tcp_opts w = {.has_mss = set & 1,
				.has_wscale = set & 2,
				.sack_ok = set & 4,
				.has_ts = set & 8,
				.mss = 1400,
				.wscale = 9,
				.ts_val = 77,
				.ts_ecr = 88,
				.n_sack = n};
			uint32_t base = (set & 1 ? 4 : 0) + (set & 2 ? 4 : 0)
				+ (set & 8		  ? 12
						: set & 4 ? 4
							  : 0);
			uint32_t fit = (40 - base - 4) / 8;
			uint32_t len;

			for (uint32_t i = 0; i < n; i++) {
				w.sack[i].start = 1000 * i;
				w.sack[i].end = 1000 * i + 500;
			}
			p[40] = 0xee;
			len = tcp_opts_write(&w, p);
			CU_ASSERT(len <= 40 && len % 4 == 0 && p[40] == 0xee);
			CU_ASSERT(parse(p, len, true));
			CU_ASSERT_EQUAL(o.n_sack, n < fit ? n : fit);
			CU_ASSERT(same(&w, &o));
			CU_ASSERT_EQUAL(len, base + (o.n_sack ? 4 + 8 * o.n_sack : 0));
		}
	}
}

// One second of bytes, mostly option-like, in a buffer of exactly their size for ASan to guard.
static void test_fuzz(void)
{
	unsigned seed = (unsigned)time(NULL);
	static const uint8_t likely[] = {0, 1, 2, 3, 4, 5, 8, 10, 18, 26, 34};
	clock_t end;
	unsigned long n = 0;
	unsigned long good = 0;

	if (getenv("OB_SEED"))
		seed = (unsigned)strtoul(getenv("OB_SEED"), NULL, 0);
	printf("seed %u ", seed);
	end = clock() + CLOCKS_PER_SEC;
	while (clock() < end) {
		uint32_t len = (uint32_t)rand_r(&seed) % 41;
		uint8_t *p = malloc(len ? len : 1);

		for (uint32_t i = 0; i < len; i++)
			p[i] = rand_r(&seed) % 4 ? likely[(unsigned)rand_r(&seed) % sizeof(likely)]
						 : (uint8_t)rand_r(&seed);
		if (parse(p, len, n & 1)) {
			good++;
			CU_ASSERT_FATAL(o.n_sack <= TCP_MAX_SACK && o.wscale <= 14);
			CU_ASSERT_FATAL((n & 1) || !(o.has_mss || o.has_wscale || o.sack_ok));
		}
		free(p);
		n++;
	}
	printf("%lu of %lu well formed ", good, n);
	CU_ASSERT(good > 0 && good < n);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"a SYN's options, and what counts without SYN", test_syn},
		{"window scale is at most 14 (RFC 7323 2.3)", test_wscale_bound},
		{"SACK blocks", test_sack},
		{"unknown kinds are skipped, EOL ends", test_unknown},
		{"illegal lengths (RFC 9293 MUST-7)", test_malformed},
		{"timestamps alone, the fast way", test_fast_ts},
		{"what is written is read", test_write},
		{"random bytes for a second", test_fuzz},
		CU_TEST_INFO_NULL,
	};

	return unit_run("tcp options", tests);
}
