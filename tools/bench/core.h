// The suite `core`: cycles of the engine's core, in one process.
#ifndef TOOLS_BENCH_CORE_H
#define TOOLS_BENCH_CORE_H

#include "tools/bench/bench.h"

extern const struct bench_suite core_suite;

#endif
