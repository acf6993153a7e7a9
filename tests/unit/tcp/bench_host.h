// The bench's parts that only its own files share.
#ifndef TESTS_UNIT_TCP_BENCH_HOST_H
#define TESTS_UNIT_TCP_BENCH_HOST_H

#include "tests/unit/tcp/tcp_bench.h"

void bench_host_ops(struct bench *b);
void bench_check_flights(const struct bench *b);

#endif
