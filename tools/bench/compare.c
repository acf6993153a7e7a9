#include "tools/bench/compare.h"

#include <getopt.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench/stats.h"

#define ENOUGH 3u // values
#define P_MOVED 0.01
#define TOLERANCE 0.03

static const char *const verdicts[] = {[COMPARE_SAME] = "same",
	[COMPARE_BETTER] = "better",
	[COMPARE_WORSE] = "worse",
	[COMPARE_MOVED] = "moved",
	[COMPARE_FEW] = "too few values",
	[COMPARE_GONE] = "gone",
	[COMPARE_NEW] = "new",
	[COMPARE_UNIT] = "other unit"};

int compare_less_is_better(const char *unit)
{
	static const char *const more[] = {"rps", "gbps", "cps", "pps"};

	for (unsigned i = 0; i < sizeof(more) / sizeof(more[0]); i++)
		if (strcmp(unit, more[i]) == 0)
			return false;
	return strstr(unit, "/s") == NULL; // requests/s and the like
}

bool compare_is_neutral(const char *name)
{
	return strstr(name, ".pkts_per_turn") != NULL;
}

static enum compare_verdict moved(const struct compare_row *row, bool less)
{
	if (compare_is_neutral(row->name))
		return COMPARE_MOVED;
	return compare_less_is_better(row->unit) == less ? COMPARE_BETTER : COMPARE_WORSE;
}

void compare_values(struct compare_row *row, const double *a, size_t na, const double *b, size_t nb,
	double tolerance)
{
	bool apart;

	row->verdict = COMPARE_FEW;
	row->a = stats_median(a, na);
	row->b = stats_median(b, nb);
	row->change = row->low = row->high = 0;
	row->p = stats_mann_whitney(a, na, b, nb);
	if (stats_min(a, na) <= 0 || stats_min(b, nb) <= 0) {
		// No ratio: ranks alone decide.
		if (na >= ENOUGH && nb >= ENOUGH)
			row->verdict = row->a != row->b && row->p < P_MOVED
				? moved(row, row->b < row->a)
				: COMPARE_SAME;
		return;
	}
	row->change = row->b / row->a - 1;
	stats_ratio(a, na, b, nb, &row->low, &row->high);
	row->low -= 1;
	row->high -= 1;
	if (na < ENOUGH || nb < ENOUGH)
		return;
	apart = stats_max(a, na) < stats_min(b, nb) || stats_max(b, nb) < stats_min(a, na);
	row->verdict = COMPARE_SAME;
	if (fabs(row->change) <= tolerance || (row->low <= 0 && row->high >= 0))
		return;
	if (apart || row->p < P_MOVED)
		row->verdict = moved(row, row->change < 0);
}

static const json_t *find(const json_t *figures, const char *name)
{
	const json_t *f;
	size_t i;

	json_array_foreach(figures, i, f)
	{
		const char *have = json_string_value(json_object_get(f, "name"));

		if (have && strcmp(have, name) == 0)
			return f;
	}
	return NULL;
}

static size_t values(const json_t *figure, double *out)
{
	const json_t *v;
	size_t i, n = 0;

	json_array_foreach(json_object_get(figure, "values"), i,
		v) if (json_is_number(v) && n < STATS_MAX) out[n++]
		= json_number_value(v);
	return n;
}

// Returns whether there is something to say.
static bool row_make(struct compare_row *row, const json_t *a, const json_t *b, double tolerance)
{
	const json_t *any = a ? a : b;
	double va[STATS_MAX], vb[STATS_MAX];
	size_t na = a ? values(a, va) : 0, nb = b ? values(b, vb) : 0;

	*row = (struct compare_row){.name = json_string_value(json_object_get(any, "name")),
		.unit = json_string_value(json_object_get(any, "unit"))};
	if (!row->name || !row->unit || na + nb == 0)
		return false;
	if (na && nb) {
		const char *unit_b = json_string_value(json_object_get(b, "unit"));

		if (!unit_b || strcmp(row->unit, unit_b)) {
			row->unit_b = unit_b ? unit_b : "none";
			row->verdict = COMPARE_UNIT;
			row->a = stats_median(va, na);
			row->b = stats_median(vb, nb);
			return true;
		}
		compare_values(row, va, na, vb, nb, tolerance);
		return true;
	}
	row->verdict = na ? COMPARE_GONE : COMPARE_NEW;
	row->a = na ? stats_median(va, na) : NAN;
	row->b = nb ? stats_median(vb, nb) : NAN;
	return true;
}

