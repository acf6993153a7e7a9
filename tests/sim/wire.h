// The wire: stations on one Ethernet, a path of delay, rate and faults from each of them, and a
// capture of what each sends and gets.
#ifndef TESTS_SIM_WIRE_H
#define TESTS_SIM_WIRE_H

#include <stdio.h>

#include "tools/wire/impair.h"

#define WIRE_STATIONS 3u

struct sim;

struct station {
	uint8_t mac[6];
	void *ctx;
	void (*arrive)(void *ctx, const uint8_t *frame, uint32_t len);
};

struct wire {
	struct sim *sim;
	struct station *stations[WIRE_STATIONS];
	struct impair paths[WIRE_STATIONS]; // from each station
	unsigned n;
	uint32_t mtu; // of the path, 0: no limit
	uint64_t dark_until_us; // nothing passes
	FILE *trace;
};

void wire_open(struct wire *w, struct sim *s, FILE *trace);
void wire_close(struct wire *w);
// Returns the station's number.
unsigned wire_attach(struct wire *w, struct station *st);
void wire_send(struct wire *w, unsigned from, const uint8_t *frame, uint32_t len);
uint64_t wire_next_us(const struct wire *w);
void wire_deliver(struct wire *w); // what is due
void wire_heal(struct wire *w); // no faults any more; delay and rate stay

#endif
