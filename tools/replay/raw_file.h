// What net_pcap is given: a capture's TCP segments, addressed to an engine.
#ifndef TOOLS_REPLAY_RAW_FILE_H
#define TOOLS_REPLAY_RAW_FILE_H

#include "tools/replay/capture.h"

struct raw_file {
	uint64_t frames; // written
	uint64_t bytes; // of these, without the Ethernet checksum
	uint64_t left_out; // longer than the MTU, or more than fit
	uint64_t damaged; // written with a wrong checksum, as they were
};

enum {
	RAW_FRAMES_MAX = 8192, // net_pcap keeps them all in packet buffers
};

// Writes every TCP segment of `from` to the file `to` as an Ethernet frame from `peer` to `engine`.
// Segments of both directions go the same way: to the engine. Returns 0 or a negative errno, the
// reason in err.
int raw_file_write(struct raw_file *f, const char *from, const char *to, const uint8_t mac[6],
	const uint8_t engine[4], const uint8_t peer[4], struct notes *notes, char *err,
	unsigned err_bytes);

#endif
