#include "tools/bench/core_wire.h"

#include <rte_ether.h>
#include <string.h>

static unsigned wire_rx(void *dev, struct rte_mbuf **pkts, unsigned n)
{
	struct wire *w = dev;

	if (n > wire_waiting(w))
		n = wire_waiting(w);
	for (unsigned i = 0; i < n; i++)
		pkts[i] = w->in[(w->head + i) % WIRE_IN];
	w->head += n;
	return n;
}

static unsigned wire_tx(void *dev, struct rte_mbuf **pkts, unsigned n)
{
	struct wire *w = dev;

	if (n > WIRE_OUT - w->n_out)
		n = WIRE_OUT - w->n_out;
	memcpy(w->out + w->n_out, pkts, n * sizeof(*pkts));
	w->n_out += n;
	return n;
}

static const struct port_ops ops = {wire_rx, wire_tx};

void wire_port(struct wire *w, struct port *p, struct rte_mempool *pool, struct counters *cnt,
	const uint8_t mac[6])
{
	memset(w, 0, sizeof(*w));
	port_init_ops(p, &ops, w, pool, cnt, RTE_ETHER_MTU, mac);
	p->tx_multi_segs = true; // as on every port that is supported
	wire_offload(p, false);
}

void wire_offload(struct port *p, bool offload)
{
	p->tx_ip_csum = p->tx_tcp_csum = p->rx_csum = offload;
}

void wire_drain(struct wire *w)
{
	for (; w->head != w->tail; w->head++)
		rte_pktmbuf_free(w->in[w->head % WIRE_IN]);
	rte_pktmbuf_free_bulk(w->out, w->n_out);
	w->n_out = 0;
}
