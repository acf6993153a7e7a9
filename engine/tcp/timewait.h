// TIME-WAIT: 32-byte entries in the state segment, in order of expiry, found by the keyed hash of
// their tuple. When the table is full the oldest goes early (counted).
#ifndef ENGINE_TCP_TIMEWAIT_H
#define ENGINE_TCP_TIMEWAIT_H

#include "engine/base/counters.h"
#include "engine/net/seg.h"
#include "engine/state/state.h"

struct tcp_tw; // soft: index by key (rte_hash), order of expiry

// Built from the entries in the state segment, expired ones dropped. NULL: out of memory.
struct tcp_tw *tw_create(struct state *st, struct counters *cnt, uint32_t msl2_ms, uint64_t now_us);
void tw_destroy(struct tcp_tw *w);

// Enters a connection, or restarts the time of one that is there. expiry is stored last.
void tw_add(struct tcp_tw *w, const struct seg_tuple *t, uint32_t snd_nxt, uint32_t rcv_nxt,
	uint32_t ts_recent, uint64_t now_us);

// The entry of a tuple, or NULL.
struct tw *tw_find(struct tcp_tw *w, const struct seg_tuple *t, uint64_t now_us);
// Milliseconds since it was entered, or since its time began again. After tw_find().
uint32_t tw_age_ms(const struct tcp_tw *w, const struct tw *e);
void tw_remove(struct tcp_tw *w, struct tw *e);

// Drops what has expired; call once a turn, cheap when nothing has.
void tw_expire(struct tcp_tw *w, uint64_t now_us);
uint64_t tw_next_us(const struct tcp_tw *w); // UINT64_MAX: none
uint32_t tw_count(const struct tcp_tw *w);

#endif
