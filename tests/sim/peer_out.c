// The scripted peer's segments.
#include <netinet/in.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "tests/sim/peer_conn.h"

#define RTO_US 300000u

uint32_t peer_ts(const struct pconn *c)
{
	return (uint32_t)(c->peer->sim->now_us / 1000) + c->ts_off;
}

static void put32(uint8_t *p, uint32_t v)
{
	v = rte_cpu_to_be_32(v);
	memcpy(p, &v, 4);
}

static unsigned options(struct pconn *c, const struct pseg *s, uint8_t *o)
{
	bool syn = s->flags & TCP_SYN;
	unsigned n = 0;

	if (syn) {
		memcpy(o, "\2\4", 2);
		o[2] = (uint8_t)(c->mss >> 8);
		o[3] = (uint8_t)c->mss;
		memcpy(o + 4, "\1\3\3", 3);
		o[7] = c->own_scale;
		n = 8;
		if (c->offer_sack) {
			memcpy(o + n, "\1\1\4\2", 4);
			n += 4;
		}
	}
	if (syn ? c->offer_ts : c->ts) {
		memcpy(o + n, "\1\1\10\12", 4);
		put32(o + n + 4, peer_ts(c) - (uint32_t)s->ts_back);
		put32(o + n + 8, c->ts_recent);
		n += 12;
	}
	if (!syn && c->sack && c->n_held && s->len == 0) {
		unsigned k = c->n_held < 3 ? c->n_held : 3;

		memcpy(o + n, "\1\1\5", 3);
		o[n + 3] = (uint8_t)(2 + 8 * k);
		for (unsigned i = 0; i < k; i++) {
			put32(o + n + 4 + 8 * i, c->irs + 1 + (uint32_t)c->held[i].from);
			put32(o + n + 8 + 8 * i, c->irs + 1 + (uint32_t)c->held[i].to);
		}
		n += 4 + 8 * k;
	}
	return n;
}

// The window: it never goes back, and it does not open while the reader stalls.
static uint16_t window(struct pconn *c, const struct pseg *s)
{
	struct sim *sim = c->peer->sim;
	uint64_t left;

	if (sim->now_us >= c->closed_until_us && c->rcv_nxt + c->window > c->own_edge)
		c->own_edge = c->rcv_nxt + c->window;
	left = c->own_edge - c->rcv_nxt;
	if (!(s->flags & TCP_SYN))
		left >>= c->scale == 255 ? 0 : c->own_scale;
	// What is rounded off was not advertised.
	return (uint16_t)(left < 65535 ? left : 65535);
}

static void payload(struct pconn *c, const struct pseg *s, uint8_t *p)
{
	for (uint32_t i = 0; i < s->len; i++)
		p[i] = *pattern(c->flow->base[c->side], s->off + i);
	for (uint32_t i = s->good; s->garbage && i < s->len; i++)
		p[i] ^= 0x5a;
}

static uint32_t build(
	struct peer *p, uint8_t *f, uint16_t sport, uint16_t dport, unsigned opt_len, uint32_t len)
{
	struct rte_ether_hdr *eth = (struct rte_ether_hdr *)f;
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(eth + 1);
	struct rte_tcp_hdr *t = (struct rte_tcp_hdr *)(ip + 1);
	struct node *n = &p->sim->nodes[0];
	uint32_t total = (uint32_t)(sizeof(*ip) + sizeof(*t)) + opt_len + len;

	memcpy(&eth->dst_addr, n->station.mac, 6);
	memcpy(&eth->src_addr, p->station.mac, 6);
	eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	*ip = (struct rte_ipv4_hdr){.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = rte_cpu_to_be_16((uint16_t)total),
		.type_of_service = ip->type_of_service,
		.packet_id = rte_cpu_to_be_16(p->ip_id++),
		.fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG),
		.time_to_live = 64,
		.next_proto_id = IPPROTO_TCP,
		.src_addr = p->addr,
		.dst_addr = n->addr};
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	t->src_port = rte_cpu_to_be_16(sport);
	t->dst_port = rte_cpu_to_be_16(dport);
	t->data_off = (uint8_t)((sizeof(*t) + opt_len) / 4 << 4);
	t->tcp_urp = 0;
	t->cksum = 0;
	t->cksum = rte_ipv4_udptcp_cksum(ip, t);
	return (uint32_t)sizeof(*eth) + total;
}

static struct rte_tcp_hdr *tcp_of(uint8_t *f)
{
	return (struct rte_tcp_hdr *)(f + sizeof(struct rte_ether_hdr)
		+ sizeof(struct rte_ipv4_hdr));
}

static struct rte_ipv4_hdr *ip_of(uint8_t *f)
{
	return (struct rte_ipv4_hdr *)(f + sizeof(struct rte_ether_hdr));
}

