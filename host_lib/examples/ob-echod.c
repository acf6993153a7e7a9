// An echo server on the host library: what comes in goes out, from receive buffers to the send
// arena, as fast as the peer takes it.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host_lib/examples/serve.h"

static uint64_t close_first; // bytes after which the server closes, 0: when the peer does

// The connection's pointer counts its bytes: nothing has to be allocated.
static void pump(struct serve_thread *t, ob_conn_t c, uintptr_t echoed)
{
	struct iovec iov[8];
	int n;

	while ((n = ob_peek(t->ch, c, iov, 8)) > 0) {
		for (int i = 0; i < n; i++) {
			size_t len = iov[i].iov_len;
			ssize_t sent;

			if (close_first && len > close_first - echoed)
				len = close_first - echoed;
			sent = ob_send(t->ch, c, iov[i].iov_base, len, 0);
			if (sent < 0) {
				ob_set_user(t->ch, c, (void *)echoed);
				return; // until OB_WRITABLE, or OB_CLOSED
			}
			ob_consume(t->ch, c, (size_t)sent);
			echoed += (uintptr_t)sent;
			if (close_first && echoed >= close_first) {
				ob_close(t->ch, c);
				return;
			}
			if ((size_t)sent < len)
				break; // look again: the rest begins somewhere else
		}
	}
	ob_set_user(t->ch, c, (void *)echoed);
	if (n == 0)
		ob_close(t->ch, c);
}

static void event(struct serve_thread *t, const struct ob_app_event *e)
{
	switch (e->type) {
	case OB_READABLE:
	case OB_WRITABLE:
	case OB_PEER_CLOSED:
		pump(t, e->conn, (uintptr_t)e->user);
		return;
	case OB_CLOSED:
		ob_close(t->ch, e->conn);
		return;
	}
}

int main(int argc, char **argv)
{
	struct serve s = {.program = "ob-echod", .threads = 1, .port = 7, .event = event};

	for (int i = 1; i < argc; i++) {
		if (serve_option(&s, argc, argv, &i))
			continue;
		if (strcmp(argv[i], "--close-first") == 0) {
			close_first = strtoull(serve_value(argc, argv, &i), NULL, 10);
			continue;
		}
		fprintf(stderr, "usage: ob-echod " SERVE_USAGE " [--close-first BYTES]\n");
		return 2;
	}
	return serve_run(&s);
}
