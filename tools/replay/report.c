#include "tools/replay/report.h"

#include "tools/replay/quoted.h"

enum {
	FAILURES_MAX = 10, // told to people
};

typedef unsigned long long ull;

static const char *side_name(enum side side)
{
	return side == CLIENT ? "client" : "server";
}

static const char *sides_text(unsigned sides)
{
	return sides == PLAY_BOTH ? "both" : sides == PLAY_SERVER ? "server" : "client";
}

static double seconds(const struct run *r)
{
	return (double)(r->end_ns - r->start_ns) / 1e9;
}

// From the first to the last segment of the file.
static double file_seconds(const struct run *r)
{
	uint64_t last = r->sessions.first_ns;

	for (uint32_t i = 0; i < r->sessions.n; i++) {
		const struct session *c = &r->sessions.at[i];

		if (c->n_segs && c->segs[c->n_segs - 1].t_ns > last)
			last = c->segs[c->n_segs - 1].t_ns;
	}
	return (double)(last - r->sessions.first_ns) / 1e9;
}

static uint64_t fallbacks(const struct totals *t)
{
	return t->fallback_acks + t->fallback_retransmits + t->fallback_probes + t->fallback_clipped
		+ t->fallback_unseen;
}

static uint32_t skipped(const struct run *r)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->sessions.n; i++)
		n += r->sessions.at[i].skipped;
	return n;
}

// "client 10.0.0.1:1234 > 10.0.0.2:80"
static void tuple(FILE *out, const struct session *c)
{
	char a[64], b[64];

	fprintf(out, "%s > %s", flow_name(&c->flow[CLIENT], a), flow_name(&c->flow[SERVER], b));
}

static void failures_text(FILE *out, const struct run *r)
{
	uint32_t told = 0;

	for (uint32_t i = 0; i < r->n_lives && told < FAILURES_MAX; i++) {
		const struct live *l = &r->lives[i];

		if (!l->failed)
			continue;
		fprintf(out, "  session %u (", l->plan->session->number);
		tuple(out, l->plan->session);
		fprintf(out, "), %s replayed, copy %u: %s\n", side_name(l->plan->side), l->copy,
			l->why);
		told++;
	}
	if (told < r->n_failed)
		fprintf(out, "  ... and %u more\n", r->n_failed - told);
}

void report_text(FILE *out, const struct run *r)
{
	const struct totals *t = &r->env.totals;

	fprintf(out, "%s: %llu frames, %llu of TCP, %u sessions, %.3f s\n", r->opts->file,
		(ull)r->counts.frames, (ull)r->counts.tcp_frames, r->sessions.n, file_seconds(r));
	fprintf(out, "replayed: %s side, %u plans x %u copies = %u connections, ",
		sides_text(r->opts->sides), r->n_plans, r->opts->copies, r->n_lives);
	if (r->opts->speed > 0)
		fprintf(out, "speed %g, ", r->opts->speed);
	else
		fprintf(out, "speed max, ");
	fprintf(out, "%.3f s\n", seconds(r));
	fprintf(out,
		"  segments of the file sent: %llu (duplicates %llu, reordered %llu, "
		"retransmissions %llu, damaged %llu)\n",
		(ull)t->segs, (ull)t->classes[STEP_DUPLICATE], (ull)t->classes[STEP_REORDERED],
		(ull)t->classes[STEP_RETRANSMIT], (ull)t->corrupt);
	if (fallbacks(t) || t->split)
		fprintf(out,
			"  fallback: %llu ACKs, %llu retransmissions, %llu window probes, "
			"%llu clipped, %llu cuts, %llu unseen\n",
			(ull)t->fallback_acks, (ull)t->fallback_retransmits,
			(ull)t->fallback_probes, (ull)t->fallback_clipped, (ull)t->split,
			(ull)t->fallback_unseen);
	else
		fprintf(out, "  fallback: none\n");
	fprintf(out, "  checked: %llu bytes by the application, %llu on the wire\n",
		(ull)t->host_bytes, (ull)t->peer_bytes);
	fprintf(out, "%u right, %u failed\n", r->n_done, r->n_failed);
	failures_text(out, r);
}

static void notes_json(FILE *out, const struct notes *n)
{
	bool any = false;

	fprintf(out, ", \"notes\": [");
	for (int k = 0; k < NOTE_KINDS; k++) {
		if (!n->of[k].count)
			continue;
		fprintf(out, "%s{\"kind\": \"%s\", \"count\": %llu, \"frame\": %llu, \"text\": ",
			any ? ", " : "", note_name(k), (ull)n->of[k].count, (ull)n->of[k].frame);
		quoted_print(out, n->of[k].text);
		fputc('}', out);
		any = true;
	}
	fputc(']', out);
}

static void failures_json(FILE *out, const struct run *r)
{
	bool any = false;

	fprintf(out, ", \"failures\": [");
	for (uint32_t i = 0; i < r->n_lives; i++) {
		const struct live *l = &r->lives[i];

		if (!l->failed)
			continue;
		fprintf(out, "%s{\"session\": %u, \"copy\": %u, \"side\": \"%s\", \"why\": ",
			any ? ", " : "", l->plan->session->number, l->copy,
			side_name(l->plan->side));
		quoted_print(out, l->why);
		fputc('}', out);
		any = true;
	}
	fputc(']', out);
}

