// Servers: an echo on every channel, and one that writes and is gone.
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/netns/lib2/host.h"

struct worker {
	pthread_t thread;
	struct ob_channel *ch;
	const struct ob_endpoint *at;
	unsigned int backlog;
	unsigned int conns;
	uint64_t bytes;
	int error;
	_Atomic bool up;
};

// Echoes what has come. Returns false when the connection is to be closed.
static bool echo(struct worker *w, ob_conn_t conn)
{
	struct iovec iov[8];
	int n;

	while ((n = ob_peek(w->ch, conn, iov, 8)) > 0) {
		for (int i = 0; i < n; i++) {
			ssize_t sent = ob_send(w->ch, conn, iov[i].iov_base, iov[i].iov_len, 0);

			if (sent < 0)
				return sent == -EAGAIN;
			ob_consume(w->ch, conn, (size_t)sent);
			w->bytes += (uint64_t)sent;
			if ((size_t)sent < iov[i].iov_len)
				break;
		}
	}
	return n == -EAGAIN; // 0: the peer has closed, and all of it went back
}

static void handle(struct worker *w, const struct ob_app_event *e)
{
	switch (e->type) {
	case OB_ACCEPTED:
		w->conns++;
		break;
	case OB_READABLE:
	case OB_WRITABLE:
	case OB_PEER_CLOSED:
		if (!echo(w, e->conn))
			ob_close(w->ch, e->conn);
		break;
	case OB_CLOSED:
		ob_close(w->ch, e->conn);
		break;
	}
}

static void *serve(void *arg)
{
	struct worker *w = arg;
	struct ob_app_event ev[64];
	int listener = ob_listen(w->ch, w->at, w->backlog, NULL);

	w->error = listener < 0 ? listener : ob_listen_wait(w->ch, listener, NULL, 5000000);
	atomic_store(&w->up, true);
	while (!w->error && !host_ended) {
		int n = ob_poll(w->ch, ev, 64, 50000);

		if (n < 0)
			w->error = n;
		for (int i = 0; i < n; i++)
			handle(w, &ev[i]);
	}
	return NULL;
}

int cmd_serve(struct host_opts *o, int argc, char **argv)
{
	unsigned int n = o->attach.channels ? o->attach.channels : 1;
	struct worker *w;
	struct ob_endpoint at;
	struct ob_host *h;
	int error = 0;

	if (argc != 1)
		return 2;
	w = calloc(n, sizeof(*w));
	host_check(w ? 0 : -ENOMEM, "memory");
	host_endpoint(argv[0], &at);
	h = host_attach(o);
	for (unsigned int i = 0; i < n; i++) {
		w[i].ch = host_channel(h);
		w[i].at = &at;
		w[i].backlog = o->backlog;
		if (pthread_create(&w[i].thread, NULL, serve, &w[i]))
			host_check(-EAGAIN, "thread");
	}
	for (unsigned int i = 0; i < n; i++)
		while (!atomic_load(&w[i].up))
			usleep(1000);
	printf("ready\n");
	for (unsigned int i = 0; i < n; i++) {
		pthread_join(w[i].thread, NULL);
		printf("channel %u: %u connections, %llu bytes, %s\n", i, w[i].conns,
			(unsigned long long)w[i].bytes, host_error_name(w[i].error));
		error |= w[i].error;
	}
	ob_detach(h);
	free(w);
	return error ? 1 : 0;
}

static void farewell_accept(
	struct ob_channel *ch, const char *text, ob_conn_t *conns, unsigned int n)
{
	struct ob_endpoint at;
	int listener;

	host_endpoint(text, &at);
	listener = ob_listen(ch, &at, n, NULL);
	host_check(listener, "listen");
	host_check(ob_listen_wait(ch, listener, NULL, 5000000), "listen");
	printf("ready\n");
	for (unsigned int i = 0; i < n; i++)
		host_check(ob_accept_wait(ch, listener, &conns[i], 10000000), "accept");
	printf("accepted\n");
}

int cmd_farewell(struct host_opts *o, int argc, char **argv)
{
	struct ob_host *h = host_attach(o);
	struct ob_channel *ch = host_channel(h);
	size_t bytes;
	uint8_t *data;
	ob_conn_t *conns;

	if (argc != 2)
		return 2;
	bytes = (size_t)atol(argv[1]);
	data = malloc(bytes);
	conns = calloc(o->count, sizeof(*conns));
	for (size_t i = 0; i < bytes; i++)
		data[i] = (uint8_t)(i * 2654435761u >> 24);
	farewell_accept(ch, argv[0], conns, o->count);
	if (o->keep)
		host_wait_end();
	for (unsigned int i = 0; i < o->count; i++) {
		host_check(ob_send_all(ch, conns[i], data, bytes, 0, NULL, 10000000), "send");
		host_check(ob_close(ch, conns[i]), "close");
	}
	free(data);
	free(conns);
	if (o->detach) {
		ob_detach(h);
		return 0;
	}
	host_check(ob_flush(ch), "flush");
	// Neither a detach nor a wait: the engine finds it all in the rings.
	_exit(0);
}
