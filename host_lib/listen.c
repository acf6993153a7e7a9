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

static bool opts_good(const struct ob_listen_opts *o)
{
	return o->size == sizeof(*o) && o->nodelay <= 1 && o->quickack <= 1
		&& settings_good(o->settings, o->n_settings);
}

// All that the options say, as a list. Returns how many.
static uint32_t listed(const struct ob_listen_opts *o, struct ob_setting list[OB_SETTINGS_MAX + 2])
{
	uint32_t n = 0;

	if (o->nodelay)
		list[n++] = (struct ob_setting){.option = OB_SO_NODELAY, .value = 1};
	if (o->quickack)
		list[n++] = (struct ob_setting){.option = OB_SO_QUICKACK, .value = 1};
	for (uint32_t i = 0; i < o->n_settings; i++)
		list[n++] = o->settings[i];
	return n;
}

int ob_listen(struct ob_channel *ch, const struct ob_endpoint *at, unsigned int backlog,
	const struct ob_listen_opts *opts)
{
	struct ob_setting list[OB_SETTINGS_MAX + 2];
	struct ob_listen_opts o = {.size = sizeof(o)};
	uint32_t number, set = 0, n;
	struct listener *l;
	struct ob_req *r;

	if (opts)
		o = *opts;
	if (!at || !opts_good(&o))
		return -EINVAL;
	if (channel_gone(ch))
		return -EPIPE;
	n = listed(&o, list);
	if (!request_next(ch, 1 + n))
		return -EAGAIN;
	l = listener_find(ch, &number);
	if (!l)
		return -ENFILE;
	for (uint32_t i = 0; i < n; i++) {
		if (settings_put(ch, &set, list[i].option, (uint32_t)list[i].value)) {
			settings_drop(ch, &set);
			return -ENOMEM;
		}
	}
	settings_drop(ch, &l->set);
	*l = (struct listener){.gen = l->gen + 1, .state = LISTENER_PENDING, .set = set};
	r = request_add(ch, OB_RQ_LISTEN, number, l->gen, 0);
	r->len = backlog;
	memcpy(r->addr.laddr.b, at->addr, 16);
	r->addr.lport = at->port;
	for (uint32_t i = 0; i < n; i++)
		settings_ask(ch, number, l->gen, list[i].option, list[i].value, OB_RQ_LISTENER);
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

bool listeners_flush(struct ob_channel *ch)
{
	for (uint32_t i = 0; i < ch->n_listeners; i++) {
		struct listener *l = &ch->listeners[i];

		if (!l->unlisten)
			continue;
		if (!request_room(ch, 1))
			return false;
		request_add(ch, OB_RQ_UNLISTEN, ch->listener_base + i, l->gen, 0);
		l->unlisten = false;
	}
	ch->listeners_unlisten = false;
	return true;
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
