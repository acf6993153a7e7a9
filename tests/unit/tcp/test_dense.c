// How many acknowledgements a burst has: one on a path that loses nothing, more on one that does (RFC 5681
// section 4.2).
#include "tests/unit/tcp/tcp_bench.h"

#define SEG 1000
#define DENSE 255 // segments

// n segments in one turn, the first of them at `seq`.
static void burst(struct bench *b, int64_t seq, int n)
{
	b->hold = true;
	for (int i = 0; i < n; i++)
		inject(b, .seq = seq + (int64_t)i * SEG, .len = SEG);
	b->hold = false;
	turn(b);
}

static struct bench *start(int64_t sack)
{
	struct bench *b = bench_new();

	b->cfg.tcp_rcv_wnd = 1u << 20;
	establish(b, .sack_ok = sack, .wscale = 7); // and ours is 7 bits too
	return b;
}

static void end(struct bench *b)
{
	expect_none(b);
	host_consume(b, host_received(b));
	flush(b);
	bench_free(b);
}

static void test_clean(void)
{
	struct bench *b = start(1);

	burst(b, 1, 8);
	expect(b, .ack = 1 + 8 * SEG, .len = 0);
	burst(b, 1 + 8 * SEG, 2);
	expect(b, .ack = 1 + 10 * SEG);
	end(b);
}

// Behind a gap each segment is answered, in the turn in which it came, and says what had come by then.
static void test_gap(void)
{
	struct bench *b = start(1);

	b->hold = true;
	inject(b, .seq = 1, .len = SEG);
	for (int i = 2; i < 6; i++)
		inject(b, .seq = 1 + i * SEG, .len = SEG);
	b->hold = false;
	turn(b);
	for (int i = 3; i < 7; i++)
		expect(b, .ack = 1 + SEG, .n_sack = 1, .sack_l0 = 1 + 2 * SEG,
			.sack_r0 = 1 + i * SEG);
	expect_none(b);
	CU_ASSERT_EQUAL(b->commits_wrong, 0);
	burst(b, 1 + SEG, 1);
	expect(b, .ack = 1 + 6 * SEG, .n_sack = 0);
	end(b);
}

// What a peer without SACK counts: three duplicates from one burst.
static void test_duplicates(void)
{
	struct bench *b = start(0);

	burst(b, 1 + SEG, 3);
	for (int i = 0; i < 3; i++)
		expect(b, .ack = 1, .n_sack = 0, .len = 0);
	expect_none(b);
	burst(b, 1, 1);
	expect(b, .ack = 1 + 4 * SEG);
	end(b);
}

// The window does not rise between them, or they would be no duplicates; the last one tells that it did.
static void test_edge(void)
{
	struct bench *b = start(0);

	b->hold = true;
	for (int i = 0; i < 20; i++)
		inject(b, .seq = 1 + i * SEG, .len = SEG);
	b->hold = false;
	turn(b);
	expect(b, .ack = 1 + 20 * SEG, .wnd = (1048576 - 20 * SEG) >> 7);
	b->hold = true;
	host_consume(b, 20 * SEG);
	for (int i = 21; i < 24; i++)
		inject(b, .seq = 1 + i * SEG, .len = SEG);
	b->hold = false;
	turn(b);
	expect(b, .ack = 1 + 20 * SEG, .wnd = (1048576 - 20 * SEG) >> 7);
	expect(b, .ack = 1 + 20 * SEG, .wnd = (1048576 - 20 * SEG) >> 7);
	expect(b, .ack = 1 + 20 * SEG, .wnd = 1048576 >> 7);
	burst(b, 1 + 20 * SEG, 1);
	expect(b, .ack = 1 + 24 * SEG);
	end(b);
}

// After a gap each second segment is acknowledged for some time, and then one ACK does for a burst again.
static void test_after(void)
{
	struct bench *b = start(1);
	int64_t at = 1 + 2 * SEG;
	int left = DENSE - 1; // the segment that fills the gap counts

	burst(b, 1 + SEG, 1);
	expect(b, .ack = 1);
	burst(b, 1, 1);
	expect(b, .ack = at);
	for (; left > 10; at += 10 * SEG, left -= 10) {
		burst(b, at, 10);
		for (int i = 2; i <= 10; i += 2)
			expect(b, .ack = at + i * SEG);
		expect_none(b);
		host_consume(b, host_received(b));
		flush(b);
	}
	burst(b, at, left);
	flush(b);
	at += left * SEG;
	burst(b, at, 10);
	expect(b, .ack = at + 10 * SEG);
	end(b);
}

// The peer's segments become smaller: two full ones' worth of bytes are as good (RFC 9293 section 3.8.6.3).
static void test_smaller(void)
{
	static const struct {
		uint32_t len;
		int each; // segments for an ACK
	} rows[] = {{1460, 2}, {1400, 3}, {1000, 3}, {500, 7}, {100, 44}};
	struct bench *b = start(1);
	int64_t at = 1;

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (int n = 1; n <= 3 * rows[i].each; n++) {
			inject(b, .seq = at, .len = rows[i].len);
			at += rows[i].len;
			if (n % rows[i].each == 0)
				expect(b, .ack = at);
			else
				expect_none(b);
		}
	}
	end(b);
}

// Where only some can leave, the last one says it all.
static void test_room(void)
{
	struct bench *b = start(1);

	b->room = 2;
	burst(b, 1 + SEG, 5);
	expect(b, .ack = 1, .n_sack = 1, .sack_l0 = 1 + SEG, .sack_r0 = 1 + 2 * SEG);
	expect(b, .ack = 1, .n_sack = 1, .sack_l0 = 1 + SEG, .sack_r0 = 1 + 3 * SEG);
	turn(b);
	expect(b, .ack = 1, .n_sack = 1, .sack_l0 = 1 + SEG, .sack_r0 = 1 + 6 * SEG);
	b->room = BENCH_SEGS;
	burst(b, 1, 1);
	expect(b, .ack = 1 + 6 * SEG);
	end(b);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{"one ACK for a burst", test_clean},
		{"one for each segment behind a gap", test_gap},
		{"duplicates without SACK", test_duplicates},
		{"the edge stays", test_edge},
		{"one for two after a gap, for a time", test_after},
		{"smaller segments than before", test_smaller},
		{"no room for more", test_room},
		CU_TEST_INFO_NULL,
	};

	if (unit_eal() < 0)
		return 1;
	return unit_run("tcp acknowledgements in a turn", tests);
}
