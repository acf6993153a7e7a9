// Setting a rig up and taking it down.
#include "tools/bench/core_rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/bench/core_pkt.h"

#define OPENING HOST_BACKLOG // handshakes under way while flows are established
#define HOST_LATE_US 300u
#define SPARE 256u // connections beside the flows
#define OPEN_MAX_S 120u
#define IN_FLIGHT 4096u // full segments to the peer: what its windows come to, if each is no less
#define WND_MIN (4 * PEER_SEG) // than four segments
#define WND_MAX (1u << 19)

static const uint8_t engine_mac[6] = {2, 11, 10, 77, 0, 1};
static const uint8_t peer_mac[6] = {2, 11, 10, 77, 0, 2};

const char *const rig_stage_names[STAGES] = {
#define X(stage) #stage,
	TURN_STAGES(X)
#undef X
};

static int set(struct rig *r, const char *section, const char *name, const char *value)
{
	return config_set(&r->cfg, section, name, value, r->err, sizeof(r->err));
}

static int set_number(struct rig *r, const char *section, const char *name, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	return set(r, section, name, text);
}

// SECTION.OPTION=VALUE
static int set_text(struct rig *r, const char *text)
{
	char copy[CONFIG_TEXT], *dot, *is;

	snprintf(copy, sizeof(copy), "%s", text);
	dot = strchr(copy, '.');
	is = dot ? strchr(dot, '=') : NULL;
	if (!is) {
		snprintf(r->err, sizeof(r->err), "--set %s is not SECTION.OPTION=VALUE", text);
		return -EINVAL;
	}
	*dot = *is = '\0';
	return set(r, copy, dot + 1, is + 1);
}

// The shipped defaults; limits are raised where so many flows need it.
static int configure(struct rig *r, uint32_t flows)
{
	struct config *c = &r->cfg;
	// One host has limits.host_share times what is left: by default four fifths of the table.
	uint64_t conns = flows + flows / 3 + SPARE, soft = flows + SPARE;
	int rc;

	config_defaults(c);
	rc = set(r, "engine", "instance", "bench");
	rc = rc ? rc : set(r, "engine", "memory", r->o->no_huge ? "normal" : "huge");
	rc = rc ? rc : set(r, "port", "vdev", "in_memory");
	rc = rc ? rc : set(r, "net", "address", "10.77.0.1/24");
	rc = rc ? rc : set(r, "net", "gateway", "10.77.0.2");
	if (rc == 0 && conns > c->limits_conns)
		rc = set_number(r, "limits", "conns", conns);
	if (rc == 0 && soft > c->limits_soft)
		rc = set_number(r, "limits", "soft", soft);
	if (rc == 0 && conns > c->limits_host_conns)
		rc = set_number(r, "limits", "host_conns", conns + 2 * 4096);
	for (unsigned i = 0; rc == 0 && i < r->o->n_sets; i++)
		rc = set_text(r, r->o->sets[i]);
	rc = rc ? rc : config_check(c, r->err, sizeof(r->err));
	c->neigh[0].addr = c->gateway;
	memcpy(c->neigh[0].mac, peer_mac, 6);
	c->n_neigh = 1;
	return rc;
}

static int start_core(struct rig *r)
{
	size_t bytes = (sizeof(*r->core) + 63) & ~(size_t)63;
	int rc;

	rc = state_create(&r->st, &r->cfg, false, rte_rdtsc(), r->o->tsc_hz, r->err, RIG_ERR);
	if (rc)
		return rc;
	r->has_state = true;
	r->core = aligned_alloc(64, bytes);
	r->wire = calloc(1, sizeof(*r->wire));
	if (!r->core || !r->wire)
		return -ENOMEM;
	memset(r->core, 0, bytes);
	wire_port(r->wire, &r->core->port, r->o->engine_pool, &r->core->cnt, engine_mac);
	r->core->port.burst = (uint32_t)r->cfg.port_burst;
	rc = core_init(r->core, &r->cfg, &r->st, r->err, RIG_ERR);
	r->has_core = rc == 0;
	return rc;
}

static int start_control(struct rig *r)
{
	int rc;

	snprintf(r->dir, sizeof(r->dir), "/tmp/outboard-bench.XXXXXX");
	if (!mkdtemp(r->dir)) {
		rc = -errno;
		r->dir[0] = '\0';
		snprintf(r->err, RIG_ERR, "/tmp: %s", strerror(-rc));
		return rc;
	}
	snprintf(r->socket, sizeof(r->socket), "%s/bench.sock", r->dir);
	rc = control_init(&r->control, &r->cfg, &r->core->hostif, NULL, r->socket, r->err, RIG_ERR);
	r->has_control = rc == 0;
	return rc;
}

static void start_peer(struct rig *r, uint32_t flows)
{
	struct peer *p = &r->peer;
	uint32_t wnd;

	p->w = r->wire;
	p->pool = r->o->peer_pool;
	p->depth = r->o->depth < flows ? r->o->depth : flows;
	p->train = r->o->train;
	p->burst = r->core->port.burst;
	// All flows together leave room for their ACKs on the wire.
	wnd = IN_FLIGHT / flows * PEER_SEG;
	wnd = wnd < WND_MIN ? WND_MIN : wnd > WND_MAX ? WND_MAX : wnd;
	p->wnd = (uint16_t)(wnd >> PEER_SHIFT);
	p->delack_tsc = r->o->delack_us * (r->o->tsc_hz / 1000000);
	p->engine_be = ob_addr_get_v4(&r->cfg.addr);
	memcpy(p->mac, peer_mac, 6);
	memcpy(p->engine_mac, engine_mac, 6);
}

