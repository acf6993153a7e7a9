// TCP segments on their way between the network layer and TCP.
//
// TCP reads no packet and builds none: it takes struct seg_in, and gives struct seg_out to a sink.
#ifndef ENGINE_NET_SEG_H
#define ENGINE_NET_SEG_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/abi.h"

#define TCP_FIN 0x01u
#define TCP_SYN 0x02u
#define TCP_RST 0x04u
#define TCP_PSH 0x08u
#define TCP_ACK 0x10u
#define TCP_URG 0x20u
#define TCP_ECE 0x40u
#define TCP_CWR 0x80u

#define TCP_OPT_BYTES 40u
#define SEG_IOV 4u

// Identifies a connection, seen from us. Hashed as 40 bytes: `zero` is zero.
struct seg_tuple {
	struct ob_addr laddr;
	struct ob_addr raddr;
	uint16_t lport; // host byte order
	uint16_t rport;
	uint32_t zero;
};
static_assert(sizeof(struct seg_tuple) == 40, "a key without padding");

// A received segment: lengths and checksum were verified, nothing else.
// Pointers are valid until the burst is over.
struct seg_in {
	struct seg_tuple t;
	uint32_t seq;
	uint32_t ack;
	uint16_t wnd; // as on the wire, not scaled
	uint16_t urg;
	uint8_t flags; // TCP_*
	uint8_t ecn; // the IP header's ECN field
	uint8_t opt_len;
	const uint8_t *opt;
	const uint8_t *data;
	uint32_t len;
};

// A segment to send.
struct seg_out {
	struct seg_tuple t;
	uint32_t seq;
	uint32_t ack;
	uint16_t wnd;
	uint8_t flags;
	uint8_t ecn;
	uint8_t opt_len; // a multiple of 4
	uint8_t n_iov;
	bool may_fragment; // DF is not set
	uint8_t opt[TCP_OPT_BYTES];
	uint32_t len; // the sum of the parts below
	struct {
		const void *base;
		uint32_t len;
	} iov[SEG_IOV];
};

// Where segments go. `room` says how many may be emitted in this turn; emit returns 0, -ENOBUFS
// (no packet or no room: try in a later turn), -EHOSTUNREACH (no route, or the neighbour failed)
// or -EINPROGRESS is never returned: a packet that waits for its neighbour counts as sent.
struct seg_sink {
	void *ctx;
	unsigned (*room)(void *ctx);
	int (*emit)(void *ctx, const struct seg_out *s);
};

// What an ICMP error says of a connection (RFC 1122 section 4.2.3.9, RFC 5927).
struct seg_icmp {
	struct seg_tuple t;
	uint32_t seq; // of the segment that it quotes
	int error; // -ECONNREFUSED, -EHOSTUNREACH, -ENETUNREACH, -EPROTO, -EMSGSIZE
	bool hard; // may end a half-open connection
	uint16_t mtu; // -EMSGSIZE: next-hop MTU, or 0
};

#endif
