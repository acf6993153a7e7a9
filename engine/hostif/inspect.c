#include "engine/hostif/inspect.h"

#include <rte_mempool.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "engine/tcp/timewait.h"

#define LOAD(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)
// For copies: what is read afterwards is not read before.
#define LOAD_NEXT(field) __atomic_load_n(&(field), __ATOMIC_ACQUIRE)
#define TRIES 3

static uint64_t monotonic_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void inspect_init(struct inspect *in)
{
	in->start_us = monotonic_us();
}

// bytes: a multiple of 8, both sides aligned to that.
static void copy_words(void *to, const void *from, size_t bytes)
{
	uint64_t *w = to;
	const uint64_t *r = from;

	for (size_t i = 0; i < bytes / 8; i++)
		w[i] = LOAD_NEXT(r[i]);
}

// A whole copy of something whose first word is its life, with generation and phase. Returns
// whether it is live or done.
static bool copy_living(void *to, const void *from, size_t bytes)
{
	for (int i = 0; i < TRIES; i++) {
		// Pairs with the release of HARD_SET: what life covers was written before it.
		uint64_t life = LOAD_NEXT(*(const uint64_t *)from);

		if (REC_LIFE_PHASE(life) != REC_LIVE && REC_LIFE_PHASE(life) != REC_DONE)
			return false;
		copy_words(to, from, bytes);
		if (LOAD(*(const uint64_t *)from) == life && *(uint64_t *)to == life)
			return true;
	}
	return false;
}

// A half-open entry has no generation: it counts when two copies in a row are the same.
static bool copy_half(struct half *to, const struct half *from)
{
	struct half again;

	for (int i = 0; i < TRIES; i++) {
		copy_words(to, from, sizeof(*to));
		copy_words(&again, from, sizeof(again));
		if (memcmp(to, &again, sizeof(again)) == 0)
			return to->phase == HALF_SYN_SENT || to->phase == HALF_SYN_RCVD;
	}
	return false;
}

static void add_soft(const struct tcp *t, uint32_t conn, struct ob_ctl_conn *row)
{
	uint32_t i = LOAD(t->soft_of[conn]);
	const struct tcp_soft *s;
	struct ob_ctl_conn got = *row;

	if (i >= t->n_soft)
		return;
	s = &t->soft[i];
	if (LOAD_NEXT(s->conn) != conn)
		return;
	got.cwnd_bytes = LOAD_NEXT(s->cwnd);
	got.ssthresh_bytes = LOAD_NEXT(s->ssthresh);
	got.srtt_us = LOAD_NEXT(s->srtt_us);
	got.rto_us = LOAD_NEXT(s->rto_us);
	got.snd_wnd_bytes = LOAD_NEXT(s->snd_wnd);
	got.retries = LOAD_NEXT(s->retries);
	// It may have gone to another connection meanwhile.
	if (LOAD(s->conn) == conn && LOAD(t->soft_of[conn]) == i)
		*row = got;
}

static bool conn_row(const struct tcp *t, uint32_t conn, struct ob_ctl_conn *row)
{
	struct rec r;

	if (!copy_living(&r, &t->st->recs[conn], sizeof(r)))
		return false;
	*row = (struct ob_ctl_conn){
		.laddr = r.laddr,
		.raddr = r.raddr,
		.lport = r.lport,
		.rport = r.rport,
		.host = r.host,
		.chan = r.chan,
		.opts = r.opts & (uint8_t)~REC_NO_ECT,
		.slot = r.slot,
		.gen = r.slot_gen,
		.snd_una = r.snd_una,
		.snd_max = r.snd_max,
		.snd_wr = STATE_OFF(r.snd_wr),
		.rcv_nxt = STATE_OFF(r.rcv_nxt),
		.rcv_edge = r.rcv_edge,
		.mss = r.mss,
	};
	snprintf(row->state, sizeof(row->state), "%s", tcp_state_name(tcp_state(&r)));
	if (REC_LIFE_PHASE(r.life) == REC_LIVE)
		add_soft(t, conn, row);
	return true;
}

static bool half_row(const struct tcp *t, uint32_t i, struct ob_ctl_conn *row)
{
	const struct tcp_half_soft *s = &t->half_soft[i];
	struct half h;

	if (!copy_half(&h, &t->st->half[i]))
		return false;
	*row = (struct ob_ctl_conn){
		.laddr = h.laddr,
		.raddr = h.raddr,
		.lport = h.lport,
		.rport = h.rport,
		.host = h.host,
		.chan = h.chan,
		.opts = h.opts & (uint8_t)~REC_NO_ECT,
		.slot = h.slot,
		.gen = h.slot_gen,
		.rto_us = LOAD(s->rto_us),
		.snd_wnd_bytes = LOAD(s->snd_wnd),
		.mss = h.mss,
		.retries = LOAD(s->retries),
	};
	snprintf(row->state, sizeof(row->state), "%s",
		tcp_state_name(h.phase == HALF_SYN_SENT ? TCPS_SYN_SENT : TCPS_SYN_RCVD));
	return true;
}

