// The path of path.h with ECN, and the flags that negotiate it and say it.
#ifndef TESTS_UNIT_TCP_ECN_PATH_H
#define TESTS_UNIT_TCP_ECN_PATH_H

#include "engine/tcp/ecn.h"
#include "tests/unit/tcp/path.h"

#define SETUP (TCP_SYN | TCP_ECE | TCP_CWR)
#define ACK_ECE (TCP_ACK | TCP_ECE)

// Connected with ECN; segments of 1000; the first was acknowledged after RTT_US: the next is 1001.
static inline struct bench *ecn_open(int64_t sack)
{
	struct bench *b = bench_new();

	snprintf(b->cfg.tcp_ecn, sizeof(b->cfg.tcp_ecn), "on");
	host_connect(b);
	expect(b, .flags = SETUP);
	advance(b, RTT_US);
	inject(b, .flags = TCP_SYN | ACK_ECE, .seq = 0, .ack = 1, .mss = 1000, .sack_ok = sack);
	flush(b);
	path_send(b, 1, 1);
	advance(b, RTT_US);
	inject(b, .ack = 1001);
	counter_mark(b);
	return b;
}

#endif
