// The tables of an engine, filled by hand: what the inspection reads, and nothing that moves.
#ifndef TESTS_UNIT_INSPECT_FIXTURE_H
#define TESTS_UNIT_INSPECT_FIXTURE_H

#include "engine/hostif/inspect.h"

#define FIX_HOSTS 4u

struct fixture {
	struct config cfg;
	struct state st;
	struct tcp tcp;
	struct counters cnt;
	struct port port;
	struct host_mem mem[FIX_HOSTS];
	uint32_t host_rows; // bit i: host_row knows host i
	struct inspect in;
};

// Empty tables for `conns` connections, half as many half-open ones and soft states, 8 listeners.
// Returns 0 or a negative errno.
int fixture_make(struct fixture *f, uint32_t conns);
void fixture_free(struct fixture *f);

// Record i is live, with values that tell it from the others; its soft state is `soft`, or
// STATE_NIL for none.
void fixture_conn(struct fixture *f, uint32_t i, uint32_t gen, uint32_t soft);
void fixture_half(struct fixture *f, uint32_t i, enum half_phase phase);
void fixture_listener(struct fixture *f, uint32_t i, uint16_t port);
void fixture_host(struct fixture *f, uint32_t i, uint32_t n_channels);

#endif
