#include "engine/port/port.h"

#include <stdio.h>
#include <string.h>

void port_init_ops(struct port *p, const struct port_ops *ops, void *dev, struct rte_mempool *pool,
	struct counters *cnt, uint16_t mtu, const uint8_t mac[6])
{
	memset(p, 0, sizeof(*p));
	p->ops = ops;
	p->dev = dev;
	p->pool = pool;
	p->cnt = cnt;
	p->id = UINT16_MAX;
	p->mtu = mtu;
	p->burst = 32;
	p->verify = true;
	memcpy(p->mac, mac, 6);
	snprintf(p->name, sizeof(p->name), "ops");
}

unsigned port_rx(struct port *p, struct rte_mbuf **pkts, unsigned n)
{
	uint64_t bytes = 0;

	n = p->ops->rx(p->dev, pkts, n < p->burst ? n : p->burst);
	for (unsigned i = 0; i < n; i++)
		bytes += rte_pktmbuf_pkt_len(pkts[i]);
	if (n > 0) {
		COUNT_N(p->cnt, rx_pkts, n);
		COUNT_N(p->cnt, rx_bytes, bytes);
	}
	return n;
}

struct rte_mbuf *port_alloc(struct port *p)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(p->pool);

	if (unlikely(m == NULL))
		COUNT(p->cnt, tx_no_mbuf);
	return m;
}

void port_put(struct port *p, struct rte_mbuf *m)
{
	p->tx[p->n_tx++] = m;
}

void port_flush(struct port *p)
{
	uint64_t bytes = 0;
	unsigned sent = 0;
	unsigned n;

	if (p->n_tx == 0)
		return;
	// Before the port has them: it may free them at once.
	for (unsigned i = 0; i < p->n_tx; i++)
		bytes += rte_pktmbuf_pkt_len(p->tx[i]);
	do {
		n = atomic_load_explicit(&p->down, memory_order_relaxed)
			? 0
			: p->ops->tx(p->dev, p->tx + sent, p->n_tx - sent);
		sent += n;
	} while (n > 0 && sent < p->n_tx);
	for (unsigned i = sent; i < p->n_tx; i++)
		bytes -= rte_pktmbuf_pkt_len(p->tx[i]);
	COUNT_N(p->cnt, tx_pkts, sent);
	COUNT_N(p->cnt, tx_bytes, bytes);
	if (unlikely(sent < p->n_tx)) {
		COUNT_N(p->cnt, tx_drop_port, p->n_tx - sent);
		rte_pktmbuf_free_bulk(p->tx + sent, p->n_tx - sent);
	}
	p->n_tx = 0;
}
