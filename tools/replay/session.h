// The TCP sessions of a capture.
#ifndef TOOLS_REPLAY_SESSION_H
#define TOOLS_REPLAY_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/replay/notes.h"
#include "tools/replay/packet.h"
#include "tools/replay/senders.h"
#include "tools/replay/stream.h"

enum side {
	CLIENT,
	SERVER,
	SIDES,
};

#define NO_OFFSET INT64_MIN
// Offsets count from the byte behind the SYN, which itself has this one.
#define SYN_OFFSET (-1)

// A captured segment, its numbers as stream offsets.
struct seg {
	uint64_t frame; // in the file, from 1; 0: made up
	uint64_t t_ns; // never less than that of the one before
	int64_t off; // of its sequence number in the stream of its side
	int64_t ack; // of its acknowledgement in the other's; NO_OFFSET without one
	uint32_t len; // of its payload, bytes
	uint16_t win, urg, ip_id;
	uint8_t side, flags, tos, n_opts;
	bool corrupt; // its checksum was wrong
	bool after_end; // a reset behind the end of the connection
	uint32_t raw_ack; // as captured: what SACK blocks are near to
	uint8_t opts[TCP_OPTIONS_MAX];
};

// What one side is.
struct flow {
	struct stream stream;
	uint8_t addr[16];
	uint16_t port;
	bool have_isn, have_syn;
	uint32_t isn; // the sequence number of offset -1
	int64_t last; // the offset seen last
	int64_t end; // of the highest byte seen; a FIN is one
	int64_t acked, acked_before; // by the other side: the highest, and the highest below it
	int64_t fin; // the FIN's offset, or NO_OFFSET
	int64_t rst; // the offset of the first reset that ended the connection, or NO_OFFSET
	uint64_t late_rsts; // resets behind its end, of a kernel that had forgotten it
	uint64_t segs; // in the file
	uint64_t cut_bytes; // that a snap length took
	uint64_t made_up; // bytes of the stream that are
	uint32_t syn_bytes; // of payload that its SYN has (TCP Fast Open)
	uint16_t mss; // offered, 0: not
	int8_t wscale; // offered, -1: not
	bool sack, ts; // offered
	uint32_t ts_first; // the first timestamp sent
	bool have_ts;
	uint32_t max_payload;
	uint8_t shift; // of the window in its segments behind the SYN
};

struct session {
	struct flow flow[SIDES];
	struct seg *segs; // in the order of the file
	uint32_t n_segs, room_segs;
	uint32_t number; // from 1, in the order of the file
	uint32_t next; // in the table's chain, an index + 1
	bool simultaneous;
	bool skipped; // said in the notes
	uint64_t wire_bytes; // of its frames, about
	uint64_t missing_bytes; // of both streams, so far
};

struct sessions {
	struct session *at;
	uint32_t n, room;
	uint32_t *table; // chains: index + 1 of the latest session
	struct senders senders;
	uint64_t first_ns; // the first segment's time
	uint64_t wire_bytes, missing_bytes; // of all: frames, and what they leave out
	struct notes *notes;
};

int sessions_init(struct sessions *s, struct notes *notes);
void sessions_free(struct sessions *s);

// The file is read twice: first for the senders' checksums, then for the sessions. Both return 0 or
// -ENOMEM, and fit capture_read().
int sessions_learn(void *sessions, uint64_t frame, uint64_t t_ns, const struct packet *p);
int sessions_add(void *sessions, uint64_t frame, uint64_t t_ns, const struct packet *p);
// When the file is over: what is missing is made up, what cannot be replayed is marked.
// Returns 0 or -ENOMEM.
int sessions_finish(struct sessions *s);

// The bytes and the FIN of a side.
static inline int64_t flow_total(const struct flow *f)
{
	return f->stream.len + (f->fin != NO_OFFSET);
}

// "10.0.0.1:80" and the like; text has room for 64 bytes.
char *flow_name(const struct flow *f, char *text);

#endif
