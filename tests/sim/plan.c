#include "tests/sim/plan.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIX_MAX 64u

struct dim {
	const char *name;
	uint64_t odds, lo, hi;
};

static const struct dim dims[] = {
#define X(name, odds, lo, hi, doc) {#name, odds, lo, hi},
#include "tests/sim/dims.def"
#undef X
};
#define DIMS (sizeof(dims) / sizeof(dims[0]))

static struct fix {
	unsigned dim;
	uint64_t value;
} fixes[FIX_MAX];
static unsigned n_fixes;

// The dimensions as an array: they are all there is behind the seed.
static uint64_t *value(struct plan *p, unsigned i)
{
	return &p->seed + 1 + i;
}

int plan_fix(const char *assignment)
{
	const char *is = strchr(assignment, '=');

	for (unsigned i = 0; is && n_fixes < FIX_MAX && i < DIMS; i++) {
		if (strlen(dims[i].name) != (size_t)(is - assignment)
			|| strncmp(dims[i].name, assignment, (size_t)(is - assignment)) != 0)
			continue;
		fixes[n_fixes++] = (struct fix){i, strtoull(is + 1, NULL, 0)};
		return 0;
	}
	return -EINVAL;
}

// What is out of order is more than there is room for.
static void crowd(struct plan *p)
{
	p->hosts = p->spread_us = p->soft = p->rcv_wnd = p->pieces = 0;
	p->write_bytes = p->read_bytes = p->sndbuf_bytes = p->backlog = 0;
	p->kinds = 1u << 1 | 1u << 3; // streams up, and both ways (flow.c)
	p->flows = 24;
	p->max_bytes = 100000;
	p->init_cwnd = 40;
	p->delay_us = 20000;
	p->rx_bufs = 40;
	p->rx_buf_bytes = 1024;
	p->ooo = 6;
	p->loss_ppm = 80000;
	if (p->heal_us < 3000000)
		p->heal_us = 3000000;
}

// Round trips grow long before anything is lost: slow start ends by HyStart++ alone.
static void deep(struct plan *p)
{
	p->hosts = p->spread_us = p->soft = p->crowd = p->listeners = p->channels = 0;
	p->write_bytes = p->read_bytes = p->backlog = p->pieces = p->mbufs = p->rx_bufs = 0;
	p->loss_ppm = p->dup_ppm = p->reorder_ppm = p->corrupt_ppm = p->ce_ppm = p->ce_queue = 0;
	p->jitter_us = p->blackouts = p->path_mtu = p->amnesia_ppm = p->slow_us = p->turn_us = 0;
	p->tx_refuse_ppm = p->engine_stalls = p->host_stalls = p->reader_stalls = p->famines = 0;
	p->give_up = p->user_timeout_ms = p->linger_ms = p->aborts = p->host_deaths = p->cc = 0;
	p->script = 0; // some scripted peers send so much byte by byte
	p->init_cwnd = 4;
	p->kinds = 1u << 1 | 1u << 2; // streams up, streams down (flow.c)
	p->flows = 2;
	p->max_bytes = 500000;
	p->rate_mbps = 10;
	p->queue_pkts = 1000;
	p->delay_us = 5000;
	p->wscale = 7;
	p->rcv_wnd = p->sndbuf_bytes = 1u << 20;
}

// What the command line says is in force, for the patterns above too, and whatever they set.
static void fix(struct plan *p)
{
	for (unsigned i = 0; i < n_fixes; i++)
		*value(p, fixes[i].dim) = fixes[i].value;
}

void plan_draw(struct plan *p, uint64_t seed)
{
	static_assert(sizeof(*p) == (DIMS + 1) * sizeof(uint64_t), "numbers only");
	p->seed = seed;
	for (unsigned i = 0; i < DIMS; i++) {
		struct draw d = draw_stream(seed, dims[i].name, 0);
		bool in_force = draw_below(&d, 1000) < dims[i].odds;

		*value(p, i) = in_force ? draw_log(&d, dims[i].lo, dims[i].hi) : 0;
	}
	fix(p);
	if (p->crowd)
		crowd(p);
	if (p->deep)
		deep(p);
	fix(p);
}

void plan_print(const struct plan *p, FILE *f)
{
	const uint64_t *v = &p->seed + 1;

	fprintf(f, "plan of seed %llu:", (unsigned long long)p->seed);
	for (unsigned i = 0; i < DIMS; i++)
		if (v[i])
			fprintf(f, " %s=%llu", dims[i].name, (unsigned long long)v[i]);
	fprintf(f, "\n");
}
