#include "tools/wire/impair.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// Splitmix: a counter with a strong finish, so that neighbouring seeds are as good as any.
static uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9u;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

uint64_t rng_next(struct impair_rng *rng)
{
	rng->state += 0x9e3779b97f4a7c15u;
	return mix(rng->state);
}

double rng_unit(struct impair_rng *rng)
{
	return (double)(rng_next(rng) >> 11) * 0x1p-53;
}

static bool rng_hit(struct impair_rng *rng, double probability)
{
	return rng_unit(rng) < probability;
}

void impair_init(struct impair *im, const struct impair_conf *conf, uint64_t seed, unsigned stream)
{
	struct impair_rng *const faults[] = {&im->loss, &im->dup, &im->reorder, &im->corrupt,
		&im->corrupt_bit, &im->ce, &im->jitter};
	const size_t n = sizeof(faults) / sizeof(faults[0]);

	*im = (struct impair){.conf = *conf};
	for (size_t i = 0; i < n; i++)
		faults[i]->state = mix(mix(seed) + stream * n + i);
}

static void list_append(struct impair_list *list, struct impair_pkt *pkt)
{
	pkt->next = NULL;
	if (list->last)
		list->last->next = pkt;
	else
		list->first = pkt;
	list->last = pkt;
}

static struct impair_pkt *list_take(struct impair_list *list)
{
	struct impair_pkt *pkt = list->first;

	list->first = pkt->next;
	if (!list->first)
		list->last = NULL;
	return pkt;
}

static uint64_t list_free(struct impair_list *list)
{
	uint64_t n = 0;

	for (; list->first; n++)
		free(list_take(list));
	return n;
}

uint64_t impair_free(struct impair *im)
{
	im->waiting = NULL;
	im->waiting_pkts = im->queued_pkts = 0;
	return list_free(&im->held) + list_free(&im->queue);
}

static struct impair_pkt *pkt_copy(const uint8_t *frame, uint32_t len_bytes)
{
	struct impair_pkt *pkt = malloc(sizeof(*pkt) + len_bytes);

	if (!pkt)
		return NULL;
	pkt->len_bytes = len_bytes;
	memcpy(pkt->data, frame, len_bytes);
	return pkt;
}

// Frames whose time in the rate limiter is over make room in it.
static void limiter_advance(struct impair *im, uint64_t now_ns)
{
	while (im->waiting && im->waiting->depart_ns <= now_ns) {
		im->waiting = im->waiting->next;
		im->waiting_pkts--;
	}
}

// When a frame that comes now has left the rate limiter.
static uint64_t limiter_pass(struct impair *im, uint32_t len_bytes, uint64_t now_ns)
{
	// Bits over megabits a second are microseconds.
	uint64_t takes_ns = (uint64_t)len_bytes * 8 * 1000 / im->conf.rate_mbps;
	struct impair_stats *st = &im->stats;

	if (st->rate_span_ns == 0)
		im->rate_since_ns = now_ns;
	im->link_free_ns = (im->link_free_ns > now_ns ? im->link_free_ns : now_ns) + takes_ns;
	st->queue_wait_ns += im->link_free_ns - now_ns;
	st->rate_busy_ns += takes_ns;
	st->rate_span_ns = im->link_free_ns - im->rate_since_ns;
	// The queue summed over time is the waits summed over frames.
	if (st->rate_span_ns)
		st->queue_mean_pkts = (st->queue_wait_ns + st->rate_span_ns / 2) / st->rate_span_ns;
	return im->link_free_ns;
}

