// How much of a session may be missing from the file. What is missing is made up and held in memory; of
// a few frames with numbers far apart that would be all of it.
#ifndef TOOLS_REPLAY_MISSING_H
#define TOOLS_REPLAY_MISSING_H

#include "tools/replay/session.h"

// Bytes made up at most: this much, and so much for each byte that its frames had on the wire (with
// their headers: a peer that acknowledges every second segment of 1448 bytes takes 66 for 2,896). In
// all no more than memory has room for.
#define MISSING_FREE_BYTES (4ull << 20)
#define MISSING_FREE_ALL_BYTES (64ull << 20)
#define MISSING_FACTOR 64
#define MISSING_MAX_BYTES (1ull << 30)

// What a frame had on the wire, about.
static inline uint32_t missing_frame_bytes(const struct packet *p)
{
	return 54 + p->n_opts + p->payload_bytes;
}

// Counts what would be missing of a session and of all with one more segment. Returns false when that is
// too much: then the session is left out, with a note, and what it held is given back.
bool missing_fits(
	struct sessions *s, struct session *c, const struct seg *g, const struct packet *p);

#endif
