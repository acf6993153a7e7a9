#include "tests/unit/core/order.h"

#include <errno.h>
#include <rte_cycles.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <unistd.h>

#include "engine/tcp/options.h"

#define POOL_PKTS 4095u
#define FAR 0x0a000002u // 10.0.0.2
#define NEAR 0x0a000001u

static const uint8_t near_mac[6] = {2, 0, 0, 0, 0, 1};
static const uint8_t far_mac[6] = {2, 0, 0, 0, 0, 2};
static struct rte_mempool *pool;

uint8_t rig_pattern(uint64_t off)
{
	uint32_t v = (uint32_t)(off & 0xffff) * 2654435761u;

	return (uint8_t)(v >> 24 ^ v >> 13);
}

static unsigned wire_rx(void *dev, struct rte_mbuf **pkts, unsigned n)
{
	struct rig *r = dev;

	n = n < r->n_rx ? n : r->n_rx;
	memcpy(pkts, r->rx, n * sizeof(*pkts));
	r->n_rx -= n;
	memmove(r->rx, r->rx + n, r->n_rx * sizeof(*pkts));
	return n;
}

static void wire_take(struct rig *r, struct rte_mbuf *m)
{
	const struct rte_ipv4_hdr *ip
		= rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, RTE_ETHER_HDR_LEN);
	const struct rte_tcp_hdr *h = (const void *)((const uint8_t *)ip + rte_ipv4_hdr_len(ip));
	struct rig_seg *s = &r->out[r->out_tail % RIG_SEGS];
	uint32_t hdr_len = (uint32_t)(h->data_off >> 4) * 4;

	if (rte_pktmbuf_mtod(m, const struct rte_ether_hdr *)->ether_type
		!= rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4))
		return; // ARP
	CU_ASSERT_EQUAL_FATAL(ip->next_proto_id, IPPROTO_TCP);
	CU_ASSERT_FATAL(m->nb_segs == 1 && r->out_tail - r->out_head < RIG_SEGS);
	s->sport = rte_be_to_cpu_16(h->src_port);
	s->dport = rte_be_to_cpu_16(h->dst_port);
	s->seq = rte_be_to_cpu_32(h->sent_seq);
	s->ack = rte_be_to_cpu_32(h->recv_ack);
	s->flags = h->tcp_flags;
	s->wnd = rte_be_to_cpu_16(h->rx_win);
	s->len = rte_be_to_cpu_16(ip->total_length) - rte_ipv4_hdr_len(ip) - hdr_len;
	CU_ASSERT_FATAL(s->len <= sizeof(s->data));
	memcpy(s->data, (const uint8_t *)h + hdr_len, s->len);
	order_segment(r, s);
	r->out_tail++;
}

static unsigned wire_tx(void *dev, struct rte_mbuf **pkts, unsigned n)
{
	struct rig *r = dev;

	if (r->stopping) // what is published is of the turn before: see hostif_publish() in order.c
		order_begin(r);
	for (unsigned i = 0; i < n; i++)
		wire_take(r, pkts[i]);
	rte_pktmbuf_free_bulk(pkts, n);
	return n;
}

static void configure(struct config *cfg)
{
	char err[256] = "";

	config_defaults(cfg);
	strcpy(cfg->port_vdev, "net_null0");
	strcpy(cfg->net_address, "10.0.0.1/24");
	cfg->limits_conns = cfg->limits_soft = 64;
	cfg->limits_half_open = cfg->limits_time_wait = 32;
	cfg->limits_pieces = 1024;
	cfg->limits_listeners = 16;
	cfg->limits_hosts = 2;
	cfg->limits_host_mb = 8;
	cfg->tcp_delack_us = 0;
	CU_ASSERT_EQUAL_FATAL(
		config_set(cfg, "neighbours", "10.0.0.2", "02:00:00:00:00:02", err, sizeof(err)),
		0);
}

static void rig_turn_of(void *ctx)
{
	struct rig *r = ctx;

	control_turn(&r->control, 0);
	core_turn(r->core);
	control_turn(&r->control, 0);
}

