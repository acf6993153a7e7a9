// Requests: what a host asks of the engine, one 64-byte entry each.
//
// Every request is idempotent: it is keyed by what the host chose (a listener, a slot and its
// generation, a stream offset), so that one which is handled twice does no harm.
// Stream offsets count payload bytes from 0; a FIN takes the offset behind the last byte.
#ifndef OB_SHARED_REQUEST_H
#define OB_SHARED_REQUEST_H

#include "shared/option.h"

#define OB_REQUEST_LIST(X)                                                                         \
	X(NOP, "does nothing")                                                                     \
	X(LISTEN, "accept connections to an address and port")                                     \
	X(UNLISTEN, "accept no more; established connections stay")                                \
	X(CONNECT, "open a connection in a slot of the host's choice")                             \
	X(SEND, "send a span of the arena at a stream offset")                                     \
	X(CONSUMED, "received bytes below an offset are no longer needed")                         \
	X(SHUTDOWN, "no more will be sent: a FIN after the last byte")                             \
	X(CLOSE, "the application is done with the connection, both ways")                         \
	X(ABORT, "reset the connection")                                                           \
	X(RELEASE, "the slot is free: the host has seen the end, or does not wait for it")         \
	X(SETOPT, "set an option of a connection or listener (shared/option.h)")

enum ob_req_op {
#define X(name, doc) OB_RQ_##name,
	OB_REQUEST_LIST(X)
#undef X
		OB_RQ_N
};

// Flags of SEND.
#define OB_RQ_MORE 0x01u // more follows: a segment that is not full may wait for it
#define OB_RQ_PUSH 0x02u // set PSH at the end of this span
// Flags of SETOPT.
#define OB_RQ_LISTENER 0x04u // slot and gen are a listener's: for the connections it will accept

struct ob_req {
	uint8_t op; // enum ob_req_op
	uint8_t flags;
	uint16_t option; // SETOPT: enum ob_option
	uint32_t slot; // connection slot; LISTEN and UNLISTEN: the host's listener number
	uint32_t gen; // generation of the slot or listener, never 0, greater than its last one
	uint32_t len; // SEND: bytes; LISTEN: backlog
	// SEND: stream offset of its first byte. SHUTDOWN, CLOSE: offset of the FIN, that is all that
	// was sent. CONSUMED: the offset. SETOPT: the value.
	uint64_t off;
	union {
		struct {
			uint64_t arena_off; // of the payload, from the start of the segment
			uint64_t consumed; // the same as a CONSUMED request; 0 says nothing
		} send;
		struct {
			struct ob_addr laddr; // LISTEN: may be unspecified; CONNECT: the same
			struct ob_addr raddr; // CONNECT
			uint16_t lport; // host byte order; 0 lets the engine choose
			uint16_t rport;
			uint32_t spare;
		} addr;
	};
};
static_assert(sizeof(struct ob_req) == OB_ENTRY_BYTES, "ABI: a request is one line");

#endif
