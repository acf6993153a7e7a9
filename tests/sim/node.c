// An engine of the simulator: the real core, state segment and control layer; only its port, its
// clock and its randomness are ours.
#include <malloc.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ether.h>
#include <rte_random.h>
#include <unistd.h>

#include "engine/tcp/cc.h"
#include "engine/tcp/isn.h"
#include "tests/sim/sim.h"

#define POOL_PKTS 1023u
#define ROOM (FRAME_MAX + RTE_PKTMBUF_HEADROOM)
#define IDLE_MAX_US 1000u
#define LEAVING_US 1000u

static struct rte_mempool *pools[SIM_NODES];

int nodes_start(unsigned job)
{
	char prefix[64];
	char *argv[] = {"outboard-sim", "--no-huge", "--no-pci", "--no-shconf", "--no-telemetry",
		"--log-level=error", "-m", "64", "-l", "0", "--file-prefix", prefix, NULL};
	char cpu[16];

	// What a seed frees, the next one takes: it does not go back to the kernel.
	mallopt(M_MMAP_THRESHOLD, 1 << 30);
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	if (wrap_start())
		return -EIO;
	snprintf(prefix, sizeof(prefix), "obsim-%d-%u", getpid(), job);
	snprintf(cpu, sizeof(cpu), "0@%ld", job % sysconf(_SC_NPROCESSORS_ONLN));
	argv[8] = "--lcores";
	argv[9] = cpu;
	if (rte_eal_init((int)(sizeof(argv) / sizeof(argv[0])) - 1, argv) < 0)
		return rte_errno ? -rte_errno : -EIO;
	rmdir(rte_eal_get_runtime_dir()); // nothing is ever in it
	for (unsigned i = 0; i < SIM_NODES; i++) {
		char name[16];

		snprintf(name, sizeof(name), "sim_%u", i);
		pools[i] = rte_pktmbuf_pool_create(name, POOL_PKTS, 0, 0, ROOM, SOCKET_ID_ANY);
		if (!pools[i])
			return -ENOMEM;
	}
	return 0;
}

uint64_t node_now(const struct node *n)
{
	return n->sim->now_us + n->clock_off_us;
}

static uint64_t clock_of(void *ctx)
{
	return node_now(ctx);
}

// The wire puts a frame into the receive ring, as a NIC would: into a packet of the pool.
static void arrive(void *ctx, const uint8_t *frame, uint32_t len)
{
	struct node *n = ctx;
	struct rte_mbuf *m = n->n_rx < NODE_RX ? rte_pktmbuf_alloc(n->pool) : NULL;

	if (!m) {
		FIRED(n->sim, rx_no_mbuf);
		return;
	}
	rte_memcpy(rte_pktmbuf_append(m, (uint16_t)len), frame, len);
	n->rx[(n->rx_head + n->n_rx++) % NODE_RX] = m;
	check_arrival(n, frame, len);
	node_kick(n);
}

static unsigned port_take(void *dev, struct rte_mbuf **pkts, unsigned max)
{
	struct node *n = dev;
	unsigned i;

	for (i = 0; i < max && n->n_rx; i++, n->n_rx--)
		pkts[i] = n->rx[n->rx_head++ % NODE_RX];
	n->rx_head %= NODE_RX;
	return i;
}

static unsigned port_give(void *dev, struct rte_mbuf **pkts, unsigned max)
{
	struct node *n = dev;
	struct sim *s = n->sim;
	unsigned take = max;

	if (s->plan.tx_refuse_ppm && !s->healed && draw_odds(&n->draw, s->plan.tx_refuse_ppm)) {
		take = (unsigned)draw_below(&n->draw, max);
		FIRED_N(s, tx_refused, max - take);
		n->refused |= take < max;
	}
	for (unsigned i = 0; i < take; i++) {
		const uint8_t *frame = rte_pktmbuf_mtod(pkts[i], const uint8_t *);
		uint32_t len = rte_pktmbuf_data_len(pkts[i]);

		if (pkts[i]->nb_segs != 1 || len > n->cfg.port_mtu + RTE_ETHER_HDR_LEN)
			sim_fail(s, "engine %u: a frame of %u bytes in %u parts", n->index, len,
				pkts[i]->nb_segs);
		sim_hash_word(s, s->now_us << 1 | n->index);
		sim_hash(s, frame, len);
		check_frame(n, frame, len);
		wire_send(&s->wire, n->index, frame, len);
		rte_pktmbuf_free(pkts[i]);
	}
	return take;
}

