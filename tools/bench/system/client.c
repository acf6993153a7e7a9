// bench-client: the load on the kernel's sockets, the same for a server on Outboard and for one on
// the kernel.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/bench/system/load.h"

#define BATCH 256
#define READ_BYTES (256u << 10)

struct client {
	struct load load;
	struct sockaddr_in to;
	int epoll;
	int *fds; // by connection, -1: none
	uint8_t *buf; // [READ_BYTES]
};

static void forget(struct client *c, uint32_t i)
{
	close(c->fds[i]);
	c->fds[i] = -1;
}

static int client_connect(void *ctx, uint32_t i)
{
	struct client *c = ctx;
	struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.u32 = i};
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	c->fds[i] = fd;
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0
		&& (connect(fd, (struct sockaddr *)&c->to, sizeof(c->to)) == 0
			|| errno == EINPROGRESS)
		&& epoll_ctl(c->epoll, EPOLL_CTL_ADD, fd, &e) == 0)
		return 0;
	fd = -errno;
	forget(c, i);
	return fd;
}

static size_t client_send(void *ctx, uint32_t i, const uint8_t *data, size_t len)
{
	struct client *c = ctx;
	ssize_t n = send(c->fds[i], data, len, MSG_NOSIGNAL);

	return n < 0 ? 0 : (size_t)n; // an error comes as an event, too
}

static void client_close(void *ctx, uint32_t i)
{
	struct client *c = ctx;

	forget(c, i);
	load_closed(&c->load, i, 0);
}

static uint64_t client_acked(void *ctx, uint32_t i)
{
	struct client *c = ctx;
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	getsockopt(c->fds[i], IPPROTO_TCP, TCP_INFO, &info, &len);
	return info.tcpi_bytes_acked;
}

static const struct load_ops client_ops = {client_connect, client_send, client_close, client_acked};

static int socket_error(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	return error ? -error : -ECONNRESET;
}

// Until nothing is left: a short read says so, too.
static void receive(struct client *c, uint32_t i)
{
	int fd = c->fds[i];
	ssize_t n;

	do {
		n = recv(fd, c->buf, READ_BYTES, 0);
		if (n > 0)
			load_received(&c->load, i, c->buf, (size_t)n);
	} while (n == (ssize_t)READ_BYTES && c->fds[i] == fd);
	if (c->fds[i] != fd || n > 0 || (n < 0 && errno == EAGAIN))
		return;
	n = n < 0 ? -errno : 0;
	forget(c, i);
	load_closed(&c->load, i, (int)n);
}

static void handle(struct client *c, uint32_t i, uint32_t events)
{
	if (c->fds[i] < 0)
		return; // closed while this burst was handled
	if (c->load.conns[i].state == LOAD_OPENS) {
		if (events & (EPOLLERR | EPOLLHUP)) {
			int error = socket_error(c->fds[i]);

			forget(c, i);
			load_closed(&c->load, i, error);
			return;
		}
		if (!(events & EPOLLOUT))
			return;
		load_connected(&c->load, i);
	} else if (events & EPOLLOUT) {
		load_writable(&c->load, i);
	}
	if (c->fds[i] >= 0 && (events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP)))
		receive(c, i);
}

static void run(struct client *c)
{
	struct epoll_event e[BATCH];

	while (load_step(&c->load)) {
		uint64_t wait_ns = load_next_ns(&c->load);
		struct timespec t = {(time_t)(wait_ns / 1000000000), (long)(wait_ns % 1000000000)};
		int n = epoll_pwait2(c->epoll, e, BATCH, &t, NULL);

		for (int k = 0; k < n; k++)
			handle(c, e[k].data.u32, e[k].events);
	}
}

static bool address(struct sockaddr_in *a, const char *text)
{
	char ip[INET_ADDRSTRLEN];
	unsigned port;

	*a = (struct sockaddr_in){.sin_family = AF_INET};
	if (sscanf(text, "%15[0-9.]:%u", ip, &port) != 2 || port > 65535)
		return false;
	a->sin_port = htons((uint16_t)port);
	return inet_pton(AF_INET, ip, &a->sin_addr) == 1;
}

int main(int argc, char **argv)
{
	struct client *c = calloc(1, sizeof(*c));
	struct load_opts o;
	struct rlimit files;
	uint8_t *msgs, *block;

	load_parse(&o, argc, argv, NULL);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	msgs = calloc(o.conns, LOAD_MSG_BYTES);
	block = malloc(LOAD_BLOCK_BYTES);
	if (!c || !msgs || !block || !(c->buf = malloc(READ_BYTES))
		|| !(c->fds = calloc(o.conns, sizeof(*c->fds)))
		|| load_init(&c->load, &o, &client_ops, c, msgs, block)) {
		fprintf(stderr, "bench-client: out of memory\n");
		return 2;
	}
	for (uint32_t i = 0; i < o.conns; i++)
		c->fds[i] = -1;
	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (c->epoll < 0 || !address(&c->to, o.to)) {
		fprintf(stderr, "bench-client: --to: no IPv4 address and port: %s\n", o.to);
		return 2;
	}
	run(c);
	return load_print(&c->load);
}
