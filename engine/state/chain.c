#include "engine/state/chain.h"

#include <errno.h>

#define SPAN_MAX ((1u << 24) - 1) // bytes in an ob_span
#define SEND_MAX (1u << 30) // bytes in a send piece

static inline uint32_t next_of(const struct piece *p)
{
	return HARD_GET(p->next);
}

static inline uint64_t end_of(const struct piece *p)
{
	return p->start + p->len;
}

static uint32_t chain_last(const struct state *st, uint32_t i)
{
	uint32_t last = STATE_NIL;

	for (; i != STATE_NIL; i = next_of(&st->pieces[i]))
		last = i;
	return last;
}

// The piece at or behind `i` that holds offset `off`, or STATE_NIL.
static uint32_t chain_seek(const struct state *st, uint32_t i, uint64_t off)
{
	while (i != STATE_NIL && end_of(&st->pieces[i]) <= off)
		i = next_of(&st->pieces[i]);
	return i;
}

// Fills a descriptor and links it behind *tail, or at the head of a chain that is empty.
static void chain_link(struct state *st, struct rec *r, _Atomic uint32_t *head, uint32_t *tail,
	uint32_t i, const struct piece *fill)
{
	struct piece *p = &st->pieces[i];

	p->conn = (uint32_t)(r - st->recs);
	p->gen = rec_gen(r);
	p->len = fill->len;
	p->start = fill->start;
	p->where = fill->where;
	atomic_store_explicit(&p->next, STATE_NIL, memory_order_relaxed);
	if (*tail == STATE_NIL)
		HARD_SET(*head, i);
	else
		HARD_SET(st->pieces[*tail].next, i);
	*tail = i;
}

// Moves the head of a chain; what is stored afterwards comes after it.
static void chain_set_head(_Atomic uint32_t *head, uint32_t i)
{
	HARD_SET(*head, i);
	atomic_thread_fence(memory_order_release);
}

// Frees the pieces from `i` up to `end`; they are not linked any more. m: where their buffers go
// back to, or NULL. quota: what is in use of the host's share of pieces, or NULL.
static uint32_t chain_free(
	struct state *st, struct host_mem *m, uint32_t *quota, uint32_t i, uint32_t end)
{
	uint32_t n = 0;

	while (i != end) {
		struct piece *p = &st->pieces[i];
		uint32_t next = next_of(p);

		if (next != end)
			__builtin_prefetch(&st->pieces[next]);
		if (m != NULL)
			host_buf_put(m, PIECE_OFF(p));
		state_piece_free(st, i);
		i = next;
		n++;
	}
	if (quota != NULL)
		*quota -= n;
	return n;
}

// Whether a host that has `have` descriptors in one direction may have one more: within its own limit,
// and so that however many hosts there are, some are left for one more.
static bool has_share(const struct state *st, const struct host_mem *m, uint32_t have)
{
	if (m->max_pieces != 0 && have >= m->max_pieces)
		return false;
	return m->piece_share == 0 || have < (uint64_t)m->piece_share * st->n_free_pieces;
}

// Takes a buffer for the stream from `start` on.
static bool rx_extend(
	struct state *st, struct host_mem *m, struct rec *r, uint32_t *tail, uint64_t start)
{
	struct piece fill = {.start = start, .len = m->l.rx_buf_bytes};
	uint16_t gen = 0;
	uint64_t off;
	uint32_t i;

	if (!has_share(st, m, m->rx_pieces))
		return false;
	off = host_buf_get(m, &gen);
	if (off == 0)
		return false;
	i = state_piece_alloc(st);
	if (i == STATE_NIL) {
		host_buf_put(m, off);
		return false;
	}
	fill.where = off | (uint64_t)gen << 40;
	m->rx_pieces++;
	chain_link(st, r, &r->rcv_head, tail, i, &fill);
	return true;
}

uint64_t chain_rx_end(const struct state *st, const struct rec *r, uint32_t *tail, uint64_t rcv_nxt)
{
	uint32_t head = HARD_GET(r->rcv_head);

	if (head == STATE_NIL)
		*tail = STATE_NIL;
	else if (*tail == STATE_NIL)
		*tail = chain_last(st, head);
	return *tail == STATE_NIL ? chain_data_end(rcv_nxt) : end_of(&st->pieces[*tail]);
}

