// A core that has nothing to do sleeps until a doorbell, the control thread or its timer wakes it.
// The hosts hold the other half of the rule: tail, full fence, flag, doorbell.
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/hostif/internal.h"

#define DRAIN_MAX 16 // datagrams taken from one doorbell

static void flag_all(struct hostif *h, uint32_t sleeping)
{
	for (uint32_t i = 0; i < h->n_active; i++)
		if (host_up(h->active[i]))
			atomic_store_explicit(&h->active[i]->hdr->engine_sleeping, sleeping,
				memory_order_relaxed);
}

static bool chan_has_work(const struct hostif_chan *c)
{
	return atomic_load_explicit(&c->shm->req.tail, memory_order_acquire) != c->req.mine;
}

bool hostif_sleep_prepare(struct hostif *h)
{
	h->n_woken = 0;
	flag_all(h, 1);
	// Flags before tails. Pairs with the host's fence between its tail and its look at the flag.
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&h->commands, memory_order_acquire) != h->commands_seen)
		return true;
	// Nobody takes anything from a host that leaves: what is in its rings is no work.
	for (uint32_t i = 0; i < h->n_active; i++)
		for (uint32_t k = 0; host_up(h->active[i]) && k < h->active[i]->n_chans; k++)
			if (chan_has_work(&h->active[i]->chans[k]))
				return true;
	return false;
}

void hostif_sleep_wait(struct hostif *h, uint64_t timeout_us)
{
	struct timespec t = {(time_t)(timeout_us / 1000000), (long)(timeout_us % 1000000) * 1000};
	int n = epoll_pwait2(h->epoll_fd, h->woken, HOSTIF_WOKEN, &t, NULL);

	h->n_woken = n < 0 ? 0 : n;
}

static uint32_t drain(int fd)
{
	uint8_t junk[64];
	uint32_t n = 0;

	while (n < DRAIN_MAX && recv(fd, junk, sizeof(junk), MSG_DONTWAIT) > 0)
		n++;
	return n;
}

void hostif_sleep_done(struct hostif *h)
{
	flag_all(h, 0);
	for (int i = 0; i < h->n_woken; i++) {
		uint64_t which = h->woken[i].data.u64, junk;
		struct hostif_host *host;
		uint32_t n;

		if (which == UINT64_MAX) {
			(void)!read(h->wake_fd, &junk, sizeof(junk));
			continue;
		}
		host = which >> 8 < h->n_hosts ? h->hosts[which >> 8] : NULL;
		if (!host || (which & 0xff) >= host->n_chans)
			continue;
		n = drain(host->chans[which & 0xff].bell);
		host->bells_rx += n;
		COUNT_N(h->cnt, doorbell_rx, n);
	}
	h->n_woken = 0;
}
