// Chains of pieces and placement, against a model: a flat array of what lies at which offset.
#include <sys/random.h>

#include "engine/base/config.h"
#include "engine/offload/place.h"
#include "tests/unit/eal_main.h"

#define BUF 512u
#define BUFS 24u
#define PIECES 64u
#define SEG_BYTES (1u << 20)
#define STREAM (1u << 20)

struct world {
	struct state st;
	struct host_mem m;
	struct place place;
	struct tcp_soft s;
	struct rec *r;
	uint8_t *stream; // byte of each offset
};

static uint64_t seed;

static uint32_t rnd(uint32_t below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(seed >> 33) % below;
}

static void setup(struct world *w)
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

static void teardown(struct world *w)
{
	state_destroy(&w->st, false);
	free(w->m.base);
	free(w->m.free);
	free(w->m.gen);
	free(w->stream);
}

static uint32_t put(struct world *w, uint64_t off, uint32_t len)
{
	return place_rx(&w->place, &w->s, off, w->stream + off, len);
}

static void commit(struct world *w, uint64_t rcv_nxt)
{
	w->s.rcv_nxt = rcv_nxt;
	HARD_SET(w->r->rcv_nxt, rcv_nxt);
}

// Whether the bytes [from, to) lie where the spans say.
static bool holds(struct world *w, uint64_t from, uint64_t to)
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

static uint32_t chain_len(const struct world *w, uint32_t head)
{
	uint32_t n = 0;

	for (; head != STATE_NIL; head = HARD_GET(w->st.pieces[head].next))
		n++;
	return n;
}

