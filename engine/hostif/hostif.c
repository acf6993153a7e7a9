// Hosts coming and going, on the core's side.
#include "engine/hostif/hostif.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/hostif/internal.h"

#define MESSAGES 4096u // of one direction; a host has at most three on the way
#define GONE_CONNS 2048u // records looked at in a turn for a host that leaves
#define GONE_NEWS 1024u // connections taken off its lists in a turn
#define GONE_AGAIN_US 100000u
#define ENDING_US 1000000u

static_assert(MESSAGES > 3 * 1024, "limits.hosts is at most 1024");

static uint32_t place_up(
	void *ctx, struct tcp_soft *s, uint64_t off, const uint8_t *data, uint32_t len)
{
	return place_rx(&((struct hostif *)ctx)->place, s, off, data, len);
}

static struct rte_ring *ring_make(void)
{
	struct rte_ring *r
		= aligned_alloc(64, ((size_t)rte_ring_get_memsize(MESSAGES) + 63) / 64 * 64);

	if (r && rte_ring_init(r, "hostif", MESSAGES, RING_F_SP_ENQ | RING_F_SC_DEQ)) {
		free(r);
		return NULL;
	}
	return r;
}

int hostif_init(struct hostif *h, const struct config *cfg, struct state *st, struct tcp *tcp,
	struct counters *cnt)
{
	struct epoll_event e = {.events = EPOLLIN, .data.u64 = UINT64_MAX};

	*h = (struct hostif){.cfg = cfg,
		.st = st,
		.tcp = tcp,
		.cnt = cnt,
		.epoll_fd = -1,
		.wake_fd = -1,
		.reply_fd = -1,
		.n_hosts = (uint32_t)cfg->limits_hosts};
	h->ops = (struct tcp_ops){.ctx = h,
		.place = place_up,
		.slot_get = slot_get,
		.slot_set = slot_set,
		.notify = news_add,
		.connect_failed = slot_connect_failed,
		.owner = slot_owner,
		.freed = slot_freed};
	h->mem = calloc(h->n_hosts, sizeof(*h->mem));
	h->hosts = calloc(h->n_hosts, sizeof(*h->hosts));
	h->active = calloc(h->n_hosts, sizeof(*h->active));
	h->prepared = calloc(h->n_hosts, sizeof(*h->prepared));
	h->to_core = ring_make();
	h->to_control = ring_make();
	h->place = (struct place){.st = st, .mem = h->mem};
	if (!h->mem || !h->hosts || !h->active || !h->prepared || !h->to_core || !h->to_control) {
		hostif_fini(h);
		return -ENOMEM;
	}
	h->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	h->reply_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	h->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (h->wake_fd < 0 || h->reply_fd < 0 || h->epoll_fd < 0
		|| epoll_ctl(h->epoll_fd, EPOLL_CTL_ADD, h->wake_fd, &e)) {
		int error = -errno;

		hostif_fini(h);
		return error;
	}
	return 0;
}

void hostif_fini(struct hostif *h)
{
	int fds[] = {h->wake_fd, h->reply_fd, h->epoll_fd};

	for (unsigned i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	free(h->mem);
	free(h->hosts);
	free(h->active);
	free(h->prepared);
	free(h->to_core);
	free(h->to_control);
	h->wake_fd = h->reply_fd = h->epoll_fd = -1;
}

void hostif_post(struct hostif *h, void *msg)
{
	uint64_t one = 1;

	rte_ring_sp_enqueue(h->to_core, msg);
	atomic_fetch_add_explicit(&h->commands, 1, memory_order_release);
	(void)!write(h->wake_fd, &one, sizeof(one));
}

static void reply(struct hostif *h, enum hostif_msg type, const struct hostif_host *host)
{
	uint64_t one = 1;

	rte_ring_sp_enqueue(h->to_control, HOSTIF_MSG(type, host->index, host->id));
	(void)!write(h->reply_fd, &one, sizeof(one));
}

static void attach(struct hostif *h, uint32_t index)
{
	struct hostif_host *host = h->prepared[index];

	for (uint32_t i = 0; i < host->n_chans; i++) {
		HARD_SET(host->chans[i].hard->req_head, 0);
		HARD_SET(host->chans[i].hard->ev_tail, 0);
	}
	h->hosts[index] = host;
	h->active[h->n_active++] = host;
	atomic_store(&host->state, HOSTIF_UP);
	COUNT(h->cnt, host_attached);
	reply(h, HOSTIF_ATTACHED, host);
}

void host_kill(struct hostif *h, struct hostif_host *host, uint64_t *counter)
{
	if (!host_up(host))
		return;
	// Rings that faulted read as zeros, in the same turn: that is a fault, not a word of the host.
	if (counter == &h->cnt->host_protocol && atomic_load(&host->mem->broken))
		counter = &h->cnt->host_fault;
	*counter += 1;
	COUNT(h->cnt, host_detached);
	atomic_store(&host->state, HOSTIF_GOING);
	h->n_going++;
	reply(h, HOSTIF_LEAVING, host);
}

// Its process has ended, or closed the socket. Finished writes go out, also those whose requests
// are in the rings still: hostif_requests() ends it.
static void detach(struct hostif *h, uint32_t index, uint32_t id)
{
	struct hostif_host *host = h->hosts[index];

	if (host && host->id == id && host->ending_us == 0)
		host->ending_us = h->tcp->now_us + ENDING_US;
}

static void commands_take(struct hostif *h)
{
	void *m;

	while (rte_ring_sc_dequeue(h->to_core, &m) == 0) {
		h->commands_seen++;
		if (HOSTIF_MSG_TYPE(m) == HOSTIF_ATTACH)
			attach(h, HOSTIF_MSG_INDEX(m));
		else if (HOSTIF_MSG_TYPE(m) == HOSTIF_DETACH)
			detach(h, HOSTIF_MSG_INDEX(m), HOSTIF_MSG_ID(m));
	}
}

// One step of a host that leaves. Returns whether nothing refers to it any more: its channels are
// on no list of this turn, and no record is its.
static bool leave(struct hostif *h, struct hostif_host *host)
{
	uint64_t now_us = h->tcp->now_us;

	for (uint32_t i = 0; i < host->n_chans; i++)
		if (!news_drop(h, &host->chans[i], GONE_NEWS))
			return false;
	if (now_us >= host->gone_next_us
		&& tcp_host_gone(h->tcp, (uint16_t)host->index, &host->gone_cursor, GONE_CONNS)) {
		// Orphans go on; one that was half-open may have become a record behind our back.
		host->gone_cursor = 0;
		host->gone_next_us = now_us + GONE_AGAIN_US;
	}
	return ++host->gone_turns > 2 && host->gone_next_us
		&& tcp_host_conns(h->tcp, (uint16_t)host->index) == 0;
}

void hostif_commands(struct hostif *h)
{
	// Pairs with the release in hostif_post().
	if (atomic_load_explicit(&h->commands, memory_order_acquire) != h->commands_seen)
		commands_take(h);
	if (h->n_going == 0)
		return;
	for (uint32_t i = 0; i < h->n_active;) {
		struct hostif_host *host = h->active[i];

		if (host_up(host) || !leave(h, host)) {
			i++;
			continue;
		}
		h->active[i] = h->active[--h->n_active];
		h->hosts[host->index] = NULL;
		h->n_going--;
		reply(h, HOSTIF_FREED, host);
	}
}
