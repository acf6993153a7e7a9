// What the TCP checksums of each sender of a file are like.
#ifndef TOOLS_REPLAY_SENDERS_H
#define TOOLS_REPLAY_SENDERS_H

#include <stdbool.h>
#include <stdint.h>

struct sender {
	uint8_t addr[16];
	uint64_t right, wrong;
};

// A tree (tsearch(3)): a flood has as many senders as frames.
struct senders {
	void *tree;
};

// The sender of this address, a new one if need be. Returns NULL when out of memory.
struct sender *senders_add(struct senders *s, const uint8_t addr[16]);
// The same, or NULL when it has not been added.
const struct sender *senders_find(const struct senders *s, const uint8_t addr[16]);
void senders_free(struct senders *s);

#endif
