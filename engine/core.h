// One polling core: every layer's context, and nothing that is shared with another core.
#ifndef ENGINE_CORE_H
#define ENGINE_CORE_H

#include "engine/base/config.h"
#include "engine/base/counters.h"
#include "engine/hostif/hostif.h"
#include "engine/net/net.h"
#include "engine/port/port.h"
#include "engine/state/state.h"
#include "engine/tcp/tcp.h"

#define CORE_BURST_MAX 256u

struct ob_core {
	alignas(64) struct counters cnt; // written by the polling thread only
	const struct config *cfg;
	struct state *st;
	struct port port;
	struct net net;
	struct net_ops net_ops;
	struct tcp tcp;
	struct hostif hostif;
	// The clock: NULL is the TSC by the state segment's. Where time is virtual (tests/sim), it is set
	// before core_init(), like the port. Never goes back, and never is 0.
	uint64_t (*clock)(void *ctx);
	void *clock_ctx;
	uint64_t now_us;
	uint64_t busy_us; // when a turn last found something to do
	uint32_t sleep_us; // of the next sleep
	bool adaptive;
	_Atomic bool stop; // set by the control thread
	// Of the burst in hand.
	struct rte_mbuf *rx[CORE_BURST_MAX];
	struct rte_mbuf *kept[CORE_BURST_MAX];
	struct seg_in segs[CORE_BURST_MAX];
};

// Everything but the port, which `port_open()` or `port_init_ops()` has filled in before.
// Returns 0 or a negative errno with a line in `err`.
int core_init(
	struct ob_core *c, const struct config *cfg, struct state *st, char *err, size_t err_bytes);
void core_fini(struct ob_core *c);

// One turn of the loop. Returns whether it found something to do.
bool core_turn(struct ob_core *c);

// Turns until `stop`; then resets every connection and tells the hosts.
void core_run(struct ob_core *c);

#endif
