// Starting DPDK's EAL from the configuration.
#ifndef ENGINE_BASE_EAL_H
#define ENGINE_BASE_EAL_H

#include <stddef.h>

#include "engine/base/config.h"

#define EAL_BASE "0x200000000000"
#define EAL_ARGS_MAX 64
#define EAL_ARGS_BYTES 4096

// EAL lcores, wherever they run: the main one is the control thread, the other one polls.
#define EAL_LCORE_CONTROL 0u
#define EAL_LCORE_CORE 1u

struct eal_args {
	int argc;
	char *argv[EAL_ARGS_MAX + 1]; // EAL may reorder them; they point into text
	size_t used;
	char text[EAL_ARGS_BYTES];
	char prefix[64]; // the file prefix that is in force
};

// Builds the argument vector. `extra` (what came behind "--", may be NULL) goes last, so that it
// wins; where EAL would refuse an option given twice, ours is left out. Returns 0, -E2BIG or
// -EINVAL (a CPU that this machine does not have), with a line in `err`.
int eal_args_make(struct eal_args *a, const struct config *cfg, int n_extra, char *const *extra,
	char *err, size_t err_bytes);

// Starts EAL, after it has cleared what a killed engine of this prefix left. Returns 0 or a
// negative errno; -EBUSY when a living process has the prefix.
int eal_start(struct eal_args *a, char *err, size_t err_bytes);

// Ends EAL and removes its files.
void eal_stop(const struct eal_args *a);

// Removes the runtime directory of a prefix and its files on hugetlbfs, unless a living process
// holds them (-EBUSY). Returns 0 also when there is nothing.
int eal_clear(const char *prefix, char *err, size_t err_bytes);

#endif
