// One connection over a path that loses one segment of so many, for long: what window does its congestion
// control keep, and what does the response function of its RFC say? One cell a process; the tables are
// made by prediction.sh (docs/prediction.md).
//
//	engine's TCP ---- 10 Gb/s, half a round trip ----> receiver: SACK, an ACK for each second segment
//	             <--- half a round trip --------------
//
// The engine's own objects: struct tcp over a state segment. Payload is not copied. Lost is each
// `period`-th segment that leaves for the first time; retransmissions and ACKs are not.
#include <getopt.h>
#include <math.h>
#include <rte_eal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "engine/tcp/cc.h"
#include "engine/tcp/internal.h"
#include "engine/tcp/reass.h"

#define MSS 1460u
#define SEG_NS 1211u // 1,514 bytes at 10 Gb/s
#define TURN_US 10u // of the engine, and how late it may see an ACK
#define DELACK_US 40000u
#define WSCALE 10u
#define RING 65536u
#define BURST 64u
#define CHUNK (1u << 20) // written at once
#define START_US 1000000u
#define PEER_ISN 1000u
#define ARENA (2u << 20)

struct data_seg {
	uint64_t at_us; // when it arrives
	uint64_t off;
	uint32_t len;
};

struct ack_seg {
	uint64_t at_us;
	uint64_t off;
	uint8_t opt_len;
	uint8_t opt[40];
};

struct cell {
	const struct cc_ops *cc;
	uint32_t period; // 1 / p
	uint32_t rtt_us;
	uint32_t losses; // that are measured
	uint32_t warm; // and before
	uint32_t ratio; // segments that an ACK is for
	double predicted; // segments
};

struct run {
	struct cell cell;
	struct config cfg;
	struct state st;
	struct counters cnt;
	struct tcp t;
	struct tcp_ops ops;
	struct host_mem mem;
	uint64_t now_us;
	uint32_t conn;
	uint32_t iss;
	struct seg_tuple tuple; // as the engine sends
	uint64_t written;
	// The path
	struct data_seg data[RING];
	uint32_t data_head, data_tail;
	struct ack_seg acks[RING];
	uint32_t ack_head, ack_tail;
	uint64_t free_ns; // when the wire is
	uint64_t sent_end; // all below has left
	uint64_t n_new; // segments that left for the first time
	uint64_t n_again;
	uint32_t n_lost;
	uint64_t began_us, ended_us;
	// The receiver
	uint64_t rcv_nxt;
	uint32_t unacked; // segments
	uint64_t delack_us; // 0: none
	struct tcp_ooo ooo;
};

// Sections 5.1 to 5.3 of RFC 9438; for NewReno RFC 5681's, which is the second of them. Neither has the
// ACK ratio in it: both controllers count bytes.
static double predict(const struct cell *c)
{
	double p = 1.0 / c->period, rtt = c->rtt_us * 1e-6, beta = 0.7, cc = 0.4;
	double reno = sqrt(1.5 / p), alpha = 3 * (1 - beta) / (1 + beta);
	double friendly = sqrt(alpha * (1 + beta) / (2 * (1 - beta) * p));
	double cubic = pow(cc * (3 + beta) / (4 * (1 - beta)), 0.25) * pow(rtt / p, 0.75);

	if (c->cc == &cc_newreno)
		return reno;
	return cubic > friendly ? cubic : friendly;
}

// ---- the receiver

static void ack_send(struct run *r, uint64_t at_us)
{
	struct ack_seg *a = &r->acks[r->ack_tail++ % RING];
	struct tcp_opts o = {.n_sack = 0};
	uint32_t start[3], end[3];

	o.n_sack = (uint8_t)ooo_sack(&r->ooo, r->iss + 1, UINT64_MAX, start, end, 3);
	for (unsigned i = 0; i < o.n_sack; i++) {
		o.sack[i].start = start[i];
		o.sack[i].end = end[i];
	}
	a->at_us = at_us + r->cell.rtt_us / 2;
	a->off = r->rcv_nxt;
	a->opt_len = (uint8_t)tcp_opts_write(&o, a->opt);
	r->unacked = 0;
	r->delack_us = 0;
}

