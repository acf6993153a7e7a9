// TCP segments in packets. Internal to the net layer.
#ifndef ENGINE_NET_TCP_PKT_H
#define ENGINE_NET_TCP_PKT_H

#include "engine/net/net.h"
#include "engine/net/pkt.h"

// Checks lengths and checksum of a received segment and describes it; the mbuf stays its owner's.
// Returns PKT_GOOD or the counter it is dropped under.
unsigned tcp_rx_parse(const struct net *n, const struct pkt *p, struct seg_in *s);

#endif
