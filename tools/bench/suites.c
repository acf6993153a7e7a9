#include "tools/bench/bench.h"
#include "tools/bench/core.h"

const struct bench_suite *const bench_suites[] = {
	&core_suite,
	NULL,
};
