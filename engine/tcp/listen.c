// Listeners, and the SYN that meets one (RFC 9293 section 3.10.7.2).
#include <errno.h>
#include <rte_jhash.h>

#include "engine/tcp/internal.h"

static enum rec_phase listener_phase(const struct listener *l)
{
	return REC_LIFE_PHASE(HARD_GET(l->life));
}

static bool listener_live(const struct listener *l)
{
	return listener_phase(l) == REC_LIVE;
}

// The port for a listener that leaves the choice to the engine: the one that the same request was
// given before, or one that nobody listens to. Returns 0 when there is none.
static uint16_t port_for(const struct tcp *t, const struct tcp_open *o)
{
	uint64_t n = t->cfg->tcp_port_max - t->cfg->tcp_port_min + 1;
	uint16_t p = (uint16_t)(t->cfg->tcp_port_min + t->ports.listen_from % n);

	for (uint32_t i = 0; i < t->st->hdr->n_listeners; i++) {
		const struct listener *l = &t->st->listeners[i];

		if (listener_live(l) && l->host == o->host && l->chan == o->chan
			&& l->number == o->number)
			return l->lport;
	}
	for (; n; n--) {
		if (t->port_head[p] == STATE_NIL)
			return p;
		p = p >= t->cfg->tcp_port_max ? (uint16_t)t->cfg->tcp_port_min : p + 1;
	}
	return 0;
}

int tcp_listen(struct tcp *t, const struct tcp_open *o, uint32_t *listener)
{
	uint16_t lport = o->lport ? o->lport : port_for(t, o);
	uint32_t free_at = STATE_NIL;
	struct listener *l;
	int rc;

	if (lport == 0)
		return -EADDRNOTAVAIL;
	if (!ob_addr_is_any(&o->laddr) && !ob_addr_eq(&o->laddr, &t->cfg->addr))
		return ob_addr_is_v4(&o->laddr) ? -EADDRNOTAVAIL : -EAFNOSUPPORT;
	for (uint32_t i = t->port_head[lport]; i != STATE_NIL; i = t->lsoft[i].next) {
		l = &t->st->listeners[i];
		bool same = ob_addr_eq(&l->laddr, &o->laddr);

		// One host's wildcard is not undercut by another's exact address, nor the reverse.
		if (l->host != o->host
			&& (same || ob_addr_is_any(&l->laddr) || ob_addr_is_any(&o->laddr)))
			return -EADDRINUSE;
		if (!same)
			continue;
		if (l->chan == o->chan && l->number == o->number) {
			*listener = i;
			return -EALREADY;
		}
		if (l->chan == o->chan)
			return -EADDRINUSE;
	}
	rc = share_listener(t, o->host);
	if (rc)
		return rc;
	for (uint32_t i = 0; i < t->st->hdr->n_listeners && free_at == STATE_NIL; i++)
		if (listener_phase(&t->st->listeners[i]) == REC_FREE)
			free_at = i;
	if (free_at == STATE_NIL)
		return -ENFILE;
	t->host_listeners[o->host]++;
	t->n_listeners_used++;
	l = &t->st->listeners[free_at];
	l->laddr = o->laddr;
	l->lport = lport;
	l->host = o->host;
	l->chan = o->chan;
	HARD_SET(l->settings, 0);
	l->number = o->number;
	l->backlog = o->backlog ? o->backlog : 128;
	l->rcv_wnd = 0;
	HARD_SET(l->life, rec_life(o->gen, 0, REC_LIVE));
	t->lsoft[free_at] = (struct tcp_listener_soft){.next = t->port_head[lport]};
	t->port_head[lport] = free_at;
	*listener = free_at;
	return 0;
}

// Ends a listener's half-open connections: their peers find out by their next segment.
static void listener_drop_half(struct tcp *t, uint32_t listener)
{
	for (uint32_t i = 0; t->lsoft[listener].half_open && i < t->n_half; i++) {
		const struct half *h = &t->st->half[i];

		if (HARD_GET(h->phase) != HALF_FREE && h->listener == listener)
			half_drop(t, t->n_conns + i);
	}
}

