#include "tests/netns/lib2/host.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

volatile int host_ended;

static const struct {
	const char *name;
	int (*run)(struct host_opts *o, int argc, char **argv);
	const char *doc;
} commands[] = {
	{"connect", cmd_connect, "TO...: opens -n connections to each, prints how they ended"},
	{"listen", cmd_listen, "AT...: prints the outcome of each, then waits for SIGTERM"},
	{"serve", cmd_serve, "AT: echoes on every channel, a thread each; prints their shares"},
	{"farewell", cmd_farewell, "AT BYTES: accepts -n, writes (-k: at SIGTERM), closes, ends"},
	{"trickle", cmd_trickle, "STUCK ECHO: small writes to the one, then echoes of the other"},
	{"block", cmd_block, "WHAT AT: blocks in one call, prints what it returned and when"},
};

static void usage(void)
{
	fprintf(stderr,
		"usage: obt-host [OPTIONS] COMMAND ...\n"
		"  -a N  accept slots    -s N  connect slots   -c N  channels   -b N  backlog\n"
		"  -n N  how many        -f ADDR:PORT  from    -t MS time-out   -k    keep it "
		"open\n"
		"  -N    without hugepages   -r MB  receive buffers   -q N  request ring\n"
		"  -d    ends with a detach\n");
	for (unsigned int i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(stderr, "  %s %s\n", commands[i].name, commands[i].doc);
	exit(2);
}

static void on_term(int sig)
{
	(void)sig;
	host_ended = 1;
}

void host_check(int error, const char *what)
{
	if (error >= 0)
		return;
	printf("%s: %s\n", what, host_error_name(error));
	exit(1);
}

const char *host_error_name(int error)
{
	static char text[32];
	const char *name = strerrorname_np(-error);

	if (error == 0)
		return "0";
	snprintf(text, sizeof(text), "-%s", name ? name : "?");
	return text;
}

void host_endpoint(const char *text, struct ob_endpoint *ep)
{
	host_check(ob_endpoint_parse(text, ep), text);
}

int64_t host_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

struct ob_host *host_attach(struct host_opts *o)
{
	struct ob_host *h = NULL;
	int error = ob_attach(&o->attach, &h);

	if (error == 0)
		return h;
	printf("attach: %s%s%s\n", host_error_name(error), o->reason[0] ? ": " : "", o->reason);
	exit(1);
}

struct ob_channel *host_channel(struct ob_host *h)
{
	struct ob_channel *ch;

	host_check(ob_channel_open(h, &ch), "channel");
	return ch;
}

void host_wait_end(void)
{
	while (!host_ended)
		pause();
}

int main(int argc, char **argv)
{
	struct host_opts o = {.timeout_us = -1, .count = 1};
	struct sigaction sa = {.sa_handler = on_term};
	int opt;

	ob_attach_opts_init(&o.attach);
	o.attach.reason = o.reason;
	o.attach.reason_bytes = sizeof(o.reason);
	while ((opt = getopt(argc, argv, "+a:s:c:b:n:f:t:r:q:kdN")) != -1) {
		switch (opt) {
		case 'q':
			o.attach.req_entries = (uint32_t)atoi(optarg);
			break;
		case 'd':
			o.detach = true;
			break;
		case 'a':
			o.attach.accept_slots = (uint32_t)atoi(optarg);
			break;
		case 's':
			o.attach.connect_slots = (uint32_t)atoi(optarg);
			break;
		case 'c':
			o.attach.channels = (uint32_t)atoi(optarg);
			break;
		case 'b':
			o.backlog = (unsigned int)atoi(optarg);
			break;
		case 'n':
			o.count = (unsigned int)atoi(optarg);
			break;
		case 'f':
			o.from = optarg;
			break;
		case 't':
			o.timeout_us = atoi(optarg) * 1000ll;
			break;
		case 'r':
			o.attach.rx_bytes = (uint64_t)atoi(optarg) << 20;
			break;
		case 'k':
			o.keep = true;
			break;
		case 'N':
			o.attach.flags |= OB_ATTACH_NO_HUGE;
			break;
		default:
			usage();
		}
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	sigaction(SIGTERM, &sa, NULL);
	for (unsigned int i = 0; optind < argc && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(argv[optind], commands[i].name) == 0)
			return commands[i].run(&o, argc - optind - 1, argv + optind + 1);
	usage();
}
