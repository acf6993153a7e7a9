// What goes wrong in engines and hosts, and when. All of it ends at heal_us.
#include <stdlib.h>

#include "tests/sim/sim.h"

#define EVENTS_MAX 64u
#define TAKEN_MAX 4096u
#define RESPAWN_US 50000u
#define GIVE_UP_US 300000000u // all retries are over by then

enum event_kind {
	DARK,
	PATH_MTU,
	ENGINE_STALL,
	HOST_STALL,
	READER_STALL,
	DEATH,
	BIRTH,
	FAMINE,
	PLENTY,
	FOR_GOOD,
	HEAL
};

enum resource { MBUFS, PIECES, BUFS, SOFT, OOO, HALF, RECS, RESOURCES };

// Something that lies on a stack of free numbers is taken off it for a while.
struct famine {
	struct node *node;
	enum resource what;
	struct host *host; // BUFS
	uint32_t n;
	uint32_t taken[TAKEN_MAX];
	struct rte_mbuf *mbufs[1024];
};

struct event {
	uint64_t at_us;
	enum event_kind kind;
	uint64_t arg;
	uint64_t length_us;
};

struct fault_plan {
	struct event events[EVENTS_MAX];
	unsigned n;
	struct famine *famines[8];
	unsigned n_famines;
	struct draw draw;
};

static void add(struct fault_plan *f, uint64_t at, enum event_kind kind, uint64_t length_us)
{
	if (f->n < EVENTS_MAX)
		f->events[f->n++] = (struct event){at, kind, draw64(&f->draw), length_us};
}

static void add_some(struct sim *s, uint64_t n, enum event_kind kind, uint64_t most_us)
{
	struct fault_plan *f = s->faults;

	// One after the other: the order in which arguments are evaluated is the compiler's choice.
	for (uint64_t i = 0; i < n; i++) {
		uint64_t at = s->now_us + draw_log(&f->draw, 1, s->plan.heal_us);
		uint64_t length_us = draw_log(&f->draw, 1, most_us ? most_us : 1);

		add(f, at, kind, length_us);
	}
}

// Aborts come at a number of bytes, not at a time.
static void plan_aborts(struct sim *s)
{
	struct draw d = draw_stream(s->plan.seed, "aborts", 0);

	for (uint64_t i = 0; i < s->plan.aborts; i++) {
		struct flow *f = &s->flows[draw_below(&d, s->n_flows)];
		struct end *e = &f->end[draw_below(&d, 2)];
		uint64_t all = f->end[0].total + f->end[1].total;

		if (e->host && !f->keep_port)
			e->abort_at = draw_below(&d, all + 1);
	}
}

int faults_plan(struct sim *s)
{
	const struct plan *p = &s->plan;
	struct fault_plan *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	s->faults = f;
	f->draw = draw_stream(p->seed, "faults", 0);
	add(f, s->now_us + p->heal_us, HEAL, 0);
	add_some(s, p->blackouts, DARK, p->blackout_us);
	add_some(s, p->path_mtu ? 1 : 0, PATH_MTU, 0);
	add_some(s, p->engine_stalls, ENGINE_STALL, p->stall_us);
	add_some(s, p->host_stalls, HOST_STALL, p->stall_us);
	add_some(s, p->reader_stalls, READER_STALL, p->stall_us);
	add_some(s, p->famines, FAMINE, p->stall_us);
	add_some(s, p->host_deaths, DEATH, 0);
	add_some(s, p->give_up ? 1 : 0, FOR_GOOD, 0);
	plan_aborts(s);
	if (p->amnesia_ppm)
		FIRED(s, amnesia);
	if (p->slow_us)
		FIRED(s, slow_host);
	return 0;
}

uint64_t faults_next_us(const struct sim *s)
{
	uint64_t next = SIM_NEVER;

	for (unsigned i = 0; i < s->faults->n; i++)
		if (s->faults->events[i].at_us < next)
			next = s->faults->events[i].at_us;
	return next;
}

// ---- famines

static uint32_t *stack_of(const struct famine *f, uint32_t **n)
{
	struct state *st = &f->node->st;
	struct tcp *t = &f->node->core->tcp;
	struct host_mem *m;

	switch (f->what) {
	case PIECES:
		*n = &st->n_free_pieces;
		return st->free_pieces;
	case SOFT:
		*n = &t->n_soft_free;
		return t->soft_free;
	case OOO:
		*n = &t->n_ooo_free;
		return t->ooo_free;
	case HALF:
		*n = &st->n_free_half;
		return st->free_half;
	case RECS:
		*n = &st->n_free_recs;
		return st->free_recs;
	case BUFS:
		m = f->host->h ? &f->node->core->hostif.mem[f->host->index] : NULL;
		*n = m ? &m->n_free : NULL;
		return m ? m->free : NULL;
	default:
		return NULL;
	}
}

static void count_famine(struct sim *s, enum resource what)
{
	static const enum fault_id ids[RESOURCES] = {[MBUFS] = FAULT_famine_mbufs,
		[PIECES] = FAULT_famine_pieces,
		[BUFS] = FAULT_famine_bufs,
		[SOFT] = FAULT_famine_soft,
		[OOO] = FAULT_famine_ooo,
		[HALF] = FAULT_famine_half,
		[RECS] = FAULT_famine_recs};

	s->stats->fault[ids[what]]++;
}