static void receive(struct run *r, const struct data_seg *d)
{
	uint64_t end = d->off + d->len;
	bool gap = d->off > r->rcv_nxt, filled = r->ooo.n > 0;

	if (gap)
		ooo_add(&r->ooo, d->off, end);
	else if (end > r->rcv_nxt)
		r->rcv_nxt = ooo_advance(&r->ooo, end);
	if (gap || filled || ++r->unacked >= r->cell.ratio)
		ack_send(r, d->at_us);
	else if (!r->delack_us)
		r->delack_us = d->at_us + DELACK_US;
}

// ---- the sender's side

static unsigned sink_room(void *ctx)
{
	const struct run *r = ctx;

	return RING - (r->data_tail - r->data_head) > 2 * BURST ? BURST : 0;
}

static bool is_lost(struct run *r, uint64_t end)
{
	if (end <= r->sent_end) {
		r->n_again++;
		return false;
	}
	r->sent_end = end;
	if (++r->n_new % r->cell.period)
		return false;
	if (++r->n_lost == r->cell.warm)
		r->began_us = r->now_us;
	if (r->n_lost == r->cell.warm + r->cell.losses)
		r->ended_us = r->now_us;
	return true;
}

static int sink_emit(void *ctx, const struct seg_out *s)
{
	struct run *r = ctx;
	uint64_t off;

	if (s->flags & TCP_SYN) {
		r->iss = s->seq;
		r->tuple = s->t;
		return 0;
	}
	if (s->len == 0)
		return 0;
	off = r->sent_end
		+ (uint64_t)(int64_t)(int32_t)(s->seq - r->iss - 1 - (uint32_t)r->sent_end);
	if (r->free_ns < r->now_us * 1000)
		r->free_ns = r->now_us * 1000;
	r->free_ns += SEG_NS;
	if (!is_lost(r, off + s->len))
		r->data[r->data_tail++ % RING] = (struct data_seg){
			(r->free_ns + 999) / 1000 + r->cell.rtt_us / 2, off, s->len};
	return 0;
}

// One turn with what has arrived. `first` is put before it, if there is one.
static void turn(struct run *r, const struct seg_in *first)
{
	struct seg_in in[BURST];
	unsigned n = 0;

	if (first)
		in[n++] = *first;
	while (n < BURST && r->ack_head != r->ack_tail
		&& r->acks[r->ack_head % RING].at_us <= r->now_us) {
		struct ack_seg *a = &r->acks[r->ack_head++ % RING];

		in[n++] = (struct seg_in){.t = r->tuple,
			.seq = PEER_ISN + 1,
			.ack = r->iss + 1 + (uint32_t)a->off,
			.wnd = (uint16_t)((uint32_t)(4 * r->cell.predicted * MSS) >> WSCALE),
			.flags = TCP_ACK,
			.opt = a->opt,
			.opt_len = a->opt_len};
	}
	tcp_begin(&r->t, r->now_us);
	tcp_input(&r->t, in, n);
	while (r->conn != TCP_NONE && r->written < r->sent_end + 8 * CHUNK
		&& tcp_send(&r->t, r->conn, r->written, r->mem.l.rx_off + r->mem.l.rx_bytes, CHUNK,
			   0)
			== 0)
		r->written += CHUNK;
	tcp_timers(&r->t);
	tcp_output(&r->t);
	tcp_commit(&r->t);
}

