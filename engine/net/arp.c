#include "engine/net/arp.h"

#include <rte_arp.h>
#include <string.h>

#include "engine/net/eth.h"
#include "engine/net/ipv4.h"
#include "engine/net/neigh.h"

#define DEFEND_US 10000000u // RFC 5227 section 2.4: DEFEND_INTERVAL

static const uint8_t nobody[6];

static bool arp_send(struct net *n, uint16_t op, uint32_t to_be, const uint8_t to_mac[6],
	const uint8_t eth_dst[6])
{
	struct rte_arp_hdr *a;
	struct rte_mbuf *m = pkt_new(n->port, sizeof(*a));

	if (m == NULL)
		return false;
	a = rte_pktmbuf_mtod(m, struct rte_arp_hdr *);
	a->arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER);
	a->arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	a->arp_hlen = 6;
	a->arp_plen = 4;
	a->arp_opcode = rte_cpu_to_be_16(op);
	memcpy(a->arp_data.arp_sha.addr_bytes, n->port->mac, 6);
	a->arp_data.arp_sip = n->addr_be;
	memcpy(a->arp_data.arp_tha.addr_bytes, to_mac, 6);
	a->arp_data.arp_tip = to_be;
	eth_send(n, m, eth_dst, RTE_ETHER_TYPE_ARP);
	return true;
}

void arp_ask(struct net *n, uint32_t addr_be, const uint8_t *mac)
{
	if (arp_send(n, RTE_ARP_OP_REQUEST, addr_be, nobody, mac ? mac : eth_broadcast))
		COUNT(n->cnt, arp_tx_request);
}

void arp_announce(struct net *n)
{
	arp_ask(n, n->addr_be, NULL);
}

static bool is_well_formed(const struct rte_arp_hdr *a)
{
	const struct rte_ether_addr *sha = &a->arp_data.arp_sha;

	if (a->arp_hardware != RTE_BE16(RTE_ARP_HRD_ETHER)
		|| a->arp_protocol != RTE_BE16(RTE_ETHER_TYPE_IPV4) || a->arp_hlen != 6
		|| a->arp_plen != 4)
		return false;
	if (a->arp_opcode != RTE_BE16(RTE_ARP_OP_REQUEST)
		&& a->arp_opcode != RTE_BE16(RTE_ARP_OP_REPLY))
		return false;
	if (rte_is_multicast_ether_addr(sha) || rte_is_zero_ether_addr(sha))
		return false;
	// A station that has no address yet asks with 0.0.0.0 (RFC 5227 section 1.1).
	return a->arp_data.arp_sip == 0 ? a->arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST)
					: ipv4_is_host(a->arp_data.arp_sip);
}

// Another station uses our address: say once in a while that it is ours (RFC 5227 section 2.4 b).
static unsigned conflict(struct net *n)
{
	if (n->defended_us == 0 || n->now_us - n->defended_us >= DEFEND_US) {
		n->defended_us = n->now_us;
		arp_announce(n);
	}
	return COUNTER_arp_conflict;
}

unsigned arp_input(struct net *n, const struct pkt *p)
{
	const struct rte_arp_hdr *a
		= rte_pktmbuf_mtod_offset(p->m, const struct rte_arp_hdr *, RTE_ETHER_HDR_LEN);
	const uint8_t *sha = a->arp_data.arp_sha.addr_bytes;
	uint32_t sip = a->arp_data.arp_sip;

	if (rte_pktmbuf_data_len(p->m) < RTE_ETHER_HDR_LEN + sizeof(*a) || !is_well_formed(a))
		return COUNTER_drop_arp_bad;
	if (sip == n->addr_be)
		return memcmp(sha, n->port->mac, 6) == 0 ? COUNTER_drop_arp_other : conflict(n);
	if (a->arp_data.arp_tip != n->addr_be) {
		// Not taken at its word, but a reason to ask the one that it speaks for.
		if (a->arp_data.arp_tip == sip)
			neigh_doubt(n, sip, sha);
		return COUNTER_drop_arp_other;
	}
	if (a->arp_opcode == RTE_BE16(RTE_ARP_OP_REPLY))
		return neigh_answer(n, sip, sha) ? COUNTER_arp_rx_reply : COUNTER_drop_arp_unasked;
	if (ipv4_is_on_link(n, sip))
		neigh_learn(n, sip, sha);
	if (arp_send(n, RTE_ARP_OP_REPLY, sip, sha, sha))
		COUNT(n->cnt, arp_tx_reply);
	return COUNTER_arp_rx_request;
}
