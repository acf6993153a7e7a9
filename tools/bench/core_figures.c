#include "tools/bench/core_figures.h"

#include <stdio.h>

#include "tools/bench/stats.h"

#define APART 0.05 // how far the sum of the phases may be from the whole

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

bool way_make(const struct bench *b, const struct load *l, uint32_t flows, unsigned i, bool once,
	struct way *w)
{
	char name[160];

	*w = (struct way){.same = i & 1, .offload = i & 2};
	if (l->load == LOAD_SHORT)
		snprintf(w->of, sizeof(w->of), "%s", l->name);
	else
		snprintf(w->of, sizeof(w->of), "%s.flows=%u", l->name, flows);
	snprintf(w->suffix, sizeof(w->suffix), ".csum=%s.host=%s", w->offload ? "offload" : "sw",
		w->same ? "same" : "other");
	if (once && !w->same)
		return false;
	w->staged = !once && phases_wanted(b, l, w, flows);
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

void way_report(
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

void way_check(struct bench *b, const struct way *w)
{
	double ratio;

	if (!w->staged || w->n_ratios == 0)
		return;
	ratio = stats_median(w->ratios, w->n_ratios);
	// All on one side is no noise.
	if (stats_max(w->ratios, w->n_ratios) < 1 - APART
		|| stats_min(w->ratios, w->n_ratios) > 1 + APART)
		bench_fail(b, "core.%s%s: the phases sum to %.3f of the whole", w->of, w->suffix,
			ratio);
	else if (ratio < 1 - APART || ratio > 1 + APART)
		bench_note(b,
			"core.%s%s: the phases sum to %.3f of the whole, but not always: noise",
			w->of, w->suffix, ratio);
}
