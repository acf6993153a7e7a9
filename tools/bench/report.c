// The end of a run: one JSON object, or a table for people.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tools/bench/bench.h"
#include "tools/bench/stats.h"

static json_t *number(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

static json_t *figure_json(const struct figure *x)
{
	json_t *o = json_object(), *values = json_array();

	json_object_set_new(o, "name", json_string(x->name));
	json_object_set_new(o, "unit", json_string(x->unit));
	json_object_set_new(o, "median", number(stats_median(x->values, x->n)));
	json_object_set_new(o, "min", number(stats_min(x->values, x->n)));
	json_object_set_new(o, "max", number(stats_max(x->values, x->n)));
	for (size_t i = 0; i < x->n; i++)
		json_array_append_new(values, number(x->values[i]));
	json_object_set_new(o, "values", values);
	return o;
}

json_t *bench_report(const struct bench *b)
{
	json_t *o = json_object(), *figures = json_array();

	json_object_set_new(o, "suite", json_string(b->suite));
	json_object_set_new(o, "command", json_string(b->command));
	json_object_set_new(o, "date", json_string(b->date));
	json_object_set_new(o, "machine", machine_json(&b->machine));
	json_object_set_new(o, "build", machine_build_json());
	json_object_set(o, "settings", b->settings);
	for (size_t i = 0; i < b->figures.n; i++)
		json_array_append_new(figures, figure_json(&b->figures.all[i]));
	json_object_set_new(o, "figures", figures);
	json_object_set(o, "notes", b->notes);
	json_object_set(o, "failures", b->failures);
	return o;
}

static int digits(double v)
{
	v = fabs(v);
	return v >= 1000 ? 0 : v >= 10 ? 1 : 3;
}

void bench_print(const struct bench *b)
{
	int width = (int)strlen("figure");

	for (size_t i = 0; i < b->figures.n; i++)
		if ((int)strlen(b->figures.all[i].name) > width)
			width = (int)strlen(b->figures.all[i].name);
	if (b->figures.n)
		printf("%-*s %12s %12s %12s  %s\n", width, "figure", "median", "min", "max",
			"unit");
	for (size_t i = 0; i < b->figures.n; i++) {
		const struct figure *x = &b->figures.all[i];
		double median = stats_median(x->values, x->n);
		double min = stats_min(x->values, x->n), max = stats_max(x->values, x->n);

		printf("%-*s %12.*f %12.*f %12.*f  %s\n", width, x->name, digits(median), median,
			digits(min), min, digits(max), max, x->unit);
	}
}
