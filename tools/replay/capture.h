// Reading a capture file through libpcap: pcap and pcapng.
#ifndef TOOLS_REPLAY_CAPTURE_H
#define TOOLS_REPLAY_CAPTURE_H

#include "tools/replay/notes.h"
#include "tools/replay/packet.h"

struct capture_counts {
	uint64_t frames;
	uint64_t tcp_frames; // that could be read
	uint64_t other_frames; // neither broken nor TCP
	int snaplen_bytes;
	uint64_t last_ns; // the time of the latest frame
	uint64_t set_back_ns; // what the file's clock was set back by
};

// Called for each TCP segment, in the order of the file. `p` is valid during the call only.
// frame: from 1. Returns 0, or a negative errno that ends the reading.
typedef int (*capture_fn)(void *arg, uint64_t frame, uint64_t t_ns, const struct packet *p);

// Reads the whole file. What is broken goes into the notes. Returns 0; -EINVAL when it is no
// capture at all or cannot be opened (the reason is in err); or what fn returned.
int capture_read(const char *path, struct notes *notes, struct capture_counts *counts,
	capture_fn fn, void *arg, char *err, unsigned err_bytes);

// A file is read more than once, a pipe can be only once: copies all of `from` into a temporary file that
// goes with the process. Its path goes to `path`. Returns 0 or a negative errno.
int capture_copy(int from, char *path, unsigned path_bytes);

#endif