static bool row_conn(const struct inspect *in, uint32_t i, void *row)
{
	const struct tcp *t = in->tcp;

	return i < t->n_conns ? conn_row(t, i, row) : half_row(t, i - t->n_conns, row);
}

static bool row_listener(const struct inspect *in, uint32_t i, void *out)
{
	const struct tcp *t = in->tcp;
	struct ob_ctl_listener *row = out;
	struct listener l;

	if (!copy_living(&l, &t->st->listeners[i], sizeof(l)))
		return false;
	*row = (struct ob_ctl_listener){
		.laddr = l.laddr,
		.lport = l.lport,
		.host = l.host,
		.chan = l.chan,
		.backlog = l.backlog,
		.half_open = LOAD(t->lsoft[i].half_open),
		.accepted = LOAD(t->lsoft[i].accepted),
	};
	return true;
}

static bool host_there(const struct tcp *t, uint32_t i)
{
	return LOAD(t->mem[i].base) != NULL;
}

// Each host has one group by now, the default one.
static bool row_group(const struct inspect *in, uint32_t i, void *out)
{
	const struct host_mem *m = &in->tcp->mem[i];
	struct ob_ctl_group *row = out;

	if (!host_there(in->tcp, i))
		return false;
	*row = (struct ob_ctl_group){
		.host = i,
		.buf_bytes = LOAD(m->l.rx_buf_bytes),
		.n_bufs = LOAD(m->n_bufs),
		.n_free = LOAD(m->n_free),
		.low_mark = LOAD(m->low_mark),
	};
	return true;
}

static bool row_host(const struct inspect *in, uint32_t i, void *out)
{
	struct ob_ctl_host *row = out;

	memset(row, 0, sizeof(*row));
	if (in->host_row == NULL || in->host_row(in->host_ctx, i, row) != 0)
		return false;
	row->name[sizeof(row->name) - 1] = '\0';
	row->id = i; // as connections, listeners and groups name it
	return true;
}

static bool row_counter(const struct inspect *in, uint32_t i, void *out)
{
	struct ob_ctl_counter *row = out;

	memset(row, 0, sizeof(*row));
	snprintf(row->name, sizeof(row->name), "%s", counter_info[i].name);
	snprintf(row->doc, sizeof(row->doc), "%s", counter_info[i].doc);
	row->value = counter_read(in->cnt, (enum counter_id)i);
	return true;
}

static bool row_chan(const struct inspect *in, uint32_t i, void *out)
{
	const struct tcp *t = in->tcp;
	uint32_t host = i / OB_MAX_CHANNELS;
	uint32_t chan = i % OB_MAX_CHANNELS;
	struct inspect_chan *row = out;

	if (!host_there(t, host) || chan >= LOAD(t->mem[host].l.n_channels))
		return false;
	row->host = host;
	row->chan = chan;
	row->requests = HARD_GET(t->st->chans[i].req_head);
	row->events = HARD_GET(t->st->chans[i].ev_tail);
	return true;
}

static uint64_t rss_kb(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f == NULL)
		return 0;
	if (fscanf(f, "%*s %lu", &pages) != 1)
		pages = 0;
	fclose(f);
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
}

static void stat_counters(const struct counters *c, struct ob_ctl_stat *row)
{
	row->turns = counter_read(c, COUNTER_turns);
	row->busy_turns = counter_read(c, COUNTER_busy_turns);
	row->rx_pkts = counter_read(c, COUNTER_rx_pkts);
	row->rx_bytes = counter_read(c, COUNTER_rx_bytes);
	row->tx_pkts = counter_read(c, COUNTER_tx_pkts);
	row->tx_bytes = counter_read(c, COUNTER_tx_bytes);
	row->requests = counter_read(c, COUNTER_req_taken);
	row->events = counter_read(c, COUNTER_ev_published);
	row->doorbells_to_host = counter_read(c, COUNTER_doorbell_tx);
	row->doorbells_from_host = counter_read(c, COUNTER_doorbell_rx);
	row->established = counter_read(c, COUNTER_tcp_established);
}

