// The command line of ob-load and kpeer.
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host_lib/examples/load.h"

static void usage(const char *program)
{
	fprintf(stderr,
		"usage: %s --listen [ADDR:]PORT | --connect ADDR:PORT [options]\n"
		"  --socket PATH            the engine's socket (ob-load)\n"
		"  --conns N                connections (client), or how many to serve (0: all)\n"
		"  --bytes N                bytes each way and connection (1000000)\n"
		"  --bytes-up N, --bytes-down N\n"
		"  --short N                N short connections of 64 bytes, 64 at once\n"
		"  --concurrent N           at once (all)\n"
		"  --close-first local|peer|alternate\n"
		"  --half-close[=local|peer] who ends its direction first; the other sends then\n"
		"  --pause-read S           stop reading for S seconds half way\n"
		"  --hold S                 keep finished connections open for S seconds\n"
		"  --rate N                 bytes a second to send at most\n"
		"  --threads N              (1)\n"
		"  --timeout S              give up after S seconds without progress (60)\n"
		"One JSON object on standard output; status 0 when every byte was right.\n",
		program);
	exit(2);
}

static uint64_t number(const char *text, const char *program)
{
	char *end;
	unsigned long long n = strtoull(text, &end, 10);

	if (end == text || *end || *text == '-')
		usage(program);
	return n;
}

static double seconds(const char *text, const char *program)
{
	char *end;
	double n = strtod(text, &end);

	if (end == text || *end || !(n >= 0))
		usage(program);
	return n;
}

static enum load_side side(const char *text, const char *program)
{
	if (!text || strcmp(text, "local") == 0)
		return LOAD_CLIENT;
	if (strcmp(text, "peer") == 0)
		return LOAD_SERVER;
	if (strcmp(text, "alternate") == 0)
		return LOAD_ALTERNATE;
	usage(program);
	return LOAD_NONE;
}

static const struct option longs[] = {
	{"listen", required_argument, NULL, 'l'},
	{"connect", required_argument, NULL, 'c'},
	{"socket", required_argument, NULL, 's'},
	{"conns", required_argument, NULL, 'n'},
	{"bytes", required_argument, NULL, 'b'},
	{"bytes-up", required_argument, NULL, 'u'},
	{"bytes-down", required_argument, NULL, 'd'},
	{"short", required_argument, NULL, 'S'},
	{"concurrent", required_argument, NULL, 'C'},
	{"close-first", required_argument, NULL, 'f'},
	{"half-close", optional_argument, NULL, 'h'},
	{"pause-read", required_argument, NULL, 'p'},
	{"hold", required_argument, NULL, 'H'},
	{"rate", required_argument, NULL, 'r'},
	{"threads", required_argument, NULL, 't'},
	{"timeout", required_argument, NULL, 'T'},
	{"quiet", no_argument, NULL, 'q'},
	{0},
};

static void parse_one(struct load_opts *o, int opt, const char *program)
{
	switch (opt) {
	case 'l':
		o->listen = optarg;
		break;
	case 'c':
		o->connect = optarg;
		break;
	case 's':
		o->socket = optarg;
		break;
	case 'n':
		o->conns = number(optarg, program);
		break;
	case 'b':
		o->bytes_up = o->bytes_down = number(optarg, program);
		break;
	case 'u':
		o->bytes_up = number(optarg, program);
		break;
	case 'd':
		o->bytes_down = number(optarg, program);
		break;
	case 'S':
		o->conns = number(optarg, program);
		o->bytes_up = o->bytes_down = 64;
		o->concurrent = 64;
		break;
	case 'C':
		o->concurrent = number(optarg, program);
		break;
	case 'f':
		o->closer = side(optarg, program);
		break;
	case 'h':
		o->half = side(optarg, program);
		break;
	case 'p':
		o->pause_read_s = seconds(optarg, program);
		break;
	case 'H':
		o->hold_s = seconds(optarg, program);
		break;
	case 'r':
		o->rate = number(optarg, program);
		break;
	case 't':
		o->threads = (unsigned int)number(optarg, program);
		break;
	case 'T':
		o->timeout_s = seconds(optarg, program);
		break;
	case 'q':
		o->quiet = true;
		break;
	default:
		usage(program);
	}
}

void load_parse(struct load_opts *o, int argc, char **argv)
{
	int opt;

	*o = (struct load_opts){
		.bytes_up = 1000000,
		.bytes_down = 1000000,
		.closer = LOAD_CLIENT,
		.timeout_s = 60,
		.threads = 1,
	};
	while ((opt = getopt_long(argc, argv, "", longs, NULL)) != -1)
		parse_one(o, opt, argv[0]);
	if (optind != argc || !o->listen == !o->connect || o->threads == 0 || o->threads > 64
		|| o->half == LOAD_ALTERNATE)
		usage(argv[0]);
	if (o->connect && !o->conns)
		o->conns = 1;
	if (!o->concurrent || o->concurrent > o->conns)
		o->concurrent = o->conns;
	if (o->threads > o->concurrent && o->connect)
		o->threads = (unsigned int)o->concurrent;
}
