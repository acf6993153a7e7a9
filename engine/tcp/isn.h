// Keyed hashes of a connection's tuple (SipHash of libsodium): sequence numbers, timestamp
// offsets, names of TIME-WAIT entries.
#ifndef ENGINE_TCP_ISN_H
#define ENGINE_TCP_ISN_H

#include "engine/net/seg.h"
#include "engine/state/state.h"

// RFC 6528: M + F(tuple, secret); M ticks every 4 microseconds of the engine clock.
uint32_t isn_make(const struct state_secrets *k, const struct seg_tuple *t, uint64_t now_us);

// Such a number, or one that lies beyond snd_nxt of the connection that had the tuple before (RFC 6191).
uint32_t isn_beyond(uint32_t isn, uint32_t snd_nxt);

// What is added to the millisecond clock in timestamps sent on this connection.
uint32_t isn_ts_offset(const struct state_secrets *k, const struct seg_tuple *t);

// 128-bit name of the tuple (SipHash-x-2-4).
void isn_tw_key(const struct state_secrets *k, const struct seg_tuple *t, uint8_t out[16]);

#endif
