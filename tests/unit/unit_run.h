// CUnit's run of a program's tests, as an exit status.
#ifndef TESTS_UNIT_UNIT_RUN_H
#define TESTS_UNIT_UNIT_RUN_H

#include <CUnit/Basic.h>
#include <stdio.h>

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
