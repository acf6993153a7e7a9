// Connecting and listening: how each ended, and after how long.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/netns/lib2/host.h"

struct one {
	const char *to;
	int64_t begun_us;
};

static void report(const struct one *one, int error)
{
	printf("%s %s %lld ms\n", one->to, host_error_name(error),
		(long long)(host_now_us() - one->begun_us) / 1000);
}

static unsigned int open_all(
	struct host_opts *o, struct ob_channel *ch, int argc, char **argv, struct one *all)
{
	struct ob_endpoint to, from = {.port = 0};
	unsigned int n = 0, pending = 0;
	ob_conn_t conn;
	int error;

	if (o->from)
		host_endpoint(o->from, &from);
	for (int i = 0; i < argc; i++) {
		host_endpoint(argv[i], &to);
		for (unsigned int k = 0; k < o->count; k++, n++) {
			all[n] = (struct one){argv[i], host_now_us()};
			error = ob_connect(ch, &to, o->from ? &from : NULL, &all[n], &conn);
			if (error)
				report(&all[n], error);
			else
				pending++;
		}
	}
	return pending;
}

int cmd_connect(struct host_opts *o, int argc, char **argv)
{
	struct ob_host *h = host_attach(o);
	struct ob_channel *ch = host_channel(h);
	struct one *all = calloc((size_t)argc * o->count + 1, sizeof(*all));
	unsigned int pending = open_all(o, ch, argc, argv, all);
	struct ob_app_event ev[16];

	while (pending) {
		int n = ob_poll(ch, ev, 16, o->timeout_us);

		host_check(n, "poll");
		if (n == 0) {
			printf("%u pending\n", pending);
			return 1;
		}
		for (int i = 0; i < n; i++) {
			if (ev[i].type != OB_CONNECTED)
				continue;
			report(ev[i].user, ev[i].error);
			pending--;
			if (ev[i].error || !o->keep)
				ob_close(ch, ev[i].conn);
		}
	}
	if (o->keep) {
		printf("ready\n");
		while (!host_ended)
			host_check(ob_poll(ch, ev, 16, -1), "poll");
	}
	ob_detach(h);
	free(all);
	return 0;
}

int cmd_listen(struct host_opts *o, int argc, char **argv)
{
	struct ob_host *h = host_attach(o);
	struct ob_channel *ch = host_channel(h);
	struct ob_app_event ev[16];
	struct ob_endpoint at;
	uint16_t port = 0;

	for (int i = 0; i < argc; i++) {
		int listener, error;

		host_endpoint(argv[i], &at);
		listener = ob_listen(ch, &at, o->backlog, NULL);
		error = listener < 0 ? listener : ob_listen_wait(ch, listener, &port, 5000000);
		printf("%s %s %u\n", argv[i], host_error_name(error),
			error ? 0u : (unsigned int)port);
	}
	printf("ready\n");
	while (!host_ended) {
		int n = ob_poll(ch, ev, 16, -1);

		host_check(n, "poll");
		for (int i = 0; i < n; i++) {
			if (ev[i].type == OB_ACCEPTED)
				printf("accepted %u\n", ev[i].listener);
			if (ev[i].type == OB_PEER_CLOSED || ev[i].type == OB_CLOSED)
				ob_close(ch, ev[i].conn);
		}
	}
	ob_detach(h);
	return 0;
}
