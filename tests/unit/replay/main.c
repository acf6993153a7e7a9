// What outboard-replay makes of a file, and when it sends what: without a file, a wire or an engine.
#include <CUnit/Basic.h>

#include "tests/unit/replay/fixture.h"

int main(void)
{
	int failures;

	if (CU_initialize_registry() != CUE_SUCCESS)
		return 1;
	suite_capture();
	suite_packet();
	suite_session();
	suite_plan();
	suite_peer();
	suite_lost();
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	failures = (int)CU_get_number_of_failures() + (int)CU_get_error();
	CU_cleanup_registry();
	return failures != 0;
}
