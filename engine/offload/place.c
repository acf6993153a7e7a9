#include "engine/offload/place.h"

uint32_t place_rx(
	struct place *p, struct tcp_soft *s, uint64_t off, const uint8_t *data, uint32_t len)
{
	struct rec *r = &p->st->recs[s->conn];
	struct host_mem *m = &p->mem[r->host];

	if (m->base == NULL)
		return 0;
	return chain_rx_place(p->st, m, r, &s->rcv_tail, s->rcv_nxt, off, data, len);
}

uint32_t place_spans(const struct place *p, const struct tcp_soft *s, uint64_t from, uint64_t to,
	ob_span *out, uint32_t max, uint64_t *reached)
{
	return chain_rx_spans(
		p->st, &p->st->recs[s->conn], s->rcv_tail, from, to, out, max, reached);
}
