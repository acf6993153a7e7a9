// The delay, the limiter and its queue in outboard-wire, without sockets; every frame is accounted for.
#include "tests/unit/wire/frames.h"

// A link that takes 10 us for a frame (60 bytes at 48 Mb/s), with room for so many.
static struct impair_conf limited(uint32_t queue_pkts)
{
	struct impair_conf conf = good;

	conf.rate_mbps = 48;
	conf.queue_pkts = queue_pkts;
	return conf;
}

// Starts with n frames, one every gap_ns from 0 on; their serials are 0 to n - 1.
static void begin(struct impair *im, const struct impair_conf *conf, uint32_t n, uint64_t gap_ns)
{
	impair_init(im, conf, 1, 0);
	for (uint32_t i = 0; i < n; i++)
		push(im, i, i * gap_ns);
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
	struct impair_conf conf = limited(5);
	struct impair im;
	const uint64_t each = 10 * US;

	begin(&im, &conf, 8, 0);
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
	struct impair_conf conf = limited(4);
	struct impair im;
	const struct impair_stats *st = &im.stats;

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
	struct impair_conf conf = limited(5);
	struct impair im;

	conf.ce_queue_pkts = 3;
	begin(&im, &conf, 8, 0);
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
	struct impair_conf conf = limited(1);
	struct impair im;

	conf.delay_us = 100000;
	begin(&im, &conf, 100, 10 * US);
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

int main(void)
{
	static CU_TestInfo tests[] = {
		{"delay and jitter keep the order", test_delay_and_jitter_keep_order},
		{"rate and queue", test_rate_and_queue},
		{"the mean of a queue", test_mean_queue},
		{"marks of a queue", test_marks_of_a_queue},
		{"a delayed frame is not in the queue", test_delay_is_not_in_the_queue},
		{"the books balance", test_books_balance},
		CU_TEST_INFO_NULL,
	};

	return unit_run("queue", tests);
}
