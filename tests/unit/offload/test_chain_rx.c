// Chains of received data and placement.
#include "tests/unit/offload/chain_world.h"

static void test_in_order(void)
{
	struct world w;

	world_open(&w);
	CU_ASSERT_EQUAL(world_put(&w, 0, 300), 300);
	world_commit(&w, 300);
	CU_ASSERT_EQUAL(w.m.n_free, BUFS - 1);
	CU_ASSERT_EQUAL(world_put(&w, 300, 1460), 1460); // fills the first, and three more
	CU_ASSERT_EQUAL(w.m.n_free, BUFS - 4);
	CU_ASSERT(world_holds(&w, 0, 1760));
	world_commit(&w, 1760);
	// Only what lies wholly below goes back.
	CU_ASSERT_EQUAL(chain_rx_release(&w.st, &w.m, w.r, &w.s.rcv_tail, 1023, 1760), 1);
	CU_ASSERT_EQUAL(chain_rx_release(&w.st, &w.m, w.r, &w.s.rcv_tail, 1024, 1760), 1);
	CU_ASSERT(world_holds(&w, 1024, 1760));
	CU_ASSERT(world_sound(&w));
	// All is consumed: the last buffer goes too, and the next data begins a chain at rcv_nxt.
	CU_ASSERT_EQUAL(chain_rx_release(&w.st, &w.m, w.r, &w.s.rcv_tail, 1760, 1760), 2);
	CU_ASSERT_EQUAL(w.m.n_free, BUFS);
	CU_ASSERT_EQUAL(HARD_GET(w.r->rcv_head), STATE_NIL);
	CU_ASSERT_EQUAL(world_put(&w, 1760, 10), 10);
	CU_ASSERT_EQUAL(w.st.pieces[HARD_GET(w.r->rcv_head)].start, 1760);
	CU_ASSERT(world_sound(&w));
	world_close(&w);
}

static void test_out_of_order(void)
{
	struct world w;

	world_open(&w);
	CU_ASSERT_EQUAL(world_put(&w, 2000, 1000), 1000); // 0 to 3071 is covered now
	CU_ASSERT_EQUAL(w.m.n_free, BUFS - 6);
	CU_ASSERT_EQUAL(world_put(&w, 0, 2000), 2000);
	CU_ASSERT_EQUAL(w.m.n_free, BUFS - 6);
	world_commit(&w, 3000);
	CU_ASSERT(world_holds(&w, 0, 3000));
	// The last buffer stays while something behind rcv_nxt lies in it.
	CU_ASSERT_EQUAL(world_put(&w, 3020, 30), 30);
	CU_ASSERT_EQUAL(chain_rx_release(&w.st, &w.m, w.r, &w.s.rcv_tail, 3000, 3050), 5);
	CU_ASSERT_EQUAL(world_put(&w, 3000, 20), 20);
	world_commit(&w, 3050);
	CU_ASSERT(world_holds(&w, 3000, 3050));
	CU_ASSERT(world_sound(&w));
	world_close(&w);
}

// A host that says it has consumed what is not committed gets nothing freed.
static void test_release_bounded(void)
{
	struct world w;

	world_open(&w);
	world_put(&w, 0, 2048);
	HARD_SET(w.r->rcv_nxt, 600);
	w.s.rcv_nxt = 2048;
	CU_ASSERT_EQUAL(chain_rx_release(&w.st, &w.m, w.r, &w.s.rcv_tail, 1ull << 40, 2048), 1);
	CU_ASSERT(world_holds(&w, 600, 2048));
	// A FIN takes an offset and no byte.
	world_commit(&w, 2049 | STATE_FIN);
	CU_ASSERT_EQUAL(chain_rx_release(&w.st, &w.m, w.r, &w.s.rcv_tail, 2048, 2048), 3);
	CU_ASSERT(world_sound(&w));
	world_close(&w);
}

