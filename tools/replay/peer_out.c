// When the replayed peer sends the file's segments.
#include "tools/replay/peer.h"

enum {
	SLACK_SEGS = 2, // what an engine's ACK may come later than the captured one's
	HEADERS = 40,
};

static uint32_t times_come(const struct live *l, int64_t off)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < l->n_arrivals; i++)
		n += l->arrivals[i].start <= off && off < l->arrivals[i].end;
	return n;
}

static enum wait cause_missing(const struct live *l, const struct step *st)
{
	const struct seg *g = peer_seg(l, st);
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
	// What is to find the connection over must not be what ends it.
	if (g->after_end && l->map.received < total)
		return WAIT_DATA;
	if (g->after_end && l->acked < flow_total(l->ours))
		return WAIT_FLIGHT;
	return WAIT_NOTHING;
}

static enum wait step_wait(const struct live *l, const struct env *env, const struct step *st)
{
	if (env->now_ns < live_due(l, env, peer_seg(l, st)->t_ns))
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

// What of our stream has been on its way to the engine.
static void remember_sent(struct live *l, struct env *env, struct span at)
{
	if (at.end == at.start)
		return;
	if (spans_add(&l->sent, at))
		live_fail(l, "out of memory");
	if (at.end > l->snd_max) {
		l->snd_max = at.end;
		l->acked_ns = env->now_ns;
	}
}

void peer_put(struct live *l, struct env *env, const struct out_seg *o, int64_t off, uint32_t bytes)
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
	remember_sent(l, env, (struct span){off, end});
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
	if (o->flags & TCP_RST && o->after_end)
		l->late_rst = true;
	else if (o->flags & TCP_RST)
		l->dead = l->rst_sent = true;
}

uint32_t peer_room(const struct live *l, const struct env *env, const struct out_seg *o)
{
	uint32_t mss = l->engine_mss - o->n_opts;
	uint32_t mtu = env->mtu - HEADERS - o->n_opts;

	return mss < mtu ? mss : mtu;
}

static void send_step(struct live *l, struct env *env, const struct step *st)
{
	const struct seg *g = peer_seg(l, st);
	uint32_t sent = 0, room;
	struct out_seg o;
	uint8_t flags;

	map_segment(&l->map, g, &o);
	flags = o.flags;
	room = peer_room(l, env, &o);
	while (g->len - sent > room) {
		o.flags = flags & (uint8_t) ~(TCP_FIN | TCP_PSH);
		peer_put(l, env, &o, g->off + sent, room);
		sent += room;
		o.seq += room;
		env->totals.split++;
	}
	o.flags = flags;
	peer_put(l, env, &o, g->off + sent, g->len - sent);
	if (!g->frame) {
		env->totals.made_up++;
		return;
	}
	env->totals.segs++;
	env->totals.classes[st->class]++;
	env->totals.corrupt += g->corrupt;
	env->totals.fallback_clipped += o.clipped && !l->dead;
}

uint64_t peer_run(struct live *l, struct env *env)
{
	const struct step *st;

	while ((st = peer_step(l))) {
		enum wait before = l->wait;
		uint64_t due = live_due(l, env, peer_seg(l, st)->t_ns);

		l->wait = step_wait(l, env, st);
		if (l->wait == WAIT_TIME)
			return due;
		if (l->wait != WAIT_NOTHING) {
			uint64_t wake;

			if (before <= WAIT_TIME)
				l->blocked_ns = env->now_ns;
			wake = peer_fall_back(l, env);

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
	return l->done ? UINT64_MAX : peer_fall_back(l, env);
}
