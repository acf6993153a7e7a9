// Slots: what a host's connection number means. Slots for accepted connections are given out here,
// the one that was used longest ago first; those for connects are the host's choice.
#include <errno.h>

#include "engine/hostif/internal.h"

#define FAILED_NEXT 0x003fffffu
#define FAILED_ERROR_SHIFT 22
#define FAILED_ERROR_MAX 255

static_assert(OB_MAX_SLOTS - 1 <= FAILED_NEXT, "a connect slot fits in 22 bits");
static_assert(2 * OB_MAX_SLOTS < SLOT_NIL, "a slot fits in 30 bits");

static struct hostif_host *host_of(const struct hostif *h, uint16_t index)
{
	struct hostif_host *host = index < h->n_hosts ? h->hosts[index] : NULL;

	return host && host_up(host) ? host : NULL;
}

int slot_get(void *ctx, uint16_t index, uint8_t chan, uint32_t conn, uint32_t *slot, uint32_t *gen)
{
	struct hostif_host *host = host_of(ctx, index);
	struct hostif_slot *s;
	uint32_t i;

	(void)chan;
	if (!host || host->free_head == SLOT_NIL)
		return -ENOSPC;
	i = host->free_head;
	s = &host->slots[i];
	host->free_head = s->id & SLOT_NIL;
	if (++s->gen == 0)
		s->gen = 1;
	s->id = conn;
	*slot = i;
	*gen = s->gen;
	return 0;
}

void slot_set(void *ctx, uint16_t index, uint32_t slot, uint32_t gen, uint32_t conn)
{
	struct hostif_host *host = host_of(ctx, index);
	struct hostif_slot *s;

	if (!host || slot >= host->n_slots || host->slots[slot].gen != gen)
		return;
	s = &host->slots[slot];
	s->id = conn;
}

bool slot_owner(void *ctx, uint32_t conn, struct rec *r)
{
	const struct hostif *h = ctx;

	for (uint32_t i = 0; i < h->n_hosts; i++) {
		const struct hostif_host *host = h->hosts[i];

		for (uint32_t slot = 0; host && slot < host->n_slots; slot++) {
			const struct hostif_slot *s = &host->slots[slot];

			if (!slot_live(s) || s->id != conn)
				continue;
			r->host = (uint16_t)i;
			r->slot = slot;
			r->slot_gen = s->gen;
			if (r->chan >= host->n_chans)
				r->chan = 0; // any of them will do: a slot is the host's
			atomic_fetch_and(&r->flags, host_up(host) ? 0 : REC_ORPHAN);
			return true;
		}
	}
	return false;
}

void slot_freed(void *ctx, const struct rec *r)
{
	struct hostif_host *host = host_of(ctx, r->host);
	struct hostif_slot *s;

	if (!host || r->slot >= host->n_slots)
		return;
	s = &host->slots[r->slot];
	if (s->gen != r->slot_gen || !slot_live(s))
		return;
	s->id = SLOT_FREE | SLOT_NIL;
	if (r->slot >= host->n_accept)
		return;
	if (host->free_head == SLOT_NIL)
		host->free_head = r->slot;
	else
		host->slots[host->free_tail].id = SLOT_FREE | r->slot;
	host->free_tail = r->slot;
}

void slot_connect_failed(
	void *ctx, uint16_t index, uint8_t chan, uint32_t slot, uint32_t gen, int error)
{
	struct hostif_host *host = host_of(ctx, index);
	struct hostif_slot *s;
	struct hostif_chan *c;
	uint32_t at;

	if (!host || chan >= host->n_chans || slot >= host->n_slots || slot < host->n_accept
		|| host->slots[slot].gen != gen || !slot_live(&host->slots[slot]))
		return;
	c = &host->chans[chan];
	s = &host->slots[slot];
	at = slot - host->n_accept;
	if (error > -1 || error < -FAILED_ERROR_MAX)
		error = -EIO;
	s->id = SLOT_FAILED | (uint32_t)-error << FAILED_ERROR_SHIFT | at;
	if (c->failed_last != SLOT_NIL) {
		struct hostif_slot *last = &host->slots[host->n_accept + c->failed_last];

		s->id = (s->id & ~FAILED_NEXT) | (last->id & FAILED_NEXT);
		last->id = (last->id & ~FAILED_NEXT) | at;
	}
	c->failed_last = at;
	chan_dirty(ctx, c);
}

bool slot_failed_peek(const struct hostif_chan *c, uint32_t *slot, int *error)
{
	const struct hostif_slot *slots = c->host->slots + c->host->n_accept;
	uint32_t first;

	if (c->failed_last == SLOT_NIL)
		return false;
	first = slots[c->failed_last].id & FAILED_NEXT;
	*slot = c->host->n_accept + first;
	*error = -(int)(slots[first].id >> FAILED_ERROR_SHIFT & FAILED_ERROR_MAX);
	return true;
}

void slot_failed_pop(struct hostif_chan *c)
{
	struct hostif_slot *slots = c->host->slots + c->host->n_accept;
	struct hostif_slot *last = &slots[c->failed_last];
	uint32_t first = last->id & FAILED_NEXT;

	if (first == c->failed_last)
		c->failed_last = SLOT_NIL;
	else
		last->id = (last->id & ~FAILED_NEXT) | (slots[first].id & FAILED_NEXT);
	slots[first].id = SLOT_FREE | SLOT_NIL;
}
