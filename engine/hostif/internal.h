// What the core-side files of engine/hostif share among themselves.
#ifndef ENGINE_HOSTIF_INTERNAL_H
#define ENGINE_HOSTIF_INTERNAL_H

#include "engine/hostif/hostif.h"

static inline bool host_up(const struct hostif_host *host)
{
	return atomic_load_explicit(&host->state, memory_order_relaxed) == HOSTIF_UP;
}

// hostif.c: the host is to go: `counter` says why.
void host_kill(struct hostif *h, struct hostif_host *host, uint64_t *counter);

// slots.c: the callbacks of struct tcp_ops; ctx is the struct hostif.
int slot_get(void *ctx, uint16_t host, uint8_t chan, uint32_t conn, uint32_t *slot, uint32_t *gen);
void slot_set(void *ctx, uint16_t host, uint32_t slot, uint32_t gen, uint32_t conn);
bool slot_owner(void *ctx, uint32_t conn, struct rec *r);
void slot_freed(void *ctx, const struct rec *r);
void slot_connect_failed(
	void *ctx, uint16_t host, uint8_t chan, uint32_t slot, uint32_t gen, int error);
// The first connect of the channel that failed and was not reported. Returns false when there is
// none. slot_failed_pop() takes it off: its slot is free then.
bool slot_failed_peek(const struct hostif_chan *c, uint32_t *slot, int *error);
void slot_failed_pop(struct hostif_chan *c);

// publish.c
void news_add(void *ctx, struct tcp_soft *s, unsigned bits); // tcp_ops.notify
// Forgets what a channel was to be told. Returns whether it is empty; looks at `max` connections.
bool news_drop(struct hostif *h, struct hostif_chan *c, uint32_t max);
void chan_dirty(struct hostif *h, struct hostif_chan *c);
// Room for `want` events: 0 when there is less; a host that broke the protocol is killed.
uint32_t ev_room(struct hostif *h, struct hostif_chan *c, uint32_t want);
// The next event, zeroed but for its type, slot and generation. There is room for it.
struct ob_event *ev_add(
	struct hostif *h, struct hostif_chan *c, enum ob_ev_type type, uint32_t slot, uint32_t gen);

#endif
