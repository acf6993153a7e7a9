// What the files of the applications share.
#ifndef TESTS_SIM_APP_H
#define TESTS_SIM_APP_H

#include "tests/sim/sim.h"

static inline struct chan *chan_of(const struct end *e)
{
	return &e->host->chans[e->chan];
}

static inline unsigned side_of(const struct end *e)
{
	return e == &e->flow->end[1];
}

static inline struct end *other_end(const struct end *e)
{
	return &e->flow->end[1 - side_of(e)];
}

static inline void chan_due(struct chan *c, uint64_t when)
{
	if (when < c->host->stalled_until_us)
		when = c->host->stalled_until_us;
	if (when < c->due_us)
		c->due_us = when;
}

// The application is done with this end.
// What the plan sets of connections. Returns how many.
#define APP_SETTINGS 8u
unsigned app_settings(const struct plan *p, struct ob_setting list[APP_SETTINGS]);
void app_end(struct end *e);
void app_abort(struct end *e);
void app_step(struct end *e); // everything that the end can do now

#endif
