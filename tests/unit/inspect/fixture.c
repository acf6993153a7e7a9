#include "tests/unit/inspect/fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int host_row(void *ctx, uint32_t i, struct ob_ctl_host *row)
{
	const struct fixture *f = ctx;

	if (!(f->host_rows & 1u << i))
		return -ENOENT;
	snprintf(row->name, sizeof(row->name), "host \"%u\"", i);
	snprintf(row->state, sizeof(row->state), "attached");
	row->id = 77;
	row->pid = 1000 + i;
	row->requests = 10 + i;
	return 0;
}

int fixture_make(struct fixture *f, uint32_t conns)
{
	char err[256] = "";
	uint32_t half = conns / 2;
	int r;

	memset(f, 0, sizeof(*f));
	config_defaults(&f->cfg);
	snprintf(f->cfg.engine_instance, sizeof(f->cfg.engine_instance), "fixture");
	f->cfg.limits_conns = conns;
	f->cfg.limits_half_open = half;
	f->cfg.limits_time_wait = 16;
	f->cfg.limits_pieces = 64;
	f->cfg.limits_listeners = 8;
	f->cfg.limits_hosts = FIX_HOSTS;
	r = state_create(&f->st, &f->cfg, true, 1000, 1000000000, err, sizeof(err));
	if (r < 0)
		return r;
	f->tcp = (struct tcp){.cfg = &f->cfg,
		.st = &f->st,
		.cnt = &f->cnt,
		.mem = f->mem,
		.n_conns = conns,
		.n_half = half,
		.n_soft = half};
	f->tcp.soft_of = malloc(conns * sizeof(uint32_t));
	f->tcp.soft = calloc(half, sizeof(struct tcp_soft));
	f->tcp.half_soft = calloc(half, sizeof(struct tcp_half_soft));
	f->tcp.lsoft = calloc(8, sizeof(struct tcp_listener_soft));
	if (!f->tcp.soft_of || !f->tcp.soft || !f->tcp.half_soft || !f->tcp.lsoft)
		return -ENOMEM;
	memset(f->tcp.soft_of, 0xff, conns * sizeof(uint32_t));
	for (uint32_t i = 0; i < half; i++)
		f->tcp.soft[i].conn = TCP_NONE;
	snprintf(f->port.name, sizeof(f->port.name), "net_fixture0");
	f->port.id = UINT16_MAX;
	f->port.mtu = 1500;
	f->in = (struct inspect){.cfg = &f->cfg,
		.tcp = &f->tcp,
		.cnt = &f->cnt,
		.port = &f->port,
		.host_row = host_row,
		.host_ctx = f};
	inspect_init(&f->in);
	return 0;
}

void fixture_free(struct fixture *f)
{
	free(f->tcp.soft_of);
	free(f->tcp.soft);
	free(f->tcp.half_soft);
	free(f->tcp.lsoft);
	state_destroy(&f->st, true);
}

void fixture_conn(struct fixture *f, uint32_t i, uint32_t gen, uint32_t soft)
{
	struct rec *r = &f->st.recs[i];
	struct tcp_soft *s;

	r->laddr = ob_addr_v4(htonl(0x0a4d0001));
	r->raddr = ob_addr_v4(htonl(0x0a4d0002));
	r->lport = 80;
	r->rport = (uint16_t)(1000 + i);
	r->host = 1;
	r->chan = 2;
	r->slot = 100 + i;
	r->slot_gen = gen;
	r->mss = 1448;
	r->opts = OB_NEG_TS | OB_NEG_SACK;
	r->snd_una = 10 + i;
	r->snd_max = 20 + i;
	r->snd_wr = 30 + i;
	r->rcv_nxt = 40 + i;
	r->rcv_edge = 50 + i;
	f->tcp.soft_of[i] = soft;
	if (soft != STATE_NIL) {
		s = &f->tcp.soft[soft];
		s->conn = i;
		s->cwnd = 14480 + i;
		s->ssthresh = 7;
		s->srtt_us = 1500;
		s->rto_us = 200000;
		s->snd_wnd = 65535;
		s->retries = 3;
	}
	HARD_SET(r->life, rec_life(gen, 0, REC_LIVE));
	f->tcp.n_live++;
}

void fixture_half(struct fixture *f, uint32_t i, enum half_phase phase)
{
	struct half *h = &f->st.half[i];

	h->laddr = ob_addr_v4(htonl(0x0a4d0001));
	h->raddr = ob_addr_v4(htonl(0x0a4d0003));
	h->lport = 81;
	h->rport = (uint16_t)(2000 + i);
	h->mss = 536;
	f->tcp.half_soft[i].rto_us = 1000000;
	f->tcp.half_soft[i].retries = 2;
	HARD_SET(h->phase, (uint8_t)phase);
	f->tcp.n_half_used++;
}

void fixture_listener(struct fixture *f, uint32_t i, uint16_t port)
{
	struct listener *l = &f->st.listeners[i];

	l->lport = port;
	l->host = 1;
	l->backlog = 128;
	f->tcp.lsoft[i].half_open = 5;
	f->tcp.lsoft[i].accepted = 1000 + i;
	HARD_SET(l->life, rec_life(1, 0, REC_LIVE));
}

void fixture_host(struct fixture *f, uint32_t i, uint32_t n_channels)
{
	static uint8_t some;
	struct host_mem *m = &f->mem[i];

	m->l.n_channels = n_channels;
	m->l.rx_buf_bytes = 2048;
	m->n_bufs = 64;
	m->n_free = 60;
	m->low_mark = 8;
	m->base = &some;
	f->host_rows |= 1u << i;
	for (uint32_t c = 0; c < n_channels; c++) {
		f->st.chans[i * OB_MAX_CHANNELS + c].req_head = 100 * i + c;
		f->st.chans[i * OB_MAX_CHANNELS + c].ev_tail = 200 * i + c;
	}
}
