#include "tools/replay/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int stream_claim(struct stream *s, int64_t end)
{
	if (end <= s->len)
		return 0;
	if (end > s->room) {
		int64_t room = s->room ? s->room : 4096;
		uint8_t *data;

		while (room < end)
			room *= 2;
		data = realloc(s->data, (size_t)room);
		if (!data)
			return -ENOMEM;
		s->data = data;
		s->room = room;
	}
	s->len = end;
	return 0;
}

// Copies [start, end) from data, whose first byte is at `offset`, or compares where it is known.
static int put_unknown(struct stream *s, struct span at, int64_t offset, const uint8_t *data)
{
	int differs = 0;

	for (uint32_t i = 0; i < s->known.n && at.start < at.end; i++) {
		const struct span *k = &s->known.at[i];
		int64_t same;

		if (k->end <= at.start)
			continue;
		if (k->start >= at.end)
			break;
		if (k->start > at.start) {
			memcpy(s->data + at.start, data + (at.start - offset),
				(size_t)(k->start - at.start));
			s->known_bytes += k->start - at.start;
			at.start = k->start;
		}
		same = k->end < at.end ? k->end : at.end;
		if (memcmp(s->data + at.start, data + (at.start - offset),
			    (size_t)(same - at.start)))
			differs = 1;
		at.start = same;
	}
	if (at.start < at.end) {
		memcpy(s->data + at.start, data + (at.start - offset), (size_t)(at.end - at.start));
		s->known_bytes += at.end - at.start;
	}
	return differs;
}

int stream_put(struct stream *s, int64_t offset, const uint8_t *data, uint32_t bytes)
{
	const struct span at = {offset, offset + bytes};
	int differs;

	if (bytes == 0)
		return 0;
	if (stream_claim(s, at.end))
		return -ENOMEM;
	differs = put_unknown(s, at, offset, data);
	return spans_add(&s->known, at) ? -ENOMEM : differs;
}

int64_t stream_fill(struct stream *s, int64_t *first)
{
	const struct span end = {s->len, s->len};
	int64_t at = 0, filled = 0;

	for (uint32_t i = 0; i <= s->known.n; i++) {
		const struct span *k = i < s->known.n ? &s->known.at[i] : &end;

		if (at < k->start && filled == 0)
			*first = at;
		for (; at < k->start; at++, filled++)
			s->data[at] = stream_made_up(at);
		at = k->end;
	}
	return filled;
}

int64_t stream_contiguous(const struct stream *s)
{
	return spans_end(&s->known, 0);
}

void stream_free(struct stream *s)
{
	free(s->data);
	spans_free(&s->known);
	*s = (struct stream){0};
}
