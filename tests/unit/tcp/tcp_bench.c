// The bench itself: start and end, turns and time, the wire. The host's side is bench_host.c.
#include "tests/unit/tcp/tcp_bench.h"

#include "engine/state/chain.h"
#include "tests/unit/tcp/bench_host.h"

#define N_CONNS 64u
#define RX_BUF 2048u
#define OWN_BYTES (4u << 20)

uint8_t bench_pattern(uint64_t off)
{
	uint32_t v = (uint32_t)(off & 0xffff) * 2654435761u;

	return (uint8_t)(v >> 24 ^ v >> 13);
}

// Where the sequence numbers of a bench begin. OB_TEST_ISN=PEER,OURS in the environment says otherwise, so
// that tests_wrap.sh can take every test across 2^32 and 2^31, in either stream.
#define START_US 1000000000u

static bool isn_given;
static uint32_t isn_ours;

static uint32_t isn_of_peer(void)
{
	const char *said = getenv("OB_TEST_ISN");
	unsigned peer, ours;

	if (!said)
		return PEER_ISN;
	CU_ASSERT_EQUAL_FATAL(sscanf(said, "%x,%x", &peer, &ours), 2);
	isn_ours = ours;
	isn_given = true;
	return peer;
}

uint32_t __real_isn_make(const struct state_secrets *k, const struct seg_tuple *t, uint64_t now_us);
uint32_t __wrap_isn_make(const struct state_secrets *k, const struct seg_tuple *t, uint64_t now_us);

// The linker puts this in the way, too. Its clock goes on as the engine's does.
uint32_t __wrap_isn_make(const struct state_secrets *k, const struct seg_tuple *t, uint64_t now_us)
{
	if (!isn_given)
		return __real_isn_make(k, t, now_us);
	return isn_ours + (uint32_t)((now_us - START_US - 1000000) / 4);
}

static unsigned sink_room(void *ctx)
{
	const struct bench *b = ctx;

	return b->used < b->room ? b->room - b->used : 0;
}

static int sink_emit(void *ctx, const struct seg_out *s)
{
	struct bench *b = ctx;
	struct cap *c = &b->caps[b->cap_tail % BENCH_SEGS];
	uint32_t at = 0;

	if (b->emit_error) {
		int error = b->emit_error;

		b->emit_error = 0;
		return error;
	}
	CU_ASSERT_FATAL(b->cap_tail - b->cap_head < BENCH_SEGS);
	CU_ASSERT_FATAL(s->len <= sizeof(c->data) && s->n_iov <= SEG_IOV && s->opt_len <= 40);
	b->cap_tail++;
	b->used++;
	c->s = *s;
	c->at_us = b->now_us;
	for (unsigned i = 0; i < s->n_iov; i++) {
		memcpy(c->data + at, s->iov[i].base, s->iov[i].len);
		at += s->iov[i].len;
	}
	CU_ASSERT_EQUAL_FATAL(at, s->len);
	CU_ASSERT_FATAL(tcp_opts_parse(&c->o, s->opt, s->opt_len, s->flags & TCP_SYN));
	return 0;
}

struct bench *bench_new(void)
{
	struct bench *b = calloc(1, sizeof(*b));

	CU_ASSERT_PTR_NOT_NULL_FATAL(b);
	config_defaults(&b->cfg);
	b->cfg.addr = ob_addr_v4(0x0100000a);
	// Windows are those of RFC 5681, unless a test is about another controller.
	snprintf(b->cfg.tcp_congestion_control, sizeof(b->cfg.tcp_congestion_control), "newreno");
	b->cfg.limits_conns = b->cfg.limits_soft = N_CONNS;
	b->cfg.limits_half_open = b->cfg.limits_time_wait = 32;
	b->cfg.limits_pieces = 4096;
	b->cfg.limits_listeners = 8;
	b->cfg.limits_hosts = 1;
	b->cfg.limits_ooo = 16;
	b->cfg.limits_sack_ranges = 4096;
	b->now_us = START_US;
	b->room = 1000;
	b->peer_isn = isn_of_peer();
	b->peer_wnd = 65535;
	b->peer_ts_val = 0xfffff000; // wraps soon, too
	b->conn = b->half = b->listener = TCP_NONE;
	return b;
}