static void test_exhaustion(void)
{
	struct world w;
	uint32_t taken, n;

	world_open(&w);
	CU_ASSERT_EQUAL(world_put(&w, 0, BUF * BUFS + 100), BUF * BUFS);
	CU_ASSERT_EQUAL(w.m.n_free, 0);
	CU_ASSERT_EQUAL(world_put(&w, BUF * BUFS, 1), 0);
	world_commit(&w, BUF * BUFS);
	CU_ASSERT(world_holds(&w, 0, BUF * BUFS));
	chain_rx_release(&w.st, &w.m, w.r, &w.s.rcv_tail, BUF * BUFS, BUF * BUFS);
	CU_ASSERT(world_sound(&w));
	// Buffers but no pieces: the buffer goes back.
	taken = w.st.n_free_pieces;
	for (n = 0; n < taken - 2; n++)
		w.st.n_free_pieces--;
	CU_ASSERT_EQUAL(world_put(&w, BUF * BUFS, 3 * BUF), 2 * BUF);
	CU_ASSERT_EQUAL(w.m.n_free, BUFS - 2);
	// Far away, with too few pieces to get there: nothing is placed.
	CU_ASSERT_EQUAL(world_put(&w, BUF * BUFS + 5 * BUF, 10), 0);
	w.st.n_free_pieces += n;
	CU_ASSERT(world_sound(&w));
	world_close(&w);
}

// What the host could take is what it gets, buffer by buffer, whichever bound is the nearest.
static void test_room(void)
{
	static const struct {
		uint32_t bufs, pieces, max, share;
	} t[] = {{24, 64, 0, 0}, {24, 7, 0, 0}, {24, 64, 9, 0}, {24, 10, 0, 4}, {24, 11, 0, 1},
		{24, 12, 0, 3}, {24, 1, 0, 1}, {5, 64, 9, 4}, {24, 0, 9, 4}};

	for (unsigned i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct world w;
		uint32_t room, off = 0, pieces;

		world_open(&w);
		pieces = w.st.n_free_pieces;
		w.m.n_free = t[i].bufs;
		w.st.n_free_pieces = t[i].pieces;
		w.m.max_pieces = t[i].max;
		w.m.piece_share = t[i].share;
		for (room = chain_rx_room(&w.st, &w.m); room; room--, off += BUF) {
			CU_ASSERT_EQUAL(world_put(&w, off, BUF), BUF);
			CU_ASSERT_EQUAL(chain_rx_room(&w.st, &w.m), room - 1);
		}
		CU_ASSERT_EQUAL(world_put(&w, off, 1), 0);
		CU_ASSERT(off > 0 || t[i].pieces == 0);
		CU_ASSERT_EQUAL(chain_rx_end(&w.st, w.r, &w.s.rcv_tail, 0), off);
		w.st.n_free_pieces += pieces - t[i].pieces;
		w.m.n_free += BUFS - t[i].bufs;
		world_close(&w);
	}
}

static void test_trim(void)
{
	struct world w;

	world_open(&w);
	world_put(&w, 0, 700);
	world_commit(&w, 700);
	world_put(&w, 3000, 500);
	CU_ASSERT_EQUAL(w.m.n_free, BUFS - 7);
	w.s.rcv_tail = STATE_NIL; // forgotten
	chain_rx_trim(&w.st, &w.m, w.r, &w.s.rcv_tail, 700);
	CU_ASSERT_EQUAL(w.m.n_free, BUFS - 2);
	CU_ASSERT_NOT_EQUAL(w.s.rcv_tail, STATE_NIL);
	CU_ASSERT(world_holds(&w, 0, 700));
	CU_ASSERT_EQUAL(world_put(&w, 700, 1000), 1000);
	world_commit(&w, 1700);
	CU_ASSERT(world_holds(&w, 0, 1700));
	// A tail that is not known is looked for.
	w.s.rcv_tail = STATE_NIL;
	CU_ASSERT_EQUAL(world_put(&w, 1700, 1000), 1000);
	world_commit(&w, 2700);
	CU_ASSERT(world_holds(&w, 0, 2700));
	// A chain that begins at rcv_nxt goes entirely.
	chain_rx_free_all(&w.st, &w.m, w.r);
	w.s.rcv_tail = STATE_NIL;
	world_put(&w, 2700, 10);
	chain_rx_trim(&w.st, &w.m, w.r, &w.s.rcv_tail, 2700);
	CU_ASSERT_EQUAL(HARD_GET(w.r->rcv_head), STATE_NIL);
	CU_ASSERT_EQUAL(w.m.n_free, BUFS);
	CU_ASSERT(world_sound(&w));
	world_close(&w);
}

