// Data out of order when memory is short: whose is given back, that it is as if it had never come, and
// that data in order always gets through. Buffers are 2 KiB, 512 of them; edges stop rising at 4.
#include <errno.h>

#include "engine/tcp/ooo.h"
#include "tests/unit/tcp/tcp_bench.h"

#define FAR 60001 // a byte there takes 30 buffers
#define FAR_BUFS 30

static uint32_t conns[32], iss[32];

// A segment of peer i, and what it gets.
#define from(b, i, ...)                                                                            \
	do {                                                                                       \
		(b)->iss = iss[i];                                                                 \
		inject(b, .ack = 1, .sport = 5000 + (i), __VA_ARGS__);                             \
	} while (0)
#define to(b, i, ...) expect(b, .sport = 5000 + (i), __VA_ARGS__)

static uint32_t open_from(struct bench *b, int64_t sport)
{
	inject(b, .flags = TCP_SYN, .seq = 0, .mss = 1460, .sport = sport, .sack_ok = 1,
		.wscale = 7);
	expect(b, .flags = TCP_SYN | TCP_ACK, .ack = 1, .sport = sport);
	inject(b, .seq = 1, .ack = 1, .sport = sport);
	flush(b);
	return b->conn;
}

static struct bench *open_many(uint32_t n, uint64_t tables)
{
	struct bench *b = bench_new();

	b->cfg.limits_ooo = tables;
	host_listen(b);
	for (uint32_t i = 0; i < n; i++) {
		conns[i] = open_from(b, 5000 + i);
		iss[i] = b->iss;
	}
	return b;
}

static void select_conn(struct bench *b, uint32_t i)
{
	b->conn = conns[i];
	b->rd = 0;
}

static bool holds(const struct bench *b, uint32_t i)
{
	return tcp_soft_held(&b->t, conns[i])->ooo != STATE_NIL;
}

// Eighteen peers with a byte far away, and every buffer would be gone; the next one is served.
static void test_sparse(void)
{
	struct bench *b = open_many(19, 64);

	for (uint32_t i = 0; i < 18; i++)
		from(b, i, .seq = FAR, .len = 1);
	// Two would have taken the last ones, and are too far away to be worth others' data.
	CU_ASSERT_EQUAL(b->mem.n_free, 512 - 16 * FAR_BUFS);
	CU_ASSERT_EQUAL(counter_delta(b, drop_tcp_ooo_buffers), 2);
	CU_ASSERT_EQUAL(counter_delta(b, drop_tcp_no_buffer), 0);
	flush(b);
	// In order, more than there are free ones: those that hold the most give back.
	for (int64_t at = 1; at < 60000; at += 1460)
		from(b, 18, .seq = at, .len = 1460);
	select_conn(b, 18);
	CU_ASSERT_EQUAL(host_received(b), 42 * 1460);
	CU_ASSERT_EQUAL(counter_delta(b, drop_tcp_no_buffer), 0);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_ooo_reclaimed), 1);
	CU_ASSERT(!holds(b, 0) && holds(b, 1));
	CU_ASSERT(b->mem.n_free >= ooo_spare(&b->mem));
	host_consume(b, host_received(b));
	flush(b);
	bench_free(b);
}

// All buffers gone at one go, as by a famine: data in order is placed all the same.
static void test_yield(void)
{
	struct bench *b = open_many(2, 64);
	uint32_t taken;

	from(b, 0, .seq = FAR, .len = 1);
	taken = b->mem.n_free;
	b->mem.n_free = 0;
	from(b, 1, .seq = 1, .len = 1460);
	select_conn(b, 1);
	CU_ASSERT_EQUAL(host_received(b), 1460);
	CU_ASSERT_EQUAL(counter_delta(b, drop_tcp_no_buffer), 0);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_ooo_reclaimed), 1);
	CU_ASSERT_EQUAL(b->mem.n_free, FAR_BUFS - 1);
	host_consume(b, 1460);
	b->mem.n_free += taken;
	CU_ASSERT_EQUAL(b->mem.n_free, b->mem.n_bufs);
	for (uint32_t i = 0; i < b->mem.n_bufs; i++) // others lie where those that were taken did
		b->mem.free[i] = i;
	flush(b);
	bench_free(b);
}

