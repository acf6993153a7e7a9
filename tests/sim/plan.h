// The plan of a seed: the value of every dimension in dims.def.
#ifndef TESTS_SIM_PLAN_H
#define TESTS_SIM_PLAN_H

#include <stdint.h>
#include <stdio.h>

#include "tests/sim/draw.h"

struct plan {
	uint64_t seed;
#define X(name, odds, lo, hi, doc) uint64_t name;
#include "tests/sim/dims.def"
#undef X
};

// Values that a command line has fixed: "name=value". Returns 0 or -EINVAL for an unknown name.
int plan_fix(const char *assignment);

void plan_draw(struct plan *p, uint64_t seed);
void plan_print(const struct plan *p, FILE *f);

#endif