static void famine_begin(struct sim *s, struct node *n, const struct event *e)
{
	struct fault_plan *fp = s->faults;
	struct famine *f;
	uint32_t *stack, *free_n;

	if (fp->n_famines == sizeof(fp->famines) / sizeof(fp->famines[0]))
		return;
	f = calloc(1, sizeof(*f));
	if (!f)
		return;
	f->node = n;
	f->what = (enum resource)(e->arg / 16 % RESOURCES);
	f->host = &n->hosts[e->arg / 1024 % n->n_hosts];
	if (f->what == MBUFS) {
		while (f->n < 1024 && (f->mbufs[f->n] = rte_pktmbuf_alloc(n->pool)) != NULL)
			f->n++;
	} else {
		stack = stack_of(f, &free_n);
		while (stack && *free_n && f->n < TAKEN_MAX)
			f->taken[f->n++] = stack[--*free_n];
	}
	count_famine(s, f->what);
	n->famines++;
	fp->famines[fp->n_famines] = f;
	add(fp, s->now_us + e->length_us, PLENTY, 0);
	fp->events[fp->n - 1].arg = fp->n_famines++;
}

static void famine_end(struct fault_plan *fp, uint64_t i)
{
	struct famine *f = i < fp->n_famines ? fp->famines[i] : NULL;
	uint32_t *stack, *free_n;

	if (!f)
		return;
	if (f->what == MBUFS) {
		rte_pktmbuf_free_bulk(f->mbufs, f->n);
	} else {
		stack = stack_of(f, &free_n);
		for (; stack && f->n; f->n--)
			stack[(*free_n)++] = f->taken[f->n - 1];
	}
	f->node->famines--;
	node_kick(f->node);
	free(f);
	fp->famines[i] = NULL;
}

// ---- hosts

static void die(struct sim *s, struct host *h)
{
	if (h->dead || !h->h)
		return;
	for (unsigned i = 0; i < s->n_flows; i++)
		for (unsigned k = 0; k < 2; k++) {
			struct end *e = &s->flows[i].end[k];

			if (e->host != h)
				continue;
			s->flows[i].may_fail = true;
			if (s->flows[i].begun)
				app_lost(e, -EPIPE);
		}
	// What its memory holds back goes with it.
	for (unsigned i = 0; i < s->faults->n_famines; i++)
		if (s->faults->famines[i] && s->faults->famines[i]->what == BUFS
			&& s->faults->famines[i]->host == h)
			famine_end(s->faults, i);
	host_die(h);
	add(s->faults, s->now_us + RESPAWN_US, BIRTH, h->node->index);
	s->faults->events[s->faults->n - 1].arg = h->node->index;
}

// Another process takes the dead one's place: the same ports, if the engine has let go of them.
static void birth(struct sim *s, struct node *n)
{
	if (s->quiet || n->n_hosts == SIM_HOSTS)
		return;
	n->hosts[n->n_hosts].n_chans = n->hosts[0].n_chans;
	n->n_hosts++;
	if (host_open(&n->hosts[n->n_hosts - 1], n, n->n_hosts - 1) == 0)
		host_listen(&n->hosts[n->n_hosts - 1]);
}

static void stall_reader(struct sim *s, const struct event *e)
{
	struct end *end = &s->flows[e->arg % s->n_flows].end[e->arg / 32 % 2];

	if (!end->open)
		return;
	end->unread_until_us = s->now_us + e->length_us;
	FIRED(s, reader_stall);
}

static void stall(uint64_t *until, uint64_t end_us)
{
	if (*until < end_us)
		*until = end_us;
}

// An end that only listens may never hear that the other one has gone: there are no keepalives yet.
static void given_up(const struct sim *s, struct flow *f)
{
	f->may_fail = true;
	if (!f->ended_us)
		f->ended_us = s->now_us + GIVE_UP_US;
}

static void happen(struct sim *s, const struct event *e)
{
	struct node *n = &s->nodes[e->arg % s->n_nodes];
	struct host *h = &n->hosts[e->arg / 1024 % n->n_hosts];

	switch (e->kind) {
	case DARK:
		s->wire.dark_until_us = s->now_us + e->length_us;
		break;
	case PATH_MTU:
		s->wire.mtu = (uint32_t)s->plan.path_mtu;
		break;
	case ENGINE_STALL:
		stall(&n->stalled_until_us, s->now_us + e->length_us);
		FIRED(s, engine_stall);
		break;
	case HOST_STALL:
		stall(&h->stalled_until_us, s->now_us + e->length_us);
		FIRED(s, host_stall);
		break;
	case READER_STALL:
		stall_reader(s, e);
		break;
	case DEATH:
		if (!s->quiet)
			die(s, h);
		break;
	case BIRTH:
		birth(s, &s->nodes[e->arg]);
		break;
	case FAMINE:
		famine_begin(s, n, e);
		break;
	case PLENTY:
		famine_end(s->faults, e->arg);
		break;
	case FOR_GOOD:
		s->wire.dark_until_us = SIM_NEVER;
		for (unsigned i = 0; i < s->n_flows; i++)
			given_up(s, &s->flows[i]);
		break;
	case HEAL:
		faults_heal(s);
		break;
	}
}

void faults_step(struct sim *s)
{
	struct fault_plan *f = s->faults;

	for (unsigned i = 0; i < f->n && !s->failed;) {
		struct event e = f->events[i];

		if (e.at_us > s->now_us) {
			i++;
			continue;
		}
		f->events[i] = f->events[--f->n];
		happen(s, &e);
	}
}

void faults_heal(struct sim *s)
{
	uint64_t dark = s->wire.dark_until_us;

	s->healed = true;
	wire_heal(&s->wire);
	if (dark == SIM_NEVER)
		s->wire.dark_until_us = dark;
	for (unsigned i = 0; i < s->n_nodes; i++)
		s->nodes[i].cfg.debug_amnesia = 0;
}

void faults_free(struct sim *s)
{
	if (!s->faults)
		return;
	for (unsigned i = 0; i < s->faults->n_famines; i++)
		famine_end(s->faults, i);
	free(s->faults);
	s->faults = NULL;
}
