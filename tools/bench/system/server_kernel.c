// The server on the kernel's sockets.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/bench/system/server.h"

#define WATCHED (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

static ssize_t io_recv(void *ctx, uint64_t io, void *data, size_t len)
{
	ssize_t n = recv((int)io, data, len, 0);

	(void)ctx;
	return n < 0 ? -errno : n;
}

static ssize_t io_send(void *ctx, uint64_t io, const void *data, size_t len)
{
	ssize_t n = send((int)io, data, len, MSG_NOSIGNAL);

	(void)ctx;
	return n < 0 ? -errno : n;
}

static const struct server_ops kernel_ops = {io_recv, io_send};

static int listen_at(struct server *s)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(s->port)};
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd >= 0 && inet_pton(AF_INET, s->addr, &at.sin_addr) == 1
		&& setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0
		&& setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0 // inherited
		&& bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(fd, 4096) == 0)
		return fd;
	fprintf(stderr, "bench-server: cannot listen: %s\n", strerror(errno));
	return -1;
}

static void accept_all(int listener, int epoll)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct server_conn *c = server_begin((uint64_t)fd);
		struct epoll_event e = {.events = WATCHED, .data.ptr = c};

		if (!c || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e)) {
			server_end(c);
			close(fd);
		}
	}
}

int server_kernel(struct server *s)
{
	struct epoll_event e[SERVER_BATCH], l = {.events = EPOLLIN};
	int epoll = epoll_create1(EPOLL_CLOEXEC), listener = listen_at(s), n = 0;
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	if (epoll < 0 || listener < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &l))
		return 1;
	server_ready();
	while (!server_stopped && (n >= 0 || errno == EINTR)) {
		n = epoll_wait(epoll, e, SERVER_BATCH, s->idle == SERVER_YIELD ? 0 : 1000);
		for (int i = 0; i < n; i++) {
			struct server_conn *c = e[i].data.ptr;

			if (!c) {
				accept_all(listener, epoll);
			} else if (!server_event(s, &kernel_ops, NULL, c)) {
				close((int)c->io);
				server_end(c);
			}
		}
		if (n == 0 && s->idle == SERVER_YIELD)
			sched_yield();
	}
	return server_stopped ? 0 : 1;
}
