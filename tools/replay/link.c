// What lies in front of IP.
#include <pcap/dlt.h>
#include <stddef.h>
#include <string.h>

#include "tools/replay/packet.h"

enum {
	TYPE_IPV4 = 0x0800,
	TYPE_IPV6 = 0x86dd,
	TYPE_VLAN = 0x8100, // 802.1Q
	TYPE_QINQ = 0x88a8, // 802.1ad
	TYPE_QINQ_OLD = 0x9100,
	TAGS_MAX = 4,
};

bool link_known(int linktype)
{
	switch (linktype) {
	case DLT_EN10MB:
	case DLT_RAW:
	case DLT_IPV4:
	case DLT_LINUX_SLL:
	case DLT_LINUX_SLL2:
	case DLT_NULL:
	case DLT_LOOP:
		return true;
	default:
		return false;
	}
}

// The address family in front of a loopback frame: in the byte order of whoever wrote it.
static uint16_t family_type(const uint8_t *p)
{
	uint32_t family = get32(p);

	if (family > 0xffff)
		family = (uint32_t)p[0] | (uint32_t)p[1] << 8;
	return family == 2 ? TYPE_IPV4 : TYPE_IPV6;
}

static uint16_t version_type(const uint8_t *p)
{
	return p[0] >> 4 == 4 ? TYPE_IPV4 : TYPE_IPV6;
}

bool link_strip(int linktype, const uint8_t *frame, uint32_t bytes, struct link_payload *out)
{
	uint32_t head;

	switch (linktype) {
	case DLT_EN10MB:
		head = 14;
		break;
	case DLT_LINUX_SLL:
		head = 16;
		break;
	case DLT_LINUX_SLL2:
		head = 20;
		break;
	case DLT_NULL:
	case DLT_LOOP:
		head = 4;
		break;
	default:
		head = 0;
	}
	if (bytes < head + 1)
		return false;
	switch (linktype) {
	case DLT_EN10MB:
	case DLT_LINUX_SLL:
		out->ethertype = get16(frame + head - 2);
		break;
	case DLT_LINUX_SLL2:
		out->ethertype = get16(frame);
		break;
	case DLT_NULL:
	case DLT_LOOP:
		out->ethertype = family_type(frame);
		break;
	default:
		out->ethertype = version_type(frame);
	}
	for (int tags = 0; tags < TAGS_MAX; tags++) {
		if (out->ethertype != TYPE_VLAN && out->ethertype != TYPE_QINQ
			&& out->ethertype != TYPE_QINQ_OLD)
			break;
		if (bytes < head + 4)
			return false;
		out->ethertype = get16(frame + head + 2);
		head += 4;
	}
	out->at = frame + head;
	out->have_bytes = bytes - head;
	return true;
}
