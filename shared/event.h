// Events: what the engine tells a host, one 64-byte entry each.
//
// Every event carries absolute values and can be derived again from hard state, so that one which
// comes twice changes nothing: the library drops what it has.
#ifndef OB_SHARED_EVENT_H
#define OB_SHARED_EVENT_H

#include "shared/abi.h"

#define OB_EVENT_LIST(X)                                                                           \
	X(NONE, "nothing")                                                                         \
	X(LISTEN, "the result of a listen request")                                                \
	X(ACCEPT, "a connection was established to a listener")                                    \
	X(CONNECT, "the result of a connect request")                                              \
	X(DATA, "received data was placed, or the peer closed")                                    \
	X(SENT, "bytes were acknowledged, for up to three connections")                            \
	X(CLOSED, "the connection is over; the host answers with RELEASE")                         \
	X(REFUSED, "a request could not be taken: op, slot and error")

enum ob_ev_type {
#define X(name, doc) OB_EV_##name,
	OB_EVENT_LIST(X)
#undef X
		OB_EV_N
};

#define OB_EV_FIN 0x01u // DATA: the peer closed; the stream ends behind these spans
#define OB_EV_PUSH 0x02u // DATA: the sender marked the end of what is reported
#define OB_EV_NO_LISTENER 0x04u // ACCEPT: of none that the host has any more: it is to be reset

#define OB_EV_SPANS 4u
#define OB_EV_SENT_MAX 3u

// A span of received data: where it lies in the segment and how long it is.
typedef uint64_t ob_span; // bits 0-39 offset, bits 40-63 length in bytes

static inline ob_span ob_span_make(uint64_t off, uint32_t len)
{
	return off | (uint64_t)len << 40;
}

static inline uint64_t ob_span_off(ob_span s)
{
	return s & ((1ull << 40) - 1);
}

static inline uint32_t ob_span_len(ob_span s)
{
	return (uint32_t)(s >> 40);
}

struct ob_ev_sent {
	uint32_t slot;
	uint32_t gen;
	uint64_t off; // all below it is acknowledged
};

struct ob_event {
	uint8_t type; // enum ob_ev_type
	uint8_t n; // DATA: spans; SENT: entries
	uint8_t flags; // OB_EV_*
	uint8_t req_op; // REFUSED: the request's op
	uint32_t slot; // connection slot; LISTEN: the host's listener number
	uint32_t gen;
	int32_t error; // 0 or a negative errno: LISTEN, CONNECT, CLOSED, REFUSED
	union {
		struct {
			uint64_t off; // stream offset of the first span's first byte
			uint64_t
				sent; // all below this offset of the other direction is acknowledged
			ob_span spans[OB_EV_SPANS];
		} data;
		struct ob_ev_sent sent[OB_EV_SENT_MAX];
		struct { // ACCEPT, CONNECT
			struct ob_addr laddr;
			struct ob_addr raddr;
			uint16_t lport; // host byte order
			uint16_t rport;
			uint16_t mss;
			uint8_t opts; // OB_NEG_*
			uint8_t chan_listener; // ACCEPT: the host's listener number
			uint64_t when_us; // engine clock at establishment
		} conn;
		struct {
			uint64_t sent; // final: bytes that the peer acknowledged
			uint64_t received; // final: bytes placed
		} closed;
		struct {
			uint16_t lport; // LISTEN: the port in use
		} listen;
	};
};
static_assert(sizeof(struct ob_event) == OB_ENTRY_BYTES, "ABI: an event is one line");

// Negotiated options, as reported.
#define OB_NEG_WSCALE 0x01u
#define OB_NEG_TS 0x02u
#define OB_NEG_SACK 0x04u
#define OB_NEG_ECN 0x08u

#endif
