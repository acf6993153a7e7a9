#include "tools/bench/stats.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EXACT_MAX 40u
#define RESAMPLES 2000u

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median_sorted(const double *v, size_t n)
{
	if (n == 0)
		return 0;
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

double stats_median(const double *values, size_t n)
{
	double v[STATS_MAX];

	if (n > STATS_MAX)
		n = STATS_MAX;
	memcpy(v, values, n * sizeof(*v));
	qsort(v, n, sizeof(*v), by_value);
	return median_sorted(v, n);
}

double stats_min(const double *values, size_t n)
{
	double min = values[0];

	for (size_t i = 1; i < n; i++)
		min = values[i] < min ? values[i] : min;
	return min;
}

double stats_max(const double *values, size_t n)
{
	double max = values[0];

	for (size_t i = 1; i < n; i++)
		max = values[i] > max ? values[i] : max;
	return max;
}

// Twice the rank of each of the values, so that the shared ranks of ties are whole numbers.
static void ranks(const double *all, size_t n, unsigned *twice)
{
	for (size_t i = 0; i < n; i++) {
		unsigned below = 0, same = 0;

		for (size_t k = 0; k < n; k++) {
			below += all[k] < all[i];
			same += all[k] == all[i];
		}
		twice[i] = 2 * below + same + 1;
	}
}

// How many of the choices of `na` out of the n ranks have a sum as far from the middle as `sum`.
static double exact(const unsigned *twice, size_t n, size_t na, unsigned sum)
{
	enum { SUMS = EXACT_MAX * (EXACT_MAX + 1) + 1 };
	static double ways[EXACT_MAX + 1][SUMS];
	double far = 0, all = 0, middle = (double)na * (double)(n + 1);

	memset(ways, 0, sizeof(ways));
	ways[0][0] = 1;
	for (size_t i = 0; i < n; i++)
		for (size_t k = i + 1 < na ? i + 1 : na; k > 0; k--)
			for (unsigned s = SUMS - 1; s >= twice[i]; s--)
				ways[k][s] += ways[k - 1][s - twice[i]];
	for (unsigned s = 0; s < SUMS; s++) {
		all += ways[na][s];
		if (fabs(s - middle) >= fabs(sum - middle))
			far += ways[na][s];
	}
	return far / all;
}

// The same by the normal distribution, whose deviation ties make smaller.
static double normal(const double *all, size_t n, size_t na, unsigned sum)
{
	double nb = (double)(n - na), ties = 0, var, z;

	for (size_t i = 0; i < n; i++) {
		double same = 0;

		for (size_t k = 0; k < n; k++)
			same += all[k] == all[i];
		ties += same * same - 1; // once for each of them: t^3 - t a group
	}
	var = (double)na * nb / 12 * ((double)n + 1 - ties / ((double)n * (double)(n - 1)));
	if (var <= 0)
		return 1;
	z = (fabs(sum / 2.0 - (double)na * (double)(n + 1) / 2) - 0.5) / sqrt(var);
	return z <= 0 ? 1 : erfc(z / sqrt(2));
}

double stats_mann_whitney(const double *a, size_t na, const double *b, size_t nb)
{
	double all[2 * STATS_MAX];
	unsigned twice[2 * STATS_MAX], sum = 0;

	if (na > STATS_MAX)
		na = STATS_MAX;
	if (nb > STATS_MAX)
		nb = STATS_MAX;
	if (na == 0 || nb == 0)
		return 1;
	memcpy(all, a, na * sizeof(*all));
	memcpy(all + na, b, nb * sizeof(*all));
	ranks(all, na + nb, twice);
	for (size_t i = 0; i < na; i++)
		sum += twice[i];
	return na + nb <= EXACT_MAX ? exact(twice, na + nb, na, sum)
				    : normal(all, na + nb, na, sum);
}

static uint64_t next(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

static double resampled(const double *values, size_t n, uint64_t *random)
{
	double v[STATS_MAX];

	v[0] = 0;
	for (size_t i = 0; i < n; i++)
		v[i] = values[next(random) % n];
	qsort(v, n, sizeof(*v), by_value);
	return median_sorted(v, n);
}

void stats_ratio(const double *a, size_t na, const double *b, size_t nb, double *low, double *high)
{
	double ratios[RESAMPLES];
	uint64_t random = 0x9e3779b97f4a7c15u;

	if (na > STATS_MAX)
		na = STATS_MAX;
	if (nb > STATS_MAX)
		nb = STATS_MAX;
	for (unsigned i = 0; i < RESAMPLES; i++)
		ratios[i] = resampled(b, nb, &random) / resampled(a, na, &random);
	qsort(ratios, RESAMPLES, sizeof(*ratios), by_value);
	*low = ratios[RESAMPLES / 40];
	*high = ratios[RESAMPLES - 1 - RESAMPLES / 40];
}
