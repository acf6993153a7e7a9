// Numbers drawn from a seed. Every purpose has a stream of its own, named by a string, so that a
// new one changes nothing of what the others draw.
#ifndef TESTS_SIM_DRAW_H
#define TESTS_SIM_DRAW_H

#include <stdbool.h>
#include <stdint.h>

struct draw {
	uint64_t state;
};

// Splitmix: a counter with a strong finish.
static inline uint64_t draw_mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9u;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static inline uint64_t draw64(struct draw *d)
{
	d->state += 0x9e3779b97f4a7c15u;
	return draw_mix(d->state);
}

static inline struct draw draw_stream(uint64_t seed, const char *name, uint64_t number)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 0x100000001b3u;
	return (struct draw){draw_mix(draw_mix(seed) ^ h) + draw_mix(number)};
}

// Uniform in [0, n); n is not 0.
static inline uint64_t draw_below(struct draw *d, uint64_t n)
{
	return draw64(d) % n;
}

// Uniform in [lo, hi].
static inline uint64_t draw_range(struct draw *d, uint64_t lo, uint64_t hi)
{
	return lo + draw64(d) % (hi - lo + 1);
}

static inline bool draw_odds(struct draw *d, uint64_t ppm)
{
	return draw64(d) % 1000000 < ppm;
}

// In [lo, hi], each doubling as likely as any other. No floating point: the same everywhere.
static inline uint64_t draw_log(struct draw *d, uint64_t lo, uint64_t hi)
{
	unsigned first = 63u - (unsigned)__builtin_clzll(lo + 1);
	unsigned last = 63u - (unsigned)__builtin_clzll(hi + 1);
	unsigned bits = (unsigned)draw_range(d, first, last);
	uint64_t v = (1ull << bits) - 1 + draw64(d) % (1ull << bits);

	return v < lo ? lo : v > hi ? hi : v;
}

#endif
