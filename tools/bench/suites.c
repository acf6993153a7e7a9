#include "tools/bench/bench.h"
#include "tools/bench/core.h"
#include "tools/bench/system.h"

const struct bench_suite *const bench_suites[] = {
	&core_suite,
	&system_suite,
	NULL,
};