uint32_t chain_rx_room(const struct state *st, const struct host_mem *m)
{
	uint64_t room = m->n_free < st->n_free_pieces ? m->n_free : st->n_free_pieces;
	uint64_t share = m->piece_share, most = share * st->n_free_pieces, k;

	if (m->max_pieces) {
		k = m->max_pieces > m->rx_pieces ? m->max_pieces - m->rx_pieces : 0;
		room = k < room ? k : room;
	}
	if (share) { // has_share(), each one that is taken leaving one less
		k = most > m->rx_pieces ? (most - m->rx_pieces + share) / (share + 1) : 0;
		room = k < room ? k : room;
	}
	return (uint32_t)room;
}

uint32_t chain_rx_place(struct state *st, struct host_mem *m, struct rec *r, uint32_t *tail,
	uint64_t rcv_nxt, uint64_t off, const uint8_t *data, uint32_t len)
{
	uint64_t end = chain_rx_end(st, r, tail, rcv_nxt);
	uint32_t i, done = 0;

	i = *tail; // the common case: it begins in what was the last piece, or behind it
	while (end < off + len && rx_extend(st, m, r, tail, end))
		end = end_of(&st->pieces[*tail]);
	if (end <= off)
		return 0;
	if (end < off + len)
		len = (uint32_t)(end - off);
	if (i == STATE_NIL || off < st->pieces[i].start)
		i = HARD_GET(r->rcv_head);
	i = chain_seek(st, i, off);
	while (done < len && i != STATE_NIL) {
		const struct piece *p = &st->pieces[i];
		uint32_t at = (uint32_t)(off + done - p->start);
		uint32_t part = p->len - at < len - done ? p->len - at : len - done;

		memcpy(m->base + PIECE_OFF(p) + at, data + done, part);
		done += part;
		i = next_of(p);
	}
	return done;
}

uint32_t chain_rx_release(struct state *st, struct host_mem *m, struct rec *r, uint32_t *tail,
	uint64_t consumed, uint64_t placed)
{
	uint64_t limit = chain_data_end(HARD_GET(r->rcv_nxt));
	uint32_t head = HARD_GET(r->rcv_head);
	uint32_t keep;

	if (consumed < limit)
		limit = consumed;
	keep = limit >= placed ? STATE_NIL : chain_seek(st, head, limit);
	if (keep == head)
		return 0;
	if (keep == STATE_NIL)
		*tail = STATE_NIL;
	chain_set_head(&r->rcv_head, keep);
	return chain_free(st, m, &m->rx_pieces, head, keep);
}

// Cuts a chain before the first piece that begins at or past `end`.
static void chain_cut(struct state *st, struct host_mem *m, uint32_t *quota, _Atomic uint32_t *head,
	uint32_t *tail, uint64_t end)
{
	uint32_t last = STATE_NIL, i = HARD_GET(*head);

	while (i != STATE_NIL && st->pieces[i].start < end) {
		last = i;
		i = next_of(&st->pieces[i]);
	}
	*tail = last;
	if (i == STATE_NIL)
		return;
	chain_set_head(last == STATE_NIL ? head : &st->pieces[last].next, STATE_NIL);
	chain_free(st, m, quota, i, STATE_NIL);
}

void chain_rx_trim(
	struct state *st, struct host_mem *m, struct rec *r, uint32_t *tail, uint64_t rcv_nxt)
{
	chain_cut(st, m, &m->rx_pieces, &r->rcv_head, tail, chain_data_end(rcv_nxt));
}

void chain_rx_free_all(struct state *st, struct host_mem *m, struct rec *r)
{
	uint32_t head = HARD_GET(r->rcv_head);

	if (head == STATE_NIL)
		return;
	chain_set_head(&r->rcv_head, STATE_NIL);
	chain_free(st, m, m == NULL ? NULL : &m->rx_pieces, head, STATE_NIL);
}

uint32_t chain_rx_spans(const struct state *st, const struct rec *r, uint32_t tail, uint64_t from,
	uint64_t to, ob_span *out, uint32_t max, uint64_t *reached)
{
	uint32_t n = 0, len = 0, i;
	uint64_t off = 0;

	*reached = from;
	if (from >= to)
		return 0;
	i = tail != STATE_NIL && st->pieces[tail].start <= from ? tail : HARD_GET(r->rcv_head);
	for (i = chain_seek(st, i, from); i != STATE_NIL && from < to;
		i = next_of(&st->pieces[i])) {
		const struct piece *p = &st->pieces[i];
		uint64_t at = PIECE_OFF(p) + (from - p->start);
		uint32_t part = (uint32_t)((to < end_of(p) ? to : end_of(p)) - from);

		if (n > 0 && off + len == at && part <= SPAN_MAX - len) {
			len += part;
		} else {
			if (n == max)
				break;
			n++;
			off = at;
			len = part;
		}
		out[n - 1] = ob_span_make(off, len);
		from += part;
	}
	*reached = from;
	return n;
}

