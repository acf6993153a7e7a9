// Rows for people and for scripts.
#ifndef TOOLS_CTL_PRINT_H
#define TOOLS_CTL_PRINT_H

#include <stdio.h>

#include "tools/ctl/client.h"
#include "tools/ctl/fields.h"

// `before`: what the same question answered `seconds` earlier, or NULL; counts then get a rate.
// all: counters that are 0 too.
void print_people(FILE *out, const struct table *t, const struct rows *rows,
	const struct rows *before, double seconds, bool all);

// One object on one line.
void print_json(FILE *out, const struct table *t, const struct rows *rows);

#endif
