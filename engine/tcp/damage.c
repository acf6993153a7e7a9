// A record whose check sum is wrong: something wrote where it should not, or the memory lost a bit. What
// its cold line says, whose it is and which tuple it has, is not believed. Both are known from
// elsewhere: the tuple from the look-up table, the owner from his slot. From them the line is made
// again, so that this connection ends like any other, with EIO, and no other one notices.
#include <errno.h>

#include "engine/tcp/internal.h"

// The tuple that leads to a connection. Looks through the whole table: it happens once in a life.
static bool tuple_of(const struct tcp *t, uint32_t conn, struct seg_tuple *k)
{
	uint32_t at = 0;
	const void *key;
	void *data;

	while (rte_hash_iterate(t->table, &key, &data, &at) >= 0) {
		if ((uint32_t)(uintptr_t)data != conn)
			continue;
		memcpy(k, key, sizeof(*k));
		return true;
	}
	return false;
}

// What nobody owns is left alone for good: who frees what it seems to reach might take it from
// somebody. The next engine's scan finds it free.
static void lose(struct tcp *t, uint32_t conn, const struct seg_tuple *k)
{
	struct tcp_soft *s = tcp_soft_held(t, conn);
	struct rec *r = tcp_rec(t, conn);

	conn_remove(t, k);
	wheel_disarm(&t->wheel, conn);
	if (s)
		s->flags &= ~(SOFT_DIRTY | SOFT_OUT);
	if (s && !(s->flags & SOFT_NOTIFY))
		soft_drop(t, conn);
	t->n_live--;
	HARD_SET(r->life, rec_life(rec_gen(r), 0, REC_FREE));
	settings_end(t, &t->st->settings_of[conn]);
}

bool conn_whole(struct tcp *t, uint32_t conn)
{
	struct seg_tuple k = {.lport = 0}; // of none
	struct rec *r = tcp_rec(t, conn);

	if (likely(r->sum == rec_sum(r)))
		return true;
	COUNT(t->cnt, tcp_rec_damaged);
	tuple_of(t, conn, &k);
	if (!t->ops->owner || !t->ops->owner(t->ops->ctx, conn, r)) {
		lose(t, conn, &k);
		return false;
	}
	r->laddr = k.laddr;
	r->raddr = k.raddr;
	r->lport = k.lport;
	r->rport = k.rport;
	r->listener = UINT16_MAX;
	r->iss = r->irs = 0; // no reset is sent: the peer's next segment finds no connection
	r->mss = t->mss;
	r->wscale = r->opts = 0;
	r->sum = rec_sum(r);
	if (rec_phase(r) == REC_LIVE)
		conn_done(t, conn, EIO);
	return false;
}
