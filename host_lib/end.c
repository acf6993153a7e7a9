// The end of a channel, and of all of them: nothing that the library took may be lost by it.
#include <errno.h>
#include <time.h>

#include "host_lib/lib.h"

#define CLOSE_MAX_US 1000000
#define PAUSE_NS 50000

// Tells the engine what is asked for and takes what it says: without room for events it takes no
// request. Returns whether it has taken everything.
static bool told_all(struct ob_channel *ch)
{
	if (flush(ch) == 0 && requests_taken(ch))
		return true;
	intake(ch);
	channel_check_gone(ch);
	return false;
}

// Returns false when the time is up.
static bool pause_until(int64_t deadline_us)
{
	struct timespec pause = {.tv_nsec = PAUSE_NS};

	if (now_us() > deadline_us)
		return false;
	nanosleep(&pause, NULL);
	return true;
}

bool channel_drain(struct ob_channel *ch, int64_t deadline_us)
{
	while (!channel_gone(ch) && !told_all(ch))
		if (!pause_until(deadline_us))
			return false;
	return true;
}

// The next slot of this channel's from `slot` on, or n_slots.
static uint32_t next_owned(const struct ob_channel *ch, uint32_t slot)
{
	while (slot < ch->n_slots) {
		uint64_t left = ch->owned[slot / 64] >> slot % 64;

		if (left)
			return slot + (uint32_t)__builtin_ctzll(left);
		slot = (slot / 64 + 1) * 64;
	}
	return ch->n_slots;
}

// Whether nothing is left but connections whose data is all acknowledged: what they lie in is free for
// whoever opens the channel next.
static bool acknowledged(struct ob_channel *ch)
{
	uint32_t slot;

	intake(ch);
	if (ch->tx_blocks)
		return false;
	for (slot = next_owned(ch, 0); slot < ch->n_slots; slot = next_owned(ch, slot + 1))
		if (ch->conns[slot].phase == PHASE_CONNECTING)
			return false;
	return true;
}

// Gives up the slots of all connections. The engine brings them to their end by itself.
static void release_all(struct ob_channel *ch)
{
	uint32_t slot;

	for (slot = next_owned(ch, 0); slot < ch->n_slots; slot = next_owned(ch, slot + 1)) {
		struct conn *c = &ch->conns[slot];

		c->ev = 0; // of a close that lingered
		c->dirty = 0;
		conn_dirty(ch, c, DIRTY_RELEASE);
	}
	conn_purge(ch);
}

// What is in the event ring is about connections that are nobody's any more.
static void discard(struct ob_channel *ch)
{
	int n = ob_ring_avail(&ch->ev);

	if (n <= 0)
		return;
	ob_ring_advance(&ch->ev, (uint32_t)n);
	ob_ring_release(&ch->ev);
}

// Returns false when the time was up.
static bool settle(struct ob_channel *ch, int64_t deadline_us)
{
	do {
		if (!channel_drain(ch, deadline_us))
			return false;
		if (channel_gone(ch))
			return true;
	} while (!acknowledged(ch) && pause_until(deadline_us));
	if (!acknowledged(ch))
		return false;
	release_all(ch);
	if (!channel_drain(ch, deadline_us))
		return false;
	discard(ch);
	return true;
}

int ob_channel_close(struct ob_channel *ch)
{
	if (ch->n_conns)
		return -EBUSY;
	ob_disarm(ch);
	for (uint32_t i = 0; i < ch->n_listeners; i++)
		if (ch->listeners[i].state != LISTENER_FREE)
			ob_unlisten(ch, (int)(ch->listener_base + i));
	if (!settle(ch, now_us() + CLOSE_MAX_US))
		return -EAGAIN;
	atomic_fetch_sub(&ch->host->n_open, 1);
	atomic_store(&ch->open, false);
	return 0;
}
