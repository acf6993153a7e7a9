// What CUBIC keeps of a connection, in cc_priv.bytes: for cubic.c, and for checks of it.
#ifndef ENGINE_TCP_CUBIC_H
#define ENGINE_TCP_CUBIC_H

#include "engine/tcp/cc.h"
#include "engine/tcp/hystart.h"

// One congestion avoidance stage. Names as in section 4.1.2.
struct cubic_stage {
	uint64_t epoch_us; // epoch_start; 0: it begins with the next ACK
	uint64_t w_est; // bytes, EST_SHIFT
	uint32_t w_max; // bytes; 0: not known
	uint32_t cwnd_prior;
	uint32_t k_ms;
	uint32_t rest; // of the last division, below cwnd
};

struct cubic {
	struct cubic_stage now;
	union { // the first slow start has nothing to take back
		struct cubic_stage before; // the last congestion event (section 4.9)
		struct hystart hystart;
	};
};
static_assert(sizeof(struct cubic) <= CC_PRIV_BYTES, "fits beside the soft state");

#endif
