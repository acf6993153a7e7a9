// How the suite core calls its figures, and what it makes of what was measured.
#ifndef TOOLS_BENCH_CORE_FIGURES_H
#define TOOLS_BENCH_CORE_FIGURES_H

#include "tools/bench/core_rig.h"

#define WAYS 4u // to run a load: the host here or there, checksums by the engine or the port
#define REPEAT_MAX 1000u

// A load, and how its figures are called.
struct load {
	enum peer_load load;
	const char *name;
	const char *unit;
	uint32_t flows[8]; // ended by 0
};

// One way to run a load.
struct way {
	bool same, offload;
	bool wanted, staged;
	char of[64]; // "echo.flows=64" or "short"
	char suffix[32]; // ".csum=sw.host=other"
	double ratios[REPEAT_MAX]; // of the sum of the phases to the whole
	unsigned n_ratios;
};

// The way number i of a load. once: so many operations are made once, which needs the host on the
// engine's CPU. Returns whether a figure of it is wanted.
bool way_make(const struct bench *b, const struct load *l, uint32_t flows, unsigned i, bool once,
	struct way *w);

// Adds one value to each of its figures.
void way_report(struct bench *b, const struct load *l, struct way *w, uint32_t flows,
	const struct meter *m);

// After the last value: the phases are of other turns than the whole, and have to agree with it. Where
// they differ by more than 5 % the run fails; where only some of the values do, there is a note.
void way_check(struct bench *b, const struct way *w);

#endif