// Through the rate limiter into the delay. Both are known on entry, so one queue serves for both.
static void enqueue(struct impair *im, struct impair_pkt *pkt, uint64_t now_ns)
{
	const struct impair_conf *conf = &im->conf;
	uint64_t extra_us = 0;

	limiter_advance(im, now_ns);
	if (conf->rate_mbps && conf->queue_pkts && im->waiting_pkts >= conf->queue_pkts) {
		im->stats.queue_drop_pkts++;
		im->queued_pkts--;
		free(pkt);
		return;
	}
	if (conf->rate_mbps && conf->ce_queue_pkts && im->waiting_pkts >= conf->ce_queue_pkts
		&& frame_mark_ce(pkt->data, pkt->len_bytes))
		im->stats.ce_pkts++;
	pkt->depart_ns = conf->rate_mbps ? limiter_pass(im, pkt->len_bytes, now_ns) : now_ns;
	if (conf->jitter_us)
		extra_us = rng_next(&im->jitter) % (conf->jitter_us + 1);
	pkt->due_ns = pkt->depart_ns + (conf->delay_us + extra_us) * 1000;
	list_append(&im->queue, pkt);
	if (pkt->depart_ns > now_ns) {
		if (!im->waiting)
			im->waiting = pkt;
		im->waiting_pkts++;
		if (im->waiting_pkts > im->stats.queue_max_pkts)
			im->stats.queue_max_pkts = im->waiting_pkts;
	}
}

// Held frames whose time is up. They were held in order and for the same time.
static void release_late(struct impair *im, uint64_t now_ns)
{
	while (im->held.first && im->held.first->held_until_ns <= now_ns) {
		struct impair_pkt *pkt = list_take(&im->held);

		enqueue(im, pkt, pkt->held_until_ns);
	}
}

// Another frame has overtaken those that are held.
static void overtake(struct impair *im, uint64_t now_ns)
{
	for (struct impair_pkt *pkt = im->held.first; pkt; pkt = pkt->next)
		pkt->gap_left_pkts--;
	while (im->held.first && im->held.first->gap_left_pkts == 0)
		enqueue(im, list_take(&im->held), now_ns);
}

static void hold(struct impair *im, struct impair_pkt *pkt, uint64_t now_ns)
{
	pkt->gap_left_pkts = im->conf.reorder_gap_pkts;
	pkt->held_until_ns = now_ns + im->conf.reorder_hold_us * 1000;
	list_append(&im->held, pkt);
	im->stats.reordered_pkts++;
}

int impair_push(struct impair *im, const uint8_t *frame, uint32_t len_bytes, uint64_t now_ns)
{
	const struct impair_conf *conf = &im->conf;
	// Every stream moves on with every frame, whatever happens to it.
	bool lost = rng_hit(&im->loss, conf->loss);
	bool corrupted = rng_hit(&im->corrupt, conf->corrupt);
	uint64_t bit = rng_next(&im->corrupt_bit);
	bool ce = rng_hit(&im->ce, conf->ce);
	bool twice = rng_hit(&im->dup, conf->dup);
	bool held = rng_hit(&im->reorder, conf->reorder) && conf->reorder_gap_pkts;
	struct impair_pkt *pkt, *copy = NULL;

	release_late(im, now_ns);
	im->stats.rx_pkts++;
	im->stats.rx_bytes += len_bytes;
	if (lost) {
		im->stats.lost_pkts++;
		return 0;
	}
	pkt = pkt_copy(frame, len_bytes);
	if (!pkt)
		return -ENOMEM;
	if (ce && frame_mark_ce(pkt->data, len_bytes))
		im->stats.ce_pkts++;
	if (corrupted && frame_flip_bit(pkt->data, len_bytes, bit))
		im->stats.corrupted_pkts++;
	if (twice) {
		copy = pkt_copy(pkt->data, len_bytes);
		if (!copy) {
			free(pkt);
			return -ENOMEM;
		}
		im->stats.dup_pkts++;
	}
	im->queued_pkts += copy ? 2 : 1;
	if (held)
		hold(im, pkt, now_ns);
	else
		enqueue(im, pkt, now_ns);
	if (copy)
		enqueue(im, copy, now_ns);
	if (!held)
		overtake(im, now_ns);
	return 0;
}

struct impair_pkt *impair_pop(struct impair *im, uint64_t now_ns)
{
	release_late(im, now_ns);
	limiter_advance(im, now_ns);
	if (!im->queue.first || im->queue.first->due_ns > now_ns)
		return NULL;
	im->queued_pkts--;
	return list_take(&im->queue);
}

uint64_t impair_next_ns(const struct impair *im)
{
	uint64_t next = UINT64_MAX;

	if (im->queue.first)
		next = im->queue.first->due_ns;
	if (im->held.first && im->held.first->held_until_ns < next)
		next = im->held.first->held_until_ns;
	return next;
}
