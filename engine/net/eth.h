// Ethernet frames. Internal to the net layer.
#ifndef ENGINE_NET_ETH_H
#define ENGINE_NET_ETH_H

#include "engine/net/net.h"
#include "engine/net/pkt.h"

extern const uint8_t eth_broadcast[6];

// Checks a frame and says in p->ip whether it holds IPv4 (not checked yet) or ARP.
// Returns PKT_GOOD or the counter it is dropped under.
unsigned eth_parse(const struct net *n, struct pkt *p);

// Puts the Ethernet header in front and hands the packet to the port; `type` is in host byte
// order. A packet for which this turn has no room is dropped under tx_drop_port.
void eth_send(struct net *n, struct rte_mbuf *m, const uint8_t dst[6], uint16_t type);

#endif