int chain_tx_append(struct state *st, struct host_mem *m, struct rec *r, uint32_t *tail,
	uint64_t start, uint64_t arena_off, uint32_t len, uint64_t marks)
{
	struct piece fill = {.start = start, .len = len, .where = arena_off | marks};
	uint32_t i, head = HARD_GET(r->snd_head);

	if (head == STATE_NIL)
		*tail = STATE_NIL;
	else if (*tail == STATE_NIL)
		*tail = chain_last(st, head);
	if (*tail != STATE_NIL) {
		struct piece *p = &st->pieces[*tail];

		if (end_of(p) == start && PIECE_OFF(p) + p->len == arena_off
			&& (uint64_t)p->len + len <= SEND_MAX) {
			p->where = PIECE_OFF(p) | (p->where & PIECE_PUSH) | marks;
			p->len += len;
			return 0;
		}
	}
	if (!has_share(st, m, m->tx_pieces))
		return -EAGAIN;
	i = state_piece_alloc(st);
	if (i == STATE_NIL)
		return -EAGAIN;
	m->tx_pieces++;
	chain_link(st, r, &r->snd_head, tail, i, &fill);
	return 0;
}

uint32_t chain_tx_release(struct state *st, struct host_mem *m, struct rec *r, uint32_t *tail,
	uint32_t *cursor, uint64_t snd_una)
{
	uint32_t head = HARD_GET(r->snd_head);
	uint32_t i = head;
	bool had_cursor = false;

	while (i != STATE_NIL && end_of(&st->pieces[i]) <= snd_una) {
		had_cursor |= i == *cursor;
		i = next_of(&st->pieces[i]);
	}
	if (i == head)
		return 0;
	if (i == STATE_NIL)
		*tail = STATE_NIL;
	if (had_cursor)
		*cursor = STATE_NIL;
	chain_set_head(&r->snd_head, i);
	return chain_free(st, NULL, &m->tx_pieces, head, i);
}

void chain_tx_trim(
	struct state *st, struct host_mem *m, struct rec *r, uint32_t *tail, uint64_t snd_wr)
{
	uint64_t end = chain_data_end(snd_wr);

	chain_cut(st, NULL, &m->tx_pieces, &r->snd_head, tail, end);
	if (*tail != STATE_NIL && end_of(&st->pieces[*tail]) > end)
		st->pieces[*tail].len = (uint32_t)(end - st->pieces[*tail].start);
}

void chain_tx_free_all(struct state *st, struct host_mem *m, struct rec *r)
{
	uint32_t head = HARD_GET(r->snd_head);

	if (head == STATE_NIL)
		return;
	chain_set_head(&r->snd_head, STATE_NIL);
	chain_free(st, NULL, m == NULL ? NULL : &m->tx_pieces, head, STATE_NIL);
}

uint32_t chain_tx_gather(const struct state *st, const struct host_mem *m, const struct rec *r,
	uint32_t *cursor, uint64_t off, uint32_t len, struct chain_iov *out, uint32_t max,
	uint32_t *n, uint64_t *marks)
{
	uint32_t done = 0, parts = 0, i = *cursor;
	uint64_t found = 0;

	if (i == STATE_NIL || off < st->pieces[i].start)
		i = HARD_GET(r->snd_head);
	i = chain_seek(st, i, off);
	while (i != STATE_NIL && done < len) {
		const struct piece *p = &st->pieces[i];
		uint32_t at = (uint32_t)(off + done - p->start);
		uint32_t part = p->len - at < len - done ? p->len - at : len - done;
		const uint8_t *base = m->base + PIECE_OFF(p) + at;

		if (parts > 0 && (const uint8_t *)out[parts - 1].base + out[parts - 1].len == base)
			out[parts - 1].len += part;
		else if (parts == max)
			break;
		else
			out[parts++] = (struct chain_iov){.base = base, .len = part};
		*cursor = i;
		done += part;
		found &= ~PIECE_MORE;
		if (at + part < p->len)
			break;
		found |= p->where & (PIECE_PUSH | PIECE_MORE);
		i = next_of(p);
	}
	if (i != STATE_NIL)
		*cursor = i;
	*n = parts;
	if (marks != NULL)
		*marks = found;
	return done;
}
