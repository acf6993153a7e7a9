// The scripted peer: what it receives and what it thinks of it.
#include <netinet/in.h>
#include <rte_arp.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "tests/sim/peer_conn.h"

static void wrong(struct pconn *c, const struct tcp_view *v, const char *what)
{
	sim_fail(c->peer->sim,
		"peer, flow %u: flags %02x seq %u ack %u wnd %u len %u: %s; snd_una %llu snd_max "
		"%llu rcv_nxt %llu edge %llu",
		c->flow->id, v->flags, v->seq - c->irs, v->ack - c->iss, v->wnd, v->len, what,
		(unsigned long long)c->snd_una, (unsigned long long)c->snd_max,
		(unsigned long long)c->rcv_nxt, (unsigned long long)c->own_edge);
}

bool peer_said_all(const struct pconn *c)
{
	return c->end->gate != GATE_EOF || c->end->eof;
}

void peer_over(struct pconn *c, int error)
{
	struct sim *s = c->peer->sim;
	struct end *e = c->end;

	if (error
		&& ((c->state != P_OPEN && (s->scarce || s->may_break)) || s->plan.user_timeout_ms
			|| s->plan.linger_ms))
		c->flow->may_fail = true;
	c->state = P_OVER;
	c->rtx_at = c->ack_at = SIM_NEVER;
	if (e->over)
		return;
	e->error = error;
	e->over = true;
	e->rcvd = c->rcv_nxt;
	if (!c->flow->ended_us)
		c->flow->ended_us = s->now_us;
	if (c->iss + 1 + (uint32_t)c->snd_max < c->iss
		|| c->irs + 1 + (uint32_t)c->rcv_nxt < c->irs)
		FIRED(s, peer_wrap);
	if (flow_over(c->flow))
		check_flow(s, c->flow);
}

// ---- beginning

void peer_prepare(struct peer *p, struct pconn *c, struct flow *f, unsigned side)
{
	struct draw *d = &p->draw;
	const struct plan *plan = &p->sim->plan;

	*c = (struct pconn){.peer = p, .flow = f, .end = &f->end[side], .side = side};
	c->iss = (uint32_t)draw64(d);
	if (p->manners & NEAR_WRAP)
		c->iss = 0u - (uint32_t)draw_range(d, 1, 20000);
	c->ts_off = p->manners & NEAR_WRAP ? 0u - (uint32_t)(p->sim->now_us / 1000) - 200u
					   : (uint32_t)draw64(d);
	c->fin_at = c->rtx_at = c->ack_at = SIM_NEVER;
	c->mss = (uint32_t)draw_range(d, 536, plan->mtu && plan->mtu < 1500 ? 536 : 1460);
	c->cwnd = (uint32_t)draw_log(d, 1, 20);
	c->own_scale = (uint8_t)draw_below(d, 8);
	c->window = (uint32_t)draw_log(d, 1000, 262144);
	c->window = c->window >> c->own_scale << c->own_scale;
	if (c->window < 2u << c->own_scale)
		c->window = 2u << c->own_scale;
	c->scale = 255; // not known yet
	c->offer_ts = draw_odds(d, 700000);
	c->offer_sack = draw_odds(d, 700000);
}

void peer_syn(struct pconn *c)
{
	struct pseg s = {.flags = TCP_SYN};

	if (c->state == P_SYN_RCVD)
		s.flags |= TCP_ACK;
	peer_send(c, &s);
	c->rtx_at = c->peer->sim->now_us + 1000000;
}

static void syn_options(struct pconn *c, const uint8_t *frame)
{
	const struct rte_tcp_hdr *t = (const struct rte_tcp_hdr *)(frame
		+ sizeof(struct rte_ether_hdr) + sizeof(struct rte_ipv4_hdr));
	const uint8_t *o = (const uint8_t *)(t + 1);
	unsigned n = (t->data_off >> 4) * 4u - (unsigned)sizeof(*t);
	bool scale = false;

	for (unsigned i = 0; i < n && o[i];) {
		if (o[i] == 1) {
			i++;
			continue;
		}
		if (o[i] == 2)
			c->mss = RTE_MIN(c->mss, (uint32_t)o[i + 2] << 8 | o[i + 3]);
		if (o[i] == 3) {
			scale = true;
			c->scale = o[i + 2];
		}
		if (o[i] == 4)
			c->sack = c->offer_sack;
		if (o[i] == 8)
			c->ts = c->offer_ts;
		i += o[i + 1] ? o[i + 1] : 1;
	}
	if (!scale)
		c->own_scale = 0;
}

