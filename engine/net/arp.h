// ARP for IPv4 over Ethernet (RFC 826, RFC 5227). Internal to the net layer.
#ifndef ENGINE_NET_ARP_H
#define ENGINE_NET_ARP_H

#include "engine/net/net.h"
#include "engine/net/pkt.h"

// Takes a received ARP packet. Returns the counter under which it ends.
unsigned arp_input(struct net *n, const struct pkt *p);

// Asks for the MAC address of a neighbour: all stations, or only `mac` when it is not NULL.
void arp_ask(struct net *n, uint32_t addr_be, const uint8_t *mac);

// Tells all stations our address (RFC 5227 section 2.3).
void arp_announce(struct net *n);

#endif
