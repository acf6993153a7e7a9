// The faults of outboard-wire, without sockets.
#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/wire/impair.h"
#include "tools/wire/options.h"

enum {
	FRAME_BYTES = 60,
	ETH = 14,
};
#define US 1000ull
#define MS (1000 * US)

static const struct impair_conf good = {.reorder_gap_pkts = 3, .reorder_hold_us = 5000};

// A TCP segment's frame, ECT(0), with a right header checksum; serial goes into the payload.
static void make_frame(uint8_t *f, uint32_t serial)
{
	uint32_t sum = 0;

	memset(f, 0, FRAME_BYTES);
	f[12] = 8;
	f[ETH] = 0x45;
	f[ETH + 1] = 2;
	f[ETH + 3] = FRAME_BYTES - ETH;
	f[ETH + 8] = 64;
	f[ETH + 9] = 6;
	for (int i = 12; i < 20; i++)
		f[ETH + i] = (uint8_t)(i * 37);
	for (int i = 0; i < 20; i += 2)
		sum += (uint32_t)f[ETH + i] << 8 | f[ETH + i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum & 0xffff;
	f[ETH + 10] = (uint8_t)(sum >> 8);
	f[ETH + 11] = (uint8_t)sum;
	memcpy(f + FRAME_BYTES - 4, &serial, 4);
}

static uint32_t serial_of(const struct impair_pkt *pkt)
{
	uint32_t serial;

	memcpy(&serial, pkt->data + FRAME_BYTES - 4, 4);
	return serial;
}

// The ones' complement sum over the IPv4 header, which is 0xffff when the checksum is right.
static uint32_t header_sum(const uint8_t *f)
{
	uint32_t sum = 0;

	for (int i = 0; i < 20; i += 2)
		sum += (uint32_t)f[ETH + i] << 8 | f[ETH + i + 1];
	return (sum & 0xffff) + (sum >> 16);
}

static void push(struct impair *im, uint32_t serial, uint64_t now_ns)
{
	uint8_t f[FRAME_BYTES];

	make_frame(f, serial);
	CU_ASSERT_EQUAL_FATAL(impair_push(im, f, FRAME_BYTES, now_ns), 0);
}

// The serial of the next frame, or -1.
static int64_t pop(struct impair *im, uint64_t now_ns)
{
	struct impair_pkt *pkt = impair_pop(im, now_ns);
	int64_t serial;

	if (!pkt)
		return -1;
	serial = serial_of(pkt);
	free(pkt);
	return serial;
}

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

static void test_delay_and_jitter_keep_order(void)
{
	struct impair_conf conf = good;
	struct impair im;
	bool varied = false;
	uint64_t last_gap = 0;

	conf.delay_us = 1000;
	impair_init(&im, &conf, 1, 0);
	push(&im, 0, 50);
	CU_ASSERT_EQUAL(impair_next_ns(&im), 50 + MS);
	CU_ASSERT_EQUAL(pop(&im, 49 + MS), -1);
	CU_ASSERT_EQUAL(pop(&im, 50 + MS), 0);

	conf.jitter_us = 500;
	impair_init(&im, &conf, 1, 0);
	for (uint32_t i = 0; i < 1000; i++) {
		uint64_t sent = i * MS;
		uint64_t due;

		push(&im, i, sent);
		due = impair_next_ns(&im);
		CU_ASSERT(due >= sent + MS && due <= sent + 1500 * US);
		varied |= i && due - sent != last_gap;
		last_gap = due - sent;
		CU_ASSERT_EQUAL(pop(&im, due), i);
	}
	CU_ASSERT_TRUE(varied);
	for (uint32_t i = 0; i < 1000; i++)
		push(&im, i, 2000 * MS + i);
	for (uint32_t i = 0; i < 1000; i++)
		CU_ASSERT_EQUAL(pop(&im, 2002 * MS), i);
}

static void test_rate_and_queue(void)
{
	struct impair_conf conf = good;
	struct impair im;
	// 60 bytes at 48 Mb/s take 10 us.
	const uint64_t each = 10 * US;

	conf.rate_mbps = 48;
	conf.queue_pkts = 5;
	impair_init(&im, &conf, 1, 0);
	for (uint32_t i = 0; i < 8; i++)
		push(&im, i, 0);
	CU_ASSERT_EQUAL(im.stats.queue_drop_pkts, 3);
	CU_ASSERT_EQUAL(im.stats.queue_max_pkts, 5);
	for (uint32_t i = 0; i < 5; i++) {
		CU_ASSERT_EQUAL(pop(&im, (i + 1) * each - 1), -1);
		CU_ASSERT_EQUAL(pop(&im, (i + 1) * each), i);
	}
	// An idle link saves nothing up: the next frame takes its time again.
	push(&im, 8, MS);
	CU_ASSERT_EQUAL(impair_next_ns(&im), MS + each);
	CU_ASSERT_EQUAL(pop(&im, 2 * MS), 8);
	CU_ASSERT_EQUAL(im.queued_pkts, 0);
}

// What the limiter tells of its queue: exact, whenever the relay looks.
static void test_mean_queue(void)
{
	struct impair_conf conf = good;
	struct impair im;
	const struct impair_stats *st = &im.stats;

	conf.rate_mbps = 48; // 10 us a frame
	conf.queue_pkts = 4;
	impair_init(&im, &conf, 1, 0);
	CU_ASSERT_EQUAL(st->queue_mean_pkts, 0);
	// 4, 3, 2 and 1 of them for 10 us each; the fifth is dropped.
	for (uint32_t i = 0; i < 5; i++)
		push(&im, i, MS);
	CU_ASSERT_EQUAL(st->queue_wait_ns, 100 * US);
	CU_ASSERT_EQUAL(st->rate_busy_ns, 40 * US);
	CU_ASSERT_EQUAL(st->rate_span_ns, 40 * US);
	CU_ASSERT_EQUAL(st->queue_mean_pkts, 3); // 2.5
	// Idle for 50 us, then one more: 110 us of waiting in 100 us.
	push(&im, 5, MS + 90 * US);
	CU_ASSERT_EQUAL(st->queue_wait_ns, 110 * US);
	CU_ASSERT_EQUAL(st->rate_busy_ns, 50 * US);
	CU_ASSERT_EQUAL(st->rate_span_ns, 100 * US);
	CU_ASSERT_EQUAL(st->queue_mean_pkts, 1);
	impair_free(&im);

	conf.rate_mbps = 0; // no limiter, no figures
	impair_init(&im, &conf, 1, 0);
	push(&im, 0, MS);
	CU_ASSERT_EQUAL(st->queue_wait_ns + st->rate_busy_ns + st->rate_span_ns, 0);
	impair_free(&im);
}

// The frame that finds so many waiting is marked, as DCTCP's switches do (RFC 8257 section 3.1).
static void test_marks_of_a_queue(void)
{
	struct impair_conf conf = good;
	struct impair im;

	conf.rate_mbps = 48;
	conf.queue_pkts = 5;
	conf.ce_queue_pkts = 3;
	impair_init(&im, &conf, 1, 0);
	for (uint32_t i = 0; i < 8; i++)
		push(&im, i, 0);
	CU_ASSERT_EQUAL(im.stats.queue_drop_pkts, 3);
	CU_ASSERT_EQUAL(im.stats.ce_pkts, 2); // 3 and 4; what is dropped is not marked
	for (uint32_t i = 0; i < 5; i++) {
		struct impair_pkt *pkt = impair_pop(&im, MS);

		CU_ASSERT_PTR_NOT_NULL_FATAL(pkt);
		CU_ASSERT_EQUAL(pkt->data[ETH + 1] & 3, i >= 3 ? 3 : 2);
		CU_ASSERT_EQUAL(header_sum(pkt->data), 0xffff);
		free(pkt);
	}
	impair_free(&im);
}

static void test_delay_is_not_in_the_queue(void)
{
	struct impair_conf conf = good;
	struct impair im;

	conf.rate_mbps = 48;
	conf.queue_pkts = 1;
	conf.delay_us = 100000;
	impair_init(&im, &conf, 1, 0);
	for (uint32_t i = 0; i < 100; i++)
		push(&im, i, i * 10 * US);
	CU_ASSERT_EQUAL(im.stats.queue_drop_pkts, 0);
	CU_ASSERT_EQUAL(im.queued_pkts, 100);
	CU_ASSERT_EQUAL(impair_free(&im), 100);
}

static void test_books_balance(void)
{
	struct impair_conf conf = {.loss = 0.1,
		.dup = 0.1,
		.reorder = 0.1,
		.corrupt = 0.1,
		.ce = 0.5,
		.reorder_gap_pkts = 3,
		.reorder_hold_us = 50,
		.delay_us = 30,
		.jitter_us = 20,
		.rate_mbps = 100,
		.queue_pkts = 4};
	struct impair_stats *st;
	struct impair im;
	uint64_t out = 0;

	impair_init(&im, &conf, 99, 0);
	st = &im.stats;
	for (uint32_t i = 0; i < 50000; i++) {
		uint64_t now_ns = i * 5 * US;

		push(&im, i, now_ns);
		while (pop(&im, now_ns) >= 0)
			out++;
		CU_ASSERT_EQUAL(st->rx_pkts + st->dup_pkts,
			st->lost_pkts + st->queue_drop_pkts + out + im.queued_pkts);
	}
	CU_ASSERT(st->lost_pkts && st->dup_pkts && st->reordered_pkts && st->corrupted_pkts);
	CU_ASSERT(st->ce_pkts && st->queue_drop_pkts);
	CU_ASSERT_EQUAL(impair_free(&im),
		st->rx_pkts + st->dup_pkts - st->lost_pkts - st->queue_drop_pkts - out);
}

static enum options_result parse(struct wire_options *opts, const char *line)
{
	static char text[256];
	char *argv[32] = {"outboard-wire"};
	char *rest = NULL;
	int argc = 1;

	snprintf(text, sizeof(text), "%s", line);
	for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		argv[argc++] = word;
	return options_parse(opts, argc, argv);
}

static void test_options(void)
{
	struct wire_options opts;

	CU_ASSERT_EQUAL(parse(&opts, "--a x --b y --loss 0.25 --loss-ba 0.5 --queue-ab 7 --seed 9"),
		OPTIONS_RUN);
	CU_ASSERT_STRING_EQUAL(opts.interfaces[DIR_AB], "x");
	CU_ASSERT_STRING_EQUAL(opts.interfaces[DIR_BA], "y");
	CU_ASSERT_EQUAL(opts.conf[DIR_AB].loss, 0.25);
	CU_ASSERT_EQUAL(opts.conf[DIR_BA].loss, 0.5);
	CU_ASSERT_EQUAL(opts.conf[DIR_AB].queue_pkts, 7);
	CU_ASSERT_EQUAL(opts.conf[DIR_BA].queue_pkts, 1000);
	CU_ASSERT_EQUAL(opts.conf[DIR_AB].reorder_gap_pkts, 3);
	CU_ASSERT_EQUAL(opts.seed, 9);
}

static void test_options_refused(void)
{
	static const char *const bad[] = {"--a x", "--a x --b y --loss", "--a x --b y --loss 1.1",
		"--a x --b y --loss -0.1", "--a x --b y --loss nan", "--a x --b y --los 1",
		"--a x --b y --loss-xy 1", "--a x --b y --delay-us 1.5", "--a x --b y --queue 1z",
		"--a x --b y --seed -1", "a x"};
	struct wire_options opts;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(parse(&opts, bad[i]), OPTIONS_BAD);
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
		{"delay and jitter keep the order", test_delay_and_jitter_keep_order},
		{"rate and queue", test_rate_and_queue},
		{"the mean of a queue", test_mean_queue},
		{"marks of a queue", test_marks_of_a_queue},
		{"a delayed frame is not in the queue", test_delay_is_not_in_the_queue},
		{"the books balance", test_books_balance},
		{"options", test_options},
		{"options refused", test_options_refused},
		CU_TEST_INFO_NULL,
	};
	static CU_SuiteInfo suites[] = {
		{"wire", NULL, NULL, NULL, NULL, tests},
		CU_SUITE_INFO_NULL,
	};
	unsigned failed;

	if (CU_initialize_registry() || CU_register_suites(suites))
		return 1;
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed ? 1 : 0;
}
