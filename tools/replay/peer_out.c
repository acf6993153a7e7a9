// When the replayed peer sends what: the file's segments, and what a fallback asks for.
#include <string.h>

#include "tools/replay/live.h"

#define MS 1000000ull

enum {
	ACK_AFTER = 30, // ms
	CLIP_AFTER = 60,
	PROBE_AFTER = 300,
	SLACK_SEGS = 2, // what an engine's ACK may come later than the captured one's
	HEADERS = 40,
};
#define RTO_MAX_NS (4000 * MS)

static const struct step *next_step(const struct live *l)
{
	return l->step < l->plan->n_steps ? &l->plan->steps[l->step] : NULL;
}

static const struct seg *seg_of(const struct live *l, const struct step *st)
{
	return &l->plan->session->segs[st->seg];
}

static uint32_t times_come(const struct live *l, int64_t off)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < l->n_arrivals; i++)
		n += l->arrivals[i].start <= off && off < l->arrivals[i].end;
	return n;
}

static enum wait cause_missing(const struct live *l, const struct step *st)
{
	const struct seg *g = seg_of(l, st);
	int64_t total = flow_total(l->theirs);

	if (st->again != NO_OFFSET && times_come(l, st->again) < 2
		&& (l->map.floor == NO_OFFSET || l->map.floor <= st->again))
		return WAIT_AGAIN;
	if (st->need != NO_OFFSET) {
		int64_t need = st->need < total ? st->need : total;
		int64_t ack = g->ack < total ? g->ack : total;

		if (ack > l->map.received || need > l->map.received_max)
			return WAIT_DATA;
	}
	if (st->acked != NO_OFFSET && l->acked < st->acked - SLACK_SEGS * (int64_t)l->engine_mss)
		return WAIT_FLIGHT;
	if (g->len && !g->corrupt && g->off + g->len > l->engine_edge)
		return WAIT_WINDOW;
	return WAIT_NOTHING;
}

static enum wait step_wait(const struct live *l, const struct env *env, const struct step *st)
{
	if (env->now_ns < live_due(l, env, seg_of(l, st)->t_ns))
		return WAIT_TIME;
	if (l->dead || l->forced)
		return WAIT_NOTHING;
	return cause_missing(l, st);
}

static void forget_arrivals(struct live *l)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < l->n_arrivals; i++)
		if (l->arrivals[i].end > l->ack_sent)
			l->arrivals[kept++] = l->arrivals[i];
	l->n_arrivals = kept;
}

// Hands a segment over, and remembers what it said.
static void put(
	struct live *l, struct env *env, const struct out_seg *o, int64_t off, uint32_t bytes)
{
	static const uint8_t damaged[65536];
	const uint8_t *payload = damaged;
	int64_t end = off + bytes + !!(o->flags & (TCP_SYN | TCP_FIN));

	if (bytes && off >= 0 && off + bytes <= l->ours->stream.len)
		payload = l->ours->stream.data + off;
	env->sink.send(env->sink.arg, l, o, off, payload, bytes);
	l->moved_ns = env->now_ns;
	if (o->bad_sum)
		return;
	if (end > l->snd_max) {
		l->snd_max = end;
		l->acked_ns = env->now_ns;
	}
	if (o->edge > l->map.edge)
		l->map.edge = o->edge;
	if (o->ts_val && (int32_t)(o->ts_val - l->ts_val) > 0)
		l->ts_val = o->ts_val;
	if (o->ack_off != NO_OFFSET && o->ack_off > l->ack_sent) {
		l->ack_sent = o->ack_off;
		forget_arrivals(l);
	}
	if (o->ack_off != NO_OFFSET && o->ack_off >= l->ack_sent)
		l->ack_again = false;
	if (o->flags & TCP_RST)
		l->dead = l->rst_sent = true;
}

// The largest payload that the engine and the wire take with these options.
static uint32_t room_for(const struct live *l, const struct env *env, const struct out_seg *o)
{
	uint32_t mss = l->engine_mss - o->n_opts;
	uint32_t mtu = env->mtu - HEADERS - o->n_opts;

	return mss < mtu ? mss : mtu;
}

