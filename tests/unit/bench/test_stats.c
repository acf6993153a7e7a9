// tools/bench/stats.c, against figures worked out by hand.
#include "tools/bench/stats.h"

#include "tests/unit/eal_main.h"

#define NEAR(x, y) CU_ASSERT_DOUBLE_EQUAL(x, y, 1e-6)
#define N(a) (sizeof(a) / sizeof((a)[0]))

static void test_median(void)
{
	const double one[] = {7}, odd[] = {3, 9, 1}, even[] = {4, 1, 3, 2}, below[] = {-2, 5, -9};

	NEAR(stats_median(one, 1), 7);
	NEAR(stats_median(odd, 3), 3);
	NEAR(stats_median(even, 4), 2.5);
	NEAR(stats_median(below, 3), -2);
	NEAR(stats_min(odd, 3), 1);
	NEAR(stats_max(odd, 3), 9);
	NEAR(stats_max(below, 3), 5);
	CU_ASSERT_EQUAL(odd[0], 3); // left in order
}

// Counted by hand: of all choices of ranks, those that are as uneven.
static void test_ranks(void)
{
	const double a[] = {1, 2, 3, 4, 5}, b[] = {6, 7, 8, 9, 10}, c[] = {1.5, 2.5, 3.5, 4.5, 0.5};
	const double d[] = {1, 2, 6, 8}, e[] = {3, 7, 9, 10, 11};

	NEAR(stats_mann_whitney(a, 5, b, 5), 2.0 / 252);
	NEAR(stats_mann_whitney(b, 5, a, 5), 2.0 / 252);
	NEAR(stats_mann_whitney(a, 5, a, 5), 1);
	NEAR(stats_mann_whitney(a, 3, b, 3), 0.1);
	NEAR(stats_mann_whitney(a, 5, c, 5), 0.6904761904761905);
	NEAR(stats_mann_whitney(d, 4, e, 5), 14.0 / 126);
	NEAR(stats_mann_whitney(a, 0, b, 5), 1);
}

// With ties: the share of all 20 choices of 3 among {1, 1, 2, 2, 3, 3} that are as uneven.
static void test_ties(void)
{
	const double a[] = {1, 1, 2}, b[] = {2, 3, 3}, same[] = {5, 5, 5, 5};

	// Ranks 1.5 1.5 3.5 | 3.5 5.5 5.5: sum 6.5 of 21. As far from 10.5: {1,1,2} twice, {2,3,3} twice.
	NEAR(stats_mann_whitney(a, 3, b, 3), 4.0 / 20);
	NEAR(stats_mann_whitney(same, 4, same, 4), 1);
}

// More than 40 values: the normal distribution. All apart, and a
// shift that is hardly seen.
static void test_many(void)
{
	double a[25], b[25], c[25];

	for (int i = 0; i < 25; i++) {
		a[i] = i + 1;
		b[i] = i + 26;
		c[i] = i + 2.5;
	}
	CU_ASSERT_TRUE(stats_mann_whitney(a, 25, b, 25) < 1e-8);
	CU_ASSERT_TRUE(stats_mann_whitney(a, 25, c, 25) > 0.3);
	CU_ASSERT_TRUE(stats_mann_whitney(a, 25, a, 25) > 0.95);
}

static void test_ratio(void)
{
	const double a[] = {100, 101, 99, 100, 102}, b[] = {120, 119, 121, 122, 120};
	double low, high;

	stats_ratio(a, N(a), b, N(b), &low, &high);
	CU_ASSERT_TRUE(low > 1.15 && low < 1.2);
	CU_ASSERT_TRUE(high > 1.2 && high < 1.25);
	stats_ratio(a, N(a), a, N(a), &low, &high);
	CU_ASSERT_TRUE(low < 1 && high > 1);
	CU_ASSERT_TRUE(low >= 99.0 / 102 && high <= 102.0 / 99);
	stats_ratio(a, 1, b, 1, &low, &high);
	NEAR(low, 1.2);
	NEAR(high, 1.2);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"medians and ranges", test_median},
		{"ranks of few", test_ranks},
		{"ranks with ties", test_ties},
		{"ranks of many", test_many},
		{"interval of a ratio", test_ratio},
		CU_TEST_INFO_NULL,
	};

	return unit_run("stats", tests);
}
