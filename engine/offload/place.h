// Placement: received payload goes straight to its place in host memory, what a NIC would do by DMA.
#ifndef ENGINE_OFFLOAD_PLACE_H
#define ENGINE_OFFLOAD_PLACE_H

#include "engine/state/chain.h"
#include "engine/tcp/tcp.h"

struct place {
	struct state *st;
	struct host_mem *mem; // [limits.hosts]
};

// Copies payload to stream offset `off`, at or past s->rcv_nxt, taking buffers of the host's
// default group. Returns how many bytes were placed, from the first on: none when the host's memory
// is gone, fewer than `len` when buffers or pieces ran out.
uint32_t place_rx(
	struct place *p, struct tcp_soft *s, uint64_t off, const uint8_t *data, uint32_t len);

// Where the received bytes [from, to) lie: at most `max` spans. `to` is not past the committed
// rcv_nxt. Returns their number; *reached is the offset behind the last of them.
uint32_t place_spans(const struct place *p, const struct tcp_soft *s, uint64_t from, uint64_t to,
	ob_span *out, uint32_t max, uint64_t *reached);

#endif
