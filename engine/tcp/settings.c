#include "engine/tcp/settings.h"

#include <errno.h>
#include <stdlib.h>

#include "engine/tcp/internal.h"

#define HEADS 4096u // chains, a power of 2

// What is in force by number i.
static void resolve(struct tcp *t, uint32_t i)
{
	const struct settings *hard = &t->st->settings[i];
	uint32_t *v = t->settings[i].value;

	for (unsigned o = 1; o < OB_OPT_N; o++)
		v[o] = hard->made >> o & 1 ? hard->value[o - 1] : settings_configured(t->cfg, o);
	if (v[OB_OPT_CONGESTION] == OB_CC_DEFAULT)
		v[OB_OPT_CONGESTION] = settings_configured(t->cfg, OB_OPT_CONGESTION);
	// Set apart, the two bounds may contradict each other: the lower one wins.
	if (v[OB_OPT_MAX_RTO] < v[OB_OPT_MIN_RTO])
		v[OB_OPT_MAX_RTO] = v[OB_OPT_MIN_RTO];
}

static uint16_t *head_of(const struct tcp *t, uint32_t i)
{
	return &t->settings_heads[t->st->settings[i].sum % HEADS];
}

static void chain_in(struct tcp *t, uint32_t i)
{
	uint16_t *head = head_of(t, i);

	t->settings[i].next = *head;
	*head = (uint16_t)i;
}

static void release(struct tcp *t, uint32_t i)
{
	uint16_t *at = head_of(t, i);

	while (*at != i)
		at = &t->settings[*at].next;
	*at = t->settings[i].next;
	t->host_settings[t->settings[i].host]--;
	t->settings[i].next = t->settings_free;
	t->settings_free = (uint16_t)i;
	t->n_settings_free++;
}

static void drop(struct tcp *t, uint32_t i)
{
	if (i && --t->settings[i].refs == 0)
		release(t, i);
}

// Whether what lies there can have been written by an engine.
static bool hard_good(const struct settings *v)
{
	if (v->sum != settings_sum(v) || v->made >> OB_OPT_N || v->made & 1)
		return false;
	for (unsigned o = 1; o < OB_OPT_N; o++)
		if (v->made >> o & 1 && !ob_option_good(o, v->value[o - 1]))
			return false;
	return true;
}

// A reference that a predecessor left.
static void adopt(struct tcp *t, uint16_t host, _Atomic uint16_t *ref)
{
	uint16_t i = HARD_GET(*ref);

	if (i == 0)
		return;
	if (i >= t->st->hdr->n_settings || !hard_good(&t->st->settings[i])) {
		COUNT(t->cnt, tcp_settings_damaged);
		HARD_SET(*ref, 0);
		return;
	}
	if (t->settings[i].refs++ == 0) {
		t->settings[i].host = host;
		t->host_settings[host]++;
		resolve(t, i);
		chain_in(t, i);
	}
}

static void adopt_all(struct tcp *t)
{
	const struct state_hdr *h = t->st->hdr;

	for (uint32_t i = 0; i < h->n_listeners; i++) {
		struct listener *l = &t->st->listeners[i];

		if (REC_LIFE_PHASE(HARD_GET(l->life)) == REC_LIVE)
			adopt(t, l->host, &l->settings);
	}
	for (uint32_t i = 0; i < h->n_conns; i++)
		if (rec_phase(&t->st->recs[i]) != REC_FREE)
			adopt(t, t->st->recs[i].host, &t->st->settings_of[i]);
	for (uint32_t i = 0; i < h->n_half; i++)
		if (HARD_GET(t->st->half[i].phase) != HALF_FREE)
			adopt(t, t->st->half[i].host, &t->st->settings_of[h->n_conns + i]);
}

int settings_init(struct tcp *t)
{
	uint32_t n = t->st->hdr->n_settings;

	t->settings = calloc(n, sizeof(*t->settings));
	t->settings_heads = calloc(HEADS, sizeof(*t->settings_heads));
	t->host_settings = calloc(t->st->hdr->n_hosts, sizeof(*t->host_settings));
	if (!t->settings || !t->settings_heads || !t->host_settings)
		return -ENOMEM;
	memset(&t->st->settings[0], 0, sizeof(t->st->settings[0]));
	resolve(t, 0);
	adopt_all(t);
	for (uint32_t i = n - 1; i > 0; i--) {
		if (t->settings[i].refs)
			continue;
		t->settings[i].next = t->settings_free;
		t->settings_free = (uint16_t)i;
		t->n_settings_free++;
	}
	return 0;
}

void settings_fini(struct tcp *t)
{
	free(t->settings);
	free(t->settings_heads);
	free(t->host_settings);
}

