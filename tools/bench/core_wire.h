// The in-memory wire: a port on two queues of packets. Handing packets over costs the engine a
// copy of their pointers.
#ifndef TOOLS_BENCH_CORE_WIRE_H
#define TOOLS_BENCH_CORE_WIRE_H

#include "engine/port/port.h"

#define WIRE_IN 16384u // a power of 2
#define WIRE_OUT (2 * PORT_TX_MAX)

struct wire {
	struct rte_mbuf *in[WIRE_IN]; // to the engine
	uint32_t head, tail; // of `in`, without bound
	struct rte_mbuf *out[WIRE_OUT]; // from it
	uint32_t n_out;
};

// A port on the wire. `pool` is the engine's.
void wire_port(struct wire *w, struct port *p, struct rte_mempool *pool, struct counters *cnt,
	const uint8_t mac[6]);

// Which checksums the port says that it computes and verifies: none, or all.
void wire_offload(struct port *p, bool offload);

static inline uint32_t wire_waiting(const struct wire *w)
{
	return w->tail - w->head;
}

// Frees what is on it.
void wire_drain(struct wire *w);

#endif
