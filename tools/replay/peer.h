// What the two halves of the replayed peer's output share: the file's segments and the fallback's.
#ifndef TOOLS_REPLAY_PEER_H
#define TOOLS_REPLAY_PEER_H

#include "tools/replay/live.h"

// The next step, NULL when all of them have left.
static inline const struct step *peer_step(const struct live *l)
{
	return l->step < l->plan->n_steps ? &l->plan->steps[l->step] : NULL;
}

static inline const struct seg *peer_seg(const struct live *l, const struct step *st)
{
	return &l->plan->session->segs[st->seg];
}

// Hands a segment over, and remembers what it said. off: of its first byte, SYN or FIN.
void peer_put(
	struct live *l, struct env *env, const struct out_seg *o, int64_t off, uint32_t bytes);
// The largest payload that the engine and the wire take with these options.
uint32_t peer_room(const struct live *l, const struct env *env, const struct out_seg *o);

// What a peer of its own mind would do now, while no step of the file can leave. Returns when to look again.
uint64_t peer_fall_back(struct live *l, struct env *env);

#endif
