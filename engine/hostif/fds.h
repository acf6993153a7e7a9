// Descriptors: each channel of a host costs the engine one, and two while it attaches.
#ifndef ENGINE_HOSTIF_FDS_H
#define ENGINE_HOSTIF_FDS_H

#include "engine/hostif/control.h"

// Raises the soft limit to the hard one. Warns when the hosts that the configuration allows could want
// more descriptors than that. Once, at start.
void fds_raise(const struct config *cfg);

// How many this process may have.
uint32_t fds_limit(void);

// How many of them the doorbells of hosts leave to the control socket and the rest of the engine.
uint32_t fds_reserved(const struct control *c);

#endif
