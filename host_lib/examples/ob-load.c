// Load on the host library: many connections that move a checked payload both ways, as a client
// or a server. Its counterpart on the kernel's sockets is tests/netns/kpeer.c.
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host_lib/examples/load.h"
#include "outboard.h"

#define BATCH 256

struct conn {
	struct load_conn l;
	ob_conn_t id;
	uint32_t at; // in worker.conns
	bool connected;
};

struct worker {
	const struct load_opts *o;
	struct ob_channel *ch;
	struct ob_endpoint to; // or where to listen
	pthread_t thread;
	uint64_t share; // client: connections that this thread makes
	uint64_t at_once;
	uint64_t first_id;
	struct conn **conns; // those under way
	uint32_t n_conns;
	uint32_t cap;
	int64_t begun_us;
	int64_t progress_us;
	struct load_stats stats;
};

static volatile sig_atomic_t stopped;
static _Atomic uint64_t served;
static _Atomic unsigned int listening;

static void on_signal(int sig)
{
	(void)sig;
	stopped = 1;
}

static struct conn *conn_new(struct worker *w)
{
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
	if (!c)
		return NULL;
	c->at = w->n_conns;
	w->conns[w->n_conns++] = c;
	w->stats.started++;
	return c;
}

static void conn_end(struct worker *w, struct conn *c, bool well)
{
	load_ended(&w->stats, &c->l, well, w->progress_us);
	if (well)
		ob_close(w->ch, c->id);
	else
		ob_abort(w->ch, c->id);
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

// Reads what is there. Returns 0 or an error that ends the connection.
static int receive(struct worker *w, struct conn *c)
{
	struct iovec iov[8];
	int n;

	while (!c->l.eof && load_may_read(&c->l, w->o, w->progress_us)) {
		size_t len = 0;

		n = ob_peek(w->ch, c->id, iov, 8);
		if (n == -EAGAIN)
			return 0;
		if (n < 0)
			return n;
		c->l.eof = n == 0;
		for (int i = 0; i < n; i++) {
			load_rx(&c->l, iov[i].iov_base, iov[i].iov_len);
			len += iov[i].iov_len;
		}
		ob_consume(w->ch, c->id, len);
		w->stats.bytes_received += len;
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
		may = load_allowance(w->o, &w->stats, w->begun_us, w->progress_us);
		if (!may)
			return 0;
		n = ob_send(w->ch, c->id, data, len < may ? len : may, 0);
		if (n == -EAGAIN)
			return 0;
		if (n < 0)
			return (int)n;
		load_tx_done(&c->l, (size_t)n);
		w->stats.bytes_sent += (uint64_t)n;
	}
	return 0;
}

// Does what can be done for a connection now; it may be gone after this. over: the connection has
// ended in order, so that nothing more will come.
static void step(struct worker *w, struct conn *c, bool over)
{
	int error = receive(w, c);
	enum load_act act;

	if (!error && !over)
		error = transmit(w, c);
	if (error) {
		conn_fail(w, c, error, "stream");
		return;
	}
	act = load_act(&c->l, w->o, w->progress_us);
	if (act == LOAD_SHUT && !over) {
		ob_shutdown(w->ch, c->id);
		c->l.shut = true;
		act = load_act(&c->l, w->o, w->progress_us);
	}
	if (act == LOAD_CLOSE)
		conn_end(w, c, true);
	else if (act == LOAD_FAIL || (over && !c->l.resume_us))
		conn_fail(w, c, -EPROTO, c->l.wrong ? "wrong byte" : "early end");
}

static void handle(struct worker *w, const struct ob_app_event *e)
{
	struct conn *c = e->user;

	switch (e->type) {
	case OB_ACCEPTED:
		c = conn_new(w);
		if (!c) {
			load_error(&w->stats, -ENOMEM, "accept");
			ob_abort(w->ch, e->conn);
			return;
		}
		load_begin_server(&c->l);
		c->id = e->conn;
		c->connected = true;
		ob_set_user(w->ch, e->conn, c);
		return;
	case OB_CONNECTED:
		if (e->error) {
			conn_fail(w, c, e->error, "connect");
			return;
		}
		c->connected = true;
		step(w, c, false);
		return;
	case OB_READABLE:
	case OB_WRITABLE:
	case OB_PEER_CLOSED:
		step(w, c, false);
		return;
	case OB_CLOSED:
		if (e->error)
			conn_fail(w, c, e->error, "closed");
		else
			step(w, c, true);
		return;
	}
}

static void launch(struct worker *w)
{
	while (w->n_conns < w->at_once && w->stats.started < w->share && !stopped) {
		struct conn *c = conn_new(w);
		int error;

		if (!c)
			return;
		load_begin_client(&c->l, w->o, w->first_id + w->stats.started - 1);
		error = ob_connect(w->ch, &w->to, NULL, c, &c->id);
		if (!error)
			continue;
		// No room now: as if it had not been tried.
		w->stats.started--;
		w->n_conns--;
		free(c);
		if (error != -EAGAIN && error != -ENFILE)
			load_error(&w->stats, error, "connect");
		return;
	}
}

// What only time brings about.
static void tick(struct worker *w)
{
	for (uint32_t i = w->n_conns; i-- > 0;)
		if (i < w->n_conns && w->conns[i]->connected)
			step(w, w->conns[i], false);
}

static bool finished(const struct worker *w)
{
	if (w->stats.first_what && strcmp(w->stats.first_what, "engine") == 0)
		return true;
	if (w->o->connect)
		return w->n_conns == 0 && (stopped || w->stats.started == w->share);
	return stopped || (w->o->conns && atomic_load(&served) >= w->o->conns);
}

static bool stuck(struct worker *w, uint64_t *seen)
{
	uint64_t now = w->stats.bytes_sent + w->stats.bytes_received + w->stats.completed
		+ w->stats.failed;
	static _Thread_local int64_t since_us;

	if (now != *seen || !w->n_conns || !since_us) {
		*seen = now;
		since_us = w->progress_us;
	}
	return (double)(w->progress_us - since_us) > w->o->timeout_s * 1e6;
}

static bool start_listening(struct worker *w)
{
	int l = ob_listen(w->ch, &w->to, 1024, NULL);
	int error = l < 0 ? l : ob_listen_wait(w->ch, l, NULL, 5000000);

	if (error) {
		load_error(&w->stats, error, "listen");
		return false;
	}
	if (atomic_fetch_add(&listening, 1) + 1 == w->o->threads && !w->o->quiet) {
		puts("ready");
		fflush(stdout);
	}
	return true;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	const struct load_opts *o = w->o;
	bool timed = o->rate || o->pause_read_s > 0 || o->hold_s > 0;
	struct ob_app_event e[BATCH];
	int64_t ticked_us = 0;
	uint64_t seen = 0;
	int n;

	w->begun_us = w->progress_us = load_now_us();
	if (o->listen && !start_listening(w))
		return NULL;
	while (!finished(w)) {
		if (o->connect)
			launch(w);
		n = ob_poll(w->ch, e, BATCH, timed ? 1000 : 100000);
		w->progress_us = load_now_us();
		if (n < 0) {
			load_error(&w->stats, n, "engine");
			break;
		}
		for (int i = 0; i < n; i++)
			handle(w, &e[i]);
		if (timed && w->progress_us - ticked_us >= 1000) {
			tick(w);
			ticked_us = w->progress_us;
		}
		if (stopped && o->connect)
			break;
		if (stuck(w, &seen)) {
			load_error(&w->stats, -ETIMEDOUT, "no progress");
			break;
		}
	}
	while (w->n_conns)
		conn_end(w, w->conns[0], false);
	ob_flush(w->ch);
	return NULL;
}

// ADDR:PORT, or PORT alone for any address.
static int endpoint(const char *text, struct ob_endpoint *ep)
{
	char any[OB_ENDPOINT_TEXT];

	if (strchr(text, ':'))
		return ob_endpoint_parse(text, ep);
	snprintf(any, sizeof(any), "*:%s", text);
	return ob_endpoint_parse(any, ep);
}

static int attach(const struct load_opts *o, struct ob_host **host)
{
	struct ob_attach_opts a;
	char reason[128] = "";
	uint64_t slots = o->concurrent < 2048 ? 4096 : o->concurrent * 2;
	uint64_t mem = o->concurrent * 65536;
	int error;

	ob_attach_opts_init(&a);
	a.socket = o->socket;
	a.channels = o->threads;
	a.reason = reason;
	a.reason_bytes = sizeof(reason);
	a.accept_slots = o->listen ? (uint32_t)slots : 1;
	a.connect_slots = o->connect ? (uint32_t)slots : o->threads;
	mem = mem < 32u << 20 ? 32u << 20 : mem > 128u << 20 ? 128u << 20 : mem;
	a.rx_bytes = a.tx_bytes = mem;
	error = ob_attach(&a, host);
	if (error)
		fprintf(stderr, "ob-load: cannot attach: %s\n",
			*reason ? reason : strerror(-error));
	return error;
}

int main(int argc, char **argv)
{
	struct sigaction act = {.sa_handler = on_signal};
	struct load_stats total = {0};
	struct load_opts o;
	struct ob_host *host;
	struct worker *w;
	int64_t begun_us;
	int status;

	load_parse(&o, argc, argv);
	w = calloc(o.threads, sizeof(*w));
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	if (!w || attach(&o, &host))
		return 2;
	begun_us = load_now_us();
	for (unsigned int i = 0; i < o.threads; i++) {
		w[i].o = &o;
		w[i].first_id = o.conns * i / o.threads;
		w[i].share = o.conns * (i + 1) / o.threads - w[i].first_id;
		w[i].at_once = o.concurrent * (i + 1) / o.threads - o.concurrent * i / o.threads;
		if (endpoint(o.connect ? o.connect : o.listen, &w[i].to)
			|| ob_channel_open(host, &w[i].ch)) {
			fprintf(stderr, "ob-load: no such address\n");
			return 2;
		}
		pthread_create(&w[i].thread, NULL, work, &w[i]);
	}
	for (unsigned int i = 0; i < o.threads; i++) {
		pthread_join(w[i].thread, NULL);
		load_merge(&total, &w[i].stats);
		free(w[i].conns);
	}
	status = load_print(&o, &total, (double)(load_now_us() - begun_us) / 1e6);
	ob_detach(host);
	free(w);
	return status;
}
