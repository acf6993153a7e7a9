// A file server on the host library: HTTP/1.1 with GET, HEAD and PUT below one directory.
//
// Requests are parsed where they were received; only the answer's head is kept for a connection.
// Files go to the send arena piece by piece as the peer takes them, and uploads from the receive
// buffers to the file as they come, so that large ones need no more memory than small ones.
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host_lib/examples/http.h"
#include "host_lib/examples/serve.h"

#define DRAIN_BYTES (64u << 20) // of input that is thrown away before the server gives up

enum state {
	HEAD, // a request is awaited
	BODY, // an upload is coming
	REPLY, // the head is going out, and the file behind it
	DRAIN, // our side has ended; what still comes is dropped until the peer ends too
};

struct client {
	struct client *next; // all of a thread, see serve_thread.own
	struct client **before; // what points here
	enum state state;
	bool keep_alive;
	bool peer_closed;
	int fd; // of the file that goes out or comes in, or -1
	int dir_fd; // PUT: where the file will be
	uint64_t at; // next byte of the file
	uint64_t left; // bytes of the file or the upload
	uint64_t drained;
	uint32_t out_len; // of the head
	uint32_t out_done;
	char out[256];
	char temp[40]; // PUT: its name while it is incomplete
	char name[256];
};

static int root_fd;
static _Atomic unsigned int n_temps;

// Opens below the root and nowhere else, whatever links there are.
static int open_below(const char *path, uint64_t flags)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};

	return (int)syscall(SYS_openat2, root_fd, *path ? path : ".", &how, sizeof(how));
}

// Closes what the client has open; an upload that is not complete is removed.
static void drop_file(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	if (c->dir_fd >= 0) {
		if (*c->temp)
			unlinkat(c->dir_fd, c->temp, 0);
		close(c->dir_fd);
	}
	c->fd = c->dir_fd = -1;
	*c->temp = 0;
}

static struct client *client_new(struct serve_thread *t)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->fd = c->dir_fd = -1;
	c->next = t->own;
	c->before = (struct client **)&t->own;
	if (c->next)
		c->next->before = &c->next;
	t->own = c;
	return c;
}

static void client_free(struct client *c)
{
	*c->before = c->next;
	if (c->next)
		c->next->before = c->before;
	drop_file(c);
	free(c);
}

static void end(struct serve_thread *t, ob_conn_t conn, struct client *c)
{
	client_free(c);
	ob_close(t->ch, conn);
}

static void ended(struct serve_thread *t)
{
	while (t->own)
		client_free(t->own);
}

static void reply(struct client *c, int status, const char *type, uint64_t length)
{
	c->out_len = (uint32_t)snprintf(c->out, sizeof(c->out),
		"HTTP/1.1 %d %s\r\nContent-Length: %llu\r\nContent-Type: %s\r\n%s\r\n", status,
		http_reason(status), (unsigned long long)length, type,
		c->keep_alive ? "" : "Connection: close\r\n");
	c->out_done = 0;
	c->state = REPLY;
}

// An answer after which the connection ends: what the peer still sends is not understood.
static void refuse(struct client *c, int status)
{
	drop_file(c);
	c->keep_alive = false;
	c->left = 0;
	reply(c, status, "text/plain", 0);
}

static void get(struct client *c, const struct http_request *r)
{
	struct stat st;
	char index[HTTP_PATH_BYTES + 12];
	const char *path = r->path;
	size_t len = strlen(path);

	if (len == 0 || path[len - 1] == '/') {
		snprintf(index, sizeof(index), "%sindex.html", path);
		path = index;
	}
	c->fd = open_below(path, O_RDONLY | O_NONBLOCK);
	if (c->fd < 0 || fstat(c->fd, &st) || !S_ISREG(st.st_mode)) {
		int status = c->fd < 0 && (errno == EACCES || errno == EXDEV) ? 403 : 404;

		drop_file(c);
		reply(c, status, "text/plain", 0);
		return;
	}
	c->at = 0;
	c->left = r->method == HTTP_HEAD ? 0 : (uint64_t)st.st_size;
	reply(c, 200, http_type(path), (uint64_t)st.st_size);
}

