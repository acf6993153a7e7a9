// A received packet on its way through the stages of net_input(). Internal to the net layer.
#ifndef ENGINE_NET_PKT_H
#define ENGINE_NET_PKT_H

#include <rte_ip.h>
#include <rte_mbuf.h>

#include "engine/base/counters.h"
#include "engine/port/port.h"

// What a stage decides: a counter (enum counter_id) means that the packet ends here, is counted
// there and freed; else one of these.
#define PKT_GOOD COUNTERS // goes on to the next stage
#define PKT_TAKEN (COUNTERS + 1) // somebody has its mbuf

struct pkt {
	struct rte_mbuf *m; // in one segment, data begins with the Ethernet header
	struct rte_ipv4_hdr *ip; // NULL: an ARP packet
	uint16_t hdr_len; // of the IP header
	uint16_t len; // behind it, by its total length: without Ethernet's padding
};

static inline void *pkt_payload(const struct pkt *p)
{
	return (uint8_t *)p->ip + p->hdr_len;
}

// A packet of `len` bytes to fill in, or NULL (counted).
static inline struct rte_mbuf *pkt_new(struct port *port, uint16_t len)
{
	struct rte_mbuf *m = port_alloc(port);

	if (likely(m != NULL && rte_pktmbuf_append(m, len) != NULL))
		return m;
	if (m != NULL) {
		COUNT(port->cnt, tx_no_mbuf);
		rte_pktmbuf_free(m);
	}
	return NULL;
}

#endif