static void opened(struct pconn *c, const struct tcp_view *v)
{
	c->state = P_OPEN;
	c->end->open = true;
	c->rtx_at = SIM_NEVER;
	c->backoff = 0;
	c->edge = (uint64_t)v->wnd << (v->flags & TCP_SYN ? 0 : c->scale == 255 ? 0 : c->scale);
}

static void take_syn(struct pconn *c, const struct tcp_view *v, const uint8_t *frame)
{
	uint8_t said = v->flags & (TCP_ECE | TCP_CWR);

	c->irs = v->seq;
	c->ecn = c->peer->sim->plan.peer_ecn & PECN_OFFER
		&& said == (v->flags & TCP_ACK ? TCP_ECE : TCP_ECE | TCP_CWR);
	c->ts_recent = v->ts_val;
	syn_options(c, frame);
}

static void syn_sent(struct pconn *c, const struct tcp_view *v, const uint8_t *frame)
{
	if ((v->flags & TCP_ACK) && v->ack != c->iss + 1) {
		peer_reset(c->peer, v);
		return;
	}
	if (v->flags & TCP_RST) {
		peer_over(c, -ECONNREFUSED);
		return;
	}
	if ((v->flags & (TCP_SYN | TCP_ACK)) != (TCP_SYN | TCP_ACK))
		return;
	take_syn(c, v, frame);
	opened(c, v);
	peer_ack(c);
	peer_output(c);
}

// ---- data

static void merge(struct pconn *c)
{
	for (unsigned i = 0; i < c->n_held;) {
		struct range *r = &c->held[i];

		if (r->from > c->rcv_nxt) {
			i++;
			continue;
		}
		if (r->to > c->rcv_nxt)
			c->rcv_nxt = r->to;
		*r = c->held[--c->n_held];
		i = 0;
	}
}

static void keep(struct pconn *c, uint64_t from, uint64_t to)
{
	for (unsigned i = 0; i < c->n_held;) {
		struct range *r = &c->held[i];

		if (r->from > to || r->to < from) {
			i++;
			continue;
		}
		from = r->from < from ? r->from : from;
		to = r->to > to ? r->to : to;
		*r = c->held[--c->n_held];
		i = 0;
	}
	if (c->n_held == PEER_RANGES)
		return;
	// The newest first (RFC 2018).
	memmove(&c->held[1], &c->held[0], c->n_held * sizeof(c->held[0]));
	c->held[0] = (struct range){from, to};
	c->n_held++;
}

static void say(struct pconn *c, uint64_t before, bool gap)
{
	struct peer *p = c->peer;
	struct sim *s = p->sim;

	c->owed++;
	if (peer_manner(p, DIVIDE) && c->rcv_nxt - before > 100 && draw_odds(&p->draw, 300000)) {
		for (unsigned i = 1; i < 4; i++)
			peer_send(c,
				&(struct pseg){.off = c->snd_max,
					.ack = before + (c->rcv_nxt - before) * i / 4,
					.flags = TCP_ACK});
		FIRED(s, peer_divide);
	}
	if (peer_manner(p, STRETCH) && !gap && c->fin_at != c->rcv_nxt && c->owed < 16) {
		if (c->ack_at == SIM_NEVER)
			c->ack_at = s->now_us + 150000;
		FIRED(s, peer_stretch);
		return;
	}
	if (!gap && c->owed < 2 && c->fin_at != c->rcv_nxt) {
		if (c->ack_at == SIM_NEVER)
			c->ack_at = s->now_us + 40000;
		return;
	}
	peer_ack(c);
}

