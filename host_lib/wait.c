// Blocking helpers: each waits for one thing and leaves all else for ob_poll().
#include <errno.h>

#include "host_lib/lib.h"

struct wait {
	int64_t timeout_us;
	int64_t deadline;
};

static struct wait wait_begin(int64_t timeout_us)
{
	return (struct wait){timeout_us, timeout_us > 0 ? now_us() + timeout_us : 0};
}

// Tells the engine what is asked for and takes what it says; with nothing new, sleeps for it.
// Returns 0 to look again, or an error.
static int wait_step(struct ob_channel *ch, struct wait *w)
{
	int64_t left = w->timeout_us;
	int n;

	ob_disarm(ch);
	flush(ch);
	n = intake(ch);
	if (n > 0)
		return 0;
	if (n < 0)
		return n;
	channel_check_gone(ch);
	if (channel_gone(ch))
		return -EPIPE;
	if (w->timeout_us >= 0) {
		left = w->timeout_us ? w->deadline - now_us() : 0;
		if (left <= 0)
			return -EAGAIN;
	}
	return channel_sleep(ch, left);
}

int ob_listen_wait(struct ob_channel *ch, int listener, uint16_t *port, int64_t timeout_us)
{
	struct listener *l = listener < 0 ? NULL : listener_get(ch, (uint32_t)listener);
	struct wait w = wait_begin(timeout_us);
	int error;

	if (!l || l->state == LISTENER_FREE)
		return -EBADF;
	while (l->state == LISTENER_PENDING) {
		error = wait_step(ch, &w);
		if (error)
			return error;
	}
	l->unreported = false;
	if (port)
		*port = l->port;
	if (l->state == LISTENER_FAILED)
		l->state = LISTENER_FREE;
	return l->error;
}

// The first connection of a listener that has not been reported.
static struct conn *accepted(struct ob_channel *ch, uint32_t listener)
{
	uint32_t link = ch->ready.head;

	while (link > LINK_END) {
		struct conn *c = &ch->conns[link - 2];

		if (c->ev & EV_BIT(OB_ACCEPTED) && conn_listener(c) == listener)
			return c;
		link = c->ready_link;
	}
	return NULL;
}

int ob_accept_wait(struct ob_channel *ch, int listener, ob_conn_t *conn, int64_t timeout_us)
{
	struct listener *l = listener < 0 ? NULL : listener_get(ch, (uint32_t)listener);
	struct wait w = wait_begin(timeout_us);
	struct conn *c;
	int error;

	if (!l || l->state == LISTENER_FREE)
		return -EBADF;
	while (!(c = accepted(ch, (uint32_t)listener))) {
		if (l->state == LISTENER_FAILED)
			return l->error;
		error = wait_step(ch, &w);
		if (error)
			return error;
	}
	c->ev &= (uint8_t)~EV_BIT(OB_ACCEPTED);
	c->user = 0;
	*conn = conn_id(conn_slot(ch, c), c->gen);
	if (!c->ev)
		conn_purge(ch);
	return 0;
}

int ob_connect_wait(struct ob_channel *ch, ob_conn_t conn, int64_t timeout_us)
{
	struct conn *c = conn_get(ch, conn);
	struct wait w = wait_begin(timeout_us);
	int error;

	if (!c)
		return -EBADF;
	while (c->phase == PHASE_CONNECTING) {
		error = wait_step(ch, &w);
		if (error)
			return error;
	}
	c->ev &= (uint8_t)~EV_BIT(OB_CONNECTED);
	return conn_error(c, 0);
}

int ob_send_all(struct ob_channel *ch, ob_conn_t conn, const void *data, size_t len,
	unsigned int flags, size_t *sent, int64_t timeout_us)
{
	struct wait w = wait_begin(timeout_us);
	struct conn *c;
	size_t done = 0;
	ssize_t n;
	int error = 0;

	while (done < len) {
		n = ob_send(ch, conn, (const uint8_t *)data + done, len - done, flags);
		if (n > 0) {
			done += (size_t)n;
			continue;
		}
		error = n == -EAGAIN ? wait_step(ch, &w) : (int)n;
		if (error)
			break;
	}
	c = conn_get(ch, conn);
	if (c)
		c->ev &= (uint8_t)~EV_BIT(OB_WRITABLE);
	if (flush(ch) == -EPIPE && !error)
		error = -EPIPE;
	if (sent)
		*sent = done;
	return error;
}

ssize_t ob_recv_wait(
	struct ob_channel *ch, ob_conn_t conn, void *data, size_t len, int64_t timeout_us)
{
	struct wait w = wait_begin(timeout_us);
	struct conn *c;
	ssize_t n;
	int error;

	while ((n = ob_recv(ch, conn, data, len)) == -EAGAIN) {
		error = wait_step(ch, &w);
		if (error)
			return error;
	}
	c = conn_get(ch, conn);
	if (c && !c->rx_ready)
		c->ev &= (uint8_t)~EV_BIT(OB_READABLE);
	return n;
}
