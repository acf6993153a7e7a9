#include "engine/net/eth.h"

#include <rte_ether.h>
#include <string.h>

const uint8_t eth_broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

unsigned eth_parse(const struct net *n, struct pkt *p)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(p->m, const struct rte_ether_hdr *);
	bool group;

	if (unlikely(rte_pktmbuf_data_len(p->m) < sizeof(*eth)))
		return COUNTER_drop_eth_short;
	group = rte_is_multicast_ether_addr(&eth->dst_addr);
	if (!group && memcmp(eth->dst_addr.addr_bytes, n->port->mac, 6) != 0)
		return COUNTER_drop_eth_dst;
	if (unlikely((p->m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0))
		return COUNTER_drop_eth_vlan;
	switch (eth->ether_type) {
	case RTE_BE16(RTE_ETHER_TYPE_IPV4):
		// RFC 1122 section 3.3.6: an address that differs from the link's in kind.
		if (group)
			return COUNTER_drop_eth_dst;
		p->ip = (struct rte_ipv4_hdr *)(rte_pktmbuf_mtod(p->m, uint8_t *) + sizeof(*eth));
		return PKT_GOOD;
	case RTE_BE16(RTE_ETHER_TYPE_ARP):
		if (group && !rte_is_broadcast_ether_addr(&eth->dst_addr))
			return COUNTER_drop_eth_dst;
		p->ip = NULL;
		return PKT_GOOD;
	case RTE_BE16(RTE_ETHER_TYPE_IPV6):
		return COUNTER_drop_ip6;
	case RTE_BE16(RTE_ETHER_TYPE_VLAN):
	case RTE_BE16(RTE_ETHER_TYPE_QINQ):
		return COUNTER_drop_eth_vlan;
	}
	return COUNTER_drop_eth_type;
}

void eth_send(struct net *n, struct rte_mbuf *m, const uint8_t dst[6], uint16_t type)
{
	struct rte_ether_hdr *eth = NULL;

	if (likely(port_room(n->port) > 0))
		eth = (struct rte_ether_hdr *)rte_pktmbuf_prepend(m, sizeof(*eth));
	if (unlikely(eth == NULL)) {
		COUNT(n->cnt, tx_drop_port);
		rte_pktmbuf_free(m);
		return;
	}
	memcpy(eth->dst_addr.addr_bytes, dst, 6);
	memcpy(eth->src_addr.addr_bytes, n->port->mac, 6);
	eth->ether_type = rte_cpu_to_be_16(type);
	port_put(n->port, m);
}
