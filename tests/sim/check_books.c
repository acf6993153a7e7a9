// What must add up: pieces, buffers, records and soft states are either free or reached, once; and
// at the end all of them are free.
#include "engine/tcp/ooo.h"
#include "tests/sim/check.h"

#define BUFS_MAX 8192u

struct books {
	uint32_t rx[8]; // pieces by host
	uint32_t tx[8];
	uint32_t pieces;
	uint32_t recs;
	uint32_t soft;
	uint32_t half;
};

static void wrong(struct node *n, const char *what, uint64_t a, uint64_t b)
{
	sim_fail(n->sim, "engine %u: %s: %llu and %llu", n->index, what, (unsigned long long)a,
		(unsigned long long)b);
}

// The pieces of one chain. Each belongs to this record, and no other chain has it.
static uint32_t chain(struct node *n, uint32_t i, uint32_t head, uint8_t *seen)
{
	const struct rec *r = &n->st.recs[i];
	uint32_t k = 0;

	for (uint32_t p = head; p != STATE_NIL; p = HARD_GET(n->st.pieces[p].next)) {
		const struct piece *pc;

		if (p >= n->st.hdr->n_pieces || seen[p]) {
			wrong(n, "a piece is in two chains, or in none that can be", i, p);
			return k;
		}
		pc = &n->st.pieces[p];
		seen[p] = 1;
		k++;
		if (pc->conn != i || pc->gen != rec_gen(r))
			wrong(n, "a piece of another connection is in a chain", i, pc->conn);
	}
	return k;
}

static void host_books(struct node *n, const struct books *b, uint32_t i)
{
	const struct host_mem *m = &n->core->hostif.mem[i];
	static uint8_t seen[BUFS_MAX];

	if (m->rx_pieces != b->rx[i] || m->tx_pieces != b->tx[i])
		wrong(n, "pieces that a host has, and that are counted", b->rx[i] + b->tx[i],
			m->rx_pieces + m->tx_pieces);
	if (b->rx[i] + m->n_free != m->n_bufs)
		wrong(n, "receive buffers in use or free, and all", b->rx[i] + m->n_free,
			m->n_bufs);
	memset(seen, 0, m->n_bufs < BUFS_MAX ? m->n_bufs : BUFS_MAX);
	for (uint32_t k = 0; k < m->n_free && m->n_bufs <= BUFS_MAX; k++) {
		if (m->free[k] >= m->n_bufs || seen[m->free[k]]++)
			wrong(n, "a receive buffer is free twice", m->free[k], k);
	}
}

// What lies behind a gap is on its host's lists, and nothing else takes buffers behind rcv_nxt: or
// nobody would find it when they are few.
static void ooo_books(struct node *n)
{
	const struct tcp *t = &n->core->tcp;
	uint32_t listed = 0, tables = 0;

	for (uint32_t i = 0; i < n->core->hostif.n_hosts; i++) {
		tables += t->ooo_host[i].n;
		for (unsigned k = 0; k < OOO_CLASSES; k++)
			for (uint32_t at = t->ooo_host[i].lists[k].oldest; at != STATE_NIL;
				at = t->ooo_node[at].next) {
				const struct tcp_soft *s = tcp_soft_held(t, t->ooo_node[at].conn);

				if (++listed > n->cfg.limits_ooo || !s || s->ooo != at)
					wrong(n, "a table is listed for one that has it not", i,
						at);
				if (listed > n->cfg.limits_ooo)
					return;
			}
	}
	if (listed != tables || tables + t->n_ooo_free != n->cfg.limits_ooo)
		wrong(n, "out-of-order tables in use, and listed", tables, listed);
	for (uint32_t i = 0; i < t->n_soft; i++) {
		const struct tcp_soft *s = &t->soft[i];

		if (s->conn != TCP_NONE && s->ooo == STATE_NIL && s->rcv_tail != STATE_NIL
			&& HARD_GET(tcp_rec(t, s->conn)->rcv_head) != STATE_NIL
			&& n->st.pieces[s->rcv_tail].start >= rcv_data_end(s->rcv_nxt))
			wrong(n, "buffers behind rcv_nxt without a table", s->conn, s->rcv_tail);
	}
}

static void count(struct node *n, struct books *b)
{
	static uint8_t seen[8192];
	struct tcp *t = &n->core->tcp;

	memset(b, 0, sizeof(*b));
	memset(seen, 0, sizeof(seen));
	for (uint32_t i = 0; i < SIM_CONNS; i++) {
		const struct rec *r = &n->st.recs[i];

		if (rec_phase(r) == REC_FREE || r->host >= 8)
			continue;
		b->recs++;
		uint32_t rx = chain(n, i, HARD_GET(r->rcv_head), seen);
		uint32_t tx = chain(n, i, HARD_GET(r->snd_head), seen);

		b->rx[r->host] += rx;
		b->tx[r->host] += tx;
		b->pieces += rx + tx;
	}
	for (uint32_t i = 0; i < t->n_soft; i++)
		b->soft += t->soft[i].conn != TCP_NONE;
	for (uint32_t i = 0; i < t->n_half; i++)
		b->half += HARD_GET(n->st.half[i].phase) != HALF_FREE;
}

