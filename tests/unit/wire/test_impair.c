// The faults of outboard-wire, without sockets: what happens to single frames.
#include "tests/unit/wire/frames.h"

static void test_good_path_changes_nothing(void)
{
	struct impair im;
	uint8_t want[FRAME_BYTES];

	impair_init(&im, &good, 1, 0);
	for (uint32_t i = 0; i < 1000; i++) {
		struct impair_pkt *pkt;

		push(&im, i, i);
		pkt = impair_pop(&im, i);
		CU_ASSERT_PTR_NOT_NULL_FATAL(pkt);
		make_frame(want, i);
		CU_ASSERT_EQUAL(pkt->len_bytes, FRAME_BYTES);
		CU_ASSERT_EQUAL(memcmp(pkt->data, want, FRAME_BYTES), 0);
		free(pkt);
	}
	CU_ASSERT_EQUAL(impair_next_ns(&im), UINT64_MAX);
	CU_ASSERT_EQUAL(im.stats.rx_pkts, 1000);
	CU_ASSERT_EQUAL(im.stats.rx_bytes, 1000 * FRAME_BYTES);
	CU_ASSERT_EQUAL(impair_free(&im), 0);
}

// Which of the first n frames are lost.
static void losses(
	bool *lost, uint32_t n, const struct impair_conf *conf, uint64_t seed, unsigned stream)
{
	struct impair im;

	impair_init(&im, conf, seed, stream);
	for (uint32_t i = 0; i < n; i++) {
		uint64_t before = im.stats.lost_pkts;

		push(&im, i, i);
		lost[i] = im.stats.lost_pkts != before;
		while (pop(&im, i) >= 0)
			;
	}
	impair_free(&im);
}

static void test_seed_decides(void)
{
	enum { N = 20000 };
	static bool a[N], b[N];
	struct impair_conf conf = good;
	int n = 0;

	conf.loss = 0.01;
	losses(a, N, &conf, 7, 0);
	for (int i = 0; i < N; i++)
		n += a[i];
	// 200 expected, standard deviation 14.
	CU_ASSERT(n > 130 && n < 270);
	losses(b, N, &conf, 7, 0);
	CU_ASSERT_EQUAL(memcmp(a, b, sizeof(a)), 0);
	losses(b, N, &conf, 8, 0);
	CU_ASSERT_NOT_EQUAL(memcmp(a, b, sizeof(a)), 0);
	losses(b, N, &conf, 7, 1);
	CU_ASSERT_NOT_EQUAL(memcmp(a, b, sizeof(a)), 0);
	// Another fault beside it changes nothing in which frames are lost.
	conf.dup = 0.3;
	conf.corrupt = 0.5;
	conf.reorder = 0.1;
	losses(b, N, &conf, 7, 0);
	CU_ASSERT_EQUAL(memcmp(a, b, sizeof(a)), 0);
}

static void test_always_and_never(void)
{
	struct impair_conf conf = good;
	struct impair im;

	conf.loss = 1;
	impair_init(&im, &conf, 3, 0);
	for (uint32_t i = 0; i < 100; i++)
		push(&im, i, 0);
	CU_ASSERT_EQUAL(im.stats.lost_pkts, 100);
	CU_ASSERT_EQUAL(pop(&im, MS), -1);

	conf = good;
	conf.dup = 1;
	impair_init(&im, &conf, 3, 0);
	push(&im, 5, 0);
	CU_ASSERT_EQUAL(pop(&im, 0), 5);
	CU_ASSERT_EQUAL(pop(&im, 0), 5);
	CU_ASSERT_EQUAL(pop(&im, 0), -1);
	CU_ASSERT_EQUAL(im.stats.dup_pkts, 1);
}

// Pushes serial with the frame held back, whatever the dice say.
static void push_held(struct impair *im, uint32_t serial, uint64_t now_ns)
{
	im->conf.reorder = 1;
	push(im, serial, now_ns);
	im->conf.reorder = 0;
}

static void test_reorder_by_gap(void)
{
	static const uint32_t want[] = {1, 2, 3, 0, 5, 6, 7, 4, 8};
	struct impair im;

	impair_init(&im, &good, 1, 0);
	for (uint32_t i = 0; i < 9; i++) {
		if (i == 0 || i == 4)
			push_held(&im, i, i);
		else
			push(&im, i, i);
	}
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		CU_ASSERT_EQUAL(pop(&im, 100), want[i]);
	CU_ASSERT_EQUAL(pop(&im, 100), -1);
	CU_ASSERT_EQUAL(im.stats.reordered_pkts, 2);
}