static void or_else(uint64_t *option, uint64_t value, uint64_t otherwise)
{
	*option = value ? value : otherwise;
}

static void configure_limits(struct node *n, const struct plan *p)
{
	struct config *c = &n->cfg;

	c->limits_conns = SIM_CONNS;
	or_else(&c->limits_soft, p->soft, SIM_CONNS);
	c->limits_half_open = 32;
	or_else(&c->limits_time_wait, p->time_wait, SIM_TIME_WAIT);
	or_else(&c->limits_pieces, p->pieces, 4096);
	or_else(&c->limits_ooo, p->ooo, 64);
	or_else(&c->limits_sack_ranges, p->sack_ranges, 4096);
	c->limits_listeners = 32;
	c->limits_hosts = 8;
	c->limits_host_conns = 1024;
	c->limits_host_mb = 64;
	or_else(&c->limits_req_burst, p->req_burst, 64);
}

static void configure_ecn(struct config *c, uint64_t mode)
{
	static const char *const modes[] = {"passive", "off", "on", "on"};

	snprintf(c->tcp_ecn, sizeof(c->tcp_ecn), "%s", modes[mode & 3]);
	if (mode == 3)
		snprintf(c->tcp_congestion_control, sizeof(c->tcp_congestion_control), "dctcp");
}

static int configure(struct node *n, const struct plan *p, char *err, size_t err_bytes)
{
	struct config *c = &n->cfg;

	config_defaults(c);
	snprintf(c->port_vdev, sizeof(c->port_vdev), "net_null0");
	snprintf(c->net_address, sizeof(c->net_address), "10.77.0.%u/24", n->index + 1);
	configure_limits(n, p);
	or_else(&c->port_mtu, p->mtu, 1500);
	or_else(&c->port_burst, p->burst, 32);
	if (p->mss)
		c->tcp_mss = p->mss;
	c->tcp_wscale = p->wscale;
	or_else(&c->tcp_rcv_wnd, p->rcv_wnd, 65536);
	while (c->tcp_rcv_wnd >> c->tcp_wscale < 2)
		c->tcp_wscale--;
	c->tcp_timestamps = !p->no_timestamps;
	c->tcp_sack = !p->no_sack;
	or_else(&c->tcp_init_cwnd, p->init_cwnd, 10);
	if (p->cc)
		snprintf(c->tcp_congestion_control, sizeof(c->tcp_congestion_control), "%s",
			cc_by_id((unsigned)p->cc)->name);
	c->tcp_idle_restart = !p->no_idle_restart;
	c->tcp_delack_us = p->delack_us;
	or_else(&c->tcp_min_rto_us, p->min_rto_us, 200000);
	or_else(&c->tcp_msl2_ms, p->msl2_ms, 100);
	c->tcp_fin_wait2_ms = 2000;
	c->tcp_linger = p->linger_ms > 0; // closes of APP_SETTINGS' time
	if (p->give_up) {
		c->tcp_data_retries = c->tcp_orphan_retries = p->give_up;
		c->tcp_syn_retries = c->tcp_synack_retries = p->give_up;
	}
	configure_ecn(c, n->index ? p->ecn_second : p->ecn_first);
	c->debug_amnesia = p->amnesia_ppm;
	for (unsigned i = 0; i < SIM_NODES; i++) {
		char addr[16], mac[18];

		snprintf(addr, sizeof(addr), "10.77.0.%u", i + 1);
		snprintf(mac, sizeof(mac), "02:00:00:00:00:%02x", i + 1);
		if (i != n->index && !p->arp)
			config_set(c, "neighbours", addr, mac, err, err_bytes);
	}
	return config_check(c, err, err_bytes);
}

