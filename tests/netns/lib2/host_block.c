// Blocks in one call of the library until the engine ends it, and says what it returned.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "tests/netns/lib2/host.h"

#define BULK_BYTES (64u << 20)

static struct ob_channel *ch;
static struct ob_endpoint at;

static int listener_up(void)
{
	int listener = ob_listen(ch, &at, 0, NULL);

	host_check(listener, "listen");
	host_check(ob_listen_wait(ch, listener, NULL, 5000000), "listen");
	return listener;
}

// A connection to `at`, which takes it and says nothing.
static ob_conn_t connected(void)
{
	ob_conn_t conn;

	host_check(ob_connect(ch, &at, NULL, NULL, &conn), "connect");
	host_check(ob_connect_wait(ch, conn, 5000000), "connect");
	return conn;
}

// Written last before the call: the script waits for it, and for the thread to sleep.
static void blocks(void)
{
	printf("blocks\n");
}

// The script stops the engine first, so that nothing answers.
static int in_listen(void)
{
	int listener;

	printf("attached\n");
	host_wait_end();
	blocks();
	listener = ob_listen(ch, &at, 0, NULL);
	host_check(listener, "listen");
	return ob_listen_wait(ch, listener, NULL, -1);
}

static int in_attach(void)
{
	struct ob_host *other;

	printf("attached\n");
	host_wait_end();
	blocks();
	return ob_attach(NULL, &other);
}

static int in_accept(void)
{
	int listener = listener_up();
	ob_conn_t conn;

	blocks();
	return ob_accept_wait(ch, listener, &conn, -1);
}

static int in_connect(void)
{
	ob_conn_t conn;

	host_check(ob_connect(ch, &at, NULL, NULL, &conn), "connect");
	blocks();
	return ob_connect_wait(ch, conn, -1);
}

static int in_send(void)
{
	ob_conn_t conn = connected();
	uint8_t *data = calloc(1, BULK_BYTES);
	int rc;

	blocks();
	rc = ob_send_all(ch, conn, data, BULK_BYTES, 0, NULL, -1);
	free(data);
	return rc;
}

static int in_recv(void)
{
	ob_conn_t conn = connected();
	uint8_t byte;

	blocks();
	return (int)ob_recv_wait(ch, conn, &byte, 1, -1);
}

static int poll_for(int64_t timeout_us)
{
	struct ob_app_event ev[8];
	int n;

	connected();
	blocks();
	// Events of connections that end come first.
	while ((n = ob_poll(ch, ev, 8, timeout_us)) >= 0)
		;
	return n;
}

static int in_poll(void)
{
	return poll_for(-1);
}

static int in_busy_poll(void)
{
	return poll_for(0);
}

static int in_epoll(void)
{
	struct epoll_event e = {.events = EPOLLIN};
	int fd = epoll_create1(0), n;
	struct ob_app_event ev[8];

	connected();
	epoll_ctl(fd, EPOLL_CTL_ADD, ob_fd(ch), &e);
	blocks();
	for (;;) {
		while ((n = ob_poll(ch, ev, 8, 0)) > 0)
			;
		if (n < 0)
			return n;
		n = ob_arm(ch);
		if (n < 0)
			return n;
		if (n == 0)
			epoll_wait(fd, &e, 1, -1);
	}
}

static const struct {
	const char *name;
	int (*run)(void);
} ways[] = {
	{"attach", in_attach},
	{"listen_wait", in_listen},
	{"accept_wait", in_accept},
	{"connect_wait", in_connect},
	{"send_all", in_send},
	{"recv_wait", in_recv},
	{"poll", in_poll},
	{"busy_poll", in_busy_poll},
	{"epoll", in_epoll},
};

// Everything that is tried on a dead engine gives -EPIPE, but closing.
static void check_dead(struct ob_host *h)
{
	struct ob_host_info info;
	struct ob_channel *other;
	ob_conn_t conn;

	ob_host_info(h, &info);
	// A host that has not waited for anything finds out by its next polls.
	while (!info.gone) {
		struct ob_app_event ev;

		ob_poll(ch, &ev, 1, 1000);
		ob_host_info(h, &info);
	}
	printf("then gone %d connect %s", info.gone,
		host_error_name(ob_connect(ch, &at, NULL, NULL, &conn)));
	printf(" listen %s", host_error_name(ob_listen(ch, &at, 0, NULL)));
	printf(" flush %s", host_error_name(ob_flush(ch)));
	printf(" arm %s", host_error_name(ob_arm(ch)));
	printf(" channel %s\n", host_error_name(ob_channel_open(h, &other)));
	ob_detach(h);
}

int cmd_block(struct host_opts *o, int argc, char **argv)
{
	struct ob_host *h;

	if (argc != 2)
		return 2;
	host_endpoint(argv[1], &at);
	for (unsigned int i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		if (strcmp(argv[0], ways[i].name) != 0)
			continue;
		o->attach.channels = 2;
		o->attach.rx_bytes = o->attach.tx_bytes = 4 << 20;
		h = host_attach(o);
		ch = host_channel(h);
		printf("%s %s\n", argv[0], host_error_name(ways[i].run()));
		check_dead(h);
		return 0;
	}
	return 2;
}
