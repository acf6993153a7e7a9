#include "tools/bench/figures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *grown(void *at, size_t n, size_t bytes)
{
	at = realloc(at, (n + 1) * bytes);
	if (!at) {
		fprintf(stderr, "outboard-bench: out of memory\n");
		abort();
	}
	return at;
}

static char *copy(const char *text)
{
	size_t bytes = strlen(text) + 1;

	return memcpy(grown(NULL, bytes, 1), text, bytes);
}

struct figure *figures_find(const struct figures *f, const char *name)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->all[i].name, name) == 0)
			return &f->all[i];
	return NULL;
}

void figures_add(struct figures *f, const char *name, const char *unit, double value)
{
	struct figure *x = figures_find(f, name);

	if (!x) {
		f->all = grown(f->all, f->n, sizeof(*f->all));
		x = &f->all[f->n++];
		*x = (struct figure){.name = copy(name), .unit = copy(unit)};
	}
	x->values = grown(x->values, x->n, sizeof(*x->values));
	x->values[x->n++] = value;
}

void figures_free(struct figures *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->all[i].name);
		free(f->all[i].unit);
		free(f->all[i].values);
	}
	free(f->all);
	*f = (struct figures){0};
}
