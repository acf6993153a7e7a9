// outboardctl: looks into a running engine, and steers it.
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tools/ctl/print.h"

#define SOCKET_BYTES 256

struct options {
	char socket[SOCKET_BYTES];
	bool json;
	bool all;
	double watch_s; // 0: once
	const struct table *table;
};

static const char usage_text[]
	= "usage: outboardctl [--socket PATH | --instance NAME] COMMAND [--json] [--all]\n"
	  "                   [--watch SECONDS]\n"
	  "\n"
	  "  stat        the engine in one view\n"
	  "  conns       connections, also half-open ones\n"
	  "  listeners   where hosts accept connections\n"
	  "  groups      groups of receive buffers\n"
	  "  hosts       attached applications\n"
	  "  counters    what happened so far, every drop under its own name\n"
	  "  switchover  hand over to the standby\n"
	  "\n"
	  "  --socket PATH    the engine's socket; else $OUTBOARD_SOCKET,\n"
	  "                   else " OB_SOCKET_DIR "/" OB_INSTANCE_DEFAULT ".sock\n"
	  "  --instance NAME  the same as --socket " OB_SOCKET_DIR "/NAME.sock\n"
	  "  --json           one JSON object; every field, plain numbers\n"
	  "  --all            counters that are 0 too\n"
	  "  --watch SECONDS  again and again, with rates\n"
	  "\n"
	  "Exit status: 0 done, 1 the engine cannot be asked or refuses, 2 wrong usage.\n";

static void __attribute__((noreturn)) usage(const char *what)
{
	if (what != NULL)
		fprintf(stderr, "outboardctl: %s\n", what);
	fputs(usage_text, stderr);
	exit(2);
}

static void set_instance(struct options *o, const char *name)
{
	if (name[0] == '\0' || name[0] == '.' || strchr(name, '/') != NULL
		|| strlen(name) >= OB_NAME_BYTES)
		usage("that is no name of an instance");
	snprintf(o->socket, sizeof(o->socket), "%s/%s.sock", OB_SOCKET_DIR, name);
}

static void set_socket(struct options *o, const char *path)
{
	if (path[0] == '\0' || strlen(path) >= sizeof(o->socket))
		usage("that is no path of a socket");
	snprintf(o->socket, sizeof(o->socket), "%s", path);
}

static void set_watch(struct options *o, const char *text)
{
	char *end;

	o->watch_s = strtod(text, &end);
	if (end == text || *end != '\0' || !(o->watch_s >= 0.01 && o->watch_s <= 86400))
		usage("--watch takes seconds, 0.01 to 86400");
}

static void parse(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {{"socket", required_argument, NULL, 's'},
		{"instance", required_argument, NULL, 'i'}, {"json", no_argument, NULL, 'j'},
		{"all", no_argument, NULL, 'a'}, {"watch", required_argument, NULL, 'w'},
		{"help", no_argument, NULL, 'h'}, {"version", no_argument, NULL, 'V'}, {0}};
	const char *env = getenv(OB_SOCKET_ENV);
	int c;

	*o = (struct options){0};
	set_instance(o, OB_INSTANCE_DEFAULT);
	if (env != NULL && env[0] != '\0')
		set_socket(o, env);
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 's')
			set_socket(o, optarg);
		else if (c == 'i')
			set_instance(o, optarg);
		else if (c == 'j')
			o->json = true;
		else if (c == 'a')
			o->all = true;
		else if (c == 'w')
			set_watch(o, optarg);
		else if (c == 'h' || c == 'V') {
			fputs(c == 'h' ? usage_text : "outboardctl " OB_VERSION "\n", stdout);
			exit(0);
		} else {
			usage(NULL);
		}
	}
	if (optind == argc)
		usage("a command is missing");
	if (optind + 1 < argc)
		usage("one command at a time");
	o->table = table_find(argv[optind]);
	if (o->table == NULL)
		usage("no such command");
	if (o->watch_s > 0 && o->table->shape == SHAPE_NOTHING)
		usage("there is nothing to watch");
}

// Asks once. Returns 0, or 1 when that was said.
static int ask(const struct options *o, struct rows *out)
{
	struct client c;
	int r = client_open(&c, o->socket);

	if (r == 0)
		r = client_ask(&c, o->table->what, o->table->row_bytes, out);
	if (r != 0)
		fprintf(stderr, "outboardctl: %s\n", c.err);
	client_close(&c);
	return r != 0;
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void pause_s(double seconds)
{
	struct timespec t = {.tv_sec = (time_t)seconds};

	t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

// Returns 0, or 1 when the output cannot be written.
static int show(
	const struct options *o, const struct rows *rows, const struct rows *before, double seconds)
{
	if (o->json) {
		print_json(stdout, o->table, rows);
	} else {
		if (o->watch_s > 0 && isatty(STDOUT_FILENO))
			fputs("\033[H\033[2J", stdout);
		print_people(stdout, o->table, rows, before, seconds, o->all);
	}
	if (fflush(stdout) == 0)
		return 0;
	fprintf(stderr, "outboardctl: cannot write: %s\n", strerror(errno));
	return 1;
}

static int watch(const struct options *o)
{
	struct rows before = {0};
	struct rows rows;
	double last = 0;
	int r;

	while ((r = ask(o, &rows)) == 0) {
		double now = now_s();

		if (last > 0 && !o->json && !isatty(STDOUT_FILENO))
			fputc('\n', stdout);
		r = show(o, &rows, last > 0 ? &before : NULL, now - last);
		free(before.at);
		before = rows;
		last = now;
		if (r != 0)
			break;
		pause_s(o->watch_s);
	}
	free(before.at);
	return r;
}

int main(int argc, char **argv)
{
	struct options o;
	struct rows rows;
	int r;

	parse(&o, argc, argv);
	if (o.watch_s > 0)
		return watch(&o);
	r = ask(&o, &rows);
	if (r == 0) {
		r = show(&o, &rows, NULL, 0);
		free(rows.at);
	}
	return r;
}
