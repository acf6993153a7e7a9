// A host's segment: the memory that one application shares with the engine.
//
//   0           struct ob_seg_hdr
//   chan_off    n_channels * struct ob_chan_shm, each followed by its request and event entries
//   slots_off   n_slots * struct ob_slot_word
//   arena_off   arena: first the receive buffers [rx_off, rx_off + rx_bytes), which the engine
//               hands out; the rest belongs to the host, which sends from it
//
// The host library makes it as a memfd, sealed against shrinking and growing. The engine takes the
// layout from the attach message and never reads it from the segment.
#ifndef OB_SHARED_SEGMENT_H
#define OB_SHARED_SEGMENT_H

#include "shared/option.h"
#include "shared/ring.h"

#define OB_SEG_HDR_BYTES 4096u

// Sizes and offsets in bytes from the start of the segment. ob_seg_layout_make() fills it,
// ob_seg_layout_check() is the engine's proof that every part is inside and none overlaps.
struct ob_seg_layout {
	uint64_t seg_bytes;
	uint64_t chan_off;
	uint64_t chan_stride; // bytes from one channel to the next
	uint64_t slots_off;
	uint64_t arena_off;
	uint64_t arena_bytes;
	uint64_t rx_off; // within the segment, inside the arena
	uint64_t rx_bytes; // a multiple of rx_buf_bytes
	uint32_t rx_buf_bytes; // a multiple of 64
	uint32_t n_channels;
	uint32_t req_order; // log2 of the entries of a request ring
	uint32_t ev_order; // log2 of the entries of an event ring
	uint32_t n_slots_accept; // slots [0, n_slots_accept) are given out by the engine
	uint32_t n_slots_connect; // the slots after them are chosen by the host
};
static_assert(sizeof(struct ob_seg_layout) == 88, "ABI");

struct ob_seg_hdr {
	// constant after attach; written by the host, for people and for recovery only
	uint64_t magic;
	uint32_t abi_version;
	uint32_t hdr_bytes;
	uint64_t features;
	struct ob_seg_layout layout;
	char name[OB_NAME_BYTES];
	// engine: rw, host: ro. Not 0 while the engine sleeps and wants a doorbell.
	alignas(64) _Atomic uint32_t engine_sleeping;
	// engine: rw, host: ro. Raised by each engine that takes this segment over.
	_Atomic uint32_t engine_epoch;
	// engine: rw, host: ro. Descriptors that the host's sends may hold at once, written before the
	// engine answers the attach; 0: it does not say. A SEND that does not go on where the last one
	// of its connection ended, in stream and memory, takes one; a send that finds none waits, and
	// its ring with it.
	_Atomic uint32_t max_sends;
	// engine: rw, host: ro. What a connection has of each option (shared/option.h) that nobody set;
	// written as max_sends is.
	alignas(64) _Atomic uint32_t defaults[OB_OPTIONS_MAX];
};
static_assert(sizeof(struct ob_seg_hdr) <= OB_SEG_HDR_BYTES, "ABI: the header has its page");

// One channel. Entries follow: the request ring's, then the event ring's.
struct ob_chan_shm {
	struct ob_ring req; // producer: host
	struct ob_ring ev; // producer: engine
	// host: rw, engine: ro. Not 0 while the channel's thread sleeps and wants a doorbell.
	alignas(64) _Atomic uint32_t host_sleeping;
};
static_assert(sizeof(struct ob_chan_shm) == 320, "ABI");

// What the host says of a connection slot. host: rw, engine: ro (it clamps what it reads).
// Recovery reads these two; in service the same facts come as requests.
struct ob_slot_word {
	_Atomic uint64_t consumed; // stream offset below which the host needs nothing any more
	_Atomic uint32_t taken_gen; // generation of the connection that the host has taken
	_Atomic uint32_t spare;
};
static_assert(sizeof(struct ob_slot_word) == 16, "ABI");

static inline uint64_t ob_chan_bytes(uint32_t req_order, uint32_t ev_order)
{
	return sizeof(struct ob_chan_shm)
		+ (((uint64_t)1 << req_order) + ((uint64_t)1 << ev_order)) * OB_ENTRY_BYTES;
}

static inline struct ob_chan_shm *ob_seg_chan(void *seg, const struct ob_seg_layout *l, uint32_t i)
{
	return (struct ob_chan_shm *)((uint8_t *)seg + l->chan_off + i * l->chan_stride);
}

static inline void *ob_chan_req_entries(struct ob_chan_shm *c)
{
	return (uint8_t *)c + sizeof(*c);
}

static inline void *ob_chan_ev_entries(struct ob_chan_shm *c, const struct ob_seg_layout *l)
{
	return (uint8_t *)c + sizeof(*c) + ((size_t)OB_ENTRY_BYTES << l->req_order);
}

