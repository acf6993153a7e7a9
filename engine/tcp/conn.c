// Connections: look-up, the lists of a turn, their timer, and the end of a record.
#include <errno.h>

#include "engine/state/chain.h"
#include "engine/tcp/ooo.h"

struct seg_tuple rec_tuple(const struct rec *r)
{
	return (struct seg_tuple){
		.laddr = r->laddr, .raddr = r->raddr, .lport = r->lport, .rport = r->rport};
}

struct seg_tuple half_tuple(const struct half *h)
{
	return (struct seg_tuple){
		.laddr = h->laddr, .raddr = h->raddr, .lport = h->lport, .rport = h->rport};
}

uint32_t conn_lookup(const struct tcp *t, const struct seg_tuple *k)
{
	void *data;

	if (rte_hash_lookup_data(t->table, k, &data) < 0)
		return TCP_NONE;
	return (uint32_t)(uintptr_t)data;
}

int conn_insert(struct tcp *t, const struct seg_tuple *k, uint32_t id)
{
	return rte_hash_add_key_data(t->table, k, (void *)(uintptr_t)id);
}

void conn_remove(struct tcp *t, const struct seg_tuple *k)
{
	rte_hash_del_key(t->table, k);
}

static void list_add(struct tcp_list *l, uint32_t id)
{
	l->ids[l->n++] = id;
}

void list_dirty(struct tcp *t, struct tcp_soft *s)
{
	if (s->flags & SOFT_DIRTY)
		return;
	s->flags |= SOFT_DIRTY;
	list_add(&t->dirty, s->conn);
}

void list_out(struct tcp *t, struct tcp_soft *s)
{
	if (s->flags & SOFT_OUT)
		return;
	s->flags |= SOFT_OUT;
	list_add(&t->out, s->conn);
}

void conn_ack_now(struct tcp *t, struct tcp_soft *s)
{
	s->flags |= SOFT_ACK_NOW;
	list_out(t, s);
}

void conn_timer(struct tcp *t, struct tcp_soft *s)
{
	uint64_t when = s->rtx_at;

	if (s->soon_at && (!when || s->soon_at < when))
		when = s->soon_at;
	if (s->ack_at && (!when || s->ack_at < when))
		when = s->ack_at;
	if (s->flags & SOFT_SLOW) {
		uint64_t slow_at = slow_of(t, s)->at;

		when = !when || slow_at < when ? slow_at : when;
	}
	if (when && (!wheel_armed(&t->wheel, s->conn) || wheel_due_us(&t->wheel, s->conn) > when))
		wheel_arm(&t->wheel, s->conn, when);
}

void conn_done(struct tcp *t, uint32_t conn, int error)
{
	struct rec *r = tcp_rec(t, conn);
	struct tcp_soft *s = tcp_soft(t, conn);
	struct seg_tuple k = rec_tuple(r);

	if (rec_phase(r) != REC_LIVE)
		return; // it was damaged, and is over
	conn_remove(t, &k);
	wheel_disarm(&t->wheel, conn);
	HARD_SET(r->life, rec_life(rec_gen(r), (uint32_t)error, REC_DONE));
	if (error == 0)
		COUNT(t->cnt, tcp_closed);
	if (rec_flags(r) & REC_UNHEARD) {
		conn_free(t, conn);
		return;
	}
	// What was not acknowledged never will be: its descriptors serve others, whenever the host
	// releases the slot.
	chain_tx_free_all(t->st, &t->mem[r->host], r);
	if (!s)
		return; // only at a clean stop: the end of the socket tells the host
	s->snd_tail = s->snd_cur = STATE_NIL;
	ooo_forget(t, s); // nothing closes the gap any more
	s->rtx_at = s->ack_at = s->soon_at = 0;
	flight_drop(t, s);
	s->flags &= ~(SOFT_ACK_NOW | SOFT_ACK_WAIT | SOFT_RTX_HEAD | SOFT_FORCE | SOFT_TLP_SEND
		| SOFT_RECOVERY | SOFT_LOSS | SOFT_SLOW | SOFT_KEEP_SEND | SOFT_ECN_HOLD);
	t->ops->notify(t->ops->ctx, s, TCP_EV_CLOSED);
}

void conn_free(struct tcp *t, uint32_t conn)
{
	struct rec *r = tcp_rec(t, conn);

	conn_whole(t, conn);
	if (rec_phase(r) == REC_FREE)
		return;
	if (rec_flags(r) & REC_ORPHAN)
		t->n_orphans--;
	wheel_disarm(&t->wheel, conn);
	soft_drop(t, conn);
	if (!(rec_flags(r) & REC_RELEASED)) // its slot may be another's
		t->ops->freed(t->ops->ctx, r);
	share_rec_remove(t, r->host);
	t->n_live--;
	// FREE is stored before anything that the record reached is used again.
	HARD_SET(r->life, rec_life(rec_gen(r), 0, REC_FREE));
	chain_rx_free_all(t->st, &t->mem[r->host], r);
	chain_tx_free_all(t->st, &t->mem[r->host], r);
	settings_end(t, &t->st->settings_of[conn]);
	state_rec_free(t->st, conn);
}

static void to_time_wait(struct tcp *t, struct tcp_soft *s, struct rec *r)
{
	struct seg_tuple k = rec_tuple(r);
	uint32_t ts = 0; // none: a peer that offered timestamps in vain gets none either

	// One that happens to be 0 is kept as the one before.
	if (r->opts & OB_NEG_TS)
		ts = s->ts_recent ? s->ts_recent : UINT32_MAX;
	tw_add(t->tw, &k, snd_seq(r, s->snd_max), rcv_seq(r, s->rcv_nxt), ts, t->now_us);
	COUNT(t->cnt, tcp_tw_entered);
	conn_done(t, s->conn, 0);
}

void conn_settle(struct tcp *t, struct tcp_soft *s)
{
	struct rec *r = tcp_rec(t, s->conn);

	if (rec_phase(r) != REC_LIVE)
		return;
	switch (tcp_state(r)) {
	case TCPS_TIME_WAIT:
		to_time_wait(t, s, r);
		break;
	case TCPS_CLOSED: // LAST-ACK was acknowledged
		conn_done(t, s->conn, 0);
		break;
	case TCPS_FIN_WAIT_2:
		if ((rec_flags(r) & REC_CLOSED) && s->rtx_at == 0) {
			s->rtx_at = t->now_us + setting(t, s, OB_OPT_FIN_TIMEOUT) * 1000ull;
			conn_timer(t, s);
		}
		break;
	default:
		break;
	}
}

enum tcp_state tcp_state(const struct rec *r)
{
	uint64_t wr = HARD_GET(r->snd_wr);
	bool shut = wr >> 63, fin_in = HARD_GET(r->rcv_nxt) >> 63;
	bool acked = shut && HARD_GET(r->snd_una) == STATE_OFF(wr);

	if (rec_phase(r) != REC_LIVE)
		return TCPS_CLOSED;
	if (!shut)
		return fin_in ? TCPS_CLOSE_WAIT : TCPS_ESTABLISHED;
	if (!fin_in)
		return acked ? TCPS_FIN_WAIT_2 : TCPS_FIN_WAIT_1;
	if (rec_flags(r) & REC_FIN_FIRST)
		return acked ? TCPS_CLOSED : TCPS_LAST_ACK;
	return acked ? TCPS_TIME_WAIT : TCPS_CLOSING;
}

const char *tcp_state_name(enum tcp_state s)
{
	static const char *const names[] = {
#define X(name) #name,
		TCP_STATE_LIST(X)
#undef X
	};

	return names[s];
}
