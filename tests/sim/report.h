// What a run says at its end.
#ifndef TESTS_SIM_REPORT_H
#define TESTS_SIM_REPORT_H

#include "tests/sim/sim.h"

#define JOBS_MAX 64u
// From so many seeds on, a fault that never fired or a path that never ran is a failure.
#define LARGE_RUN 10000u

struct job {
	struct stats stats;
	uint64_t seed; // the one in hand
	uint64_t n_failed;
	bool failed; // at this seed, and stopped
	bool done;
	char failure[512];
};

// Shared by the jobs.
struct board {
	_Atomic uint64_t next;
	_Atomic bool stop;
	struct job jobs[JOBS_MAX];
};

// Returns whether the run is a success.
bool report(const struct board *b, unsigned jobs, uint64_t first, uint64_t last, double seconds);

#endif
