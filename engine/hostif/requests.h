// Requests, one at a time.
#ifndef ENGINE_HOSTIF_REQUESTS_H
#define ENGINE_HOSTIF_REQUESTS_H

#include "engine/hostif/internal.h"

// One request on its way.
struct call {
	struct hostif *h;
	struct hostif_host *host;
	struct hostif_chan *c;
	struct ob_req q; // the core's own copy
	uint64_t *bad; // the counter of what is wrong with it, or NULL
};

// Checks it, does it and answers it. There is room for one event, unless the host is ending. Returns
// false when the request stays for a later turn.
bool request_take(struct call *x);
// An abort alone, without an answer.
int request_abort(struct call *x);

#endif
