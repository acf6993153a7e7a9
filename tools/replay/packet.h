// One captured frame taken apart: link layer, VLAN tags, IP, TCP.
#ifndef TOOLS_REPLAY_PACKET_H
#define TOOLS_REPLAY_PACKET_H

#include <stdbool.h>
#include <stdint.h>

enum {
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_PSH = 0x08,
	TCP_ACK = 0x10,
	TCP_OPTIONS_MAX = 40,
};

enum packet_kind {
	PACKET_TCP,
	PACKET_OTHER, // something else than TCP: nothing to say about it
	PACKET_IPV6,
	PACKET_FRAGMENT,
	PACKET_BROKEN, // `why` says how
	PACKET_LINK, // no link type that is known
};

enum packet_sum {
	SUM_RIGHT,
	SUM_WRONG,
	SUM_PARTIAL, // the pseudo header's only: a NIC was to do the rest
	SUM_UNKNOWN, // the frame is cut
};

struct packet {
	uint8_t src[16], dst[16]; // IPv6, or IPv4 mapped
	uint16_t sport, dport;
	uint32_t seq, ack;
	uint16_t win, urg, ip_id;
	uint8_t flags, tos, n_opts;
	uint8_t opts[TCP_OPTIONS_MAX];
	const uint8_t *payload;
	uint32_t payload_bytes; // on the wire
	uint32_t have_bytes; // of these, in the file
	bool opts_cut; // what is missing of the options is NOPs
	enum packet_sum sum;
	const char *why;
};

// What lies behind the link layer.
struct link_payload {
	const uint8_t *at;
	uint32_t have_bytes;
	uint16_t ethertype;
};

// Whether frames of this libpcap link type can be read.
bool link_known(int linktype);
// Strips the link layer and any VLAN tags. Returns false when the frame is too short or not IP.
bool link_strip(int linktype, const uint8_t *frame, uint32_t bytes, struct link_payload *out);

// linktype: DLT_*. have_bytes: of the frame in the file, wire_bytes: on the wire.
enum packet_kind packet_parse(int linktype, const uint8_t *frame, uint32_t have_bytes,
	uint32_t wire_bytes, struct packet *p);

// Finds an option. Returns its place behind kind and length, *bytes how long, or NULL.
const uint8_t *packet_option(const uint8_t *opts, unsigned n_opts, uint8_t kind, unsigned *bytes);

static inline uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}
static inline uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}
static inline void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}
static inline void put32(uint8_t *p, uint32_t v)
{
	put16(p, (uint16_t)(v >> 16));
	put16(p + 2, (uint16_t)v);
}

// The ones' complement sum over bytes, folded to 16 bits, on top of `sum`.
uint32_t sum_add(uint32_t sum, const uint8_t *at, uint32_t bytes);

#endif
