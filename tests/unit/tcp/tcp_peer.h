// A peer that answers by itself, for tests that are about a whole transfer: it sends a stream of
// its own, takes the engine's in order, and is as strict as a kernel about what it accepts. Its
// own loss recovery is the simplest there is: go back to what is not acknowledged. With `sack` it
// keeps what comes out of order and speaks SACK and D-SACK.
#ifndef TESTS_UNIT_TCP_PEER_H
#define TESTS_UNIT_TCP_PEER_H

#include "tests/unit/tcp/tcp_bench.h"

struct peer {
	struct bench *b;
	// Given
	uint64_t to_send; // bytes; the FIN follows when `close`
	uint64_t to_read; // bytes of the host; then its FIN is expected
	bool close;
	uint32_t mss;
	uint32_t wnd;
	unsigned drop_pm; // in a thousand, each way
	unsigned dup_pm; // segments to the engine that come twice
	unsigned reorder_pm; // that come after the next one
	unsigned seed;
	// Offsets in the streams
	uint64_t snd_una, snd_nxt;
	uint64_t rcv_nxt; // of data
	uint64_t snd_wnd;
	uint64_t moved_us; // when snd_una last moved
	bool fin_sent, fin_acked, fin_rcvd, reset;
	bool ack_due;
	bool sack; // keeps what is not in order, and says so
	struct tcp_ooo ooo;
	uint64_t dup_start, dup_end; // what came twice
	// The host's side
	uint64_t host_sent, host_read;
	bool host_closed;
	bool host_stopped; // reads nothing
	uint32_t host_chunk;
	unsigned rounds;
};

// Beginning behind the handshake of establish().
void peer_init(struct peer *p, struct bench *b, uint64_t to_send, uint64_t to_read);
// One round: the host reads and writes, the peer takes and answers, 1 ms passes.
void peer_round(struct peer *p);
// Rounds until both streams and FINs are through. Returns whether they are, in `limit` rounds.
bool peer_run(struct peer *p, unsigned limit);
bool peer_done(const struct peer *p);

#endif
