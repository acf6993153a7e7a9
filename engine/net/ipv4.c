#include "engine/net/ipv4.h"

#include <errno.h>
#include <rte_ether.h>

#include "engine/net/neigh.h"

#define OPT_END 0
#define OPT_NOP 1
#define OPT_LSRR 131
#define OPT_SSRR 137

bool ipv4_is_host(uint32_t addr_be)
{
	uint32_t a = rte_be_to_cpu_32(addr_be);

	return a >> 24 != 0 && a >> 24 != 127 && a < 0xe0000000;
}

// The first or last address of our prefix, where these are no stations.
static bool is_prefix_end(const struct net *n, uint32_t addr_be)
{
	uint32_t rest = ~n->mask_be;

	if (((addr_be ^ n->addr_be) & n->mask_be) != 0 || rte_be_to_cpu_32(rest) <= 1)
		return false;
	return (addr_be & rest) == rest || (addr_be & rest) == 0;
}

bool ipv4_is_on_link(const struct net *n, uint32_t addr_be)
{
	return ((addr_be ^ n->addr_be) & n->mask_be) == 0 && ipv4_is_host(addr_be)
		&& !is_prefix_end(n, addr_be);
}

// Source routing is refused, everything else skipped (RFC 7126).
static bool options_bad(const struct rte_ipv4_hdr *ip, unsigned hdr_len)
{
	const uint8_t *opt = (const uint8_t *)ip + sizeof(*ip);
	const uint8_t *end = (const uint8_t *)ip + hdr_len;

	while (opt < end && *opt != OPT_END) {
		if (*opt == OPT_NOP) {
			opt++;
			continue;
		}
		if (*opt == OPT_LSRR || *opt == OPT_SSRR)
			return true;
		if (end - opt < 2 || opt[1] < 2 || opt[1] > end - opt)
			return true;
		opt += opt[1];
	}
	return false;
}

static bool sum_bad(const struct net *n, const struct pkt *p)
{
	uint64_t said = p->m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;

	if (!n->port->verify || said == RTE_MBUF_F_RX_IP_CKSUM_GOOD)
		return false;
	if (said == RTE_MBUF_F_RX_IP_CKSUM_BAD)
		return true;
	return rte_raw_cksum(p->ip, p->hdr_len) != 0xffff;
}

unsigned ipv4_check(const struct net *n, struct pkt *p)
{
	const struct rte_ipv4_hdr *ip = p->ip;
	unsigned have = rte_pktmbuf_data_len(p->m) - RTE_ETHER_HDR_LEN;
	unsigned total;

	if (unlikely(have < sizeof(*ip)))
		return COUNTER_drop_ip_short;
	if (unlikely(ip->version_ihl >> 4 != 4))
		return COUNTER_drop_ip_version;
	p->hdr_len = rte_ipv4_hdr_len(ip);
	if (unlikely(p->hdr_len < sizeof(*ip)))
		return COUNTER_drop_ip_hdr_len;
	total = rte_be_to_cpu_16(ip->total_length);
	if (unlikely(total < p->hdr_len || total > have))
		return COUNTER_drop_ip_short;
	p->len = (uint16_t)(total - p->hdr_len);
	if (unlikely(sum_bad(n, p)))
		return COUNTER_drop_ip_csum;
	if (unlikely(p->hdr_len > sizeof(*ip)) && options_bad(ip, p->hdr_len))
		return COUNTER_drop_ip_options;
	if (unlikely(!ipv4_is_host(ip->src_addr) || ip->src_addr == n->addr_be
		    || is_prefix_end(n, ip->src_addr)))
		return COUNTER_drop_ip_src;
	if (unlikely(ip->dst_addr != n->addr_be))
		return COUNTER_drop_ip_dst;
	if (unlikely((ip->fragment_offset
			     & RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK))
		    != 0))
		return COUNTER_drop_ip_frag;
	return PKT_GOOD;
}

int ipv4_route(const struct net *n, uint32_t dst_be, uint32_t *hop_be)
{
	bool near = ((dst_be ^ n->addr_be) & n->mask_be) == 0;

	*hop_be = near ? dst_be : n->gateway_be;
	if (likely(dst_be != n->addr_be && *hop_be != 0 && ipv4_is_host(dst_be)
		    && !is_prefix_end(n, dst_be)))
		return 0;
	COUNT(n->cnt, neigh_no_route);
	return -EHOSTUNREACH;
}

void ipv4_fill(struct net *n, struct rte_ipv4_hdr *ip, uint16_t len, uint8_t proto, uint32_t dst_be,
	bool port_sums)
{
	ip->version_ihl = RTE_IPV4_VHL_DEF;
	ip->type_of_service = 0;
	ip->total_length = rte_cpu_to_be_16((uint16_t)(sizeof(*ip) + len));
	ip->packet_id = rte_cpu_to_be_16(n->ip_id++);
	ip->fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG);
	ip->time_to_live = IPV4_TTL;
	ip->next_proto_id = proto;
	ip->hdr_checksum = 0;
	ip->src_addr = n->addr_be;
	ip->dst_addr = dst_be;
	if (!port_sums)
		ip->hdr_checksum = rte_ipv4_cksum(ip);
}

int net_output(struct net *n, struct rte_mbuf *m, uint32_t dst_be)
{
	uint32_t hop_be;
	int r = ipv4_route(n, dst_be, &hop_be);

	if (r < 0) {
		rte_pktmbuf_free(m);
		return r;
	}
	return neigh_send(n, m, hop_be);
}
