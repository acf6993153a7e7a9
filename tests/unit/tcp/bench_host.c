// The bench's host: slots, requests, and what it finds in its memory.
#include "tests/unit/tcp/bench_host.h"

#include <errno.h>

#include "engine/state/chain.h"

#define OWN_BYTES (4u << 20)

static uint32_t op_place(
	void *ctx, struct tcp_soft *s, uint64_t off, const uint8_t *data, uint32_t len)
{
	struct bench *b = ctx;

	return chain_rx_place(
		&b->st, &b->mem, &b->st.recs[s->conn], &s->rcv_tail, s->rcv_nxt, off, data, len);
}

static int op_slot_get(
	void *ctx, uint16_t host, uint8_t chan, uint32_t conn, uint32_t *slot, uint32_t *gen)
{
	struct bench *b = ctx;

	(void)host;
	(void)chan;
	for (uint32_t i = 0; i < BENCH_SLOTS / 2; i++) {
		struct ob_slot_word *w = ob_seg_slot(b->mem.base, &b->mem.l, i);

		if (b->slots[i].gen & 1)
			continue;
		b->slots[i].conn = conn;
		*gen = ++b->slots[i].gen; // odd: in use
		*slot = i;
		// The host takes it at once.
		atomic_store(&w->consumed, 0);
		atomic_store(&w->taken_gen, *gen);
		b->conn = conn;
		b->wr = b->rd = 0;
		return 0;
	}
	return -ENOSPC;
}

static void op_slot_set(void *ctx, uint16_t host, uint32_t slot, uint32_t gen, uint32_t conn)
{
	struct bench *b = ctx;
	struct ob_slot_word *w = ob_seg_slot(b->mem.base, &b->mem.l, slot);

	(void)host;
	CU_ASSERT_EQUAL(gen, b->slots[slot].gen);
	b->slots[slot].conn = conn;
	atomic_store(&w->consumed, 0);
	atomic_store(&w->taken_gen, gen);
	b->conn = conn;
	b->wr = b->rd = 0;
}

static void op_notify(void *ctx, struct tcp_soft *s, unsigned bits)
{
	struct bench *b = ctx;

	if (s->conn == b->conn)
		b->notes |= bits;
}

static void op_connect_failed(
	void *ctx, uint16_t host, uint8_t chan, uint32_t slot, uint32_t gen, int error)
{
	struct bench *b = ctx;

	(void)host;
	(void)chan;
	CU_ASSERT_EQUAL(gen, b->slots[slot].gen);
	b->slots[slot].gen++;
	b->connect_error = error;
}

static bool op_owner(void *ctx, uint32_t conn, struct rec *r)
{
	const struct bench *b = ctx;

	for (uint32_t i = 0; i < BENCH_SLOTS; i++) {
		if (!(b->slots[i].gen & 1) || b->slots[i].conn != conn)
			continue;
		r->host = 0;
		r->chan = 0;
		r->slot = i;
		r->slot_gen = b->slots[i].gen;
		atomic_store(&r->flags, 0);
		return true;
	}
	return false;
}

static void op_freed(void *ctx, const struct rec *r)
{
	struct bench *b = ctx;

	CU_ASSERT_EQUAL(r->slot_gen, b->slots[r->slot].gen);
	b->slots[r->slot].gen++;
	b->n_freed++;
}

void bench_host_ops(struct bench *b)
{
	b->ops = (struct tcp_ops){.ctx = b,
		.place = op_place,
		.slot_get = op_slot_get,
		.slot_set = op_slot_set,
		.notify = op_notify,
		.connect_failed = op_connect_failed,
		.owner = op_owner,
		.freed = op_freed};
}

int host_listen(struct bench *b)
{
	struct tcp_open o = {.lport = PORT, .gen = 1, .backlog = 4};

	bench_start(b);
	return tcp_listen(&b->t, &o, &b->listener);
}

int host_connect(struct bench *b)
{
	return host_connect_from(b, PORT);
}