static void fill_arena(struct rig *r)
{
	const struct ob_seg_layout *l = &r->host.l;

	r->arena = l->rx_off + l->rx_bytes;
	for (uint64_t i = r->arena; i < l->arena_off + l->arena_bytes; i++)
		r->host.seg[i] = rig_pattern(i - r->arena);
}

void rig_open(struct rig *r, void (*change)(struct config *cfg), const struct ob_seg_layout *l)
{
	static const struct port_ops ops = {wire_rx, wire_tx};
	static unsigned serial;
	char err[512] = "";

	memset(r, 0, sizeof(*r));
	if (!pool)
		pool = rte_pktmbuf_pool_create(
			"unit", POOL_PKTS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
	configure(&r->cfg);
	if (change)
		change(&r->cfg);
	CU_ASSERT_EQUAL_FATAL(config_check(&r->cfg, err, sizeof(err)), 0);
	CU_ASSERT_EQUAL_FATAL(state_create(&r->st, &r->cfg, true, rte_rdtsc(), rte_get_tsc_hz(),
				      err, sizeof(err)),
		0);
	r->core = aligned_alloc(64, (sizeof(*r->core) + 63) & ~(size_t)63);
	r->out = calloc(RIG_SEGS, sizeof(*r->out));
	CU_ASSERT_FATAL(r->core != NULL && r->out != NULL);
	memset(r->core, 0, sizeof(*r->core));
	port_init_ops(&r->core->port, &ops, r, pool, &r->core->cnt, 1500, near_mac);
	CU_ASSERT_EQUAL_FATAL(core_init(r->core, &r->cfg, &r->st, err, sizeof(err)), 0);
	snprintf(r->path, sizeof(r->path), "/tmp/ob-core-%d-%u/s.sock", getpid(), serial++);
	CU_ASSERT_EQUAL_FATAL(control_init(&r->control, &r->cfg, &r->core->hostif, NULL, r->path,
				      err, sizeof(err)),
		0);
	r->e = (struct peer_engine){r->path, &r->core->hostif, rig_turn_of, r};
	peer_attach_layout(&r->e, &r->host, l);
	fill_arena(r);
	order_watch(r);
}

void rig_close(struct rig *r)
{
	const struct tcp *t = &r->core->tcp;
	const struct host_mem *m = r->host.host->mem;

	order_watch(NULL);
	CU_ASSERT_EQUAL(r->wrong, 0);
	CU_ASSERT_EQUAL(t->n_live, 0);
	CU_ASSERT_EQUAL(r->st.n_free_recs, r->st.hdr->n_conns);
	CU_ASSERT_EQUAL(r->st.n_free_half, r->st.hdr->n_half);
	CU_ASSERT_EQUAL(r->st.n_free_pieces, r->st.hdr->n_pieces);
	CU_ASSERT(m->n_free == m->n_bufs && m->rx_pieces == 0 && m->tx_pieces == 0);
	CU_ASSERT_EQUAL(t->n_soft_free, t->n_soft);
	rte_pktmbuf_free_bulk(r->rx, r->n_rx);
	peer_close(&r->host);
	control_fini(&r->control);
	*strrchr(r->path, '/') = 0;
	rmdir(r->path);
	core_fini(r->core);
	state_destroy(&r->st, true);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool), POOL_PKTS);
	free(r->core);
	free(r->out);
}

void rig_turn(struct rig *r)
{
	if (r->turn) {
		r->turn();
		return;
	}
	order_begin(r);
	core_turn(r->core);
}

void rig_turns(struct rig *r, unsigned n)
{
	while (n--)
		rig_turn(r);
}

void rig_stop(struct rig *r)
{
	atomic_store(&r->core->stop, true);
	r->stopping = true;
	core_run(r->core);
	r->stopping = false;
}

void rig_advance(struct rig *r, uint64_t us)
{
	r->st.hdr->clock.tsc0 -= us * (rte_get_tsc_hz() / 1000000);
	rig_turn(r);
}

