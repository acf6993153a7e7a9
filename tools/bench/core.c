// The suite `core`: which loads, in which ways, as which figures.
#include "tools/bench/core.h"

#include <errno.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <sched.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/hostif/fault.h"
#include "tools/bench/core_rig.h"
#include "tools/bench/stats.h"

#define SECONDS 0.2
#define REPEAT 5u
#define WARM_S 0.25 // before the first value: past the shortest time-out
#define WARM_AGAIN_S 0.02 // before the others
#define ENGINE_MBUFS 16383u // port.mbufs
#define PEER_MBUFS 32767u
#define APART 0.05 // how far the sum of the phases may be from the whole
#define REPEAT_MAX 1000u

static struct rig_opts opts
	= {.engine_cpu = 1, .host_cpu = 0, .depth = 64, .train = 8, .delack_us = 40000};
static uint64_t fixed_ops;
static uint32_t only_flows;

static const struct bench_option core_options[] = {
	{"flows", "N", "this many flows instead of those that the suite has"},
	{"depth", "N", "requests or connections under way at the most, over all flows (64)"},
	{"train", "N", "rx1448: segments of one flow behind each other (8)"},
	{"delack-us", "N", "the peer's delay of acknowledgements (40000)"},
	{"engine-cpu", "N", "CPU of the engine (1)"},
	{"host-cpu", "N", "CPU of the host where it is not the engine's (0)"},
	{"set", "SECTION.OPTION=V", "an option of the engine's configuration; can be repeated"},
	{"no-huge", NULL, "ordinary pages for everything"},
	{"ops", "N", "so many operations, counted, host on the engine's CPU: for callgrind"},
	{0},
};

static int take_number(const char *value, uint64_t min, uint64_t max, uint64_t *out)
{
	char *end;

	*out = strtoull(value, &end, 10);
	return value[0] < '0' || value[0] > '9' || *end || *out < min || *out > max ? -EINVAL : 0;
}

static int core_option(struct bench *b, const char *name, const char *value)
{
	uint64_t n = 0;
	int rc = 0;

	(void)b;
	if (strcmp(name, "no-huge") == 0) {
		opts.no_huge = true;
	} else if (strcmp(name, "set") == 0) {
		if (opts.n_sets == RIG_SETS)
			return -EINVAL;
		opts.sets[opts.n_sets++] = value;
	} else if (strcmp(name, "flows") == 0) {
		rc = take_number(value, 1, 4000000, &n);
		only_flows = (uint32_t)n;
	} else if (strcmp(name, "depth") == 0) {
		rc = take_number(value, 1, 4096, &n);
		opts.depth = (uint32_t)n;
	} else if (strcmp(name, "train") == 0) {
		rc = take_number(value, 1, 64, &n);
		opts.train = (uint32_t)n;
	} else if (strcmp(name, "delack-us") == 0) {
		rc = take_number(value, 0, 500000, &opts.delack_us);
	} else if (strcmp(name, "engine-cpu") == 0) {
		rc = take_number(value, 0, 1023, &n);
		opts.engine_cpu = (int)n;
	} else if (strcmp(name, "host-cpu") == 0) {
		rc = take_number(value, 0, 1023, &n);
		opts.host_cpu = (int)n;
	} else if (strcmp(name, "ops") == 0) {
		rc = take_number(value, 1, 1000000000, &fixed_ops);
	}
	return rc;
}