// ECN as RFC 3168 has it, and what some paths and peers make of it. Returns the IP header's field.
static uint8_t ecn_marks(struct pconn *c, const struct pseg *s, struct rte_tcp_hdr *t)
{
	struct sim *sim = c->peer->sim;
	uint64_t how = sim->plan.peer_ecn;
	bool wild = !sim->healed && !c->peer->quiet;

	if (s->flags & TCP_SYN) {
		if (how & PECN_OFFER && !(s->flags & TCP_ACK))
			t->tcp_flags |= TCP_ECE | TCP_CWR;
		else if (c->ecn && s->flags & TCP_ACK)
			t->tcp_flags |= TCP_ECE;
		return 0;
	}
	if (wild && how & PECN_ECE) {
		t->tcp_flags |= TCP_ECE;
		FIRED(sim, peer_ece);
	} else if (c->ece) {
		t->tcp_flags |= TCP_ECE;
	}
	if (s->len && wild && how & PECN_CE) {
		FIRED(sim, peer_ce);
		return 3;
	}
	if (!c->ecn || s->len == 0 || s->off + s->len < c->snd_max || s->garbage)
		return 0;
	if (c->cwr)
		t->tcp_flags |= TCP_CWR;
	c->cwr = false;
	return 2;
}

void peer_send(struct pconn *c, const struct pseg *s)
{
	struct peer *p = c->peer;
	uint8_t f[FRAME_MAX] = {0};
	struct rte_tcp_hdr *t = tcp_of(f);
	uint8_t *opt = (uint8_t *)(t + 1);
	unsigned opt_len = options(c, s, opt);
	uint32_t len = s->len, bytes;

	t->sent_seq = rte_cpu_to_be_32(c->iss + (s->flags & TCP_SYN ? 0 : 1 + (uint32_t)s->off));
	if (s->flags & TCP_ACK)
		t->recv_ack = rte_cpu_to_be_32(c->irs + 1 + (uint32_t)s->ack);
	t->tcp_flags = s->flags;
	t->rx_win = rte_cpu_to_be_16(window(c, s));
	payload(c, s, opt + opt_len);
	ip_of(f)->type_of_service = ecn_marks(c, s, t);
	bytes = build(p, f, c->flow->port[c->side], c->flow->port[1 - c->side], opt_len, len);
	if (s->direct)
		p->sim->nodes[0].station.arrive(&p->sim->nodes[0], f, bytes);
	else
		wire_send(&p->sim->wire, p->number, f, bytes);
}

void peer_reset(struct peer *p, const struct tcp_view *v)
{
	uint8_t f[128] = {0};
	struct rte_tcp_hdr *t = tcp_of(f);

	if (v->flags & TCP_RST)
		return;
	t->tcp_flags = TCP_RST;
	if (v->flags & TCP_ACK) {
		t->sent_seq = rte_cpu_to_be_32(v->ack);
	} else {
		t->tcp_flags |= TCP_ACK;
		t->recv_ack = rte_cpu_to_be_32(
			v->seq + v->len + !!(v->flags & TCP_SYN) + !!(v->flags & TCP_FIN));
	}
	wire_send(&p->sim->wire, p->number, f, build(p, f, v->dport, v->sport, 0, 0));
}

// Everything received, with the FIN.
static uint64_t ack_of(const struct pconn *c)
{
	return c->rcv_nxt + (c->fin_at == c->rcv_nxt);
}

void peer_ack(struct pconn *c)
{
	struct pseg s = {.off = c->snd_max, .ack = ack_of(c), .flags = TCP_ACK};

	c->owed = 0;
	c->ack_at = SIM_NEVER;
	peer_send(c, &s);
}

void peer_output(struct pconn *c)
{
	struct sim *sim = c->peer->sim;
	struct end *e = c->end;
	uint32_t mss = c->mss - 40;

	for (unsigned n = 0; n < 64; n++) {
		uint64_t limit = flow_limit(e), end = c->snd_una + (uint64_t)c->cwnd * mss;
		struct pseg s = {.off = c->snd_nxt, .ack = ack_of(c), .flags = TCP_ACK | TCP_PSH};
		bool fin;

		end = end < c->edge ? end : c->edge;
		end = end < limit ? end : limit;
		if (c->snd_nxt < end)
			s.len = (uint32_t)(end - c->snd_nxt < mss ? end - c->snd_nxt : mss);
		if (s.len && peer_manner(c->peer, OVERLAP) && draw_odds(&c->peer->draw, 300000)) {
			s.len = (uint32_t)draw_range(&c->peer->draw, 1, s.len);
			FIRED(sim, peer_overlap);
		}
		fin = peer_said_all(c) && c->snd_nxt + s.len == e->total;
		if (s.len == 0 && !fin)
			break;
		if (fin) {
			s.flags |= TCP_FIN;
			e->shut = true;
		}
		c->snd_nxt += s.len + fin;
		if (c->snd_nxt > c->snd_max)
			c->snd_max = c->snd_nxt;
		e->sent = c->snd_max < e->total ? c->snd_max : e->total;
		c->owed = 0;
		c->ack_at = SIM_NEVER;
		peer_send(c, &s);
		if (fin)
			break;
	}
	if (c->rtx_at == SIM_NEVER && (c->snd_max > c->snd_una || c->snd_nxt < flow_limit(e)))
		c->rtx_at = sim->now_us + (RTO_US << (c->backoff < 3 ? c->backoff : 3));
}
