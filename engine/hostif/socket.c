#include "engine/hostif/socket.h"

#include <errno.h>
#include <grp.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 64
#define SEND_FDS 64u
#define RECV_FDS 4u

#define FAIL(error, ...) (snprintf(err, err_bytes, __VA_ARGS__), (error))

static int make_dir(const char *path, char *err, size_t err_bytes)
{
	const char *slash = strrchr(path, '/');
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];

	if (!slash || slash == path)
		return 0;
	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	if (mkdir(dir, 0755) && errno != EEXIST)
		return FAIL(-errno, "directory %s: %s", dir, strerror(errno));
	return 0;
}

// Whether someone serves the socket. Otherwise it is removed.
static int clear_stale(const struct sockaddr_un *a, char *err, size_t err_bytes)
{
	int s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int rc;

	if (s < 0)
		return FAIL(-errno, "socket: %s", strerror(errno));
	rc = connect(s, (const struct sockaddr *)a, sizeof(*a)) ? -errno : 0;
	close(s);
	if (rc == -ENOENT)
		return 0;
	if (rc != -ECONNREFUSED)
		return FAIL(-EADDRINUSE, "%s: another engine serves it", a->sun_path);
	if (unlink(a->sun_path) && errno != ENOENT)
		return FAIL(-errno, "%s: %s", a->sun_path, strerror(errno));
	return 0;
}

static int group_id(const char *group, gid_t *gid)
{
	const struct group *g = getgrnam(group);
	char *end;

	if (g) {
		*gid = g->gr_gid;
		return 0;
	}
	*gid = (gid_t)strtoul(group, &end, 10);
	return *group && *end == 0 ? 0 : -ENOENT;
}

static int open_up(
	int s, const char *path, const char *mode, const char *group, char *err, size_t err_bytes)
{
	char *end;
	unsigned long bits = strtoul(mode, &end, 8);
	gid_t gid = (gid_t)-1;

	if (end == mode || *end || bits > 0777)
		return FAIL(-EINVAL, "engine.socket_mode: %s is no mode", mode);
	if (*group && group_id(group, &gid))
		return FAIL(-EINVAL, "engine.socket_group: there is no group %s", group);
	if (gid != (gid_t)-1 && chown(path, (uid_t)-1, gid))
		return FAIL(-errno, "%s: group %s: %s", path, group, strerror(errno));
	if (chmod(path, (mode_t)bits) || listen(s, BACKLOG))
		return FAIL(-errno, "%s: %s", path, strerror(errno));
	return 0;
}

int socket_listen(
	const char *path, const char *mode, const char *group, char *err, size_t err_bytes)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int s, rc;

	if (strlen(path) >= sizeof(a.sun_path))
		return FAIL(-ENAMETOOLONG, "%s: too long for a socket", path);
	strcpy(a.sun_path, path);
	rc = make_dir(path, err, err_bytes);
	if (rc == 0)
		rc = clear_stale(&a, err, err_bytes);
	if (rc)
		return rc;
	s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s < 0)
		return FAIL(-errno, "socket: %s", strerror(errno));
	// The file gets the mode that the descriptor has, and nobody may use it yet.
	if (fchmod(s, 0) || bind(s, (const struct sockaddr *)&a, sizeof(a))) {
		rc = FAIL(-errno, "%s: %s", path, strerror(errno));
		close(s);
		return rc;
	}
	rc = open_up(s, path, mode, group, err, err_bytes);
	if (rc) {
		unlink(path);
		close(s);
		return rc;
	}
	return s;
}

static int take_fds(struct msghdr *m)
{
	int first = -1;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		int fds[RECV_FDS + 1];

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || n > RECV_FDS + 1)
			continue;
		memcpy(fds, CMSG_DATA(c), n * sizeof(int));
		for (size_t i = 0; i < n; i++) {
			if (first < 0)
				first = fds[i];
			else
				close(fds[i]);
		}
	}
	return first;
}

ssize_t socket_recv(int s, void *buf, size_t cap, int *fd)
{
	alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(RECV_FDS * sizeof(int))];
	struct iovec v = {.iov_base = buf, .iov_len = cap};
	struct msghdr m = {.msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(s, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	*fd = -1;
	if (n < 0)
		return -errno;
	*fd = take_fds(&m);
	if (!(m.msg_flags & MSG_TRUNC))
		return n;
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	return -EMSGSIZE;
}

int socket_send(int s, const void *buf, size_t bytes, const int *fds, unsigned n)
{
	alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(SEND_FDS * sizeof(int))];
	struct iovec v = {.iov_base = (void *)(uintptr_t)buf, .iov_len = bytes};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};

	if (n > SEND_FDS)
		return -EINVAL;
	if (n) {
		struct cmsghdr *c;

		memset(control, 0, sizeof(control));
		m.msg_control = control;
		m.msg_controllen = CMSG_SPACE(n * sizeof(int));
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	}
	return sendmsg(s, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}
