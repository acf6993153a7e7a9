// Changing what is inside of a frame.
#include "tools/wire/impair.h"

enum {
	ETH_BYTES = 14,
	ETH_TYPE_OFF = 12,
	TYPE_IPV4 = 0x0800,
	TYPE_IPV6 = 0x86dd,
	IPV4_MIN_BYTES = 20,
	IPV6_BYTES = 40,
	ECN_MASK = 3,
	ECN_CE = 3,
};

static uint32_t load16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static void store16(uint8_t *p, uint32_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

// The length of the IP packet in a frame, without Ethernet padding; 0 when there is none.
static uint32_t ip_bytes(const uint8_t *frame, uint32_t len_bytes)
{
	uint32_t room, len;

	if (len_bytes < ETH_BYTES + IPV4_MIN_BYTES)
		return 0;
	room = len_bytes - ETH_BYTES;
	switch (load16(frame + ETH_TYPE_OFF)) {
	case TYPE_IPV4:
		len = load16(frame + ETH_BYTES + 2);
		return len < room ? len : room;
	case TYPE_IPV6:
		if (room < IPV6_BYTES)
			return 0;
		len = IPV6_BYTES + load16(frame + ETH_BYTES + 4);
		return len < room ? len : room;
	default:
		return 0;
	}
}

bool frame_mark_ce(uint8_t *frame, uint32_t len_bytes)
{
	uint8_t *ip = frame + ETH_BYTES;
	uint32_t before, sum;

	if (!ip_bytes(frame, len_bytes))
		return false;
	if (load16(frame + ETH_TYPE_OFF) == TYPE_IPV6) {
		// The traffic class straddles two bytes: its low two bits are bits 4 and 5 of the second.
		unsigned ecn = ip[1] >> 4 & ECN_MASK;

		if (ecn == 0 || ecn == ECN_CE)
			return false;
		ip[1] |= ECN_CE << 4;
		return true;
	}
	if ((ip[1] & ECN_MASK) == 0 || (ip[1] & ECN_MASK) == ECN_CE)
		return false;
	before = load16(ip);
	ip[1] |= ECN_CE;
	// RFC 1624, equation 3: HC' = ~(~HC + ~m + m').
	sum = (~load16(ip + 10) & 0xffff) + (~before & 0xffff) + load16(ip);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	store16(ip + 10, ~sum & 0xffff);
	return true;
}

bool frame_flip_bit(uint8_t *frame, uint32_t len_bytes, uint64_t pick)
{
	uint64_t bits = (uint64_t)ip_bytes(frame, len_bytes) * 8;

	if (!bits)
		return false;
	pick %= bits;
	frame[ETH_BYTES + pick / 8] ^= (uint8_t)(1u << pick % 8);
	return true;
}
