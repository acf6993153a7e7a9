// tools/bench/compare.c: what counts as moved, and what files may look like.
#include "tools/bench/compare.h"

#include <string.h>

#include "tests/unit/eal_main.h"

static enum compare_verdict verdict_of(
	const char *unit, const double *a, size_t na, const double *b, size_t nb)
{
	struct compare_row row = {.name = "x", .unit = unit};

	compare_values(&row, a, na, b, nb, 0.03);
	return row.verdict;
}

static void test_moved(void)
{
	const double a[] = {100, 101, 99, 100, 102}, up[] = {120, 119, 121, 122, 120};
	const double less[] = {90, 91, 89, 90, 88};

	CU_ASSERT_EQUAL(verdict_of("cycles", a, 5, up, 5), COMPARE_WORSE);
	CU_ASSERT_EQUAL(verdict_of("cycles", a, 5, less, 5), COMPARE_BETTER);
	CU_ASSERT_EQUAL(verdict_of("us", up, 5, a, 5), COMPARE_BETTER);
	CU_ASSERT_EQUAL(verdict_of("gbps", a, 5, up, 5), COMPARE_BETTER);
	CU_ASSERT_EQUAL(verdict_of("rps", a, 5, less, 5), COMPARE_WORSE);
	CU_ASSERT_EQUAL(verdict_of("requests/s", a, 5, up, 5), COMPARE_BETTER);
}

static void test_noise(void)
{
	const double a[] = {100, 130, 90, 115, 102}, b[] = {120, 99, 121, 104, 95};
	const double near_a[] = {100, 100.1, 99.9, 100, 100},
		     near_b[] = {101, 101.1, 101.2, 101, 101};
	const double few[] = {100, 101}, few_up[] = {200, 201}, three[] = {300, 301, 302};

	CU_ASSERT_EQUAL(verdict_of("cycles", a, 5, a, 5), COMPARE_SAME);
	CU_ASSERT_EQUAL(verdict_of("cycles", a, 5, b, 5), COMPARE_SAME);
	// Clearly apart, but by less than the tolerance.
	CU_ASSERT_EQUAL(verdict_of("cycles", near_a, 5, near_b, 5), COMPARE_SAME);
	CU_ASSERT_EQUAL(verdict_of("cycles", few, 2, few_up, 2), COMPARE_FEW);
	// Three on each side that do not touch say it by their ranges.
	CU_ASSERT_EQUAL(verdict_of("cycles", near_a, 3, three, 3), COMPARE_WORSE);
	// One value that does touch takes the certainty away.
	CU_ASSERT_EQUAL(verdict_of("cycles", (double[]){100, 101, 305}, 3, three, 3), COMPARE_SAME);
}

static void test_zero(void)
{
	const double none[] = {0, 0, 0, 0, 0}, some[] = {4, 5, 3, 6, 4};

	CU_ASSERT_EQUAL(verdict_of("bytes", none, 5, none, 5), COMPARE_SAME);
	CU_ASSERT_EQUAL(verdict_of("bytes", none, 5, some, 5), COMPARE_WORSE);
	CU_ASSERT_EQUAL(verdict_of("bytes", some, 5, none, 5), COMPARE_BETTER);
}

static json_t *report(const char *figures)
{
	char text[1024];
	json_error_t e;
	json_t *o;

	snprintf(text, sizeof(text), "{\"figures\": %s}", figures);
	o = json_loads(text, 0, &e);
	CU_ASSERT_PTR_NOT_NULL_FATAL(o);
	return o;
}

