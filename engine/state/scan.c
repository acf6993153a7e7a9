// Who owns what follows from reachability: the one scan that rebuilds the free lists.
#include "engine/state/state.h"

uint16_t rec_sum(const struct rec *r)
{
	uint8_t cold[64];
	uint64_t h = 0x9e3779b97f4a7c15ull;

	static_assert(sizeof(struct rec) - offsetof(struct rec, laddr) == sizeof(cold), "one line");
	memcpy(cold, &r->laddr, sizeof(cold));
	cold[offsetof(struct rec, flags) - offsetof(struct rec, laddr)] = 0;
	memset(cold + offsetof(struct rec, sum) - offsetof(struct rec, laddr), 0, sizeof(r->sum));
	for (size_t i = 0; i < sizeof(cold); i += sizeof(uint64_t)) {
		uint64_t v;

		memcpy(&v, cold + i, sizeof(v));
		h = (h ^ v) * 0xff51afd7ed558ccdull;
		h ^= h >> 32;
	}
	return (uint16_t)(h ^ h >> 16);
}

uint32_t settings_sum(const struct settings *v)
{
	uint64_t h = v->made * 0x9e3779b97f4a7c15ull + 1;

	for (size_t i = 0; i < SETTINGS_VALUES; i++) {
		h = (h ^ v->value[i]) * 0xff51afd7ed558ccdull;
		h ^= h >> 32;
	}
	return (uint32_t)h;
}

// Walks a chain, marks its pieces and cuts it before the first that cannot belong to it: out of
// range, of another connection or generation, reached before, not behind its predecessor, or at or
// past `limit`. A piece is marked once, so that a circle ends too.
static void walk(struct state *s, _Atomic uint32_t *link, uint32_t conn, uint32_t gen,
	uint64_t limit, uint32_t *marks)
{
	uint64_t end = 0;

	for (;;) {
		uint32_t i = HARD_GET(*link);
		const struct piece *p;

		if (i == STATE_NIL)
			return;
		if (i >= s->hdr->n_pieces)
			break;
		p = &s->pieces[i];
		if (marks[i] || p->conn != conn || p->gen != gen || p->len == 0 || p->start < end
			|| p->start >= limit)
			break;
		marks[i] = 1;
		end = p->start + p->len;
		link = &s->pieces[i].next;
	}
	HARD_SET(*link, STATE_NIL);
}

// Turns marks, one word each, into a stack of the indices that are not marked; the lowest is on
// top. Returns their number.
static uint32_t stack_of_unmarked(uint32_t *list, uint32_t n)
{
	uint32_t k = 0;

	for (uint32_t i = 0; i < n; i++)
		if (!list[i])
			list[k++] = i; // k <= i: this mark was read already
	for (uint32_t i = 0; i < k / 2; i++) {
		uint32_t v = list[i];

		list[i] = list[k - 1 - i];
		list[k - 1 - i] = v;
	}
	return k;
}

uint32_t state_scan(struct state *s)
{
	const struct state_hdr *h = s->hdr;
	uint32_t damaged = 0;

	memset(s->free_pieces, 0, (size_t)h->n_pieces * sizeof(uint32_t));
	for (uint32_t i = 0; i < h->n_conns; i++) {
		struct rec *r = &s->recs[i];
		enum rec_phase phase = rec_phase(r);

		s->free_recs[i] = phase == REC_LIVE || phase == REC_DONE;
		if (!s->free_recs[i])
			continue;
		if (r->sum != rec_sum(r)) {
			// Whose it is cannot be told: it costs this connection.
			HARD_SET(r->life, rec_life(rec_gen(r), 0, REC_FREE));
			s->free_recs[i] = 0;
			damaged++;
			continue;
		}
		// A piece that is not published by rcv_nxt or snd_wr was linked by a turn that was
		// never committed; what it held comes again.
		walk(s, &r->rcv_head, i, rec_gen(r), STATE_OFF(HARD_GET(r->rcv_nxt)),
			s->free_pieces);
		walk(s, &r->snd_head, i, rec_gen(r), STATE_OFF(HARD_GET(r->snd_wr)),
			s->free_pieces);
	}
	for (uint32_t i = 0; i < h->n_half; i++)
		s->free_half[i] = HARD_GET(s->half[i].phase) != HALF_FREE;
	s->n_free_recs = stack_of_unmarked(s->free_recs, h->n_conns);
	s->n_free_half = stack_of_unmarked(s->free_half, h->n_half);
	s->n_free_pieces = stack_of_unmarked(s->free_pieces, h->n_pieces);
	return damaged;
}
