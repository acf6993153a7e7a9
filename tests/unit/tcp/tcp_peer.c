#include "tests/unit/tcp/tcp_peer.h"

#include <errno.h>

#define RTO_US 250000u
#define ROUND_US 1000u
#define BURST 16u

static bool chance(struct peer *p, unsigned pm)
{
	return pm && (unsigned)rand_r(&p->seed) % 1000 < pm;
}

void peer_init(struct peer *p, struct bench *b, uint64_t to_send, uint64_t to_read)
{
	*p = (struct peer){.b = b,
		.to_send = to_send,
		.to_read = to_read,
		.close = true,
		.mss = 1460,
		.wnd = 65535,
		.snd_wnd = 65535,
		.seed = 1,
		.host_chunk = 20000,
		.moved_us = b->now_us};
}

static uint64_t ack_no(const struct peer *p)
{
	return 1 + p->rcv_nxt + p->fin_rcvd;
}

static void blocks(struct peer *p, struct pkt *k)
{
	uint32_t a[3], b[3], n = 0, d = 0;
	int64_t *at = &k->sack_l0;

	if (p->dup_end > p->dup_start) {
		*at++ = (int64_t)p->dup_start + 1;
		*at++ = (int64_t)p->dup_end + 1;
		d = 1;
	}
	n = ooo_sack(&p->ooo, 1, d ? p->dup_start : UINT64_MAX, a, b, 3 - d);
	for (uint32_t i = 0; i < n; i++) {
		*at++ = a[i];
		*at++ = b[i];
	}
	k->n_sack = n + d;
	p->dup_start = p->dup_end = 0;
}

static void emit(struct peer *p, unsigned flags, uint64_t off, uint32_t len)
{
	struct pkt k = {PKT_ANY};

	if (chance(p, p->drop_pm) || p->b->n_in >= 60)
		return;
	k.flags = flags;
	k.seq = 1 + (int64_t)off;
	k.ack = (int64_t)ack_no(p);
	k.len = len;
	k.wnd = p->wnd;
	if (p->sack && len == 0)
		blocks(p, &k);
	bench_inject(p->b, &k);
	if (chance(p, p->dup_pm)) {
		p->b->in[p->b->n_in] = p->b->in[p->b->n_in - 1];
		p->b->n_in++;
	}
	if (chance(p, p->reorder_pm) && p->b->n_in >= 2) {
		struct seg_in last = p->b->in[p->b->n_in - 1];

		p->b->in[p->b->n_in - 1] = p->b->in[p->b->n_in - 2];
		p->b->in[p->b->n_in - 2] = last;
	}
	p->ack_due = false;
}

static void take_ack(struct peer *p, const struct cap *c)
{
	uint64_t una = c->s.ack - p->b->peer_isn - 1;
	uint64_t end = p->to_send + p->fin_sent;

	// Acknowledging what was never sent would be the engine's gravest error.
	CU_ASSERT_FATAL(una <= end);
	CU_ASSERT_FATAL(una <= p->to_send + 1);
	if (una < p->snd_una)
		return;
	if (una > p->snd_una)
		p->moved_us = p->b->now_us;
	p->snd_una = una;
	if (p->snd_nxt < una)
		p->snd_nxt = una;
	p->fin_acked = p->fin_sent && una == end;
	p->snd_wnd = (uint64_t)c->s.wnd << (bench_rec(p->b)->wscale >> 4);
}

static void take_data(struct peer *p, const struct cap *c, uint64_t off)
{
	uint64_t end = off + c->s.len;

	for (uint32_t i = 0; i < c->s.len; i++)
		CU_ASSERT_FATAL(c->data[i] == bench_pattern(off + i));
	CU_ASSERT_FATAL(end <= p->host_sent);
	if (off < p->rcv_nxt && end > off) {
		p->dup_start = off;
		p->dup_end = end < p->rcv_nxt ? end : p->rcv_nxt;
	}
	if (off > p->rcv_nxt) {
		if (p->sack && c->s.len) {
			uint64_t from = off, to = end;

			if (ooo_holds(&p->ooo, &from, &to)) {
				p->dup_start = from;
				p->dup_end = to;
			}
			ooo_add(&p->ooo, off, end);
		}
		return; // else not in order: thrown away
	}
	if (end > p->rcv_nxt)
		p->rcv_nxt = ooo_advance(&p->ooo, end);
	if ((c->s.flags & TCP_FIN) && end == p->rcv_nxt) {
		CU_ASSERT_FATAL(p->host_closed && end == p->host_sent);
		p->fin_rcvd = true;
	}
}

