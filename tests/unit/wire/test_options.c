// The command line of outboard-wire.
#include <string.h>

#include "tests/unit/unit_run.h"
#include "tools/wire/options.h"

static enum options_result parse(struct wire_options *opts, const char *line)
{
	static char text[256];
	char *argv[32] = {"outboard-wire"};
	char *rest = NULL;
	int argc = 1;

	snprintf(text, sizeof(text), "%s", line);
	for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		argv[argc++] = word;
	return options_parse(opts, argc, argv);
}

static void test_options(void)
{
	struct wire_options opts;

	CU_ASSERT_EQUAL(parse(&opts, "--a x --b y --loss 0.25 --loss-ba 0.5 --queue-ab 7 --seed 9"),
		OPTIONS_RUN);
	CU_ASSERT_STRING_EQUAL(opts.interfaces[DIR_AB], "x");
	CU_ASSERT_STRING_EQUAL(opts.interfaces[DIR_BA], "y");
	CU_ASSERT_EQUAL(opts.conf[DIR_AB].loss, 0.25);
	CU_ASSERT_EQUAL(opts.conf[DIR_BA].loss, 0.5);
	CU_ASSERT_EQUAL(opts.conf[DIR_AB].queue_pkts, 7);
	CU_ASSERT_EQUAL(opts.conf[DIR_BA].queue_pkts, 1000);
	CU_ASSERT_EQUAL(opts.conf[DIR_AB].reorder_gap_pkts, 3);
	CU_ASSERT_EQUAL(opts.seed, 9);
}

static void test_options_refused(void)
{
	static const char *const bad[] = {"--a x", "--a x --b y --loss", "--a x --b y --loss 1.1",
		"--a x --b y --loss -0.1", "--a x --b y --loss nan", "--a x --b y --los 1",
		"--a x --b y --loss-xy 1", "--a x --b y --delay-us 1.5", "--a x --b y --queue 1z",
		"--a x --b y --seed -1", "a x"};
	struct wire_options opts;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(parse(&opts, bad[i]), OPTIONS_BAD);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{"options", test_options},
		{"options refused", test_options_refused},
		CU_TEST_INFO_NULL,
	};

	return unit_run("options", tests);
}
