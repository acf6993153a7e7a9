// Frames for the tests of what outboard-wire does to them, in and out.
#ifndef TESTS_UNIT_WIRE_FRAMES_H
#define TESTS_UNIT_WIRE_FRAMES_H

#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit_run.h"
#include "tools/wire/impair.h"

enum {
	FRAME_BYTES = 60,
	ETH = 14,
};
#define US 1000ull
#define MS (1000 * US)

static const struct impair_conf good = {.reorder_gap_pkts = 3, .reorder_hold_us = 5000};

// A TCP segment's frame, ECT(0), with a right header checksum; serial goes into the payload.
static inline void make_frame(uint8_t *f, uint32_t serial)
{
	uint32_t sum = 0;

	memset(f, 0, FRAME_BYTES);
	f[12] = 8;
	f[ETH] = 0x45;
	f[ETH + 1] = 2;
	f[ETH + 3] = FRAME_BYTES - ETH;
	f[ETH + 8] = 64;
	f[ETH + 9] = 6;
	for (int i = 12; i < 20; i++)
		f[ETH + i] = (uint8_t)(i * 37);
	for (int i = 0; i < 20; i += 2)
		sum += (uint32_t)f[ETH + i] << 8 | f[ETH + i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum & 0xffff;
	f[ETH + 10] = (uint8_t)(sum >> 8);
	f[ETH + 11] = (uint8_t)sum;
	memcpy(f + FRAME_BYTES - 4, &serial, 4);
}

static inline uint32_t serial_of(const struct impair_pkt *pkt)
{
	uint32_t serial;

	memcpy(&serial, pkt->data + FRAME_BYTES - 4, 4);
	return serial;
}

// The ones' complement sum over the IPv4 header, which is 0xffff when the checksum is right.
static inline uint32_t header_sum(const uint8_t *f)
{
	uint32_t sum = 0;

	for (int i = 0; i < 20; i += 2)
		sum += (uint32_t)f[ETH + i] << 8 | f[ETH + i + 1];
	return (sum & 0xffff) + (sum >> 16);
}

static inline void push(struct impair *im, uint32_t serial, uint64_t now_ns)
{
	uint8_t f[FRAME_BYTES];

	make_frame(f, serial);
	CU_ASSERT_EQUAL_FATAL(impair_push(im, f, FRAME_BYTES, now_ns), 0);
}

// The serial of the next frame, or -1.
static inline int64_t pop(struct impair *im, uint64_t now_ns)
{
	struct impair_pkt *pkt = impair_pop(im, now_ns);
	int64_t serial;

	if (!pkt)
		return -1;
	serial = serial_of(pkt);
	free(pkt);
	return serial;
}

#endif
