#include <errno.h>

#include "host_lib/lib.h"

struct listener *listener_get(const struct ob_channel *ch, uint32_t number)
{
	if (number < ch->listener_base || number - ch->listener_base >= ch->n_listeners)
		return NULL;
	return &ch->listeners[number - ch->listener_base];
}

// A listener number that is free, the one used longest ago first: events of its last use may still
// be on the way. Returns NULL when there is none.
static struct listener *listener_find(struct ob_channel *ch, uint32_t *number)
{
	for (uint32_t i = 0; i < ch->n_listeners; i++) {
		uint32_t at = (ch->listener_next + i) % ch->n_listeners;
		struct listener *l = &ch->listeners[at];

		if (l->state == LISTENER_FREE && !l->unlisten) {
			ch->listener_next = at + 1;
			*number = ch->listener_base + at;
			return l;
		}
	}
	return NULL;
}

static void request_option(
	struct ob_channel *ch, uint32_t number, uint32_t gen, enum ob_option option, uint64_t value)
{
	struct ob_req *r;

	if (!value)
		return;
	r = request_add(ch, OB_RQ_SETOPT, number, gen, value);
	r->option = (uint16_t)option;
	r->flags = OB_RQ_LISTENER;
}

static bool opts_good(const struct ob_listen_opts *o)
{
	return o->size == sizeof(*o) && o->nodelay <= 1 && o->quickack <= 1;
}

int ob_listen(struct ob_channel *ch, const struct ob_endpoint *at, unsigned int backlog,
	const struct ob_listen_opts *opts)
{
	struct ob_listen_opts o = {.size = sizeof(o)};
	struct listener *l;
	struct ob_req *r;
	uint32_t number;

	if (opts)
		o = *opts;
	if (!at || !opts_good(&o))
		return -EINVAL;
	if (channel_gone(ch))
		return -EPIPE;
	if (!request_room(ch, 1 + OB_OPT_N))
		return -EAGAIN;
	l = listener_find(ch, &number);
	if (!l)
		return -ENFILE;
	*l = (struct listener){
		.gen = l->gen + 1,
		.state = LISTENER_PENDING,
		.nodelay = (uint8_t)o.nodelay,
		.quickack = (uint8_t)o.quickack,
	};
	r = request_add(ch, OB_RQ_LISTEN, number, l->gen, 0);
	r->len = backlog;
	memcpy(r->addr.laddr.b, at->addr, 16);
	r->addr.lport = at->port;
	request_option(ch, number, l->gen, OB_OPT_NODELAY, o.nodelay);
	request_option(ch, number, l->gen, OB_OPT_QUICKACK, o.quickack);
	return (int)number;
}

int ob_unlisten(struct ob_channel *ch, int listener)
{
	struct listener *l = listener < 0 ? NULL : listener_get(ch, (uint32_t)listener);

	if (channel_gone(ch))
		return -EPIPE;
	if (!l || l->state == LISTENER_FREE)
		return -EBADF;
	if (l->state != LISTENER_FAILED) {
		l->unlisten = true;
		ch->listeners_unlisten = true;
	}
	l->state = LISTENER_FREE;
	l->unreported = false;
	return 0;
}

void listeners_flush(struct ob_channel *ch)
{
	for (uint32_t i = 0; i < ch->n_listeners; i++) {
		struct listener *l = &ch->listeners[i];

		if (!l->unlisten)
			continue;
		if (!request_room(ch, 1))
			return;
		request_add(ch, OB_RQ_UNLISTEN, ch->listener_base + i, l->gen, 0);
		l->unlisten = false;
	}
	ch->listeners_unlisten = false;
}

void listener_event(struct ob_channel *ch, const struct ob_event *e)
{
	struct listener *l = listener_get(ch, e->slot);

	if (!l || l->gen != e->gen || l->state != LISTENER_PENDING) {
		ch->stats.events_stale++;
		return;
	}
	l->error = e->error;
	l->state = e->error || e->type == OB_EV_REFUSED ? LISTENER_FAILED : LISTENER_UP;
	if (l->state == LISTENER_FAILED && !l->error)
		l->error = -ENOBUFS;
	l->port = l->state == LISTENER_UP ? e->listen.lport : 0;
	l->unreported = true;
	ch->listeners_unreported = true;
}

int listeners_report(struct ob_channel *ch, struct ob_app_event *events, int max)
{
	int n = 0;

	for (uint32_t i = 0; i < ch->n_listeners; i++) {
		struct listener *l = &ch->listeners[i];

		if (!l->unreported)
			continue;
		if (n == max)
			return n;
		events[n++] = (struct ob_app_event){
			.type = OB_LISTENING,
			.error = l->error,
			.listener = ch->listener_base + i,
			.port = l->port,
		};
		l->unreported = false;
		if (l->state == LISTENER_FAILED)
			l->state = LISTENER_FREE;
	}
	ch->listeners_unreported = false;
	return n;
}