static void take_data(struct pconn *c, const struct tcp_view *v)
{
	const struct plan *plan = &c->peer->sim->plan;
	uint64_t before = c->rcv_nxt;
	int64_t off = (int64_t)before + (int32_t)(v->seq - (c->irs + 1 + (uint32_t)before));
	uint64_t end = (uint64_t)(off + v->len);
	bool fin = v->flags & TCP_FIN;

	if (!v->len && !fin)
		return;
	if (off < 0) {
		wrong(c, v, "data before the beginning");
		return;
	}
	if (v->len && v->flags & TCP_CWR)
		c->ece = false;
	if (v->len && v->ecn == 3 && c->ecn && !(plan->peer_ecn & PECN_BLEACH))
		c->ece = true;
	if (v->len && !pattern_is(c->flow->base[1 - c->side], (uint64_t)off, v->data, v->len))
		wrong(c, v, "other bytes than the application wrote");
	// A connection that was rebuilt does not know the window: it begins with a segment.
	if (v->len + fin > 1 && end > c->own_edge && !plan->amnesia_ppm && !plan->soft)
		wrong(c, v, "sent past the window");
	if (end > c->flow->end[1 - c->side].total
		|| (fin && end != c->flow->end[1 - c->side].total))
		wrong(c, v, "sent more than there is, or an early FIN");
	if (fin)
		c->fin_at = end;
	// Beyond the window it is not taken, nor is the byte of a probe.
	if (end > c->own_edge)
		end = c->own_edge;
	if ((uint64_t)off <= c->rcv_nxt && end > c->rcv_nxt)
		c->rcv_nxt = end;
	else if ((uint64_t)off > c->rcv_nxt && end > (uint64_t)off)
		keep(c, (uint64_t)off, end);
	merge(c);
	c->end->rcvd = c->rcv_nxt;
	c->end->eof = c->fin_at == c->rcv_nxt;
	say(c, before, c->n_held > 0 || c->rcv_nxt == before);
}

static void take_ack(struct pconn *c, const struct tcp_view *v)
{
	uint64_t una = c->snd_una, edge;
	int64_t ack = (int64_t)una + (int32_t)(v->ack - (c->iss + 1 + (uint32_t)una));

	if (ack > (int64_t)c->snd_max) {
		wrong(c, v, "acknowledges what was never sent");
		return;
	}
	if (ack < (int64_t)una)
		return;
	edge = (uint64_t)ack + ((uint64_t)v->wnd << (c->scale == 255 ? 0 : c->scale));
	if (edge > c->edge)
		c->edge = edge;
	if (ack == (int64_t)una)
		return;
	if (c->ecn && v->flags & TCP_ECE && (uint64_t)ack > c->cwr_end) {
		c->cwr = true;
		c->cwr_end = c->snd_max;
		c->cwnd = c->cwnd > 2 ? c->cwnd / 2 : 1;
	}
	c->snd_una = (uint64_t)ack;
	if (c->snd_nxt < c->snd_una)
		c->snd_nxt = c->snd_una;
	c->backoff = 0;
	c->rtx_at = SIM_NEVER;
}

static void open_input(struct pconn *c, const struct tcp_view *v)
{
	uint64_t nxt = c->rcv_nxt;
	int64_t off = (int64_t)nxt + (int32_t)(v->seq - (c->irs + 1 + (uint32_t)nxt));

	if (v->flags & TCP_RST) {
		// Ours may have come too late for a connection that is over.
		if (off >= 0 && off <= (int64_t)c->own_edge + 1)
			peer_over(c, c->end->eof && c->end->shut ? 0 : -ECONNRESET);
		return;
	}
	if (v->flags & TCP_SYN) {
		peer_ack(c); // our ACK of it was lost
		return;
	}
	if (v->has_ts != c->ts)
		wrong(c, v, "timestamps are not as negotiated");
	if (c->ts && (int32_t)(v->ts_ecr - peer_ts(c)) > 0)
		wrong(c, v, "echoes a timestamp that was never sent");
	if (c->ts && off <= (int64_t)nxt && (int32_t)(v->ts_val - c->ts_recent) > 0)
		c->ts_recent = v->ts_val;
	if (!(v->flags & TCP_ACK)) {
		wrong(c, v, "no ACK");
		return;
	}
	take_ack(c, v);
	take_data(c, v);
	if (c->state == P_OVER)
		return;
	peer_mischief(c);
	peer_output(c);
	if (c->end->eof && c->end->shut && c->snd_una == c->end->total + 1)
		peer_over(c, 0);
}

