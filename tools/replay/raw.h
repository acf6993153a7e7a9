// The receive path alone: a capture through net_pcap into an engine of our own.
#ifndef TOOLS_REPLAY_RAW_H
#define TOOLS_REPLAY_RAW_H

#include "tools/replay/options.h"

// Returns the exit status.
int raw_run(const struct options *opts);

#endif
