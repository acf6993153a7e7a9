// The suite `system`: real processes over veth and memif, and the kernel's TCP beside them.
#ifndef TOOLS_BENCH_SYSTEM_H
#define TOOLS_BENCH_SYSTEM_H

#include "tools/bench/bench.h"

extern const struct bench_suite system_suite;

#endif