static inline struct ob_slot_word *ob_seg_slot(void *seg, const struct ob_seg_layout *l, uint32_t i)
{
	return (struct ob_slot_word *)((uint8_t *)seg + l->slots_off) + i;
}

// Lays a segment out. In `l` come n_channels, orders, slots, rx_buf_bytes, the wanted rx_bytes
// and, as arena_bytes, the wanted size of the host's own part; everything else is filled in.
// page_bytes: what the size and the arena are rounded up to. Returns 0 or -EINVAL.
static inline int ob_seg_layout_make(struct ob_seg_layout *l, uint64_t page_bytes)
{
	uint64_t at = OB_SEG_HDR_BYTES;
	uint64_t own = l->arena_bytes;

	if (l->n_channels == 0 || l->n_channels > OB_MAX_CHANNELS || l->rx_buf_bytes % 64 != 0
		|| l->req_order < OB_MIN_RING_ORDER || l->req_order > OB_MAX_RING_ORDER
		|| l->ev_order < OB_MIN_RING_ORDER || l->ev_order > OB_MAX_RING_ORDER
		|| l->rx_buf_bytes < OB_MIN_RX_BUF || l->rx_buf_bytes > OB_MAX_RX_BUF
		|| l->n_slots_accept > OB_MAX_SLOTS || l->n_slots_connect > OB_MAX_SLOTS
		|| own > OB_MAX_SEGMENT / 4 || l->rx_bytes > OB_MAX_SEGMENT / 4)
		return -EINVAL;
	l->chan_off = at;
	l->chan_stride = ob_chan_bytes(l->req_order, l->ev_order);
	at += l->chan_stride * l->n_channels;
	l->slots_off = at;
	at += ((uint64_t)l->n_slots_accept + l->n_slots_connect) * sizeof(struct ob_slot_word);
	at = (at + page_bytes - 1) / page_bytes * page_bytes;
	l->arena_off = at;
	l->rx_off = at;
	l->rx_bytes = l->rx_bytes / l->rx_buf_bytes * l->rx_buf_bytes;
	l->arena_bytes = l->rx_bytes + own;
	at += l->arena_bytes;
	at = (at + page_bytes - 1) / page_bytes * page_bytes;
	l->arena_bytes = at - l->arena_off;
	l->seg_bytes = at;
	return 0;
}

// Whether `part` bytes at `off` lie inside [lo, hi), without overflow.
static inline bool ob_range_inside(uint64_t off, uint64_t part, uint64_t lo, uint64_t hi)
{
	return off >= lo && off <= hi && part <= hi - off;
}

// The engine's check of a layout that a host sent. Returns NULL, or what is wrong with it.
static inline const char *ob_seg_layout_check(const struct ob_seg_layout *l)
{
	uint64_t n_slots = (uint64_t)l->n_slots_accept + l->n_slots_connect;

	if (l->n_channels == 0 || l->n_channels > OB_MAX_CHANNELS)
		return "number of channels";
	if (l->req_order < OB_MIN_RING_ORDER || l->req_order > OB_MAX_RING_ORDER
		|| l->ev_order < OB_MIN_RING_ORDER || l->ev_order > OB_MAX_RING_ORDER)
		return "size of a ring";
	if (l->n_slots_accept > OB_MAX_SLOTS || l->n_slots_connect > OB_MAX_SLOTS || n_slots == 0)
		return "number of slots";
	if (l->seg_bytes > OB_MAX_SEGMENT || l->seg_bytes < OB_SEG_HDR_BYTES)
		return "size of the segment";
	if (l->chan_stride != ob_chan_bytes(l->req_order, l->ev_order) || l->chan_off % 64 != 0
		|| !ob_range_inside(l->chan_off, l->chan_stride * l->n_channels, OB_SEG_HDR_BYTES,
			l->seg_bytes))
		return "place of the channels";
	if (l->slots_off % 64 != 0
		|| !ob_range_inside(l->slots_off, n_slots * sizeof(struct ob_slot_word),
			l->chan_off + l->chan_stride * l->n_channels, l->seg_bytes))
		return "place of the slot words";
	if (l->arena_off % 64 != 0
		|| !ob_range_inside(l->arena_off, l->arena_bytes,
			l->slots_off + n_slots * sizeof(struct ob_slot_word), l->seg_bytes))
		return "place of the arena";
	if (l->rx_buf_bytes < OB_MIN_RX_BUF || l->rx_buf_bytes > OB_MAX_RX_BUF
		|| l->rx_buf_bytes % 64 != 0 || l->rx_bytes % l->rx_buf_bytes != 0)
		return "size of the receive buffers";
	if (l->rx_off % 64 != 0
		|| !ob_range_inside(
			l->rx_off, l->rx_bytes, l->arena_off, l->arena_off + l->arena_bytes))
		return "place of the receive buffers";
	return NULL;
}

#endif
