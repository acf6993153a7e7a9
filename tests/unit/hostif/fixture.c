#include "tests/unit/hostif/fixture.h"

#include <unistd.h>

struct script script;

// TCP, scripted.
static int called(const char *name, uint32_t id, uint64_t off)
{
	script.calls++;
	script.last = name;
	script.id = id;
	script.off = off;
	return script.answer;
}

int tcp_listen(struct tcp *t, const struct tcp_open *o, uint32_t *listener)
{
	struct listener *l = &t->st->listeners[script.answer_id];

	script.open = *o;
	*listener = script.answer_id;
	if (script.answer == 0) {
		l->host = o->host;
		l->chan = o->chan;
		l->number = o->number;
		HARD_SET(l->life, rec_life(o->gen, 0, REC_LIVE));
	}
	return called("listen", 0, 0);
}

int tcp_unlisten(struct tcp *t, uint32_t listener)
{
	(void)t;
	return called("unlisten", listener, 0);
}

int tcp_listener_free(struct tcp *t, uint32_t listener)
{
	(void)t;
	return called("listener_free", listener, 0);
}

int tcp_connect(struct tcp *t, const struct tcp_open *o, uint32_t *id)
{
	(void)t;
	script.open = *o;
	*id = script.answer_id;
	return called("connect", 0, 0);
}

int tcp_send(struct tcp *t, uint32_t conn, uint64_t off, uint64_t arena_off, uint32_t len,
	unsigned flags)
{
	(void)t;
	script.arena_off = arena_off;
	script.len = len;
	script.flags = flags;
	return called("send", conn, off);
}

int tcp_consumed(struct tcp *t, uint32_t conn, uint64_t off)
{
	(void)t;
	called("consumed", conn, off);
	return script.answer_consumed;
}

int tcp_shutdown(struct tcp *t, uint32_t conn, uint64_t off)
{
	(void)t;
	return called("shutdown", conn, off);
}

int tcp_close(struct tcp *t, uint32_t id, uint64_t off)
{
	(void)t;
	return called("close", id, off);
}

int tcp_abort(struct tcp *t, uint32_t id)
{
	(void)t;
	return called("abort", id, 0);
}

// Like the real one, which frees the record.
int tcp_release(struct tcp *t, uint32_t conn)
{
	struct rec *r = tcp_rec(t, conn);

	t->ops->freed(t->ops->ctx, r);
	t->soft_of[conn] = STATE_NIL;
	t->host_conns[r->host]--;
	HARD_SET(r->life, rec_life(rec_gen(r), 0, REC_FREE));
	return called("release", conn, 0);
}

int tcp_setopt(struct tcp *t, uint32_t conn, unsigned option, uint64_t value)
{
	(void)t;
	script.option = option;
	script.value = value;
	return called("setopt", conn, 0);
}

int tcp_listener_setopt(struct tcp *t, uint32_t listener, unsigned option, uint64_t value)
{
	(void)t;
	script.option = option;
	script.value = value;
	return called("listener_setopt", listener, 0);
}

bool tcp_host_gone(struct tcp *t, uint16_t host, uint32_t *cursor, uint32_t max)
{
	(void)max;
	script.gone = true;
	for (; *cursor < t->n_conns; ++*cursor)
		if (rec_phase(tcp_rec(t, *cursor)) != REC_FREE && tcp_rec(t, *cursor)->host == host)
			tcp_release(t, *cursor);
	return true;
}

uint32_t tcp_host_conns(const struct tcp *t, uint16_t host)
{
	return t->host_conns[host];
}

static unsigned room_of(void *ctx)
{
	(void)ctx;
	return script.room;
}

static void turn_of(void *ctx)
{
	world_turn(ctx);
}

