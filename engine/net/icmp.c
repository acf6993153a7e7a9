#include "engine/net/icmp.h"

#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <rte_ether.h>
#include <rte_icmp.h>
#include <rte_udp.h>
#include <string.h>

#include "engine/net/ipv4.h"

#define ERROR_MAX 576u // bytes of an ICMP error with its IP header (RFC 1812 section 4.3.2.3)
#define UDP_HDR_LEN 8u

static bool limited(struct net *n)
{
	if (net_limit_take(&n->icmp_limit, n->now_us))
		return false;
	COUNT(n->cnt, icmp_limited);
	return true;
}

// The request's own mbuf becomes the reply: only headers change.
static unsigned echo(struct net *n, const struct pkt *p)
{
	uint32_t dst_be = p->ip->src_addr;
	uint8_t tos = p->ip->type_of_service;
	struct rte_mbuf *m = p->m;
	struct rte_ipv4_hdr *ip;
	struct rte_icmp_hdr *icmp;

	if (!n->icmp_echo)
		return COUNTER_drop_icmp_type;
	if (limited(n))
		return COUNTER_icmp_rx_echo;
	COUNT(n->cnt, icmp_rx_echo);
	rte_pktmbuf_trim(
		m, (uint16_t)(rte_pktmbuf_data_len(m) - RTE_ETHER_HDR_LEN - p->hdr_len - p->len));
	rte_pktmbuf_adj(m, (uint16_t)(RTE_ETHER_HDR_LEN + p->hdr_len - sizeof(*ip)));
	m->ol_flags = 0;
	ip = rte_pktmbuf_mtod(m, struct rte_ipv4_hdr *);
	ipv4_fill(n, ip, p->len, IPPROTO_ICMP, dst_be, false);
	ip->type_of_service = tos;
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	icmp = (struct rte_icmp_hdr *)(ip + 1);
	icmp->icmp_type = ICMP_ECHOREPLY;
	icmp->icmp_cksum = 0;
	icmp->icmp_cksum = (uint16_t)~rte_raw_cksum(icmp, p->len);
	if (net_output(n, m, dst_be) == 0)
		COUNT(n->cnt, icmp_tx_echo);
	return PKT_TAKEN;
}

unsigned icmp_input(struct net *n, const struct pkt *p)
{
	const struct rte_icmp_hdr *icmp = pkt_payload(p);

	if (p->len < sizeof(*icmp))
		return COUNTER_drop_icmp_short;
	if (rte_raw_cksum(icmp, p->len) != 0xffff)
		return COUNTER_drop_icmp_csum;
	switch (icmp->icmp_type) {
	case ICMP_ECHO:
		return echo(n, p);
	case ICMP_DEST_UNREACH:
	case ICMP_TIME_EXCEEDED:
	case ICMP_PARAMETERPROB:
		return icmp_error_input(n, p);
	}
	// Source quench (RFC 6633) and redirects among them: a host that obeys is led.
	return COUNTER_drop_icmp_type;
}

static void send_error(struct net *n, const struct pkt *p, uint8_t code)
{
	uint16_t quoted = (uint16_t)(p->hdr_len + p->len);
	struct rte_ipv4_hdr *ip;
	struct rte_icmp_hdr *icmp;
	struct rte_mbuf *m;
	uint16_t len;

	if (limited(n))
		return;
	quoted = RTE_MIN(quoted, (uint16_t)(ERROR_MAX - sizeof(*ip) - sizeof(*icmp)));
	len = (uint16_t)(sizeof(*icmp) + quoted);
	m = pkt_new(n->port, (uint16_t)(sizeof(*ip) + len));
	if (m == NULL)
		return;
	ip = rte_pktmbuf_mtod(m, struct rte_ipv4_hdr *);
	ipv4_fill(n, ip, len, IPPROTO_ICMP, p->ip->src_addr, false);
	icmp = (struct rte_icmp_hdr *)(ip + 1);
	memset(icmp, 0, sizeof(*icmp));
	icmp->icmp_type = ICMP_DEST_UNREACH;
	icmp->icmp_code = code;
	memcpy(icmp + 1, p->ip, quoted);
	icmp->icmp_cksum = (uint16_t)~rte_raw_cksum(icmp, len);
	if (net_output(n, m, p->ip->src_addr) == 0)
		COUNT(n->cnt, icmp_tx_error);
}

static bool udp_good(const struct pkt *p)
{
	const struct rte_udp_hdr *udp = pkt_payload(p);

	if (p->len < UDP_HDR_LEN)
		return false;
	if (udp->dgram_cksum == 0) // the sender made none
		return true;
	return (p->m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD
		|| rte_ipv4_udptcp_cksum_verify(p->ip, udp) == 0;
}

// Fragments, group addresses and impossible senders were dropped before; an error is never
// answered by an error because ICMP does not come here (RFC 1122 section 3.2.2).
unsigned icmp_refuse(struct net *n, const struct pkt *p)
{
	if (p->ip->next_proto_id != IPPROTO_UDP) {
		send_error(n, p, ICMP_PROT_UNREACH);
		return COUNTER_drop_ip_proto;
	}
	if (udp_good(p))
		send_error(n, p, ICMP_PORT_UNREACH);
	return COUNTER_drop_udp;
}
