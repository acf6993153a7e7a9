// The kernel's end of the netns tests: what ob-load does, on plain sockets and epoll.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host_lib/examples/load.h"

#define BATCH 256
#define READ_BYTES 65536
#define PORT_WAIT_US 20000

struct conn {
	struct load_conn l;
	int fd;
	uint32_t at; // in worker.conns
	bool connected;
};

struct worker {
	const struct load_opts *o;
	struct sockaddr_storage to; // or where to listen
	socklen_t to_len;
	pthread_t thread;
	uint64_t share;
	uint64_t at_once;
	uint64_t first_id;
	struct conn **conns;
	uint32_t n_conns;
	uint32_t cap;
	int epoll_fd;
	int listen_fd;
	int64_t begun_us;
	int64_t now_us;
	int64_t port_us; // there was no free port: when to ask for one again, else 0
	uint64_t port_waits;
	struct load_stats stats;
	uint8_t buf[READ_BYTES];
};

static volatile sig_atomic_t stopped;
static _Atomic uint64_t served;
static _Atomic unsigned int listening;

static void on_signal(int sig)
{
	(void)sig;
	stopped = 1;
}

static struct conn *conn_new(struct worker *w, int fd)
{
	struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
	struct conn *c = calloc(1, sizeof(*c));

	if (c && w->n_conns == w->cap) {
		uint32_t cap = w->cap ? w->cap * 2 : 256;
		struct conn **grown = realloc(w->conns, cap * sizeof(struct conn *));

		if (!grown) {
			free(c);
			return NULL;
		}
		w->conns = grown;
		w->cap = cap;
	}
	e.data.ptr = c;
	if (!c || epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &e)) {
		free(c);
		return NULL;
	}
	c->fd = fd;
	c->at = w->n_conns;
	w->conns[w->n_conns++] = c;
	w->stats.started++;
	return c;
}

static void conn_end(struct worker *w, struct conn *c, bool well)
{
	struct linger reset = {.l_onoff = 1};

	load_ended(&w->stats, &c->l, well, w->now_us);
	if (!well)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(c->fd);
	w->conns[c->at] = w->conns[--w->n_conns];
	w->conns[c->at]->at = c->at;
	free(c);
	atomic_fetch_add(&served, 1);
}

static void conn_fail(struct worker *w, struct conn *c, int error, const char *what)
{
	load_error(&w->stats, error, what);
	conn_end(w, c, false);
}

static int receive(struct worker *w, struct conn *c)
{
	while (!c->l.eof && load_may_read(&c->l, w->o, w->now_us)) {
		ssize_t n = recv(c->fd, w->buf, sizeof(w->buf), 0);

		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		c->l.eof = n == 0;
		load_rx(&c->l, w->buf, (size_t)n);
		w->stats.bytes_received += (uint64_t)n;
	}
	return 0;
}

