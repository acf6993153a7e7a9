#include "tools/replay/app.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SECOND_US 1000000

enum {
	BACKLOG = 1024,
	CHUNK_BYTES = 65536,
};

static void map_ipv4(uint8_t out[16], const uint8_t in[4])
{
	memset(out, 0, 10);
	memset(out + 10, 0xff, 2);
	memcpy(out + 12, in, 4);
}

int app_open(struct app *a, const char *socket, uint32_t conns, char *err, unsigned err_bytes)
{
	struct ob_attach_opts o;
	char reason[128] = "";
	int e;

	ob_attach_opts_init(&o);
	o.socket = socket;
	o.name = "outboard-replay";
	o.flags = OB_ATTACH_QUIET;
	o.accept_slots = o.connect_slots = conns < 64 ? 64 : conns;
	o.reason = reason;
	o.reason_bytes = sizeof(reason);
	e = ob_attach(&o, &a->host);
	if (e == 0)
		e = ob_channel_open(a->host, &a->ch);
	if (e)
		snprintf(err, err_bytes, "cannot attach to the engine: %s%s%s", strerror(-e),
			*reason ? ": " : "", reason);
	return e;
}

void app_close(struct app *a)
{
	if (a->host)
		ob_detach(a->host);
	a->host = NULL;
}

int app_listen(struct app *a, const uint8_t engine[4], uint16_t port, char *err, unsigned err_bytes)
{
	struct ob_listen_opts opts = {.size = sizeof(opts), .nodelay = 1};
	struct ob_endpoint at = {.port = port};
	int l, e;

	for (int i = 0; i < a->n_listeners; i++)
		if (a->ports[i] == port)
			return 0;
	if (a->n_listeners == APP_LISTENERS) {
		snprintf(err, err_bytes,
			"the file has more than %d servers' ports: give one with --port",
			APP_LISTENERS);
		return -ENFILE;
	}
	map_ipv4(at.addr, engine);
	l = ob_listen(a->ch, &at, BACKLOG, &opts);
	e = l < 0 ? l : ob_listen_wait(a->ch, l, NULL, 10 * SECOND_US);
	if (e) {
		snprintf(err, err_bytes, "cannot listen on port %u: %s%s", port, strerror(-e),
			e == -EADDRINUSE ? " (another application? try --port)" : "");
		return e;
	}
	a->ports[a->n_listeners] = port;
	a->listeners[a->n_listeners++] = l;
	return 0;
}

int app_connect(struct app *a, struct live *l)
{
	struct ob_endpoint to = {.port = l->path.from_port};
	int e;

	map_ipv4(to.addr, l->path.from);
	e = ob_connect(a->ch, &to, NULL, l, &l->conn);
	if (e == 0)
		ob_setopt(a->ch, l->conn, OB_SO_NODELAY, 1);
	return e;
}

static void accepted(struct app *a, ob_conn_t conn)
{
	struct ob_conn_info info;
	struct live *l = NULL;

	if (ob_conn_info(a->ch, conn, &info) == 0)
		l = a->find(a->arg, info.remote.port);
	if (!l || l->conn || l->plan->side != CLIENT) {
		a->strays++;
		ob_abort(a->ch, conn);
		return;
	}
	l->conn = conn;
	l->connected = true;
	ob_set_user(a->ch, conn, l);
	a->touch(a->arg, l);
}

// The end of a connection: whether the file has it so is decided when all has been read.
static void closed(struct live *l, int error)
{
	bool expected = l->ours->rst != NO_OFFSET || l->theirs->rst != NO_OFFSET || l->host_reset
		|| l->late_rst;

	l->host_closed = true;
	if (error && !(expected && (error == -ECONNRESET || error == -ECONNABORTED)))
		live_fail(l, "the application's connection ended: %s", strerror(-error));
}

static void event(struct app *a, struct live *l, const struct ob_app_event *e)
{
	switch (e->type) {
	case OB_CONNECTED:
		l->connected = e->error == 0;
		if (e->error)
			live_fail(l, "the engine cannot connect: %s", strerror(-e->error));
		break;
	case OB_CLOSED:
		closed(l, e->error);
		break;
	default:
		break;
	}
	a->touch(a->arg, l);
}

