#include "tests/unit/core/order.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "engine/base/seq.h"
#include "engine/net/tcp_pkt.h"
#include "engine/state/chain.h"
#include "engine/tcp/isn.h"

#define PRINTED 10u // of what is wrong

static struct rig *watched; // for functions that the linker puts in the way

static void wrong(struct rig *r, const char *what, uint64_t have, uint64_t allowed)
{
	if (r->wrong++ < PRINTED)
		printf("\n    %s: %lu, committed %lu", what, (unsigned long)have,
			(unsigned long)allowed);
}

static uint32_t rcv_seq_of(const struct rec *r, uint64_t off)
{
	return r->irs + 1 + (uint32_t)STATE_OFF(off);
}

static uint32_t snd_seq_of(const struct rec *r, uint64_t off)
{
	return r->iss + 1 + (uint32_t)STATE_OFF(off);
}

// The record of a tuple, found without any table of the engine. A live one goes first.
static const struct rec *rec_of(const struct rig *r, const struct rig_seg *s)
{
	const struct rec *found = NULL;

	for (uint32_t i = 0; i < r->st.hdr->n_conns; i++) {
		const struct rec *x = &r->st.recs[i];

		if (rec_phase(x) == REC_FREE || x->lport != s->sport || x->rport != s->dport)
			continue;
		if (rec_phase(x) == REC_LIVE)
			return x;
		found = x;
	}
	return found;
}

static const struct half *half_of(const struct rig *r, const struct rig_seg *s)
{
	for (uint32_t i = 0; i < r->st.hdr->n_half; i++) {
		const struct half *h = &r->st.half[i];

		if (HARD_GET(h->phase) != HALF_FREE && h->lport == s->sport && h->rport == s->dport)
			return h;
	}
	return NULL;
}

static const struct tw *tw_of(const struct rig *r, const struct rig_seg *s)
{
	struct seg_tuple t = {.laddr = r->cfg.addr, .lport = s->sport, .rport = s->dport};
	uint8_t key[16];

	t.raddr = ob_addr_v4(htonl(0x0a000002));
	isn_tw_key(&r->st.hdr->secrets, &t, key);
	for (uint32_t i = 0; i < r->st.hdr->n_tw; i++)
		if (HARD_GET(r->st.tw[i].expiry) && memcmp(r->st.tw[i].key, key, 16) == 0)
			return &r->st.tw[i];
	return NULL;
}

// A SYN or SYN-ACK: its half-open entry is there.
static void check_syn(struct rig *r, const struct rig_seg *s)
{
	const struct half *h = half_of(r, s);
	bool active = !(s->flags & TCP_ACK);

	if (!h || h->iss != s->seq
		|| HARD_GET(h->phase) != (active ? HALF_SYN_SENT : HALF_SYN_RCVD)) {
		wrong(r, "a SYN without its half-open entry", s->flags, 0);
		return;
	}
	if (!active && s->ack != h->irs + 1)
		wrong(r, "a SYN-ACK acknowledges", s->ack, h->irs + 1);
	r->seen_half++;
}

// An ACK of TIME-WAIT, or what leaves when the record is about to be given up: the entry is there.
static void check_tw(struct rig *r, const struct rig_seg *s)
{
	const struct tw *e = tw_of(r, s);

	if (!e || e->snd_nxt != s->seq || e->rcv_nxt != s->ack)
		wrong(r, "the last ACK without its TIME-WAIT entry", s->ack, e ? e->rcv_nxt : 0);
	r->seen_tw++;
}

static void check_conn(struct rig *r, const struct rig_seg *s, const struct rec *x)
{
	uint64_t wr = HARD_GET(x->snd_wr), nxt = HARD_GET(x->rcv_nxt);
	uint32_t end = s->seq + s->len + !!(s->flags & TCP_FIN);
	uint32_t edge = s->ack + ((uint32_t)s->wnd << (x->wscale >> 4));

	if (seq_gt(s->ack, rcv_seq_of(x, nxt)))
		wrong(r, "an ACK of", s->ack, rcv_seq_of(x, nxt));
	if (seq_gt(edge, rcv_seq_of(x, HARD_GET(x->rcv_edge))))
		wrong(r, "a window up to", edge, rcv_seq_of(x, HARD_GET(x->rcv_edge)));
	if (seq_gt(end, snd_seq_of(x, HARD_GET(x->snd_max))))
		wrong(r, "a SEQ up to", end, snd_seq_of(x, HARD_GET(x->snd_max)));
	if (seq_gt(end, snd_seq_of(x, wr)))
		wrong(r, "more than was written:", end, snd_seq_of(x, wr));
	if (nxt >> 63 && wr >> 63 && HARD_GET(x->snd_una) == STATE_OFF(wr)
		&& !(atomic_load(&x->flags) & REC_FIN_FIRST))
		check_tw(r, s);
}

// Soft positions that moved in this turn are in the record: the commit is behind us.
static void check_committed(struct rig *r, const char *where)
{
	const struct tcp *t = &r->core->tcp;

	for (uint32_t i = 0; i < t->n_conns; i++) {
		const struct tcp_soft *s = tcp_soft_held(t, i);
		const struct rec *x = tcp_rec(t, i);

		if (!s || rec_phase(x) != REC_LIVE)
			continue;
		if (s->rcv_nxt != HARD_GET(x->rcv_nxt) || s->snd_una != HARD_GET(x->snd_una)
			|| s->snd_max != HARD_GET(x->snd_max)
			|| s->rcv_edge != HARD_GET(x->rcv_edge)
			|| s->ts_recent != HARD_GET(x->ts_recent))
			wrong(r, where, s->rcv_nxt, HARD_GET(x->rcv_nxt));
	}
}

