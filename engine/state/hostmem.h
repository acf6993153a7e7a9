// The memory of attached hosts, as the engine maps it, with the receive buffers it hands out.
//
// Soft: the free list of buffers is rebuilt from what is reachable. Every access to `base` may
// meet a hole that the host punched; hostif's SIGBUS handler then maps other pages over it and
// sets `broken`.
#ifndef ENGINE_STATE_HOSTMEM_H
#define ENGINE_STATE_HOSTMEM_H

#include "shared/segment.h"

struct host_mem {
	uint8_t *base; // NULL: no such host
	struct ob_seg_layout l; // the engine's own copy, checked
	_Atomic int broken;
	// Receive buffers of the default group, by number: a stack of free ones.
	uint32_t n_bufs;
	uint32_t n_free;
	uint32_t low_mark; // below this many, advertised edges stop rising
	// Descriptors of its data, within the host's share: each direction has its own, so that what a
	// host has not read never keeps it from sending. max_pieces 0: no limit.
	uint32_t max_pieces;
	uint32_t
		piece_share; // it may have this many times the descriptors that are left; 0: no limit
	uint32_t rx_pieces;
	uint32_t tx_pieces;
	// Hosts of one user have one account of connections. max_conns 0: no limit.
	uint32_t account;
	uint32_t max_conns;
	uint32_t *free;
	uint16_t *gen; // by buffer: raised each time it is handed out
};

// Takes a buffer. Returns its offset in the segment, or 0 when none is free.
static inline uint64_t host_buf_get(struct host_mem *m, uint16_t *gen)
{
	uint32_t i;

	if (m->n_free == 0)
		return 0;
	i = m->free[--m->n_free];
	*gen = ++m->gen[i];
	return m->l.rx_off + (uint64_t)i * m->l.rx_buf_bytes;
}

static inline void host_buf_put(struct host_mem *m, uint64_t off)
{
	m->free[m->n_free++] = (uint32_t)((off - m->l.rx_off) / m->l.rx_buf_bytes);
}

#endif
