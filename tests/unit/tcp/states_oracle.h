// What RFC 9293 section 3.10.7, with RFC 5961 sections 3 to 5, says of one segment that arrives in one
// state: written from the text, for test_states.c to compare the engine with. Numbers are relative to the
// initial sequence number of their sender and do not wrap here.
#ifndef TESTS_UNIT_TCP_STATES_ORACLE_H
#define TESTS_UNIT_TCP_STATES_ORACLE_H

#include <stdbool.h>
#include <stdint.h>

enum oracle_state {
	O_CLOSED,
	O_LISTEN,
	O_SYN_SENT,
	O_SYN_RECEIVED,
	O_ESTABLISHED,
	O_FIN_WAIT_1,
	O_FIN_WAIT_2,
	O_CLOSE_WAIT,
	O_CLOSING,
	O_LAST_ACK,
	O_TIME_WAIT,
	O_STATES
};

// The transmission control block, as much of it as section 3.10.7 reads.
struct oracle_tcb {
	enum oracle_state state;
	bool active; // the open was an active one
	int64_t snd_una, snd_nxt;
	int64_t snd_wnd, max_wnd, wl1, wl2;
	int64_t rcv_nxt, rcv_wnd;
	int64_t wnd_most; // the largest window that is ever offered
};

struct oracle_seg {
	unsigned flags;
	int64_t seq, ack, len; // len: of the text alone
	int64_t wnd;
};

enum oracle_reply { R_NOTHING, R_ACK, R_RST, R_RST_ACK, R_SYN_ACK };

struct oracle_end {
	struct oracle_tcb t; // as it is afterwards
	enum oracle_reply reply;
	int64_t seq, ack; // of the reply
	int error; // positive errno for the user, 0: none
};

struct oracle_end oracle(const struct oracle_tcb *t, const struct oracle_seg *g);

#endif
