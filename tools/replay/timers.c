#include "tools/replay/timers.h"

#include <errno.h>
#include <stdlib.h>

int timers_init(struct timers *t, uint32_t sessions)
{
	*t = (struct timers){.room = sessions};
	t->at = calloc(sessions ? sessions : 1, sizeof(struct live *));
	return t->at ? 0 : -ENOMEM;
}

void timers_free(struct timers *t)
{
	free(t->at);
}

static void place(struct timers *t, uint32_t i, struct live *l)
{
	t->at[i] = l;
	l->heap = i + 1;
}

static void up(struct timers *t, uint32_t i, struct live *l)
{
	for (; i > 0 && t->at[(i - 1) / 2]->due_ns > l->due_ns; i = (i - 1) / 2)
		place(t, i, t->at[(i - 1) / 2]);
	place(t, i, l);
}

static void down(struct timers *t, uint32_t i, struct live *l)
{
	for (uint32_t c = 2 * i + 1; c < t->n; c = 2 * i + 1) {
		if (c + 1 < t->n && t->at[c + 1]->due_ns < t->at[c]->due_ns)
			c++;
		if (t->at[c]->due_ns >= l->due_ns)
			break;
		place(t, i, t->at[c]);
		i = c;
	}
	place(t, i, l);
}

void timers_set(struct timers *t, struct live *l, uint64_t due_ns)
{
	uint32_t i = l->heap ? l->heap - 1 : t->n;

	l->due_ns = due_ns;
	if (due_ns == UINT64_MAX) {
		struct live *last;

		if (!l->heap)
			return;
		l->heap = 0;
		last = t->at[--t->n];
		if (last == l)
			return;
		down(t, i, last);
		up(t, last->heap - 1, last);
		return;
	}
	if (!l->heap)
		t->n++;
	up(t, i, l);
	down(t, l->heap - 1, l);
}

struct live *timers_first(const struct timers *t)
{
	return t->n ? t->at[0] : NULL;
}
