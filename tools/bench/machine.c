#include "tools/bench/machine.h"

#include <bench_revision.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define BUSY_OTHERS 0.05 // of one CPU
#define BUSY_STEAL 0.02

static uint64_t tsc_hz;

uint64_t machine_tsc_hz(void)
{
	return tsc_hz;
}

void machine_tsc_set(uint64_t hz)
{
	tsc_hz = hz;
}

static double seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static void sample_own(struct machine_sample *s, int who)
{
	struct rusage u;

	if (getrusage(who, &u))
		return;
	s->own_s += seconds(u.ru_utime) + seconds(u.ru_stime);
	s->switches += (uint64_t)u.ru_nivcsw;
}

static struct machine_sample sample(void)
{
	struct machine_sample s = {0};
	double tick = (double)sysconf(_SC_CLK_TCK);
	FILE *f = fopen("/proc/stat", "re");
	double user, nice, sys, idle, wait, irq, softirq, steal;
	struct timespec t;

	if (f
		&& fscanf(f, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &user, &nice, &sys, &idle,
			   &wait, &irq, &softirq, &steal)
			== 8) {
		s.busy_s = (user + nice + sys + irq + softirq) / tick;
		s.steal_s = steal / tick;
	}
	if (f)
		fclose(f);
	sample_own(&s, RUSAGE_SELF);
	sample_own(&s, RUSAGE_CHILDREN);
	clock_gettime(CLOCK_MONOTONIC, &t);
	s.at_s = (double)t.tv_sec + (double)t.tv_nsec / 1e9;
	return s;
}

void machine_begin(struct machine *m)
{
	memset(m, 0, sizeof(*m));
	if (getloadavg(&m->load, 1) < 1)
		m->load = -1;
	m->begin = sample();
}

void machine_end(struct machine *m, double children_s)
{
	struct machine_sample end = sample();

	m->wall_s = end.at_s - m->begin.at_s;
	m->steal_s = end.steal_s - m->begin.steal_s;
	m->others_s = end.busy_s - m->begin.busy_s - (end.own_s - m->begin.own_s) - children_s;
	if (m->others_s < 0)
		m->others_s = 0; // ticks are coarse
	m->switches = end.switches - m->begin.switches;
	m->busy = m->others_s > BUSY_OTHERS * m->wall_s + 0.02
		|| m->steal_s > BUSY_STEAL * m->wall_s + 0.01;
	if (m->busy)
		snprintf(m->why, sizeof(m->why),
			"in %.1f s others used %.2f s of CPU, the hypervisor took %.2f s",
			m->wall_s, m->others_s, m->steal_s);
}

// The value of the first line `key : value` of a file.
static bool look_up(const char *path, const char *key, char *out, size_t bytes)
{
	FILE *f = fopen(path, "re");
	char line[1024];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f)) {
		char *colon = strchr(line, ':');

		if (!colon || strncmp(line, key, strlen(key)) != 0)
			continue;
		colon += 1 + strspn(colon + 1, " \t");
		snprintf(out, bytes, "%.*s", (int)strcspn(colon, "\n"), colon);
		found = true;
	}
	if (f)
		fclose(f);
	return found;
}

static void add_number(json_t *o, const char *file, const char *key, const char *name)
{
	char text[256];

	if (look_up(file, key, text, sizeof(text)))
		json_object_set_new(o, name, json_integer(strtoll(text, NULL, 10)));
}

json_t *machine_json(const struct machine *m)
{
	json_t *o = json_object();
	struct utsname u;
	char text[256];

	if (look_up("/proc/cpuinfo", "model name", text, sizeof(text)))
		json_object_set_new(o, "cpu", json_string(text));
	json_object_set_new(o, "cpus", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
	if (tsc_hz)
		json_object_set_new(o, "tsc_hz", json_integer((json_int_t)tsc_hz));
	add_number(o, "/proc/meminfo", "MemTotal", "memory_kb");
	add_number(o, "/proc/meminfo", "HugePages_Total", "hugepages_total");
	add_number(o, "/proc/meminfo", "HugePages_Free", "hugepages_free_at_end");
	if (uname(&u) == 0)
		json_object_set_new(o, "kernel", json_string(u.release));
	json_object_set_new(o, "load_before", json_real(m->load));
	json_object_set_new(o, "wall_s", json_real(m->wall_s));
	json_object_set_new(o, "steal_s", json_real(m->steal_s));
	json_object_set_new(o, "others_cpu_s", json_real(m->others_s));
	json_object_set_new(o, "involuntary_switches", json_integer((json_int_t)m->switches));
	json_object_set_new(o, "busy", json_boolean(m->busy));
	if (m->busy)
		json_object_set_new(o, "busy_because", json_string(m->why));
	return o;
}

json_t *machine_build_json(void)
{
	json_t *o = json_object();

	json_object_set_new(o, "version", json_string(OB_VERSION));
	json_object_set_new(o, "revision", json_string(BENCH_REVISION));
	json_object_set_new(o, "compiler", json_string(BENCH_COMPILER));
	json_object_set_new(o, "type", json_string(BENCH_TYPE));
	json_object_set_new(o, "dpdk", json_string(BENCH_DPDK));
	return o;
}