// The pool is as large as the plan says; the rest is kept out of it.
static void keep_mbufs(struct node *n, const struct plan *p)
{
	unsigned keep = p->mbufs ? POOL_PKTS - (unsigned)p->mbufs : 0;

	for (; n->n_kept_mbufs < keep; n->n_kept_mbufs++)
		n->kept_mbufs[n->n_kept_mbufs] = rte_pktmbuf_alloc(n->pool);
}

// The clock is such that the first connection between the two has an ISN that soon wraps.
static uint64_t clock_offset(struct node *n, const struct plan *p)
{
	const struct flow *f = &n->sim->flows[0];
	unsigned side = f->addr[0] == n->addr ? 0 : 1;
	struct seg_tuple k = {.laddr = ob_addr_v4(f->addr[side]),
		.raddr = ob_addr_v4(f->addr[1 - side]),
		.lport = f->port[side],
		.rport = f->port[1 - side]};
	uint32_t want = (uint32_t)(0u - p->wrap * 100), isn;

	if (!p->wrap)
		return 0;
	isn = isn_make(&n->st.hdr->secrets, &k, f->start_us);
	return (uint64_t)(want - isn) * 4;
}

static int open_core(struct node *n, char *err, size_t err_bytes)
{
	static const struct port_ops ops = {port_take, port_give};
	int rc;

	n->core = aligned_alloc(64, (sizeof(*n->core) + 63) & ~(size_t)63);
	if (!n->core)
		return -ENOMEM;
	memset(n->core, 0, sizeof(*n->core));
	n->core->clock = clock_of;
	n->core->clock_ctx = n;
	port_init_ops(&n->core->port, &ops, n, n->pool, &n->core->cnt, (uint16_t)n->cfg.port_mtu,
		n->station.mac);
	n->core->port.burst = (uint32_t)n->cfg.port_burst;
	rc = core_init(n->core, &n->cfg, &n->st, err, err_bytes);
	if (rc) {
		free(n->core);
		n->core = NULL;
	}
	return rc;
}

int node_open(struct node *n, struct sim *s, unsigned index)
{
	char err[512] = "", path[CONTROL_PATH];
	int rc;

	n->sim = s;
	n->index = index;
	n->pool = pools[index];
	n->draw = draw_stream(s->plan.seed, "node", index);
	n->next_us = SIM_NEVER;
	n->idle_us = 1;
	memcpy(n->station.mac, "\x02\0\0\0\0\1", 6);
	n->station.mac[5] = (uint8_t)(index + 1);
	n->station.ctx = n;
	n->station.arrive = arrive;
	rc = configure(n, &s->plan, err, sizeof(err));
	if (rc == 0)
		rc = state_create(&n->st, &n->cfg, true, 0, 1000000000, err, sizeof(err));
	if (rc) {
		sim_fail(s, "engine %u: %s", index, err);
		return rc;
	}
	n->clock_off_us = clock_offset(n, &s->plan);
	rc = open_core(n, err, sizeof(err));
	if (rc == 0) {
		snprintf(path, sizeof(path), "/tmp/obsim-%d-%u.sock", getpid(), index);
		rc = control_init(
			&n->control, &n->cfg, &n->core->hostif, NULL, path, err, sizeof(err));
		if (rc)
			core_fini(n->core);
	}
	if (rc) {
		sim_fail(s, "engine %u: %s", index, err);
		free(n->core);
		n->core = NULL;
		state_destroy(&n->st, true);
		return rc;
	}
	keep_mbufs(n, &s->plan);
	wire_attach(&s->wire, &n->station);
	n->up = true;
	return 0;
}

