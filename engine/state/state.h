// The state segment: a file that outlives the engine, mapped by primary and standby, never by a
// host. It holds hard state only; who owns what in it follows from reachability, never from a
// free list.
#ifndef ENGINE_STATE_STATE_H
#define ENGINE_STATE_STATE_H

#include "engine/base/clock.h"
#include "engine/base/config.h"
#include "engine/state/record.h"

#define STATE_MAGIC 0x4554415453424f01ull
#define STATE_VERSION 2u
#define STATE_KEY_BYTES 16u // of SipHash

struct state_secrets {
	uint8_t isn[STATE_KEY_BYTES]; // initial sequence numbers (RFC 6528)
	uint8_t ts[STATE_KEY_BYTES]; // offsets of timestamps
	uint8_t tw[STATE_KEY_BYTES]; // names of TIME-WAIT entries
	uint8_t cookie[STATE_KEY_BYTES]; // SYN cookies
};

struct state_hdr {
	uint64_t magic;
	uint32_t version;
	uint32_t hdr_bytes;
	uint64_t bytes;
	uint64_t features;
	_Atomic uint64_t epoch;
	struct ob_clock clock;
	struct state_secrets secrets;
	uint32_t n_conns, n_half, n_tw, n_pieces, n_listeners, n_hosts, n_settings;
	uint64_t recs_off, half_off, tw_off, pieces_off, listeners_off, chans_off;
	uint64_t settings_off, settings_of_off;
};

// This process's view of the segment, with the soft free lists.
struct state {
	struct state_hdr *hdr;
	struct rec *recs;
	struct half *half;
	struct tw *tw;
	struct piece *pieces;
	struct listener *listeners;
	struct chan_hard *chans; // [host * OB_MAX_CHANNELS + channel]
	struct settings *settings; // [limits.settings]
	_Atomic uint16_t *settings_of; // [n_conns + n_half]: of records, then half-open entries
	uint64_t bytes;
	int fd; // -1: anonymous memory
	bool huge;
	char path[CONFIG_TEXT];
	// Soft: stacks of free indices, rebuilt by state_scan().
	uint32_t *free_recs, *free_half, *free_pieces;
	uint32_t n_free_recs, n_free_half, n_free_pieces;
};

// Makes the segment afresh: at cfg's state_dir, else on hugetlbfs, else in /dev/shm; `anonymous`
// (tests) makes no file. hz: TSC rate. Returns 0 or a negative errno with a line in `err`.
int state_create(struct state *s, const struct config *cfg, bool anonymous, uint64_t tsc,
	uint64_t hz, char *err, size_t err_bytes);
// Unmaps; the file is removed when `unlink_file`.
void state_destroy(struct state *s, bool unlink_file);

// Rebuilds the free lists by one scan: a record, a half-open entry, a piece is free when nothing
// live reaches it. A record whose check sum is wrong becomes free. Returns how many of these there
// were, for the counter tcp_rec_damaged.
uint32_t state_scan(struct state *s);

// Each returns an index, or STATE_NIL when there is none. The record's generation is raised by
// rec_alloc; it becomes LIVE when the caller stores life.
uint32_t state_rec_alloc(struct state *s);
void state_rec_free(struct state *s, uint32_t i); // stores FREE
uint32_t state_half_alloc(struct state *s);
void state_half_free(struct state *s, uint32_t i); // stores HALF_FREE
uint32_t state_piece_alloc(struct state *s);
void state_piece_free(struct state *s, uint32_t i);

uint32_t settings_sum(const struct settings *v);

// Check sum of the cold line, without flags and the sum itself.
uint16_t rec_sum(const struct rec *r);

static inline uint32_t rec_gen(const struct rec *r)
{
	return REC_LIFE_GEN(atomic_load_explicit(&r->life, memory_order_relaxed));
}

static inline enum rec_phase rec_phase(const struct rec *r)
{
	return REC_LIFE_PHASE(atomic_load_explicit(&r->life, memory_order_relaxed));
}

// Plain reads and the publishing store of hard fields.
#define HARD_GET(field) atomic_load_explicit(&(field), memory_order_relaxed)
// Everything it covers was written before: release.
#define HARD_SET(field, v) atomic_store_explicit(&(field), (v), memory_order_release)

#endif
