// Frames from segments.
#ifndef TOOLS_REPLAY_BUILD_H
#define TOOLS_REPLAY_BUILD_H

#include "tools/replay/map.h"

enum {
	BUILD_HEADERS_MAX = 14 + 20 + 20 + TCP_OPTIONS_MAX,
};

struct path {
	uint8_t from_mac[6], to_mac[6];
	uint8_t from[4], to[4]; // IPv4
	uint16_t from_port, to_port;
};

// Builds an Ethernet frame; the payload lies behind the headers already, at frame + the number of
// bytes that build_headers_bytes() gives. Returns the frame's length.
uint32_t build_headers_bytes(const struct out_seg *o);
uint32_t build_frame(const struct path *path, const struct out_seg *o, uint16_t ip_id,
	uint8_t *frame, uint32_t payload_bytes);

#endif
