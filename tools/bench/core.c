#include "tools/bench/core.h"

#include <errno.h>

static int core_run(struct bench *b)
{
	(void)b;
	return -ENOSYS;
}

const struct bench_suite core_suite = {
	.name = "core",
	.doc = "cycles of the engine's core per operation and phase, on an in-memory wire",
	.run = core_run,
};