static void test_reorder_ends_by_time(void)
{
	struct impair im;

	impair_init(&im, &good, 1, 0);
	push_held(&im, 0, 10);
	push(&im, 1, 20);
	CU_ASSERT_EQUAL(pop(&im, 20), 1);
	CU_ASSERT_EQUAL(impair_next_ns(&im), 10 + 5 * MS);
	CU_ASSERT_EQUAL(pop(&im, 9 + 5 * MS), -1);
	CU_ASSERT_EQUAL(pop(&im, 10 + 5 * MS), 0);
	CU_ASSERT_EQUAL(im.queued_pkts, 0);
}

static void test_corruption_is_one_bit_of_ip(void)
{
	struct impair_conf conf = good;
	struct impair im;
	uint8_t want[FRAME_BYTES], arp[FRAME_BYTES] = {[12] = 8, [13] = 6};
	bool seen[FRAME_BYTES] = {false};

	conf.corrupt = 1;
	impair_init(&im, &conf, 11, 0);
	for (uint32_t i = 0; i < 20000; i++) {
		struct impair_pkt *pkt;
		int bits = 0;

		push(&im, i, i);
		pkt = impair_pop(&im, i);
		CU_ASSERT_PTR_NOT_NULL_FATAL(pkt);
		make_frame(want, i);
		for (int k = 0; k < FRAME_BYTES; k++) {
			bits += __builtin_popcount(pkt->data[k] ^ want[k]);
			seen[k] |= pkt->data[k] != want[k];
		}
		CU_ASSERT_EQUAL(bits, 1);
		free(pkt);
	}
	for (int k = 0; k < FRAME_BYTES; k++)
		CU_ASSERT_EQUAL(seen[k], k >= ETH);
	CU_ASSERT_EQUAL(im.stats.corrupted_pkts, 20000);
	// Nobody would notice a wrong bit in ARP, so it stays as it is, and is not counted.
	CU_ASSERT_EQUAL(impair_push(&im, arp, FRAME_BYTES, 0), 0);
	CU_ASSERT_EQUAL(im.stats.corrupted_pkts, 20000);
	impair_free(&im);
	// Padding is no part of the packet.
	make_frame(want, 0);
	want[ETH + 3] = 20;
	for (uint64_t pick = 0; pick < 1000; pick++) {
		uint8_t f[FRAME_BYTES];

		memcpy(f, want, FRAME_BYTES);
		CU_ASSERT_TRUE(frame_flip_bit(f, FRAME_BYTES, pick));
		CU_ASSERT_EQUAL(memcmp(f + ETH + 20, want + ETH + 20, FRAME_BYTES - ETH - 20), 0);
	}
}

static void test_ce_keeps_the_checksum(void)
{
	uint8_t f[FRAME_BYTES];

	// Every value of the first word that can be met with ECT(0), ECT(1) and any DSCP.
	for (unsigned tos = 0; tos < 256; tos++) {
		uint32_t sum;

		make_frame(f, tos);
		f[ETH + 1] = (uint8_t)tos;
		f[ETH + 10] = f[ETH + 11] = 0;
		sum = ~header_sum(f) & 0xffff;
		f[ETH + 10] = (uint8_t)(sum >> 8);
		f[ETH + 11] = (uint8_t)sum;
		CU_ASSERT_EQUAL(header_sum(f), 0xffff);
		CU_ASSERT_EQUAL(frame_mark_ce(f, FRAME_BYTES), (tos & 3) == 1 || (tos & 3) == 2);
		CU_ASSERT_EQUAL(f[ETH + 1], (tos & 3) ? (tos | 3) : tos);
		CU_ASSERT_EQUAL(header_sum(f), 0xffff);
	}
	CU_ASSERT_FALSE(frame_mark_ce(f, ETH + 10));
}

static void test_ce_ipv6(void)
{
	uint8_t f[FRAME_BYTES] = {[12] = 0x86, [13] = 0xdd, [ETH] = 0x6f, [ETH + 1] = 0xe5};

	// Traffic class 0xfe is DSCP 63 with ECT(0); the flow label stays.
	CU_ASSERT_TRUE(frame_mark_ce(f, FRAME_BYTES));
	CU_ASSERT_EQUAL(f[ETH], 0x6f);
	CU_ASSERT_EQUAL(f[ETH + 1], 0xf5);
	CU_ASSERT_FALSE(frame_mark_ce(f, FRAME_BYTES));
	f[ETH + 1] = 0xc5;
	CU_ASSERT_FALSE(frame_mark_ce(f, FRAME_BYTES));
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{"a good path changes nothing", test_good_path_changes_nothing},
		{"the seed decides", test_seed_decides},
		{"always and never", test_always_and_never},
		{"reordering ends by gap", test_reorder_by_gap},
		{"reordering ends by time", test_reorder_ends_by_time},
		{"corruption is one bit of the IP packet", test_corruption_is_one_bit_of_ip},
		{"a CE mark keeps the checksum", test_ce_keeps_the_checksum},
		{"a CE mark on IPv6", test_ce_ipv6},
		CU_TEST_INFO_NULL,
	};

	return unit_run("impair", tests);
}
