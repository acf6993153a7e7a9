// The scripted peer: a TCP of its own, written without a look at the engine's, that checks what it
// sees and behaves badly where the standard allows it.
#ifndef TESTS_SIM_PEER_H
#define TESTS_SIM_PEER_H

#include "tests/sim/sim.h"

struct peer *peer_open(struct sim *s);
void peer_close(struct peer *p);
uint64_t peer_next_us(const struct peer *p);
void peer_step(struct peer *p); // its timers
void peer_quiet(struct peer *p); // no new mischief: it only ends what is open

#endif
