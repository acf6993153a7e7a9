// Applications: they open what the plan says, send patterns, compare what comes, and close.
#include "tests/sim/app.h"

#define EVENTS 32
#define AGAIN_US 200u // for what found no room
#define PATIENCE_US 20000000u // for an end whose other end has failed

static struct ob_endpoint endpoint(uint32_t addr, uint16_t port)
{
	struct ob_addr a = ob_addr_v4(addr);
	struct ob_endpoint ep = {.port = port};

	memcpy(ep.addr, a.b, 16);
	return ep;
}

unsigned app_settings(const struct plan *p, struct ob_setting list[APP_SETTINGS])
{
	const struct ob_setting all[APP_SETTINGS] = {
		{.option = OB_SO_NODELAY, .value = p->nodelay},
		{.option = OB_SO_QUICKACK, .value = p->quickack},
		{.option = OB_SO_KEEPALIVE_IDLE, .value = p->keepalive_s},
		{.option = OB_SO_KEEPALIVE_INTERVAL, .value = p->keepalive_s > 0},
		// Where connections may end, few are enough; else the wire is never dark so long.
		{.option = OB_SO_KEEPALIVE_COUNT,
			.value = p->keepalive_s ? p->give_up ? p->give_up : 127 : 0},
		{.option = OB_SO_KEEPALIVE, .value = p->keepalive_s > 0},
		{.option = OB_SO_USER_TIMEOUT, .value = p->user_timeout_ms},
		{.option = OB_SO_LINGER_TIME, .value = p->linger_ms},
	};
	unsigned n = 0;

	for (unsigned i = 0; i < APP_SETTINGS; i++)
		if (all[i].value)
			list[n++] = all[i];
	return n;
}

static void set_options(struct end *e)
{
	struct ob_setting list[APP_SETTINGS];
	unsigned n = app_settings(&e->host->node->sim->plan, list);

	for (unsigned i = 0; i < n; i++)
		ob_setopt(chan_of(e)->ch, e->conn, list[i].option, list[i].value);
}

// Returns false when it has to be tried again.
static bool open_end(struct end *e)
{
	struct flow *f = e->flow;
	unsigned side = side_of(e);
	struct ob_endpoint to = endpoint(f->addr[1 - side], f->port[1 - side]);
	struct ob_endpoint from = endpoint(f->addr[side], f->port[side]);
	int rc;

	if (e->over || e->live)
		return true;
	if (!e->host->h) {
		app_lost(e, -EPIPE);
		return true;
	}
	rc = ob_connect(chan_of(e)->ch, &to, &from, e, &e->conn);
	if (rc == -EAGAIN || rc == -ENFILE)
		return false;
	if (rc) {
		sim_fail(e->host->node->sim, "flow %u: connect: %d", f->id, rc);
		return true;
	}
	e->live = true;
	set_options(e);
	chan_due(chan_of(e), e->host->node->sim->now_us);
	return true;
}

static bool ready(const struct sim *s, const struct flow *f)
{
	if (f->begun || s->now_us < f->start_us)
		return false;
	return !f->after || flow_over(f->after);
}

static void begin(struct sim *s, struct flow *f)
{
	f->begun = true;
	if (f->after) {
		f->start_us = s->now_us;
		FIRED(s, port_reuse);
	}
	s->stats->flows++;
	for (unsigned side = 0; side < 2; side++) {
		struct end *e = &f->end[side];

		if ((side && !f->simultaneous) || !e->host)
			continue;
		if (!open_end(e)) {
			f->begun = false;
			f->start_us = s->now_us + AGAIN_US;
		}
	}
}

// An end that waits for one which has failed is given up.
static void impatience(struct sim *s, struct flow *f)
{
	if (!f->ended_us || !f->may_fail || flow_over(f) || s->now_us < f->ended_us + PATIENCE_US)
		return;
	for (unsigned side = 0; side < 2; side++) {
		struct end *e = &f->end[side];

		if (e->over || !e->host)
			continue;
		if (e->live)
			app_abort(e);
		else
			app_end(e);
	}
}

