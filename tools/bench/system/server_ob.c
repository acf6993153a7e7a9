// The server on the host library.
#include <errno.h>
#include <outboard.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "tools/bench/system/server.h"

static ssize_t io_recv(void *ctx, uint64_t io, void *data, size_t len)
{
	return ob_recv(ctx, io, data, len);
}

static ssize_t io_send(void *ctx, uint64_t io, const void *data, size_t len)
{
	return ob_send(ctx, io, data, len, 0);
}

static const struct server_ops ob_ops = {io_recv, io_send};

static void handle(struct server *s, struct ob_channel *ch, const struct ob_app_event *e)
{
	struct server_conn *c = e->user;

	switch (e->type) {
	case OB_ACCEPTED:
		c = server_begin(e->conn);
		if (!c) {
			ob_abort(ch, e->conn);
			return;
		}
		ob_set_user(ch, e->conn, c);
		if (s->mode != SERVER_SOURCE)
			return; // what has come is an event of its own
		break;
	case OB_READABLE:
	case OB_WRITABLE:
	case OB_PEER_CLOSED:
		break;
	case OB_CLOSED:
		ob_close(ch, e->conn);
		server_end(c);
		return;
	default:
		return;
	}
	if (c && !server_event(s, &ob_ops, ch, c)) {
		ob_close(ch, e->conn);
		server_end(c);
	}
}

static int attach(struct server *s, struct ob_host **host)
{
	struct ob_attach_opts o;
	char reason[128] = "";
	int rc;

	ob_attach_opts_init(&o);
	o.socket = s->socket;
	o.connect_slots = 1;
	o.accept_slots = 16384;
	o.reason = reason;
	o.reason_bytes = sizeof(reason);
	rc = ob_attach(&o, host);
	if (rc)
		fprintf(stderr, "bench-server: cannot attach: %s %s\n", strerror(-rc), reason);
	return rc;
}

static int listen_at(struct server *s, struct ob_channel *ch)
{
	struct ob_listen_opts o = {.size = sizeof(o), .nodelay = 1};
	struct ob_endpoint at;
	int rc = ob_endpoint_parse(strcmp(s->addr, "0.0.0.0") == 0 ? "*" : s->addr, &at);

	at.port = s->port;
	if (rc == 0)
		rc = ob_listen(ch, &at, 4096, &o);
	if (rc >= 0)
		rc = ob_listen_wait(ch, rc, NULL, 10000000);
	if (rc < 0)
		fprintf(stderr, "bench-server: cannot listen: %s\n", strerror(-rc));
	return rc;
}

int server_ob(struct server *s)
{
	struct ob_app_event e[SERVER_BATCH];
	struct ob_host *host;
	struct ob_channel *ch;
	int n = 0;

	if (attach(s, &host) || ob_channel_open(host, &ch) || listen_at(s, ch))
		return 1;
	server_ready();
	while (!server_stopped && n >= 0) {
		// The second is for a signal that comes just before the wait.
		n = ob_poll(ch, e, SERVER_BATCH, s->idle == SERVER_YIELD ? 0 : 1000000);
		for (int i = 0; i < n; i++)
			if (e[i].conn)
				handle(s, ch, &e[i]);
		if (n == 0 && s->idle == SERVER_YIELD)
			sched_yield();
	}
	if (n < 0)
		fprintf(stderr, "bench-server: %s\n", strerror(-n));
	ob_detach(host);
	return n < 0;
}
