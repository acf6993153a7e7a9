// What the relay did, for people and for scripts.
#ifndef OB_WIRE_STATS_H
#define OB_WIRE_STATS_H

#include <stdio.h>

#include "tools/wire/impair.h"
#include "tools/wire/link.h"
#include "tools/wire/options.h"

// The figures of one direction, from where its frames come in to where they go out.
struct stats_dir {
	const struct impair *im;
	const struct link *in, *out;
};

void stats_print_table(FILE *out, const struct stats_dir dirs[DIRS], uint64_t seed);

// Replaces the file at path in one step. Returns 0 or a negative errno.
int stats_write_json(const char *path, const struct stats_dir dirs[DIRS], uint64_t seed);

#endif
