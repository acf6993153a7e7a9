// What is known of a host, for people.
#include <errno.h>
#include <stdio.h>

#include "engine/hostif/attach.h"

static const char *state_name(int state)
{
	return state == HOSTIF_UP ? "up" : state == HOSTIF_GOING ? "leaving" : "attaching";
}

int control_host_row(void *ctx, uint32_t i, struct ob_ctl_host *row)
{
	struct control *c = ctx;
	const struct control_host *host;
	const struct hostif_host *core;

	*row = (struct ob_ctl_host){0};
	if (i >= c->h->n_hosts)
		return -ENOENT;
	pthread_mutex_lock(&c->lock);
	host = c->hosts[i];
	if (!host) {
		pthread_mutex_unlock(&c->lock);
		return -ENOENT;
	}
	core = host->core;
#define READ(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)
	memcpy(row->name, host->name, sizeof(row->name));
	snprintf(row->state, sizeof(row->state), "%s", state_name(atomic_load(&core->state)));
	row->id = core->id;
	row->pid = (uint32_t)host->pid;
	row->uid = host->uid;
	row->n_channels = core->n_chans;
	row->seg_bytes = host->bytes;
	row->conns = tcp_host_conns(c->h->tcp, (uint16_t)i);
	row->orphans = atomic_load(&core->state) == HOSTIF_GOING ? row->conns : 0;
	row->rx_bufs = core->mem->n_bufs;
	row->rx_bufs_free = READ(core->mem->n_free);
	row->requests = READ(core->requests);
	row->events = READ(core->events);
	row->doorbells_to_host = READ(core->bells_tx);
	row->doorbells_from_host = READ(core->bells_rx);
	row->bad_requests = READ(core->bad_requests);
	row->hugepages = host->huge;
	pthread_mutex_unlock(&c->lock);
	return 0;
}
