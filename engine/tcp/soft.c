// Soft state: given out, given up, forgotten, and made again from hard state (docs/hard-state.md).
#include "engine/state/chain.h"
#include "engine/tcp/ecn.h"
#include "engine/tcp/ooo.h"

// Whether nothing is lost, but measurements, when this soft state is given up.
static bool soft_is_idle(const struct tcp *t, const struct tcp_soft *s)
{
	const struct rec *r = tcp_rec(t, s->conn);

	if ((s->flags & SOFT_SLOW) && slow_of(t, s)->keep_probes)
		return false;
	return rec_phase(r) == REC_LIVE && s->rtx_at == 0 && s->ack_at == 0 && s->notify == 0
		&& !(s->flags
			& (SOFT_DIRTY | SOFT_OUT | SOFT_NOTIFY | SOFT_STARVED | SOFT_ZERO_WND
				| SOFT_NO_BUFS))
		&& s->ooo == STATE_NIL && s->snd_una == HARD_GET(r->snd_wr)
		&& !(s->rcv_nxt & STATE_FIN) && s->rcv_nxt == s->rcv_consumed;
}

// Gives the soft state of some idle connection up. Bounded: looks at 64 of them.
static bool soft_reclaim(struct tcp *t)
{
	for (unsigned i = 0; i < 64; i++) {
		struct tcp_soft *s = &t->soft[t->soft_hand++ % t->n_soft];
		uint32_t conn = s->conn;
		uint64_t keep_at;

		if (conn == TCP_NONE || !soft_is_idle(t, s))
			continue;
		keep_at = s->flags & SOFT_SLOW ? slow_of(t, s)->keep_at : 0;
		wheel_disarm(&t->wheel, conn);
		soft_drop(t, conn);
		if (keep_at)
			wheel_arm(&t->wheel, conn, keep_at);
		return true;
	}
	return false;
}

static void soft_clear(struct tcp *t, struct tcp_soft *s, uint32_t conn)
{
	memset(s, 0, sizeof(*s));
	memset(slow_of(t, s), 0, sizeof(struct tcp_slow));
	s->conn = conn;
	s->flight = s->ooo = s->rcv_tail = s->snd_tail = s->snd_cur = s->notify_next = STATE_NIL;
}

struct tcp_soft *soft_new(struct tcp *t, uint32_t conn)
{
	struct tcp_soft *s;
	uint32_t i;

	if (t->n_soft_free == 0 && !soft_reclaim(t)) {
		COUNT(t->cnt, soft_exhausted);
		return NULL;
	}
	i = t->soft_free[--t->n_soft_free];
	s = &t->soft[i];
	soft_clear(t, s, conn);
	t->soft_of[conn] = i;
	t->ecn_answered[i] = 0;
	return s;
}

void soft_drop(struct tcp *t, uint32_t conn)
{
	struct tcp_soft *s = tcp_soft_held(t, conn);

	if (!s)
		return;
	ooo_put(t, s);
	flight_drop(t, s);
	s->conn = TCP_NONE;
	t->soft_free[t->n_soft_free++] = t->soft_of[conn];
	t->soft_of[conn] = STATE_NIL;
}

// What its host says of a record's slot. NULL when it has none.
static struct ob_slot_word *slot_word(const struct tcp *t, const struct rec *r)
{
	struct host_mem *m = &t->mem[r->host];

	if (!m->base || (rec_flags(r) & REC_RELEASED)
		|| r->slot >= (uint64_t)m->l.n_slots_accept + m->l.n_slots_connect)
		return NULL;
	return ob_seg_slot(m->base, &m->l, r->slot);
}

// What the host says it has consumed, held to what can be true.
static uint64_t consumed_read(const struct tcp *t, const struct rec *r)
{
	struct ob_slot_word *w = slot_word(t, r);
	uint64_t end = rcv_data_end(HARD_GET(r->rcv_nxt));
	uint32_t head = HARD_GET(r->rcv_head);
	uint64_t low = head == STATE_NIL ? end : t->st->pieces[head].start;
	uint64_t said = end;

	if (w)
		said = atomic_load_explicit(&w->consumed, memory_order_acquire);
	return said < low ? low : said > end ? end : said;
}

static bool host_has_taken(const struct tcp *t, const struct rec *r)
{
	struct ob_slot_word *w = slot_word(t, r);

	return w && atomic_load_explicit(&w->taken_gen, memory_order_acquire) == r->slot_gen;
}

