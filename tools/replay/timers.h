// When to look at which session again: a heap by time.
#ifndef TOOLS_REPLAY_TIMERS_H
#define TOOLS_REPLAY_TIMERS_H

#include "tools/replay/live.h"

struct timers {
	struct live **at;
	uint32_t n, room;
};

int timers_init(struct timers *t, uint32_t sessions); // 0 or -ENOMEM
void timers_free(struct timers *t);
// Sets or moves a session's time (live.due_ns); UINT64_MAX takes it out.
void timers_set(struct timers *t, struct live *l, uint64_t due_ns);
// The earliest, or NULL.
struct live *timers_first(const struct timers *t);

#endif
