#include "tools/replay/senders.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

// A key is a sender's first field.
static int by_address(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

struct sender *senders_add(struct senders *s, const uint8_t addr[16])
{
	struct sender **at = tsearch(addr, &s->tree, by_address);
	struct sender *fresh;

	if (!at)
		return NULL;
	if ((const void *)*at != addr)
		return *at;
	// The tree holds the caller's address: a sender of its own takes its place.
	fresh = calloc(1, sizeof(*fresh));
	if (!fresh) {
		tdelete(addr, &s->tree, by_address);
		return NULL;
	}
	memcpy(fresh->addr, addr, 16);
	*at = fresh;
	return fresh;
}

const struct sender *senders_find(const struct senders *s, const uint8_t addr[16])
{
	struct sender *const *at = tfind(addr, &s->tree, by_address);

	return at ? *at : NULL;
}

void senders_free(struct senders *s)
{
	tdestroy(s->tree, free);
	s->tree = NULL;
}