static void mem_start(struct bench *b)
{
	struct host_mem *m = &b->mem;

	m->l = (struct ob_seg_layout){.arena_bytes = OWN_BYTES,
		.rx_bytes = 512 * RX_BUF,
		.rx_buf_bytes = RX_BUF,
		.n_channels = 1,
		.req_order = 4,
		.ev_order = 4,
		.n_slots_accept = BENCH_SLOTS / 2,
		.n_slots_connect = BENCH_SLOTS / 2};
	CU_ASSERT_EQUAL_FATAL(ob_seg_layout_make(&m->l, 4096), 0);
	m->base = aligned_alloc(4096, m->l.seg_bytes);
	CU_ASSERT_PTR_NOT_NULL_FATAL(m->base);
	memset(m->base, 0, m->l.seg_bytes);
	m->n_bufs = m->n_free = (uint32_t)(m->l.rx_bytes / RX_BUF);
	m->low_mark = 4;
	m->free = malloc(m->n_bufs * sizeof(*m->free));
	m->gen = calloc(m->n_bufs, sizeof(*m->gen));
	for (uint32_t i = 0; i < m->n_bufs; i++)
		m->free[i] = i;
	b->own_off = m->l.rx_off + m->l.rx_bytes;
	b->own = m->base + b->own_off;
	for (uint32_t i = 0; i < OWN_BYTES; i++)
		b->own[i] = bench_pattern(i);
}

void bench_start(struct bench *b)
{
	struct seg_sink sink = {.ctx = b, .room = sink_room, .emit = sink_emit};
	char err[256];

	if (b->caps)
		return;
	b->caps = calloc(BENCH_SEGS, sizeof(*b->caps));
	CU_ASSERT_PTR_NOT_NULL_FATAL(b->caps);
	CU_ASSERT_EQUAL_FATAL(
		state_create(&b->st, &b->cfg, true, 0, 1000000000, err, sizeof(err)), 0);
	mem_start(b);
	bench_host_ops(b);
	CU_ASSERT_EQUAL_FATAL(
		tcp_init(&b->t, &b->cfg, &b->st, &b->cnt, &b->ops, sink, &b->mem, 1500, b->now_us),
		0);
	b->now_us += 1000000; // limits of rates begin with empty buckets
}

static void check_clean(struct bench *b)
{
	uint32_t used = 0;

	for (uint32_t i = 0; i < N_CONNS; i++)
		used += rec_phase(&b->st.recs[i]) != REC_FREE;
	CU_ASSERT_EQUAL(used, 0);
	CU_ASSERT_EQUAL(b->st.n_free_recs, N_CONNS);
	CU_ASSERT_EQUAL(b->st.n_free_pieces, b->st.hdr->n_pieces);
	CU_ASSERT_EQUAL(b->st.n_free_half, b->st.hdr->n_half);
	CU_ASSERT_EQUAL(b->mem.n_free, b->mem.n_bufs);
	CU_ASSERT_EQUAL(b->t.n_soft_free, b->t.n_soft);
	CU_ASSERT_EQUAL(b->t.n_ooo_free, b->cfg.limits_ooo);
	CU_ASSERT_EQUAL(b->t.n_flights_used, 0);
	CU_ASSERT_EQUAL(b->t.n_ranges_used, 0);
	CU_ASSERT_EQUAL(b->t.n_live, 0);
	CU_ASSERT_EQUAL(b->t.n_half_used, 0);
	CU_ASSERT_EQUAL(b->t.host_conns[0], 0);
	CU_ASSERT_EQUAL(b->t.n_orphans, 0);
	for (uint32_t i = 1; i < b->st.hdr->n_settings; i++) // listeners stay
		used += b->t.settings[i].refs != 0;
	CU_ASSERT_EQUAL(b->t.n_settings_free, b->st.hdr->n_settings - 1 - used);
	CU_ASSERT_EQUAL(b->t.host_settings[0], used);
	CU_ASSERT_EQUAL(rte_hash_count(b->t.table), 0);
	CU_ASSERT_EQUAL(b->t.wheel.armed, 0);
	CU_ASSERT_EQUAL(b->commits_wrong, 0);
	CU_ASSERT_EQUAL(b->frees_wrong, 0);
}

// Everything still open is aborted and released, as a host that ends does.
void bench_free(struct bench *b)
{
	bench_start(b);
	b->hold = b->amnesia = false;
	for (uint32_t id = 0; id < N_CONNS + b->t.n_half; id++) {
		bool half = tcp_id_is_half(&b->t, id);

		if (half && HARD_GET(b->st.half[id - N_CONNS].phase) != HALF_FREE)
			half_drop(&b->t, id);
		if (half || rec_phase(&b->st.recs[id]) == REC_FREE)
			continue;
		if (rec_phase(&b->st.recs[id]) == REC_LIVE)
			tcp_abort(&b->t, id);
		turn(b);
		if (rec_phase(&b->st.recs[id]) == REC_DONE) // an orphan is gone by itself
			tcp_release(&b->t, id);
	}
	turn(b);
	check_clean(b);
	tcp_fini(&b->t);
	state_destroy(&b->st, true);
	free(b->mem.base);
	free(b->mem.free);
	free(b->mem.gen);
	free(b->caps);
	free(b);
}

