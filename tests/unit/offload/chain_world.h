// A connection with chains of pieces, for the tests of chains and placement: its stream is a flat array
// of what lies at which offset, and the chains are compared with it.
#ifndef TESTS_UNIT_OFFLOAD_CHAIN_WORLD_H
#define TESTS_UNIT_OFFLOAD_CHAIN_WORLD_H

#include "engine/base/config.h"
#include "engine/offload/place.h"
#include "tests/unit/eal_main.h"

#define BUF 512u
#define BUFS 24u
#define PIECES 64u
#define SEG_BYTES (1u << 20)
#define STREAM (1u << 20)

struct world {
	struct state st;
	struct host_mem m;
	struct place place;
	struct tcp_soft s;
	struct rec *r;
	uint8_t *stream; // byte of each offset
};

void world_open(struct world *w);
void world_close(struct world *w);
// Draws from a seed that world_main() prints: [0, below).
uint32_t world_rnd(uint32_t below);
// Places the stream's bytes [off, off + len). Returns how many were placed.
uint32_t world_put(struct world *w, uint64_t off, uint32_t len);
void world_commit(struct world *w, uint64_t rcv_nxt);
// Whether the bytes [from, to) lie where the spans say.
bool world_holds(struct world *w, uint64_t from, uint64_t to);
uint32_t world_chain_len(const struct world *w, uint32_t head);
// Nothing is lost and nothing is given twice: what is not free is in a chain, and the chain is
// contiguous.
bool world_sound(const struct world *w);
// Runs the tests; an argument is the seed.
int world_main(int argc, char **argv, const char *name, CU_TestInfo *tests);

#endif