struct compare_row *compare_reports(
	const json_t *a, const json_t *b, double tolerance, size_t *n, char *err, size_t err_bytes)
{
	const json_t *fa = json_object_get(a, "figures"), *fb = json_object_get(b, "figures"), *f;
	struct compare_row *rows;
	size_t i;

	*n = 0;
	if (!json_is_array(fa) || !json_is_array(fb)) {
		snprintf(err, err_bytes, "the %s file has no figures",
			json_is_array(fa) ? "second" : "first");
		return NULL;
	}
	rows = calloc(json_array_size(fa) + json_array_size(fb) + 1, sizeof(*rows));
	if (!rows) {
		snprintf(err, err_bytes, "out of memory");
		return NULL;
	}
	json_array_foreach(fa, i, f)
	{
		const char *name = json_string_value(json_object_get(f, "name"));

		*n += name && row_make(&rows[*n], f, find(fb, name), tolerance);
	}
	json_array_foreach(fb, i, f)
	{
		const char *name = json_string_value(json_object_get(f, "name"));

		*n += name && !find(fa, name) && row_make(&rows[*n], NULL, f, tolerance);
	}
	return rows;
}

static json_t *load(const char *path)
{
	json_error_t e;
	json_t *o = json_load_file(path, 0, &e);

	if (!o)
		fprintf(stderr, "outboard-bench compare: %s: %s\n", path, e.text);
	return o;
}

