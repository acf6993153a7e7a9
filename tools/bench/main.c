// outboard-bench: measures the engine, and compares what was measured.
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/bench/bench.h"
#include "tools/bench/compare.h"

#define SUITE_OPTION 1000

static const struct bench_option common[] = {
	{"case", "PATTERN", "only figures whose name this glob matches; can be repeated"},
	{"seconds", "S", "how long each value is measured"},
	{"repeat", "N", "how many values each figure gets"},
	{"json", NULL, "one JSON object on standard output"},
	{0},
};

static void usage_options(FILE *f, const struct bench_option *o)
{
	for (; o && o->name; o++) {
		char text[64];

		snprintf(text, sizeof(text), "--%s %s", o->name, o->value ? o->value : "");
		fprintf(f, "  %-24s %s\n", text, o->doc);
	}
}

static int usage(FILE *f)
{
	fprintf(f,
		"usage: outboard-bench SUITE [OPTIONS]\n"
		"       outboard-bench compare A.json B.json\n"
		"Measures Outboard (docs/benchmarks.md). Suites:\n");
	for (unsigned i = 0; bench_suites[i]; i++)
		fprintf(f, "  %-24s %s\n", bench_suites[i]->name, bench_suites[i]->doc);
	fprintf(f, "Options of every suite:\n");
	usage_options(f, common);
	for (unsigned i = 0; bench_suites[i]; i++) {
		if (!bench_suites[i]->options)
			continue;
		fprintf(f, "Options of %s:\n", bench_suites[i]->name);
		usage_options(f, bench_suites[i]->options);
	}
	return f == stdout ? 0 : 2;
}

static int bad(const char *option, const char *value)
{
	fprintf(stderr, "outboard-bench: --%s does not take \"%s\"\n", option, value);
	return -EINVAL;
}

static int take_common(struct bench *b, const char *name, const char *value)
{
	char *end = NULL;

	if (strcmp(name, "json") == 0) {
		b->json = true;
	} else if (strcmp(name, "case") == 0) {
		if (b->n_patterns == BENCH_PATTERNS)
			return bad(name, value);
		b->patterns[b->n_patterns++] = value;
	} else if (strcmp(name, "seconds") == 0) {
		b->seconds = strtod(value, &end);
		if (*end || !(b->seconds > 0 && b->seconds <= 3600))
			return bad(name, value);
	} else if (strcmp(name, "repeat") == 0) {
		b->repeat = (unsigned)strtoul(value, &end, 10);
		if (*end || value[0] < '1' || value[0] > '9' || b->repeat > 1000)
			return bad(name, value);
	}
	return 0;
}

static unsigned add_options(struct option *all, unsigned n, const struct bench_option *o, int first)
{
	for (int i = 0; o && o[i].name && n < BENCH_OPTIONS; i++)
		all[n++] = (struct option){
			o[i].name, o[i].value ? required_argument : no_argument, NULL, first + i};
	return n;
}

static int parse(struct bench *b, const struct bench_suite *s, int argc, char **argv)
{
	struct option all[BENCH_OPTIONS + 1] = {0};
	unsigned n = add_options(all, 0, common, 0);
	int o, rc = 0;

	add_options(all, n, s->options, SUITE_OPTION);
	while (rc == 0 && (o = getopt_long(argc, argv, "", all, NULL)) != -1) {
		if (o == '?')
			return -EINVAL;
		if ((size_t)o < sizeof(common) / sizeof(common[0])) {
			rc = take_common(b, common[o].name, optarg);
		} else {
			const char *name = s->options[o - SUITE_OPTION].name;

			rc = s->option(b, name, optarg);
			if (rc)
				bad(name, optarg ? optarg : "");
		}
	}
	if (rc == 0 && optind < argc) {
		fprintf(stderr, "outboard-bench: what is \"%s\"?\n", argv[optind]);
		return -EINVAL;
	}
	return rc;
}

static void remember(struct bench *b, int argc, char **argv)
{
	time_t now = time(NULL);
	size_t used = 0;
	struct tm t;

	strftime(b->date, sizeof(b->date), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &t));
	for (int i = 0; i < argc && used < sizeof(b->command); i++)
		used += (size_t)snprintf(b->command + used, sizeof(b->command) - used,
			strpbrk(argv[i], " *?[\\'\"$") ? "%s'%s'" : "%s%s", i ? " " : "",
			i ? argv[i] : "outboard-bench");
}

static int run(struct bench *b, const struct bench_suite *s)
{
	int rc, status;

	machine_begin(&b->machine);
	rc = s->run(b);
	machine_end(&b->machine, 0);
	bench_progress(b, "%s", "");
	if (rc)
		bench_fail(b, "%s", strerror(-rc));
	else if (bench_stopped())
		bench_fail(b, "interrupted");
	else if (b->figures.n == 0)
		bench_fail(b, "no figure has a name that --case matches");
	if (b->machine.busy)
		bench_note(b, "machine busy: %s; the figures are worth less", b->machine.why);
	status = json_array_size(b->failures) ? 1 : 0;
	if (b->json) {
		json_t *o = bench_report(b);

		if (json_dumpf(o, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(10))
			|| putchar('\n') < 0)
			status = 1;
		json_decref(o);
	} else {
		bench_print(b);
	}
	if (fflush(stdout))
		status = 1;
	return status;
}

int main(int argc, char **argv)
{
	static struct bench b;
	const struct bench_suite *s = NULL;
	int status;

	if (argc < 2)
		return usage(stderr);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return usage(stdout);
	if (strcmp(argv[1], "--version") == 0) {
		printf("outboard-bench %s\n", OB_VERSION);
		return 0;
	}
	for (int i = 2; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0)
			return usage(stdout);
	if (strcmp(argv[1], "compare") == 0)
		return compare_main(argc - 1, argv + 1);
	for (unsigned i = 0; bench_suites[i]; i++)
		if (strcmp(argv[1], bench_suites[i]->name) == 0)
			s = bench_suites[i];
	if (!s) {
		fprintf(stderr, "outboard-bench: there is no suite \"%s\"\n", argv[1]);
		return usage(stderr);
	}
	b.suite = s->name;
	remember(&b, argc, argv);
	b.settings = json_object();
	b.notes = json_array();
	b.failures = json_array();
	if (parse(&b, s, argc - 1, argv + 1))
		return 2;
	(void)bench_stopped(); // from here on signals end a run in order
	status = run(&b, s);
	json_decref(b.settings);
	json_decref(b.notes);
	json_decref(b.failures);
	figures_free(&b.figures);
	return status;
}
