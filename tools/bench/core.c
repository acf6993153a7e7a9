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
#include "tools/bench/core_figures.h"
#include "tools/bench/stats.h"

#define SECONDS 0.15
#define SECONDS_A_FLOW 1e-6 // what so many flows do from time to time takes longer to be even
#define WARM_S_A_FLOW 2.5e-6
#define REPEAT 5u
#define WARM_S 0.25 // before the first value: past the shortest time-out
#define WARM_AGAIN_S 0.02 // before the others
#define ENGINE_MBUFS 16383u // port.mbufs
#define PEER_MBUFS 32767u

static struct rig_opts opts
	= {.engine_cpu = 1, .host_cpu = 0, .depth = 64, .train = 8, .delack_us = 40000};
static uint64_t fixed_ops;
static uint32_t only_flows;
static bool realtime;

static const struct bench_option core_options[] = {
	{"flows", "N", "this many flows instead of those that the suite has"},
	{"depth", "N", "requests or connections under way at the most, over all flows (64)"},
	{"train", "N", "rx1448: segments of one flow behind each other (8)"},
	{"delack-us", "N", "the peer's delay of acknowledgements (40000)"},
	{"engine-cpu", "N", "CPU of the engine (1)"},
	{"host-cpu", "N", "CPU of the host where it is not the engine's (0)"},
	{"realtime", NULL, "others wait for the two CPUs meanwhile (SCHED_RR); needs root"},
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
	} else if (strcmp(name, "realtime") == 0) {
		realtime = true;
	} else if (strcmp(name, "ops") == 0) {
		rc = take_number(value, 1, 1000000000, &fixed_ops);
	}
	return rc;
}

static const struct load loads[] = {
	{LOAD_ECHO, "echo", "cycles_per_op", {1, 64, 512, 4096, 65536, 1000000}},
	{LOAD_RX, "rx1448", "cycles_per_seg", {1, 64, 4096}},
	{LOAD_TX, "tx1448", "cycles_per_seg", {1, 64, 4096}},
	{LOAD_SHORT, "short", "cycles_per_conn", {64}},
};

static void measure_fixed(struct bench *b, struct rig *r, struct meter *m)
{
	rig_measure_ops(r, fixed_ops, m);
	bench_set_number(b, "ops_done", (double)m->ops); // of the last figure
}

static int measure_ways(
	struct bench *b, struct rig *r, const struct load *l, struct way *ways, uint32_t flows)
{
	double seconds = b->seconds > 0 ? b->seconds : SECONDS + flows * SECONDS_A_FLOW;
	uint64_t lost = 0, slices = 0;
	const struct way *first = NULL;
	const char *error = NULL;

	for (unsigned rep = 0; rep < b->repeat && !error && !bench_stopped(); rep++) {
		for (unsigned i = 0; i < WAYS && !error && !bench_stopped(); i++) {
			struct way *w = &ways[i];
			struct meter m;

			if (!w->wanted)
				continue;
			first = first ? first : w;
			if (rig_mode(r, w->same, w->offload))
				return -EIO;
			bench_progress(b, "core.%s%s %u/%u", w->of, w->suffix, rep + 1, b->repeat);
			rig_warm(r,
				rep == 0 && w == first ? WARM_S + flows * WARM_S_A_FLOW
						       : WARM_AGAIN_S);
			if (fixed_ops)
				measure_fixed(b, r, &m);
			else
				rig_measure(r, seconds, w->staged, &m);
			lost += m.discarded;
			slices += m.slices;
			error = rig_error(r);
			if (!error && !bench_stopped())
				way_report(b, l, w, flows, &m);
		}
	}
	if (error)
		bench_fail(b, "core.%s: %s", ways[0].of, error);
	if (lost * 2 > slices)
		bench_fail(b,
			"core.%s: %lu of %lu slices were thrown away, because the kernel took the "
			"CPU: what is left says little; see --realtime",
			ways[0].of, lost, slices);
	else if (lost * 20 > slices)
		bench_note(b,
			"core.%s: %lu of %lu slices were thrown away, because the kernel took the "
			"CPU",
			ways[0].of, lost, slices);
	for (unsigned i = 0; i < WAYS; i++)
		way_check(b, &ways[i]);
	return 0;
}

static int measure(struct bench *b, const struct load *l, uint32_t flows)
{
	static struct rig r;
	static struct way ways[WAYS];
	bool any = false;
	int rc;

	for (unsigned i = 0; i < WAYS; i++)
		any |= way_make(b, l, flows, i, fixed_ops, &ways[i]);
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
		bench_note(b,
			"core.%s: the engine sent %lu segments again: %lu time-outs, %lu fast "
			"retransmits, %lu tail loss probes",
			ways[0].of, r.core->cnt.tcp_rtx_segs, r.core->cnt.tcp_rtx_rto,
			r.core->cnt.tcp_rtx_fast, r.core->cnt.tcp_tlp_tx);
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
	bench_set_number(b, "seconds", b->seconds > 0 ? b->seconds : SECONDS);
	bench_set_number(b, "repeat", b->repeat);
	bench_set_number(b, "depth", opts.depth);
	bench_set_number(b, "train", opts.train);
	bench_set_number(b, "peer_delack_us", (double)opts.delack_us);
	bench_set_number(b, "engine_cpu", opts.engine_cpu);
	bench_set_number(b, "host_cpu", opts.host_cpu);
	bench_set_number(b, "clock_cycles", (double)opts.tsc_overhead);
	bench_set_number(b, "realtime", realtime);
	bench_set_text(b, "set", text);
	bench_set_text(b, "memory", opts.no_huge ? "normal" : "huge");
	if (fixed_ops)
		bench_set_number(b, "ops", (double)fixed_ops);
}

static int suite_run(struct bench *b)
{
	int rc;

	b->repeat = b->repeat ? b->repeat : fixed_ops ? 1 : REPEAT;
	if (!both_cpus() || opts.engine_cpu == opts.host_cpu) {
		bench_fail(b, "CPUs %d and %d are not both there for this process: two are needed",
			opts.engine_cpu, opts.host_cpu);
		return 0;
	}
	// Threads that are made later have it too.
	if (realtime && sched_setscheduler(0, SCHED_RR, &(struct sched_param){1})) {
		bench_fail(b, "--realtime: %s", strerror(errno));
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
