// The frame of outboard-bench: figures by name, --case, JSON, the lines of suites that are programs.
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/eal_main.h"
#include "tools/bench/bench.h"

static struct bench *bench_make(const char *pattern)
{
	struct bench *b = calloc(1, sizeof(*b));

	CU_ASSERT_PTR_NOT_NULL_FATAL(b);
	b->suite = "test";
	b->settings = json_object();
	b->notes = json_array();
	b->failures = json_array();
	if (pattern)
		b->patterns[b->n_patterns++] = pattern;
	return b;
}

static void bench_drop(struct bench *b)
{
	json_decref(b->settings);
	json_decref(b->notes);
	json_decref(b->failures);
	figures_free(&b->figures);
	free(b);
}

static void test_case(void)
{
	struct bench *b = bench_make("core.echo.*.csum=sw*");

	CU_ASSERT_TRUE(bench_wanted(b, "core.echo.flows=%u.cycles_per_op.csum=sw.host=other", 64));
	CU_ASSERT_FALSE(
		bench_wanted(b, "core.echo.flows=64.cycles_per_op.csum=offload.host=other"));
	CU_ASSERT_FALSE(bench_wanted(b, "xcore.echo.flows=64.cycles_per_op.csum=sw.host=other"));
	b->patterns[b->n_patterns++] = "core.*flows=[14].*";
	CU_ASSERT_TRUE(bench_wanted(b, "core.rx1448.flows=4.x"));
	CU_ASSERT_FALSE(bench_wanted(b, "core.rx1448.flows=64.x"));
	bench_drop(b);
	b = bench_make(NULL);
	CU_ASSERT_TRUE(bench_wanted(b, "anything"));
	bench_drop(b);
}

static void test_figures(void)
{
	struct bench *b = bench_make("a*");
	const struct figure *x;

	bench_value(b, 3, "us", "a.%d", 1);
	bench_value(b, 1, "us", "a.%d", 2);
	bench_value(b, 4, "us", "a.1");
	bench_value(b, 4, "us", "b");
	CU_ASSERT_EQUAL(b->figures.n, 2);
	x = figures_find(&b->figures, "a.1");
	CU_ASSERT_PTR_NOT_NULL_FATAL(x);
	CU_ASSERT_EQUAL(x->n, 2);
	CU_ASSERT_EQUAL(x->values[0], 3);
	CU_ASSERT_EQUAL(x->values[1], 4);
	CU_ASSERT_PTR_NULL(figures_find(&b->figures, "b"));
	bench_drop(b);
}

// The keys are what others read: names and nesting as they are here.
static void test_json(void)
{
	struct bench *b = bench_make(NULL);
	const char *keys[] = {"suite", "machine", "build", "settings", "figures"};
	const char *machine[]
		= {"cpu", "cpus", "kernel", "steal_s", "involuntary_switches", "busy"};
	json_t *o, *f;
	char *text;

	machine_begin(&b->machine);
	bench_value(b, 3, "us", "quote \" and backslash \\");
	bench_value(b, 1, "us", "quote \" and backslash \\");
	bench_value(b, 0.0 / 0.0, "us", "not a number");
	bench_set_number(b, "seconds", 0.25);
	bench_set_number(b, "repeat", 5);
	bench_set_text(b, "text", "value");
	machine_end(&b->machine, 0);
	o = bench_report(b);
	text = json_dumps(o, 0);
	json_decref(o);
	o = json_loads(text, 0, NULL);
	free(text);
	CU_ASSERT_PTR_NOT_NULL_FATAL(o);
	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		CU_ASSERT_PTR_NOT_NULL(json_object_get(o, keys[i]));
	for (unsigned i = 0; i < sizeof(machine) / sizeof(machine[0]); i++)
		CU_ASSERT_PTR_NOT_NULL(json_object_get(json_object_get(o, "machine"), machine[i]));
	f = json_array_get(json_object_get(o, "figures"), 0);
	CU_ASSERT_STRING_EQUAL(
		json_string_value(json_object_get(f, "name")), "quote \" and backslash \\");
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(f, "unit")), "us");
	CU_ASSERT_EQUAL(json_number_value(json_object_get(f, "median")), 2);
	CU_ASSERT_EQUAL(json_number_value(json_object_get(f, "min")), 1);
	CU_ASSERT_EQUAL(json_number_value(json_object_get(f, "max")), 3);
	CU_ASSERT_EQUAL(json_array_size(json_object_get(f, "values")), 2);
	f = json_array_get(json_object_get(o, "figures"), 1);
	CU_ASSERT_TRUE(json_is_null(json_object_get(f, "median")));
	f = json_object_get(o, "settings");
	CU_ASSERT_TRUE(json_is_integer(json_object_get(f, "repeat")));
	CU_ASSERT_EQUAL(json_number_value(json_object_get(f, "seconds")), 0.25);
	json_decref(o);
	bench_drop(b);
}