// The number of a combination: one that is there, or a new one. Returns 0 when there is no room.
static uint32_t intern(struct tcp *t, uint16_t host, const struct settings *want)
{
	uint32_t i = t->settings_heads[want->sum % HEADS];

	while (i && memcmp(&t->st->settings[i], want, sizeof(*want)) != 0)
		i = t->settings[i].next;
	if (i)
		return i;
	if (!share_of(t, t->host_settings[host], t->n_settings_free))
		return 0;
	i = t->settings_free;
	t->settings_free = t->settings[i].next;
	t->n_settings_free--;
	t->host_settings[host]++;
	t->settings[i].host = host;
	t->st->settings[i] = *want;
	resolve(t, i);
	chain_in(t, i);
	return i;
}

int settings_change(
	struct tcp *t, uint16_t host, _Atomic uint16_t *ref, unsigned option, uint32_t value)
{
	uint32_t from = HARD_GET(*ref), to;
	struct settings want = t->st->settings[from];

	if (option == OB_OPT_NONE || option >= OB_OPT_N)
		return -ENOPROTOOPT;
	want.made |= 1ull << option;
	want.value[option - 1] = value;
	want.sum = settings_sum(&want);
	to = intern(t, host, &want);
	if (to == 0)
		return -ENOBUFS;
	t->settings[to].refs++;
	HARD_SET(*ref, (uint16_t)to); // it is whole: the store is the commit
	drop(t, from);
	return 0;
}

void settings_take(struct tcp *t, _Atomic uint16_t *ref, uint16_t from)
{
	if (from)
		t->settings[from].refs++;
	HARD_SET(*ref, from);
}

void settings_end(struct tcp *t, _Atomic uint16_t *ref)
{
	uint32_t i = HARD_GET(*ref);

	HARD_SET(*ref, 0);
	drop(t, i);
}

uint32_t setting_half(const struct tcp *t, uint32_t id, enum ob_option option)
{
	const struct half *h = half_of(t, id);

	return h->listener == UINT16_MAX ? setting_of(t, id, option)
					 : tcp_listener_getopt(t, h->listener, option);
}

static void flag_follow(struct rec *r, uint8_t bit, bool on)
{
	if (on)
		rec_flag_set(r, bit);
	else
		rec_flag_clear(r, bit);
}

// Another controller begins with the window that there is.
static void cc_follow(struct tcp *t, struct tcp_soft *s)
{
	uint32_t cwnd = s->cwnd, ssthresh = s->ssthresh;

	if (s->cc == OB_CC_DEFAULT || s->cc == setting(t, s, OB_OPT_CONGESTION))
		return; // it has not begun, or stays
	cc_begin(t, s, 1);
	s->cwnd = cwnd;
	s->ssthresh = ssthresh;
}

void settings_apply(struct tcp *t, struct tcp_soft *s)
{
	struct rec *r = tcp_rec(t, s->conn);

	s->settings = HARD_GET(t->st->settings_of[s->conn]);
	flag_follow(r, REC_NODELAY, setting(t, s, OB_OPT_NODELAY));
	flag_follow(r, REC_QUICKACK, setting(t, s, OB_OPT_QUICKACK));
	if (rec_phase(r) != REC_LIVE)
		return;
	cc_follow(t, s);
	slow_follow(t, s, r);
}

int tcp_setopt(struct tcp *t, uint32_t id, unsigned option, uint64_t value)
{
	bool half = tcp_id_is_half(t, id);
	uint16_t host = half ? half_of(t, id)->host : tcp_rec(t, id)->host;
	int rc = settings_change(t, host, &t->st->settings_of[id], option, (uint32_t)value);
	struct tcp_soft *s;

	if (rc)
		return rc;
	if (half) {
		if (option == OB_OPT_INIT_RTO)
			half_soft_of(t, id)->rto_us = (uint32_t)value;
		return 0;
	}
	s = tcp_soft_held(t, id);
	if (!s) {
		// Its timer is made with its soft state.
		if (setting_of(t, id, OB_OPT_KEEPALIVE) && rec_phase(tcp_rec(t, id)) == REC_LIVE)
			tcp_soft(t, id);
		return 0;
	}
	settings_apply(t, s);
	if (rec_phase(tcp_rec(t, id)) == REC_LIVE)
		list_out(t, s); // what Nagle held may go
	return 0;
}

int tcp_listener_setopt(struct tcp *t, uint32_t listener, unsigned option, uint64_t value)
{
	struct listener *l = &t->st->listeners[listener];

	return settings_change(t, l->host, &l->settings, option, (uint32_t)value);
}

uint32_t tcp_getopt(const struct tcp *t, uint32_t id, unsigned option)
{
	return option < OB_OPT_N ? setting_of(t, id, option) : 0;
}

uint32_t tcp_listener_getopt(const struct tcp *t, uint32_t listener, unsigned option)
{
	uint16_t i = HARD_GET(t->st->listeners[listener].settings);

	return option < OB_OPT_N ? t->settings[i].value[option] : 0;
}

uint32_t tcp_default(const struct tcp *t, unsigned option)
{
	return option < OB_OPT_N ? t->settings[0].value[option] : 0;
}
