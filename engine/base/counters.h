// The counters of one core, expanded from shared/counters.def.
#ifndef ENGINE_BASE_COUNTERS_H
#define ENGINE_BASE_COUNTERS_H

#include <stdalign.h>
#include <stdint.h>

// Written by the core's thread only; others read single values at any time.
struct counters {
#define X(name, doc) uint64_t name;
#include "shared/counters.def"
#undef X
};

enum counter_id {
#define X(name, doc) COUNTER_##name,
#include "shared/counters.def"
#undef X
	COUNTERS
};

struct counter_info {
	const char *name;
	const char *doc;
};

// COUNTERS rows, in the order of struct counters.
extern const struct counter_info counter_info[COUNTERS];

// Value of a counter as seen by any thread.
static inline uint64_t counter_read(const struct counters *c, enum counter_id id)
{
	return __atomic_load_n((const uint64_t *)c + id, __ATOMIC_RELAXED);
}

// Adds to a counter: by the core's own thread only.
#define COUNT(c, name) ((c)->name += 1)
#define COUNT_N(c, name, n) ((c)->name += (n))

#endif