static void put(
	struct serve_thread *t, ob_conn_t conn, struct client *c, const struct http_request *r)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	char dir[HTTP_PATH_BYTES];
	char *slash;

	if (!r->has_length) {
		refuse(c, 411);
		return;
	}
	strcpy(dir, r->path);
	slash = strrchr(dir, '/');
	snprintf(c->name, sizeof(c->name), "%s", slash ? slash + 1 : dir);
	*(slash ? slash : dir) = 0;
	if (!*c->name || strlen(slash ? slash + 1 : r->path) >= sizeof(c->name)) {
		refuse(c, 403);
		return;
	}
	c->dir_fd = open_below(dir, O_RDONLY | O_DIRECTORY);
	snprintf(c->temp, sizeof(c->temp), ".put-%d-%u", (int)getpid(),
		atomic_fetch_add(&n_temps, 1));
	if (c->dir_fd >= 0)
		c->fd = openat(c->dir_fd, c->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (c->fd < 0) {
		refuse(c, c->dir_fd < 0 ? 404 : 403);
		return;
	}
	c->at = 0;
	c->left = r->length;
	c->state = BODY;
	// Before anything else on this connection, so there is room unless memory has run out.
	if (r->expects_continue && c->left
		&& ob_send(t->ch, conn, go_on, sizeof(go_on) - 1, 0) != sizeof(go_on) - 1)
		refuse(c, 500);
}

// Each of these does one step of its state. Returns whether it got on.

static bool take_head(struct serve_thread *t, ob_conn_t conn, struct client *c)
{
	struct http_request r;
	struct iovec iov[16];
	char head[HTTP_HEAD_BYTES];
	size_t len = 0;
	size_t head_len;
	int status;
	int n = ob_peek(t->ch, conn, iov, 16);

	for (int i = 0; i < n && len < sizeof(head); i++) {
		size_t part = iov[i].iov_len;

		if (part > sizeof(head) - len)
			part = sizeof(head) - len;
		memcpy(head + len, iov[i].iov_base, part);
		len += part;
	}
	head_len = http_head_len(head, len);
	if (!head_len && n < 16 && len < sizeof(head)) {
		if (!c->peer_closed || !len)
			return false;
		refuse(c, 400); // half a request
		return true;
	}
	if (!head_len) {
		refuse(c, 431); // too long, or in too many pieces
		return true;
	}
	ob_consume(t->ch, conn, head_len);
	status = http_parse(&r, head, head_len);
	c->keep_alive = r.keep_alive;
	if (status)
		refuse(c, status);
	else if (r.method == HTTP_PUT)
		put(t, conn, c, &r);
	else if (r.method == HTTP_OTHER)
		refuse(c, 405);
	else if (r.length)
		refuse(c, 400); // a body where none belongs
	else
		get(c, &r);
	return true;
}

static bool take_body(struct serve_thread *t, ob_conn_t conn, struct client *c)
{
	struct iovec iov[16];
	ssize_t done;
	int n;
	int used = 0;

	if (!c->left) {
		bool good = renameat(c->dir_fd, c->temp, c->dir_fd, c->name) == 0;

		if (good)
			*c->temp = 0;
		drop_file(c);
		reply(c, good ? 201 : 403, "text/plain", 0);
		return true;
	}
	n = ob_peek(t->ch, conn, iov, 16);
	if (n <= 0)
		return false;
	for (uint64_t sum = 0; used < n && sum < c->left; sum += iov[used++].iov_len)
		if (iov[used].iov_len > c->left - sum)
			iov[used].iov_len = c->left - sum;
	done = pwritev(c->fd, iov, used, (off_t)c->at);
	if (done <= 0) {
		refuse(c, 507);
		return true;
	}
	ob_consume(t->ch, conn, (size_t)done);
	c->at += (uint64_t)done;
	c->left -= (uint64_t)done;
	return true;
}

