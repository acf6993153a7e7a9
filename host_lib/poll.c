// Events for the application.
#include <errno.h>
#include <time.h>

#include "host_lib/lib.h"

int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

// Fills in one event of a connection. Returns false when it says nothing any more.
static bool fill(struct ob_channel *ch, struct conn *c, uint32_t type, struct ob_app_event *e)
{
	if (type == OB_READABLE && !c->rx_ready)
		return false;
	*e = (struct ob_app_event){
		.type = type,
		.conn = conn_id(conn_slot(ch, c), c->gen),
		.user = (void *)(uintptr_t)c->user,
	};
	switch (type) {
	case OB_ACCEPTED:
		e->listener = conn_listener(c);
		e->user = NULL;
		c->user = 0;
		break;
	case OB_READABLE:
		e->bytes = c->rx_ready;
		break;
	case OB_CLOSED:
		if (c->app_closed) { // it lingered
			ch->cold[conn_slot(ch, c)].linger = 0;
			if (c->phase == PHASE_OVER)
				conn_dirty(ch, c, DIRTY_RELEASE);
		}
		e->error = conn_error(c, 0);
		break;
	case OB_CONNECTED:
		e->error = conn_error(c, 0);
		break;
	}
	return true;
}

static int report(struct ob_channel *ch, struct ob_app_event *events, int max)
{
	uint32_t last = ch->ready.tail;
	struct conn *c;
	int n = 0;

	if (ch->listeners_unreported)
		n = listeners_report(ch, events, max);
	// One event of each connection: an application that closes it has no later one in hand.
	while (n < max && ch->ready.head != LINK_NONE) {
		bool done = ch->ready.head == last;
		bool said = false;

		c = ready_pop(ch);
		while (c->ev && !said) {
			uint32_t type = (uint32_t)__builtin_ctz(c->ev);

			c->ev &= (uint8_t)(c->ev - 1);
			said = fill(ch, c, type, &events[n]);
		}
		n += said;
		if (c->ev)
			conn_ready(ch, c, 0);
		if (done)
			break;
	}
	return n;
}

int ob_poll(struct ob_channel *ch, struct ob_app_event *events, int max, int64_t timeout_us)
{
	int64_t deadline = timeout_us > 0 ? now_us() + timeout_us : 0;
	int error;
	int n;

	if (max <= 0)
		return -EINVAL;
	ch->stats.polls++;
	ob_disarm(ch);
	for (;;) {
		flush(ch);
		error = intake(ch);
		n = report(ch, events, max);
		if (n) {
			ch->idle_polls = 0;
			return n;
		}
		if (error == -ENOMEM)
			return error;
		if (channel_gone(ch))
			return -EPIPE;
		if (timeout_us == 0) {
			if (++ch->idle_polls % GONE_CHECK_POLLS == 0)
				channel_check_gone(ch);
			return 0;
		}
		if (timeout_us > 0) {
			timeout_us = deadline - now_us();
			if (timeout_us <= 0)
				return 0;
		}
		flush(ch); // what the events asked for
		if (channel_sleep(ch, timeout_us) == -EINTR)
			return 0;
	}
}
