// A seed from its beginning to its end.
#include <rte_random.h>
#include <stdarg.h>

#include "tests/sim/peer.h"
#include "tests/sim/trace.h"

#define START_US 1000000u
#define LIMIT_US 1500000000u // of virtual time after the last fault
#define QUIET_US 200000000u // until nothing is left, once the applications have ended
#define LISTEN_TURNS 12u
#define STEPS_MAX 3000000u

struct sim *sim_running;

void sim_fail(struct sim *s, const char *format, ...)
{
	va_list args;

	if (s->failed)
		return;
	s->failed = true;
	va_start(args, format);
	vsnprintf(s->failure, sizeof(s->failure), format, args);
	va_end(args);
}

void sim_hash_word(struct sim *s, uint64_t v)
{
	s->hash = (s->hash ^ v) * 0x9fb21c651e98df25u;
	s->hash ^= s->hash >> 32;
}

void sim_hash(struct sim *s, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	uint64_t v = n;

	for (; n >= 8; p += 8, n -= 8) {
		memcpy(&v, p, 8);
		sim_hash_word(s, v);
	}
	v = n;
	memcpy(&v, p, n);
	sim_hash_word(s, v);
}

// ---- steps

static uint64_t earliest(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

// When something happens next in engines and on the wire.
static uint64_t below_next(const struct sim *s)
{
	uint64_t next = wire_next_us(&s->wire);

	for (unsigned i = 0; i < s->n_nodes; i++) {
		const struct node *n = &s->nodes[i];
		uint64_t t = n->next_us;

		if (t < n->stalled_until_us)
			t = n->stalled_until_us;
		next = earliest(next, t);
	}
	if (s->peer)
		next = earliest(next, peer_next_us(s->peer));
	return earliest(next, faults_next_us(s));
}

static void below_step(struct sim *s)
{
	s->n_steps++;
	faults_step(s);
	wire_deliver(&s->wire);
	if (s->peer)
		peer_step(s->peer);
	for (unsigned i = 0; i < s->n_nodes && !s->failed; i++) {
		struct node *n = &s->nodes[i];

		if (s->now_us >= n->next_us && s->now_us >= n->stalled_until_us)
			node_turn(n);
	}
}

void sim_pump(struct sim *s)
{
	for (unsigned i = 0; i < s->n_nodes; i++) {
		if (!s->nodes[i].up)
			continue;
		node_control(&s->nodes[i]);
		node_turn(&s->nodes[i]);
		node_control(&s->nodes[i]);
	}
}

void sim_pass(struct sim *s, uint64_t us)
{
	uint64_t until = s->now_us + us;

	while (!s->failed) {
		uint64_t next = below_next(s);

		if (next > until)
			break;
		s->now_us = s->now_us < next ? next : s->now_us;
		below_step(s);
	}
	s->now_us = until;
}

static void apps_step(struct sim *s)
{
	apps_begin(s);
	for (unsigned i = 0; i < s->n_nodes; i++)
		for (unsigned k = 0; k < s->nodes[i].n_hosts; k++) {
			struct host *h = &s->nodes[i].hosts[k];

			for (unsigned c = 0; h->h && c < h->n_chans; c++)
				if (s->now_us >= h->chans[c].due_us
					&& s->now_us >= h->stalled_until_us)
					app_run(&h->chans[c]);
		}
}

static void stuck(struct sim *s, const char *why)
{
	for (unsigned i = 0; i < s->n_flows; i++) {
		const struct flow *f = &s->flows[i];

		if (!flow_over(f)) {
			sim_fail(s,
				"%s: flow %u (port %u to %u, kind %u) has %llu of %llu bytes up, "
				"%llu of %llu down, states %d%d%d%d %d%d%d%d",
				why, f->id, f->port[0], f->port[1], f->kind,
				(unsigned long long)f->end[1].rcvd,
				(unsigned long long)f->end[0].total,
				(unsigned long long)f->end[0].rcvd,
				(unsigned long long)f->end[1].total, f->begun, f->end[0].open,
				f->end[0].shut, f->end[0].eof, f->end[0].over, f->end[1].open,
				f->end[1].shut, f->end[1].eof);
			return;
		}
	}
}

// Where a connection may be given up, its application may have closed it before and its reset may be
// lost: an end whose other end is over may then wait for it in vain. Returns whether there is one.
static bool in_vain(struct sim *s)
{
	bool any = false;

	for (unsigned i = 0; i < s->n_flows && s->may_break; i++) {
		struct flow *f = &s->flows[i];

		if (f->ended_us && !f->may_fail && !flow_over(f))
			f->may_fail = any = true;
	}
	return any;
}

static void run_apps(struct sim *s)
{
	while (!s->failed && !apps_over(s)) {
		uint64_t next = earliest(below_next(s), apps_next_us(s));

		if (next == SIM_NEVER && in_vain(s))
			continue;
		if (next == SIM_NEVER)
			stuck(s, "nothing will ever happen");
		else if (next > s->end_us || s->n_steps > STEPS_MAX)
			stuck(s, "no end in sight");
		if (s->failed)
			return;
		s->now_us = s->now_us < next ? next : s->now_us;
		apps_step(s);
		below_step(s);
	}
}

// ---- beginning and end

static void topology(struct sim *s)
{
	const struct plan *p = &s->plan;

	s->n_nodes = p->script ? 1 : 2;
	for (unsigned i = 0; i < SIM_NODES; i++) {
		struct node *n = &s->nodes[i];

		n->sim = s;
		n->addr = rte_cpu_to_be_32(0x0a4d0001u + i);
		n->n_hosts = i < s->n_nodes ? p->hosts ? (unsigned)p->hosts : 1 : 0;
		for (unsigned k = 0; k < n->n_hosts; k++) {
			n->hosts[k].node = n;
			n->hosts[k].number = k;
			n->hosts[k].n_chans = p->channels ? (unsigned)p->channels : 1;
		}
	}
}

static void open_all(struct sim *s)
{
	topology(s);
	flows_plan(s);
	if (faults_plan(s))
		sim_fail(s, "out of memory");
	for (unsigned i = 0; i < s->n_nodes && !s->failed; i++)
		node_open(&s->nodes[i], s, i);
	if (s->plan.script && !s->failed)
		s->peer = peer_open(s);
	for (unsigned i = 0; i < s->n_nodes; i++)
		for (unsigned k = 0; k < s->nodes[i].n_hosts && !s->failed; k++)
			if (host_open(&s->nodes[i].hosts[k], &s->nodes[i], k) == 0)
				host_listen(&s->nodes[i].hosts[k]);
	// Connections begin when all listeners are up.
	for (unsigned i = 0; i < LISTEN_TURNS && !s->failed; i++)
		sim_pump(s);
}

static void close_hosts(struct sim *s)
{
	s->quiet = true;
	for (unsigned i = 0; i < s->n_nodes; i++)
		for (unsigned k = 0; k < s->nodes[i].n_hosts; k++) {
			struct host *h = &s->nodes[i].hosts[k];

			if (h->h && !s->failed)
				host_close(h);
			else if (h->h)
				host_die(h);
		}
}

static bool all_quiet(const struct sim *s)
{
	for (unsigned i = 0; i < s->n_nodes; i++)
		if (!node_quiet(&s->nodes[i]))
			return false;
	return true;
}

static void close_all(struct sim *s)
{
	uint64_t until;

	close_hosts(s);
	if (s->peer)
		peer_quiet(s->peer);
	until = s->now_us + s->plan.heal_us + QUIET_US;
	while (!s->failed && s->now_us < until && !all_quiet(s)) {
		uint64_t next = below_next(s);

		if (next == SIM_NEVER)
			break;
		sim_pass(s, next > s->now_us ? next - s->now_us : 1);
	}
	faults_free(s);
	for (unsigned i = 0; i < s->n_nodes && !s->failed; i++)
		check_end(&s->nodes[i]);
	for (unsigned i = 0; i < s->n_nodes; i++)
		node_close(&s->nodes[i]);
	if (s->peer)
		peer_close(s->peer);
	s->peer = NULL;
	wire_close(&s->wire);
}

bool sim_run(struct sim *s, struct stats *stats, uint64_t seed, FILE *trace)
{
	memset(s, 0, sizeof(*s));
	s->stats = stats;
	s->hash = seed;
	plan_draw(&s->plan, seed);
	s->start_us = START_US;
	if (s->plan.uptime)
		s->start_us = (s->plan.uptime << 32) - s->plan.uptime_ms * 1000;
	s->now_us = s->start_us;
	s->end_us = s->now_us + s->plan.spread_us + s->plan.heal_us + LIMIT_US;
	s->may_break = s->plan.give_up || s->plan.host_deaths || s->plan.user_timeout_ms
		|| s->plan.linger_ms;
	s->scarce = s->plan.famines || s->plan.pieces || s->plan.soft || s->plan.backlog
		|| s->plan.mbufs || s->plan.time_wait || s->plan.old_port
		|| s->plan.arp; // a neighbour that stands still, or whose answer is lost
	s->draw_app = draw_stream(seed, "apps", 0);
	rte_srand(seed);
	wrap_seed(seed);
	sim_running = s;
	wire_open(&s->wire, s, trace);
	open_all(s);
	run_apps(s);
	close_all(s);
	sim_running = NULL;
	stats->seeds++;
	stats->virtual_us += s->now_us - s->start_us;
	stats->hash += s->hash;
	return !s->failed;
}
