// Figures: named values of repeated measurements.
#ifndef TOOLS_BENCH_FIGURES_H
#define TOOLS_BENCH_FIGURES_H

#include <stddef.h>

struct figure {
	char *name;
	char *unit;
	double *values; // in the order in which they were measured
	size_t n;
};

struct figures {
	struct figure *all;
	size_t n;
};

// Adds a value; the first one of a name makes the figure. Memory that runs out ends the program.
void figures_add(struct figures *f, const char *name, const char *unit, double value);
// NULL when there is none.
struct figure *figures_find(const struct figures *f, const char *name);
void figures_free(struct figures *f);

#endif