int app_events(struct app *a, struct env *env)
{
	struct ob_app_event e[APP_EVENTS];
	int n = ob_poll(a->ch, e, APP_EVENTS, 0);

	for (int i = 0; i < n; i++) {
		if (e[i].type == OB_ACCEPTED) {
			accepted(a, e[i].conn);
		} else if (e[i].user) {
			struct live *l = e[i].user;

			live_moved(l, env);
			event(a, l, &e[i]);
		}
	}
	return n;
}

// Reads all there is and compares it.
static void read_all(struct app *a, struct live *l, struct env *env)
{
	struct iovec iov[16];
	int n = -1;

	while (!l->failed && (n = ob_peek(a->ch, l->conn, iov, 16)) > 0) {
		size_t all = 0;

		for (int i = 0; i < n; i++) {
			if (!live_check(l, l->ours, l->host_read, iov[i].iov_base,
				    (uint32_t)iov[i].iov_len, "read by the application"))
				return;
			l->host_read += (int64_t)iov[i].iov_len;
			env->totals.host_bytes += iov[i].iov_len;
			all += iov[i].iov_len;
		}
		ob_consume(a->ch, l->conn, all);
		live_moved(l, env);
	}
	if (!l->failed && n == 0 && !l->peer_closed) {
		l->peer_closed = true;
		if (l->ours->fin != l->host_read)
			live_fail(l, "the stream ends at %lld, in the file it does not",
				(long long)l->host_read);
	}
}

// Sends up to `end`. Returns 0, -EAGAIN, or the connection's error.
static int send_until(struct app *a, struct live *l, int64_t end)
{
	while (l->host_sent < end) {
		const uint8_t *at = l->theirs->stream.data + l->host_sent;
		int64_t bytes = end - l->host_sent;
		uint8_t wrong;
		ssize_t n;

		if (bytes > CHUNK_BYTES)
			bytes = CHUNK_BYTES;
		if (l->flip_host >= l->host_sent) {
			if (l->flip_host == l->host_sent) {
				wrong = *at ^ 1;
				at = &wrong;
				bytes = 1;
			} else if (bytes > l->flip_host - l->host_sent) {
				bytes = l->flip_host - l->host_sent;
			}
		}
		n = ob_send(a->ch, l->conn, at, (size_t)bytes, 0);
		if (n < 0)
			return (int)n;
		l->flipped |= n > 0 && l->flip_host == l->host_sent;
		l->host_sent += n;
	}
	return 0;
}

// Does one cue. Returns whether it is done.
static bool do_cue(struct app *a, struct live *l, const struct cue *q)
{
	int e = 0;

	switch (q->kind) {
	case CUE_SEND:
		e = send_until(a, l, q->end);
		break;
	case CUE_FIN:
		e = ob_shutdown(a->ch, l->conn);
		l->host_fin = e == 0;
		break;
	case CUE_RESET:
		if (l->map.received < q->end)
			return false; // what was sent before is still on its way
		app_end(a, l, true);
		return true;
	}
	if (e == -EAGAIN)
		return false;
	if (e && l->ours->rst == NO_OFFSET && !l->dead)
		live_fail(l, "the application cannot send: %s", strerror(-e));
	return e == 0;
}

uint64_t app_run(struct app *a, struct live *l, struct env *env)
{
	if (!l->conn || !l->connected || l->failed)
		return UINT64_MAX;
	read_all(a, l, env);
	if (live_nothing_to_reset(l))
		l->cue++;
	while (!l->failed && !l->host_closed && l->conn && l->cue < l->plan->n_cues) {
		const struct cue *q = &l->plan->cues[l->cue];
		uint64_t due = live_due(l, env, q->t_ns);

		if (l->host_read + l->peer_closed < q->need)
			return UINT64_MAX;
		if (env->now_ns < due)
			return due;
		if (!do_cue(a, l, q))
			return UINT64_MAX;
		l->cue++;
	}
	return UINT64_MAX;
}

void app_end(struct app *a, struct live *l, bool reset)
{
	if (!l->conn)
		return;
	if (reset) {
		l->host_reset = true;
		ob_abort(a->ch, l->conn);
	} else {
		ob_close(a->ch, l->conn);
	}
	l->conn = 0;
}
