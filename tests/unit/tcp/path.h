// A connection over a path whose round trip is known: how the tests of loss recovery begin.
#ifndef TESTS_UNIT_TCP_PATH_H
#define TESTS_UNIT_TCP_PATH_H

#include "tests/unit/tcp/tcp_bench.h"

#define RTT_US 100000u
#define TS true
#define NO_TS false

static inline struct tcp_soft *soft(struct bench *b)
{
	return tcp_soft(&b->t, b->conn);
}

// n segments of 1000 are written and leave; the first has relative number `first`.
static inline void path_send(struct bench *b, int64_t first, int n)
{
	host_send(b, 1000 * (uint32_t)n, 0);
	for (int i = 0; i < n; i++)
		expect(b, .seq = first + 1000 * i, .len = 1000);
}

// Both sides offer SACK; segments of 1000; one sent and acknowledged after RTT_US: the next is 1001. With timestamps
// an MSS of 1012 is segments of 1000.
static inline struct bench *path_open(bool ts)
{
	struct bench *b = bench_new();

	CU_ASSERT_EQUAL_FATAL(host_connect(b), 0);
	expect(b, .flags = TCP_SYN);
	b->peer_seq = 0;
	b->peer_ack = 1;
	b->peer_ts = ts;
	advance(b, RTT_US);
	inject(b, .flags = TCP_SYN | TCP_ACK, .mss = ts ? 1012 : 1000, .sack_ok = 1);
	expect(b, .flags = TCP_ACK, .seq = 1, .ack = 1);
	path_send(b, 1, 1);
	advance(b, RTT_US);
	inject(b, .ack = 1001);
	expect_none(b);
	CU_ASSERT(tcp_soft(&b->t, b->conn)->min_rtt_us >= RTT_US - 2000);
	counter_mark(b);
	return b;
}

// The peer acknowledges `upto` and says that it holds [l, r).
#define sack1(b, upto, l, r) inject(b, .ack = (upto), .n_sack = 1, .sack_l0 = (l), .sack_r0 = (r))
#define sack2(b, upto, l, r, l2, r2)                                                               \
	inject(b, .ack = (upto), .n_sack = 2, .sack_l0 = (l), .sack_r0 = (r), .sack_l1 = (l2),     \
		.sack_r1 = (r2))

#endif