void world_open(struct world *w)
{
	static unsigned n;
	char err[512] = "";

	memset(w, 0, sizeof(*w));
	memset(&script, 0, sizeof(script));
	script.room = 256;
	config_defaults(&w->cfg);
	w->cfg.limits_conns = WORLD_CONNS;
	w->cfg.limits_half_open = WORLD_HALF;
	w->cfg.limits_time_wait = 16;
	w->cfg.limits_pieces = 256;
	w->cfg.limits_listeners = 16;
	w->cfg.limits_hosts = 2;
	w->cfg.limits_host_conns = 256;
	w->cfg.limits_host_mb = 8;
	CU_ASSERT_FATAL(state_create(&w->st, &w->cfg, true, 0, 1000000000, err, sizeof(err)) == 0);
	CU_ASSERT_FATAL(hostif_init(&w->h, &w->cfg, &w->st, &w->tcp, &w->cnt) == 0);
	w->tcp.cfg = &w->cfg;
	w->tcp.st = &w->st;
	w->tcp.cnt = &w->cnt;
	w->tcp.ops = &w->h.ops;
	w->tcp.sink.room = room_of;
	w->tcp.mem = w->h.mem;
	w->tcp.now_us = 1000000;
	w->tcp.n_conns = WORLD_CONNS;
	w->tcp.n_half = WORLD_HALF;
	w->tcp.soft = calloc(WORLD_CONNS, sizeof(*w->tcp.soft));
	w->tcp.soft_of = malloc(WORLD_CONNS * sizeof(uint32_t));
	w->tcp.host_conns = calloc(2, sizeof(uint32_t));
	memset(w->tcp.soft_of, 0xff, WORLD_CONNS * sizeof(uint32_t));
	snprintf(w->path, sizeof(w->path), "/tmp/ob-unit-%d-%u/s.sock", getpid(), n++);
	if (control_init(&w->control, &w->cfg, &w->h, NULL, w->path, err, sizeof(err))) {
		fprintf(stderr, "%s\n", err);
		CU_FAIL_FATAL("control_init");
	}
	w->e = (struct peer_engine){w->path, &w->h, turn_of, w};
}

void world_close(struct world *w)
{
	control_fini(&w->control);
	*strrchr(w->path, '/') = 0;
	rmdir(w->path);
	hostif_fini(&w->h);
	free(w->tcp.soft);
	free(w->tcp.soft_of);
	free(w->tcp.host_conns);
	state_destroy(&w->st, false);
}

void world_with_host(struct world *w, struct peer *p)
{
	world_open(w);
	peer_attach(&w->e, p, 2, 4);
	counters_mark(w);
}

void world_end(struct world *w, struct peer *p)
{
	peer_close(p);
	world_close(w);
}

void world_turn(struct world *w)
{
	control_turn(&w->control, 0);
	w->tcp.now_us += 1000;
	hostif_commands(&w->h);
	hostif_requests(&w->h);
	hostif_publish(&w->h);
	hostif_doorbells(&w->h);
	control_turn(&w->control, 0);
}

struct tcp_soft *world_conn(struct world *w, struct peer *p, uint32_t conn)
{
	struct rec *r = &w->st.recs[conn];
	struct tcp_soft *s = &w->tcp.soft[conn];
	uint32_t slot, gen;

	CU_ASSERT_FATAL(
		w->h.ops.slot_get(&w->h, (uint16_t)p->host->index, 0, conn, &slot, &gen) == 0);
	memset(r, 0, sizeof(*r));
	r->host = (uint16_t)p->host->index;
	r->slot = slot;
	r->slot_gen = gen;
	r->listener = UINT16_MAX;
	HARD_SET(r->rcv_head, STATE_NIL);
	HARD_SET(r->snd_head, STATE_NIL);
	HARD_SET(r->life, rec_life(1, 0, REC_LIVE));
	memset(s, 0, sizeof(*s));
	s->conn = conn;
	s->rcv_tail = s->snd_tail = s->snd_cur = s->notify_next = STATE_NIL;
	w->tcp.soft_of[conn] = conn;
	w->tcp.host_conns[r->host]++;
	return s;
}

void world_notify(struct world *w, struct tcp_soft *s, unsigned bits)
{
	w->h.ops.notify(&w->h, s, bits);
}

void world_receive(struct world *w, struct tcp_soft *s, uint32_t len)
{
	struct rec *r = &w->st.recs[s->conn];
	uint8_t data[4096];

	for (uint32_t i = 0; i < len; i++)
		data[i] = (uint8_t)(s->rcv_nxt + i);
	CU_ASSERT_EQUAL(w->h.ops.place(&w->h, s, s->rcv_nxt, data, len), len);
	s->rcv_nxt += len;
	HARD_SET(r->rcv_nxt, s->rcv_nxt);
	world_notify(w, s, TCP_EV_DATA);
}

void counters_mark(struct world *w)
{
	w->before = w->cnt;
}

uint64_t counters_rose(const struct world *w)
{
	const uint64_t *now = (const uint64_t *)&w->cnt, *then = (const uint64_t *)&w->before;
	uint64_t n = 0;

	for (unsigned i = 0; i < COUNTERS; i++)
		n += now[i] - then[i];
	return n;
}