void rig_put(struct rig *r, struct rig_end *e, unsigned flags, uint32_t len)
{
	struct tcp_opts o
		= {.has_mss = flags & TCP_SYN, .mss = 1460, .has_wscale = flags & TCP_SYN};
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	struct rte_ether_hdr *eth;
	struct rte_ipv4_hdr *ip;
	struct rte_tcp_hdr *h;
	uint8_t opt[40];
	uint32_t opt_len = tcp_opts_write(&o, opt);
	uint8_t *data;

	CU_ASSERT_FATAL(m != NULL && r->n_rx < RTE_DIM(r->rx));
	eth = (void *)rte_pktmbuf_append(
		m, (uint16_t)(sizeof(*eth) + sizeof(*ip) + sizeof(*h) + opt_len + len));
	ip = (void *)(eth + 1);
	h = (void *)(ip + 1);
	data = (uint8_t *)(h + 1) + opt_len;
	memcpy(&eth->dst_addr, near_mac, 6);
	memcpy(&eth->src_addr, far_mac, 6);
	eth->ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
	*ip = (struct rte_ipv4_hdr){.version_ihl = 0x45, .time_to_live = 64};
	ip->next_proto_id = IPPROTO_TCP;
	ip->total_length = rte_cpu_to_be_16((uint16_t)(sizeof(*ip) + sizeof(*h) + opt_len + len));
	ip->src_addr = rte_cpu_to_be_32(FAR);
	ip->dst_addr = rte_cpu_to_be_32(NEAR);
	*h = (struct rte_tcp_hdr){.tcp_flags = (uint8_t)flags};
	h->src_port = rte_cpu_to_be_16(e->port);
	h->dst_port = rte_cpu_to_be_16(e->to);
	h->sent_seq = rte_cpu_to_be_32(e->seq);
	h->recv_ack = rte_cpu_to_be_32(flags & TCP_ACK ? e->ack : 0);
	h->data_off = (uint8_t)((sizeof(*h) + opt_len) / 4 << 4);
	h->rx_win = rte_cpu_to_be_16(e->wnd);
	memcpy(h + 1, opt, opt_len);
	for (uint32_t i = 0; i < len; i++)
		data[i] = rig_pattern(e->seq - e->isn - 1 + i);
	h->cksum = rte_ipv4_udptcp_cksum(ip, h);
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	e->seq += len + !!(flags & TCP_SYN) + !!(flags & TCP_FIN);
	r->rx[r->n_rx++] = m;
}

void rig_say(struct rig *r, struct rig_end *e, unsigned flags, uint32_t len)
{
	rig_put(r, e, flags, len);
	rig_turn(r);
}

struct rig_seg rig_hear(struct rig *r, struct rig_end *e, unsigned flags, uint32_t len)
{
	const struct rig_seg *s = &r->out[r->out_head % RIG_SEGS];
	struct rig_seg none = {0};
	uint32_t end;

	CU_ASSERT(!rig_silent(r));
	if (rig_silent(r))
		return none;
	r->out_head++;
	if ((s->flags & ~TCP_PSH) != flags || s->len != len || s->dport != e->port)
		printf("\n    heard flags %x, %u bytes, to port %u", s->flags, s->len, s->dport);
	CU_ASSERT((s->flags & ~TCP_PSH) == flags && s->len == len && s->dport == e->port);
	if (s->flags & TCP_SYN) {
		e->iss = e->ack = s->seq;
		e->to = s->sport;
	}
	for (uint32_t i = 0; i < s->len; i++)
		if (s->data[i] != rig_pattern(s->seq - e->iss - 1 + i))
			CU_FAIL_FATAL("another byte was sent");
	end = s->seq + s->len + !!(s->flags & TCP_SYN) + !!(s->flags & TCP_FIN);
	if (s->seq == e->ack)
		e->ack = end;
	return *s;
}

bool rig_silent(struct rig *r)
{
	return r->out_head == r->out_tail;
}

void rig_forget(struct rig *r)
{
	r->out_head = r->out_tail;
}

void rig_ask(struct rig *r, struct ob_req q)
{
	peer_request(&r->host, &q);
}

void rig_do(struct rig *r, struct ob_req q)
{
	rig_ask(r, q);
	rig_turn(r);
}