// A load, and how its figures are called.
static const struct load {
	enum peer_load load;
	const char *name;
	const char *unit;
	uint32_t flows[8]; // ended by 0
} loads[] = {
	{LOAD_ECHO, "echo", "cycles_per_op", {1, 64, 512, 4096, 65536, 1000000}},
	{LOAD_RX, "rx1448", "cycles_per_seg", {1, 64, 4096}},
	{LOAD_TX, "tx1448", "cycles_per_seg", {1, 64, 4096}},
	{LOAD_SHORT, "short", "cycles_per_conn", {64}},
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

#define WAYS 4u

static bool plain_names(const struct load *l, const struct way *w)
{
	return l->load == LOAD_ECHO && !w->same && !w->offload;
}

// core.phase.{phase}.flows={n}.cycles_per_op is of the echo with software checksums and the host on
// the other CPU; for everything else the load and the way are in the name, and it has to be asked for.
static void phase_name(char *out, size_t bytes, const struct load *l, const struct way *w,
	uint32_t flows, const char *phase)
{
	if (plain_names(l, w))
		snprintf(out, bytes, "core.phase.%s.flows=%u.cycles_per_op", phase, flows);
	else
		snprintf(out, bytes, "core.phase.%s.%s.%s%s", phase, w->of, l->unit, w->suffix);
}

static bool phases_wanted(
	const struct bench *b, const struct load *l, const struct way *w, uint32_t flows)
{
	char name[160];

	if (!plain_names(l, w) && b->n_patterns == 0)
		return false;
	for (unsigned i = 0; i <= STAGES; i++) {
		phase_name(
			name, sizeof(name), l, w, flows, i < STAGES ? rig_stage_names[i] : "sum");
		if (bench_wanted(b, "%s", name))
			return true;
	}
	return false;
}

static const char *host_name(
	const struct load *l, const struct way *w, uint32_t flows, char *out, size_t bytes)
{
	if (plain_names(l, w) && flows == 64)
		snprintf(out, bytes, "core.host.cycles_per_event");
	else
		snprintf(out, bytes, "core.host.%s.cycles_per_event%s", w->of, w->suffix);
	return out;
}

static bool way_make(
	const struct bench *b, const struct load *l, uint32_t flows, unsigned i, struct way *w)
{
	char name[160];

	*w = (struct way){.same = i & 1, .offload = i & 2};
	if (l->load == LOAD_SHORT)
		snprintf(w->of, sizeof(w->of), "%s", l->name);
	else
		snprintf(w->of, sizeof(w->of), "%s.flows=%u", l->name, flows);
	snprintf(w->suffix, sizeof(w->suffix), ".csum=%s.host=%s", w->offload ? "offload" : "sw",
		w->same ? "same" : "other");
	if (fixed_ops && !w->same)
		return false;
	w->staged = !fixed_ops && phases_wanted(b, l, w, flows);
	w->wanted = w->staged || bench_wanted(b, "core.%s.%s%s", w->of, l->unit, w->suffix)
		|| bench_wanted(b, "%s", host_name(l, w, flows, name, sizeof(name)))
		|| bench_wanted(b, "core.%s.pkts_per_turn%s", w->of, w->suffix);
	return w->wanted;
}

static void report_phases(
	struct bench *b, const struct load *l, struct way *w, uint32_t flows, const struct meter *m)
{
	double sum = 0, n = (double)m->staged_ops;
	char name[160];

	for (unsigned i = 0; i < STAGES; i++) {
		phase_name(name, sizeof(name), l, w, flows, rig_stage_names[i]);
		bench_value(b, (double)m->staged_cycles[i] / n, "cycles", "%s", name);
		sum += (double)m->staged_cycles[i] / n;
	}
	phase_name(name, sizeof(name), l, w, flows, "sum");
	bench_value(b, sum, "cycles", "%s", name);
	w->ratios[w->n_ratios++] = sum / ((double)m->cycles / (double)m->ops);
}

static void report(
	struct bench *b, const struct load *l, struct way *w, uint32_t flows, const struct meter *m)
{
	char name[160];

	if (m->ops == 0 || (w->staged && m->staged_ops == 0)) {
		bench_fail(b,
			"core.%s%s: nothing was done in %lu slices, of which %lu were "
			"disturbed",
			w->of, w->suffix, m->slices, m->discarded);
		return;
	}
	bench_value(b, (double)m->cycles / (double)m->ops, "cycles", "core.%s.%s%s", w->of, l->unit,
		w->suffix);
	bench_value(b, (double)m->pkts / (double)m->turns, "packets", "core.%s.pkts_per_turn%s",
		w->of, w->suffix);
	if (w->staged)
		report_phases(b, l, w, flows, m);
	if (m->host_events)
		bench_value(b, (double)m->host_cycles / (double)m->host_events, "cycles", "%s",
			host_name(l, w, flows, name, sizeof(name)));
}

// The phases are of other turns than the whole: they have to agree.
static void check_phases(struct bench *b, const struct way *w)
{
	double ratio;

	if (!w->staged || w->n_ratios == 0)
		return;
	ratio = stats_median(w->ratios, w->n_ratios);
	if (ratio < 1 - APART || ratio > 1 + APART)
		bench_fail(b, "core.%s%s: the phases sum to %.3f of the whole", w->of, w->suffix,
			ratio);
}

static int measure_ways(
	struct bench *b, struct rig *r, const struct load *l, struct way *ways, uint32_t flows)
{
	uint64_t lost = 0, slices = 0;
	const char *error = NULL;

	for (unsigned rep = 0; rep < b->repeat && !error && !bench_stopped(); rep++) {
		for (unsigned i = 0; i < WAYS && !error && !bench_stopped(); i++) {
			struct way *w = &ways[i];
			struct meter m;

			if (!w->wanted)
				continue;
			if (rig_mode(r, w->same, w->offload))
				return -EIO;
			bench_progress(b, "core.%s%s %u/%u", w->of, w->suffix, rep + 1, b->repeat);
			rig_warm(r, rep == 0 ? WARM_S : WARM_AGAIN_S);
			if (fixed_ops)
				rig_measure_ops(r, fixed_ops, &m);
			else
				rig_measure(r, b->seconds, w->staged, &m);
			lost += m.discarded;
			slices += m.slices;
			error = rig_error(r);
			if (!error && !bench_stopped())
				report(b, l, w, flows, &m);
		}
	}
	if (error)
		bench_fail(b, "core.%s: %s", ways[0].of, error);
	if (lost * 20 > slices)
		bench_note(b, "core.%s: in %lu of %lu slices the kernel took the CPU away",
			ways[0].of, lost, slices);
	for (unsigned i = 0; i < WAYS; i++)
		check_phases(b, &ways[i]);
	return 0;
}

static int measure(struct bench *b, const struct load *l, uint32_t flows)
{
	static struct rig r;
	static struct way ways[WAYS];
	bool any = false;
	int rc;

	for (unsigned i = 0; i < WAYS; i++)
		any |= way_make(b, l, flows, i, &ways[i]);
	if (!any || bench_stopped())
		return 0;
	bench_progress(b, "core.%s: establishing", ways[0].of);
	rc = rig_start(&r, &opts, l->load, flows);
	if (rc == 0) {
		char key[96];

		snprintf(key, sizeof(key), "open_s.%s", ways[0].of);
		if (flows >= 100000)
			bench_set_number(b, key, r.open_s);
		if (!opts.no_huge && (!r.st.huge || !r.host.info.hugepages))
			bench_note(b, "core.%s: too few hugepages: %s lies on ordinary pages",
				ways[0].of, r.st.huge ? "the host's memory" : "the state segment");
		rc = measure_ways(b, &r, l, ways, flows);
	}
	if (rc) {
		bench_fail(b, "core.%s: %s", ways[0].of, r.err[0] ? r.err : strerror(-rc));
		rc = 0;
	}
	if (r.core && r.core->cnt.tcp_rtx_segs)
		bench_note(b, "core.%s: the engine sent %lu segments again", ways[0].of,
			r.core->cnt.tcp_rtx_segs);
	rig_stop(&r);
	return rc;
}

// Cycles between two reads of the clock with nothing between: the median.
static uint64_t clock_overhead(void)
{
	static double cycles[STATS_MAX];

	for (unsigned i = 0; i < STATS_MAX; i++) {
		uint64_t first = rte_rdtsc();

		cycles[i] = (double)(rte_rdtsc() - first);
	}
	return (uint64_t)stats_median(cycles, STATS_MAX);
}

static int start_eal(void)
{
	char cores[32];
	char *argv[] = {"outboard-bench", "--lcores", cores, "--iova-mode=va", "--no-pci",
		"--no-telemetry", "--log-level=lib.eal:error",
		opts.no_huge ? "--no-huge" : "--in-memory", "-m", opts.no_huge ? "512" : "128"};

	snprintf(cores, sizeof(cores), "0@%d", opts.engine_cpu);
	return rte_eal_init((int)(sizeof(argv) / sizeof(argv[0])), argv) < 0 ? -rte_errno : 0;
}

static bool both_cpus(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_ISSET(opts.engine_cpu, &set)
		&& CPU_ISSET(opts.host_cpu, &set);
}

static void say_settings(struct bench *b)
{
	char text[2048] = "";
	size_t used = 0;

	for (unsigned i = 0; i < opts.n_sets && used < sizeof(text); i++)
		used += (size_t)snprintf(
			text + used, sizeof(text) - used, "%s%s", i ? " " : "", opts.sets[i]);
	bench_set_number(b, "seconds", b->seconds);
	bench_set_number(b, "repeat", b->repeat);
	bench_set_number(b, "depth", opts.depth);
	bench_set_number(b, "train", opts.train);
	bench_set_number(b, "peer_delack_us", (double)opts.delack_us);
	bench_set_number(b, "engine_cpu", opts.engine_cpu);
	bench_set_number(b, "host_cpu", opts.host_cpu);
	bench_set_number(b, "clock_cycles", (double)opts.tsc_overhead);
	bench_set_text(b, "set", text);
	bench_set_text(b, "memory", opts.no_huge ? "normal" : "huge");
	if (fixed_ops)
		bench_set_number(b, "ops", (double)fixed_ops);
}

static int suite_run(struct bench *b)
{
	int rc;

	b->seconds = b->seconds > 0 ? b->seconds : SECONDS;
	b->repeat = b->repeat ? b->repeat : fixed_ops ? 1 : REPEAT;
	if (!both_cpus() || opts.engine_cpu == opts.host_cpu) {
		bench_fail(b, "CPUs %d and %d are not both there for this process: two are needed",
			opts.engine_cpu, opts.host_cpu);
		return 0;
	}
	rc = start_eal();
	if (rc || sodium_init() < 0 || fault_install()) {
		bench_fail(b, "EAL does not start");
		return rc;
	}
	opts.tsc_hz = rte_get_tsc_hz();
	machine_tsc_set(opts.tsc_hz);
	opts.tsc_overhead = clock_overhead();
	opts.engine_pool = rte_pktmbuf_pool_create(
		"engine", ENGINE_MBUFS, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	opts.peer_pool = rte_pktmbuf_pool_create(
		"peer", PEER_MBUFS, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (!opts.engine_pool || !opts.peer_pool) {
		bench_fail(b, "no memory for packets");
		return -ENOMEM;
	}
	say_settings(b);
	for (unsigned i = 0; rc == 0 && i < sizeof(loads) / sizeof(loads[0]); i++)
		for (unsigned k = 0; rc == 0 && loads[i].flows[k]; k++) {
			bool last = only_flows && loads[i].load != LOAD_SHORT;

			rc = measure(b, &loads[i], last ? only_flows : loads[i].flows[k]);
			if (last)
				break;
		}
	rte_eal_cleanup();
	return rc;
}

const struct bench_suite core_suite = {
	.name = "core",
	.doc = "cycles of the engine's core per operation and phase, on an in-memory wire",
	.options = core_options,
	.option = core_option,
	.run = suite_run,
};
