#include <rte_tcp.h>

#include "engine/net/tcp_pkt.h"

static bool sum_bad(const struct net *n, const struct pkt *p, const struct rte_tcp_hdr *tcp)
{
	uint64_t said = p->m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;

	if (!n->port->verify || said == RTE_MBUF_F_RX_L4_CKSUM_GOOD)
		return false;
	if (said == RTE_MBUF_F_RX_L4_CKSUM_BAD)
		return true;
	// The port knows that the data is whole, though the sum in the packet is not.
	if (said == RTE_MBUF_F_RX_L4_CKSUM_NONE)
		return false;
	return rte_ipv4_udptcp_cksum_verify(p->ip, tcp) != 0;
}

unsigned tcp_rx_parse(const struct net *n, const struct pkt *p, struct seg_in *s)
{
	const struct rte_tcp_hdr *tcp = pkt_payload(p);
	unsigned hdr_len;

	if (unlikely(p->len < sizeof(*tcp)))
		return COUNTER_drop_tcp_short;
	hdr_len = (tcp->data_off >> 4) * 4u;
	if (unlikely(hdr_len < sizeof(*tcp) || hdr_len > p->len))
		return COUNTER_drop_tcp_hdr_len;
	if (unlikely(sum_bad(n, p, tcp)))
		return COUNTER_drop_tcp_csum;
	if (unlikely(tcp->src_port == 0 || tcp->dst_port == 0))
		return COUNTER_drop_tcp_ports;
	s->t.laddr = n->addr;
	s->t.raddr = ob_addr_v4(p->ip->src_addr);
	s->t.lport = rte_be_to_cpu_16(tcp->dst_port);
	s->t.rport = rte_be_to_cpu_16(tcp->src_port);
	s->t.zero = 0;
	s->seq = rte_be_to_cpu_32(tcp->sent_seq);
	s->ack = rte_be_to_cpu_32(tcp->recv_ack);
	s->wnd = rte_be_to_cpu_16(tcp->rx_win);
	s->urg = rte_be_to_cpu_16(tcp->tcp_urp);
	s->flags = tcp->tcp_flags;
	s->ecn = p->ip->type_of_service & 3;
	s->opt_len = (uint8_t)(hdr_len - sizeof(*tcp));
	s->opt = (const uint8_t *)(tcp + 1);
	s->data = (const uint8_t *)tcp + hdr_len;
	s->len = p->len - hdr_len;
	return PKT_GOOD;
}
