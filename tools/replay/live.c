#include "tools/replay/live.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void live_init(struct live *l, const struct plan *plan, uint32_t isn, uint32_t ts_base)
{
	*l = (struct live){.plan = plan};
	l->ours = &plan->session->flow[plan->side];
	l->theirs = &plan->session->flow[!plan->side];
	l->acked = l->snd_max = l->ack_sent = l->repair_end = SYN_OFFSET;
	l->flip_host = l->flip_peer = -1;
	l->engine_mss = 536;
	l->rto_ns = LIVE_RTO_NS;
	l->map = (struct live_map){.isn = isn,
		.ts_base = ts_base,
		.ts_first = l->ours->ts_first,
		.ts_ok = l->ours->ts,
		.wscale_ok = l->ours->wscale >= 0,
		.sack_ok = l->ours->sack,
		.shift = l->ours->shift,
		.received = SYN_OFFSET,
		.received_max = SYN_OFFSET,
		.floor = NO_OFFSET};
	l->ts_val = ts_base;
}

void live_free(struct live *l)
{
	spans_free(&l->came);
	spans_free(&l->sent);
	free(l->arrivals);
	l->arrivals = NULL;
}

void live_fail(struct live *l, const char *format, ...)
{
	va_list args;

	if (l->failed)
		return;
	l->failed = true;
	va_start(args, format);
	vsnprintf(l->why, sizeof(l->why), format, args);
	va_end(args);
}

bool live_check(struct live *l, const struct flow *f, int64_t off, const uint8_t *found,
	uint32_t bytes, const char *where)
{
	const char *of = f == &l->plan->session->flow[CLIENT] ? "client" : "server";
	uint32_t i = 0;

	if (off + bytes > f->stream.len) {
		live_fail(l, "%s: %lld bytes of the %s, the file has %lld", where,
			(long long)(off + bytes), of, (long long)f->stream.len);
		return false;
	}
	if (!memcmp(f->stream.data + off, found, bytes))
		return true;
	while (f->stream.data[off + i] == found[i])
		i++;
	live_fail(l, "%s: byte %lld of the %s: expected 0x%02x, found 0x%02x", where,
		(long long)(off + i), of, f->stream.data[off + i], found[i]);
	return false;
}

uint64_t live_due(const struct live *l, const struct env *env, uint64_t t_ns)
{
	uint64_t since = t_ns - l->plan->session->segs[0].t_ns;

	if (env->speed <= 0)
		return l->start_ns;
	return l->start_ns + l->lag_ns + (uint64_t)((double)since / env->speed);
}

void live_moved(struct live *l, const struct env *env)
{
	l->moved_ns = l->progress_ns = env->now_ns;
}

// A session that ends in a reset: what came before the reset has been checked, no more can be.
static bool reset_complete(const struct live *l)
{
	int64_t until = l->ours->stream.len;

	if (l->ours->rst != NO_OFFSET && l->ours->rst < until)
		until = l->ours->rst;
	if (l->host_reset)
		return true;
	return l->host_closed && l->host_read >= until;
}

bool live_complete(const struct live *l)
{
	const struct plan *p = l->plan;

	if (l->step < p->n_steps)
		return false;
	if (l->dead)
		return reset_complete(l);
	if (l->ours->rst != NO_OFFSET || l->cue < p->n_cues)
		return false;
	if (l->map.received < flow_total(l->theirs) || l->acked < flow_total(l->ours))
		return false;
	// An application that resets does not read any more.
	if (!l->host_reset && l->host_read < l->ours->stream.len)
		return false;
	if (!l->host_reset && l->ours->fin != NO_OFFSET && !l->peer_closed)
		return false;
	// The engine, too, has seen the last acknowledgement, or was told to forget the connection.
	return l->host_closed || l->host_reset || l->ours->fin == NO_OFFSET
		|| l->theirs->fin == NO_OFFSET;
}

bool live_nothing_to_reset(const struct live *l)
{
	return l->host_closed && !l->dead && l->peer_closed && l->host_fin
		&& l->cue + 1 == l->plan->n_cues && l->plan->cues[l->cue].kind == CUE_RESET;
}

// What live_complete() misses when no step is left.
static const char *missing_at_end(const struct live *l)
{
	if (l->dead)
		return "the application to hear of the reset";
	if (l->cue < l->plan->n_cues)
		return "the application to send";
	if (l->map.received < flow_total(l->theirs))
		return "the engine to send the rest";
	if (l->acked < flow_total(l->ours))
		return "the engine to acknowledge the rest";
	if (l->host_read < l->ours->stream.len)
		return "the application to get the rest";
	if (l->ours->fin != NO_OFFSET && !l->peer_closed)
		return "the application to hear of the FIN";
	return "the engine to end the connection";
}

const char *live_state(const struct live *l, char *text, size_t bytes)
{
	const struct plan *p = l->plan;
	const struct seg *g
		= l->step < p->n_steps ? &p->session->segs[p->steps[l->step].seg] : NULL;
	static const char *const waits[] = {
		[WAIT_NOTHING] = "the next turn",
		[WAIT_TIME] = "its time",
		[WAIT_DATA] = "the engine to send what it acknowledges",
		[WAIT_AGAIN] = "the engine to send again what was lost",
		[WAIT_FLIGHT] = "the engine to acknowledge more",
		[WAIT_WINDOW] = "the engine's window",
		[WAIT_END] = "",
	};
	char step[120];

	if (g)
		snprintf(step, sizeof(step), "frame %llu waits for %s",
			(unsigned long long)g->frame, waits[l->wait]);
	else
		snprintf(step, sizeof(step), "all segments were sent, waits for %s",
			missing_at_end(l));
	snprintf(text, bytes,
		"%s; from the engine %lld of %lld bytes, acknowledged %lld of %lld, read %lld",
		step, (long long)l->map.received, (long long)flow_total(l->theirs),
		(long long)l->acked, (long long)flow_total(l->ours), (long long)l->host_read);
	return text;
}