void check_books(struct node *n)
{
	struct tcp *t = &n->core->tcp;
	struct books b;

	if (n->famines || n->sim->failed)
		return;
	count(n, &b);
	if (b.pieces + n->st.n_free_pieces != n->st.hdr->n_pieces)
		wrong(n, "pieces in use or free, and all", b.pieces + n->st.n_free_pieces,
			n->st.hdr->n_pieces);
	if (b.recs != t->n_live || b.recs + n->st.n_free_recs != n->st.hdr->n_conns)
		wrong(n, "records in use, and counted", b.recs, t->n_live);
	if (b.soft + t->n_soft_free != t->n_soft)
		wrong(n, "soft states in use or free, and all", b.soft + t->n_soft_free, t->n_soft);
	if (b.half != t->n_half_used || b.half + n->st.n_free_half != n->st.hdr->n_half)
		wrong(n, "half-open entries in use, and counted", b.half, t->n_half_used);
	ooo_books(n);
	for (uint32_t i = 0; i < n->core->hostif.n_active; i++)
		host_books(n, &b, n->core->hostif.active[i]->index);
}

// Nothing is open or on its way.
bool node_quiet(const struct node *n)
{
	const struct tcp *t = &n->core->tcp;

	return t->n_live == 0 && t->n_half_used == 0 && tw_count(t->tw) == 0 && n->n_rx == 0
		&& n->core->hostif.n_active == 0 && n->famines == 0;
}

void check_end(struct node *n)
{
	const struct tcp *t = &n->core->tcp;
	uint32_t listeners = 0, conns = 0;

	if (!node_quiet(n)) {
		sim_fail(n->sim,
			"engine %u: at the end %u records, %u half-open, %u in TIME-WAIT, %u hosts "
			"are left",
			n->index, t->n_live, t->n_half_used, tw_count(t->tw),
			n->core->hostif.n_active);
		return;
	}
	check_books(n);
	for (uint32_t i = 0; i < n->st.hdr->n_listeners; i++)
		listeners += REC_LIFE_PHASE(HARD_GET(n->st.listeners[i].life)) != REC_FREE;
	for (uint32_t i = 0; i < n->core->hostif.n_hosts; i++)
		conns += t->host_conns[i] + t->host_half[i] + t->user_conns[i]
			+ t->host_listeners[i];
	listeners += t->n_listeners_used;
	if (listeners || conns || t->n_orphans)
		wrong(n, "listeners, and shares of hosts or orphans, are left", listeners,
			conns + t->n_orphans);
	if (t->n_soft_free != t->n_soft || t->n_ooo_free != n->cfg.limits_ooo)
		wrong(n, "soft states and out-of-order tables are left", t->n_soft - t->n_soft_free,
			n->cfg.limits_ooo - t->n_ooo_free);
	if (t->n_flights_used || t->n_ranges_used)
		wrong(n, "scoreboards and their ranges are left", t->n_flights_used,
			t->n_ranges_used);
	if (t->wheel.armed)
		wrong(n, "timers are armed for nothing", t->wheel.armed, 0);
	if (t->out.n || t->half_out.n || t->dirty.n)
		wrong(n, "lists are not empty", t->out.n + t->half_out.n, t->dirty.n);
}

// TIME-WAIT is shorter than a retransmission here: a FIN that comes again may find it gone, and the
// end that sent it is reset though all went well, perhaps before its application has read everything.
static bool late_reset(const struct sim *s, const struct flow *f)
{
	for (unsigned side = 0; side < 2; side++) {
		const struct end *e = &f->end[side], *o = &f->end[1 - side];

		if (e->error == -ECONNRESET && e->shut && !o->error && !o->aborted && o->eof
			&& o->shut && o->rcvd == e->total && s->plan.msl2_ms < 1000)
			return true;
	}
	return false;
}

// Both ends of a connection are over: either all went well, or a fault explains it.
void check_flow(struct sim *s, struct flow *f)
{
	bool good = true;

	for (unsigned side = 0; side < 2; side++) {
		const struct end *e = &f->end[side];

		good = good && !e->error && !e->aborted && e->eof && e->shut && e->sent == e->total
			&& e->rcvd == f->end[1 - side].total;
	}
	if (good)
		return;
	s->stats->flows_failed++;
	if (!f->may_fail && !late_reset(s, f))
		sim_fail(s,
			"flow %u (port %u to %u) ends badly: errors %d and %d, %llu of %llu bytes "
			"up, %llu of %llu down",
			f->id, f->port[0], f->port[1], f->end[0].error, f->end[1].error,
			(unsigned long long)f->end[1].rcvd, (unsigned long long)f->end[0].total,
			(unsigned long long)f->end[0].rcvd, (unsigned long long)f->end[1].total);
}
