// The statistics of few and noisy values: medians, ranks, and how sure a change of a median is.
#ifndef TOOLS_BENCH_STATS_H
#define TOOLS_BENCH_STATS_H

#include <stddef.h>

#define STATS_MAX 1000u // values of a figure that are looked at: the first ones

// Of n > 0 values; for an even number the mean of the two in the middle.
double stats_median(const double *values, size_t n);
double stats_min(const double *values, size_t n);
double stats_max(const double *values, size_t n);

// The two-sided probability of ranks as uneven as these if both samples were of one distribution
// (Mann and Whitney): exact, with ties, up to 40 values together, else by the normal distribution.
// 1 when either sample is empty.
double stats_mann_whitney(const double *a, size_t na, const double *b, size_t nb);

// A 95 % interval of median(b) / median(a), by resampling both (bootstrap, percentiles of 2000,
// always the same ones). Both samples have values above 0.
void stats_ratio(const double *a, size_t na, const double *b, size_t nb, double *low, double *high);

#endif
