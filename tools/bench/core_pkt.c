#include "tools/bench/core_pkt.h"

#include <netinet/in.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "engine/net/seg.h"

// Flow addresses: 198.18.0.0/15 is for benchmarks (RFC 2544), 32,768 ports of each.
#define PEER_NET 0xc6120000u
#define PEER_PORT 16384u
#define PEER_PORT_BITS 15u

static const uint8_t filler[PEER_SEG] = {1, 2, 3, 5, 7, 11, 13};

static uint8_t options(const struct peer *p, const struct peer_flow *f, uint8_t flags, uint8_t *o)
{
	uint32_t val = rte_cpu_to_be_32((uint32_t)(p->now_tsc / p->tsc_per_ms) + 1);
	uint32_t ecr = rte_cpu_to_be_32(f->ts_recent);
	uint8_t at = 0;

	if (flags & TCP_SYN) {
		static const uint8_t syn[8] = {2, 4, 1460 >> 8, 1460 & 255, 1, 3, 3, PEER_SHIFT};

		memcpy(o, syn, sizeof(syn));
		at = sizeof(syn);
		o[at++] = 4; // SACK
		o[at++] = 2;
	} else if (p->ts) {
		o[at++] = 1;
		o[at++] = 1;
	} else {
		return 0;
	}
	o[at++] = 8;
	o[at++] = 10;
	memcpy(o + at, &val, 4);
	memcpy(o + at + 4, &ecr, 4);
	at += 8;
	if (p->twice_len) { // D-SACK (RFC 2883)
		uint32_t edges[2] = {rte_cpu_to_be_32(p->twice_seq),
			rte_cpu_to_be_32(p->twice_seq + p->twice_len)};
		static const uint8_t head[4] = {1, 1, 5, 10};

		memcpy(o + at, head, sizeof(head));
		memcpy(o + at + sizeof(head), edges, sizeof(edges));
		at += sizeof(head) + sizeof(edges);
	}
	return at;
}

static struct rte_mbuf *packet(struct peer *p, uint16_t bytes)
{
	struct rte_mbuf *m = wire_waiting(p->w) < WIRE_IN ? rte_pktmbuf_alloc(p->pool) : NULL;
	struct rte_ether_hdr *eth;

	if (!m) {
		p->errors.no_mbuf++;
		return NULL;
	}
	m->data_len = (uint16_t)(sizeof(*eth) + bytes);
	m->pkt_len = m->data_len;
	eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	memcpy(&eth->dst_addr, p->engine_mac, 6);
	memcpy(&eth->src_addr, p->mac, 6);
	eth->ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
	return m;
}

static void sums(
	const struct peer *p, struct rte_mbuf *m, struct rte_ipv4_hdr *ip, struct rte_tcp_hdr *tcp)
{
	if (p->offload) {
		m->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
		return;
	}
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	tcp->cksum = rte_ipv4_udptcp_cksum(ip, tcp);
}

void pkt_send(struct peer *p, const struct peer_flow *f, uint8_t flags, uint32_t seq, uint16_t len,
	uint64_t stamp)
{
	uint8_t opt[40], opt_len = options(p, f, flags, opt);
	uint16_t bytes = (uint16_t)(sizeof(struct rte_ipv4_hdr) + sizeof(struct rte_tcp_hdr)
		+ opt_len + len);
	struct rte_mbuf *m = packet(p, bytes);
	struct rte_ipv4_hdr *ip;
	struct rte_tcp_hdr *tcp;
	uint8_t *data;

	if (!m)
		return;
	ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, sizeof(struct rte_ether_hdr));
	*ip = (struct rte_ipv4_hdr){.version_ihl = 0x45,
		.total_length = rte_cpu_to_be_16(bytes),
		.fragment_offset = rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG),
		.time_to_live = 64,
		.next_proto_id = IPPROTO_TCP,
		.src_addr = rte_cpu_to_be_32(PEER_NET + (f->tuple >> PEER_PORT_BITS)),
		.dst_addr = p->engine_be};
	tcp = (struct rte_tcp_hdr *)(ip + 1);
	*tcp = (struct rte_tcp_hdr){.src_port = rte_cpu_to_be_16((uint16_t)(PEER_PORT
					    + (f->tuple & ((1u << PEER_PORT_BITS) - 1)))),
		.dst_port = rte_cpu_to_be_16(PEER_SERVICE),
		.sent_seq = rte_cpu_to_be_32(seq),
		.recv_ack = flags & TCP_ACK ? rte_cpu_to_be_32(f->rcv_nxt) : 0,
		.data_off = (uint8_t)((sizeof(*tcp) + opt_len) / 4 << 4),
		.tcp_flags = flags,
		.rx_win = rte_cpu_to_be_16(flags & TCP_SYN ? UINT16_MAX : p->wnd)};
	memcpy(tcp + 1, opt, opt_len);
	data = (uint8_t *)(tcp + 1) + opt_len;
	if (len) {
		memcpy(data, filler, len);
		memcpy(data, &stamp, sizeof(stamp));
	}
	sums(p, m, ip, tcp);
	p->w->in[p->w->tail++ % WIRE_IN] = m;
}