void node_close(struct node *n)
{
	const uint64_t *c;

	if (!n->up)
		return;
	c = (const uint64_t *)&n->core->cnt;
	for (unsigned i = 0; i < COUNTERS; i++) {
		n->sim->stats->counter[i] += c[i];
		sim_hash_word(n->sim, c[i]);
	}
	FIRED_N(n->sim, ring_full, n->core->cnt.ev_put_off);
	if (n->sim->plan.give_up)
		FIRED_N(n->sim, give_up, n->core->cnt.tcp_timeout);
	while (n->n_rx)
		rte_pktmbuf_free(n->rx[(n->rx_head + --n->n_rx) % NODE_RX]);
	control_fini(&n->control);
	core_fini(n->core);
	rte_pktmbuf_free_bulk(n->kept_mbufs, n->n_kept_mbufs);
	n->n_kept_mbufs = 0;
	if (!n->sim->failed && rte_mempool_avail_count(n->pool) != POOL_PKTS)
		sim_fail(n->sim, "engine %u: %u packets of %u are back", n->index,
			rte_mempool_avail_count(n->pool), POOL_PKTS);
	free(n->core);
	state_destroy(&n->st, true);
	n->up = false;
}

void node_kick(struct node *n)
{
	uint64_t when = n->sim->now_us;

	n->idle_us = 1;
	if (when < n->stalled_until_us)
		when = n->stalled_until_us;
	if (when < n->next_us)
		n->next_us = when;
}

void node_asked(struct node *n)
{
	struct epoll_event e;

	if (n->asleep && epoll_wait(n->core->hostif.epoll_fd, &e, 1, 0) <= 0)
		return; // nobody has rung
	if (n->asleep)
		FIRED(n->sim, woken);
	node_kick(n);
}

void node_control(struct node *n)
{
	// Each round handles one batch of events; what they say may bring more.
	for (unsigned i = 0; i < 4; i++)
		control_turn(&n->control, 0);
}

// Hosts that go are seen to by turns; a real engine takes one each millisecond at the least.
static bool leaving(const struct node *n)
{
	const struct hostif *h = &n->core->hostif;

	for (uint32_t i = 0; i < h->n_active; i++)
		if (h->active[i]->ending_us || atomic_load(&h->active[i]->state) == HOSTIF_GOING)
			return true;
	return false;
}

// When it has nothing to do: until its next timer, or as short sleeps when something waits.
static void rest(struct node *n)
{
	struct sim *s = n->sim;
	uint64_t timer = tcp_next_us(&n->core->tcp), neigh = net_next_us(&n->core->net);
	uint64_t now = node_now(n);

	timer = timer < neigh ? timer : neigh;
	if (n->core->tcp.out.n || n->core->tcp.half_out.n || n->core->tcp.dirty.n || timer <= now) {
		n->idle_us = n->idle_us * 2 < IDLE_MAX_US ? n->idle_us * 2 : IDLE_MAX_US;
		timer = now + n->idle_us;
	}
	n->next_us = timer == UINT64_MAX ? SIM_NEVER : timer - n->clock_off_us;
	if (leaving(n) && n->next_us > s->now_us + LEAVING_US)
		n->next_us = s->now_us + LEAVING_US;
	if (!s->plan.sleepy)
		return;
	if (!hostif_sleep_prepare(&n->core->hostif)) {
		FIRED(s, slept);
		n->asleep = true;
	} else { // a request waits, perhaps for long: a real engine polls on
		hostif_sleep_done(&n->core->hostif);
		n->idle_us = n->idle_us * 2 < IDLE_MAX_US ? n->idle_us * 2 : IDLE_MAX_US;
		n->next_us = s->now_us + n->idle_us;
	}
}

void node_turn(struct node *n)
{
	uint64_t turn_us = n->sim->plan.turn_us ? n->sim->plan.turn_us : 1;

	if (n->asleep) { // a timer or the port has woken it, if no doorbell has
		hostif_sleep_wait(&n->core->hostif, 0);
		hostif_sleep_done(&n->core->hostif);
		n->asleep = false;
	}
	if (core_turn(n->core)) {
		n->idle_us = 1;
		n->next_us = n->sim->now_us + turn_us;
	} else {
		rest(n);
		if (n->next_us < n->sim->now_us + turn_us)
			n->next_us = n->sim->now_us + turn_us;
	}
	if (rte_ring_count(n->core->hostif.to_control))
		node_control(n);
	check_turn(n);
	hosts_look(n);
}
