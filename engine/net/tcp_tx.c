#include <errno.h>
#include <netinet/in.h>
#include <rte_ether.h>
#include <rte_memcpy.h>
#include <rte_tcp.h>

#include "engine/net/ipv4.h"
#include "engine/net/neigh.h"
#include "engine/net/pkt.h"

#define HDRS (sizeof(struct rte_ipv4_hdr) + sizeof(struct rte_tcp_hdr))

static unsigned sink_room(void *ctx)
{
	const struct net *n = ctx;

	return port_room(n->port);
}

// The sum of a finished segment: by the port, or over the copy, which is in the cache.
static void put_sum(
	const struct net *n, struct rte_mbuf *m, struct rte_ipv4_hdr *ip, struct rte_tcp_hdr *tcp)
{
	const struct port *port = n->port;

	tcp->cksum = 0;
	if (port->tx_ip_csum || port->tx_tcp_csum) {
		m->l2_len = RTE_ETHER_HDR_LEN;
		m->l3_len = sizeof(*ip);
		m->l4_len = (tcp->data_off >> 4) * 4u;
		m->ol_flags |= RTE_MBUF_F_TX_IPV4;
	}
	if (port->tx_ip_csum)
		m->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
	if (port->tx_tcp_csum) {
		m->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM;
		tcp->cksum = rte_ipv4_phdr_cksum(ip, m->ol_flags);
	} else {
		tcp->cksum = rte_ipv4_udptcp_cksum(ip, tcp);
	}
}

static void build(struct net *n, struct rte_mbuf *m, const struct seg_out *s)
{
	uint16_t tcp_len = (uint16_t)(sizeof(struct rte_tcp_hdr) + s->opt_len + s->len);
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod(m, struct rte_ipv4_hdr *);
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(ip + 1);
	uint8_t *data = (uint8_t *)(tcp + 1) + s->opt_len;

	ipv4_fill(n, ip, tcp_len, IPPROTO_TCP, ob_addr_get_v4(&s->t.raddr), true);
	ip->type_of_service = s->ecn;
	if (unlikely(s->may_fragment))
		ip->fragment_offset = 0;
	if (!n->port->tx_ip_csum)
		ip->hdr_checksum = rte_ipv4_cksum(ip);
	tcp->src_port = rte_cpu_to_be_16(s->t.lport);
	tcp->dst_port = rte_cpu_to_be_16(s->t.rport);
	tcp->sent_seq = rte_cpu_to_be_32(s->seq);
	tcp->recv_ack = rte_cpu_to_be_32(s->ack);
	tcp->data_off = (uint8_t)((sizeof(*tcp) + s->opt_len) / 4 << 4);
	tcp->tcp_flags = s->flags;
	tcp->rx_win = rte_cpu_to_be_16(s->wnd);
	tcp->tcp_urp = 0;
	memcpy(tcp + 1, s->opt, s->opt_len);
	for (unsigned i = 0; i < s->n_iov; i++) {
		rte_memcpy(data, s->iov[i].base, s->iov[i].len);
		data += s->iov[i].len;
	}
	put_sum(n, m, ip, tcp);
}

static int sink_emit(void *ctx, const struct seg_out *s)
{
	uint32_t bytes = (uint32_t)HDRS + s->opt_len + s->len;
	struct net *n = ctx;
	struct rte_mbuf *m;
	uint32_t hop_be;
	int r;

	if (unlikely(port_room(n->port) == 0))
		return -ENOBUFS;
	if (unlikely(bytes > n->port->mtu))
		return -EMSGSIZE;
	if (unlikely(!ob_addr_is_v4(&s->t.raddr)))
		return -EHOSTUNREACH;
	r = ipv4_route(n, ob_addr_get_v4(&s->t.raddr), &hop_be);
	if (r == 0)
		r = neigh_check(n, hop_be);
	if (unlikely(r < 0))
		return r;
	m = pkt_new(n->port, (uint16_t)bytes);
	if (unlikely(m == NULL))
		return -ENOBUFS;
	build(n, m, s);
	return neigh_send(n, m, hop_be);
}

struct seg_sink net_sink(struct net *n)
{
	return (struct seg_sink){.ctx = n, .room = sink_room, .emit = sink_emit};
}
