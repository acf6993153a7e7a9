// Runs the suite whose name is given, or all.
#include <CUnit/Basic.h>
#include <stdio.h>
#include <string.h>

#include "tests/host/fake.h"

static const struct {
	const char *name;
	void (*add)(void);
} suites[] = {
	{"arena", suite_arena},
	{"http", suite_http},
	{"attach", suite_attach},
	{"channel", suite_channel},
	{"conn", suite_conn},
	{"listen", suite_listen},
	{"order", suite_order},
	{"settings", suite_settings},
	{"stream", suite_stream},
	{"limits", suite_limits},
	{"gone", suite_gone},
	{"wait", suite_wait},
	{"sleep", suite_sleep},
	{"litmus", suite_litmus},
	{"threads", suite_threads},
};

int main(int argc, char **argv)
{
	unsigned int failed;

	if (CU_initialize_registry() != CUE_SUCCESS)
		return 2;
	for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++)
		if (argc < 2 || strcmp(argv[1], suites[i].name) == 0)
			suites[i].add();
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	failed = CU_get_number_of_failures() + (CU_get_number_of_tests_run() == 0);
	CU_cleanup_registry();
	return failed != 0;
}