static int line(struct bench *b, const char *text)
{
	char copy[256];

	snprintf(copy, sizeof(copy), "%s", text);
	return bench_line(b, copy);
}

static void test_lines(void)
{
	struct bench *b = bench_make("f*");

	CU_ASSERT_EQUAL(line(b, "figure f.one us 1.5\n"), 0);
	CU_ASSERT_EQUAL(line(b, "figure  f.one us   2.5"), 0);
	CU_ASSERT_EQUAL(line(b, "figure other us 2.5\n"), 0);
	CU_ASSERT_EQUAL(line(b, "setting seconds 3\n"), 0);
	CU_ASSERT_EQUAL(line(b, "setting name of things\n"), 0);
	CU_ASSERT_EQUAL(line(b, "note said aloud\n"), 0);
	CU_ASSERT_EQUAL(line(b, "failure it broke\n"), 0);
	CU_ASSERT_EQUAL(line(b, "\n"), 0);
	CU_ASSERT_NOT_EQUAL(line(b, "figure f.one us fast\n"), 0);
	CU_ASSERT_NOT_EQUAL(line(b, "figure f.one us nan\n"), 0);
	CU_ASSERT_NOT_EQUAL(line(b, "figure f.one us\n"), 0);
	CU_ASSERT_NOT_EQUAL(line(b, "hello world\n"), 0);
	CU_ASSERT_EQUAL(b->figures.n, 1);
	CU_ASSERT_EQUAL(b->figures.all[0].n, 2);
	CU_ASSERT_EQUAL(json_array_size(b->notes), 1);
	CU_ASSERT_EQUAL(json_array_size(b->failures), 1);
	CU_ASSERT_TRUE(json_is_integer(json_object_get(b->settings, "seconds")));
	CU_ASSERT_STRING_EQUAL(
		json_string_value(json_object_get(b->settings, "name")), "of things");
	bench_drop(b);
}

static void test_script(void)
{
	char *good[] = {"sh", "-c",
		"echo figure f us $BENCH_REPEAT; echo setting case \"$BENCH_CASES\"", NULL};
	char *wrong[] = {"sh", "-c", "echo figure f us; exit 3", NULL};
	char *absent[] = {"/nonexistent/suite", NULL};
	struct bench *b = bench_make("f*");

	b->repeat = 4;
	CU_ASSERT_EQUAL(bench_script(b, good), 0);
	CU_ASSERT_EQUAL(json_array_size(b->failures), 0);
	CU_ASSERT_EQUAL_FATAL(b->figures.n, 1);
	CU_ASSERT_EQUAL(b->figures.all[0].values[0], 4);
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(b->settings, "case")), "f*");
	bench_script(b, wrong);
	CU_ASSERT_EQUAL(json_array_size(b->failures), 2); // its line and its status
	bench_script(b, absent);
	CU_ASSERT_EQUAL(json_array_size(b->failures), 3);
	bench_drop(b);
}

// A process that works while the run goes on makes the machine busy.
static void test_busy(void)
{
	struct machine m;
	pid_t other;

	machine_begin(&m);
	other = fork();
	if (other == 0)
		for (;;)
			;
	sleep(1);
	machine_end(&m, 0);
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
	CU_ASSERT_TRUE(m.busy);
	CU_ASSERT_TRUE(m.others_s > 0.3);
	CU_ASSERT_PTR_NOT_NULL(strstr(m.why, "others"));
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"--case", test_case},
		{"figures", test_figures},
		{"JSON", test_json},
		{"lines", test_lines},
		{"suites that are programs", test_script},
		{"a busy machine", test_busy},
		CU_TEST_INFO_NULL,
	};

	return unit_run("frame", tests);
}
