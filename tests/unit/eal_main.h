// What unit tests share: EAL without hugepages or files, and CUnit's run as an exit status.
#ifndef TESTS_UNIT_EAL_MAIN_H
#define TESTS_UNIT_EAL_MAIN_H

#include <CUnit/Basic.h>
#include <rte_eal.h>
#include <stdio.h>
#include <stdlib.h>

// Starts EAL for a test: one core, 64 MB of ordinary pages, nothing that two tests could share.
static inline int unit_eal(void)
{
	static char *argv[] = {"unit", "--no-huge", "-m", "64", "--no-pci", "--no-telemetry",
		"--no-shconf", "--iova-mode=va", "-l", "0", "--log-level=lib.eal:error", NULL};
	int r = rte_eal_init((int)(sizeof(argv) / sizeof(argv[0])) - 1, argv);

	if (r < 0)
		fprintf(stderr, "EAL does not start\n");
	return r < 0 ? -1 : 0;
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
