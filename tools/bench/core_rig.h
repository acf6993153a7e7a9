// One engine core with its wire, its peer and its host, in this process.
#ifndef TOOLS_BENCH_CORE_RIG_H
#define TOOLS_BENCH_CORE_RIG_H

#include "engine/core.h"
#include "engine/hostif/control.h"
#include "engine/turn.h"
#include "tools/bench/bench.h"
#include "tools/bench/core_host.h"
#include "tools/bench/core_peer.h"

#define RIG_SETS 32
#define RIG_ERR 256

enum rig_stage {
#define X(stage) STAGE_##stage,
	TURN_STAGES(X)
#undef X
		STAGES
};

extern const char *const rig_stage_names[STAGES];

// What the whole suite has in common.
struct rig_opts {
	int engine_cpu, host_cpu;
	uint32_t depth, train;
	uint64_t delack_us;
	bool no_huge;
	const char *sets[RIG_SETS]; // SECTION.OPTION=VALUE
	unsigned n_sets;
	struct rte_mempool *engine_pool, *peer_pool;
	uint64_t tsc_hz;
	uint64_t tsc_overhead; // cycles between two reads of the clock
};

struct rig {
	const struct rig_opts *o;
	struct config cfg;
	struct state st;
	struct ob_core *core;
	struct control control;
	struct wire *wire;
	struct peer peer;
	struct core_host host;
	bool same; // the host's rounds are made on the engine's CPU
	double open_s; // how long it took to establish all flows
	bool has_state, has_core, has_control, has_peer;
	char dir[64];
	char socket[96];
	char err[RIG_ERR];
	char problem[RIG_ERR]; // of rig_error()
};

// What a stretch of turns cost.
struct meter {
	uint64_t cycles; // of turns made by core_turn() that found something to do
	uint64_t ops; // done in them
	uint64_t turns;
	uint64_t pkts; // received in them
	uint64_t staged_cycles[STAGES]; // of the turns with a look at the clock after each stage
	uint64_t staged_ops;
	uint64_t host_cycles, host_events;
	uint64_t discarded; // slices in which the kernel took the CPU away, and those behind them
	bool cold; // it did so in the last slice
	uint64_t slices;
};

// Starts an engine, attaches the host and establishes every flow (none for LOAD_SHORT). Returns 0 or
// a negative errno with a line in r->err; rig_stop() in both cases.
int rig_start(struct rig *r, const struct rig_opts *o, enum peer_load load, uint32_t flows);
void rig_stop(struct rig *r);

// Where the host runs, and who sums.
int rig_mode(struct rig *r, bool same, bool offload);

// Measures for that long; longer, when the kernel takes the CPU away all the time.
void rig_measure(struct rig *r, double seconds, bool staged, struct meter *m);
// Makes the same load without measuring.
void rig_warm(struct rig *r, double seconds);
// Measures exactly so many operations (callgrind).
void rig_measure_ops(struct rig *r, uint64_t ops, struct meter *m);

// What went wrong since the start: NULL, or a line.
const char *rig_error(struct rig *r);

#endif
