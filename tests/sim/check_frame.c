// What must be true of every frame that leaves an engine: it says nothing that is not committed.
#include <netinet/in.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "engine/tcp/cc.h"
#include "engine/tcp/reass.h"
#include "engine/tcp/timewait.h"
#include "tests/sim/check.h"

#define AGAIN_AT_ONCE 8 // times

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void read_options(struct tcp_view *v, const uint8_t *o, unsigned n)
{
	for (unsigned i = 0; i + 1 < n && o[i] != 0;) {
		if (o[i] == 1) {
			i++;
			continue;
		}
		if (o[i + 1] < 2 || i + o[i + 1] > n)
			return;
		if (o[i] == 8 && o[i + 1] == 10) {
			v->has_ts = true;
			v->ts_val = get32(o + i + 2);
			v->ts_ecr = get32(o + i + 6);
		}
		for (unsigned k = 2; o[i] == 5 && k + 8 <= o[i + 1] && v->n_sack < 4; k += 8) {
			v->sack[v->n_sack].from = get32(o + i + k);
			v->sack[v->n_sack++].to = get32(o + i + k + 4);
		}
		i += o[i + 1];
	}
}

bool tcp_view(struct tcp_view *v, const uint8_t *frame, uint32_t len)
{
	const struct rte_ether_hdr *eth = (const struct rte_ether_hdr *)frame;
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(eth + 1);
	const struct rte_tcp_hdr *t;
	uint32_t hdr, total;

	if (len < sizeof(*eth) + sizeof(*ip) + sizeof(*t)
		|| eth->ether_type != RTE_BE16(RTE_ETHER_TYPE_IPV4)
		|| ip->next_proto_id != IPPROTO_TCP)
		return false;
	total = rte_be_to_cpu_16(ip->total_length);
	t = (const struct rte_tcp_hdr *)((const uint8_t *)ip + rte_ipv4_hdr_len(ip));
	hdr = (uint32_t)rte_ipv4_hdr_len(ip) + (t->data_off >> 4) * 4u;
	if (total > len - sizeof(*eth) || hdr > total || hdr < sizeof(*ip) + sizeof(*t))
		return false;
	*v = (struct tcp_view){.src = ip->src_addr,
		.dst = ip->dst_addr,
		.sport = rte_be_to_cpu_16(t->src_port),
		.dport = rte_be_to_cpu_16(t->dst_port),
		.seq = rte_be_to_cpu_32(t->sent_seq),
		.ack = rte_be_to_cpu_32(t->recv_ack),
		.wnd = rte_be_to_cpu_16(t->rx_win),
		.flags = t->tcp_flags,
		.ecn = ip->type_of_service & 3,
		.data = (const uint8_t *)ip + hdr,
		.len = total - hdr};
	read_options(v, (const uint8_t *)(t + 1), (t->data_off >> 4) * 4u - (unsigned)sizeof(*t));
	return true;
}

static void wrong(struct node *n, const struct tcp_view *v, const char *what)
{
	sim_fail(n->sim, "engine %u, port %u to %u, flags %02x seq %u ack %u wnd %u len %u: %s",
		n->index, v->sport, v->dport, v->flags, v->seq, v->ack, v->wnd, v->len, what);
}

static uint32_t lookup(struct node *n, const struct seg_tuple *k)
{
	void *data;

	if (rte_hash_lookup_data(n->core->tcp.table, k, &data) < 0)
		return TCP_NONE;
	return (uint32_t)(uintptr_t)data;
}

static struct seg_tuple tuple_out(const struct tcp_view *v)
{
	return (struct seg_tuple){.laddr = ob_addr_v4(v->src),
		.raddr = ob_addr_v4(v->dst),
		.lport = v->sport,
		.rport = v->dport};
}

// Of a half-open connection: its entry was committed before.
static void check_half(struct node *n, const struct tcp_view *v, const struct half *h)
{
	if (HARD_GET(h->phase) == HALF_FREE)
		wrong(n, v, "the half-open entry is not committed");
	if (v->flags & TCP_RST)
		return;
	if ((v->flags & TCP_SYN) && v->seq != h->iss)
		wrong(n, v, "not the committed initial sequence number");
	if ((v->flags & TCP_ACK) && v->ack != h->irs + 1)
		wrong(n, v, "acknowledges what is not committed");
}

