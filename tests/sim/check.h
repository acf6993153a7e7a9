// What the checks share.
#ifndef TESTS_SIM_CHECK_H
#define TESTS_SIM_CHECK_H

#include "tests/sim/sim.h"

// A TCP segment in a frame; false when it is none.
struct tcp_view {
	uint32_t src, dst; // network order
	uint16_t sport, dport;
	uint32_t seq, ack;
	uint32_t wnd; // as on the wire
	uint8_t flags;
	uint8_t ecn;
	bool has_ts;
	uint32_t ts_val, ts_ecr;
	unsigned n_sack;
	struct {
		uint32_t from, to;
	} sack[4];
	const uint8_t *data;
	uint32_t len;
};

bool tcp_view(struct tcp_view *v, const uint8_t *frame, uint32_t len);

// Takes a record's positions in, and says what is wrong with them.
void check_record(struct node *n, uint32_t i);

// ---- check_loss.c: after each turn, of a record that lives
void check_loss(struct node *n, uint32_t i);
void loss_turn_end(struct node *n); // of all records

// ---- check_echo.c
void echo_arrival(struct node *n, uint32_t id, const struct tcp_view *v);
void echo_turn(struct node *n, uint32_t id); // after each turn, of a record that lives
void echo_frame(struct node *n, uint32_t id, const struct tcp_view *v); // as it leaves

// ---- check_tw.c: after each turn
void check_time_wait(struct node *n);

#endif