int tcp_unlisten(struct tcp *t, uint32_t listener)
{
	struct listener *l = &t->st->listeners[listener];
	uint32_t *at = &t->port_head[l->lport];

	if (!listener_live(l))
		return -EALREADY;
	listener_drop_half(t, listener);
	while (*at != listener)
		at = &t->lsoft[*at].next;
	*at = t->lsoft[listener].next;
	HARD_SET(l->life, rec_life(REC_LIFE_GEN(HARD_GET(l->life)), 0, REC_DONE));
	settings_end(t, &l->settings);
	return 0;
}

int tcp_listener_free(struct tcp *t, uint32_t listener)
{
	struct listener *l = &t->st->listeners[listener];

	if (listener_phase(l) != REC_DONE)
		return listener_phase(l) == REC_FREE ? -EALREADY : -EBUSY;
	HARD_SET(l->life, rec_life(REC_LIFE_GEN(HARD_GET(l->life)), 0, REC_FREE));
	t->host_listeners[l->host]--;
	t->n_listeners_used--;
	return 0;
}

// An exact address goes before an unspecified one. Channels of one host that listen to the same
// address share its connections by a hash of the tuple.
uint32_t listener_find(const struct tcp *t, const struct seg_tuple *k)
{
	uint32_t n[2] = {0, 0}, nth;
	bool exact;

	for (uint32_t i = t->port_head[k->lport]; i != STATE_NIL; i = t->lsoft[i].next) {
		const struct listener *l = &t->st->listeners[i];

		if (ob_addr_eq(&l->laddr, &k->laddr))
			n[1]++;
		else if (ob_addr_is_any(&l->laddr))
			n[0]++;
	}
	exact = n[1] > 0;
	if (n[exact] == 0)
		return STATE_NIL;
	nth = n[exact] == 1 ? 0 : rte_jhash(k, sizeof(*k), 0) % n[exact];
	for (uint32_t i = t->port_head[k->lport]; i != STATE_NIL; i = t->lsoft[i].next) {
		const struct listener *l = &t->st->listeners[i];
		bool match = exact ? ob_addr_eq(&l->laddr, &k->laddr) : ob_addr_is_any(&l->laddr);

		if (match && nth-- == 0)
			return i;
	}
	return STATE_NIL;
}

static void count_no_half(struct tcp *t, int error)
{
	if (error == -EMFILE)
		COUNT(t->cnt, drop_syn_half_share);
	else if (error == -EDQUOT)
		COUNT(t->cnt, drop_syn_user_conns);
	else
		COUNT(t->cnt, drop_syn_half_full);
}

// iss_min: what the new initial sequence number must lie beyond (RFC 6191), or 0.
void listen_syn(struct tcp *t, const struct seg_in *in, uint32_t listener, uint32_t iss_min)
{
	const struct listener *l = &t->st->listeners[listener];
	struct tcp_half_soft *hs;
	struct tcp_opts o;
	struct half *h;
	uint32_t id;
	int rc;

	if (!tcp_opts_parse(&o, in->opt, in->opt_len, true)) {
		COUNT(t->cnt, drop_tcp_options);
		return;
	}
	if (t->lsoft[listener].half_open >= l->backlog) {
		COUNT(t->cnt, drop_syn_backlog);
		return;
	}
	rc = half_new(t, &in->t, l->host, &id);
	if (rc) {
		count_no_half(t, rc);
		return;
	}
	h = &t->st->half[id - t->n_conns];
	hs = &t->half_soft[id - t->n_conns];
	h->iss = isn_make(&t->st->hdr->secrets, &in->t, t->now_us);
	if (iss_min)
		h->iss = isn_beyond(h->iss, iss_min);
	h->irs = in->seq;
	h->listener = (uint16_t)listener;
	h->chan = l->chan;
	hs->rto_us = tcp_listener_getopt(t, listener, OB_OPT_INIT_RTO);
	half_opts(t, h, in, &o);
	hs->ts_recent = o.ts_val;
	hs->snd_wnd = in->wnd; // of a SYN: not scaled
	t->lsoft[listener].half_open++;
	HARD_SET(h->phase, HALF_SYN_RCVD);
	half_send(t, id);
}