// What is said of what was received.
static void check_ack(struct node *n, const struct tcp_view *v, const struct rec *r)
{
	uint64_t nxt = STATE_OFF(HARD_GET(r->rcv_nxt)), edge = HARD_GET(r->rcv_edge);
	int64_t ack = (int64_t)nxt + (int32_t)(v->ack - (r->irs + 1 + (uint32_t)nxt));
	int64_t wnd = (int64_t)v->wnd << (r->wscale >> 4);

	if (ack > (int64_t)nxt)
		wrong(n, v, "acknowledges what is not committed");
	// A FIN lies behind the last byte that the edge allows.
	if (wnd && ack + wnd > (int64_t)edge + 1)
		wrong(n, v, "advertises an edge that is not committed");
}

// What lies behind a gap is said in every bare ACK, the latest first (RFC 2018 section 4).
static void check_sack(struct node *n, const struct tcp_view *v, const struct rec *r, uint32_t id,
	struct shadow *sh)
{
	const struct tcp *t = &n->core->tcp;
	const struct tcp_soft *s = tcp_soft_held(t, id);
	uint32_t from[1], to[1];

	if (v->n_sack && !(r->opts & OB_NEG_SACK))
		wrong(n, v, "SACK was not negotiated");
	// What begins where the ACK ends is in order, and no range behind a gap.
	for (unsigned i = 0; i < v->n_sack; i++)
		if (v->sack[i].from == v->ack)
			wrong(n, v, "SACKs what it should acknowledge");
	if (!(r->opts & OB_NEG_SACK) || !s || s->ooo == STATE_NIL || v->len
		|| ooo_sack(&t->ooo[s->ooo], r->irs + 1, UINT64_MAX, from, to, 1) == 0)
		return;
	// Some ACKs are built while segments come in, and more may have come behind the gap since: the
	// last of the turn has to say it.
	sh->sack_unsaid = true;
	for (unsigned i = 0; i < v->n_sack; i++)
		if (v->sack[i].from == from[0] && v->sack[i].to == to[0])
			sh->sack_unsaid = false;
}

static void check_data(
	struct node *n, const struct tcp_view *v, const struct rec *r, struct shadow *sh)
{
	const struct plan *p = &n->sim->plan;
	uint64_t max = HARD_GET(r->snd_max), end;
	int64_t off = (int64_t)max + (int32_t)(v->seq - (r->iss + 1 + (uint32_t)max));
	bool fin = v->flags & TCP_FIN;

	if (off == -1 && v->len == 0 && !fin && p->keepalive_s)
		return; // the probe of a connection that has sent nothing yet
	if (off < 0) {
		wrong(n, v, "sent before the beginning");
		return;
	}
	end = (uint64_t)off + v->len + fin;
	if (end > max)
		wrong(n, v, "sent beyond the committed snd_max");
	if (v->len > r->mss - (r->opts & OB_NEG_TS ? 12u : 0u))
		wrong(n, v, "longer than the peer's MSS");
	if (sh->flow && v->len
		&& !pattern_is(sh->flow->base[sh->side], (uint64_t)off, v->data, v->len))
		wrong(n, v, "sends other bytes than the application wrote");
	// Probes of a closed window are one byte, and with nothing in flight the engine lets a FIN go one
	// beyond; a rebuilt connection begins with a segment.
	if (sh->peer_edge_known && v->len > 1 && end - fin > sh->peer_edge && !p->amnesia_ppm
		&& !p->soft)
		wrong(n, v, "sent past the window that the peer allowed");
}

// What left leaves again when something was learnt in between. That may be at once, from a burst of
// duplicates or from a router, but not over and over.
static void check_again(
	struct node *n, const struct tcp_view *v, const struct rec *r, struct shadow *sh)
{
	uint64_t max = HARD_GET(r->snd_max), from;

	if (v->len == 0 && !(v->flags & TCP_FIN))
		return;
	from = max + (uint64_t)(int64_t)(int32_t)(v->seq - (r->iss + 1 + (uint32_t)max));
	if (sh->left_us != n->sim->now_us || from < sh->left_from) {
		sh->left_us = n->sim->now_us;
		sh->left_from = from;
		sh->left_again = 0;
	} else if (from == sh->left_from && ++sh->left_again > AGAIN_AT_ONCE) {
		wrong(n, v, "left before at this moment, many times");
	}
}

