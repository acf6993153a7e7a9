// What unit tests of the engine share: EAL without hugepages or files, and their run.
#ifndef TESTS_UNIT_EAL_MAIN_H
#define TESTS_UNIT_EAL_MAIN_H

#include <rte_eal.h>
#include <stdlib.h>

#include "tests/unit/unit_run.h"

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

#endif