void apps_begin(struct sim *s)
{
	for (unsigned i = 0; i < s->n_flows; i++) {
		struct flow *f = &s->flows[i];

		if (ready(s, f))
			begin(s, f);
		impatience(s, f);
	}
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t runs_at(const struct chan *c)
{
	uint64_t stall = c->host->stalled_until_us;

	return c->due_us < stall ? stall : c->due_us;
}

uint64_t apps_next_us(const struct sim *s)
{
	uint64_t next = SIM_NEVER;

	for (unsigned i = 0; i < s->n_flows; i++) {
		const struct flow *f = &s->flows[i];
		uint64_t when = SIM_NEVER;

		if (!f->begun && (!f->after || flow_over(f->after)))
			when = f->start_us;
		else if (f->ended_us && f->may_fail && !flow_over(f))
			when = f->ended_us + PATIENCE_US;
		next = when < next ? when : next;
	}
	for (unsigned i = 0; i < s->n_nodes; i++)
		for (unsigned k = 0; k < s->nodes[i].n_hosts; k++) {
			const struct host *h = &s->nodes[i].hosts[k];

			for (unsigned c = 0; h->h && c < h->n_chans; c++)
				next = earlier(next, runs_at(&h->chans[c]));
		}
	return next;
}

bool apps_over(const struct sim *s)
{
	for (unsigned i = 0; i < s->n_flows; i++)
		if (!flow_over(&s->flows[i]))
			return false;
	return true;
}

// ---- events

// A connection came in: whose is it?
static void accepted(struct chan *c, ob_conn_t conn)
{
	struct sim *s = c->host->node->sim;
	struct ob_conn_info in;
	struct flow *f;
	struct end *e;
	unsigned side = 0;

	if (ob_conn_info(c->ch, conn, &in)) {
		sim_fail(s, "an accepted connection that does not exist");
		return;
	}
	f = flow_find(s, c->host->node->addr, in.local.port,
		ob_addr_get_v4((const struct ob_addr *)in.remote.addr), in.remote.port, &side);
	if (!f || side != 1 || f->end[1].live || f->end[1].over || f->end[1].host != c->host) {
		// A half of one that is given up already, or one that comes twice: never in order.
		if (!s->may_break && !(f && f->may_fail))
			sim_fail(s, "a connection from port %u that nobody opened", in.remote.port);
		ob_abort(c->ch, conn);
		return;
	}
	e = &f->end[1];
	e->chan = c->index;
	e->conn = conn;
	e->live = e->open = true;
	ob_set_user(c->ch, conn, e);
	app_step(e);
}

static void connected(struct end *e, int error)
{
	struct flow *f = e->flow;
	struct sim *s = e->host->node->sim;
	unsigned side = side_of(e);
	struct ob_conn_info in;

	if (error) {
		e->error = error;
		if (s->scarce || s->may_break || f->simultaneous || f->keep_port)
			f->may_fail = true;
		ob_close(chan_of(e)->ch, e->conn);
		app_end(e);
		// Nothing will come of the other one, if it is not there.
		if (!other_end(e)->live && other_end(e)->host)
			app_end(other_end(e));
		return;
	}
	if (ob_conn_info(chan_of(e)->ch, e->conn, &in) == 0 && f->port[side] == 0)
		f->port[side] = in.local.port;
	e->open = true;
	app_step(e);
}

static void event(struct chan *c, const struct ob_app_event *v)
{
	struct sim *s = c->host->node->sim;
	struct end *e = v->user;

	sim_hash_word(s, (uint64_t)v->type << 56 ^ v->conn);
	sim_hash_word(s, (uint64_t)v->error << 32 ^ v->bytes);
	switch (v->type) {
	case OB_LISTENING:
		if (v->error)
			sim_fail(s, "a listener fails: %d", v->error);
		break;
	case OB_ACCEPTED:
		accepted(c, v->conn);
		break;
	case OB_CONNECTED:
		if (e && e->live)
			connected(e, v->error);
		break;
	case OB_CLOSED:
		if (e && e->over && v->error)
			e->flow->may_fail = true; // its close lingered in vain
		if (!e || !e->live)
			break;
		e->in_order = v->error == 0;
		e->error = e->error ? e->error : v->error;
		app_step(e);
		if (!e->over) // it is in order, but for what was not read yet
			chan_due(
				c, s->now_us < e->unread_until_us ? e->unread_until_us : s->now_us);
		break;
	default:
		if (e && e->open)
			app_step(e);
		break;
	}
}

static void stalled_readers(struct chan *c)
{
	struct sim *s = c->host->node->sim;

	for (unsigned i = 0; i < s->n_flows; i++)
		for (unsigned k = 0; k < 2; k++) {
			struct end *e = &s->flows[i].end[k];

			if (!e->open || e->host != c->host || e->chan != c->index)
				continue;
			if (e->unread_until_us && s->now_us >= e->unread_until_us) {
				e->unread_until_us = 0;
				app_step(e);
			} else if (e->unread_until_us) {
				chan_due(c, e->unread_until_us);
			}
		}
}

static void sleep_or_not(struct chan *c)
{
	struct sim *s = c->host->node->sim;
	int rc = ob_flush(c->ch);

	if (rc == -EAGAIN) {
		FIRED(s, requests_full);
		chan_due(c, s->now_us + AGAIN_US);
		return;
	}
	if (!s->plan.armed)
		return;
	rc = ob_arm(c->ch);
	if (rc == 0)
		FIRED(s, armed);
	else
		chan_due(c, s->now_us + 1);
	c->armed = rc == 0;
}

void app_run(struct chan *c)
{
	struct sim *s = c->host->node->sim;
	struct ob_app_event v[EVENTS];
	int n;

	c->due_us = SIM_NEVER;
	c->armed = false;
	stalled_readers(c);
	while ((n = ob_poll(c->ch, v, EVENTS, 0)) > 0 && !s->failed)
		for (int i = 0; i < n; i++)
			event(c, &v[i]);
	if (n < 0)
		sim_fail(s, "engine %u: a host is thrown out: %d", c->host->node->index, n);
	else
		sleep_or_not(c);
	node_asked(c->host->node);
}
