// A host of the simulator: the real library, attached through the engine's real socket.
#include <errno.h>
#include <poll.h>

#include "tests/sim/app.h"
#include "tests/sim/lib_gone.h"
#include "tests/sim/sim.h"

#define SLOTS 40u
#define CLOSE_S 120u

uint16_t host_port(unsigned number, unsigned listener)
{
	return (uint16_t)(1000 + number * 16 + listener);
}

static uint32_t power(uint64_t v)
{
	uint32_t p = 16;

	while (p < v)
		p *= 2;
	return p;
}

static void options(struct ob_attach_opts *o, const struct host *h)
{
	const struct plan *p = &h->node->sim->plan;
	uint64_t buf = p->rx_buf_bytes ? p->rx_buf_bytes / 64 * 64 : 2048;

	ob_attach_opts_init(o);
	o->socket = h->node->control.path;
	o->name = "sim";
	o->flags = OB_ATTACH_NO_HUGE | OB_ATTACH_QUIET;
	o->channels = h->n_chans;
	o->req_entries = p->req_entries ? power(p->req_entries) : 256;
	o->ev_entries = p->ev_entries ? power(p->ev_entries) : 256;
	o->accept_slots = SLOTS;
	o->connect_slots = SLOTS;
	o->rx_buf_bytes = (uint32_t)buf;
	o->rx_bytes = (p->rx_bufs ? p->rx_bufs : 160) * 2048 / buf * buf;
	o->tx_bytes = (p->tx_slabs ? p->tx_slabs : 1) * 65536 * h->n_chans;
	o->sndbuf_bytes = p->sndbuf_bytes ? (uint32_t)p->sndbuf_bytes : 65536;
}

static void find_index(struct host *h)
{
	const struct hostif *hi = &h->node->core->hostif;
	struct ob_host_info info;

	ob_host_info(h->h, &info);
	for (uint32_t i = 0; i < hi->n_active; i++)
		if (hi->active[i]->id == info.host_id)
			h->index = hi->active[i]->index;
}

int host_open(struct host *h, struct node *n, unsigned number)
{
	struct ob_attach_opts o;
	char reason[128] = "";
	int rc;

	h->node = n;
	h->number = number;
	options(&o, h);
	o.reason = reason;
	o.reason_bytes = sizeof(reason);
	rc = ob_attach(&o, &h->h);
	if (rc) {
		sim_fail(n->sim, "engine %u: attaching: %d %s", n->index, rc, reason);
		h->dead = true;
		return rc;
	}
	find_index(h);
	for (unsigned i = 0; i < h->n_chans; i++) {
		h->chans[i] = (struct chan){.host = h, .index = i, .due_us = n->sim->now_us};
		for (unsigned k = 0; k < SIM_LISTENERS; k++)
			h->chans[i].listener[k] = -1;
		rc = ob_channel_open(h->h, &h->chans[i].ch);
		if (rc)
			sim_fail(n->sim, "engine %u: channel %u: %d", n->index, i, rc);
	}
	return rc;
}

void host_listen(struct host *h)
{
	struct sim *s = h->node->sim;
	unsigned n = s->plan.listeners ? (unsigned)s->plan.listeners : 1, n_set;
	struct ob_setting list[APP_SETTINGS];

	n_set = app_settings(&s->plan, list);
	if (s->plan.req_entries && s->plan.req_entries <= 16)
		n_set = 0; // no room for those of all listeners
	for (unsigned l = 0; l < n; l++) {
		struct ob_endpoint at = {.port = host_port(h->number, l)};

		for (unsigned c = 0; c < h->n_chans; c++) {
			struct ob_listen_opts o
				= {.size = sizeof(o), .n_settings = n_set, .settings = list};
			int r;

			if (!s->plan.shared_port && c != l % h->n_chans)
				continue;
			r = ob_listen(h->chans[c].ch, &at,
				s->plan.backlog ? (unsigned)s->plan.backlog : 32, &o);
			if (r < 0)
				sim_fail(s, "listening: %d", r);
			h->chans[c].listener[l] = r;
		}
	}
	for (unsigned c = 0; c < h->n_chans; c++)
		ob_flush(h->chans[c].ch);
	node_asked(h->node);
}

// How long the last connection of a channel may take. Over a wire that stays broken it is given up after some
// retries, none of which waits for longer than the greatest time-out.
static uint64_t close_s(const struct node *n)
{
	const struct config *c = &n->cfg;

	return CLOSE_S
		+ (n->sim->plan.give_up ? (c->tcp_data_retries + 1) * c->tcp_max_rto_us / 1000000
					: 0);
}

void host_close(struct host *h)
{
	struct sim *s = h->node->sim;

	if (!h->h)
		return;
	for (unsigned c = 0; c < h->n_chans; c++) {
		struct ob_channel_stats st;
		int rc = -EAGAIN;

		// Each time a second; some peers take longer to acknowledge the last that was sent.
		for (uint64_t i = 0; i < close_s(h->node) && rc == -EAGAIN; i++)
			rc = ob_channel_close(h->chans[c].ch);
		ob_channel_stats(h->chans[c].ch, &st);
		if (rc)
			sim_fail(s, "engine %u: channel %u has %llu connections at its end: %d",
				h->node->index, c, (unsigned long long)st.conns, rc);
		if (st.events_bad)
			sim_fail(s, "engine %u: %llu events that make no sense", h->node->index,
				(unsigned long long)st.events_bad);
	}
	ob_detach(h->h);
	h->h = NULL;
	node_control(h->node);
	node_kick(h->node);
}

void host_die(struct host *h)
{
	if (!h->h || h->dead)
		return;
	lib_gone(h->h);
	h->h = NULL;
	h->dead = true;
	FIRED(h->node->sim, host_death);
	node_control(h->node);
	node_kick(h->node);
}

static void wake(struct chan *c)
{
	struct host *h = c->host;
	struct sim *s = h->node->sim;
	uint64_t when = s->now_us + (s->quiet ? 0 : s->plan.slow_us);

	if (when < h->stalled_until_us)
		when = h->stalled_until_us;
	if (when < c->due_us)
		c->due_us = when;
}

static bool rings(const struct chan *c)
{
	struct pollfd p = {.fd = ob_fd(c->ch), .events = POLLIN};

	return poll(&p, 1, 0) > 0;
}

void hosts_look(struct node *n)
{
	const struct counters *c = &n->core->cnt;
	uint64_t bells = c->doorbell_tx + c->doorbell_limited;
	bool published = c->ev_published != n->seen_published;
	bool rang = bells != n->seen_bells;

	n->seen_published = c->ev_published;
	n->seen_bells = bells;
	if (!published && !rang)
		return;
	for (unsigned i = 0; i < n->n_hosts; i++) {
		struct host *h = &n->hosts[i];

		for (unsigned k = 0; h->h && k < h->n_chans; k++)
			if (h->chans[k].armed ? rang && rings(&h->chans[k]) : published)
				wake(&h->chans[k]);
	}
}
