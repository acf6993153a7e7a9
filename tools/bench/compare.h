// outboard-bench compare: what moved between two runs, beyond noise.
#ifndef TOOLS_BENCH_COMPARE_H
#define TOOLS_BENCH_COMPARE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum compare_verdict {
	COMPARE_SAME,
	COMPARE_BETTER,
	COMPARE_WORSE,
	COMPARE_MOVED, // a figure that is neither cost nor gain
	COMPARE_FEW,
	COMPARE_GONE,
	COMPARE_NEW,
	COMPARE_UNIT // the two runs have it in other units
};

struct compare_row {
	const char *name;
	const char *unit, *unit_b; // of the first run, and of the second where that is another
	enum compare_verdict verdict;
	double a, b; // medians
	double change; // b / a - 1
	double low, high; // a 95 % interval of it
	double p; // of ranks as uneven as these by chance
};

// The verdict on two samples of one figure. tolerance: a change below it never counts, 0.03 is 3 %.
//
// A figure moved when all of this holds: the median changed by more than the tolerance; the 95 %
// interval of the ratio of medians does not hold 1; and either the ranges of the two samples do
// not touch (at least 3 values each) or the ranks are uneven with p < 0.01. Fewer than 3 values say
// nothing (COMPARE_FEW).
void compare_values(struct compare_row *row, const double *a, size_t na, const double *b, size_t nb,
	double tolerance);

// Whether less of this unit is better: cycles, times and costs, but not rates.
int compare_less_is_better(const char *unit);

// Whether a change of this figure is neither better nor worse: it describes the load.
bool compare_is_neutral(const char *name);

// In what the runs differ that makes their figures hard to compare ("settings.depth: 64, 32"): one line a
// string, to be freed with json_decref().
json_t *compare_differences(const json_t *a, const json_t *b);

// The rows of two reports, to be freed. Names point into the reports. NULL when either is none, with
// a line in `err`.
struct compare_row *compare_reports(
	const json_t *a, const json_t *b, double tolerance, size_t *n, char *err, size_t err_bytes);

// argv[0] is "compare". Returns the exit status: 0; 1 when --fail is given and something got worse,
// or a file cannot be read; 2 for wrong usage.
int compare_main(int argc, char **argv);

#endif
