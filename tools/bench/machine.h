// The machine under the figures: what it is, and who else used it meanwhile.
#ifndef TOOLS_BENCH_MACHINE_H
#define TOOLS_BENCH_MACHINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct machine_sample {
	double at_s; // monotonic
	double busy_s; // of all CPUs, without steal
	double steal_s; // taken by the hypervisor
	double own_s; // of this process and of its children that have ended
	uint64_t switches; // involuntary, of the same
};

struct machine {
	struct machine_sample begin;
	// Of the run, after machine_end().
	double wall_s;
	double steal_s;
	double others_s; // CPU time of other processes and of the kernel for them
	uint64_t switches;
	double load; // over a minute, at the beginning
	bool busy;
	char why[160]; // it is called busy
};

void machine_begin(struct machine *m);
// Sets `busy` when others had more than 5 % of a CPU, or steal was more than 2 % of one.
// `children_s`: CPU time of processes that belong to the measurement and have not ended.
void machine_end(struct machine *m, double children_s);

// CPU, memory, kernel, hugepages and all of the above. A new reference.
json_t *machine_json(const struct machine *m);
json_t *machine_build_json(void);

uint64_t machine_tsc_hz(void); // 0: not known without measuring; see machine_tsc_set()
void machine_tsc_set(uint64_t hz);

#endif