// Nothing is lost and nothing is given twice: what is not free is in a chain, and the chain is
// contiguous.
static bool sound(const struct world *w)
{
	uint32_t rx = chain_len(w, HARD_GET(w->r->rcv_head));
	uint32_t tx = chain_len(w, HARD_GET(w->r->snd_head));
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

static void test_in_order(void)
{
	struct world w;

	setup(&w);
	CU_ASSERT_EQUAL(put(&w, 0, 300), 300);
	commit(&w, 300);
	CU_ASSERT_EQUAL(w.m.n_free, BUFS - 1);
	CU_ASSERT_EQUAL(put(&w, 300, 1460), 1460); // fills the first, and three more
	CU_ASSERT_EQUAL(w.m.n_free, BUFS - 4);
	CU_ASSERT(holds(&w, 0, 1760));
	commit(&w, 1760);
	// Only what lies wholly below goes back.
	CU_ASSERT_EQUAL(chain_rx_release(&w.st, &w.m, w.r, &w.s.rcv_tail, 1023, 1760), 1);
	CU_ASSERT_EQUAL(chain_rx_release(&w.st, &w.m, w.r, &w.s.rcv_tail, 1024, 1760), 1);
	CU_ASSERT(holds(&w, 1024, 1760));
	CU_ASSERT(sound(&w));
	// All is consumed: the last buffer goes too, and the next data begins a chain at rcv_nxt.
	CU_ASSERT_EQUAL(chain_rx_release(&w.st, &w.m, w.r, &w.s.rcv_tail, 1760, 1760), 2);
	CU_ASSERT_EQUAL(w.m.n_free, BUFS);
	CU_ASSERT_EQUAL(HARD_GET(w.r->rcv_head), STATE_NIL);
	CU_ASSERT_EQUAL(put(&w, 1760, 10), 10);
	CU_ASSERT_EQUAL(w.st.pieces[HARD_GET(w.r->rcv_head)].start, 1760);
	CU_ASSERT(sound(&w));
	teardown(&w);
}

static void test_out_of_order(void)
{
	struct world w;

	setup(&w);
	CU_ASSERT_EQUAL(put(&w, 2000, 1000), 1000); // 0 to 3071 is covered now
	CU_ASSERT_EQUAL(w.m.n_free, BUFS - 6);
	CU_ASSERT_EQUAL(put(&w, 0, 2000), 2000);
	CU_ASSERT_EQUAL(w.m.n_free, BUFS - 6);
	commit(&w, 3000);
	CU_ASSERT(holds(&w, 0, 3000));
	// The last buffer stays while something behind rcv_nxt lies in it.
	CU_ASSERT_EQUAL(put(&w, 3020, 30), 30);
	CU_ASSERT_EQUAL(chain_rx_release(&w.st, &w.m, w.r, &w.s.rcv_tail, 3000, 3050), 5);
	CU_ASSERT_EQUAL(put(&w, 3000, 20), 20);
	commit(&w, 3050);
	CU_ASSERT(holds(&w, 3000, 3050));
	CU_ASSERT(sound(&w));
	teardown(&w);
}

// A host that says it has consumed what is not committed gets nothing freed.
static void test_release_bounded(void)
{
	struct world w;

	setup(&w);
	put(&w, 0, 2048);
	HARD_SET(w.r->rcv_nxt, 600);
	w.s.rcv_nxt = 2048;
	CU_ASSERT_EQUAL(chain_rx_release(&w.st, &w.m, w.r, &w.s.rcv_tail, 1ull << 40, 2048), 1);
	CU_ASSERT(holds(&w, 600, 2048));
	// A FIN takes an offset and no byte.
	commit(&w, 2049 | STATE_FIN);
	CU_ASSERT_EQUAL(chain_rx_release(&w.st, &w.m, w.r, &w.s.rcv_tail, 2048, 2048), 3);
	CU_ASSERT(sound(&w));
	teardown(&w);
}

static void test_exhaustion(void)
{
	struct world w;
	uint32_t taken, n;

	setup(&w);
	CU_ASSERT_EQUAL(put(&w, 0, BUF * BUFS + 100), BUF * BUFS);
	CU_ASSERT_EQUAL(w.m.n_free, 0);
	CU_ASSERT_EQUAL(put(&w, BUF * BUFS, 1), 0);
	commit(&w, BUF * BUFS);
	CU_ASSERT(holds(&w, 0, BUF * BUFS));
	chain_rx_release(&w.st, &w.m, w.r, &w.s.rcv_tail, BUF * BUFS, BUF * BUFS);
	CU_ASSERT(sound(&w));
	// Buffers but no pieces: the buffer goes back.
	taken = w.st.n_free_pieces;
	for (n = 0; n < taken - 2; n++)
		w.st.n_free_pieces--;
	CU_ASSERT_EQUAL(put(&w, BUF * BUFS, 3 * BUF), 2 * BUF);
	CU_ASSERT_EQUAL(w.m.n_free, BUFS - 2);
	// Far away, with too few pieces to get there: nothing is placed.
	CU_ASSERT_EQUAL(put(&w, BUF * BUFS + 5 * BUF, 10), 0);
	w.st.n_free_pieces += n;
	CU_ASSERT(sound(&w));
	teardown(&w);
}

static void test_trim(void)
{
	struct world w;

	setup(&w);
	put(&w, 0, 700);
	commit(&w, 700);
	put(&w, 3000, 500);
	CU_ASSERT_EQUAL(w.m.n_free, BUFS - 7);
	w.s.rcv_tail = STATE_NIL; // forgotten
	chain_rx_trim(&w.st, &w.m, w.r, &w.s.rcv_tail, 700);
	CU_ASSERT_EQUAL(w.m.n_free, BUFS - 2);
	CU_ASSERT_NOT_EQUAL(w.s.rcv_tail, STATE_NIL);
	CU_ASSERT(holds(&w, 0, 700));
	CU_ASSERT_EQUAL(put(&w, 700, 1000), 1000);
	commit(&w, 1700);
	CU_ASSERT(holds(&w, 0, 1700));
	// A tail that is not known is looked for.
	w.s.rcv_tail = STATE_NIL;
	CU_ASSERT_EQUAL(put(&w, 1700, 1000), 1000);
	commit(&w, 2700);
	CU_ASSERT(holds(&w, 0, 2700));
	// A chain that begins at rcv_nxt goes entirely.
	chain_rx_free_all(&w.st, &w.m, w.r);
	w.s.rcv_tail = STATE_NIL;
	put(&w, 2700, 10);
	chain_rx_trim(&w.st, &w.m, w.r, &w.s.rcv_tail, 2700);
	CU_ASSERT_EQUAL(HARD_GET(w.r->rcv_head), STATE_NIL);
	CU_ASSERT_EQUAL(w.m.n_free, BUFS);
	CU_ASSERT(sound(&w));
	teardown(&w);
}

static void test_spans(void)
{
	struct world w;
	ob_span out[4];
	uint64_t reached;

	setup(&w);
	put(&w, 0, 4 * BUF);
	commit(&w, 4 * BUF);
	// The first buffers lie side by side: one span.
	CU_ASSERT_EQUAL(place_spans(&w.place, &w.s, 0, 4 * BUF, out, 4, &reached), 1);
	CU_ASSERT_EQUAL(ob_span_off(out[0]), w.m.l.rx_off);
	CU_ASSERT_EQUAL(ob_span_len(out[0]), 4 * BUF);
	CU_ASSERT_EQUAL(place_spans(&w.place, &w.s, 4 * BUF, 4 * BUF, out, 4, &reached), 0);
	CU_ASSERT_EQUAL(place_spans(&w.place, &w.s, 100, 101, out, 4, &reached), 1);
	CU_ASSERT_EQUAL(out[0], ob_span_make(w.m.l.rx_off + 100, 1));
	// Now in another order: one span a buffer, and no more than asked for.
	chain_rx_release(&w.st, &w.m, w.r, &w.s.rcv_tail, 4 * BUF, 4 * BUF);
	for (uint32_t i = 0; i < 4; i++)
		w.m.free[BUFS - 1 - i] = 2 * i;
	put(&w, 4 * BUF, 4 * BUF);
	commit(&w, 8 * BUF);
	CU_ASSERT_EQUAL(place_spans(&w.place, &w.s, 4 * BUF, 8 * BUF, out, 4, &reached), 4);
	CU_ASSERT_EQUAL(place_spans(&w.place, &w.s, 4 * BUF, 8 * BUF, out, 2, &reached), 2);
	CU_ASSERT_EQUAL(reached, 6 * BUF);
	CU_ASSERT_EQUAL(ob_span_off(out[1]), w.m.l.rx_off + 2 * BUF);
	CU_ASSERT(holds(&w, 4 * BUF, 8 * BUF));
	teardown(&w);
}

// Random arrivals, commits, consumption, forgetting.
static void rx_random_once(void)
{
	struct world w;
	uint64_t nxt = 0, consumed = 0, ooo_end = 0;
	bool here[STREAM / 100] = {false}; // by blocks of 100 bytes

	setup(&w);
	for (uint32_t step = 0; step < 3000 && nxt < STREAM - 20000; step++) {
		uint64_t block = nxt / 100 + (rnd(3) ? 0 : rnd(60));
		uint32_t n = 1 + rnd(15), got;

		switch (rnd(8)) {
		case 0: // the host consumes
			consumed += rnd((uint32_t)(nxt - consumed) + 1);
			chain_rx_release(&w.st, &w.m, w.r, &w.s.rcv_tail, consumed,
				ooo_end > nxt ? ooo_end : nxt);
			break;
		case 1: // amnesia
			if (rnd(4))
				break;
			chain_rx_trim(&w.st, &w.m, w.r, &w.s.rcv_tail, nxt);
			memset(here + nxt / 100, 0, sizeof(here) - nxt / 100);
			ooo_end = 0;
			break;
		default:
			got = put(&w, block * 100, n * 100) / 100;
			memset(here + block, 1, got);
			if (got && (block + got) * 100 > ooo_end)
				ooo_end = (block + got) * 100;
			while (here[nxt / 100])
				nxt += 100;
			commit(&w, nxt);
			break;
		}
		if (!sound(&w) || !holds(&w, consumed, nxt)) {
			CU_FAIL("a chain is wrong");
			break;
		}
	}
	CU_ASSERT(nxt > 20000);
	chain_rx_free_all(&w.st, &w.m, w.r);
	CU_ASSERT_EQUAL(w.m.n_free, BUFS);
	CU_ASSERT_EQUAL(w.st.n_free_pieces, PIECES);
	teardown(&w);
}

static void test_rx_random(void)
{
	for (unsigned i = 0; i < 20; i++)
		rx_random_once();
}

static int tx_add(struct world *w, uint64_t start, uint64_t at, uint32_t len, uint64_t marks)
{
	int rc = chain_tx_append(&w->st, &w->m, w->r, &w->s.snd_tail, start, at, len, marks);

	if (rc == 0)
		HARD_SET(w->r->snd_wr, start + len);
	return rc;
}

static void test_tx_merge(void)
{
	struct world w;
	struct chain_iov v[4];
	uint64_t marks;
	uint32_t n;

	setup(&w);
	CU_ASSERT_EQUAL(tx_add(&w, 0, 50000, 100, PIECE_MORE), 0);
	CU_ASSERT_EQUAL(tx_add(&w, 100, 50100, 50, PIECE_PUSH), 0); // grows it
	CU_ASSERT_EQUAL(w.st.n_free_pieces, PIECES - 1);
	CU_ASSERT_EQUAL(tx_add(&w, 150, 50150, 50, 0), 0); // past a PUSH, which moves to its end
	CU_ASSERT_EQUAL(w.st.n_free_pieces, PIECES - 1);
	CU_ASSERT_EQUAL(tx_add(&w, 200, 60000, 50, PIECE_MORE), 0);
	CU_ASSERT_EQUAL(w.st.n_free_pieces, PIECES - 2);

	CU_ASSERT_EQUAL(
		chain_tx_gather(&w.st, &w.m, w.r, &w.s.snd_cur, 0, 100, v, 4, &n, &marks), 100);
	CU_ASSERT_EQUAL(n, 1);
	CU_ASSERT_EQUAL(marks, 0); // neither span ends here
	CU_ASSERT_EQUAL(
		chain_tx_gather(&w.st, &w.m, w.r, &w.s.snd_cur, 100, 150, v, 4, &n, &marks), 150);
	CU_ASSERT_EQUAL(n, 2); // 50100 to 50200 is one part
	CU_ASSERT_PTR_EQUAL(v[0].base, w.m.base + 50100);
	CU_ASSERT_EQUAL(v[0].len, 100);
	CU_ASSERT_PTR_EQUAL(v[1].base, w.m.base + 60000);
	CU_ASSERT_EQUAL(marks, PIECE_PUSH | PIECE_MORE);
	// MORE holds for the end of its own span only.
	CU_ASSERT_EQUAL(tx_add(&w, 250, 70000, 10, 0), 0);
	CU_ASSERT_EQUAL(
		chain_tx_gather(&w.st, &w.m, w.r, &w.s.snd_cur, 200, 60, v, 4, &n, &marks), 60);
	CU_ASSERT_EQUAL(marks, 0);
	// Too few parts.
	CU_ASSERT_EQUAL(
		chain_tx_gather(&w.st, &w.m, w.r, &w.s.snd_cur, 160, 90, v, 1, &n, &marks), 40);
	CU_ASSERT_EQUAL(marks, PIECE_PUSH);
	// Acknowledged up to the middle of the first piece.
	CU_ASSERT_EQUAL(chain_tx_release(&w.st, &w.m, w.r, &w.s.snd_tail, &w.s.snd_cur, 160), 0);
	w.s.snd_cur = STATE_NIL;
	CU_ASSERT_EQUAL(
		chain_tx_gather(&w.st, &w.m, w.r, &w.s.snd_cur, 160, 90, v, 4, &n, NULL), 90);
	CU_ASSERT_EQUAL(chain_tx_release(&w.st, &w.m, w.r, &w.s.snd_tail, &w.s.snd_cur, 250), 2);
	w.s.snd_cur = w.s.snd_tail;
	CU_ASSERT_EQUAL(chain_tx_release(&w.st, &w.m, w.r, &w.s.snd_tail, &w.s.snd_cur, 260), 1);
	CU_ASSERT_EQUAL(w.s.snd_tail, STATE_NIL);
	CU_ASSERT_EQUAL(w.s.snd_cur, STATE_NIL);
	CU_ASSERT(sound(&w));
	teardown(&w);
}

static void test_tx_trim(void)
{
	struct world w;

	setup(&w);
	tx_add(&w, 0, 50000, 100, 0);
	tx_add(&w, 100, 60000, 100, 0);
	tx_add(&w, 200, 70000, 100, 0);
	w.s.snd_tail = STATE_NIL;
	chain_tx_trim(&w.st, &w.m, w.r, &w.s.snd_tail, 151 | STATE_FIN); // 150 bytes and a FIN
	CU_ASSERT_EQUAL(w.st.n_free_pieces, PIECES - 2);
	CU_ASSERT_EQUAL(w.st.pieces[w.s.snd_tail].len, 50);
	chain_tx_free_all(&w.st, &w.m, w.r);
	w.s.snd_tail = STATE_NIL;
	while (tx_add(&w, w.r->snd_wr, 50000 + 2 * w.r->snd_wr, 1, 0) == 0)
		;
	CU_ASSERT_EQUAL(w.st.n_free_pieces, 0);
	chain_tx_free_all(&w.st, &w.m, w.r);
	CU_ASSERT(sound(&w));
	teardown(&w);
}

// Send pieces until no more are granted: each for itself, since they are not adjacent.
static uint32_t tx_until_full(struct world *w, struct host_mem *m)
{
	uint32_t n = 0;

	while (chain_tx_append(&w->st, m, w->r, &w->s.snd_tail, 10ull * n, 65536 + 20ull * n, 10, 0)
		== 0)
		n++;
	return n;
}

// A host may have its share of what is left, in each direction; the next one finds some.
static void test_share(void)
{
	struct host_mem other = {.piece_share = 4};
	struct world w;
	uint32_t n;

	setup(&w);
	w.m.piece_share = 4;
	n = tx_until_full(&w, &w.m);
	CU_ASSERT_EQUAL(n, 52); // 52 of 64: 4 times the 12 that are left are fewer
	CU_ASSERT_EQUAL(put(&w, 0, BUF * BUFS), 10 * BUF);
	CU_ASSERT_EQUAL(w.m.rx_pieces, 10);
	CU_ASSERT(w.st.n_free_pieces > 0);
	chain_tx_free_all(&w.st, &w.m, w.r);
	CU_ASSERT_EQUAL(w.m.tx_pieces, 0);
	w.s.snd_tail = STATE_NIL;
	CU_ASSERT_EQUAL(tx_until_full(&w, &w.m), 44);
	w.s.snd_tail = STATE_NIL;
	HARD_SET(w.r->snd_head, STATE_NIL);
	n = tx_until_full(&w, &other);
	CU_ASSERT(n > 0);
	CU_ASSERT_EQUAL(other.tx_pieces, n);
	teardown(&w);
}

static void tx_random_once(void)
{
	struct world w;
	uint64_t una = 0, nxt = 0, wr = 0;
	uint64_t *where = malloc(STREAM * sizeof(*where)); // of each byte in the segment

	setup(&w);
	for (uint32_t step = 0; step < 4000 && wr < STREAM - 5000; step++) {
		struct chain_iov v[3];
		uint32_t n, got, cur, len = 1 + rnd(900);
		uint64_t from, at = 100000 + rnd(SEG_BYTES - 200000);

		switch (rnd(5)) {
		case 0:
			if (wr && rnd(2))
				at = where[wr - 1] + 1;
			if (at + len > SEG_BYTES
				|| tx_add(&w, wr, at, len, rnd(4) ? 0 : PIECE_PUSH))
				break;
			for (uint32_t i = 0; i < len; i++)
				where[wr++] = at++;
			break;
		case 1:
			una += rnd((uint32_t)(nxt - una) + 1);
			chain_tx_release(&w.st, &w.m, w.r, &w.s.snd_tail, &w.s.snd_cur, una);
			break;
		default: // the next bytes, or some that were sent before
			cur = STATE_NIL;
			from = rnd(4) ? nxt : una + rnd((uint32_t)(nxt - una) + 1);
			if (len > wr - from)
				len = (uint32_t)(wr - from);
			got = chain_tx_gather(&w.st, &w.m, w.r, from == nxt ? &w.s.snd_cur : &cur,
				from, len, v, 3, &n, NULL);
			if (len && !got)
				CU_FAIL("nothing gathered");
			if (from == nxt)
				nxt += got;
			for (uint32_t i = 0; i < n; i++)
				for (uint32_t k = 0; k < v[i].len; k++, from++)
					if ((const uint8_t *)v[i].base + k
						!= w.m.base + where[from])
						CU_FAIL_FATAL("a byte of another place");
			break;
		}
		if (!sound(&w))
			CU_FAIL_FATAL("a chain is wrong");
	}
	CU_ASSERT(una > 10000);
	free(where);
	teardown(&w);
}

static void test_tx_random(void)
{
	for (unsigned i = 0; i < 20; i++)
		tx_random_once();
}

int main(int argc, char **argv)
{
	static CU_TestInfo tests[] = {
		{"in order", test_in_order},
		{"out of order", test_out_of_order},
		{"release is bounded by the commit", test_release_bounded},
		{"exhaustion", test_exhaustion},
		{"trim", test_trim},
		{"spans", test_spans},
		{"receive, random", test_rx_random},
		{"send: merging, marks, gathering", test_tx_merge},
		{"send: trim and exhaustion", test_tx_trim},
		{"shares of several hosts", test_share},
		{"send, random", test_tx_random},
		CU_TEST_INFO_NULL,
	};

	if (argc > 1)
		seed = strtoull(argv[1], NULL, 0);
	else if (getrandom(&seed, sizeof(seed), 0) < 0)
		return 1;
	printf("seed %lu\n", (unsigned long)seed);
	return unit_run("chain", tests);
}
