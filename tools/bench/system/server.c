#include "tools/bench/system/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

volatile sig_atomic_t server_stopped;

static void on_signal(int sig)
{
	(void)sig;
	server_stopped = 1;
}

struct server_conn *server_begin(uint64_t io)
{
	struct server_conn *c = calloc(1, sizeof(*c));

	if (c)
		c->io = io;
	return c;
}

void server_end(struct server_conn *c)
{
	if (c)
		free(c->rest);
	free(c);
}

// Sends, or keeps what the connection does not take now. Returns 0, -EAGAIN when something is kept, or
// what is wrong.
static int echo_out(const struct server_ops *ops, void *ctx, struct server_conn *c,
	const uint8_t *data, uint32_t len)
{
	ssize_t n = ops->send(ctx, c->io, data, len);

	if (n < 0 && n != -EAGAIN)
		return (int)n;
	n = n < 0 ? 0 : n;
	if ((uint32_t)n == len)
		return 0;
	if (!c->rest && !(c->rest = malloc(SERVER_BYTES)))
		return -ENOMEM;
	memmove(c->rest, data + n, len - (size_t)n);
	c->rest_at = 0;
	c->rest_len = len - (uint32_t)n;
	return -EAGAIN;
}

static int echo(struct server *s, const struct server_ops *ops, void *ctx, struct server_conn *c)
{
	ssize_t n;
	int rc = 0;

	if (c->rest_len) {
		uint32_t len = c->rest_len;

		c->rest_len = 0;
		rc = echo_out(ops, ctx, c, c->rest, len);
	}
	while (rc == 0) {
		n = ops->recv(ctx, c->io, s->buf, sizeof(s->buf));
		if (n <= 0)
			return n == 0 ? -EPIPE : (int)n;
		rc = echo_out(ops, ctx, c, s->buf, (uint32_t)n);
		// Less than there was room for was all there is.
		if (rc == 0 && (size_t)n < sizeof(s->buf))
			return -EAGAIN;
	}
	return rc;
}

static int sink(struct server *s, const struct server_ops *ops, void *ctx, struct server_conn *c)
{
	ssize_t n;

	do {
		n = ops->recv(ctx, c->io, s->buf, sizeof(s->buf));
	} while (n == (ssize_t)sizeof(s->buf));
	return n == 0 ? -EPIPE : n > 0 ? -EAGAIN : (int)n;
}

static int source(struct server *s, const struct server_ops *ops, void *ctx, struct server_conn *c)
{
	ssize_t n = ops->recv(ctx, c->io, s->buf, sizeof(s->buf));

	if (n >= 0)
		return -EPIPE; // its end; or it said something, which is wrong
	while (n == -EAGAIN) {
		n = ops->send(ctx, c->io, s->block, sizeof(s->block));
		if (n == -EAGAIN)
			return -EAGAIN;
		if (n >= 0)
			n = -EAGAIN; // until none is taken
	}
	return (int)n;
}

bool server_event(struct server *s, const struct server_ops *ops, void *ctx, struct server_conn *c)
{
	switch (s->mode) {
	case SERVER_ECHO:
		return echo(s, ops, ctx, c) == -EAGAIN;
	case SERVER_SINK:
		return sink(s, ops, ctx, c) == -EAGAIN;
	case SERVER_SOURCE:
		return source(s, ops, ctx, c) == -EAGAIN;
	}
	return false;
}

void server_ready(void)
{
	puts("ready");
	fflush(stdout);
}

static int usage(void)
{
	fprintf(stderr,
		"usage: bench-server outboard|kernel --mode echo|sink|source --port N\n"
		"       [--addr A] [--socket PATH] [--idle sleep|yield]\n");
	return 2;
}

static bool parse(struct server *s, int argc, char **argv)
{
	for (int i = 2; i + 1 < argc; i += 2) {
		const char *name = argv[i], *v = argv[i + 1];

		if (strcmp(name, "--mode") == 0 && strcmp(v, "echo") == 0)
			s->mode = SERVER_ECHO;
		else if (strcmp(name, "--mode") == 0 && strcmp(v, "sink") == 0)
			s->mode = SERVER_SINK;
		else if (strcmp(name, "--mode") == 0 && strcmp(v, "source") == 0)
			s->mode = SERVER_SOURCE;
		else if (strcmp(name, "--idle") == 0 && strcmp(v, "sleep") == 0)
			s->idle = SERVER_SLEEP;
		else if (strcmp(name, "--idle") == 0 && strcmp(v, "yield") == 0)
			s->idle = SERVER_YIELD;
		else if (strcmp(name, "--port") == 0)
			s->port = (uint16_t)strtoul(v, NULL, 10);
		else if (strcmp(name, "--addr") == 0)
			s->addr = v;
		else if (strcmp(name, "--socket") == 0)
			s->socket = v;
		else
			return false;
	}
	return argc > 2 && argc % 2 == 0 && s->port;
}

int main(int argc, char **argv)
{
	struct sigaction act = {.sa_handler = on_signal};
	static struct server s = {.addr = "0.0.0.0"};

	if (!parse(&s, argc, argv))
		return usage();
	for (uint32_t i = 0; i < sizeof(s.block); i++)
		s.block[i] = (uint8_t)(i * 2654435761u >> 23);
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	if (strcmp(argv[1], "outboard") == 0)
		return server_ob(&s);
	if (strcmp(argv[1], "kernel") == 0)
		return server_kernel(&s);
	return usage();
}