// A turn of everything that runs on this CPU, while nothing is measured.
static void turn_all(struct rig *r)
{
	control_turn(&r->control, 0);
	peer_step(&r->peer);
	core_turn(r->core);
	if (r->same && host_is(&r->host) == HOST_PAUSED)
		host_round(&r->host);
}

static int wait_host(struct rig *r, enum host_state s)
{
	uint64_t end = rte_rdtsc() + 30 * r->o->tsc_hz;

	while (host_is(&r->host) != s) {
		turn_all(r);
		if (host_is(&r->host) == HOST_OVER || rte_rdtsc() > end) {
			snprintf(r->err, RIG_ERR, "the host's thread: %.180s",
				r->host.error[0] ? r->host.error : "no answer");
			return -EIO;
		}
	}
	return 0;
}

static int start_host(struct rig *r, enum peer_load load, uint32_t flows)
{
	struct core_host *h = &r->host;
	int rc;

	h->load = load;
	h->socket = r->socket;
	h->cpu = r->o->host_cpu;
	h->slots = flows + SPARE > 4096 ? flows + SPARE : 4096;
	h->no_huge = r->o->no_huge;
	h->tsc_overhead = r->o->tsc_overhead;
	h->late_tsc = HOST_LATE_US * (r->o->tsc_hz / 1000000);
	rc = host_start(h);
	return rc ? rc : wait_host(r, HOST_PAUSED);
}

// Every flow, in batches; the host takes them on its own CPU or on this one.
static int open_flows(struct rig *r)
{
	uint64_t start = rte_rdtsc(), end = start + OPEN_MAX_S * r->o->tsc_hz;
	const char *error;
	bool open;

	if (r->peer.load == LOAD_SHORT)
		return 0;
	do {
		open = peer_open(&r->peer, OPENING);
		turn_all(r);
		error = rig_error(r);
		if (error || rte_rdtsc() > end || bench_stopped()) {
			snprintf(r->err, RIG_ERR, "%u of %u flows are open: %.180s", r->peer.open,
				r->peer.n, error ? error : "out of time");
			return -EIO;
		}
	} while (!open || atomic_load(&r->host.accepted) < r->peer.n);
	r->open_s = (double)(rte_rdtsc() - start) / (double)r->o->tsc_hz;
	return 0;
}

int rig_start(struct rig *r, const struct rig_opts *o, enum peer_load load, uint32_t flows)
{
	int rc;

	memset(r, 0, sizeof(*r));
	r->o = o;
	rc = configure(r, flows);
	rc = rc ? rc : start_core(r);
	rc = rc ? rc : start_control(r);
	if (rc)
		return rc;
	rc = peer_init(&r->peer, load, flows, o->tsc_hz);
	r->has_peer = true;
	if (rc) {
		snprintf(r->err, RIG_ERR, "out of memory");
		return rc;
	}
	start_peer(r, flows);
	rc = start_host(r, load, flows);
	rc = rc ? rc : rig_mode(r, o->host_cpu == o->engine_cpu, false);
	return rc ? rc : open_flows(r);
}

int rig_mode(struct rig *r, bool same, bool offload)
{
	enum host_state s = same ? HOST_PAUSED : HOST_RUNNING;

	r->same = false;
	host_want(&r->host, s);
	if (wait_host(r, s))
		return -EIO;
	r->same = same;
	r->peer.offload = offload;
	wire_offload(&r->core->port, offload);
	return 0;
}

void rig_stop(struct rig *r)
{
	r->peer.go = r->same = false;
	if (r->host.started) {
		host_want(&r->host, HOST_OVER);
		while (r->has_control && host_is(&r->host) != HOST_OVER)
			turn_all(r);
		host_join(&r->host);
		for (unsigned i = 0; i < 10000 && r->core->hostif.n_active; i++)
			turn_all(r);
	}
	if (r->has_control)
		control_fini(&r->control);
	if (r->has_core)
		core_fini(r->core);
	if (r->wire)
		wire_drain(r->wire);
	if (r->core && r->core->port.n_tx)
		rte_pktmbuf_free_bulk(r->core->port.tx, r->core->port.n_tx);
	if (r->has_state)
		state_destroy(&r->st, true);
	if (r->has_peer)
		peer_fini(&r->peer);
	if (r->dir[0])
		rmdir(r->dir);
	free(r->core);
	free(r->wire);
}

// On a wire that loses nothing the engine has nothing to drop. NULL when it did not.
static const char *dropped(const struct counters *c)
{
	for (unsigned i = 0; i < COUNTERS; i++) {
		const char *name = counter_info[i].name;

		if (counter_read(c, i)
			&& (strncmp(name, "drop_", 5) == 0 || strncmp(name, "tx_drop", 7) == 0
				|| strcmp(name, "tx_no_mbuf") == 0))
			return name;
	}
	return NULL;
}

const char *rig_error(struct rig *r)
{
	const struct peer_errors *e = &r->peer.errors;
	const char *drop = dropped(&r->core->cnt);

	if (r->host.error[0])
		return r->host.error;
	if (!drop && !(e->csum | e->data | e->gap | e->stray | e->reset | e->closed | e->no_mbuf))
		return NULL;
	snprintf(r->problem, RIG_ERR,
		"the engine counted %s; the peer saw %lu bad sums, %lu bad replies, %lu gaps, "
		"%lu strays, %lu resets, %lu early ends, and could not make %lu packets",
		drop ? drop : "no drop", e->csum, e->data, e->gap, e->stray, e->reset, e->closed,
		e->no_mbuf);
	return r->problem;
}