static void differ(json_t *lines, const char *what, const json_t *x, const json_t *y)
{
	char *dx, *dy, line[400];

	if ((!x && !y) || json_equal(x, y))
		return;
	dx = x ? json_dumps(x, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
	dy = y ? json_dumps(y, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
	snprintf(line, sizeof(line), "%s: %s, %s", what, dx ? dx : "none", dy ? dy : "none");
	json_array_append_new(lines, json_string(line));
	free(dx);
	free(dy);
}

// What a suite writes among its settings and has measured itself, and how many values there are.
static bool is_no_setting(const char *key)
{
	return !strcmp(key, "repeat") || !strcmp(key, "clock_cycles")
		|| !strncmp(key, "open_s.", 7);
}

json_t *compare_differences(const json_t *a, const json_t *b)
{
	static const char *const same[][2] = {
		{"machine", "cpu"}, {"machine", "cpus"}, {"build", "type"}, {"build", "compiler"}};
	json_t *lines = json_array(), *all = json_object();
	const json_t *sa = json_object_get(a, "settings"), *sb = json_object_get(b, "settings");
	const char *key;
	json_t *value;
	char name[200];

	differ(lines, "suite", json_object_get(a, "suite"), json_object_get(b, "suite"));
	for (unsigned i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		snprintf(name, sizeof(name), "%s.%s", same[i][0], same[i][1]);
		differ(lines, name, json_object_get(json_object_get(a, same[i][0]), same[i][1]),
			json_object_get(json_object_get(b, same[i][0]), same[i][1]));
	}
	if (json_is_object(sa))
		json_object_update(all, (json_t *)sa);
	if (json_is_object(sb))
		json_object_update(all, (json_t *)sb);
	json_object_foreach(all, key, value)
	{
		snprintf(name, sizeof(name), "settings.%s", key);
		if (!is_no_setting(key))
			differ(lines, name, json_object_get(sa, key), json_object_get(sb, key));
	}
	json_decref(all);
	return lines;
}

static void warn_different(const json_t *a, const json_t *b)
{
	json_t *lines = compare_differences(a, b);

	for (size_t i = 0; i < json_array_size(lines); i++)
		fprintf(stderr, "outboard-bench compare: the runs differ in %s\n",
			json_string_value(json_array_get(lines, i)));
	json_decref(lines);
	if (json_is_true(json_object_get(json_object_get(a, "machine"), "busy")))
		fprintf(stderr, "outboard-bench compare: the machine was busy in the first run\n");
	if (json_is_true(json_object_get(json_object_get(b, "machine"), "busy")))
		fprintf(stderr, "outboard-bench compare: the machine was busy in the second run\n");
}

// A figure that one run lacks, or has in another unit: there is nothing to compare its value with.
static void print_single(const struct compare_row *r, int width)
{
	char a[16] = "-", b[16] = "-";

	if (r->verdict != COMPARE_NEW)
		snprintf(a, sizeof(a), "%.4g", r->a);
	if (r->verdict != COMPARE_GONE)
		snprintf(b, sizeof(b), "%.4g", r->b);
	printf("%-*s %10s %10s %8s  %-18s %7s  %s", width, r->name, a, b, "-", "-", "-",
		verdicts[r->verdict]);
	if (r->unit_b)
		printf(": %s, %s", r->unit, r->unit_b);
	printf("\n");
}

static void print_rows(const struct compare_row *rows, size_t n, bool all)
{
	size_t counts[sizeof(verdicts) / sizeof(verdicts[0])] = {0};
	int width = (int)strlen("figure");

	for (size_t i = 0; i < n; i++) {
		counts[rows[i].verdict]++;
		if ((int)strlen(rows[i].name) > width)
			width = (int)strlen(rows[i].name);
	}
	if (all || counts[COMPARE_SAME] < n)
		printf("%-*s %10s %10s %8s  %-18s %7s  %s\n", width, "figure", "A", "B", "change",
			"95 % of change", "p", "verdict");
	for (size_t i = 0; i < n; i++) {
		const struct compare_row *r = &rows[i];

		if (r->verdict == COMPARE_SAME && !all)
			continue;
		if (r->verdict >= COMPARE_GONE)
			print_single(r, width);
		else
			printf("%-*s %10.4g %10.4g %+7.1f%%  %+7.1f%% %+7.1f%% %8.4f  %s\n", width,
				r->name, r->a, r->b, 100 * r->change, 100 * r->low, 100 * r->high,
				r->p, verdicts[r->verdict]);
	}
	printf("%zu better, %zu worse, %zu the same", counts[COMPARE_BETTER], counts[COMPARE_WORSE],
		counts[COMPARE_SAME]);
	for (unsigned v = COMPARE_MOVED; v <= COMPARE_UNIT; v++)
		if (counts[v])
			printf(", %zu %s", counts[v], verdicts[v]);
	printf("\n");
}

// null for what one run lacks.
static json_t *real(double v, bool there)
{
	return there ? json_real(v) : json_null();
}

static void print_json(const struct compare_row *rows, size_t n)
{
	json_t *o = json_object(), *list = json_array();

	for (size_t i = 0; i < n; i++) {
		const struct compare_row *r = &rows[i];
		bool both = r->verdict < COMPARE_GONE;

		json_array_append_new(list,
			json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "name", r->name,
				"unit", r->unit, "verdict", verdicts[r->verdict], "a",
				real(r->a, r->verdict != COMPARE_NEW), "b",
				real(r->b, r->verdict != COMPARE_GONE), "change",
				real(r->change, both), "low", real(r->low, both), "high",
				real(r->high, both), "p", real(r->p, both)));
	}
	json_object_set_new(o, "rows", list);
	json_dumpf(o, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(10));
	putchar('\n');
	json_decref(o);
}

struct compare_args {
	double tolerance;
	bool json, all, fail;
};

static int usage(void)
{
	fprintf(stderr,
		"usage: outboard-bench compare A.json B.json\n"
		"  --all            figures that did not move, too\n"
		"  --tolerance P    changes up to P percent never count (default %g)\n"
		"  --fail           exit status 1 when a figure got worse\n"
		"  --json           one JSON object\n",
		100 * TOLERANCE);
	return 2;
}

static bool parse(int argc, char **argv, struct compare_args *args)
{
	static const struct option options[]
		= {{"all", no_argument, NULL, 'a'}, {"tolerance", required_argument, NULL, 't'},
			{"fail", no_argument, NULL, 'f'}, {"json", no_argument, NULL, 'j'}, {0}};
	char *end;
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		args->all |= o == 'a';
		args->fail |= o == 'f';
		args->json |= o == 'j';
		if (o == 't') {
			args->tolerance = strtod(optarg, &end) / 100;
			if (end == optarg || *end || !(args->tolerance >= 0))
				return false;
		}
		if (o == '?')
			return false;
	}
	return optind + 2 == argc;
}

int compare_main(int argc, char **argv)
{
	struct compare_args args = {.tolerance = TOLERANCE};
	struct compare_row *rows = NULL;
	json_t *a, *b = NULL;
	char err[128];
	int status = 1;
	size_t n = 0;

	if (!parse(argc, argv, &args))
		return usage();
	a = load(argv[optind]);
	if (a)
		b = load(argv[optind + 1]);
	if (a && b) {
		rows = compare_reports(a, b, args.tolerance, &n, err, sizeof(err));
		if (!rows)
			fprintf(stderr, "outboard-bench compare: %s\n", err);
	}
	if (rows) {
		warn_different(a, b);
		if (args.json)
			print_json(rows, n);
		else
			print_rows(rows, n, args.all);
		status = 0;
		for (size_t i = 0; i < n; i++)
			if (args.fail && rows[i].verdict == COMPARE_WORSE)
				status = 1;
	}
	free(rows);
	json_decref(a);
	json_decref(b);
	return status;
}
