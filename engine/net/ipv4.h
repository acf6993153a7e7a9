// IPv4: checks, next hop, headers. Internal to the net layer.
#ifndef ENGINE_NET_IPV4_H
#define ENGINE_NET_IPV4_H

#include "engine/net/net.h"
#include "engine/net/pkt.h"

#define IPV4_TTL 64

// Checks the header of a packet for us and fills in hdr_len and len (RFC 1122 section 3.2.1).
// Returns PKT_GOOD or the counter it is dropped under.
unsigned ipv4_check(const struct net *n, struct pkt *p);

// Whether an address can be a station's: not 0/8, 127/8, multicast or beyond.
bool ipv4_is_host(uint32_t addr_be);
// Whether it is a station's on our link.
bool ipv4_is_on_link(const struct net *n, uint32_t addr_be);

// The next hop to a destination. Returns 0, or -EHOSTUNREACH (counted under neigh_no_route).
int ipv4_route(const struct net *n, uint32_t dst_be, uint32_t *hop_be);

// Fills in a header without options; `len` is what follows it. The sum is left at 0 when the port
// makes it.
void ipv4_fill(struct net *n, struct rte_ipv4_hdr *ip, uint16_t len, uint8_t proto, uint32_t dst_be,
	bool port_sums);

#endif
