// A hierarchical timing wheel over a fixed set of timers, numbered from 0 (Varghese and Lauck).
//
// Arming, moving and disarming are O(1) and allocate nothing. A timer fires at the first advance
// at or past its time, never before it, at most one tick late for that.
#ifndef ENGINE_BASE_WHEEL_H
#define ENGINE_BASE_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#define WHEEL_TICK_US 128u
#define WHEEL_LEVELS 4u
#define WHEEL_BITS 11u
#define WHEEL_SLOTS (1u << WHEEL_BITS)
#define WHEEL_NIL UINT32_MAX

// All zero: not armed, so that memory of timers that are never armed is never touched.
struct wheel_node {
	uint32_t next;
	uint32_t prev;
	uint64_t tick : 48; // when it is due; meaningful while armed
	uint64_t slot : 16; // which list holds it: 1 + level * WHEEL_SLOTS + slot, or 0
};

// With T the last tick that was processed, level 0 holds what is due in T's block of 256 ticks,
// level 1 what is in T's block of 256^2 but in none of those, and so on; the last level is a
// circle, and holds what is beyond its span in the slot before T's. A slot behind T is empty.
struct wheel {
	struct wheel_node *nodes;
	uint32_t n;
	uint32_t armed; // how many are
	uint64_t tick; // the last one that was processed
	uint64_t base_us; // time of tick 0
	uint64_t used[WHEEL_LEVELS][WHEEL_SLOTS / 64]; // a bit for each list that is not empty
	uint32_t heads[WHEEL_LEVELS * WHEEL_SLOTS];
};

// Returns 0 or -ENOMEM.
int wheel_init(struct wheel *w, uint32_t n, uint64_t now_us);
void wheel_fini(struct wheel *w);

// Arms timer `id`, or moves it when it is armed. A time in the past is due at the next tick.
void wheel_arm(struct wheel *w, uint32_t id, uint64_t when_us);
void wheel_disarm(struct wheel *w, uint32_t id);

static inline bool wheel_armed(const struct wheel *w, uint32_t id)
{
	return w->nodes[id].slot != 0;
}

// When an armed timer is due, in microseconds.
uint64_t wheel_due_us(const struct wheel *w, uint32_t id);

// Takes up to `max` due timers off the wheel into `ids`. Returns their number; `max` means that
// there may be more, and the next call goes on with them.
unsigned wheel_advance(struct wheel *w, uint64_t now_us, uint32_t *ids, unsigned max);

// A time before which no timer is due: exact for the lowest level, a lower bound else.
// UINT64_MAX when none is armed.
uint64_t wheel_next_us(const struct wheel *w);

#endif
