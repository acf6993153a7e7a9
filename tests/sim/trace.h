// A capture in the pcapng format: every frame on the interface of the station that sent it, with the
// virtual time, and again on that of the one that got it.
#ifndef TESTS_SIM_TRACE_H
#define TESTS_SIM_TRACE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

void trace_begin(FILE *f);
void trace_interface(FILE *f, unsigned station);
void trace_frame(
	FILE *f, unsigned station, uint64_t now_us, bool in, const uint8_t *frame, uint32_t len);

#endif
