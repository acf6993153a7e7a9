// A host with one listener and many accepted connections, for tests in which their number matters.
#ifndef TESTS_UNIT_CORE_CROWD_H
#define TESTS_UNIT_CORE_CROWD_H

#include "tests/unit/core/order.h"

// Opens the rig with `slots` accept slots and one for a connect, and accepts `n` connections, whose far
// ends have the ports from `port` on. change: as for rig_open().
void crowd_open(struct rig *r, void (*change)(struct config *cfg), struct rig_end *e, unsigned n,
	unsigned slots, uint16_t port);

#endif