static uint32_t shared_tail(const struct rig *r)
{
	return atomic_load(&r->host.ev.shm->tail);
}

void order_watch(struct rig *r)
{
	watched = r;
}

void order_begin(struct rig *r)
{
	r->ev_before = shared_tail(r);
}

void order_segment(struct rig *r, const struct rig_seg *s)
{
	const struct hostif_chan *c = &r->host.host->chans[0];
	const struct rec *x = rec_of(r, s);

	r->seen_segs++;
	check_committed(r, "a burst leaves before the commit, rcv_nxt");
	// Requests were handled before; events come behind the burst.
	if (HARD_GET(c->hard->req_head) != c->req.mine)
		wrong(r, "requests taken up to", c->req.mine, HARD_GET(c->hard->req_head));
	if (shared_tail(r) != r->ev_before)
		wrong(r, "events before the burst, up to", shared_tail(r), r->ev_before);
	if (s->flags & TCP_SYN)
		check_syn(r, s);
	else if (s->flags & TCP_RST) {
		if (x && rec_phase(x) == REC_LIVE)
			wrong(r, "a reset of a record in phase", REC_LIVE, REC_DONE);
	} else if (x)
		check_conn(r, s, x);
	else
		check_tw(r, s);
}

static const struct rec *rec_of_slot(const struct rig *r, uint32_t slot, uint32_t gen)
{
	for (uint32_t i = 0; i < r->st.hdr->n_conns; i++) {
		const struct rec *x = &r->st.recs[i];

		if (rec_phase(x) != REC_FREE && x->slot == slot && x->slot_gen == gen)
			return x;
	}
	return NULL;
}

static void check_data(struct rig *r, const struct ob_event *e, const struct rec *x)
{
	uint64_t nxt = HARD_GET(x->rcv_nxt), off = e->data.off;

	for (uint32_t i = 0; i < e->n; i++)
		for (uint32_t k = 0; k < ob_span_len(e->data.spans[i]); k++, off++)
			if (r->host.seg[ob_span_off(e->data.spans[i]) + k] != rig_pattern(off))
				wrong(r, "another byte at", off, 0);
	if (off > chain_data_end(nxt))
		wrong(r, "data is reported up to", off, chain_data_end(nxt));
	if ((e->flags & OB_EV_FIN) && !(nxt >> 63))
		wrong(r, "a FIN is reported at", off, STATE_OFF(nxt));
	if (e->data.sent > HARD_GET(x->snd_una))
		wrong(r, "sent is reported up to", e->data.sent, HARD_GET(x->snd_una));
}

static void check_event(struct rig *r, const struct ob_event *e)
{
	const struct rec *x = rec_of_slot(r, e->slot, e->gen);

	r->seen_events++;
	if (e->type == OB_EV_SENT) {
		for (uint32_t i = 0; i < e->n; i++) {
			x = rec_of_slot(r, e->sent[i].slot, e->sent[i].gen);
			if (!x || e->sent[i].off > HARD_GET(x->snd_una))
				wrong(r, "sent is reported up to", e->sent[i].off,
					x ? HARD_GET(x->snd_una) : 0);
		}
		return;
	}
	if (e->type == OB_EV_LISTEN || e->type == OB_EV_REFUSED || e->type == OB_EV_NONE
		|| (e->type == OB_EV_CONNECT && e->error))
		return;
	if (!x)
		wrong(r, "an event of no record: type", e->type, 0);
	else if (e->type == OB_EV_DATA)
		check_data(r, e, x);
	else if (e->type == OB_EV_CLOSED && rec_phase(x) != REC_DONE)
		wrong(r, "the end is reported in phase", rec_phase(x), REC_DONE);
}

static void check_events(struct rig *r)
{
	const struct ob_ring_view *v = &r->host.ev;

	for (; r->ev_seen != shared_tail(r); r->ev_seen++)
		check_event(r,
			(const struct ob_event *)(v->entries
				+ (size_t)(r->ev_seen & v->mask) * OB_ENTRY_BYTES));
	if (HARD_GET(r->host.host->chans[0].hard->ev_tail) != shared_tail(r))
		wrong(r, "events are published up to", shared_tail(r),
			HARD_GET(r->host.host->chans[0].hard->ev_tail));
}

void __real_hostif_publish(struct hostif *h);
void __wrap_hostif_publish(struct hostif *h);

// Before, the turn's positions are committed and its burst has left; behind it, what the host can
// see follows from what is committed.
void __wrap_hostif_publish(struct hostif *h)
{
	if (watched) {
		check_committed(watched, "events before the commit, rcv_nxt");
		if (watched->core->port.n_tx)
			wrong(watched, "events before a burst of", watched->core->port.n_tx, 0);
	}
	__real_hostif_publish(h);
	if (watched)
		check_events(watched);
}

ssize_t __real_send(int fd, const void *data, size_t n, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t n, int flags);

// A doorbell: what it calls for can be seen.
ssize_t __wrap_send(int fd, const void *data, size_t n, int flags)
{
	if (watched && fd == watched->host.host->chans[0].bell) {
		watched->seen_bells++;
		if (shared_tail(watched) == watched->ev_before)
			wrong(watched, "a doorbell before its events, tail", watched->ev_before,
				shared_tail(watched));
		if (watched->core->port.n_tx)
			wrong(watched, "a doorbell before a burst of", watched->core->port.n_tx, 0);
	}
	return __real_send(fd, data, n, flags);
}
