// What the application has set of connections and listeners, so that it can be asked for. The engine
// has the settings themselves; this is what it was told, in combinations that connections share.
#include <errno.h>
#include <stdlib.h>

#include "host_lib/lib.h"

#define LOOK_BACK 64u // combinations compared before a new one is made

// One more of them, and the first, of which nothing is set. Returns 0 or -ENOMEM.
static int grow(struct ob_channel *ch)
{
	uint32_t more = ch->n_sets ? ch->n_sets : 8;
	struct settings_set *grown;

	if (ch->free_set)
		return 0;
	grown = realloc(ch->sets, ((size_t)ch->n_sets + more) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	ch->sets = grown;
	for (uint32_t i = ch->n_sets + more; i-- > ch->n_sets;) {
		ch->sets[i] = (struct settings_set){.next = ch->free_set};
		if (i)
			ch->free_set = i;
	}
	ch->n_sets += more;
	return 0;
}

void settings_hold(struct ob_channel *ch, uint32_t set)
{
	if (set)
		ch->sets[set].refs++;
}

void settings_drop(struct ob_channel *ch, uint32_t *set)
{
	uint32_t i = *set;

	*set = 0;
	if (i == 0 || --ch->sets[i].refs)
		return;
	ch->sets[i].next = ch->free_set;
	ch->free_set = i;
}

static bool same(const struct settings_set *a, const struct settings_set *b)
{
	return a->made == b->made && memcmp(a->value, b->value, sizeof(a->value)) == 0;
}

int settings_put(struct ob_channel *ch, uint32_t *set, uint32_t option, uint32_t value)
{
	struct settings_set want = {.made = 0};
	uint32_t from = *set, i;

	if (grow(ch))
		return -ENOMEM;
	want = ch->sets[from];
	want.made |= 1u << option;
	want.value[option] = value;
	if (from && want.refs == 1) {
		ch->sets[from] = want;
		return 0;
	}
	for (i = 1; i < ch->n_sets && i <= LOOK_BACK; i++)
		if (ch->sets[i].refs && same(&ch->sets[i], &want))
			break;
	if (i >= ch->n_sets || i > LOOK_BACK) {
		i = ch->free_set;
		ch->free_set = ch->sets[i].next;
		want.refs = 0;
		ch->sets[i] = want;
	}
	ch->sets[i].refs++;
	settings_drop(ch, set);
	*set = i;
	return 0;
}

uint32_t settings_get(const struct ob_channel *ch, uint32_t set, uint32_t option)
{
	if (ch->n_sets && ch->sets[set].made >> option & 1)
		return ch->sets[set].value[option];
	return atomic_load_explicit(&ch->hdr->defaults[option], memory_order_relaxed);
}

// A SETOPT request, of which request_room() said that it has room.
void settings_ask(struct ob_channel *ch, uint32_t number, uint32_t gen, uint32_t option,
	uint64_t value, uint8_t flags)
{
	struct ob_req *r = request_add(ch, OB_RQ_SETOPT, number, gen, value);

	r->option = (uint16_t)option;
	r->flags = flags;
}

bool settings_good(const struct ob_setting *list, uint32_t n)
{
	if (n > OB_SETTINGS_MAX || (n && !list))
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (!ob_option_good(list[i].option, list[i].value))
			return false;
	return true;
}

int ob_setopt(struct ob_channel *ch, ob_conn_t conn, enum ob_sockopt option, uint64_t value)
{
	struct conn *c = conn_get(ch, conn);

	if (channel_gone(ch))
		return -EPIPE;
	if (!c)
		return -EBADF;
	if (!ob_option_good(option, value))
		return -EINVAL;
	if (c->phase == PHASE_OVER)
		return conn_error(c, 0);
	if (!request_next(ch, 1))
		return -EAGAIN;
	if (settings_put(ch, &ch->cold[conn_slot(ch, c)].set, option, (uint32_t)value))
		return -ENOMEM;
	settings_ask(ch, conn_slot(ch, c), c->gen, option, value, 0);
	return 0;
}

int ob_getopt(struct ob_channel *ch, ob_conn_t conn, enum ob_sockopt option, uint64_t *value)
{
	struct conn *c = conn_get(ch, conn);

	if (!c)
		return -EBADF;
	if ((unsigned)option == OB_OPT_NONE || (unsigned)option >= OB_OPT_N)
		return -EINVAL;
	*value = settings_get(ch, ch->cold[conn_slot(ch, c)].set, option);
	return 0;
}

int ob_congestion(const char *name)
{
#define X(id, number, text)                                                                        \
	if (name && strcmp(name, text) == 0)                                                       \
		return number;
	OB_CC_LIST(X)
#undef X
	return -ENOENT;
}

static struct listener *listener_live(struct ob_channel *ch, int listener)
{
	struct listener *l = listener < 0 ? NULL : listener_get(ch, (uint32_t)listener);

	return l && (l->state == LISTENER_PENDING || l->state == LISTENER_UP) ? l : NULL;
}

int ob_listener_setopt(struct ob_channel *ch, int listener, enum ob_sockopt option, uint64_t value)
{
	struct listener *l = listener_live(ch, listener);

	if (channel_gone(ch))
		return -EPIPE;
	if (!l)
		return -EBADF;
	if (!ob_option_good(option, value))
		return -EINVAL;
	if (!request_next(ch, 1))
		return -EAGAIN;
	if (settings_put(ch, &l->set, option, (uint32_t)value))
		return -ENOMEM;
	settings_ask(ch, (uint32_t)listener, l->gen, option, value, OB_RQ_LISTENER);
	return 0;
}

int ob_listener_getopt(struct ob_channel *ch, int listener, enum ob_sockopt option, uint64_t *value)
{
	const struct listener *l = listener_live(ch, listener);

	if (!l)
		return -EBADF;
	if ((unsigned)option == OB_OPT_NONE || (unsigned)option >= OB_OPT_N)
		return -EINVAL;
	*value = settings_get(ch, l->set, option);
	return 0;
}
