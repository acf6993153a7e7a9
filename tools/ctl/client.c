#include "tools/ctl/client.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_SECONDS 5

static int __attribute__((format(printf, 3, 4)))
fail(struct client *c, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(c->err, sizeof(c->err), format, args);
	va_end(args);
	return error;
}

static const char *why_not(int error)
{
	switch (error) {
	case ENOENT:
		return "no engine has this socket";
	case ECONNREFUSED:
		return "the engine of this socket is gone";
	case EACCES:
		return "permission denied: see engine.socket_mode and engine.socket_group";
	default:
		return strerror(error);
	}
}

int client_open(struct client *c, const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct timeval limit = {.tv_sec = ANSWER_SECONDS};

	c->fd = -1;
	if (strlen(path) >= sizeof(sa.sun_path))
		return fail(c, -ENAMETOOLONG, "%.60s...: longer than a socket's name can be", path);
	strcpy(sa.sun_path, path);
	c->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return fail(c, -errno, "socket: %s", strerror(errno));
	setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(c->fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		int error = errno;

		client_close(c);
		return fail(c, -error, "%s: %s", path, why_not(error));
	}
	return 0;
}

void client_close(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

// Whether a message of `len` bytes is the page that was asked for.
static int check_page(struct client *c, const struct ob_msg_ctl_page *p, size_t len,
	const struct ob_msg_ctl *q, uint32_t row_bytes)
{
	if (len < sizeof(p->h) || p->h.magic != OB_ABI_MAGIC)
		return fail(c, -EPROTO, "the answer is not an engine's");
	if (p->h.abi_version != OB_ABI_VERSION)
		return fail(c, -EPROTO, "the engine speaks ABI version %u, this outboardctl %u",
			p->h.abi_version, OB_ABI_VERSION);
	if (len < sizeof(*p) || p->h.type != OB_MSG_CTL_PAGE || p->what != q->what)
		return fail(c, -EPROTO, "the answer is to another question");
	if (p->error != 0)
		return fail(c, p->error < 0 ? p->error : -EPROTO, "the engine refuses: %.*s (%s)",
			(int)sizeof(p->reason), p->reason, strerror(abs(p->error)));
	if (p->n_rows != 0 && p->row_bytes != row_bytes)
		return fail(c, -EPROTO, "rows of %u bytes, not %u: engine and outboardctl differ",
			p->row_bytes, row_bytes);
	if ((uint64_t)p->n_rows * row_bytes > len - sizeof(*p))
		return fail(c, -EPROTO, "the answer is shorter than it says");
	if (p->next != 0 && p->next <= q->cursor)
		return fail(c, -EPROTO, "the answer goes backwards");
	return 0;
}

static int ask_page(
	struct client *c, const struct ob_msg_ctl *q, struct ob_msg_ctl_page *p, uint32_t row_bytes)
{
	ssize_t n;

	if (send(c->fd, q, sizeof(*q), MSG_NOSIGNAL) < 0)
		return fail(c, -errno, "the engine does not listen: %s", strerror(errno));
	do {
		n = recv(c->fd, p, OB_CTL_PAGE_BYTES, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return fail(c, -ETIMEDOUT, "no answer within %d s", ANSWER_SECONDS);
	if (n < 0)
		return fail(c, -errno, "no answer: %s", strerror(errno));
	if (n == 0)
		return fail(c, -EPIPE, "the engine closed the connection");
	return check_page(c, p, (size_t)n, q, row_bytes);
}

static int append(struct client *c, struct rows *out, const struct ob_msg_ctl_page *p)
{
	size_t have = (size_t)out->n * out->row_bytes;
	size_t more = (size_t)p->n_rows * out->row_bytes;
	uint8_t *at;

	if (more == 0)
		return 0;
	at = realloc(out->at, have + more);
	if (at == NULL)
		return fail(c, -ENOMEM, "out of memory");
	memcpy(at + have, p + 1, more);
	out->at = at;
	out->n += p->n_rows;
	return 0;
}

int client_ask(struct client *c, uint32_t what, uint32_t row_bytes, struct rows *out)
{
	struct ob_msg_ctl q = {
		.h = {.magic = OB_ABI_MAGIC, .abi_version = OB_ABI_VERSION, .type = OB_MSG_CTL},
		.what = what,
	};
	struct ob_msg_ctl_page *p = malloc(OB_CTL_PAGE_BYTES);
	int r;

	*out = (struct rows){.row_bytes = row_bytes};
	if (p == NULL)
		return fail(c, -ENOMEM, "out of memory");
	do {
		r = ask_page(c, &q, p, row_bytes);
		if (r == 0)
			r = append(c, out, p);
		q.cursor = p->next;
	} while (r == 0 && q.cursor != 0);
	free(p);
	if (r != 0) {
		free(out->at);
		out->at = NULL;
		out->n = 0;
	}
	return r;
}
