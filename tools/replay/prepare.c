// From a file to plans, and from plans to sessions that can begin.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/replay/run.h"

enum {
	PORT_FIRST = 1024,
	PORTS = 65536 - PORT_FIRST,
};

static int read_file(struct run *r)
{
	const char *file = r->opts->file, *path = r->opts->path;
	struct capture_counts again;
	struct notes once = {.file = file};
	int e = sessions_init(&r->sessions, &r->notes);

	r->notes.file = file;
	if (!e)
		e = capture_read(path, &r->notes, &r->counts, sessions_learn, &r->sessions, r->err,
			sizeof(r->err));
	// What is wrong with the frames has been said.
	if (!e)
		e = capture_read(
			path, &once, &again, sessions_add, &r->sessions, r->err, sizeof(r->err));
	if (!e)
		e = sessions_finish(&r->sessions);
	if (e == -ENOMEM)
		snprintf(r->err, sizeof(r->err), "out of memory");
	return e;
}

static int plan_side(struct run *r, const struct session *c, enum side side)
{
	struct plan *p = &r->plans[r->n_plans];
	int e = plan_make(p, c, side);

	if (e == -ENOENT) {
		note(&r->notes, NOTE_SIDE_MISSING, 0, "session %u: no packet of the %s", c->number,
			side == CLIENT ? "client" : "server");
		plan_free(p);
		return 0;
	}
	r->n_plans++;
	return e;
}

// The engine listens on so many ports for one application and no more: the first of the file.
static bool port_fits(struct run *r, const struct session *c)
{
	const struct flow *f = &c->flow[SERVER];
	int i = 0;

	while (i < r->n_ports && r->ports[i] != f->port)
		i++;
	if (r->opts->port || i < r->n_ports)
		return true;
	if (i == APP_LISTENERS) {
		note(&r->notes, NOTE_PORTS, 0, "session %u: a server's port behind the first %d",
			c->number, APP_LISTENERS);
		return false;
	}
	r->ports[r->n_ports++] = f->port;
	return true;
}

static int make_plans(struct run *r)
{
	int e = 0;

	r->plans = calloc(r->sessions.n * 2 + 1, sizeof(*r->plans));
	if (!r->plans)
		return -ENOMEM;
	for (uint32_t i = 0; i < r->sessions.n && !e; i++) {
		const struct session *c = &r->sessions.at[i];

		if (!c->skipped && r->opts->sides & PLAY_CLIENT && port_fits(r, c))
			e = plan_side(r, c, CLIENT);
		if (!e && !c->skipped && r->opts->sides & PLAY_SERVER)
			e = plan_side(r, c, SERVER);
	}
	return e;
}

// Sequence numbers and timestamps that follow the clock (RFC 9293 section 3.4.1): what an earlier
// run left in TIME-WAIT does not stand in the way of this one.
static int make_lives(struct run *r)
{
	uint64_t n = (uint64_t)r->n_plans * r->opts->copies;
	struct timespec t;
	uint64_t us;
	uint16_t port;

	if (n > PORTS) {
		snprintf(r->err, sizeof(r->err),
			"%llu sessions at once, %d are possible: fewer --copies",
			(unsigned long long)n, PORTS);
		return -EINVAL;
	}
	r->lives = calloc(n, sizeof(*r->lives));
	r->queue = calloc(n, sizeof(struct live *));
	r->by_port = calloc(65536, sizeof(struct live *));
	if (!r->lives || !r->queue || !r->by_port || timers_init(&r->timers, (uint32_t)n))
		return -ENOMEM;
	clock_gettime(CLOCK_REALTIME, &t);
	us = (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
	port = (uint16_t)(PORT_FIRST + us / 1000 % PORTS);
	for (uint32_t i = 0; i < n; i++) {
		const struct plan *p = &r->plans[i % r->n_plans];
		struct live *l = &r->lives[i];

		live_init(l, p, (uint32_t)(us / 4) + i * 65536, (uint32_t)(us / 1000));
		l->copy = i / r->n_plans + 1;
		l->path.from_port = port;
		l->path.to_port = r->opts->port ? r->opts->port : p->session->flow[SERVER].port;
		memcpy(l->path.from, r->opts->peer, 4);
		memcpy(l->path.to, r->opts->engine, 4);
		r->by_port[port] = l;
		port = port == UINT16_MAX ? PORT_FIRST : (uint16_t)(port + 1);
	}
	r->n_lives = (uint32_t)n;
	return 0;
}

// A byte that goes out wrong proves something only where it goes out.
static int flip_check(
	struct run *r, const char *who, const struct live *l, const struct flow *f, int64_t at)
{
	if (at < f->stream.len)
		return 0;
	snprintf(r->err, sizeof(r->err),
		"--flip %s:%lld: that side of session %u, the first that is replayed, sends %lld "
		"bytes",
		who, (long long)at, l->plan->session->number, (long long)f->stream.len);
	return -EINVAL;
}

// In the first of those that are replayed.
static int make_flip(struct run *r)
{
	struct live *l = &r->lives[0];
	int e = flip_check(r, "peer", l, l->ours, r->opts->flip_peer);

	if (!e)
		e = flip_check(r, "host", l, l->theirs, r->opts->flip_host);
	l->flip_peer = r->opts->flip_peer;
	l->flip_host = r->opts->flip_host;
	return e;
}

int run_plan(struct run *r, const struct options *opts)
{
	int e;

	*r = (struct run){.opts = opts, .wire.fd = -1};
	e = read_file(r);
	if (e)
		return e;
	e = make_plans(r);
	if (!e && !r->n_plans) {
		if (!r->counts.frames)
			snprintf(r->err, sizeof(r->err), "no frame can be read");
		else if (!r->counts.tcp_frames)
			snprintf(r->err, sizeof(r->err), "%llu frames, none of TCP over IPv4",
				(unsigned long long)r->counts.frames);
		else
			snprintf(r->err, sizeof(r->err), "no session that can be replayed");
		return -EINVAL;
	}
	if (!e)
		e = make_lives(r);
	if (!e)
		e = make_flip(r);
	if (e == -ENOMEM)
		snprintf(r->err, sizeof(r->err), "out of memory");
	return e;
}

void run_free(struct run *r)
{
	for (uint32_t i = 0; i < r->n_lives; i++)
		live_free(&r->lives[i]);
	for (uint32_t i = 0; i < r->n_plans; i++)
		plan_free(&r->plans[i]);
	free(r->lives);
	free(r->plans);
	free(r->queue);
	free(r->by_port);
	timers_free(&r->timers);
	sessions_free(&r->sessions);
}
