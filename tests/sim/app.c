// Applications: they open what the plan says, send patterns, compare what comes, and close.
#include "tests/sim/sim.h"

#define EVENTS 32
#define AGAIN_US 200u // for what found no room
#define PATIENCE_US 20000000u // for an end whose other end has failed

static struct chan *chan_of(const struct end *e)
{
	return &e->host->chans[e->chan];
}

static unsigned side_of(const struct end *e)
{
	return e == &e->flow->end[1];
}

static struct end *other(const struct end *e)
{
	return &e->flow->end[1 - side_of(e)];
}

static void due(struct chan *c, uint64_t when)
{
	if (when < c->host->stalled_until_us)
		when = c->host->stalled_until_us;
	if (when < c->due_us)
		c->due_us = when;
}

// The application is done with this end.
static void end_over(struct end *e)
{
	struct flow *f = e->flow;
	struct sim *s = e->host->node->sim;

	e->live = e->open = false;
	e->over = true;
	if (!f->ended_us)
		f->ended_us = s->now_us;
	sim_hash_word(s, f->id << 8 | side_of(e));
	sim_hash_word(s, e->sent);
	sim_hash_word(s, e->rcvd);
	sim_hash_word(s, (uint64_t)e->error);
	if (e->error && e->error != -ECONNABORTED)
		f->may_fail |= s->may_break;
	if (flow_over(f))
		check_flow(s, f);
}

void app_lost(struct end *e, int error)
{
	e->flow->may_fail = true;
	if (e->over)
		return;
	e->error = error;
	end_over(e);
}

static void abort_end(struct end *e)
{
	struct sim *s = e->host->node->sim;

	if (e->live)
		ob_abort(chan_of(e)->ch, e->conn);
	e->aborted = true;
	e->flow->may_fail = true;
	FIRED(s, abort);
	end_over(e);
}

static void close_end(struct end *e)
{
	int rc = ob_close(chan_of(e)->ch, e->conn);

	if (rc)
		sim_fail(e->host->node->sim, "flow %u: close: %d", e->flow->id, rc);
	end_over(e);
}

// Whether everything that this end has to say was said.
static bool all_said(const struct end *e)
{
	return e->sent == e->total && (e->gate != GATE_EOF || e->eof);
}

static void do_write(struct end *e)
{
	const struct plan *p = &e->host->node->sim->plan;
	struct chan *c = chan_of(e);
	unsigned side = side_of(e);
	uint64_t limit = flow_limit(e);

	while (e->sent < limit) {
		uint64_t n = limit - e->sent, most = p->write_bytes ? p->write_bytes : PATTERN_RUN;
		ssize_t r;

		n = n < most ? n : most;
		n = n < PATTERN_RUN ? n : PATTERN_RUN;
		r = ob_send(c->ch, e->conn, pattern(e->flow->base[side], e->sent), n,
			e->sent + n < limit ? OB_SEND_MORE : 0);
		if (r <= 0) {
			if (r != -EAGAIN && r != -ESHUTDOWN && !e->error)
				e->error = (int)r;
			return;
		}
		e->sent += (uint64_t)r;
	}
	if (all_said(e) && !e->shut) {
		e->shut = true;
		ob_shutdown(c->ch, e->conn);
	}
}

static void got(struct end *e, const uint8_t *p, uint64_t n)
{
	struct sim *s = e->host->node->sim;
	struct flow *f = e->flow;
	unsigned from = 1 - side_of(e);

	if (!pattern_is(f->base[from], e->rcvd, p, n))
		sim_fail(s, "flow %u: bytes [%llu, %llu) of end %u came in wrong", f->id,
			(unsigned long long)e->rcvd, (unsigned long long)(e->rcvd + n), from);
	e->rcvd += n;
	s->stats->bytes += n;
	if (e->rcvd > f->end[from].total)
		sim_fail(s, "flow %u: end %u got %llu bytes of %llu", f->id, 1 - from,
			(unsigned long long)e->rcvd, (unsigned long long)f->end[from].total);
}

