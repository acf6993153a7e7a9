#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <rte_ether.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <stdlib.h>

#include "tests/sim/sim.h"
#include "tests/sim/trace.h"

#define QUEUE_PKTS 1024u
#define ROUTER 0xfe004d0au // 10.77.0.254, network order
#define QUOTE_TCP 8u

void wire_open(struct wire *w, struct sim *s, FILE *trace)
{
	memset(w, 0, sizeof(*w));
	w->sim = s;
	w->trace = trace;
}

unsigned wire_attach(struct wire *w, struct station *st)
{
	const struct plan *p = &w->sim->plan;
	struct impair_conf c = {
		.loss = (double)p->loss_ppm * 1e-6,
		.dup = (double)p->dup_ppm * 1e-6,
		.reorder = (double)p->reorder_ppm * 1e-6,
		.corrupt = (double)p->corrupt_ppm * 1e-6,
		.ce = (double)p->ce_ppm * 1e-6,
		.ce_queue_pkts = p->ce_queue,
		.reorder_gap_pkts = p->reorder_gap,
		.reorder_hold_us = 20000,
		.delay_us = p->delay_us,
		.jitter_us = p->jitter_us,
		.rate_mbps = p->rate_mbps,
		.queue_pkts = p->queue_pkts ? p->queue_pkts : QUEUE_PKTS,
	};

	impair_init(&w->paths[w->n], &c, p->seed, w->n);
	w->stations[w->n] = st;
	if (w->trace)
		trace_interface(w->trace, w->n);
	return w->n++;
}

void wire_close(struct wire *w)
{
	struct sim *s = w->sim;

	for (unsigned i = 0; i < w->n; i++) {
		const struct impair_stats *t = &w->paths[i].stats;

		FIRED_N(s, loss, t->lost_pkts);
		FIRED_N(s, duplication, t->dup_pkts);
		FIRED_N(s, reordering, t->reordered_pkts);
		FIRED_N(s, corruption, t->corrupted_pkts);
		FIRED_N(s, ce, t->ce_pkts);
		FIRED_N(s, queue_full, t->queue_drop_pkts);
		s->stats->frames += t->rx_pkts;
		impair_free(&w->paths[i]);
	}
	w->n = 0;
}

void wire_heal(struct wire *w)
{
	for (unsigned i = 0; i < w->n; i++) {
		struct impair_conf *c = &w->paths[i].conf;

		c->loss = c->dup = c->reorder = c->corrupt = c->ce = 0;
		c->ce_queue_pkts = 0;
		c->jitter_us = 0;
	}
	w->dark_until_us = 0;
}

// What a router says of a packet that does not fit (RFC 1191). It comes at once, and safely.
static void too_long(struct wire *w, unsigned from, const uint8_t *frame)
{
	const struct rte_ether_hdr *eth = (const struct rte_ether_hdr *)frame;
	const struct rte_ipv4_hdr *in = (const struct rte_ipv4_hdr *)(eth + 1);
	unsigned quote = rte_ipv4_hdr_len(in) + QUOTE_TCP;
	uint8_t out[128] = {0};
	struct rte_ether_hdr *e = (struct rte_ether_hdr *)out;
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(e + 1);
	struct rte_icmp_hdr *icmp = (struct rte_icmp_hdr *)(ip + 1);
	struct station *to = w->stations[from];

	memcpy(&e->dst_addr, to->mac, 6);
	memcpy(&e->src_addr, "\x02\0\0\0\0\xfe", 6);
	e->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	ip->version_ihl = RTE_IPV4_VHL_DEF;
	ip->total_length = rte_cpu_to_be_16((uint16_t)(sizeof(*ip) + sizeof(*icmp) + quote));
	ip->time_to_live = 64;
	ip->next_proto_id = IPPROTO_ICMP;
	ip->src_addr = ROUTER;
	ip->dst_addr = in->src_addr;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	icmp->icmp_type = ICMP_DEST_UNREACH;
	icmp->icmp_code = ICMP_FRAG_NEEDED;
	icmp->icmp_seq_nb = rte_cpu_to_be_16((uint16_t)w->mtu);
	memcpy(icmp + 1, in, quote);
	icmp->icmp_cksum = (uint16_t)~rte_raw_cksum(icmp, sizeof(*icmp) + quote);
	if (w->trace)
		trace_frame(w->trace, from, w->sim->now_us, true, out,
			(uint32_t)(sizeof(*e) + sizeof(*ip) + sizeof(*icmp) + quote));
	to->arrive(to->ctx, out, (uint32_t)(sizeof(*e) + sizeof(*ip) + sizeof(*icmp) + quote));
}

void wire_send(struct wire *w, unsigned from, const uint8_t *frame, uint32_t len)
{
	const struct rte_ether_hdr *eth = (const struct rte_ether_hdr *)frame;
	struct sim *s = w->sim;
	bool ip = eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV4);

	if (w->trace)
		trace_frame(w->trace, from, s->now_us, false, frame, len);
	if (s->now_us < w->dark_until_us) {
		FIRED(s, blackout);
		return;
	}
	if (w->mtu && ip && len - sizeof(*eth) > w->mtu) {
		FIRED(s, path_mtu);
		too_long(w, from, frame);
		return;
	}
	if (impair_push(&w->paths[from], frame, len, s->now_us * 1000))
		sim_fail(s, "out of memory");
}

uint64_t wire_next_us(const struct wire *w)
{
	uint64_t next = SIM_NEVER;

	for (unsigned i = 0; i < w->n; i++) {
		uint64_t ns = impair_next_ns(&w->paths[i]);

		if (ns != UINT64_MAX && (ns + 999) / 1000 < next)
			next = (ns + 999) / 1000;
	}
	return next;
}

static void arrive(struct wire *w, unsigned from, const struct impair_pkt *p)
{
	bool all = p->data[0] & 1;

	for (unsigned i = 0; i < w->n; i++) {
		struct station *st = w->stations[i];

		if (i == from || (!all && memcmp(p->data, st->mac, 6) != 0))
			continue;
		if (w->trace)
			trace_frame(w->trace, i, w->sim->now_us, true, p->data, p->len_bytes);
		st->arrive(st->ctx, p->data, p->len_bytes);
	}
}

void wire_deliver(struct wire *w)
{
	for (unsigned i = 0; i < w->n; i++) {
		struct impair_pkt *p;

		while ((p = impair_pop(&w->paths[i], w->sim->now_us * 1000)) != NULL) {
			arrive(w, i, p);
			free(p);
		}
	}
}