static void read_options(struct peer_seg *s, const uint8_t *o, unsigned len)
{
	for (unsigned at = 0; at < len && o[at] != 0;) {
		if (o[at] == 1) {
			at++;
			continue;
		}
		if (at + 1 >= len || o[at + 1] < 2 || at + o[at + 1] > len)
			return;
		if (o[at] == 3)
			s->shift = o[at + 2];
		if (o[at] == 8) {
			memcpy(&s->ts_val, o + at + 2, 4);
			s->ts_val = rte_be_to_cpu_32(s->ts_val);
			s->has_ts = true;
		}
		at += o[at + 1];
	}
}

static bool sums_good(
	const struct rte_mbuf *m, const struct rte_ipv4_hdr *ip, const struct rte_tcp_hdr *tcp)
{
	struct rte_ipv4_hdr copy = *ip;

	if (!(m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM)) {
		copy.hdr_checksum = 0;
		if (rte_ipv4_cksum(&copy) != ip->hdr_checksum)
			return false;
	}
	if (m->ol_flags & RTE_MBUF_F_TX_TCP_CKSUM)
		return true;
	if (m->nb_segs > 1)
		return rte_ipv4_udptcp_cksum_mbuf_verify(
			       m, ip, sizeof(struct rte_ether_hdr) + sizeof(struct rte_ipv4_hdr))
			== 0;
	return rte_ipv4_udptcp_cksum_verify(ip, tcp) == 0;
}

bool pkt_read(struct peer *p, struct rte_mbuf *m, struct peer_seg *s)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(eth + 1);
	const struct rte_tcp_hdr *tcp = (const struct rte_tcp_hdr *)(ip + 1);
	unsigned hdr_len = (tcp->data_off >> 4) * 4u, headers;
	uint32_t addr, port;
	uint64_t stamp;

	if (eth->ether_type != rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4))
		return false; // ARP: nobody asks
	addr = rte_be_to_cpu_32(ip->dst_addr) - PEER_NET;
	port = rte_be_to_cpu_16(tcp->dst_port) - PEER_PORT;
	headers = sizeof(*ip) + hdr_len;
	if (ip->version_ihl != 0x45 || ip->next_proto_id != IPPROTO_TCP || addr >> 16
		|| port >> PEER_PORT_BITS || rte_be_to_cpu_16(ip->total_length) < headers) {
		p->errors.stray++;
		return false;
	}
	if (!sums_good(m, ip, tcp)) {
		p->errors.csum++;
		return false;
	}
	*s = (struct peer_seg){.tuple = addr << PEER_PORT_BITS | port,
		.seq = rte_be_to_cpu_32(tcp->sent_seq),
		.ack = rte_be_to_cpu_32(tcp->recv_ack),
		.wnd = rte_be_to_cpu_16(tcp->rx_win),
		.flags = tcp->tcp_flags,
		.len = (uint16_t)(rte_be_to_cpu_16(ip->total_length) - headers)};
	read_options(s, (const uint8_t *)(tcp + 1), hdr_len - (unsigned)sizeof(*tcp));
	if (s->len >= sizeof(stamp)) {
		const void *at = rte_pktmbuf_read(m, sizeof(*eth) + headers, sizeof(stamp), &stamp);

		memcpy(&s->stamp, at, sizeof(stamp));
	}
	return true;
}
