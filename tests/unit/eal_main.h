// What unit tests share: EAL without hugepages or files, and CUnit's run as an exit status.
#ifndef TESTS_UNIT_EAL_MAIN_H
#define TESTS_UNIT_EAL_MAIN_H

#include <CUnit/Basic.h>
#include <rte_eal.h>
#include <stdio.h>
#include <stdlib.h>

// Starts EAL for a test: one core, 64 MB of ordinary pages, nothing that two tests could share.
// `devices` are its --vdev arguments, ended by NULL.
static inline int unit_eal_with(char *const *devices)
{
	char *argv[32] = {"unit", "--no-huge", "-m", "64", "--no-pci", "--no-telemetry",
		"--no-shconf", "--iova-mode=va", "-l", "0", "--log-level=lib.eal:error"};
	int argc = 11;

	while (*devices != NULL && argc < 31)
		argv[argc++] = *devices++;
	if (rte_eal_init(argc, argv) >= 0)
		return 0;
	fprintf(stderr, "EAL does not start\n");
	return -1;
}

static inline int unit_eal(void)
{
	char *none = NULL;

	return unit_eal_with(&none);
}

// Runs the tests (ended by CU_TEST_INFO_NULL). Returns the exit status of the program.
static inline int unit_run(const char *name, CU_TestInfo *tests)
{
	CU_SuiteInfo suites[] = {{.pName = name, .pTests = tests}, CU_SUITE_INFO_NULL};
	unsigned failures;

	if (CU_initialize_registry() != CUE_SUCCESS || CU_register_suites(suites) != CUE_SUCCESS) {
		fprintf(stderr, "%s\n", CU_get_error_msg());
		return 1;
	}
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	failures = CU_get_number_of_tests_failed() + CU_get_number_of_suites_failed();
	CU_cleanup_registry();
	return failures == 0 ? 0 : 1;
}

#endif
