#include "engine/tcp/options.h"

#include <string.h>

#define OPT_EOL 0u
#define OPT_NOP 1u
#define OPT_MSS 2u
#define OPT_WSCALE 3u
#define OPT_SACK_OK 4u
#define OPT_SACK 5u
#define OPT_TS 8u
#define OPT_SPACE 40u

#define MAX_WSCALE 14u

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint8_t *put32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
	return p + 4;
}

static bool parse_sack(struct tcp_opts *o, const uint8_t *p, uint32_t len)
{
	uint32_t n = (len - 2) / 8;

	if (len < 10 || (len - 2) % 8 != 0 || n > TCP_MAX_SACK)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		o->sack[i].start = get32(p + 2 + 8 * i);
		o->sack[i].end = get32(p + 6 + 8 * i);
	}
	o->n_sack = (uint8_t)n;
	return true;
}

// One option of `len` bytes, kind and length included. Returns false when its length is illegal.
static bool parse_one(struct tcp_opts *o, const uint8_t *p, uint32_t len, bool syn)
{
	switch (p[0]) {
	case OPT_MSS:
		if (len != 4)
			return false;
		if (syn) {
			o->has_mss = true;
			o->mss = get16(p + 2);
		}
		return true;
	case OPT_WSCALE:
		if (len != 3)
			return false;
		if (syn) {
			o->has_wscale = true;
			o->wscale = p[2] > MAX_WSCALE ? MAX_WSCALE : p[2];
		}
		return true;
	case OPT_SACK_OK:
		if (len != 2)
			return false;
		if (syn)
			o->sack_ok = true;
		return true;
	case OPT_SACK:
		return parse_sack(o, p, len);
	case OPT_TS:
		if (len != 10)
			return false;
		o->has_ts = true;
		o->ts_val = get32(p + 2);
		o->ts_ecr = get32(p + 6);
		return true;
	default:
		return true;
	}
}

bool tcp_opts_parse(struct tcp_opts *o, const uint8_t *p, uint32_t len, bool syn)
{
	memset(o, 0, sizeof(*o));
	for (uint32_t at = 0; at < len;) {
		if (p[at] == OPT_EOL)
			return true;
		if (p[at] == OPT_NOP) {
			at++;
			continue;
		}
		if (len - at < 2 || p[at + 1] < 2 || p[at + 1] > len - at)
			return false;
		if (!parse_one(o, p + at, p[at + 1], syn))
			return false;
		at += p[at + 1];
	}
	return true;
}

// Each group below is a multiple of 4 long by itself; a segment with timestamps alone has the
// layout of RFC 7323 appendix A, which tcp_opts_fast_ts() knows.
uint32_t tcp_opts_write(const struct tcp_opts *o, uint8_t *p)
{
	uint8_t *at = p;
	uint32_t fit;
	uint32_t n;

	if (o->has_mss)
		at = put32(at, OPT_MSS << 24 | 4u << 16 | o->mss);
	if (o->has_wscale)
		at = put32(at, OPT_NOP << 24 | OPT_WSCALE << 16 | 3u << 8 | o->wscale);
	if (o->sack_ok || o->has_ts) {
		*at++ = o->sack_ok ? OPT_SACK_OK : OPT_NOP;
		*at++ = o->sack_ok ? 2 : OPT_NOP;
		*at++ = o->has_ts ? OPT_TS : OPT_NOP;
		*at++ = o->has_ts ? 10 : OPT_NOP;
	}
	if (o->has_ts) {
		at = put32(at, o->ts_val);
		at = put32(at, o->ts_ecr);
	}
	// NOP NOP, kind and length go before the blocks; the options above take 20 bytes at the most.
	fit = (OPT_SPACE - 4 - (uint32_t)(at - p)) / 8;
	n = o->n_sack < fit ? o->n_sack : fit;
	if (n == 0)
		return (uint32_t)(at - p);
	at = put32(at, OPT_NOP << 24 | OPT_NOP << 16 | OPT_SACK << 8 | (2 + 8 * n));
	for (uint32_t i = 0; i < n; i++) {
		at = put32(at, o->sack[i].start);
		at = put32(at, o->sack[i].end);
	}
	return (uint32_t)(at - p);
}
