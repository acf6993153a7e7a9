// The hard state of connections, as it lies in the state segment.
//
// Positions are 64-bit stream offsets: offset 0 is the byte after the SYN, a FIN takes one offset.
// What an engine stores here is all that a successor knows. Rules: docs/hard-state.md.
#ifndef ENGINE_STATE_RECORD_H
#define ENGINE_STATE_RECORD_H

#include "shared/abi.h"
#include "shared/event.h"
#include "shared/option.h"

#define STATE_NIL UINT32_MAX
#define STATE_FIN (1ull << 63) // in rcv_nxt: their FIN is counted; in snd_wr: ours is
#define STATE_OFF(x) ((x) & ~STATE_FIN)

enum rec_phase {
	REC_FREE, // the rest of the record means nothing, but for the generation
	REC_LIVE,
	REC_DONE, // TCP is over; the host has not released the slot yet
};

// A fact is published by one store of life: {generation:32, error:24, phase:8}.
static inline uint64_t rec_life(uint32_t gen, uint32_t error, enum rec_phase phase)
{
	return (uint64_t)gen << 32 | (uint64_t)(error & 0xffffff) << 8 | phase;
}

#define REC_LIFE_PHASE(life) ((enum rec_phase)((life)&0xff))
#define REC_LIFE_ERROR(life) ((uint32_t)((life) >> 8) & 0xffffff)
#define REC_LIFE_GEN(life) ((uint32_t)((life) >> 32))

// Bits of rec.flags. Set before the store that makes them matter.
#define REC_FIN_FIRST 0x01u // their FIN came before ours was asked for
#define REC_CLOSED 0x02u // the application is done with it, both ways
#define REC_ORPHAN 0x04u // its host is gone
#define REC_NODELAY 0x08u // these two are copies of its settings
#define REC_QUICKACK 0x10u
#define REC_ACTIVE 0x20u // it was opened by connect
#define REC_RELEASED 0x40u // closed, and its host gave the slot up before TCP was over
// Nobody is told of it, and it is freed when it is over.
#define REC_UNHEARD (REC_ORPHAN | REC_RELEASED)

// A bit of rec.opts and half.opts that hosts do not see (engine/tcp/ecn.h).
#define REC_NO_ECT 0x80u

struct rec {
	// Hot. engine: rw
	alignas(64) _Atomic uint64_t life;
	_Atomic uint64_t snd_una; // all below is acknowledged
	_Atomic uint64_t snd_max; // all below may have been sent
	_Atomic uint64_t snd_wr; // all below was written by the host; STATE_FIN: it shut down
	_Atomic uint64_t rcv_nxt; // all below is placed; STATE_FIN: and their FIN was received
	_Atomic uint64_t rcv_edge; // highest offset that was ever advertised
	_Atomic uint32_t rcv_head; // first piece of received data, or STATE_NIL
	_Atomic uint32_t snd_head; // first piece of data to send, or STATE_NIL
	_Atomic uint32_t ts_recent; // RFC 7323
	_Atomic uint32_t activity; // seconds of the engine clock at the last good segment
	// Cold: written before life says LIVE, but for flags.
	alignas(64) struct ob_addr laddr;
	struct ob_addr raddr;
	uint16_t lport; // host byte order
	uint16_t rport;
	uint16_t host;
	uint8_t chan;
	_Atomic uint8_t flags; // REC_*; not in the check sum
	uint32_t slot;
	uint32_t slot_gen;
	uint32_t iss;
	uint32_t irs;
	uint16_t mss; // largest payload to send, without options
	uint16_t listener; // of the state segment, or UINT16_MAX
	uint8_t wscale; // low 4 bits: the peer's shift; high 4 bits: ours
	uint8_t opts; // OB_NEG_*, REC_NO_ECT
	uint16_t sum; // check sum of the cold line
};
static_assert(sizeof(struct rec) == 128, "two cache lines");
static_assert(offsetof(struct rec, laddr) == 64, "the cold line");

// A span of data in host memory. A receive piece holds one receive buffer: what of it is filled
// follows from rcv_nxt. A send piece holds one span, of which snd_wr may allow only a part.
struct piece {
	uint32_t conn;
	uint32_t gen; // of the connection's record
	_Atomic uint32_t next;
	uint32_t len; // bytes: receive: the buffer's room; send: the span
	uint64_t start; // stream offset of its first byte
	uint64_t where; // bits 0-39 offset in the segment, 40-55 buffer generation, 56-63 marks
};
static_assert(sizeof(struct piece) == 32, "half a cache line");

#define PIECE_OFF(p) ((p)->where & ((1ull << 40) - 1))
#define PIECE_PUSH (1ull << 56)
#define PIECE_MORE (1ull << 57)

enum half_phase { HALF_FREE, HALF_SYN_SENT, HALF_SYN_RCVD, HALF_FAILED };

// A half-open connection, committed before its SYN or SYN-ACK leaves.
struct half {
	alignas(64) struct ob_addr laddr;
	struct ob_addr raddr;
	uint16_t lport;
	uint16_t rport;
	uint32_t iss;
	uint32_t irs; // SYN_RCVD
	uint16_t mss; // SYN_RCVD: the peer's, bounded by ours
	uint16_t host;
	uint16_t listener; // UINT16_MAX: an active open
	uint8_t chan;
	uint8_t opts; // as in struct rec
	uint8_t wscale;
	_Atomic uint8_t phase; // enum half_phase
	uint16_t error; // HALF_FAILED: positive errno
	uint32_t slot; // active open
	uint32_t slot_gen;
};
static_assert(sizeof(struct half) == 64, "a cache line");

// TIME-WAIT, committed before the last ACK leaves.
struct tw {
	uint8_t key[16]; // keyed hash of the tuple
	uint32_t snd_nxt;
	uint32_t rcv_nxt;
	uint32_t ts_recent;
	_Atomic uint32_t expiry; // milliseconds of the engine clock, never 0; 0: free
};
static_assert(sizeof(struct tw) == 32, "half a cache line");

struct listener {
	// rec_life(): generation and phase. LIVE: it accepts. DONE: no more, but records may name it whose
	// host was not told of them; they are to be told under its number, and no other's, so that it is
	// FREE only after that.
	_Atomic uint64_t life;
	struct ob_addr laddr;
	uint16_t lport;
	uint16_t host;
	uint8_t chan;
	uint8_t spare8;
	uint16_t number; // the host's
	uint32_t backlog;
	uint32_t rcv_wnd; // bytes, 0: the default
	_Atomic uint16_t settings; // what its connections start with
	uint16_t spare16[3];
	uint64_t spare[2];
};
static_assert(sizeof(struct listener) == 64, "a cache line");

// A combination of settings that applications made, shared by all connections, connects and listeners
// that have it. It is whole before anything refers to it, and does not change while something does.
// Number 0 is what nobody has set anything of.
#define SETTINGS_VALUES 28u
struct settings {
	uint64_t
		made; // bit N: option N (shared/option.h) was set; the others follow the configuration
	uint32_t sum; // of made and value
	uint32_t spare;
	uint32_t value[SETTINGS_VALUES]; // [option - 1]; 0 where not made
};
static_assert(sizeof(struct settings) == 128, "two cache lines");
static_assert(OB_OPT_N - 1 <= SETTINGS_VALUES, "every option has its place");

// What the engine commits about a channel: how far its rings are handled.
struct chan_hard {
	_Atomic uint32_t req_head;
	_Atomic uint32_t ev_tail;
};

#endif