int host_connect_from(struct bench *b, uint16_t lport)
{
	struct tcp_open o = {.lport = lport, .rport = PEER_PORT, .ports_tried = &b->ports_tried};
	int rc;

	bench_start(b);
	o.laddr = ob_addr_v4(0x0100000a);
	o.raddr = ob_addr_v4(0x0200000a);
	for (o.slot = BENCH_SLOTS / 2; b->slots[o.slot].gen & 1; o.slot++)
		;
	o.slot_gen = b->slots[o.slot].gen + 1;
	b->connect_error = 0;
	tcp_begin(&b->t, b->now_us);
	rc = tcp_connect(&b->t, &o, &b->half);
	if (rc == 0)
		b->slots[o.slot].gen++;
	turn(b);
	return rc;
}

int host_send(struct bench *b, uint32_t len, unsigned flags)
{
	uint32_t at = (uint32_t)(b->wr % OWN_BYTES);
	int rc;

	CU_ASSERT_FATAL(b->conn != TCP_NONE && at + len <= OWN_BYTES);
	rc = tcp_send(&b->t, b->conn, b->wr, b->own_off + at, len, flags);
	if (rc == 0)
		b->wr += len;
	turn(b);
	return rc;
}

static void compare(struct bench *b, uint64_t from, uint64_t to)
{
	const struct rec *r = bench_rec(b);

	while (from < to) {
		ob_span spans[8];
		uint64_t reached = from;
		uint32_t n = chain_rx_spans(&b->st, r, STATE_NIL, from, to, spans, 8, &reached);
		uint64_t off = from;

		CU_ASSERT_FATAL(n > 0 && reached > from && reached <= to);
		for (uint32_t i = 0; i < n; i++) {
			const uint8_t *p = b->mem.base + ob_span_off(spans[i]);

			for (uint32_t k = 0; k < ob_span_len(spans[i]); k++, off++)
				CU_ASSERT_FATAL(p[k] == bench_pattern(off));
		}
		CU_ASSERT_EQUAL_FATAL(off, reached);
		from = reached;
	}
}

int host_consume(struct bench *b, uint64_t upto)
{
	int rc;

	CU_ASSERT_FATAL(b->conn != TCP_NONE && upto <= host_received(b));
	compare(b, b->rd, upto);
	b->rd = upto;
	atomic_store(&ob_seg_slot(b->mem.base, &b->mem.l, bench_rec(b)->slot)->consumed, upto);
	rc = tcp_consumed(&b->t, b->conn, upto);
	turn(b);
	return rc;
}

int host_shutdown(struct bench *b)
{
	int rc = tcp_shutdown(&b->t, b->conn, b->wr);

	turn(b);
	return rc;
}

int host_close(struct bench *b)
{
	int rc = tcp_close(&b->t, b->conn, b->wr);

	turn(b);
	return rc;
}

int host_set(struct bench *b, enum ob_option option, uint64_t value)
{
	int rc = tcp_setopt(&b->t, b->conn, option, value);

	turn(b);
	return rc;
}

uint64_t host_received(struct bench *b)
{
	return rcv_data_end(HARD_GET(bench_rec(b)->rcv_nxt));
}

unsigned host_notes(struct bench *b)
{
	unsigned n = b->notes;

	b->notes = 0;
	return n;
}

struct rec *bench_rec(const struct bench *b)
{
	CU_ASSERT_FATAL(b->conn != TCP_NONE);
	return &b->st.recs[b->conn];
}

enum tcp_state bench_state(const struct bench *b)
{
	if (b->conn == TCP_NONE)
		return TCPS_CLOSED;
	return tcp_state(bench_rec(b));
}

int bench_error(const struct bench *b)
{
	return rec_phase(bench_rec(b)) == REC_DONE ? (int)REC_LIFE_ERROR(bench_rec(b)->life) : -1;
}

void bench_expect_state(struct bench *b, enum tcp_state s, const char *file, unsigned line)
{
	enum tcp_state have = bench_state(b);

	if (have != s)
		printf("\n%s:%u: state %s, expected %s", file, line, tcp_state_name(have),
			tcp_state_name(s));
	CU_assertImplementation(have == s, line, "state", file, "", CU_FALSE);
}