static ssize_t read_peek(struct end *e, uint64_t most)
{
	struct chan *c = chan_of(e);
	struct iovec v[4];
	uint64_t n = 0;
	int r = ob_peek(c->ch, e->conn, v, 4);

	if (r <= 0)
		return r;
	for (int i = 0; i < r && n < most; i++) {
		uint64_t part = v[i].iov_len < most - n ? v[i].iov_len : most - n;

		got(e, v[i].iov_base, part);
		n += part;
	}
	if (ob_consume(c->ch, e->conn, n))
		sim_fail(e->host->node->sim, "flow %u: cannot consume", e->flow->id);
	return (ssize_t)n;
}

static ssize_t read_copy(struct end *e, uint64_t most)
{
	uint8_t buf[16384];
	ssize_t n = ob_recv(chan_of(e)->ch, e->conn, buf, most);

	if (n > 0)
		got(e, buf, (uint64_t)n);
	return n;
}

static void at_end(struct end *e)
{
	const struct end *from = other(e);
	struct sim *s = e->host->node->sim;

	e->eof = true;
	if (e->rcvd != from->sent || !from->shut)
		sim_fail(s, "flow %u: end %u sees the end of the stream at %llu of %llu bytes",
			e->flow->id, side_of(e), (unsigned long long)e->rcvd,
			(unsigned long long)from->sent);
}

static void do_read(struct end *e)
{
	struct sim *s = e->host->node->sim;
	uint64_t most = s->plan.read_bytes ? s->plan.read_bytes : 16384;
	ssize_t n = 1;

	if (s->now_us < e->unread_until_us) {
		due(chan_of(e), e->unread_until_us);
		return;
	}
	while (!e->eof && n > 0) {
		n = s->plan.peek ? read_peek(e, most) : read_copy(e, most);
		if (n == 0)
			at_end(e);
	}
	if (n < 0 && n != -EAGAIN && !e->error)
		e->error = (int)n;
}

// Everything an end can do now.
static void step(struct end *e)
{
	uint64_t before;

	do {
		before = e->rcvd + e->sent;
		do_read(e);
		do_write(e);
		if (e->sent + e->rcvd >= e->abort_at && !e->host->node->sim->quiet) {
			abort_end(e);
			return;
		}
	} while (e->rcvd + e->sent != before && !e->error);
	if (e->error || (e->eof && e->shut))
		close_end(e);
}

// ---- beginning

static struct ob_endpoint endpoint(uint32_t addr, uint16_t port)
{
	struct ob_addr a = ob_addr_v4(addr);
	struct ob_endpoint ep = {.port = port};

	memcpy(ep.addr, a.b, 16);
	return ep;
}

static void set_options(struct end *e)
{
	const struct plan *p = &e->host->node->sim->plan;

	if (p->nodelay)
		ob_setopt(chan_of(e)->ch, e->conn, OB_SO_NODELAY, 1);
	if (p->quickack)
		ob_setopt(chan_of(e)->ch, e->conn, OB_SO_QUICKACK, 1);
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
	due(chan_of(e), e->host->node->sim->now_us);
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
			abort_end(e);
		else
			end_over(e);
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
	step(e);
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
		end_over(e);
		// Nothing will come of the other one, if it is not there.
		if (!other(e)->live && other(e)->host)
			end_over(other(e));
		return;
	}
	if (ob_conn_info(chan_of(e)->ch, e->conn, &in) == 0 && f->port[side] == 0)
		f->port[side] = in.local.port;
	e->open = true;
	step(e);
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
		if (!e || !e->live)
			break;
		e->in_order = v->error == 0;
		e->error = e->error ? e->error : v->error;
		step(e);
		if (!e->over) // it is in order, but for what was not read yet
			due(c, s->now_us < e->unread_until_us ? e->unread_until_us : s->now_us);
		break;
	default:
		if (e && e->open)
			step(e);
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
				step(e);
			} else if (e->unread_until_us) {
				due(c, e->unread_until_us);
			}
		}
}

static void sleep_or_not(struct chan *c)
{
	struct sim *s = c->host->node->sim;
	int rc = ob_flush(c->ch);

	if (rc == -EAGAIN) {
		FIRED(s, requests_full);
		due(c, s->now_us + AGAIN_US);
		return;
	}
	if (!s->plan.armed)
		return;
	rc = ob_arm(c->ch);
	if (rc == 0)
		FIRED(s, armed);
	else
		due(c, s->now_us + 1);
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
