// The port: one DPDK ethdev with one queue pair, opened for the engine.
#ifndef ENGINE_PORT_PORT_H
#define ENGINE_PORT_PORT_H

#include <rte_mbuf.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/base/config.h"
#include "engine/base/counters.h"

#define PORT_TX_MAX 512u // packets collected in a turn

// A port behind a table of functions, so that the simulator, the bench and the tests put their own
// wire in place of an ethdev.
struct port_ops {
	unsigned (*rx)(void *dev, struct rte_mbuf **pkts, unsigned n);
	unsigned (*tx)(void *dev, struct rte_mbuf **pkts, unsigned n);
};

struct port {
	const struct port_ops *ops;
	void *dev;
	struct rte_mempool *pool; // packets built here
	struct counters *cnt;
	uint16_t id; // ethdev, or UINT16_MAX
	uint16_t mtu;
	uint8_t mac[6];
	uint32_t burst;
	// What the port does by itself.
	bool tx_ip_csum;
	bool tx_tcp_csum;
	bool tx_multi_segs;
	bool rx_csum; // it verifies checksums and marks the mbufs
	bool verify; // received checksums are verified at all
	char name[32];
	// Set by the control thread (link.h): nothing can leave. A driver that is given packets
	// nevertheless may wait for room in its ring, and so for ever.
	_Atomic bool down;
	// Packets built in this turn: they leave in port_flush(), after the commit.
	unsigned n_tx;
	struct rte_mbuf *tx[PORT_TX_MAX];
};

// Opens the ethdev that the configuration names (a vdev is probed by EAL arguments made in
// eal.h). Returns 0 or a negative errno with a line in `err`.
int port_open(struct port *p, const struct config *cfg, struct counters *cnt, char *err,
	size_t err_bytes);
void port_close(struct port *p);

// A port on other functions; `pool` is the caller's.
void port_init_ops(struct port *p, const struct port_ops *ops, void *dev, struct rte_mempool *pool,
	struct counters *cnt, uint16_t mtu, const uint8_t mac[6]);

// How many more packets fit into this turn.
static inline unsigned port_room(const struct port *p)
{
	return PORT_TX_MAX - p->n_tx;
}

// Receives up to the configured burst; counts them.
unsigned port_rx(struct port *p, struct rte_mbuf **pkts, unsigned n);

// A packet to build, with headroom, or NULL (counted) when the pool is empty.
struct rte_mbuf *port_alloc(struct port *p);

// Puts a finished packet into this turn's burst. The caller has checked port_room().
void port_put(struct port *p, struct rte_mbuf *m);

// Hands the collected packets to the port; what it does not take is dropped and counted.
void port_flush(struct port *p);

#endif
