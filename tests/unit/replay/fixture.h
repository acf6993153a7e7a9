// Segments by hand for the tests of outboard-replay: client 10.0.0.1:1000, server 10.0.0.2:80, the
// first sequence numbers 5000 and 9000.
#ifndef TESTS_UNIT_REPLAY_FIXTURE_H
#define TESTS_UNIT_REPLAY_FIXTURE_H

#include <CUnit/CUnit.h>

#include "tools/replay/live.h"

enum {
	C_ISN = 5000,
	S_ISN = 9000,
};

struct fix {
	struct notes notes;
	struct sessions s;
	uint64_t frame, t_ns;
};

// What of a segment is not the same each time.
struct say {
	uint32_t seq, ack; // behind the ISN: 0 is the first byte
	uint32_t len;
	uint8_t flags, fill; // fill: the payload's bytes
	uint8_t opts[TCP_OPTIONS_MAX], n_opts;
	uint16_t win; // 0: 1000
	uint16_t ip_id;
	enum packet_sum sum;
	uint32_t cut; // bytes missing at the end
	uint32_t host; // of the client: this many addresses behind 10.0.0.1
	uint64_t after_ms;
};

void fix_init(struct fix *f);
void fix_free(struct fix *f);
void fix_add(struct fix *f, enum side side, struct say say);
// SYN, SYN-ACK, ACK; MSS 1000, no options else.
void fix_handshake(struct fix *f);
#define C(...) fix_add(f, CLIENT, (struct say){__VA_ARGS__})
#define S(...) fix_add(f, SERVER, (struct say){__VA_ARGS__})

void suite_capture(void);
void suite_packet(void);
void suite_session(void);
void suite_plan(void);
void suite_peer(void);
void suite_lost(void);

#endif
