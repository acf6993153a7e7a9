// Local ports of outgoing connections.
//
// RFC 6056 section 3.3.4 (double hash): a destination's ports are taken in turn, from a beginning that
// only we know, so that the next one is what has been left alone for longest. To try one costs a look-up
// or two. Where many in a row are in use a search goes on over several turns, and when it has found that
// there is none left, others for the same destination are told so for a while without looking.
#include "engine/tcp/ports.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

#include "engine/tcp/internal.h"

#define SEQS 4096u // destinations that share one lose nothing but the order
#define TRIES_REQ 64u // for a request, in a turn
#define TRIES_TURN 512u // for all of a turn's requests
#define TRIES_LEAST 4u // for a request, after that
#define NONE_US 100000u // how long "none left" is believed

// Linux has the same (net.ipv4.tcp_tw_reuse_delay): by then the millisecond clock of our timestamps has
// moved for certain, also where an engine was started again.
#define REUSE_MS 1000u

// A place in the order of ports.
struct port_seq {
	uint32_t
		next; // counts up; the port is this, and where the destination begins, modulo their number
	uint32_t none_tag; // of the destination that had none left
	uint64_t none_us; // until then
};

int ports_init(struct tcp_ports *p)
{
	p->seqs = calloc(SEQS, sizeof(*p->seqs));
	if (!p->seqs)
		return -ENOMEM;
	randombytes_buf(p->key, sizeof(p->key));
	randombytes_buf(&p->listen_from, sizeof(p->listen_from));
	return 0;
}

void ports_fini(struct tcp_ports *p)
{
	free(p->seqs);
}

void ports_begin(struct tcp_ports *p)
{
	p->tried = 0;
}

// RFC 6191, and RFC 7323 section 5.3 at the peer: what is left of the connection that was can be told
// apart by its timestamps, when it had them and our clock has moved since.
static bool tw_gives_way(const struct tcp *t, const struct tw *e)
{
	return t->cfg->tcp_tw_reuse && t->cfg->tcp_timestamps && e->ts_recent != 0
		&& tw_age_ms(t->tw, e) >= REUSE_MS;
}

bool port_usable(struct tcp *t, const struct seg_tuple *k, struct tw **tw)
{
	COUNT(t->cnt, tcp_port_tries);
	*tw = NULL;
	if (conn_lookup(t, k) != TCP_NONE)
		return false;
	*tw = tw_find(t->tw, k, t->now_us);
	return !*tw || tw_gives_way(t, *tw);
}

// How many ports this request may try now.
static uint32_t allowance(const struct tcp_ports *p)
{
	uint32_t left = p->tried < TRIES_TURN ? TRIES_TURN - p->tried : 0;

	if (left < TRIES_LEAST)
		return TRIES_LEAST;
	return left < TRIES_REQ ? left : TRIES_REQ;
}

static uint64_t destination(const struct tcp_ports *p, const struct seg_tuple *k)
{
	struct seg_tuple to = *k;
	uint8_t out[crypto_shorthash_BYTES];
	uint64_t h;

	to.lport = 0;
	crypto_shorthash(out, (const uint8_t *)&to, sizeof(to), p->key);
	memcpy(&h, out, sizeof(h));
	return h;
}

int port_choose(struct tcp *t, struct seg_tuple *k, struct tw **tw, uint32_t *tried)
{
	struct tcp_ports *p = &t->ports;
	uint64_t to = destination(p, k);
	struct port_seq *q = &p->seqs[to % SEQS];
	uint32_t begin = (uint32_t)(to >> 16), tag = (uint32_t)(to >> 32);
	uint32_t n = (uint32_t)(t->cfg->tcp_port_max - t->cfg->tcp_port_min + 1);
	uint32_t most = allowance(p), i;

	if (q->none_tag == tag && t->now_us < q->none_us) {
		COUNT(t->cnt, req_ports);
		return -EADDRNOTAVAIL;
	}
	for (i = 0; i < most && *tried < n; i++, ++*tried) {
		k->lport = (uint16_t)(t->cfg->tcp_port_min + (begin + q->next++) % n);
		if (t->port_head[k->lport] == STATE_NIL && port_usable(t, k, tw)) {
			p->tried += i;
			return 0;
		}
	}
	p->tried += i;
	if (*tried < n)
		return -EAGAIN;
	q->none_tag = tag;
	q->none_us = t->now_us + NONE_US;
	COUNT(t->cnt, req_ports);
	return -EADDRNOTAVAIL;
}