// What was given back is not named any more, and comes again as if for the first time.
static void test_forgotten(void)
{
	struct bench *b = open_many(2, 64);
	uint32_t keep;

	from(b, 0, .seq = 1, .len = 100);
	flush(b);
	from(b, 0, .seq = 1101, .len = 1000);
	to(b, 0, .ack = 101, .n_sack = 1, .sack_l0 = 1101, .sack_r0 = 2101);
	from(b, 0, .seq = 5101, .len = 1000);
	to(b, 0, .ack = 101, .n_sack = 2);
	select_conn(b, 0);
	// A duplicate of it in the turn in which it goes: no D-SACK says that it is held.
	b->hold = true;
	from(b, 0, .seq = 1101, .len = 1000);
	b->hold = false;
	keep = b->mem.low_mark;
	b->mem.low_mark = 400;
	from(b, 1, .seq = 1, .len = 10);
	b->mem.low_mark = keep;
	CU_ASSERT_EQUAL(counter_delta(b, tcp_ooo_reclaimed), 1);
	to(b, 0, .ack = 101, .n_sack = 0);
	flush(b);
	// Only what holds bytes in order is left of its buffers.
	CU_ASSERT_EQUAL(b->mem.rx_pieces, 2);
	// The gap closes: nothing behind it is believed.
	from(b, 0, .seq = 101, .len = 1000);
	CU_ASSERT_EQUAL(host_received(b), 1100);
	from(b, 0, .seq = 1101, .len = 1000);
	from(b, 0, .seq = 2101, .len = 3000);
	CU_ASSERT_EQUAL(host_received(b), 5100);
	from(b, 0, .seq = 5101, .len = 1000);
	CU_ASSERT_EQUAL(host_received(b), 6100);
	host_consume(b, 6100); // compares every byte
	select_conn(b, 1);
	host_consume(b, 10);
	flush(b);
	bench_free(b);
}

// A connection that has read everything keeps no buffer for what it forgot.
static void test_all_read(void)
{
	struct bench *b = open_many(2, 64);

	from(b, 0, .seq = 1, .len = 100);
	from(b, 0, .seq = 151, .len = 10);
	select_conn(b, 0);
	host_consume(b, 100);
	CU_ASSERT_EQUAL(b->mem.rx_pieces, 1); // it holds what is out of order
	b->mem.low_mark = 256;
	from(b, 1, .seq = 1, .len = 10);
	b->mem.low_mark = 4;
	CU_ASSERT_EQUAL(counter_delta(b, tcp_ooo_reclaimed), 1);
	CU_ASSERT_EQUAL(b->mem.rx_pieces, 1); // the other one's
	select_conn(b, 1);
	host_consume(b, 10);
	flush(b);
	bench_free(b);
}

// Whose goes: the most first; of as much the longest idle; but first of all what was idle for a second.
static void test_whose(void)
{
	static const int64_t at[4] = {3001, 30001, 29001, 5001};
	static const uint32_t order[4] = {1, 2, 0, 3}; // as classes have it
	struct bench *b = open_many(5, 64);

	for (uint32_t i = 0; i < 4; i++) {
		from(b, i, .seq = at[i], .len = 1);
		advance(b, 1000);
	}
	for (uint32_t k = 0; k < 4; k++) {
		b->mem.low_mark = b->mem.n_free / 2 + 1;
		from(b, 4, .seq = 1 + k, .len = 1);
		b->mem.low_mark = 4;
		for (uint32_t i = 0; i < 4; i++) {
			bool gone = false;

			for (uint32_t j = 0; j <= k; j++)
				gone = gone || order[j] == i;
			CU_ASSERT_EQUAL(holds(b, i), !gone);
		}
	}
	// Idle for a second.
	from(b, 0, .seq = 3001, .len = 1);
	advance(b, 1000001);
	from(b, 1, .seq = 30001, .len = 1);
	b->mem.low_mark = b->mem.n_free / 2 + 1;
	from(b, 4, .seq = 5, .len = 1);
	CU_ASSERT(!holds(b, 0) && holds(b, 1));
	b->mem.low_mark = 4;
	select_conn(b, 4);
	host_consume(b, 5);
	flush(b);
	bench_free(b);
}

