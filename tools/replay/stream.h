// One side's byte stream, put together from segments in any order.
#ifndef TOOLS_REPLAY_STREAM_H
#define TOOLS_REPLAY_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/replay/spans.h"

struct stream {
	uint8_t *data;
	int64_t len; // the end of the highest byte put or claimed
	int64_t room;
	int64_t known_bytes; // that were put
	struct spans known;
};

// What stands for a byte that is not in the file.
static inline uint8_t stream_made_up(int64_t offset)
{
	return (uint8_t)((uint64_t)offset * 31);
}

// Puts bytes at an offset; those that are known already stay. Returns 0; 1 when some of those were
// others (the first copy is kept); or -ENOMEM.
int stream_put(struct stream *s, int64_t offset, const uint8_t *data, uint32_t bytes);
// The stream reaches at least to `end`; what is between is unknown. Returns 0 or -ENOMEM.
int stream_claim(struct stream *s, int64_t end);
// Fills what is unknown with made-up bytes. Returns how many these were; *first is the first's
// offset.
int64_t stream_fill(struct stream *s, int64_t *first);
// The end of the known bytes from offset 0 on.
int64_t stream_contiguous(const struct stream *s);
void stream_free(struct stream *s);

#endif