static struct pconn *conn_of(struct peer *p, const struct tcp_view *v)
{
	unsigned side;
	struct flow *f = flow_find(p->sim, p->addr, v->dport, v->src, v->sport, &side);

	if (!f)
		return NULL;
	if (p->conns[f->id].state == P_NONE) {
		if (!(v->flags & TCP_SYN) || (v->flags & TCP_ACK) || f->end[side].over)
			return NULL;
		peer_prepare(p, &p->conns[f->id], f, side);
	}
	return &p->conns[f->id];
}

static void segment_input(struct peer *p, const struct tcp_view *v, const uint8_t *frame)
{
	struct pconn *c = conn_of(p, v);

	if (!c) {
		peer_reset(p, v);
		return;
	}
	switch (c->state) {
	case P_NONE:
	case P_SYN_RCVD:
		if ((v->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN) {
			take_syn(c, v, frame);
			c->state = P_SYN_RCVD;
			peer_syn(c);
		} else if ((v->flags & TCP_RST) != 0) {
			peer_over(c, -ECONNRESET);
		} else if (v->ack == c->iss + 1) {
			opened(c, v);
			open_input(c, v);
		}
		break;
	case P_SYN_SENT:
		syn_sent(c, v, frame);
		break;
	case P_OPEN:
		open_input(c, v);
		break;
	case P_OVER: // TIME-WAIT: its FIN may come again
		if (c->end->error)
			peer_reset(p, v);
		else if (v->len || (v->flags & (TCP_FIN | TCP_SYN)))
			peer_ack(c);
		break;
	}
}

static void arp_input(struct peer *p, const uint8_t *frame, uint32_t len)
{
	uint8_t out[64] = {0};
	struct rte_ether_hdr *eth = (struct rte_ether_hdr *)out;
	struct rte_arp_hdr *a = (struct rte_arp_hdr *)(eth + 1);

	if (len < sizeof(*eth) + sizeof(*a))
		return;
	memcpy(out, frame, sizeof(*eth) + sizeof(*a));
	if (a->arp_opcode != RTE_BE16(RTE_ARP_OP_REQUEST) || a->arp_data.arp_tip != p->addr)
		return;
	a->arp_opcode = RTE_BE16(RTE_ARP_OP_REPLY);
	a->arp_data.arp_tip = a->arp_data.arp_sip;
	a->arp_data.arp_sip = p->addr;
	memcpy(&a->arp_data.arp_tha, &a->arp_data.arp_sha, 6);
	memcpy(&a->arp_data.arp_sha, p->station.mac, 6);
	memcpy(&eth->dst_addr, &a->arp_data.arp_tha, 6);
	memcpy(&eth->src_addr, p->station.mac, 6);
	wire_send(&p->sim->wire, p->number, out, 60);
}

// RFC 1191: the path is narrower than it seemed.
static void too_long(struct peer *p, const uint8_t *icmp)
{
	uint32_t mtu = (uint32_t)icmp[6] << 8 | icmp[7];

	for (unsigned i = 0; icmp[0] == 3 && icmp[1] == 4 && i < SIM_FLOWS; i++)
		if (p->conns[i].mss > mtu - PEER_TS_BYTES)
			p->conns[i].mss = mtu - PEER_TS_BYTES;
}

void peer_arrive(void *ctx, const uint8_t *frame, uint32_t len)
{
	const struct rte_ether_hdr *eth = (const struct rte_ether_hdr *)frame;
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(eth + 1);
	struct peer *p = ctx;
	struct tcp_view v;

	if (eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_ARP))
		arp_input(p, frame, len);
	else if (len > 42 && ip->next_proto_id == IPPROTO_ICMP)
		too_long(p, frame + 34);
	else if (tcp_view(&v, frame, len) && v.dst == p->addr && rte_ipv4_hdr_len(ip) == 20
		&& rte_ipv4_cksum(ip) == 0 && rte_ipv4_udptcp_cksum_verify(ip, ip + 1) == 0)
		segment_input(p, &v, frame);
}
