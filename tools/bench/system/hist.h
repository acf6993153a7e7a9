// Latencies in buckets whose width grows with the value: 64 of them for each doubling, so that a
// percentile is true within 1.6 %.
#ifndef TOOLS_BENCH_SYSTEM_HIST_H
#define TOOLS_BENCH_SYSTEM_HIST_H

#include <stdint.h>

#define HIST_SUB 64u
#define HIST_BUCKETS ((64u - 5u) * HIST_SUB)

struct hist {
	uint64_t n;
	uint64_t max_ns;
	uint64_t count[HIST_BUCKETS];
};

static inline uint32_t hist_bucket(uint64_t ns)
{
	uint32_t shift;

	if (ns < 2 * HIST_SUB)
		return (uint32_t)ns;
	shift = 57 - (uint32_t)__builtin_clzll(ns); // the value keeps its highest 7 bits
	return (shift + 1) * HIST_SUB + (uint32_t)(ns >> shift) - HIST_SUB;
}

// The middle of a bucket.
static inline double hist_value_ns(uint32_t b)
{
	uint32_t shift;

	if (b < 2 * HIST_SUB)
		return b;
	shift = b / HIST_SUB - 1;
	return ((double)(b % HIST_SUB + HIST_SUB) + 0.5) * (double)(1ull << shift);
}

static inline void hist_add(struct hist *h, uint64_t ns)
{
	h->n++;
	h->count[hist_bucket(ns)]++;
	if (ns > h->max_ns)
		h->max_ns = ns;
}

// The value that a part `p` (0 to 1) of all lie at or below, in nanoseconds; 0 without any.
static inline double hist_at_ns(const struct hist *h, double p)
{
	uint64_t below = 0, want = (uint64_t)(p * (double)h->n);

	if (h->n == 0)
		return 0;
	for (uint32_t b = 0; b < HIST_BUCKETS; b++) {
		below += h->count[b];
		if (below > want || below == h->n)
			return hist_value_ns(b);
	}
	return 0;
}

#endif