// Rules 2 to 5: what a segment says was committed when it leaves.
static bool committed(const struct bench *b, const struct cap *c)
{
	const struct seg_out *s = &c->s;
	uint32_t id = conn_lookup(&b->t, &s->t);
	const struct rec *r;
	uint64_t edge;

	if (id == TCP_NONE)
		return !(s->flags & TCP_SYN);
	if (tcp_id_is_half(&b->t, id))
		return b->st.half[id - N_CONNS].iss == s->seq || !(s->flags & TCP_SYN);
	r = &b->st.recs[id];
	if (rec_phase(r) != REC_LIVE || (s->flags & (TCP_RST | TCP_SYN)))
		return true;
	edge = (uint64_t)s->wnd << (r->wscale >> 4);
	return seq_leq(s->seq + s->len + !!(s->flags & TCP_FIN), snd_seq(r, HARD_GET(r->snd_max)))
		&& seq_leq(s->ack, rcv_seq(r, HARD_GET(r->rcv_nxt)))
		// A FIN may lie at the edge, and its ACK behind it: that advertises nothing.
		&& (edge == 0
			|| seq_leq(s->ack + (uint32_t)edge, rcv_seq(r, HARD_GET(r->rcv_edge))));
}

// Whether a byte that is committed, and that somebody still needs, lies in a piece: then its record
// lives, the peer has not acknowledged or the host not consumed it. docs/hard-state.md, rule 3.
static bool needed(const struct bench *b, const struct piece *p)
{
	const struct rec *r = &b->st.recs[p->conn];
	bool rx = p->where >> 40 & 0xffff; // receive pieces carry the buffer's generation
	uint64_t consumed, wr = wr_data_end(HARD_GET(r->snd_wr));

	if (rec_phase(r) == REC_FREE || rec_gen(r) != p->gen || r->slot >= BENCH_SLOTS)
		return false;
	if (!rx)
		return rec_phase(r) == REC_LIVE && p->start < wr
			&& p->start + p->len > HARD_GET(r->snd_una);
	consumed = atomic_load(&ob_seg_slot(b->mem.base, &b->mem.l, r->slot)->consumed);
	return p->start < rcv_data_end(HARD_GET(r->rcv_nxt)) && p->start + p->len > consumed
		&& rcv_data_end(HARD_GET(r->rcv_nxt)) > consumed;
}

void __real_state_piece_free(struct state *s, uint32_t i);
void __wrap_state_piece_free(struct state *s, uint32_t i);

// The linker puts this in the way: see meson.build.
void __wrap_state_piece_free(struct state *s, uint32_t i)
{
	struct bench *b = (struct bench *)((uint8_t *)s - offsetof(struct bench, st));

	b->frees_wrong += needed(b, &s->pieces[i]);
	__real_state_piece_free(s, i);
}

void turn(struct bench *b)
{
	unsigned from;

	bench_start(b);
	if (b->hold)
		return;
	from = b->cap_tail;
	tcp_begin(&b->t, b->now_us);
	tcp_input(&b->t, b->in, b->n_in);
	b->n_in = 0;
	tcp_timers(&b->t);
	tcp_output(&b->t);
	tcp_commit(&b->t);
	b->used = 0;
	bench_check_flights(b);
	for (unsigned i = from; i != b->cap_tail; i++)
		b->commits_wrong += !committed(b, &b->caps[i % BENCH_SEGS]);
	for (uint32_t i = 0; b->amnesia && i < N_CONNS; i++)
		tcp_forget(&b->t, i);
}

uint64_t advance_until_sent(struct bench *b, uint64_t us)
{
	uint64_t start = b->now_us, end = b->now_us + us;
	unsigned from = b->cap_tail;

	bench_start(b);
	while (b->now_us < end && b->cap_tail == from) {
		uint64_t next = tcp_next_us(&b->t);

		// A lower bound: it is not trusted to be the time itself.
		if (next < b->now_us + WHEEL_TICK_US)
			next = b->now_us + WHEEL_TICK_US;
		b->now_us = next < end ? next : end;
		turn(b);
	}
	return b->now_us - start;
}

void advance(struct bench *b, uint64_t us)
{
	uint64_t end = b->now_us + us;

	while (b->now_us < end)
		advance_until_sent(b, end - b->now_us);
}

void flush(struct bench *b)
{
	b->cap_head = b->cap_tail;
}

void counter_mark(struct bench *b)
{
	b->mark = b->cnt;
}