// Soft state as a successor begins with: everything in flight counts as lost, one segment until
// the first acceptable ACK, all that the host has not consumed is reported again.
static void soft_rebuild(struct tcp *t, struct tcp_soft *s)
{
	struct rec *r = tcp_rec(t, s->conn);
	struct seg_tuple k = rec_tuple(r);
	unsigned bits = 0;

	s->snd_una = s->snd_nxt = HARD_GET(r->snd_una);
	s->snd_max = HARD_GET(r->snd_max);
	s->rcv_nxt = HARD_GET(r->rcv_nxt);
	s->rcv_edge = HARD_GET(r->rcv_edge);
	s->ts_recent = HARD_GET(r->ts_recent);
	s->ts_off = isn_ts_offset(&t->st->hdr->secrets, &k);
	settings_apply(t, s);
	chain_rx_trim(t->st, &t->mem[r->host], r, &s->rcv_tail, s->rcv_nxt);
	chain_tx_trim(t->st, &t->mem[r->host], r, &s->snd_tail, HARD_GET(r->snd_wr));
	s->rcv_consumed = s->rcv_reported = consumed_read(t, r);
	// The request that says so may still come, as a repetition.
	chain_rx_release(
		t->st, &t->mem[r->host], r, &s->rcv_tail, s->rcv_consumed, rx_placed(t, s));
	s->snd_mss = r->mss;
	s->rcv_mss = RCV_MSS_FIRST;
	cc_begin(t, s, 1);
	s->snd_wnd = s->snd_mss;
	s->max_wnd = 65535u << peer_shift(r);
	ecn_reduced(t, s);
	recovery_rebuilt(t, s);
	COUNT(t->cnt, tcp_soft_rebuilt);
	if (!host_has_taken(t, r))
		bits |= rec_flags(r) & REC_ACTIVE ? TCP_EV_CONNECT : TCP_EV_ACCEPT;
	if (s->rcv_nxt != s->rcv_reported)
		bits |= TCP_EV_DATA;
	if (s->snd_una)
		bits |= TCP_EV_SENT;
	if (rec_phase(r) == REC_DONE)
		bits |= TCP_EV_CLOSED;
	if (bits && !(rec_flags(r) & REC_UNHEARD))
		t->ops->notify(t->ops->ctx, s, bits);
	if (rec_phase(r) == REC_LIVE) {
		list_dirty(t, s);
		conn_ack_now(t, s);
	}
}

struct tcp_soft *tcp_soft(struct tcp *t, uint32_t conn)
{
	struct tcp_soft *s = tcp_soft_held(t, conn);

	if (s)
		return s;
	if (!conn_whole(t, conn))
		return NULL;
	s = soft_new(t, conn);
	if (s)
		soft_rebuild(t, s);
	return s;
}

void tcp_forget(struct tcp *t, uint32_t conn)
{
	struct tcp_soft *s = tcp_soft_held(t, conn);
	uint32_t next, listed, notify;

	if (rec_phase(tcp_rec(t, conn)) != REC_LIVE)
		return;
	wheel_disarm(&t->wheel, conn);
	if (!s) {
		tcp_soft(t, conn);
		return;
	}
	if (!conn_whole(t, conn))
		return;
	// Membership of the lists is kept: the lists themselves are not what is forgotten.
	next = s->notify_next;
	notify = s->notify;
	listed = s->flags & (SOFT_NOTIFY | SOFT_OUT | SOFT_DIRTY);
	ooo_put(t, s);
	flight_drop(t, s);
	soft_clear(t, s, conn);
	s->notify_next = next;
	s->notify = (uint16_t)notify;
	s->flags = listed;
	soft_rebuild(t, s);
}

// xorshift64: only tests ask for randomness here.
static uint64_t next_rand(struct tcp *t)
{
	t->rand ^= t->rand << 13;
	t->rand ^= t->rand >> 7;
	t->rand ^= t->rand << 17;
	return t->rand;
}

void tcp_amnesia(struct tcp *t, uint64_t ppm)
{
	// Those in use lie low in the array: that is where free ones are taken from.
	uint32_t used = t->n_soft - t->n_soft_free;
	uint32_t range = 2 * used < t->n_soft ? 2 * used : t->n_soft;

	// A few candidates a turn are enough, and keep a turn short with many connections.
	for (unsigned i = 0; i < used && i < 16; i++) {
		uint32_t at = (uint32_t)(next_rand(t) % range);

		if (t->soft[at].conn != TCP_NONE && next_rand(t) % 1000000 < ppm)
			tcp_forget(t, t->soft[at].conn);
	}
}
