#include "tools/replay/spans.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int spans_add(struct spans *s, struct span span)
{
	uint32_t first = s->n, last;

	// New spans are mostly near the end.
	while (first > 0 && s->at[first - 1].end >= span.start)
		first--;
	for (last = first; last < s->n && s->at[last].start <= span.end; last++) {
		if (s->at[last].start < span.start)
			span.start = s->at[last].start;
		if (s->at[last].end > span.end)
			span.end = s->at[last].end;
	}
	if (last == first && s->n == s->room) {
		uint32_t room = s->room ? s->room * 2 : 4;
		struct span *at = realloc(s->at, room * sizeof(*at));

		if (!at)
			return -ENOMEM;
		s->at = at;
		s->room = room;
	}
	if (s->n > last)
		memmove(s->at + first + 1, s->at + last, (s->n - last) * sizeof(*s->at));
	s->n = s->n - (last - first) + 1;
	s->at[first] = span;
	return 0;
}

int64_t spans_end(const struct spans *s, int64_t from)
{
	for (uint32_t i = 0; i < s->n && s->at[i].start <= from; i++)
		if (s->at[i].end > from)
			return s->at[i].end;
	return from;
}

int64_t spans_next(const struct spans *s, int64_t from, int64_t none)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (s->at[i].start > from)
			return s->at[i].start;
	return none;
}

void spans_free(struct spans *s)
{
	free(s->at);
	*s = (struct spans){0};
}