static void send_step(struct live *l, struct env *env, const struct step *st)
{
	const struct seg *g = seg_of(l, st);
	uint32_t sent = 0, room;
	struct out_seg o;
	uint8_t flags;

	map_segment(&l->map, g, &o);
	flags = o.flags;
	room = room_for(l, env, &o);
	while (g->len - sent > room) {
		o.flags = flags & (uint8_t) ~(TCP_FIN | TCP_PSH);
		put(l, env, &o, g->off + sent, room);
		sent += room;
		o.seq += room;
		env->totals.split++;
	}
	o.flags = flags;
	put(l, env, &o, g->off + sent, g->len - sent);
	if (!g->frame) {
		env->totals.made_up++;
		return;
	}
	env->totals.segs++;
	env->totals.classes[st->class]++;
	env->totals.corrupt += g->corrupt;
	env->totals.fallback_clipped += o.clipped && !l->dead;
}

static void send_own_ack(struct live *l, struct env *env, int64_t seq)
{
	struct out_seg o;

	map_own_ack(&l->map, seq, l->ts_val, &o);
	l->map.floor = l->map.received;
	put(l, env, &o, seq, 0);
}

// The first unacknowledged segment, again. A reset goes to where the engine expects it.
static void send_repair(struct live *l, struct env *env)
{
	int64_t end = next_step(l) ? l->snd_max : flow_total(l->ours);
	int64_t bytes = end < l->ours->stream.len ? end : l->ours->stream.len;
	struct out_seg o;
	uint32_t room;

	env->totals.fallback_retransmits++;
	if (l->acked == SYN_OFFSET) {
		for (uint32_t i = 0; i < l->step; i++)
			if (seg_of(l, &l->plan->steps[i])->flags & TCP_SYN) {
				map_segment(&l->map, seg_of(l, &l->plan->steps[i]), &o);
				put(l, env, &o, SYN_OFFSET, 0);
				return;
			}
		return;
	}
	map_own_ack(&l->map, l->acked, l->ts_val, &o);
	l->map.floor = l->map.received;
	if (l->rst_sent) {
		o.flags |= TCP_RST;
		put(l, env, &o, l->acked, 0);
		return;
	}
	room = room_for(l, env, &o);
	bytes = bytes > l->acked ? bytes - l->acked : 0;
	if (bytes > room)
		bytes = room;
	if (l->acked + bytes == l->ours->fin && end > l->ours->fin)
		o.flags |= TCP_FIN;
	if (bytes)
		o.flags |= TCP_PSH;
	put(l, env, &o, l->acked, (uint32_t)bytes);
	l->repair_end = end;
}

