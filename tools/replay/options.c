#include "tools/replay/options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void usage(void)
{
	puts("usage: outboard-replay FILE [OPTIONS]\n"
	     "Replays one side of the TCP sessions of a capture against a live engine.\n"
	     "FILE is - for standard input.\n"
	     "\n"
	     "  --side client|server|both  which side is played on the wire (default client)\n"
	     "  --speed N|max         1 is as captured (default), 10 ten times as fast,\n"
	     "                        max without any pause\n"
	     "  --copies N            replay each session N times at once (default 1)\n"
	     "  --json                figures as one JSON object\n"
	     "  --list                say what is in the file, replay nothing\n"
	     "  --interface IF        where the engine is reached (default peer0)\n"
	     "  --engine ADDR         the engine's address (default 10.77.0.1)\n"
	     "  --peer ADDR           the peer's, which no kernel may have (default 10.77.0.200)\n"
	     "  --socket PATH         the engine's socket (default $OUTBOARD_SOCKET)\n"
	     "  --port N              let the engine listen here, not on the captured port\n"
	     "  --timeout S           seconds without progress before a session fails (default "
	     "30)\n"
	     "  --flip peer|host:N    send byte N of the first session replayed wrong:\n"
	     "                        the run has to fail\n"
	     "\n"
	     "  --raw                 feed the file to an engine of its own through net_pcap\n"
	     "  --seconds S           how long (default 5)\n"
	     "  --engine-program P    outboard-engine, if it is not beside this program");
}

static enum options_result bad(const char *name, const char *value, const char *why)
{
	fprintf(stderr, "outboard-replay: %s%s%s: %s; see --help\n", name, value ? " " : "",
		value ? value : "", why);
	return OPTIONS_BAD;
}

static bool number(const char *text, double min, double max, double *out)
{
	char *end;

	errno = 0;
	*out = strtod(text, &end);
	return !errno && end != text && !*end && *out >= min && *out <= max;
}

static bool whole(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && !errno && !*end && *out >= min && *out <= max;
}

static bool parse_side(struct options *o, const char *v)
{
	o->sides = !strcmp(v, "client") ? PLAY_CLIENT
		: !strcmp(v, "server")	? PLAY_SERVER
		: !strcmp(v, "both")	? PLAY_BOTH
					: 0;
	return o->sides != 0;
}

static bool parse_flip(struct options *o, const char *v)
{
	bool host = !strncmp(v, "host:", 5);
	uint64_t n;

	if ((!host && strncmp(v, "peer:", 5)) || !whole(v + 5, 0, INT64_MAX, &n))
		return false;
	*(host ? &o->flip_host : &o->flip_peer) = (int64_t)n;
	return true;
}

static bool parse_speed(struct options *o, const char *v)
{
	o->speed = 0;
	return !strcmp(v, "max") || number(v, 0.001, 1e6, &o->speed);
}

// An option with a value.
static enum options_result parse_value(struct options *o, const char *name, const char *v)
{
	uint64_t n;

	if (!strcmp(name, "--side"))
		return parse_side(o, v) ? OPTIONS_RUN : bad(name, v, "client, server or both");
	if (!strcmp(name, "--speed"))
		return parse_speed(o, v) ? OPTIONS_RUN : bad(name, v, "0.001 to 1000000, or max");
	if (!strcmp(name, "--copies")) {
		if (!whole(v, 1, 60000, &n))
			return bad(name, v, "1 to 60000");
		o->copies = (uint32_t)n;
	} else if (!strcmp(name, "--port")) {
		if (!whole(v, 1, 65535, &n))
			return bad(name, v, "1 to 65535");
		o->port = (uint16_t)n;
	} else if (!strcmp(name, "--timeout")) {
		return number(v, 0.1, 86400, &o->timeout_s) ? OPTIONS_RUN
							    : bad(name, v, "0.1 to 86400 s");
	} else if (!strcmp(name, "--seconds")) {
		return number(v, 0.1, 3600, &o->seconds) ? OPTIONS_RUN
							 : bad(name, v, "0.1 to 3600 s");
	} else if (!strcmp(name, "--flip")) {
		return parse_flip(o, v) ? OPTIONS_RUN : bad(name, v, "peer:OFFSET or host:OFFSET");
	} else if (!strcmp(name, "--engine") || !strcmp(name, "--peer")) {
		uint8_t *to = name[2] == 'e' ? o->engine : o->peer;

		return inet_pton(AF_INET, v, to) == 1 ? OPTIONS_RUN
						      : bad(name, v, "no IPv4 address");
	} else if (!strcmp(name, "--interface")) {
		o->interface = v;
	} else if (!strcmp(name, "--socket")) {
		o->socket = v;
	} else if (!strcmp(name, "--engine-program")) {
		o->engine_program = v;
	} else {
		return bad(name, NULL, "no such option");
	}
	return OPTIONS_RUN;
}

static bool is_file(const char *arg)
{
	return arg[0] != '-' || !arg[1];
}

enum options_result options_parse(struct options *o, int argc, char **argv)
{
	*o = (struct options){.interface = "peer0",
		.engine = {10, 77, 0, 1},
		.peer = {10, 77, 0, 200},
		.speed = 1,
		.copies = 1,
		.sides = PLAY_CLIENT,
		.timeout_s = 30,
		.flip_peer = -1,
		.flip_host = -1,
		.seconds = 5};
	for (int i = 1; i < argc; i++) {
		enum options_result r = OPTIONS_RUN;

		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			usage();
			return OPTIONS_HELP;
		}
		if (!strcmp(argv[i], "--json"))
			o->json = true;
		else if (!strcmp(argv[i], "--list"))
			o->list = true;
		else if (!strcmp(argv[i], "--raw"))
			o->raw = true;
		else if (is_file(argv[i]) && o->path)
			r = bad(argv[i], NULL, "one file at a time");
		else if (is_file(argv[i]))
			o->path = argv[i];
		else if (i + 1 == argc)
			r = bad(argv[i], NULL, "a value is missing, or there is no such option");
		else {
			r = parse_value(o, argv[i], argv[i + 1]);
			i++;
		}
		if (r != OPTIONS_RUN)
			return r;
	}
	if (!o->path)
		return bad("FILE", NULL, "missing");
	o->file = strcmp(o->path, "-") ? o->path : "standard input";
	if (!memcmp(o->engine, o->peer, 4))
		return bad("--peer", NULL, "the same as the engine's address");
	return OPTIONS_RUN;
}
