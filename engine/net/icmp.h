// ICMP (RFC 792, RFC 1122 section 3.2.2). Internal to the net layer.
#ifndef ENGINE_NET_ICMP_H
#define ENGINE_NET_ICMP_H

#include "engine/net/net.h"
#include "engine/net/pkt.h"

// Takes a received ICMP packet. Returns the counter under which it ends, or PKT_TAKEN.
unsigned icmp_input(struct net *n, const struct pkt *p);

// What an ICMP error says of the segment that it quotes (icmp_quote.c). Returns as icmp_input().
unsigned icmp_error_input(struct net *n, const struct pkt *p);

// Takes a UDP packet (nobody listens) or one of a protocol that we do not have, and says so to
// its sender. Returns the counter under which it ends.
unsigned icmp_refuse(struct net *n, const struct pkt *p);

#endif
