#include "tools/replay/notes.h"

#include <stdarg.h>
#include <stdio.h>

#define NOTE_TEXT(id, name, hint) {name, hint},
static const struct {
	const char *name, *hint;
} kinds[] = {NOTES(NOTE_TEXT)};

void note(struct notes *n, enum note_kind kind, uint64_t frame, const char *format, ...)
{
	va_list args;

	if (n->of[kind].count++)
		return;
	n->of[kind].frame = frame;
	va_start(args, format);
	vsnprintf(n->of[kind].text, sizeof(n->of[kind].text), format, args);
	va_end(args);
}

const char *note_name(enum note_kind kind)
{
	return kinds[kind].name;
}

void notes_print(const struct notes *n)
{
	for (int k = 0; k < NOTE_KINDS; k++) {
		if (!n->of[k].count)
			continue;
		fprintf(stderr, "outboard-replay: %s: ", n->file);
		if (n->of[k].frame)
			fprintf(stderr, "frame %llu: ", (unsigned long long)n->of[k].frame);
		fputs(n->of[k].text, stderr);
		if (n->of[k].count > 1)
			fprintf(stderr, " (and %llu more)", (unsigned long long)n->of[k].count - 1);
		fprintf(stderr, ": %s\n", kinds[k].hint);
	}
}
