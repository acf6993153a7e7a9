// DPDK's telemetry commands of the engine: /outboard/stat, counters, conns, listeners, groups,
// hosts, channels and port. `dpdk-telemetry.py -f INSTANCE` asks them.
//
// Replies are limited to 16 KiB, so rows come in pages: {"rows": {"KEY": {...}}, "next": CURSOR},
// and "/outboard/conns,CURSOR" goes on until next is 0.
#ifndef ENGINE_HOSTIF_TELEMETRY_H
#define ENGINE_HOSTIF_TELEMETRY_H

#include "engine/hostif/inspect.h"

// Registers the commands; EAL is up. Telemetry's threads ask `in` until telemetry_stop().
// Returns 0 or a negative errno.
int telemetry_start(const struct inspect *in);

// Waits for questions that are being answered; later ones get no answer. Call it before what
// `in` points to goes away.
void telemetry_stop(void);

#endif
