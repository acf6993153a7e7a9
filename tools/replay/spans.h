// A set of offsets of a byte stream, as spans.
#ifndef TOOLS_REPLAY_SPANS_H
#define TOOLS_REPLAY_SPANS_H

#include <stdint.h>

struct span {
	int64_t start, end;
};

struct spans {
	struct span *at; // disjoint, ascending, never touching
	uint32_t n, room;
};

// Adds a span that is not empty. Returns 0 or -ENOMEM.
int spans_add(struct spans *s, struct span span);
// The end of the span that begins at or before `from` and reaches past it, or `from`.
int64_t spans_end(const struct spans *s, int64_t from);
// The start of the first span that begins behind `from`, or `none`.
int64_t spans_next(const struct spans *s, int64_t from, int64_t none);
void spans_free(struct spans *s);

#endif
