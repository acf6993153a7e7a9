// What must hold of every scoreboard after every turn (docs/loss-recovery.md, invariants).
#include "tests/unit/tcp/bench_host.h"

struct sums {
	uint64_t end;
	uint32_t n, out, sacked, lost;
};

static void walk_offsets(
	const struct bench *b, const struct tcp_soft *s, const struct tcp_flight *f, struct sums *a)
{
	uint32_t prev = STATE_NIL;

	a->end = s->snd_una;
	for (uint32_t i = f->head; i != STATE_NIL; i = b->t.ranges[i].next) {
		const struct tcp_range *r = &b->t.ranges[i];
		uint32_t len = (uint32_t)(r->end - r->start);

		CU_ASSERT_FATAL(r->start == a->end && r->end > r->start && r->prev == prev);
		CU_ASSERT_FATAL(r->n_tx > 0 && r->sent_us <= b->now_us);
		CU_ASSERT_FATAL(++a->n <= RANGES_PER_CONN);
		a->out += r->state == RANGE_OUT;
		a->sacked += r->state == RANGE_SACKED ? len : 0;
		a->lost += r->state == RANGE_LOST ? len : 0;
		if (r->state == RANGE_LOST) // the hint is not behind it
			CU_ASSERT_FATAL(f->lost_hint != STATE_NIL
				&& b->t.ranges[f->lost_hint].start <= r->start);
		a->end = r->end;
		prev = i;
	}
	CU_ASSERT_EQUAL_FATAL(f->tail, prev);
}

static void walk_time(const struct bench *b, const struct tcp_flight *f, uint32_t want)
{
	uint32_t prev = STATE_NIL, n = 0;

	for (uint32_t i = f->thead; i != STATE_NIL; i = b->t.ranges[i].tnext) {
		const struct tcp_range *r = &b->t.ranges[i];

		CU_ASSERT_FATAL(r->state == RANGE_OUT && r->tprev == prev);
		if (prev != STATE_NIL)
			CU_ASSERT_FATAL(b->t.ranges[prev].sent_us <= r->sent_us);
		CU_ASSERT_FATAL(++n <= want);
		prev = i;
	}
	CU_ASSERT_FATAL(n == want && f->ttail == prev);
}

void bench_check_flights(const struct bench *b)
{
	uint32_t flights = 0, ranges = 0;

	for (uint32_t i = 0; i < b->t.n_soft; i++) {
		const struct tcp_soft *s = &b->t.soft[i];
		const struct tcp_flight *f;
		struct sums a = {0};

		if (s->conn == TCP_NONE || !(f = flight_of(&b->t, s)))
			continue;
		walk_offsets(b, s, f, &a);
		CU_ASSERT_EQUAL_FATAL(a.end, s->snd_nxt);
		walk_time(b, f, a.out);
		CU_ASSERT_EQUAL_FATAL(f->n, a.n);
		CU_ASSERT_EQUAL_FATAL(f->sacked, a.sacked);
		CU_ASSERT_EQUAL_FATAL(f->lost, a.lost);
		// All acknowledged: nothing is kept.
		CU_ASSERT_FATAL(s->snd_nxt > s->snd_una || (s->flags & SOFT_LOSS));
		flights++;
		CU_ASSERT_FATAL(f->own_used <= 1);
		ranges += a.n - f->own_used;
	}
	CU_ASSERT_EQUAL_FATAL(b->t.n_flights_used, flights);
	CU_ASSERT_EQUAL_FATAL(b->t.n_ranges_used, ranges);
}
