#include "tests/unit/offload/chain_world.h"

#include <sys/random.h>

static uint64_t seed;

uint32_t world_rnd(uint32_t below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(seed >> 33) % below;
}

void world_open(struct world *w)
{
	struct config cfg;
	char err[256];
	uint32_t conn;

	memset(w, 0, sizeof(*w));
	config_defaults(&cfg);
	cfg.limits_conns = 16;
	cfg.limits_half_open = 16;
	cfg.limits_time_wait = 16;
	cfg.limits_pieces = PIECES;
	cfg.limits_listeners = 1;
	cfg.limits_hosts = 1;
	CU_ASSERT_FATAL(state_create(&w->st, &cfg, true, 0, 1000000000, err, sizeof(err)) == 0);
	conn = state_rec_alloc(&w->st);
	w->r = &w->st.recs[conn];
	HARD_SET(w->r->rcv_head, STATE_NIL);
	HARD_SET(w->r->snd_head, STATE_NIL);
	HARD_SET(w->r->rcv_nxt, 0);
	HARD_SET(w->r->snd_wr, 0);
	HARD_SET(w->r->life, rec_life(rec_gen(w->r), 0, REC_LIVE));
	w->m.base = calloc(1, SEG_BYTES);
	w->m.l.rx_off = 4096;
	w->m.l.rx_buf_bytes = BUF;
	w->m.l.rx_bytes = BUF * BUFS;
	w->m.n_bufs = w->m.n_free = BUFS;
	w->m.free = malloc(BUFS * sizeof(uint32_t));
	w->m.gen = calloc(BUFS, sizeof(uint16_t));
	for (uint32_t i = 0; i < BUFS; i++)
		w->m.free[i] = BUFS - 1 - i;
	w->place = (struct place){&w->st, &w->m};
	w->s.conn = conn;
	w->s.rcv_tail = w->s.snd_tail = w->s.snd_cur = STATE_NIL;
	w->stream = malloc(STREAM);
	for (uint32_t i = 0; i < STREAM; i++)
		w->stream[i] = (uint8_t)(i * 2654435761u >> 24);
}

void world_close(struct world *w)
{
	state_destroy(&w->st, false);
	free(w->m.base);
	free(w->m.free);
	free(w->m.gen);
	free(w->stream);
}

uint32_t world_put(struct world *w, uint64_t off, uint32_t len)
{
	return place_rx(&w->place, &w->s, off, w->stream + off, len);
}

void world_commit(struct world *w, uint64_t rcv_nxt)
{
	w->s.rcv_nxt = rcv_nxt;
	HARD_SET(w->r->rcv_nxt, rcv_nxt);
}

bool world_holds(struct world *w, uint64_t from, uint64_t to)
{
	while (from < to) {
		ob_span spans[3];
		uint64_t reached, at = from;
		uint32_t n = place_spans(&w->place, &w->s, from, to, spans, 3, &reached);

		if (n == 0)
			return false;
		for (uint32_t i = 0; i < n; i++) {
			uint32_t len = ob_span_len(spans[i]);

			if (memcmp(w->m.base + ob_span_off(spans[i]), w->stream + at, len) != 0)
				return false;
			at += len;
		}
		if (at != reached)
			return false;
		from = reached;
	}
	return true;
}

uint32_t world_chain_len(const struct world *w, uint32_t head)
{
	uint32_t n = 0;

	for (; head != STATE_NIL; head = HARD_GET(w->st.pieces[head].next))
		n++;
	return n;
}

bool world_sound(const struct world *w)
{
	uint32_t rx = world_chain_len(w, HARD_GET(w->r->rcv_head));
	uint32_t tx = world_chain_len(w, HARD_GET(w->r->snd_head));
	bool used[BUFS] = {false};
	uint64_t end = 0;

	for (uint32_t i = HARD_GET(w->r->rcv_head), first = 1; i != STATE_NIL; first = 0) {
		const struct piece *p = &w->st.pieces[i];
		uint32_t b = (uint32_t)((PIECE_OFF(p) - w->m.l.rx_off) / BUF);

		if (b >= BUFS || used[b] || (!first && p->start != end)
			|| (p->where >> 40 & 0xffff) != w->m.gen[b] || p->gen != rec_gen(w->r)
			|| p->conn != w->s.conn)
			return false;
		used[b] = true;
		end = p->start + p->len;
		i = HARD_GET(p->next);
	}
	for (uint32_t i = 0; i < w->m.n_free; i++) {
		if (used[w->m.free[i]])
			return false;
		used[w->m.free[i]] = true;
	}
	return w->m.n_free + rx == BUFS && w->st.n_free_pieces + rx + tx == PIECES;
}

int world_main(int argc, char **argv, const char *name, CU_TestInfo *tests)
{
	if (argc > 1)
		seed = strtoull(argv[1], NULL, 0);
	else if (getrandom(&seed, sizeof(seed), 0) < 0)
		return 1;
	printf("seed %lu\n", (unsigned long)seed);
	return unit_run(name, tests);
}
