// An end's streams: what it writes, what it reads, and when it is done.
#include "tests/sim/app.h"

// The application is done with this end.
void app_end(struct end *e)
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
	app_end(e);
}

void app_abort(struct end *e)
{
	struct sim *s = e->host->node->sim;

	if (e->live)
		ob_abort(chan_of(e)->ch, e->conn);
	e->aborted = true;
	e->flow->may_fail = true;
	FIRED(s, abort);
	app_end(e);
}

static void close_end(struct end *e)
{
	int rc = ob_close(chan_of(e)->ch, e->conn);

	if (rc)
		sim_fail(e->host->node->sim, "flow %u: close: %d", e->flow->id, rc);
	app_end(e);
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
	const struct end *from = other_end(e);
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
		chan_due(chan_of(e), e->unread_until_us);
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
void app_step(struct end *e)
{
	uint64_t before;

	do {
		before = e->rcvd + e->sent;
		do_read(e);
		do_write(e);
		if (e->sent + e->rcvd >= e->abort_at && !e->host->node->sim->quiet) {
			app_abort(e);
			return;
		}
	} while (e->rcvd + e->sent != before && !e->error);
	if (e->error || (e->eof && e->shut))
		close_end(e);
}
