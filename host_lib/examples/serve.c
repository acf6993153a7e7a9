#include "host_lib/examples/serve.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BATCH 256

static volatile sig_atomic_t stopped;
static _Atomic unsigned int listening;

static void on_signal(int sig)
{
	(void)sig;
	stopped = 1;
}

const char *serve_value(int argc, char **argv, int *i)
{
	if (*i + 1 >= argc) {
		fprintf(stderr, "%s: %s needs a value\n", argv[0], argv[*i]);
		exit(2);
	}
	return argv[++*i];
}

static unsigned long number(int argc, char **argv, int *i, unsigned long max)
{
	const char *name = argv[*i];
	const char *text = serve_value(argc, argv, i);
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || n == 0 || n > max) {
		fprintf(stderr, "%s: %s is 1 to %lu\n", argv[0], name, max);
		exit(2);
	}
	return n;
}

bool serve_option(struct serve *s, int argc, char **argv, int *i)
{
	if (strcmp(argv[*i], "--socket") == 0)
		s->socket = serve_value(argc, argv, i);
	else if (strcmp(argv[*i], "--addr") == 0)
		s->addr = serve_value(argc, argv, i);
	else if (strcmp(argv[*i], "--port") == 0)
		s->port = (uint16_t)number(argc, argv, i, 65535);
	else if (strcmp(argv[*i], "--threads") == 0)
		s->threads = (unsigned int)number(argc, argv, i, SERVE_MAX_THREADS);
	else if (strcmp(argv[*i], "--busy") == 0)
		s->busy = true;
	else
		return false;
	return true;
}

static int start(struct serve_thread *t)
{
	struct serve *s = t->s;
	struct ob_endpoint at;
	int l;
	int error;

	if (ob_endpoint_parse(s->addr ? s->addr : "*", &at))
		return -EINVAL;
	at.port = s->port;
	l = ob_listen(t->ch, &at, 0, NULL);
	error = l < 0 ? l : ob_listen_wait(t->ch, l, NULL, 10000000);
	if (!error && atomic_fetch_add(&listening, 1) + 1 == s->threads) {
		puts("ready");
		fflush(stdout);
	}
	return error;
}

static void *work(void *arg)
{
	struct serve_thread *t = arg;
	struct ob_app_event e[BATCH];
	int n;

	t->error = start(t);
	if (t->error)
		fprintf(stderr, "%s: cannot listen: %s\n", t->s->program, strerror(-t->error));
	while (!t->error && !stopped) {
		// The second is for a signal that comes just before the wait.
		n = ob_poll(t->ch, e, BATCH, t->s->busy ? 0 : 1000000);
		if (n == -EPIPE)
			fprintf(stderr, "%s: the engine is gone\n", t->s->program);
		if (n < 0)
			t->error = n;
		for (int i = 0; i < n; i++)
			if (e[i].conn)
				t->s->event(t, &e[i]);
	}
	if (t->s->ended)
		t->s->ended(t);
	if (t->error)
		kill(getpid(), SIGTERM); // ends the others
	return NULL;
}

static int attach(const struct serve *s, struct ob_host **host)
{
	struct ob_attach_opts o;
	char reason[128] = "";
	int error;

	ob_attach_opts_init(&o);
	o.socket = s->socket;
	o.channels = s->threads;
	o.connect_slots = s->threads;
	o.accept_slots = 16384;
	o.reason = reason;
	o.reason_bytes = sizeof(reason);
	error = ob_attach(&o, host);
	if (error)
		// The engine's own words say more than the number that goes with them.
		fprintf(stderr, "%s: cannot attach: %s\n", s->program,
			*reason ? reason : strerror(-error));
	return error;
}

int serve_run(struct serve *s)
{
	struct sigaction act = {.sa_handler = on_signal};
	sigset_t stop;
	struct ob_host *host;
	int status = 0;
	int sig;

	// Blocked here and in every thread; SIGUSR1 gets threads out of their sleep.
	sigemptyset(&stop);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &stop, NULL);
	sigaction(SIGUSR1, &act, NULL);
	s->all = calloc(s->threads, sizeof(*s->all));
	if (!s->all || attach(s, &host))
		return 1;
	for (unsigned int i = 0; i < s->threads; i++) {
		s->all[i].s = s;
		if (ob_channel_open(host, &s->all[i].ch)
			|| pthread_create(&s->all[i].thread, NULL, work, &s->all[i]))
			return 1;
	}
	sigwait(&stop, &sig);
	stopped = 1;
	for (unsigned int i = 0; i < s->threads; i++)
		pthread_kill(s->all[i].thread, SIGUSR1);
	for (unsigned int i = 0; i < s->threads; i++) {
		pthread_join(s->all[i].thread, NULL);
		status |= s->all[i].error != 0;
	}
	ob_detach(host);
	free(s->all);
	return status;
}
