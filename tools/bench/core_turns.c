// Measuring: turns of the engine with the clock around them, everything else in between.
#include "tools/bench/core_rig.h"

#define SLICE_US 700u // turns of one kind, then of one or the other
#define SLICES_MIN 60u // undisturbed ones of a measurement
#define LONGER_MAX 5 // times as long as it should take, for want of these

static uint64_t ops(const struct rig *r)
{
	switch (r->peer.load) {
	case LOAD_RX:
		return r->core->cnt.tcp_rx_bytes / PEER_SEG;
	case LOAD_TX:
		return r->peer.ops / PEER_SEG;
	default:
		return r->peer.ops;
	}
}

// Whether the turn to come has timers to look at, so that it is no empty poll.
static bool due(const struct rig *r)
{
	return tcp_next_us(&r->core->tcp) <= core_clock(r->core);
}

// A symbol of its own for callgrind.
__attribute__((noinline)) bool core_measured_turn(struct ob_core *c);
bool core_measured_turn(struct ob_core *c)
{
	return core_turn(c);
}

static void plain_turn(struct rig *r, struct meter *m)
{
	uint64_t pkts = r->core->cnt.rx_pkts, start, end;
	bool busy = due(r);

	start = rte_rdtsc();
	busy |= core_measured_turn(r->core);
	end = rte_rdtsc();
	if (!busy)
		return;
	m->cycles += end - start - r->o->tsc_overhead;
	m->turns++;
	m->pkts += r->core->cnt.rx_pkts - pkts;
}

static void staged_turn(struct rig *r, struct meter *m)
{
	uint64_t at[STAGES + 1];
	struct turn t;
	bool busy = due(r);

	at[0] = rte_rdtsc();
#define X(stage)                                                                                   \
	turn_##stage(r->core, &t);                                                                 \
	at[STAGE_##stage + 1] = rte_rdtsc();
	TURN_STAGES(X)
#undef X
	if (!busy && !t.busy)
		return;
	for (unsigned i = 0; i < STAGES; i++) {
		uint64_t cycles = at[i + 1] - at[i];

		m->staged_cycles[i]
			+= cycles > r->o->tsc_overhead ? cycles - r->o->tsc_overhead : 0;
	}
}

// A host that lags behind would run out of buffers; a real peer learns of that by a closing window
// or by loss, and slows down. This one is told.
static bool lags(const struct rig *r)
{
	const struct host_mem *m = &r->core->hostif.mem[0];

	return r->peer.load == LOAD_RX && m->n_free < m->n_bufs / 4;
}

static void around(struct rig *r)
{
	r->peer.hold = lags(r);
	peer_step(&r->peer);
	if (r->same)
		host_round(&r->host);
}

static void add(struct meter *m, const struct meter *slice, uint64_t n_ops, bool staged)
{
	m->cycles += slice->cycles;
	m->turns += slice->turns;
	m->pkts += slice->pkts;
	for (unsigned i = 0; i < STAGES; i++)
		m->staged_cycles[i] += slice->staged_cycles[i];
	if (staged)
		m->staged_ops += n_ops;
	else
		m->ops += n_ops;
}

static void slice(struct rig *r, bool staged, struct meter *m)
{
	uint64_t end = rte_rdtsc() + SLICE_US * (r->o->tsc_hz / 1000000);
	uint64_t lost = core_taken_away(), before = ops(r);
	struct meter s = {0};
	uint64_t gaps = 0;
	bool disturbed;

	host_ran(&r->host, &gaps);
	do {
		around(r);
		if (staged)
			staged_turn(r, &s);
		else
			plain_turn(r, &s);
	} while (rte_rdtsc() < end);
	m->slices++;
	// That time was not the engine's, or it had nobody to work with; nor is the next one what it would have been: its caches are
	// somebody else's.
	disturbed = core_taken_away() != lost || (!r->same && !host_ran(&r->host, &gaps));
	if (disturbed || m->cold)
		m->discarded++;
	else
		add(m, &s, ops(r) - before, staged);
	if (r->same)
		host_count(&r->host, disturbed || m->cold);
	m->cold = disturbed;
}

static bool enough(const struct meter *m, bool staged)
{
	return m->slices - m->discarded >= SLICES_MIN && m->ops && (!staged || m->staged_ops);
}

void rig_measure(struct rig *r, double seconds, bool staged, struct meter *m)
{
	uint64_t end = rte_rdtsc() + (uint64_t)(seconds * (double)r->o->tsc_hz);
	uint64_t random = rte_rdtsc() | 1;
	uint64_t last = rte_rdtsc() + (uint64_t)(LONGER_MAX * seconds * (double)r->o->tsc_hz);
	uint64_t cycles = atomic_load(&r->host.cycles), events = atomic_load(&r->host.events);

	*m = (struct meter){0};
	r->peer.go = true;
	while (!bench_stopped()
		&& (rte_rdtsc() < end || (rte_rdtsc() < last && !enough(m, staged)))) {
		// By chance: what comes at intervals must not meet one kind alone.
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		slice(r, staged && random >> 63, m);
	}
	r->peer.go = false;
	m->host_cycles = atomic_load(&r->host.cycles) - cycles;
	m->host_events = atomic_load(&r->host.events) - events;
}

void rig_measure_ops(struct rig *r, uint64_t n, struct meter *m)
{
	uint64_t before = ops(r);

	*m = (struct meter){0};
	r->peer.go = true;
	do {
		around(r);
		plain_turn(r, m);
	} while (ops(r) - before < n && !bench_stopped());
	r->peer.go = false;
	m->ops = ops(r) - before;
	m->slices = 1;
}

void rig_warm(struct rig *r, double seconds)
{
	uint64_t end = rte_rdtsc() + (uint64_t)(seconds * (double)r->o->tsc_hz);

	r->peer.go = true;
	while (rte_rdtsc() < end && !bench_stopped()) {
		around(r);
		core_turn(r->core);
	}
	r->peer.go = false;
}
