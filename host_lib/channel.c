// Channels, their doorbells, and how a thread goes to sleep without missing anything.
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "host_lib/lib.h"

// Stores before it are seen before loads behind it are made; pairs with the engine's between
// publishing its tails and reading the sleeping flags, and the other way round.
static void full_fence(struct ob_channel *ch)
{
#if defined(__SANITIZE_THREAD__)
	atomic_fetch_add(&ch->words[0].spare, 0); // ThreadSanitizer knows no fences
#else
	(void)ch;
	atomic_thread_fence(memory_order_seq_cst);
#endif
}

// This channel's part of what the host has several of.
static int divide(struct ob_channel *ch, const struct ob_seg_layout *l)
{
	uint64_t own_off = (l->rx_off + l->rx_bytes + 63) / 64 * 64;
	uint64_t own = l->arena_off + l->arena_bytes - own_off;
	uint64_t part = own / l->n_channels / ARENA_SLAB_BYTES * ARENA_SLAB_BYTES;
	uint32_t first = (uint32_t)((uint64_t)l->n_slots_connect * ch->index / l->n_channels);
	uint32_t end = (uint32_t)((uint64_t)l->n_slots_connect * (ch->index + 1) / l->n_channels);

	ch->n_connect = end - first;
	ch->free_slots = calloc(ch->n_connect ? ch->n_connect : 1, sizeof(*ch->free_slots));
	ch->n_listeners = OB_MAX_LISTENERS / l->n_channels;
	ch->listener_base = ch->n_listeners * ch->index;
	ch->listeners = calloc(ch->n_listeners, sizeof(*ch->listeners));
	ch->owned = calloc(ch->n_slots / 64 + 1, sizeof(*ch->owned));
	if (!ch->free_slots || !ch->listeners || !ch->owned)
		return -ENOMEM;
	ch->max_tx_blocks = (atomic_load_explicit(&ch->hdr->max_sends, memory_order_relaxed)
				    + l->n_channels - 1)
		/ l->n_channels;
	for (; ch->free_slots_n < ch->n_connect; ch->free_slots_n++)
		ch->free_slots[ch->free_slots_n] = l->n_slots_accept + first + ch->free_slots_n;
	return arena_init(&ch->arena, own_off + part * ch->index, part);
}

int channel_init(struct ob_channel *ch, struct ob_host *h, uint32_t index, uint32_t sndbuf_bytes)
{
	const struct ob_seg_layout *l = &h->layout;
	struct epoll_event in = {.events = EPOLLIN};

	ch->host = h;
	ch->index = index;
	ch->n_accept = l->n_slots_accept;
	ch->n_slots = l->n_slots_accept + l->n_slots_connect;
	ch->sndbuf_bytes = sndbuf_bytes;
	ch->seg = h->seg;
	ch->conns = h->conns;
	ch->cold = h->cold;
	ch->words = ob_seg_slot(h->seg, l, 0);
	ch->hdr = (struct ob_seg_hdr *)h->seg;
	ch->shm = ob_seg_chan(h->seg, l, index);
	ob_ring_view_init(&ch->req, &ch->shm->req, ob_chan_req_entries(ch->shm), l->req_order, 0);
	ob_ring_view_init(&ch->ev, &ch->shm->ev, ob_chan_ev_entries(ch->shm, l), l->ev_order, 0);
	ch->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (ch->epoll_fd < 0 || epoll_ctl(ch->epoll_fd, EPOLL_CTL_ADD, ch->bell_fd, &in)
		|| epoll_ctl(ch->epoll_fd, EPOLL_CTL_ADD, h->ctl_fd, &in))
		return -errno;
	if (node_reserve(ch, 1))
		return -ENOMEM;
	return divide(ch, l);
}

void channel_free(struct ob_channel *ch)
{
	if (ch->epoll_fd >= 0)
		close(ch->epoll_fd);
	if (ch->bell_fd >= 0)
		close(ch->bell_fd);
	arena_fini(&ch->arena);
	free(ch->nodes);
	free(ch->waiters);
	free(ch->free_slots);
	free(ch->owned);
	free(ch->listeners);
	free(ch->sets);
}