static void test_spans(void)
{
	struct world w;
	ob_span out[4];
	uint64_t reached;

	world_open(&w);
	world_put(&w, 0, 4 * BUF);
	world_commit(&w, 4 * BUF);
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
	world_put(&w, 4 * BUF, 4 * BUF);
	world_commit(&w, 8 * BUF);
	CU_ASSERT_EQUAL(place_spans(&w.place, &w.s, 4 * BUF, 8 * BUF, out, 4, &reached), 4);
	CU_ASSERT_EQUAL(place_spans(&w.place, &w.s, 4 * BUF, 8 * BUF, out, 2, &reached), 2);
	CU_ASSERT_EQUAL(reached, 6 * BUF);
	CU_ASSERT_EQUAL(ob_span_off(out[1]), w.m.l.rx_off + 2 * BUF);
	CU_ASSERT(world_holds(&w, 4 * BUF, 8 * BUF));
	world_close(&w);
}

// Random arrivals, commits, consumption, forgetting.
static void rx_random_once(void)
{
	struct world w;
	uint64_t nxt = 0, consumed = 0, ooo_end = 0;
	bool here[STREAM / 100] = {false}; // by blocks of 100 bytes

	world_open(&w);
	for (uint32_t step = 0; step < 3000 && nxt < STREAM - 20000; step++) {
		uint64_t block = nxt / 100 + (world_rnd(3) ? 0 : world_rnd(60));
		uint32_t n = 1 + world_rnd(15), got;

		switch (world_rnd(8)) {
		case 0: // the host consumes
			consumed += world_rnd((uint32_t)(nxt - consumed) + 1);
			chain_rx_release(&w.st, &w.m, w.r, &w.s.rcv_tail, consumed,
				ooo_end > nxt ? ooo_end : nxt);
			break;
		case 1: // amnesia
			if (world_rnd(4))
				break;
			chain_rx_trim(&w.st, &w.m, w.r, &w.s.rcv_tail, nxt);
			memset(here + nxt / 100, 0, sizeof(here) - nxt / 100);
			ooo_end = 0;
			break;
		default:
			got = world_put(&w, block * 100, n * 100) / 100;
			memset(here + block, 1, got);
			if (got && (block + got) * 100 > ooo_end)
				ooo_end = (block + got) * 100;
			while (here[nxt / 100])
				nxt += 100;
			world_commit(&w, nxt);
			break;
		}
		if (!world_sound(&w) || !world_holds(&w, consumed, nxt)) {
			CU_FAIL("a chain is wrong");
			break;
		}
	}
	CU_ASSERT(nxt > 20000);
	chain_rx_free_all(&w.st, &w.m, w.r);
	CU_ASSERT_EQUAL(w.m.n_free, BUFS);
	CU_ASSERT_EQUAL(w.st.n_free_pieces, PIECES);
	world_close(&w);
}

static void test_rx_random(void)
{
	for (unsigned i = 0; i < 20; i++)
		rx_random_once();
}

int main(int argc, char **argv)
{
	static CU_TestInfo tests[] = {
		{"in order", test_in_order},
		{"out of order", test_out_of_order},
		{"release is bounded by the commit", test_release_bounded},
		{"exhaustion", test_exhaustion},
		{"room", test_room},
		{"trim", test_trim},
		{"spans", test_spans},
		{"random", test_rx_random},
		CU_TEST_INFO_NULL,
	};

	return world_main(argc, argv, "chain_rx", tests);
}
