// What the replayed peer sends that the file does not have, because the live engine did something else
// than the captured partner, or because the capture lost frames.
#include <string.h>

#include "tools/replay/peer.h"

#define MS 1000000ull

enum {
	ACK_AFTER = 30, // ms
	CLIP_AFTER = 60,
	PROBE_AFTER = 300,
	UNSEEN_FLIGHT = 65536, // bytes
};
#define RTO_MAX_NS (4000 * MS)

static void send_own_ack(struct live *l, struct env *env, int64_t seq)
{
	struct out_seg o;

	map_own_ack(&l->map, seq, l->ts_val, &o);
	l->map.floor = l->map.received;
	peer_put(l, env, &o, seq, 0);
}

// How far our stream goes without a step of the file: to what was sent, to what the file shows to have
// been acknowledged by now, whether or not it shows it being sent, and at its end to the end.
static int64_t due_end(const struct live *l)
{
	const struct step *st = peer_step(l);
	int64_t total = flow_total(l->ours), end = st ? st->given : total;

	if (l->snd_max == SYN_OFFSET)
		return l->snd_max;
	if (end < l->snd_max)
		end = l->snd_max;
	return end < total ? end : total;
}

// Bytes of our stream and its FIN, from an offset on and not past `end`, as many as fit, acknowledging up
// to `ack`. Returns the offset behind them.
static int64_t send_own_data(struct live *l, struct env *env, int64_t at, int64_t end, int64_t ack)
{
	struct live_map map = l->map;
	int64_t bytes = end < l->ours->stream.len ? end - at : l->ours->stream.len - at;
	struct out_seg o;
	uint32_t room;

	map.received = ack;
	map_own_ack(&map, at, l->ts_val, &o);
	room = peer_room(l, env, &o);
	if (bytes < 0)
		bytes = 0;
	if (bytes > room)
		bytes = room;
	if (at + bytes == l->ours->fin && end > l->ours->fin)
		o.flags |= TCP_FIN;
	if (bytes)
		o.flags |= TCP_PSH;
	peer_put(l, env, &o, at, (uint32_t)bytes);
	return at + bytes + !!(o.flags & TCP_FIN);
}

// The first unacknowledged segment, again. A reset goes to where the engine expects it.
static void send_repair(struct live *l, struct env *env)
{
	struct out_seg o;

	env->totals.fallback_retransmits++;
	if (l->acked == SYN_OFFSET) {
		for (uint32_t i = 0; i < l->step; i++)
			if (peer_seg(l, &l->plan->steps[i])->flags & TCP_SYN) {
				map_segment(&l->map, peer_seg(l, &l->plan->steps[i]), &o);
				peer_put(l, env, &o, SYN_OFFSET, 0);
				return;
			}
		return;
	}
	if (l->rst_sent) {
		map_own_ack(&l->map, l->acked, l->ts_val, &o);
		o.flags |= TCP_RST;
		peer_put(l, env, &o, l->acked, 0);
		return;
	}
	l->map.floor = l->map.received;
	send_own_data(l, env, l->acked, due_end(l), l->map.received);
	l->repair_end = due_end(l);
}

// Something of ours that the engine should have acknowledged by now.
static bool unacknowledged(const struct live *l)
{
	if (l->dead)
		return l->rst_sent && !l->host_closed && !peer_step(l);
	return l->acked < due_end(l);
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
	peer_put(l, env, &o, l->snd_max, 0);
}

// What the next step says has come had room in the window of the one that got it, whatever the file says of
// windows: it can lack the ACK that opened this one, or the scale.
static int64_t room_needed(const struct live *l)
{
	const struct step *st = peer_step(l);
	int64_t total = flow_total(l->theirs);

	if (l->wait == WAIT_END)
		return total;
	if (l->wait != WAIT_DATA || st->need == NO_OFFSET)
		return NO_OFFSET;
	return st->need < total ? st->need : total;
}

// Whether what has come and is not acknowledged may be, or a window be opened, without a step of the file.
static bool may_acknowledge(const struct live *l)
{
	const struct step *st = peer_step(l);

	if (room_needed(l) > l->map.edge)
		return true;
	if (l->map.received <= l->ack_sent || (l->wait != WAIT_END && l->wait != WAIT_DATA))
		return false;
	// What the peer says it has lost is not acknowledged.
	return !st || !st->claim || l->map.received <= peer_seg(l, st)->ack;
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
	if (room_needed(l) > l->map.edge)
		l->map.edge = room_needed(l);
	if (more)
		send_own_ack(l, env, l->snd_max);
	else
		send_ack_again(l, env);
	return UINT64_MAX;
}

// A duplicate ACK names what the engine will not send before it has got it: then with less.
static uint64_t claim_less(struct live *l, struct env *env)
{
	const struct step *st = peer_step(l);
	uint64_t at = later(l->heard_ns, l->blocked_ns) + CLIP_AFTER * MS;

	if (l->wait != WAIT_DATA || !st->claim || l->map.received_max <= peer_seg(l, st)->ack
		|| l->map.received < peer_seg(l, st)->ack)
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

static int64_t before(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

// The capture lost frames: what the engine's partner acknowledged was sent, though the file does not show
// it. A part of a window at a time.
static void send_unseen(struct live *l, struct env *env)
{
	int64_t end = due_end(l), at = l->acked;
	int64_t room_end = before(l->engine_edge, l->acked + UNSEEN_FLIGHT);

	if (l->dead || l->acked == SYN_OFFSET)
		return;
	while (at < end && at < room_end && !l->failed) {
		int64_t known = spans_end(&l->sent, at), until;

		if (known == at)
			known = spans_end(&l->plan->seen, at); // a step to come has it
		if (known > at) {
			at = known;
			continue;
		}
		until = before(spans_next(&l->sent, at, end), spans_next(&l->plan->seen, at, end));
		until = before(until, end);
		if (at < l->ours->stream.len)
			until = before(until, room_end);
		env->totals.fallback_unseen++;
		at = send_own_data(l, env, at, until, l->ack_sent > 0 ? l->ack_sent : 0);
		l->acked_ns = env->now_ns;
	}
}

uint64_t peer_fall_back(struct live *l, struct env *env)
{
	uint64_t wake, at;

	send_unseen(l, env);
	wake = ack_by_itself(l, env);
	at = claim_less(l, env);
	wake = at < wake ? at : wake;
	at = UINT64_MAX;
	if (unacknowledged(l))
		at = repair(l, env);
	else if (l->wait == WAIT_WINDOW)
		at = probe(l, env);
	return at < wake ? at : wake;
}

void peer_abort(struct live *l, struct env *env)
{
	struct out_seg o;

	if (l->dead || l->snd_max == SYN_OFFSET)
		return;
	map_own_ack(&l->map, l->acked == SYN_OFFSET ? 0 : l->acked, l->ts_val, &o);
	o.flags |= TCP_RST;
	peer_put(l, env, &o, l->acked, 0);
}