// RFC 9293 section 3.10.7.4, first step: what is not acceptable is not looked at any further; as
// kernels have it, its ACK neither.
static void take(struct peer *p, const struct cap *c)
{
	int64_t off = (int32_t)(c->s.seq - (p->b->iss + 1 + (uint32_t)p->rcv_nxt));
	int64_t end = off + c->s.len + !!(c->s.flags & TCP_FIN);

	if (c->s.flags & TCP_RST) {
		p->reset = true;
		return;
	}
	if (c->o.has_ts)
		p->b->peer_ts_ecr = c->o.ts_val;
	if (end > off)
		p->ack_due = true;
	if (end < p->fin_rcvd || off > (int64_t)p->wnd) {
		p->ack_due = true;
		return;
	}
	take_ack(p, c);
	if (end > off)
		take_data(p, c, p->rcv_nxt + (uint64_t)off);
}

static void peer_send(struct peer *p)
{
	uint64_t edge = p->snd_una + p->snd_wnd;
	struct bench *b = p->b;

	if (p->snd_una < p->snd_nxt && b->now_us - p->moved_us > RTO_US) {
		p->snd_nxt = p->snd_una;
		p->moved_us = b->now_us;
	}
	for (unsigned n = 0; n < BURST && p->snd_nxt < p->to_send && p->snd_nxt < edge; n++) {
		uint64_t len = p->to_send - p->snd_nxt;

		len = len < p->mss ? len : p->mss;
		len = len < edge - p->snd_nxt ? len : edge - p->snd_nxt;
		emit(p, TCP_ACK | TCP_PSH, p->snd_nxt, (uint32_t)len);
		p->snd_nxt += len;
	}
	// A closed window is probed.
	if (p->snd_una < p->to_send && p->snd_wnd == 0 && b->now_us - p->moved_us > RTO_US) {
		emit(p, TCP_ACK, p->snd_una, 1);
		p->moved_us = b->now_us;
	}
	if (p->close && p->snd_nxt == p->to_send && !p->fin_acked) {
		emit(p, TCP_ACK | TCP_FIN, p->to_send, 0);
		p->fin_sent = true;
		p->snd_nxt = p->to_send + 1;
	}
	if (p->ack_due)
		emit(p, TCP_ACK, p->snd_nxt, 0);
	p->ack_due = false;
}

static void host_step(struct peer *p)
{
	struct bench *b = p->b;

	if (rec_phase(bench_rec(b)) == REC_FREE)
		return;
	if (!p->host_stopped && host_received(b) > p->host_read) {
		p->host_read = host_received(b);
		host_consume(b, p->host_read);
	}
	while (p->host_sent < p->to_read && p->host_sent - p->rcv_nxt < 100000) {
		uint64_t len = p->to_read - p->host_sent;
		int rc;

		len = len < p->host_chunk ? len : p->host_chunk;
		if (b->wr % (4u << 20) + len > 4u << 20)
			len = (4u << 20) - b->wr % (4u << 20);
		rc = host_send(b, (uint32_t)len, 0);
		if (rc == -EAGAIN || rc == -EPIPE)
			break;
		CU_ASSERT_EQUAL_FATAL(rc, 0);
		p->host_sent = b->wr;
	}
	if (p->host_sent == p->to_read && !p->host_closed) {
		int rc = host_shutdown(b);

		p->host_closed = rc == 0 || rc == -EALREADY;
	}
}

void peer_round(struct peer *p)
{
	struct bench *b = p->b;
	unsigned end = b->cap_tail;

	p->rounds++;
	b->hold = true;
	for (; b->cap_head != end; b->cap_head++)
		if (!chance(p, p->drop_pm))
			take(p, &b->caps[b->cap_head % BENCH_SEGS]);
	host_step(p);
	peer_send(p);
	b->hold = false;
	b->now_us += ROUND_US;
	turn(b);
}

bool peer_done(const struct peer *p)
{
	return p->fin_rcvd && (p->fin_acked || !p->close) && p->rcv_nxt == p->to_read
		&& p->host_read == p->to_send;
}

bool peer_run(struct peer *p, unsigned limit)
{
	while (!peer_done(p) && !p->reset && limit--)
		peer_round(p);
	return peer_done(p);
}
