// Chains of pieces: where a connection's received and unsent bytes lie in host memory.
//
// A receive chain is contiguous in stream offsets: piece after piece, each one buffer of the host's
// default group, from below or at rcv_nxt up to the highest byte that was placed. A send chain is
// contiguous from below or at snd_una up to snd_wr. Descriptors are filled before they are linked,
// and heads move before what they left behind is used again (docs/hard-state.md, rule 2).
//
// `tail` is the caller's soft copy of the last piece: STATE_NIL with a chain that is not empty
// means that it has to be looked for, as after chain_rx_trim() or chain_tx_trim().
#ifndef ENGINE_STATE_CHAIN_H
#define ENGINE_STATE_CHAIN_H

#include "engine/state/hostmem.h"
#include "engine/state/state.h"

// A part of what is to be sent.
struct chain_iov {
	const void *base;
	uint32_t len;
};

// One past the last payload byte of rcv_nxt or snd_wr, which count a FIN as one.
static inline uint64_t chain_data_end(uint64_t v)
{
	return STATE_OFF(v) - (v >> 63);
}

// Receive.

// Copies payload to stream offset `off`, at or past rcv_nxt, the caller's working copy. The chain
// is extended with buffers until it covers the payload, whatever lies in between: so data that
// comes out of order is at its place at once. A chain that was empty begins at rcv_nxt. A piece
// linked past the rcv_nxt that is committed is not committed yet.
// Returns how many bytes were placed, from the first on: fewer than `len` when buffers or pieces
// ran out. What was linked by then stays, and covers less than `off` perhaps.
uint32_t chain_rx_place(struct state *st, struct host_mem *m, struct rec *r, uint32_t *tail,
	uint64_t rcv_nxt, uint64_t off, const uint8_t *data, uint32_t len);

// One past the last byte that the chain has room for; where it would begin when it is empty.
uint64_t chain_rx_end(
	const struct state *st, const struct rec *r, uint32_t *tail, uint64_t rcv_nxt);

// How many more buffers the host could take now: there are so many, with descriptors within its share.
uint32_t chain_rx_room(const struct state *st, const struct host_mem *m);

// Frees the pieces that lie wholly below `consumed` (bounded here by the committed rcv_nxt).
// placed: one past the highest byte that was placed, in order or not: when everything up to there
// is consumed, the last piece goes too, though it has room. An idle connection holds no buffer.
// Returns how many buffers came free.
uint32_t chain_rx_release(struct state *st, struct host_mem *m, struct rec *r, uint32_t *tail,
	uint64_t consumed, uint64_t placed);

// Frees the pieces that begin at or past rcv_nxt (with or without STATE_FIN): what lies there was
// never committed, and who placed it has forgotten it. Sets *tail.
void chain_rx_trim(
	struct state *st, struct host_mem *m, struct rec *r, uint32_t *tail, uint64_t rcv_nxt);

// Frees the whole chain. m: NULL when the host's memory is gone.
void chain_rx_free_all(struct state *st, struct host_mem *m, struct rec *r);

// The places of the bytes [from, to), at most `max` spans; neighbours in memory become one.
// tail: as above; looked at first. Returns their number; *reached is the offset behind the last.
uint32_t chain_rx_spans(const struct state *st, const struct rec *r, uint32_t tail, uint64_t from,
	uint64_t to, ob_span *out, uint32_t max, uint64_t *reached);

// Send.

// Appends a span of host memory. It grows the last piece when it follows it in both stream and
// memory, so that small writes side by side take one piece together. marks: PIECE_PUSH, PIECE_MORE:
// they hold for the span's end. PSH is no record mark (RFC 9293 section 3.9.1.2): behind a PUSH more
// may come, and then it moves to the end of that.
// The caller stores snd_wr behind it. Returns 0, or -EAGAIN (nothing was changed) when no piece is
// free.
int chain_tx_append(struct state *st, struct host_mem *m, struct rec *r, uint32_t *tail,
	uint64_t start, uint64_t arena_off, uint32_t len, uint64_t marks);

// Frees the pieces wholly below the committed snd_una. *tail and *cursor become STATE_NIL when
// they are among them. Returns their number.
uint32_t chain_tx_release(struct state *st, struct host_mem *m, struct rec *r, uint32_t *tail,
	uint32_t *cursor, uint64_t snd_una);

// Cuts what lies at or past snd_wr (with or without STATE_FIN): never committed. Sets *tail.
void chain_tx_trim(
	struct state *st, struct host_mem *m, struct rec *r, uint32_t *tail, uint64_t snd_wr);

void chain_tx_free_all(struct state *st, struct host_mem *m, struct rec *r);

// The parts of host memory that hold the stream bytes [off, off + len), at most `max`.
// cursor: the piece to begin at, or STATE_NIL; it is left at the piece that holds the byte behind
// what was gathered, if there is one, else at the last.
// marks: PIECE_PUSH when a span that asked for it ends in the range, PIECE_MORE when the range ends
// with a span that has it. May be NULL.
// Returns the bytes gathered: fewer than `len` when `max` parts were not enough.
uint32_t chain_tx_gather(const struct state *st, const struct host_mem *m, const struct rec *r,
	uint32_t *cursor, uint64_t off, uint32_t len, struct chain_iov *out, uint32_t max,
	uint32_t *n, uint64_t *marks);

#endif