// ECN: what is not negotiated is not used; only new data is ECN-capable, unless it is DCTCP's; CWR goes
// with new data; nobody sends CE or ECT(1).
static void check_ecn(
	struct node *n, const struct tcp_view *v, const struct rec *r, struct shadow *sh)
{
	uint64_t max = HARD_GET(r->snd_max);
	uint64_t off = max + (uint64_t)(int64_t)(int32_t)(v->seq - (r->iss + 1 + (uint32_t)max));
	bool fresh = v->len && off >= sh->sent_high;
	bool dctcp = n->core->tcp.cc->ecn;

	if (!(r->opts & OB_NEG_ECN) && (v->ecn || v->flags & (TCP_ECE | TCP_CWR)))
		wrong(n, v, "ECN was not negotiated");
	if (v->ecn & 1)
		wrong(n, v, "CE or ECT(1)");
	if (v->ecn && (r->opts & REC_NO_ECT))
		wrong(n, v, "ECT after a SYN without ECN");
	if (v->ecn && !fresh && !dctcp)
		wrong(n, v, "ECT on what is not new data");
	if ((v->flags & TCP_CWR) && !fresh)
		wrong(n, v, "CWR on what is not new data");
	if (v->len && off + v->len > sh->sent_high) // a keepalive probe lies before the first byte
		sh->sent_high = off + v->len;
}

void check_frame(struct node *n, const uint8_t *frame, uint32_t len)
{
	struct seg_tuple k;
	struct shadow *sh;
	struct tcp_view v;
	uint32_t id;

	if (!tcp_view(&v, frame, len))
		return;
	k = tuple_out(&v);
	id = lookup(n, &k);
	if (id == TCP_NONE)
		return; // a reset, or TIME-WAIT
	if (tcp_id_is_half(&n->core->tcp, id)) {
		check_half(n, &v, &n->st.half[id - n->core->tcp.n_conns]);
		return;
	}
	if (v.flags & (TCP_SYN | TCP_RST))
		return; // built before the connection was promoted, or for what it was not
	check_record(n, id);
	sh = &n->shadow[id];
	check_ack(n, &v, &n->st.recs[id]);
	check_data(n, &v, &n->st.recs[id], sh);
	check_again(n, &v, &n->st.recs[id], sh);
	check_sack(n, &v, &n->st.recs[id], id, sh);
	check_ecn(n, &v, &n->st.recs[id], sh);
	echo_frame(n, id, &v);
	if (v.has_ts != !!(n->st.recs[id].opts & OB_NEG_TS))
		wrong(n, &v, "timestamps are not as negotiated");
	if (v.has_ts && sh->ts_known && (int32_t)(v.ts_val - sh->ts_sent) < 0)
		wrong(n, &v, "its timestamp goes back");
	sh->ts_known = v.has_ts;
	sh->ts_sent = v.ts_val;
}

// The window that the other side allows, as far as this engine can know.
void check_arrival(struct node *n, const uint8_t *frame, uint32_t len)
{
	const struct rec *r;
	struct shadow *sh;
	struct seg_tuple k;
	struct tcp_view v;
	uint64_t una, edge;
	uint32_t id;

	if (!tcp_view(&v, frame, len) || !(v.flags & TCP_ACK))
		return;
	k = (struct seg_tuple){.laddr = ob_addr_v4(v.dst),
		.raddr = ob_addr_v4(v.src),
		.lport = v.dport,
		.rport = v.sport};
	id = lookup(n, &k);
	if (id == TCP_NONE && (v.flags & TCP_RST) && tw_find(n->core->tcp.tw, &k, node_now(n)))
		FIRED(n->sim, tw_reset);
	if (id == TCP_NONE || tcp_id_is_half(&n->core->tcp, id))
		return;
	r = &n->st.recs[id];
	sh = &n->shadow[id];
	una = HARD_GET(r->snd_una);
	edge = una + (uint64_t)(int64_t)(int32_t)(v.ack - (r->iss + 1 + (uint32_t)una))
		+ ((uint64_t)v.wnd << (v.flags & TCP_SYN ? 0 : r->wscale & 15));
	echo_arrival(n, id, &v);
	if (sh->peer_edge_known && (int64_t)(edge - sh->peer_edge) > 0)
		sh->peer_edge = edge;
}
