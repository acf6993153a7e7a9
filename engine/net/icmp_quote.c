// ICMP errors that quote a TCP segment of ours.
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <rte_icmp.h>
#include <rte_tcp.h>
#include <string.h>

#include "engine/net/icmp.h"

#define QUOTED_TCP 8u // bytes of the segment that every error quotes: ports and sequence number

struct meaning {
	int error; // 0: not known
	bool hard;
};

// Destination unreachable, by code. RFC 1122 section 4.2.3.9: 0, 1 and 5 are soft, 2 and 3 hard,
// 4 is path MTU discovery; what a filter says (9, 10, 13) will not change soon either.
static const struct meaning unreachable[] = {
	[ICMP_NET_UNREACH] = {-ENETUNREACH, false},
	[ICMP_HOST_UNREACH] = {-EHOSTUNREACH, false},
	[ICMP_PROT_UNREACH] = {-EPROTO, true},
	[ICMP_PORT_UNREACH] = {-ECONNREFUSED, true},
	[ICMP_FRAG_NEEDED] = {-EMSGSIZE, false},
	[ICMP_SR_FAILED] = {-EHOSTUNREACH, false},
	[ICMP_NET_UNKNOWN] = {-ENETUNREACH, false},
	[ICMP_HOST_UNKNOWN] = {-EHOSTUNREACH, false},
	[ICMP_HOST_ISOLATED] = {-EHOSTUNREACH, false},
	[ICMP_NET_ANO] = {-ENETUNREACH, true},
	[ICMP_HOST_ANO] = {-EHOSTUNREACH, true},
	[ICMP_NET_UNR_TOS] = {-ENETUNREACH, false},
	[ICMP_HOST_UNR_TOS] = {-EHOSTUNREACH, false},
	[ICMP_PKT_FILTERED] = {-EHOSTUNREACH, true},
	[ICMP_PREC_VIOLATION] = {-EHOSTUNREACH, false},
	[ICMP_PREC_CUTOFF] = {-EHOSTUNREACH, false},
};

static struct meaning meaning_of(const struct rte_icmp_hdr *icmp)
{
	switch (icmp->icmp_type) {
	case ICMP_DEST_UNREACH:
		if (icmp->icmp_code < RTE_DIM(unreachable))
			return unreachable[icmp->icmp_code];
		break;
	case ICMP_TIME_EXCEEDED:
		if (icmp->icmp_code <= ICMP_EXC_FRAGTIME)
			return (struct meaning){-EHOSTUNREACH, false};
		break;
	case ICMP_PARAMETERPROB:
		if (icmp->icmp_code <= 2)
			return (struct meaning){-EPROTO, false};
		break;
	}
	return (struct meaning){0, false};
}

unsigned icmp_error_input(struct net *n, const struct pkt *p)
{
	const struct rte_icmp_hdr *icmp = pkt_payload(p);
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(icmp + 1);
	unsigned have = p->len - (unsigned)sizeof(*icmp);
	struct meaning meaning = meaning_of(icmp);
	const struct rte_tcp_hdr *tcp;
	struct seg_icmp e = {0};

	if (meaning.error == 0)
		return COUNTER_drop_icmp_type;
	if (have < sizeof(*ip) || have < rte_ipv4_hdr_len(ip) + QUOTED_TCP)
		return COUNTER_drop_icmp_short;
	if (ip->version_ihl >> 4 != 4 || rte_ipv4_hdr_len(ip) < sizeof(*ip)
		|| ip->next_proto_id != IPPROTO_TCP || ip->src_addr != n->addr_be
		|| (ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_OFFSET_MASK)) != 0)
		return COUNTER_drop_icmp_quote;
	tcp = (const struct rte_tcp_hdr *)((const uint8_t *)ip + rte_ipv4_hdr_len(ip));
	e.t.laddr = n->addr;
	e.t.raddr = ob_addr_v4(ip->dst_addr);
	e.t.lport = rte_be_to_cpu_16(tcp->src_port);
	e.t.rport = rte_be_to_cpu_16(tcp->dst_port);
	e.seq = rte_be_to_cpu_32(tcp->sent_seq);
	e.error = meaning.error;
	e.hard = meaning.hard;
	if (e.error == -EMSGSIZE)
		e.mtu = rte_be_to_cpu_16(icmp->icmp_seq_nb); // the last two bytes (RFC 1191)
	if (n->ops == NULL || n->ops->icmp == NULL || !n->ops->icmp(n->ops->ctx, &e))
		return COUNTER_drop_icmp_quote;
	return COUNTER_icmp_rx_error;
}