static int transmit(struct worker *w, struct conn *c)
{
	const void *data;
	size_t len;
	size_t may;
	ssize_t n;

	while ((data = load_tx(&c->l, &len)) != NULL) {
		may = load_allowance(w->o, &w->stats, w->begun_us, w->now_us);
		if (!may)
			return 0;
		n = send(c->fd, data, len < may ? len : may, MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		load_tx_done(&c->l, (size_t)n);
		w->stats.bytes_sent += (uint64_t)n;
	}
	return 0;
}

static void step(struct worker *w, struct conn *c)
{
	int error = 0;
	socklen_t len = sizeof(error);
	enum load_act act;

	if (!c->connected) {
		getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
		if (error) {
			conn_fail(w, c, -error, "connect");
			return;
		}
		c->connected = true;
	}
	error = receive(w, c);
	if (!error)
		error = transmit(w, c);
	if (error) {
		conn_fail(w, c, error, "stream");
		return;
	}
	act = load_act(&c->l, w->o, w->now_us);
	if (act == LOAD_SHUT) {
		shutdown(c->fd, SHUT_WR);
		c->l.shut = true;
		act = load_act(&c->l, w->o, w->now_us);
	}
	if (act == LOAD_CLOSE)
		conn_end(w, c, true);
	else if (act == LOAD_FAIL)
		conn_fail(w, c, -EPROTO, c->l.wrong ? "wrong byte" : "early end");
}

static void accept_all(struct worker *w)
{
	struct conn *c;
	int fd;

	while ((fd = accept4(w->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		c = conn_new(w, fd);
		if (!c) {
			load_error(&w->stats, -ENOMEM, "accept");
			close(fd);
			continue;
		}
		load_begin_server(&c->l);
		c->connected = true;
	}
	if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
		load_error(&w->stats, -errno, "accept");
}

// Returns whether to go on launching now.
static bool launch_one(struct worker *w)
{
	int fd = socket(w->to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct conn *c;

	if (fd < 0) {
		load_error(&w->stats, -errno, "socket");
		return false;
	}
	if (connect(fd, (struct sockaddr *)&w->to, w->to_len) && errno != EINPROGRESS) {
		// All ports of this address are in TIME-WAIT: some will be free soon. To find none takes
		// the kernel milliseconds, in which the connections that there are stand still.
		if (errno == EADDRNOTAVAIL || errno == EAGAIN) {
			w->port_us = load_now_us() + PORT_WAIT_US;
			w->port_waits++;
		} else {
			load_error(&w->stats, -errno, "connect");
			w->stats.started++;
			w->stats.failed++;
		}
		close(fd);
		return false;
	}
	w->port_us = 0;
	c = conn_new(w, fd);
	if (!c) {
		load_error(&w->stats, -ENOMEM, "connect");
		close(fd);
		return false;
	}
	load_begin_client(&c->l, w->o, w->first_id + w->stats.started - 1);
	return true;
}

static bool finished(const struct worker *w)
{
	if (stopped)
		return true;
	if (w->o->connect)
		return w->n_conns == 0 && w->stats.started >= w->share;
	return w->o->conns && atomic_load(&served) >= w->o->conns;
}

static int start_listening(struct worker *w)
{
	struct epoll_event e = {.events = EPOLLIN};
	int on = 1;

	w->listen_fd = socket(w->to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(w->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(w->listen_fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	if (w->listen_fd < 0 || bind(w->listen_fd, (struct sockaddr *)&w->to, w->to_len)
		|| listen(w->listen_fd, 4096)
		|| epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, w->listen_fd, &e)) {
		load_error(&w->stats, -errno, "listen");
		return -1;
	}
	if (atomic_fetch_add(&listening, 1) + 1 == w->o->threads && !w->o->quiet) {
		puts("ready");
		fflush(stdout);
	}
	return 0;
}

static bool stuck(struct worker *w, uint64_t *seen, int64_t *since_us)
{
	uint64_t now = w->stats.bytes_sent + w->stats.bytes_received + w->stats.completed
		+ w->stats.failed;

	// Nobody is to blame while there is no connection.
	if (now != *seen || (!w->n_conns && (w->o->listen || w->port_us))) {
		*seen = now;
		*since_us = w->now_us;
	}
	return (double)(w->now_us - *since_us) > w->o->timeout_s * 1e6;
}

// One round: launch, wait, handle. Returns false when it makes no sense to go on.
static bool turn(struct worker *w, bool timed, int64_t *ticked_us)
{
	struct epoll_event e[BATCH];
	int n;

	while (w->o->connect && w->n_conns < w->at_once && w->stats.started < w->share)
		if (w->now_us < w->port_us || !launch_one(w))
			break;
	n = epoll_wait(w->epoll_fd, e, BATCH, timed ? 1 : 20);
	w->now_us = load_now_us();
	for (int i = 0; i < n; i++) {
		if (e[i].data.ptr)
			step(w, e[i].data.ptr);
		else
			accept_all(w);
	}
	if (timed && w->now_us - *ticked_us >= 1000) {
		for (uint32_t i = w->n_conns; i-- > 0;)
			if (i < w->n_conns && w->conns[i]->connected)
				step(w, w->conns[i]);
		*ticked_us = w->now_us;
	}
	return n >= 0 || errno == EINTR;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	const struct load_opts *o = w->o;
	bool timed = o->rate || o->pause_read_s > 0 || o->hold_s > 0;
	int64_t since_us = load_now_us();
	int64_t ticked_us = 0;
	uint64_t seen = 0;

	w->begun_us = w->now_us = since_us;
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	w->listen_fd = -1;
	if (o->listen && start_listening(w))
		return NULL;
	while (!finished(w) && turn(w, timed, &ticked_us)) {
		if (stuck(w, &seen, &since_us)) {
			load_error(&w->stats, -ETIMEDOUT, "no progress");
			break;
		}
	}
	while (w->n_conns)
		conn_end(w, w->conns[0], false);
	if (w->listen_fd >= 0)
		close(w->listen_fd);
	close(w->epoll_fd);
	return NULL;
}

// [ADDR:]PORT, or [ADDR]:PORT for IPv6; without an address any.
static bool address(struct worker *w, const char *text)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&w->to;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&w->to;
	const char *colon = strrchr(text, ':');
	char host[64] = "0.0.0.0";
	uint16_t port = htons((uint16_t)atoi(colon ? colon + 1 : text));

	if (colon) {
		bool bracket = *text == '[';

		snprintf(host, sizeof(host), "%.*s", (int)(colon - text) - 2 * bracket,
			text + bracket);
	}
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = port;
		w->to_len = sizeof(*v4);
		return port != 0;
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = port;
	w->to_len = sizeof(*v6);
	return port != 0 && inet_pton(AF_INET6, host, &v6->sin6_addr) == 1;
}

int main(int argc, char **argv)
{
	struct sigaction act = {.sa_handler = on_signal};
	struct load_stats total = {0};
	struct load_opts o;
	struct worker *w;
	int64_t begun_us = load_now_us();
	uint64_t port_waits = 0;
	int status;

	load_parse(&o, argc, argv);
	w = calloc(o.threads, sizeof(*w));
	if (!w)
		return 2;
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	for (unsigned int i = 0; i < o.threads; i++) {
		w[i].o = &o;
		w[i].first_id = o.conns * i / o.threads;
		w[i].share = o.conns * (i + 1) / o.threads - w[i].first_id;
		w[i].at_once = o.concurrent * (i + 1) / o.threads - o.concurrent * i / o.threads;
		if (!address(&w[i], o.connect ? o.connect : o.listen)) {
			fprintf(stderr, "kpeer: no such address\n");
			return 2;
		}
		pthread_create(&w[i].thread, NULL, work, &w[i]);
	}
	for (unsigned int i = 0; i < o.threads; i++) {
		pthread_join(w[i].thread, NULL);
		load_merge(&total, &w[i].stats);
		port_waits += w[i].port_waits;
		free(w[i].conns);
	}
	if (port_waits)
		fprintf(stderr, "kpeer: waited %lu times for a free port\n", port_waits);
	status = load_print(&o, &total, (double)(load_now_us() - begun_us) / 1e6);
	free(w);
	return status;
}
