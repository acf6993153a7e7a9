// What the engine's packets mean to the replayed peer.
#include <stdlib.h>
#include <string.h>

#include "tools/replay/live.h"

enum {
	OPT_MSS = 2,
	OPT_WSCALE = 3,
	OPT_SACK_OK = 4,
	OPT_TS = 8,
};

static void take_syn(struct live *l, const struct packet *p)
{
	const uint8_t *o;
	bool wscale;
	unsigned n;

	if (l->have_irs) {
		if (l->map.irs != p->seq)
			live_fail(l, "the engine's SYN has another sequence number than before");
		return;
	}
	l->have_irs = true;
	l->map.irs = p->seq;
	l->path.to_port = p->sport;
	if ((o = packet_option(p->opts, p->n_opts, OPT_MSS, &n)) && n == 2)
		l->engine_mss = get16(o);
	o = packet_option(p->opts, p->n_opts, OPT_WSCALE, &n);
	wscale = o && n == 1 && l->map.wscale_ok;
	l->engine_shift = wscale ? (uint8_t)(*o > 14 ? 14 : *o) : 0;
	l->map.wscale_ok = wscale;
	l->map.live_shift = wscale ? (uint8_t)l->ours->wscale : 0;
	l->map.sack_ok = l->map.sack_ok && packet_option(p->opts, p->n_opts, OPT_SACK_OK, &n);
	l->map.ts_ok = l->map.ts_ok && packet_option(p->opts, p->n_opts, OPT_TS, &n);
}

static void take_timestamp(struct live *l, const struct packet *p, int64_t off)
{
	unsigned n;
	const uint8_t *o = packet_option(p->opts, p->n_opts, OPT_TS, &n);

	// RFC 7323 section 4.3.
	if (!o || n != 8 || !l->map.ts_ok || off > l->ack_sent)
		return;
	if (p->flags & TCP_SYN || (int32_t)(get32(o) - l->map.ts_recent) > 0)
		l->map.ts_recent = get32(o);
}

static void take_ack(struct live *l, struct env *env, const struct packet *p)
{
	int64_t ack = l->acked + (int32_t)(p->ack - (l->map.isn + 1 + (uint32_t)l->acked));
	unsigned shift = p->flags & TCP_SYN ? 0 : l->engine_shift;

	if (!(p->flags & TCP_ACK))
		return;
	if (ack > l->snd_max) {
		if (l->dead)
			return;
		live_fail(l, "the engine acknowledges offset %lld, %lld was sent", (long long)ack,
			(long long)l->snd_max);
		return;
	}
	if (ack > l->acked) {
		l->acked = ack;
		l->acked_ns = env->now_ns;
		live_moved(l, env);
		l->rto_ns = LIVE_RTO_NS;
	}
	if (ack + ((int64_t)p->win << shift) > l->engine_edge) {
		l->engine_edge = ack + ((int64_t)p->win << shift);
		live_moved(l, env);
	}
}

static void remember_arrival(struct live *l, struct span at)
{
	if (l->n_arrivals == l->room_arrivals) {
		uint32_t room = l->room_arrivals ? l->room_arrivals * 2 : 16;
		struct span *arrivals = realloc(l->arrivals, room * sizeof(*arrivals));

		if (!arrivals) {
			live_fail(l, "out of memory");
			return;
		}
		l->arrivals = arrivals;
		l->room_arrivals = room;
	}
	l->arrivals[l->n_arrivals++] = at;
}

static void take_stream(struct live *l, struct env *env, const struct packet *p, int64_t off)
{
	struct span at = {off, off + p->payload_bytes};
	int64_t before = l->map.received, before_max = l->map.received_max;

	if (p->payload_bytes) {
		if (off < 0) {
			live_fail(l, "the engine sends bytes of before its first");
			return;
		}
		if (!live_check(l, l->theirs, off, p->payload, p->payload_bytes, "on the wire"))
			return;
		env->totals.peer_bytes += p->payload_bytes;
	}
	if (p->flags & TCP_FIN) {
		if (l->theirs->fin != at.end && !l->done) {
			live_fail(l, "the engine ends its stream at %lld, in the file it is %lld",
				(long long)at.end,
				(long long)(l->theirs->fin == NO_OFFSET ? -1 : l->theirs->fin));
			return;
		}
		at.end++;
	}
	if (p->flags & TCP_SYN)
		at.end = at.start + 1;
	if (at.start == at.end)
		return;
	env->totals.engine_segs++;
	if (spans_add(&l->came, at)) {
		live_fail(l, "out of memory");
		return;
	}
	l->map.received = spans_end(&l->came, SYN_OFFSET);
	if (at.end > l->map.received_max)
		l->map.received_max = at.end;
	env->totals.engine_again += before == l->map.received && at.end <= before;
	if (at.end > l->ack_sent)
		remember_arrival(l, at);
	else
		l->ack_again = true;
	l->moved_ns = l->heard_ns = env->now_ns;
	if (l->map.received > before || l->map.received_max > before_max)
		live_moved(l, env);
}

// Both streams with their FINs were acknowledged, each by its receiver.
static bool over_for_engine(const struct live *l)
{
	return l->ours->fin != NO_OFFSET && l->theirs->fin != NO_OFFSET
		&& l->acked >= flow_total(l->ours) && l->ack_sent >= flow_total(l->theirs);
}

void peer_input(struct live *l, struct env *env, const struct packet *p)
{
	int64_t off;

	if (p->sum == SUM_WRONG) {
		env->totals.rx_bad_sums++;
		return;
	}
	if (p->flags & TCP_RST) {
		// The answer of one that has forgotten the connection to a segment that came late.
		if (over_for_engine(l))
			return;
		if (!l->dead && !l->host_reset && !l->done)
			live_fail(l, "the engine reset the connection");
		l->dead = true;
		live_moved(l, env);
		return;
	}
	if (p->flags & TCP_SYN)
		take_syn(l, p);
	if (!l->have_irs)
		return;
	off = l->map.received + (int32_t)(p->seq - (l->map.irs + 1 + (uint32_t)l->map.received));
	take_timestamp(l, p, off);
	take_ack(l, env, p);
	take_stream(l, env, p, off);
}