int ob_channel_open(struct ob_host *host, struct ob_channel **ch)
{
	bool expected;

	if (atomic_load(&host->gone))
		return -EPIPE;
	for (uint32_t i = 0; i < host->layout.n_channels; i++) {
		expected = false;
		if (atomic_compare_exchange_strong(&host->channels[i].open, &expected, true)) {
			*ch = &host->channels[i];
			atomic_fetch_add(&host->n_open, 1);
			return 0;
		}
	}
	return -EMFILE;
}

unsigned int ob_channel_index(const struct ob_channel *ch)
{
	return ch->index;
}

int ob_fd(const struct ob_channel *ch)
{
	return ch->epoll_fd;
}

void channel_ring_bell(struct ob_channel *ch)
{
	full_fence(ch);
	if (!atomic_load_explicit(&ch->hdr->engine_sleeping, memory_order_relaxed))
		return;
	ch->stats.doorbells_tx++;
	// A full socket wakes the engine as well.
	(void)!send(ch->bell_fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void channel_check_gone(struct ob_channel *ch)
{
	struct pollfd p = {.fd = ch->host->ctl_fd, .events = POLLIN | POLLRDHUP};
	char junk;

	if (poll(&p, 1, 0) <= 0)
		return;
	// The engine says nothing on this socket after attaching.
	if (p.revents & (POLLHUP | POLLRDHUP | POLLERR | POLLNVAL)
		|| recv(p.fd, &junk, 1, MSG_DONTWAIT) == 0)
		atomic_store(&ch->host->gone, true);
}

// Raises the flag. Returns whether there is a reason not to sleep.
static bool raise_flag(struct ob_channel *ch)
{
	atomic_store_explicit(&ch->shm->host_sleeping, 1, memory_order_relaxed);
	full_fence(ch);
	return ob_ring_avail(&ch->ev) != 0;
}

static void lower_flag(struct ob_channel *ch)
{
	char junk[8];
	ssize_t n;

	atomic_store_explicit(&ch->shm->host_sleeping, 0, memory_order_relaxed);
	while ((n = recv(ch->bell_fd, junk, sizeof(junk), MSG_DONTWAIT)) > 0)
		ch->stats.doorbells_rx += (uint64_t)n;
	// The engine's end is closed: it died, or threw this host out.
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		atomic_store(&ch->host->gone, true);
}

int channel_sleep(struct ob_channel *ch, int64_t timeout_us)
{
	struct pollfd p[2] = {
		{.fd = ch->bell_fd, .events = POLLIN},
		{.fd = ch->host->ctl_fd, .events = POLLIN | POLLRDHUP},
	};
	struct timespec t;
	int n = 0;

	// Nobody tells us of room in the request ring.
	if (ch->dirty.head != LINK_NONE && (timeout_us < 0 || timeout_us > BACKLOG_SLEEP_US))
		timeout_us = BACKLOG_SLEEP_US;
	if (!raise_flag(ch)) {
		t = (struct timespec){timeout_us / 1000000, timeout_us % 1000000 * 1000};
		n = ppoll(p, 2, timeout_us < 0 ? NULL : &t, NULL) < 0 ? -errno : 0;
		ch->stats.sleeps++;
	}
	lower_flag(ch);
	if (p[1].revents)
		channel_check_gone(ch);
	return n == -EINTR ? -EINTR : 0;
}

int ob_arm(struct ob_channel *ch)
{
	if (channel_gone(ch))
		return -EPIPE;
	conn_purge(ch);
	if (flush(ch) || ch->ready.head != LINK_NONE || ch->listeners_unreported)
		return channel_gone(ch) ? -EPIPE : 1;
	ch->armed = true;
	if (!raise_flag(ch))
		return 0;
	ob_disarm(ch);
	return channel_gone(ch) ? -EPIPE : 1;
}

void ob_disarm(struct ob_channel *ch)
{
	if (!ch->armed)
		return;
	ch->armed = false;
	lower_flag(ch);
	channel_check_gone(ch);
}

void ob_channel_stats(const struct ob_channel *ch, struct ob_channel_stats *stats)
{
	*stats = ch->stats;
	stats->conns = ch->n_conns;
	stats->arena_bytes = ch->arena.bytes;
	stats->arena_used = ch->arena.bytes - ch->arena.free_bytes;
}