static uint64_t next_us(const struct run *r)
{
	uint64_t next = tcp_next_us(&r->t);

	if (r->ack_head != r->ack_tail && r->acks[r->ack_head % RING].at_us < next)
		next = r->acks[r->ack_head % RING].at_us;
	if (next < r->now_us + TURN_US)
		next = r->now_us + TURN_US;
	if (r->data_head != r->data_tail && r->data[r->data_head % RING].at_us < next)
		next = r->data[r->data_head % RING].at_us;
	if (r->delack_us && r->delack_us < next)
		next = r->delack_us;
	return next > r->now_us ? next : r->now_us;
}

static void go(struct run *r)
{
	uint64_t turn_us = 0;

	while (!r->ended_us) {
		r->now_us = next_us(r);
		while (r->data_head != r->data_tail
			&& r->data[r->data_head % RING].at_us <= r->now_us)
			receive(r, &r->data[r->data_head++ % RING]);
		if (r->delack_us && r->delack_us <= r->now_us)
			ack_send(r, r->delack_us);
		if (r->now_us < turn_us + TURN_US)
			continue;
		turn_us = r->now_us;
		turn(r, NULL);
	}
}

// ---- beginning

static void op_slot_set(void *ctx, uint16_t host, uint32_t slot, uint32_t gen, uint32_t conn)
{
	struct run *r = ctx;

	(void)host;
	(void)gen;
	atomic_store(&ob_seg_slot(r->mem.base, &r->mem.l, slot)->taken_gen, gen);
	r->conn = conn;
}

static void op_notify(void *ctx, struct tcp_soft *s, unsigned bits)
{
	(void)ctx;
	(void)s;
	(void)bits;
}

static int mem_start(struct host_mem *m)
{
	m->l = (struct ob_seg_layout){.arena_bytes = ARENA,
		.rx_bytes = 1 << 16,
		.rx_buf_bytes = 2048,
		.n_channels = 1,
		.req_order = 4,
		.ev_order = 4,
		.n_slots_accept = 16,
		.n_slots_connect = 16};
	if (ob_seg_layout_make(&m->l, 4096))
		return -1;
	m->base = aligned_alloc(4096, m->l.seg_bytes);
	m->n_bufs = m->n_free = (uint32_t)(m->l.rx_bytes / m->l.rx_buf_bytes);
	m->free = malloc(m->n_bufs * sizeof(*m->free));
	m->gen = calloc(m->n_bufs, sizeof(*m->gen));
	if (!m->base || !m->free || !m->gen)
		return -1;
	memset(m->base, 0, m->l.seg_bytes);
	for (uint32_t i = 0; i < m->n_bufs; i++)
		m->free[i] = i;
	return 0;
}

static int run_start(struct run *r)
{
	struct seg_sink sink = {.ctx = r, .room = sink_room, .emit = sink_emit};
	char err[256] = "";

	config_defaults(&r->cfg);
	r->cfg.addr = ob_addr_v4(0x0100000a);
	r->cfg.limits_conns = r->cfg.limits_soft = 16;
	r->cfg.limits_half_open = r->cfg.limits_time_wait = 16;
	r->cfg.limits_pieces = 256;
	r->cfg.limits_hosts = 1;
	r->cfg.limits_ooo = 16;
	r->cfg.tcp_timestamps = 0;
	snprintf(r->cfg.tcp_congestion_control, sizeof(r->cfg.tcp_congestion_control), "%s",
		r->cell.cc->name);
	r->now_us = START_US;
	r->conn = TCP_NONE;
	r->ops = (struct tcp_ops){.ctx = r, .slot_set = op_slot_set, .notify = op_notify};
	if (mem_start(&r->mem)
		|| state_create(&r->st, &r->cfg, true, 0, 1000000000, err, sizeof(err))
		|| tcp_init(
			&r->t, &r->cfg, &r->st, &r->cnt, &r->ops, sink, &r->mem, 1500, r->now_us)) {
		fprintf(stderr, "outboard-predict: no engine: %s\n", err);
		return -1;
	}
	return 0;
}

