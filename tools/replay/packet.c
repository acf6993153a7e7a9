#include "tools/replay/packet.h"

#include <stddef.h>
#include <string.h>

enum {
	TYPE_IPV4 = 0x0800,
	TYPE_IPV6 = 0x86dd,
	IP_TCP = 6,
	IP_MF = 0x2000,
	IP_OFFSET = 0x1fff,
	TCP_MIN = 20,
};

uint32_t sum_add(uint32_t sum, const uint8_t *at, uint32_t bytes)
{
	uint64_t s = sum;
	uint32_t i;

	for (i = 0; i + 1 < bytes; i += 2)
		s += get16(at + i);
	if (i < bytes)
		s += (uint32_t)at[i] << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint32_t)s;
}

const uint8_t *packet_option(const uint8_t *opts, unsigned n_opts, uint8_t kind, unsigned *bytes)
{
	unsigned i = 0;

	while (i < n_opts && opts[i] != 0) {
		if (opts[i] == 1) {
			i++;
			continue;
		}
		if (i + 1 >= n_opts || opts[i + 1] < 2 || i + opts[i + 1] > n_opts)
			return NULL;
		if (opts[i] == kind) {
			*bytes = opts[i + 1] - 2u;
			return opts + i + 2;
		}
		i += opts[i + 1];
	}
	return NULL;
}

static enum packet_kind broken(struct packet *p, const char *why)
{
	p->why = why;
	return PACKET_BROKEN;
}

// ip_bytes: of the TCP segment by the IP header, have_bytes of it in the file; pseudo: the sum
// over the pseudo header.
static enum packet_kind parse_tcp(
	struct packet *p, const uint8_t *t, uint32_t have_bytes, uint32_t ip_bytes, uint32_t pseudo)
{
	uint32_t head, have_opts;

	if (ip_bytes < TCP_MIN)
		return broken(p, "the IP packet is too short for a TCP header");
	if (have_bytes < TCP_MIN)
		return broken(p, "cut within the TCP header");
	head = (uint32_t)(t[12] >> 4) * 4;
	if (head < TCP_MIN || head > ip_bytes)
		return broken(p, "a TCP header length that cannot be");
	p->sport = get16(t);
	p->dport = get16(t + 2);
	p->seq = get32(t + 4);
	p->ack = get32(t + 8);
	p->flags = t[13];
	p->win = get16(t + 14);
	p->urg = get16(t + 18);
	p->n_opts = (uint8_t)(head - TCP_MIN);
	have_opts = (head < have_bytes ? head : have_bytes) - TCP_MIN;
	memset(p->opts, 1, p->n_opts);
	memcpy(p->opts, t + TCP_MIN, have_opts);
	p->opts_cut = have_opts < p->n_opts;
	p->payload = t + head;
	p->payload_bytes = ip_bytes - head;
	p->have_bytes = have_bytes > head ? have_bytes - head : 0;
	if (have_bytes < ip_bytes)
		p->sum = SUM_UNKNOWN;
	else if (sum_add(pseudo, t, ip_bytes) == 0xffff)
		p->sum = SUM_RIGHT;
	else
		p->sum = get16(t + 16) == pseudo ? SUM_PARTIAL : SUM_WRONG;
	return PACKET_TCP;
}

static void map_ipv4(uint8_t out[16], const uint8_t *in)
{
	memset(out, 0, 10);
	memset(out + 10, 0xff, 2);
	memcpy(out + 12, in, 4);
}

static enum packet_kind parse_ipv4(
	struct packet *p, const uint8_t *ip, uint32_t have_bytes, uint32_t wire_bytes)
{
	uint32_t head, total, pseudo;

	if (have_bytes < 20)
		return broken(p, "cut within the IPv4 header");
	head = (uint32_t)(ip[0] & 15) * 4;
	if (ip[0] >> 4 != 4 || head < 20)
		return broken(p, "not an IPv4 header");
	if (ip[9] != IP_TCP)
		return PACKET_OTHER;
	if (get16(ip + 6) & (IP_MF | IP_OFFSET))
		return PACKET_FRAGMENT;
	if (head > have_bytes)
		return broken(p, "cut within the IPv4 options");
	if (sum_add(0, ip, head) != 0xffff && get16(ip + 10) != 0)
		return broken(p, "a wrong IPv4 header checksum");
	// A sender that leaves segmentation to its NIC can leave the length to it, too.
	total = get16(ip + 2) ? get16(ip + 2) : wire_bytes;
	if (total < head || total > wire_bytes)
		return broken(p, "an IPv4 length that is more than the frame");
	if (have_bytes > total)
		have_bytes = total; // Ethernet padding
	p->tos = ip[1];
	p->ip_id = get16(ip + 4);
	map_ipv4(p->src, ip + 12);
	map_ipv4(p->dst, ip + 16);
	pseudo = sum_add(IP_TCP + (total - head), ip + 12, 8);
	return parse_tcp(p, ip + head, have_bytes - head, total - head, pseudo);
}

enum packet_kind packet_parse(int linktype, const uint8_t *frame, uint32_t have_bytes,
	uint32_t wire_bytes, struct packet *p)
{
	struct link_payload l;

	memset(p, 0, sizeof(*p));
	if (!link_known(linktype))
		return PACKET_LINK;
	if (!link_strip(linktype, frame, have_bytes, &l))
		return broken(p, "cut within the link layer's header");
	switch (l.ethertype) {
	case TYPE_IPV4:
		return parse_ipv4(p, l.at, l.have_bytes, wire_bytes - (have_bytes - l.have_bytes));
	case TYPE_IPV6:
		return PACKET_IPV6;
	default:
		return PACKET_OTHER;
	}
}