// Something of ours that the engine should have acknowledged by now.
static bool unacknowledged(const struct live *l)
{
	if (l->dead)
		return l->rst_sent && !l->host_closed && !next_step(l);
	return l->acked
		< (next_step(l) || l->snd_max == SYN_OFFSET ? l->snd_max : flow_total(l->ours));
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

// No more than was acknowledged before (RFC 9293 section 3.10.7.4, first; in TIME-WAIT eighth).
static void send_ack_again(struct live *l, struct env *env)
{
	struct live_map as_before = l->map;
	struct out_seg o;

	as_before.received = l->ack_sent;
	map_own_ack(&as_before, l->snd_max, l->ts_val, &o);
	put(l, env, &o, l->snd_max, 0);
}

// Whether what has come and is not acknowledged may be, without a step of the file.
static bool may_acknowledge(const struct live *l)
{
	const struct step *st = next_step(l);

	if (l->map.received <= l->ack_sent || (l->wait != WAIT_END && l->wait != WAIT_DATA))
		return false;
	// What the peer says it has lost is not acknowledged.
	return !st || !st->claim || l->map.received <= seg_of(l, st)->ack;
}

// The engine waits for an acknowledgement that the file does not have, or not yet, or that was lost.
static uint64_t ack_by_itself(struct live *l, struct env *env)
{
	uint64_t at = later(l->heard_ns, l->blocked_ns) + ACK_AFTER * MS;
	bool more = may_acknowledge(l);

	if (!l->have_irs || l->dead || (!more && !l->ack_again))
		return UINT64_MAX;
	if (env->now_ns < at)
		return at;
	env->totals.fallback_acks++;
	if (more)
		send_own_ack(l, env, l->snd_max);
	else
		send_ack_again(l, env);
	return UINT64_MAX;
}

// A duplicate ACK names what the engine will not send before it has got it: then with less.
static uint64_t claim_less(struct live *l, struct env *env)
{
	const struct step *st = next_step(l);
	uint64_t at = later(l->heard_ns, l->blocked_ns) + CLIP_AFTER * MS;

	if (l->wait != WAIT_DATA || !st->claim || l->map.received_max <= seg_of(l, st)->ack
		|| l->map.received < seg_of(l, st)->ack)
		return UINT64_MAX;
	if (env->now_ns < at && l->forced_ns <= l->heard_ns)
		return at;
	l->forced = true;
	l->forced_ns = env->now_ns;
	return env->now_ns;
}

static uint64_t repair(struct live *l, struct env *env)
{
	bool going = l->acked_ns == env->now_ns && l->acked < l->repair_end;

	if (!going && env->now_ns < l->acked_ns + l->rto_ns)
		return l->acked_ns + l->rto_ns;
	send_repair(l, env);
	if (!going && l->rto_ns < RTO_MAX_NS)
		l->rto_ns *= 2;
	l->acked_ns = env->now_ns + !!going;
	return l->acked_ns + l->rto_ns;
}

static uint64_t probe(struct live *l, struct env *env)
{
	if (env->now_ns >= l->moved_ns + PROBE_AFTER * MS) {
		env->totals.fallback_probes++;
		send_own_ack(l, env, l->snd_max - 1);
	}
	return l->moved_ns + PROBE_AFTER * MS;
}

// What a peer of its own mind would do now. Returns when to look again.
static uint64_t fall_back(struct live *l, struct env *env)
{
	uint64_t wake = ack_by_itself(l, env), at = claim_less(l, env);

	wake = at < wake ? at : wake;
	at = UINT64_MAX;
	if (unacknowledged(l))
		at = repair(l, env);
	else if (l->wait == WAIT_WINDOW)
		at = probe(l, env);
	return at < wake ? at : wake;
}

uint64_t peer_run(struct live *l, struct env *env)
{
	const struct step *st;

	while ((st = next_step(l))) {
		enum wait before = l->wait;
		uint64_t due = live_due(l, env, seg_of(l, st)->t_ns);

		l->wait = step_wait(l, env, st);
		if (l->wait == WAIT_TIME)
			return due;
		if (l->wait != WAIT_NOTHING) {
			uint64_t wake;

			if (before <= WAIT_TIME)
				l->blocked_ns = env->now_ns;
			wake = fall_back(l, env);

			if (l->forced)
				continue;
			return wake;
		}
		// What comes late because of its cause moves all that is behind it.
		if (before > WAIT_TIME && env->speed > 0 && env->now_ns > due) {
			l->lag_ns += env->now_ns - due;
			if (l->lag_ns > env->totals.lag_max_ns)
				env->totals.lag_max_ns = l->lag_ns;
		}
		send_step(l, env, st);
		l->progress_ns = env->now_ns;
		l->forced = false;
		l->step++;
	}
	if (l->wait != WAIT_END)
		l->blocked_ns = env->now_ns;
	l->wait = WAIT_END;
	return l->done ? UINT64_MAX : fall_back(l, env);
}

void peer_abort(struct live *l, struct env *env)
{
	struct out_seg o;

	if (l->dead || l->snd_max == SYN_OFFSET)
		return;
	map_own_ack(&l->map, l->acked == SYN_OFFSET ? 0 : l->acked, l->ts_val, &o);
	o.flags |= TCP_RST;
	put(l, env, &o, l->acked, 0);
}
