// TCP options: reading them from a segment and writing them into one.
#ifndef ENGINE_TCP_OPTIONS_H
#define ENGINE_TCP_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#define TCP_MAX_SACK 4u

struct tcp_opts {
	bool has_mss;
	bool has_wscale;
	bool has_ts;
	bool sack_ok;
	uint16_t mss;
	uint8_t wscale; // at most 14 (RFC 7323 section 2.3)
	uint8_t n_sack;
	uint32_t ts_val;
	uint32_t ts_ecr;
	struct {
		uint32_t start;
		uint32_t end;
	} sack[TCP_MAX_SACK];
};

// Reads options. MSS, window scale and SACK-permitted count only when `syn`. Unknown kinds are
// skipped by their length. Returns false when they are malformed (RFC 9293 section 3.1, MUST-7).
bool tcp_opts_parse(struct tcp_opts *o, const uint8_t *p, uint32_t len, bool syn);

// The common case, a segment that carries timestamps and nothing else in the layout NOP NOP TS:
// returns false when the general parser is needed.
static inline bool tcp_opts_fast_ts(const uint8_t *p, uint32_t len, uint32_t *val, uint32_t *ecr)
{
	if (len != 12 || p[0] != 1 || p[1] != 1 || p[2] != 8 || p[3] != 10)
		return false;
	*val = (uint32_t)p[4] << 24 | (uint32_t)p[5] << 16 | (uint32_t)p[6] << 8 | p[7];
	*ecr = (uint32_t)p[8] << 24 | (uint32_t)p[9] << 16 | (uint32_t)p[10] << 8 | p[11];
	return true;
}

// Writes the options that are set in `o`, padded with NOPs to a multiple of 4, into `p` (40 bytes).
// SACK blocks that do not fit are left out. Returns the length.
uint32_t tcp_opts_write(const struct tcp_opts *o, uint8_t *p);

#endif
