// The replayed peer of a session by hand, against an engine that the test plays.
#ifndef TESTS_UNIT_REPLAY_RIG_H
#define TESTS_UNIT_REPLAY_RIG_H

#include "tests/unit/replay/fixture.h"

#define MS 1000000ull

enum {
	ISN = 77000,
	IRS = 33000,
};

struct sent {
	struct out_seg o;
	int64_t off;
	uint32_t bytes;
};

struct rig {
	struct fix fix;
	struct plan plan;
	struct live l;
	struct env env;
	struct sent sent[64];
	unsigned n;
	uint16_t win; // the engine's
	bool scale; // it offers a window scale, of 0
};

// Plans the first session of `fix`, with this side on the wire.
void rig_begin_side(struct rig *r, enum side side);
void rig_begin(struct rig *r); // the client
void rig_end(struct rig *r);
// The engine says something, seq and ack as offsets. Its SYN offers a scale where `scale` says so.
void engine(struct rig *r, int64_t seq, int64_t ack, uint8_t flags, uint32_t len, uint8_t fill);
// Lets the peer go on at a time. Returns when it wants to go on by itself.
uint64_t at(struct rig *r, uint64_t ms);

#endif