static bool send_reply(struct serve_thread *t, ob_conn_t conn, struct client *c)
{
	ssize_t n;

	if (c->out_done < c->out_len) {
		n = ob_send(t->ch, conn, c->out + c->out_done, c->out_len - c->out_done,
			c->left ? OB_SEND_MORE : 0);
		if (n > 0)
			c->out_done += (uint32_t)n;
		return n > 0;
	}
	if (c->left) {
		size_t want = c->left < sizeof(t->buf) ? (size_t)c->left : sizeof(t->buf);

		n = pread(c->fd, t->buf, want, (off_t)c->at);
		if (n <= 0) { // shorter than it was: the promised length cannot be kept
			drop_file(c);
			c->left = 0;
			c->keep_alive = false;
			return true;
		}
		n = ob_send(t->ch, conn, t->buf, (size_t)n, 0);
		if (n <= 0)
			return false;
		c->at += (uint64_t)n;
		c->left -= (uint64_t)n;
		return true;
	}
	drop_file(c);
	c->state = c->keep_alive ? HEAD : DRAIN;
	if (c->state == DRAIN)
		ob_shutdown(t->ch, conn);
	return true;
}

static bool drain(struct serve_thread *t, ob_conn_t conn, struct client *c)
{
	ssize_t n = ob_recv(t->ch, conn, t->buf, sizeof(t->buf));

	if (n > 0)
		c->drained += (uint64_t)n;
	return n > 0 && c->drained < DRAIN_BYTES;
}

static void advance(struct serve_thread *t, ob_conn_t conn, struct client *c)
{
	bool on = true;
	struct iovec iov;

	while (on) {
		switch (c->state) {
		case HEAD:
			on = take_head(t, conn, c);
			break;
		case BODY:
			on = take_body(t, conn, c);
			break;
		case REPLY:
			on = send_reply(t, conn, c);
			break;
		case DRAIN:
			on = drain(t, conn, c);
			break;
		}
	}
	// The peer has ended its direction, and nothing more can come of this connection.
	if (c->drained >= DRAIN_BYTES || (c->state == HEAD && c->peer_closed)
		|| (c->state != REPLY && ob_peek(t->ch, conn, &iov, 1) == 0))
		end(t, conn, c);
}

static void event(struct serve_thread *t, const struct ob_app_event *e)
{
	struct client *c = e->user;

	switch (e->type) {
	case OB_ACCEPTED:
		c = client_new(t);
		if (!c) {
			ob_abort(t->ch, e->conn);
			return;
		}
		ob_set_user(t->ch, e->conn, c);
		return;
	case OB_READABLE:
	case OB_WRITABLE:
	case OB_PEER_CLOSED:
		c->peer_closed |= e->type == OB_PEER_CLOSED;
		advance(t, e->conn, c);
		return;
	case OB_CLOSED:
		end(t, e->conn, c);
		return;
	}
}

int main(int argc, char **argv)
{
	struct serve s
		= {.program = "ob-httpd", .threads = 1, .port = 80, .event = event, .ended = ended};
	const char *root = NULL;

	for (int i = 1; i < argc; i++) {
		if (serve_option(&s, argc, argv, &i))
			continue;
		if (strcmp(argv[i], "--root") == 0) {
			root = serve_value(argc, argv, &i);
			continue;
		}
		root = NULL;
		break;
	}
	if (!root) {
		fprintf(stderr, "usage: ob-httpd " SERVE_USAGE " --root DIR\n");
		return 2;
	}
	root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0) {
		fprintf(stderr, "ob-httpd: %s: %s\n", root, strerror(errno));
		return 1;
	}
	return serve_run(&s);
}