static void test_reports(void)
{
	json_t *a = report(
		"[{\"name\": \"x\", \"unit\": \"cycles\", \"values\": [1, 1, 1.01]},"
		" {\"name\": \"old\", \"unit\": \"cycles\", \"values\": [1]},"
		" {\"name\": \"no values\", \"unit\": \"cycles\"}, 7, {\"unit\": \"us\"}]");
	json_t *b = report("[{\"name\": \"new\", \"unit\": \"us\", \"values\": [5]},"
			   " {\"name\": \"x\", \"unit\": \"cycles\", \"values\": [2, 2, 2.02]}]");
	json_t *bad = report("{}");
	struct compare_row *rows;
	char err[128] = "";
	size_t n;

	rows = compare_reports(a, b, 0.03, &n, err, sizeof(err));
	CU_ASSERT_PTR_NOT_NULL_FATAL(rows);
	CU_ASSERT_EQUAL_FATAL(n, 3);
	CU_ASSERT_STRING_EQUAL(rows[0].name, "x");
	CU_ASSERT_EQUAL(rows[0].verdict, COMPARE_WORSE);
	CU_ASSERT_DOUBLE_EQUAL(rows[0].change, 1, 1e-9);
	CU_ASSERT_STRING_EQUAL(rows[1].name, "old");
	CU_ASSERT_EQUAL(rows[1].verdict, COMPARE_GONE);
	CU_ASSERT_STRING_EQUAL(rows[2].name, "new");
	CU_ASSERT_EQUAL(rows[2].verdict, COMPARE_NEW);
	free(rows);
	CU_ASSERT_PTR_NULL(compare_reports(bad, b, 0.03, &n, err, sizeof(err)));
	CU_ASSERT_PTR_NOT_NULL(strstr(err, "first"));
	CU_ASSERT_PTR_NULL(compare_reports(a, bad, 0.03, &n, err, sizeof(err)));
	CU_ASSERT_PTR_NOT_NULL(strstr(err, "second"));
	json_decref(a);
	json_decref(b);
	json_decref(bad);
}

// Other units are said, not compared; what describes the load is neither better nor worse; and runs of other
// settings are told apart from equal ones.
static void test_no_comparison(void)
{
	const double less[] = {100, 101, 99, 100, 102}, more[] = {120, 119, 121, 122, 120};
	struct compare_row row
		= {.name = "core.echo.flows=64.pkts_per_turn.host=same", .unit = "packets"};
	json_t *a = report("[{\"name\": \"x\", \"unit\": \"cycles\", \"values\": [5, 5, 5]}]");
	json_t *b = report("[{\"name\": \"x\", \"unit\": \"rps\", \"values\": [5, 5, 5]}]");
	struct compare_row *rows;
	json_t *lines;
	char err[128];
	size_t n;

	compare_values(&row, less, 5, more, 5, 0.03);
	CU_ASSERT_EQUAL(row.verdict, COMPARE_MOVED);
	compare_values(&row, more, 5, less, 5, 0.03);
	CU_ASSERT_EQUAL(row.verdict, COMPARE_MOVED);
	rows = compare_reports(a, b, 0.03, &n, err, sizeof(err));
	CU_ASSERT_FATAL(rows != NULL && n == 1);
	CU_ASSERT(rows[0].verdict == COMPARE_UNIT && strcmp(rows[0].unit_b, "rps") == 0);
	free(rows);
	lines = compare_differences(a, b);
	CU_ASSERT_EQUAL(json_array_size(lines), 0);
	json_decref(lines);
	json_object_set_new(a, "suite", json_string("core"));
	json_object_set_new(b, "suite", json_string("system"));
	json_object_set_new(a, "settings",
		json_pack("{s:i, s:s, s:i, s:f}", "depth", 64, "set", "", "repeat", 5, "open_s.x",
			1.5));
	json_object_set_new(b, "settings",
		json_pack("{s:i, s:s, s:i, s:i}", "depth", 32, "set", "", "repeat", 9, "realtime",
			1));
	lines = compare_differences(a, b);
	CU_ASSERT_EQUAL_FATAL(json_array_size(lines), 3);
	CU_ASSERT_STRING_EQUAL(
		json_string_value(json_array_get(lines, 0)), "suite: \"core\", \"system\"");
	CU_ASSERT_STRING_EQUAL(
		json_string_value(json_array_get(lines, 1)), "settings.depth: 64, 32");
	CU_ASSERT_STRING_EQUAL(
		json_string_value(json_array_get(lines, 2)), "settings.realtime: none, 1");
	json_decref(lines);
	json_decref(a);
	json_decref(b);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"what is no comparison", test_no_comparison},
		{"what moved", test_moved},
		{"noise", test_noise},
		{"zeros", test_zero},
		{"reports", test_reports},
		CU_TEST_INFO_NULL,
	};

	return unit_run("compare", tests);
}