// Close behind what came before, data out of order takes the place of what holds as much or more; what
// holds less is not driven out by it.
static void test_among_them(void)
{
	struct bench *b = open_many(4, 64);

	from(b, 0, .seq = 30001, .len = 1); // 15 buffers
	from(b, 1, .seq = 1001, .len = 100); // 1
	b->mem.low_mark = b->mem.n_free / 2;
	from(b, 2, .seq = 5001, .len = 100); // 3
	CU_ASSERT(!holds(b, 0) && holds(b, 1) && holds(b, 2));
	CU_ASSERT_EQUAL(counter_delta(b, tcp_ooo_reclaimed), 1);
	b->mem.low_mark = b->mem.n_free / 2;
	from(b, 3, .seq = 20001, .len = 100); // 10
	CU_ASSERT(holds(b, 1) && holds(b, 2) && !holds(b, 3));
	CU_ASSERT_EQUAL(counter_delta(b, drop_tcp_ooo_buffers), 1);
	b->mem.low_mark = 4;
	CU_ASSERT_EQUAL(b->mem.rx_pieces, 4);
	flush(b);
	bench_free(b);
}

// Tables: a host alone has four fifths; beyond, its own longest idle one gives way.
static void test_tables(void)
{
	struct bench *b = open_many(20, 16);

	for (uint32_t i = 0; i < 20; i++) {
		from(b, i, .seq = 1001, .len = 1);
		advance(b, 10);
		if (i == 12) // is not the longest idle one then
			from(b, 0, .seq = 1003, .len = 1);
	}
	CU_ASSERT_EQUAL(b->t.n_ooo_free, 16 - 13);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_ooo_evicted), 7);
	CU_ASSERT_EQUAL(counter_delta(b, drop_tcp_ooo_full), 0);
	for (uint32_t i = 0; i < 20; i++)
		CU_ASSERT_EQUAL(holds(b, i), i == 0 || i > 7);
	CU_ASSERT_EQUAL(b->mem.rx_pieces, 13);
	flush(b);
	bench_free(b);
}

// Segments that were too many for a table leave no buffers behind that nobody knows of.
static void test_beyond_ranges(void)
{
	struct bench *b = open_many(1, 64);

	for (int64_t i = 0; i < OOO_RANGES; i++)
		from(b, 0, .seq = 11 + 20 * i, .len = 10);
	from(b, 0, .seq = FAR, .len = 1);
	CU_ASSERT_EQUAL(counter_delta(b, drop_tcp_ooo_full), 1);
	from(b, 0, .seq = 1, .len = 20 * OOO_RANGES);
	CU_ASSERT_EQUAL(b->mem.rx_pieces, 1);
	CU_ASSERT_EQUAL(b->t.n_ooo_free, b->cfg.limits_ooo);
	flush(b);
	host_consume(b, host_received(b));
	bench_free(b);
}

// The end of a connection gives back what waited for a gap to close, though the host has not released it.
static void test_over(void)
{
	struct bench *b = open_many(1, 64);

	from(b, 0, .seq = FAR, .len = 1);
	from(b, 0, .flags = TCP_RST, .seq = 1);
	CU_ASSERT_EQUAL(bench_error(b), ECONNRESET);
	CU_ASSERT_EQUAL(b->mem.n_free, b->mem.n_bufs);
	CU_ASSERT_EQUAL(b->t.n_ooo_free, b->cfg.limits_ooo);
	flush(b);
	bench_free(b);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"bytes far away", test_sparse},
		{"without any buffer", test_yield},
		{"what was given back was never there", test_forgotten},
		{"all was read", test_all_read},
		{"whose goes", test_whose},
		{"among themselves", test_among_them},
		{"tables", test_tables},
		{"more ranges than a table has", test_beyond_ranges},
		{"the end", test_over},
		CU_TEST_INFO_NULL,
	};

	return unit_eal() < 0 ? 1 : unit_run("tcp_ooo", tests);
}
