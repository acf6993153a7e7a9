// The command line that both clients of the suite `system` have.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench/system/load.h"

static const char *const case_names[] = {"echo", "bulk_rx", "bulk_tx", "short", "idle"};

static void bad(const char *program, const char *what)
{
	fprintf(stderr, "%s: %s\n", program, what);
	exit(2);
}

static double number(char **argv, int i, double min, double max)
{
	char *end;
	double v = strtod(argv[i + 1], &end);

	if (end == argv[i + 1] || *end || !(v >= min && v <= max))
		bad(argv[0], argv[i]);
	return v;
}

static enum load_case case_of(char **argv, int i)
{
	for (size_t k = 0; k < sizeof(case_names) / sizeof(case_names[0]); k++)
		if (strcmp(argv[i + 1], case_names[k]) == 0)
			return (enum load_case)k;
	bad(argv[0], "--case");
	return LOAD_ECHO;
}

// NAME=PID
static void watch(struct load_opts *o, char **argv, int i)
{
	struct load_watch *w = &o->watch[o->n_watch];
	int pid = 0;

	if (o->n_watch == LOAD_WATCH_MAX || sscanf(argv[i + 1], "%15[a-z]=%d", w->name, &pid) != 2)
		bad(argv[0], "--watch");
	w->pid = pid;
	o->n_watch++;
}

static bool take(struct load_opts *o, char **argv, int i)
{
	const char *name = argv[i];

	if (strcmp(name, "--case") == 0)
		o->what = case_of(argv, i);
	else if (strcmp(name, "--conns") == 0)
		o->conns = (uint32_t)number(argv, i, 1, 1000000);
	else if (strcmp(name, "--seconds") == 0)
		o->seconds = number(argv, i, 0.001, 3600);
	else if (strcmp(name, "--warm") == 0)
		o->warm_s = number(argv, i, 0, 3600);
	else if (strcmp(name, "--opening") == 0)
		o->opening = (uint32_t)number(argv, i, 1, 100000);
	else if (strcmp(name, "--to") == 0)
		o->to = argv[i + 1];
	else if (strcmp(name, "--watch") == 0)
		watch(o, argv, i);
	else
		return false;
	return true;
}

void load_parse(struct load_opts *o, int argc, char **argv,
	bool (*own)(const char *name, const char *value))
{
	*o = (struct load_opts){.conns = 1, .seconds = 1, .warm_s = 0.2, .opening = 128};
	for (int i = 1; i < argc; i += 2)
		if (i + 1 >= argc || !(take(o, argv, i) || (own && own(argv[i], argv[i + 1]))))
			bad(argv[0], argv[i]);
	if (!o->to)
		bad(argv[0], "--to is missing");
}