struct ob_req rig_send_req(const struct rig *r, const struct rig_end *e, uint64_t off, uint32_t len)
{
	return (struct ob_req){.op = OB_RQ_SEND,
		.slot = e->slot,
		.gen = e->gen,
		.off = off,
		.len = len,
		.send.arena_off = r->arena + off};
}

void rig_consume(struct rig *r, const struct rig_end *e, uint64_t off)
{
	struct ob_slot_word *w = ob_seg_slot(r->host.seg, &r->host.l, e->slot);

	if (atomic_load(&w->consumed) < off)
		atomic_store(&w->consumed, off);
	rig_ask(r,
		(struct ob_req){.op = OB_RQ_CONSUMED, .slot = e->slot, .gen = e->gen, .off = off});
}

// The host takes a connection.
static void rig_taken(struct rig *r, struct rig_end *e, const struct ob_event *ev)
{
	struct ob_slot_word *w = ob_seg_slot(r->host.seg, &r->host.l, ev->slot);

	e->slot = ev->slot;
	e->gen = ev->gen;
	atomic_store(&w->consumed, 0);
	atomic_store(&w->taken_gen, ev->gen);
}

struct ob_event rig_event(struct rig *r, enum ob_ev_type type)
{
	struct ob_event e = peer_event(&r->host);

	if (e.type != type)
		printf("\n    event of type %u, expected %u", e.type, (unsigned)type);
	CU_ASSERT_EQUAL(e.type, type);
	return e;
}

void rig_listen(struct rig *r, uint16_t port)
{
	struct ob_req q = {.op = OB_RQ_LISTEN, .gen = 1, .len = 64, .addr.lport = port};

	rig_do(r, q);
	CU_ASSERT_EQUAL(rig_event(r, OB_EV_LISTEN).error, 0);
}

static struct rig_end end_make(uint16_t port)
{
	uint32_t isn = 0xffffff00u + port;

	return (struct rig_end){
		.port = port, .to = RIG_PORT, .isn = isn, .seq = isn, .wnd = RIG_WND};
}

void rig_accept(struct rig *r, struct rig_end *e, uint16_t port)
{
	struct ob_event ev;

	*e = end_make(port);
	rig_say(r, e, TCP_SYN, 0);
	rig_hear(r, e, TCP_SYN | TCP_ACK, 0);
	rig_say(r, e, TCP_ACK, 0);
	do // under amnesia others are told of again
		ev = peer_event(&r->host);
	while ((ev.type != OB_EV_ACCEPT || ev.conn.rport != port) && peer_has_event(&r->host));
	CU_ASSERT_EQUAL(ev.type, OB_EV_ACCEPT);
	CU_ASSERT_EQUAL(ev.conn.rport, port);
	rig_taken(r, e, &ev);
}

void rig_connect(struct rig *r, struct rig_end *e, uint16_t port, uint32_t slot)
{
	struct ob_req q = {.op = OB_RQ_CONNECT, .slot = slot, .gen = 1, .addr.rport = port};
	struct ob_event ev;

	*e = end_make(port);
	q.addr.raddr = ob_addr_v4(rte_cpu_to_be_32(FAR));
	rig_do(r, q);
	rig_hear(r, e, TCP_SYN, 0);
	rig_say(r, e, TCP_SYN | TCP_ACK, 0);
	ev = rig_event(r, OB_EV_CONNECT);
	CU_ASSERT(ev.error == 0 && ev.slot == slot && ev.gen == 1);
	rig_taken(r, e, &ev);
	rig_hear(r, e, TCP_ACK, 0);
}

void rig_release(struct rig *r, struct rig_end *e)
{
	rig_do(r, (struct ob_req){.op = OB_RQ_RELEASE, .slot = e->slot, .gen = e->gen});
}

const struct rec *rig_rec(const struct rig *r, const struct rig_end *e)
{
	for (uint32_t i = 0; i < r->st.hdr->n_conns; i++)
		if (rec_phase(&r->st.recs[i]) != REC_FREE && r->st.recs[i].rport == e->port)
			return &r->st.recs[i];
	CU_FAIL_FATAL("no record");
	return NULL;
}