static bool row_stat(const struct inspect *in, uint32_t i, void *out)
{
	const struct tcp *t = in->tcp;
	struct ob_ctl_stat *row = out;

	(void)i;
	memset(row, 0, sizeof(*row));
	snprintf(row->instance, sizeof(row->instance), "%.*s", (int)sizeof(row->instance) - 1,
		in->cfg->engine_instance);
	snprintf(row->version, sizeof(row->version), "%s", OB_VERSION);
	row->pid = (uint32_t)getpid();
	row->cpu = (uint32_t)in->cfg->engine_core;
	row->uptime_us = monotonic_us() - in->start_us;
	row->conns = LOAD(t->n_live);
	row->half_open = LOAD(t->n_half_used);
	row->time_wait = t->tw == NULL ? 0 : tw_count(t->tw);
	for (uint32_t h = 0; h < in->cfg->limits_hosts; h++)
		row->hosts += host_there(t, h);
	row->rss_kb = rss_kb();
	row->recs_free = LOAD(t->st->n_free_recs);
	row->half_free = LOAD(t->st->n_free_half);
	row->pieces_free = LOAD(t->st->n_free_pieces);
	row->soft_free = LOAD(t->n_soft_free);
	row->ooo_free = LOAD(t->n_ooo_free);
	stat_counters(in->cnt, row);
	if (in->port == NULL)
		return true;
	snprintf(row->port, sizeof(row->port), "%s", in->port->name);
	if (in->port->pool != NULL) {
		row->mbufs_free = rte_mempool_avail_count(in->port->pool);
		row->mbufs_total = in->port->pool->size;
	}
	return true;
}

struct table {
	uint32_t row_bytes;
	bool (*row)(const struct inspect *in, uint32_t i, void *row);
};

static bool find_table(uint32_t what, struct table *t)
{
	static const struct table tables[] = {
		[OB_CTL_STAT] = {sizeof(struct ob_ctl_stat), row_stat},
		[OB_CTL_CONNS] = {sizeof(struct ob_ctl_conn), row_conn},
		[OB_CTL_LISTENERS] = {sizeof(struct ob_ctl_listener), row_listener},
		[OB_CTL_GROUPS] = {sizeof(struct ob_ctl_group), row_group},
		[OB_CTL_HOSTS] = {sizeof(struct ob_ctl_host), row_host},
		[OB_CTL_COUNTERS] = {sizeof(struct ob_ctl_counter), row_counter},
		[INSPECT_CHANNELS] = {sizeof(struct inspect_chan), row_chan},
	};

	if (what >= sizeof(tables) / sizeof(tables[0]) || tables[what].row == NULL)
		return false;
	*t = tables[what];
	return true;
}

// How many places a table has.
static uint32_t places(const struct inspect *in, uint32_t what)
{
	switch (what) {
	case OB_CTL_STAT:
		return 1;
	case OB_CTL_CONNS:
		return in->tcp->n_conns + in->tcp->n_half;
	case OB_CTL_LISTENERS:
		return in->tcp->st->hdr->n_listeners;
	case OB_CTL_COUNTERS:
		return COUNTERS;
	case INSPECT_CHANNELS:
		return (uint32_t)in->cfg->limits_hosts * OB_MAX_CHANNELS;
	default:
		return (uint32_t)in->cfg->limits_hosts;
	}
}

uint32_t inspect_row_bytes(uint32_t what)
{
	struct table t;

	return find_table(what, &t) ? t.row_bytes : 0;
}

int inspect_rows(const struct inspect *in, uint32_t what, uint32_t cursor, void *rows, uint32_t max,
	uint32_t *next)
{
	struct table t;
	uint32_t end;
	uint32_t stop;
	uint32_t n = 0;

	*next = 0;
	if (!find_table(what, &t))
		return -EINVAL;
	end = places(in, what);
	if (cursor >= end)
		return 0;
	stop = end - cursor > INSPECT_SCAN ? cursor + INSPECT_SCAN : end;
	for (; cursor < stop && n < max; cursor++)
		n += t.row(in, cursor, (uint8_t *)rows + (size_t)n * t.row_bytes);
	*next = cursor < end ? cursor : 0;
	return (int)n;
}

static void refuse(struct ob_msg_ctl_page *p, int error, const char *reason)
{
	p->error = error;
	snprintf(p->reason, sizeof(p->reason), "%s", reason);
}

int inspect(void *ctx, const struct ob_msg_ctl *q, void *page, size_t cap)
{
	struct ob_msg_ctl_page *p = page;
	uint32_t max;
	int n;

	if (cap < sizeof(*p))
		return -ENOBUFS;
	memset(p, 0, sizeof(*p));
	p->h.magic = OB_ABI_MAGIC;
	p->h.abi_version = OB_ABI_VERSION;
	p->h.type = OB_MSG_CTL_PAGE;
	p->what = q->what;
	p->row_bytes = inspect_row_bytes(q->what);
	if (q->what == OB_CTL_SWITCHOVER) {
		refuse(p, -ENOTSUP, "comes with failover");
		return sizeof(*p);
	}
	if (p->row_bytes == 0 || q->what > OB_CTL_SWITCHOVER) {
		p->row_bytes = 0;
		refuse(p, -EINVAL, "no such question");
		return sizeof(*p);
	}
	max = (uint32_t)((cap - sizeof(*p)) / p->row_bytes);
	if (max == 0)
		return -ENOBUFS;
	n = inspect_rows(ctx, q->what, q->cursor, p + 1, max, &p->next);
	p->n_rows = (uint32_t)n;
	return (int)(sizeof(*p) + p->n_rows * p->row_bytes);
}