static void figures_json(FILE *out, const struct run *r)
{
	const struct totals *t = &r->env.totals;

	fprintf(out,
		", \"segments\": {\"sent\": %llu, \"made_up\": %llu, \"acks\": %llu, \"new\": "
		"%llu, "
		"\"duplicates\": %llu, \"reordered\": %llu, \"retransmissions\": %llu, "
		"\"damaged\": %llu, \"split\": %llu}",
		(ull)t->segs, (ull)t->made_up, (ull)t->classes[STEP_ACK], (ull)t->classes[STEP_NEW],
		(ull)t->classes[STEP_DUPLICATE], (ull)t->classes[STEP_REORDERED],
		(ull)t->classes[STEP_RETRANSMIT], (ull)t->corrupt, (ull)t->split);
	fprintf(out,
		", \"fallback\": {\"total\": %llu, \"acks\": %llu, \"retransmits\": %llu, "
		"\"probes\": %llu, \"clipped\": %llu, \"unseen\": %llu}",
		(ull)fallbacks(t), (ull)t->fallback_acks, (ull)t->fallback_retransmits,
		(ull)t->fallback_probes, (ull)t->fallback_clipped, (ull)t->fallback_unseen);
	fprintf(out,
		", \"checked\": {\"host_bytes\": %llu, \"peer_bytes\": %llu}"
		", \"engine\": {\"segments\": %llu, \"again\": %llu, \"bad_sums\": %llu}"
		", \"wire\": {\"tx_pkts\": %llu, \"rx_pkts\": %llu, \"rx_missed_pkts\": %llu, "
		"\"strays\": %llu}",
		(ull)t->host_bytes, (ull)t->peer_bytes, (ull)t->engine_segs, (ull)t->engine_again,
		(ull)t->rx_bad_sums, (ull)r->wire.tx_pkts, (ull)r->wire.rx_pkts,
		(ull)r->wire.rx_missed_pkts, (ull)t->rx_strays);
}

void report_json(FILE *out, const struct run *r)
{
	fprintf(out, "{\"file\": ");
	quoted_print(out, r->opts->file);
	fprintf(out,
		", \"frames\": %llu, \"tcp_frames\": %llu, \"sessions\": %u, \"skipped\": %u"
		", \"capture_s\": %.6f, \"side\": \"%s\", \"speed\": ",
		(ull)r->counts.frames, (ull)r->counts.tcp_frames, r->sessions.n, skipped(r),
		file_seconds(r), sides_text(r->opts->sides));
	if (r->opts->speed > 0)
		fprintf(out, "%g", r->opts->speed);
	else
		fprintf(out, "\"max\"");
	fprintf(out,
		", \"copies\": %u, \"connections\": %u, \"right\": %u, \"failed\": %u, "
		"\"aborted_at_end\": %u, \"replay_s\": %.6f, \"lag_ms_max\": %.3f",
		r->opts->copies, r->n_lives, r->n_done, r->n_failed, r->n_aborted, seconds(r),
		(double)r->env.totals.lag_max_ns / 1e6);
	figures_json(out, r);
	notes_json(out, &r->notes);
	failures_json(out, r);
	fprintf(out, "}\n");
}

static void list_flow(FILE *out, const struct flow *f, const char *name)
{
	fprintf(out, "  %s: %llu segments, %lld bytes", name, (ull)f->segs,
		(long long)f->stream.len);
	if (f->made_up)
		fprintf(out, " (%llu made up)", (ull)f->made_up);
	fprintf(out, "%s%s%s\n", f->fin != NO_OFFSET ? ", FIN" : "",
		f->rst != NO_OFFSET ? ", RST" : "", f->late_rsts ? ", RST behind the end" : "");
}

void report_list(FILE *out, const struct run *r)
{
	for (uint32_t i = 0; i < r->sessions.n; i++) {
		const struct session *c = &r->sessions.at[i];

		fprintf(out, "session %u: ", c->number);
		tuple(out, c);
		fprintf(out, "%s\n", c->skipped ? " (cannot be replayed)" : "");
		list_flow(out, &c->flow[CLIENT], "client");
		list_flow(out, &c->flow[SERVER], "server");
	}
	for (uint32_t i = 0; i < r->n_plans; i++) {
		const struct plan *p = &r->plans[i];

		fprintf(out,
			"plan: session %u, %s: %u segments (new %llu, duplicates %llu, reordered "
			"%llu, retransmissions %llu), the other side does %u things\n",
			p->session->number, side_name(p->side), p->n_steps,
			(ull)p->classes[STEP_NEW], (ull)p->classes[STEP_DUPLICATE],
			(ull)p->classes[STEP_REORDERED], (ull)p->classes[STEP_RETRANSMIT],
			p->n_cues);
	}
}
