// Chains of data to send, and the shares of several hosts.
#include "tests/unit/offload/chain_world.h"

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

	world_open(&w);
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
	CU_ASSERT(world_sound(&w));
	world_close(&w);
}

static void test_tx_trim(void)
{
	struct world w;

	world_open(&w);
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
	CU_ASSERT(world_sound(&w));
	world_close(&w);
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

	world_open(&w);
	w.m.piece_share = 4;
	n = tx_until_full(&w, &w.m);
	CU_ASSERT_EQUAL(n, 52); // 52 of 64: 4 times the 12 that are left are fewer
	CU_ASSERT_EQUAL(world_put(&w, 0, BUF * BUFS), 10 * BUF);
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
	world_close(&w);
}

static void tx_random_once(void)
{
	struct world w;
	uint64_t una = 0, nxt = 0, wr = 0;
	uint64_t *where = malloc(STREAM * sizeof(*where)); // of each byte in the segment

	world_open(&w);
	for (uint32_t step = 0; step < 4000 && wr < STREAM - 5000; step++) {
		struct chain_iov v[3];
		uint32_t n, got, cur, len = 1 + world_rnd(900);
		uint64_t from, at = 100000 + world_rnd(SEG_BYTES - 200000);

		switch (world_rnd(5)) {
		case 0:
			if (wr && world_rnd(2))
				at = where[wr - 1] + 1;
			if (at + len > SEG_BYTES
				|| tx_add(&w, wr, at, len, world_rnd(4) ? 0 : PIECE_PUSH))
				break;
			for (uint32_t i = 0; i < len; i++)
				where[wr++] = at++;
			break;
		case 1:
			una += world_rnd((uint32_t)(nxt - una) + 1);
			chain_tx_release(&w.st, &w.m, w.r, &w.s.snd_tail, &w.s.snd_cur, una);
			break;
		default: // the next bytes, or some that were sent before
			cur = STATE_NIL;
			from = world_rnd(4) ? nxt : una + world_rnd((uint32_t)(nxt - una) + 1);
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
		if (!world_sound(&w))
			CU_FAIL_FATAL("a chain is wrong");
	}
	CU_ASSERT(una > 10000);
	free(where);
	world_close(&w);
}

static void test_tx_random(void)
{
	for (unsigned i = 0; i < 20; i++)
		tx_random_once();
}

int main(int argc, char **argv)
{
	static CU_TestInfo tests[] = {
		{"merging, marks, gathering", test_tx_merge},
		{"trim and exhaustion", test_tx_trim},
		{"shares of several hosts", test_share},
		{"random", test_tx_random},
		CU_TEST_INFO_NULL,
	};

	return world_main(argc, argv, "chain_tx", tests);
}
