// The network layer: Ethernet, ARP, IPv4, ICMP. It answers what it can answer, drops what is bad
// (each packet under exactly one counter) and hands TCP segments up in bursts.
#ifndef ENGINE_NET_NET_H
#define ENGINE_NET_NET_H

#include "engine/base/config.h"
#include "engine/base/counters.h"
#include "engine/net/seg.h"
#include "engine/port/port.h"

struct neigh_table;

// Upward calls.
struct net_ops {
	void *ctx;
	// An ICMP error quotes a TCP segment of ours. Returns whether a connection was found; if not,
	// the packet is dropped under drop_icmp_quote.
	bool (*icmp)(void *ctx, const struct seg_icmp *e);
	// A neighbour did not answer: `next_hop` cannot be reached now.
	void (*unreachable)(void *ctx, const struct ob_addr *dst);
};

// A bucket of tokens: at most `rate` a second, in bursts of a tenth of that.
struct net_limit {
	uint64_t rate;
	uint64_t tokens_us; // credit in microseconds
	uint64_t last_us;
};

struct net {
	struct port *port;
	struct counters *cnt;
	const struct net_ops *ops;
	struct neigh_table *neigh;
	struct ob_addr addr;
	uint32_t addr_be; // the same as IPv4
	uint32_t mask_be; // of our prefix
	uint32_t gateway_be; // 0: none
	bool icmp_echo;
	uint16_t ip_id;
	struct net_limit icmp_limit;
	uint64_t defended_us; // when we last spoke up for our address; 0: never
	uint64_t now_us; // of this turn
};

// cfg: addresses, neighbours, limits. Returns 0 or a negative errno with a line in `err`.
int net_init(struct net *n, const struct config *cfg, struct port *port, struct counters *cnt,
	const struct net_ops *ops, uint64_t now_us, char *err, size_t err_bytes);
void net_fini(struct net *n);

// Takes a received burst, in stages. TCP segments go to `out` (room for `n`), in order; the mbufs
// that carry them are moved to `keep` and stay valid until the caller frees them. Everything else
// is answered or dropped, and freed. Returns the number of segments.
unsigned net_input(struct net *n, struct rte_mbuf **pkts, unsigned n_pkts, struct seg_in *out,
	struct rte_mbuf **keep, uint64_t now_us);

// Timers: ARP retries and ageing; call once a turn, cheap when nothing is due.
void net_timers(struct net *n, uint64_t now_us);
// When the next of them is due, or UINT64_MAX.
uint64_t net_next_us(const struct net *n);

// The sink that builds TCP packets: headers in engine memory, the payload copied behind them or,
// where the port gathers and sums, attached. ctx is the struct net.
struct seg_sink net_sink(struct net *n);

// Whether the address is one of ours.
static inline bool net_is_local(const struct net *n, const struct ob_addr *a)
{
	return ob_addr_eq(&n->addr, a);
}

// Takes a token. Returns false when the limit is reached.
bool net_limit_take(struct net_limit *l, uint64_t now_us);

// Sends the packet in `m` (which begins with its IPv4 header) to its next hop: resolves it, waits
// for its neighbour within bounds, or drops it, counted. Returns 0, also for a packet that too many
// wait before (it is lost like one on the wire), or -EHOSTUNREACH. `m` is taken in any case.
int net_output(struct net *n, struct rte_mbuf *m, uint32_t dst_be);

#endif
