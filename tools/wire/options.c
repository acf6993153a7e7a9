#include "tools/wire/options.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Every knob of a direction: name, field of struct impair_conf, whether it is a probability,
// default, largest value, what it does.
#define KNOBS(X)                                                                                   \
	X("loss", loss, true, 0, 1, "drop a frame with this probability")                          \
	X("dup", dup, true, 0, 1, "send a frame twice")                                            \
	X("reorder", reorder, true, 0, 1, "hold a frame back until others have overtaken it")      \
	X("reorder-gap", reorder_gap_pkts, false, 3, 10000, "how many others: frames")             \
	X("reorder-hold-us", reorder_hold_us, false, 5000, 10000000, "hold no longer than this")   \
	X("corrupt", corrupt, true, 0, 1, "flip one bit of the IP packet")                         \
	X("ce", ce, true, 0, 1, "mark an ECN-capable frame with congestion experienced")           \
	X("delay-us", delay_us, false, 0, 60000000, "delay every frame")                           \
	X("jitter-us", jitter_us, false, 0, 60000000, "and by up to this more, in order")          \
	X("rate-mbps", rate_mbps, false, 0, 1000000, "limit the rate; 0: no limit")                \
	X("ce-queue", ce_queue_pkts, false, 0, 10000000, "mark when so many wait for it; 0: none") \
	X("queue", queue_pkts, false, 1000, 10000000, "frames that may wait for the rate")

struct knob {
	const char *name;
	size_t off;
	bool probability;
	double initial, max;
	const char *doc;
};

#define KNOB_ENTRY(name, field, probability, initial, max, doc)                                    \
	{name, offsetof(struct impair_conf, field), probability, initial, max, doc},
static const struct knob knobs[] = {KNOBS(KNOB_ENTRY)};
static const size_t n_knobs = sizeof(knobs) / sizeof(knobs[0]);

static void knob_set(struct impair_conf *conf, const struct knob *knob, double value)
{
	char *field = (char *)conf + knob->off;

	if (knob->probability)
		*(double *)(void *)field = value;
	else
		*(uint64_t *)(void *)field = (uint64_t)value;
}

static void usage(void)
{
	puts("usage: outboard-wire --a IF --b IF [OPTIONS]\n"
	     "Relays frames between two interfaces and does to them what a bad path does.\n"
	     "\n"
	     "  --seed N              the same seed makes the same decisions (default 1)\n"
	     "  --stats FILE          write what was done as JSON at the end and at SIGUSR1\n"
	     "\n"
	     "For both directions; with -ab or -ba at the end of the name for one of them:");
	for (size_t i = 0; i < n_knobs; i++)
		printf("  --%-19s %s (default %g, at most %.9g)\n", knobs[i].name, knobs[i].doc,
			knobs[i].initial, knobs[i].max);
}

// Whether arg is the knob's name with or without a direction; dirs tells which ones are meant.
static bool knob_matches(const struct knob *knob, const char *arg, bool dirs[DIRS])
{
	size_t len = strlen(knob->name);

	if (strncmp(arg, knob->name, len))
		return false;
	dirs[DIR_AB] = !arg[len] || !strcmp(arg + len, "-ab");
	dirs[DIR_BA] = !arg[len] || !strcmp(arg + len, "-ba");
	return dirs[DIR_AB] || dirs[DIR_BA];
}

static int parse_knob(struct wire_options *opts, const char *name, const char *value)
{
	for (size_t i = 0; i < n_knobs; i++) {
		bool dirs[DIRS];
		char *end;
		double v;

		if (!knob_matches(&knobs[i], name, dirs))
			continue;
		v = strtod(value, &end);
		if (end == value || *end || !(v >= 0 && v <= knobs[i].max)
			|| (!knobs[i].probability && v != (double)(uint64_t)v)) {
			fprintf(stderr, "outboard-wire: --%s %s: not %s from 0 to %.9g\n", name,
				value, knobs[i].probability ? "a number" : "a whole number",
				knobs[i].max);
			return -EINVAL;
		}
		for (int d = 0; d < DIRS; d++)
			if (dirs[d])
				knob_set(&opts->conf[d], &knobs[i], v);
		return 0;
	}
	fprintf(stderr, "outboard-wire: there is no option --%s; see --help\n", name);
	return -EINVAL;
}

static int parse_seed(uint64_t *seed, const char *value)
{
	char *end;

	errno = 0;
	*seed = strtoull(value, &end, 0);
	if (errno || end == value || *end || *value == '-') {
		fprintf(stderr, "outboard-wire: --seed %s: not a whole number\n", value);
		return -EINVAL;
	}
	return 0;
}

static int parse_one(struct wire_options *opts, const char *name, const char *value)
{
	if (!strcmp(name, "a"))
		opts->interfaces[DIR_AB] = value;
	else if (!strcmp(name, "b"))
		opts->interfaces[DIR_BA] = value;
	else if (!strcmp(name, "stats"))
		opts->stats_path = value;
	else if (!strcmp(name, "seed"))
		return parse_seed(&opts->seed, value);
	else
		return parse_knob(opts, name, value);
	return 0;
}

enum options_result options_parse(struct wire_options *opts, int argc, char **argv)
{
	*opts = (struct wire_options){.seed = 1};
	for (size_t i = 0; i < n_knobs; i++)
		for (int d = 0; d < DIRS; d++)
			knob_set(&opts->conf[d], &knobs[i], knobs[i].initial);
	for (int i = 1; i < argc; i += 2) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			usage();
			return OPTIONS_HELP;
		}
		if (strncmp(argv[i], "--", 2)) {
			fprintf(stderr, "outboard-wire: %s is not an option; see --help\n",
				argv[i]);
			return OPTIONS_BAD;
		}
		if (i + 1 == argc) {
			fprintf(stderr, "outboard-wire: %s needs a value\n", argv[i]);
			return OPTIONS_BAD;
		}
		if (parse_one(opts, argv[i] + 2, argv[i + 1]))
			return OPTIONS_BAD;
	}
	if (!opts->interfaces[DIR_AB] || !opts->interfaces[DIR_BA]) {
		fprintf(stderr, "outboard-wire: --a and --b are needed; see --help\n");
		return OPTIONS_BAD;
	}
	return OPTIONS_RUN;
}
