#include "tools/replay/missing.h"

#include <stdlib.h>

typedef unsigned long long ull;

// Of a flow that reaches to `end`, and has `fresh` bytes more than were put into it.
static uint64_t missing_of(const struct flow *f, int64_t end, uint32_t fresh)
{
	int64_t known = f->stream.known_bytes + fresh;

	if (f->stream.len > end)
		end = f->stream.len;
	if (f->acked > end)
		end = f->acked;
	return end > known ? (uint64_t)(end - known) : 0;
}

static void leave_out(struct sessions *s, struct session *c)
{
	for (int side = 0; side < SIDES; side++)
		stream_free(&c->flow[side].stream);
	free(c->segs);
	c->segs = NULL;
	c->n_segs = c->room_segs = 0;
	s->missing_bytes -= c->missing_bytes;
	c->missing_bytes = 0;
	c->skipped = true;
}

bool missing_fits(
	struct sessions *s, struct session *c, const struct seg *g, const struct packet *p)
{
	bool reaches = g->len || g->flags & TCP_FIN;
	uint64_t missing
		= missing_of(&c->flow[g->side], reaches ? g->off + g->len : 0, p->have_bytes)
		+ missing_of(&c->flow[!g->side], 0, 0);
	uint64_t all = s->missing_bytes - c->missing_bytes + missing, most, most_all;

	c->wire_bytes += missing_frame_bytes(p);
	most = MISSING_FREE_BYTES + MISSING_FACTOR * c->wire_bytes;
	most_all = MISSING_FREE_ALL_BYTES + MISSING_FACTOR * s->wire_bytes;
	if (most_all > MISSING_MAX_BYTES)
		most_all = MISSING_MAX_BYTES;
	if (missing > most)
		note(s->notes, NOTE_MISSING, g->frame,
			"session %u: %llu bytes are not in the file, with frames of %llu at most "
			"%llu are made up",
			c->number, (ull)missing, (ull)c->wire_bytes, (ull)most);
	else if (all > most_all)
		note(s->notes, NOTE_MISSING, g->frame,
			"session %u: with its %llu bytes that are not in the file these are %llu "
			"in all, at most %llu are made up",
			c->number, (ull)missing, (ull)all, (ull)most_all);
	if (missing > most || all > most_all) {
		leave_out(s, c);
		return false;
	}
	s->missing_bytes = all;
	c->missing_bytes = missing;
	return true;
}