static int connect_peer(struct run *r)
{
	struct tcp_opts o = {
		.has_mss = true, .mss = MSS, .has_wscale = true, .wscale = WSCALE, .sack_ok = true};
	struct tcp_open open = {.slot = 16,
		.slot_gen = 1,
		.raddr = ob_addr_v4(0x0200000a),
		.laddr = r->cfg.addr,
		.lport = 1000,
		.rport = 2000};
	struct seg_in syn = {.seq = PEER_ISN, .flags = TCP_SYN | TCP_ACK, .wnd = 65535};
	uint8_t opt[40];
	uint32_t id;

	if (tcp_connect(&r->t, &open, &id))
		return -1;
	turn(r, NULL);
	r->now_us += r->cell.rtt_us;
	syn.t = r->tuple;
	syn.ack = r->iss + 1;
	syn.opt_len = (uint8_t)tcp_opts_write(&o, opt);
	syn.opt = opt;
	turn(r, &syn);
	return r->conn == TCP_NONE ? -1 : 0;
}

static void print(const struct run *r)
{
	const struct cell *c = &r->cell;
	double seconds = (double)(r->ended_us - r->began_us) * 1e-6;
	double window = (double)c->losses * c->period * c->rtt_us * 1e-6 / seconds;
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	printf("{\"cc\": \"%s\", \"period\": %u, \"rtt_ms\": %u, \"losses\": %u, \"ack_ratio\": "
	       "%u, "
	       "\"segments\": %llu, \"again\": %llu, \"timeouts\": %llu, \"virtual_s\": %.1f, "
	       "\"window\": %.2f, \"predicted\": %.2f, \"ratio\": %.4f, \"cpu_s\": %.1f}\n",
		c->cc->name, c->period, c->rtt_us / 1000, c->losses, c->ratio,
		(unsigned long long)r->n_new, (unsigned long long)r->n_again,
		(unsigned long long)r->cnt.tcp_rtx_rto, seconds, window, c->predicted,
		window / c->predicted,
		(double)u.ru_utime.tv_sec + (double)u.ru_utime.tv_usec * 1e-6);
}

static int parse(struct cell *c, int argc, char **argv)
{
	static const struct option longs[] = {{"cc", required_argument, NULL, 'c'},
		{"period", required_argument, NULL, 'p'}, {"rtt-ms", required_argument, NULL, 'r'},
		{"losses", required_argument, NULL, 'l'},
		{"ack-ratio", required_argument, NULL, 'a'}, {0}};
	int o;

	*c = (struct cell){.cc = &cc_cubic, .losses = 1000, .warm = 30, .ratio = 1};
	while ((o = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (o == 'c')
			c->cc = cc_find(optarg);
		else if (o == 'p')
			c->period = (uint32_t)strtoul(optarg, NULL, 10);
		else if (o == 'r')
			c->rtt_us = 1000 * (uint32_t)strtoul(optarg, NULL, 10);
		else if (o == 'l')
			c->losses = (uint32_t)strtoul(optarg, NULL, 10);
		else if (o == 'a')
			c->ratio = (uint32_t)strtoul(optarg, NULL, 10);
		else
			return -1;
	}
	if (!c->cc || c->period < 10 || !c->rtt_us || !c->losses || optind < argc)
		return -1;
	c->predicted = predict(c);
	return 0;
}

int main(int argc, char **argv)
{
	char *eal[] = {"outboard-predict", "--no-huge", "-m", "64", "--no-pci", "--no-telemetry",
		"--no-shconf", "--log-level=error", "-l", "0", NULL};
	struct run *r = calloc(1, sizeof(*r));

	if (!r || parse(&r->cell, argc, argv)) {
		fprintf(stderr,
			"usage: outboard-predict [--cc NAME] --period N --rtt-ms MS "
			"[--losses N]\n");
		return 2;
	}
	if (rte_eal_init(10, eal) < 0 || run_start(r) || connect_peer(r))
		return 1;
	go(r);
	print(r);
	return 0;
}
