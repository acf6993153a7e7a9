#include "tests/unit/net/fixture.h"

const uint8_t us_mac[6] = {0x02, 0x0b, 0x0a, 0x4d, 0x00, 0x01};
const uint8_t peer_mac[6] = {0x02, 0x0b, 0x0a, 0x4d, 0x00, 0x02};
struct fixture f;
static struct rte_mempool *pool;

void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

void put32(uint8_t *p, uint32_t v)
{
	put16(p, (uint16_t)(v >> 16));
	put16(p + 2, (uint16_t)v);
}

uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static unsigned fake_rx(void *dev, struct rte_mbuf **pkts, unsigned n)
{
	struct fixture *x = dev;

	n = RTE_MIN(n, x->n_rx);
	memcpy(pkts, x->rx, n * sizeof(*pkts));
	x->n_rx = 0;
	return n;
}

static unsigned fake_tx(void *dev, struct rte_mbuf **pkts, unsigned n)
{
	(void)dev;
	rte_pktmbuf_free_bulk(pkts, n);
	return n;
}

static bool on_icmp(void *ctx, const struct seg_icmp *e)
{
	struct fixture *x = ctx;

	x->n_icmp++;
	x->icmp = *e;
	return x->icmp_known;
}

static void on_unreachable(void *ctx, const struct ob_addr *dst)
{
	struct fixture *x = ctx;

	if (x->n_unreachable < RTE_DIM(x->unreachable))
		x->unreachable[x->n_unreachable++] = rte_be_to_cpu_32(ob_addr_get_v4(dst));
}

static void configure(struct config *cfg)
{
	char err[256];

	config_defaults(cfg);
	strcpy(cfg->port_vdev, "net_null0");
	strcpy(cfg->net_address, "10.77.0.1/24");
	strcpy(cfg->net_gateway, "10.77.0.254");
	cfg->net_icmp_rate = 1000000;
	CU_ASSERT_EQUAL_FATAL(
		config_set(cfg, "neighbours", "10.77.0.2", "02:0b:0a:4d:00:02", err, sizeof(err)),
		0);
	CU_ASSERT_EQUAL_FATAL(
		config_set(cfg, "neighbours", "10.77.0.254", "02:0b:0a:4d:00:02", err, sizeof(err)),
		0);
}

// Nothing may lean on what a packet held before.
static void fill_pool(void)
{
	struct rte_mbuf *all[POOL_PKTS];

	CU_ASSERT_EQUAL_FATAL(rte_pktmbuf_alloc_bulk(pool, all, POOL_PKTS), 0);
	for (unsigned i = 0; i < POOL_PKTS; i++)
		memset(all[i]->buf_addr, 0xa5, all[i]->buf_len);
	rte_pktmbuf_free_bulk(all, POOL_PKTS);
}

void fixture_open(void (*change)(struct config *cfg))
{
	static const struct port_ops ops = {fake_rx, fake_tx};
	char err[256] = "";

	memset(&f, 0, sizeof(f));
	if (pool == NULL)
		pool = rte_pktmbuf_pool_create(
			"unit", POOL_PKTS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
	fill_pool();
	configure(&f.cfg);
	if (change != NULL)
		change(&f.cfg);
	CU_ASSERT_EQUAL_FATAL(config_check(&f.cfg, err, sizeof(err)), 0);
	port_init_ops(&f.port, &ops, &f, pool, &f.cnt, 1500, us_mac);
	f.now = START_US;
	f.ops = (struct net_ops){&f, on_icmp, on_unreachable};
	f.icmp_known = true;
	CU_ASSERT_EQUAL_FATAL(
		net_init(&f.net, &f.cfg, &f.port, &f.cnt, &f.ops, f.now, err, sizeof(err)), 0);
}

void fixture_flush(void)
{
	rte_pktmbuf_free_bulk(f.kept, f.n_segs);
	rte_pktmbuf_free_bulk(f.port.tx, f.port.n_tx);
	f.n_segs = f.port.n_tx = f.n_icmp = f.n_unreachable = 0;
}

void fixture_close(void)
{
	fixture_flush();
	net_fini(&f.net);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool), POOL_PKTS);
}

struct rte_mbuf *frame_mbuf(const struct frame *fr)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	memcpy(rte_pktmbuf_append(m, (uint16_t)fr->len), fr->b, fr->len);
	m->ol_flags = fr->ol_flags;
	return m;
}

void input_mbuf(struct rte_mbuf *m)
{
	struct rte_mbuf *pkts[32];
	unsigned n;

	f.rx[f.n_rx++] = m;
	n = port_rx(&f.port, pkts, 32);
	f.n_segs += net_input(&f.net, pkts, n, f.segs + f.n_segs, f.kept + f.n_segs, f.now);
}

void input(const struct frame *fr)
{
	input_mbuf(frame_mbuf(fr));
}

void run_timers(uint64_t now_us)
{
	f.now = now_us;
	net_timers(&f.net, now_us);
}

uint16_t plain_sum(const void *data, unsigned len, uint32_t start)
{
	const uint8_t *p = data;
	uint64_t sum = start;

	for (unsigned i = 0; i < len; i++)
		sum += i % 2 ? p[i] : (unsigned)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

// The start of a TCP or UDP sum: the pseudo header (RFC 9293 section 3.1).
static uint32_t pseudo(const uint8_t *ip, unsigned len)
{
	return plain_sum(ip + 12, 8, 0) + ip[9] + len;
}

static unsigned hdr_len(const uint8_t *ip)
{
	return (ip[0] & 15) * 4u;
}

bool sums_right(const uint8_t *ip)
{
	unsigned len = get16(ip + 2) - hdr_len(ip);
	uint32_t start = ip[9] == IPPROTO_ICMP ? 0 : pseudo(ip, len);

	return plain_sum(ip, hdr_len(ip), 0) == 0xffff
		&& plain_sum(ip + hdr_len(ip), len, start) == 0xffff;
}

void fix_ip_sum(struct frame *fr)
{
	uint8_t *ip = fr->b + AT_IP;

	put16(ip + 10, 0);
	put16(ip + 10, (uint16_t)~plain_sum(ip, hdr_len(ip), 0));
}

void fix_l4_sum(struct frame *fr)
{
	uint8_t *ip = fr->b + AT_IP;
	uint8_t *l4 = ip + hdr_len(ip);
	unsigned len = get16(ip + 2) - hdr_len(ip);
	unsigned at = ip[9] == IPPROTO_TCP ? 16 : ip[9] == IPPROTO_UDP ? 6 : 2;

	put16(l4 + at, 0);
	put16(l4 + at, (uint16_t)~plain_sum(l4, len, ip[9] == IPPROTO_ICMP ? 0 : pseudo(ip, len)));
}

static uint8_t *make_ip(struct frame *fr, uint8_t proto, unsigned len)
{
	uint8_t *ip = fr->b + AT_IP;

	memset(fr, 0, sizeof(*fr));
	memcpy(fr->b, us_mac, 6);
	memcpy(fr->b + 6, peer_mac, 6);
	put16(fr->b + 12, 0x0800);
	ip[0] = 0x45;
	put16(ip + 2, (uint16_t)(20 + len));
	ip[8] = 64;
	ip[9] = proto;
	put32(ip + 12, PEER);
	put32(ip + 16, US);
	fr->len = AT_L4 + len;
	for (unsigned i = 0; i < len; i++)
		fr->b[AT_L4 + i] = (uint8_t)(i + 1);
	fix_ip_sum(fr);
	return fr->b + AT_L4;
}

void make_tcp(struct frame *fr, unsigned opt_len, unsigned len)
{
	uint8_t *tcp = make_ip(fr, IPPROTO_TCP, 20 + opt_len + len);

	put16(tcp, 40000);
	put16(tcp + 2, 80);
	put32(tcp + 4, 0x01020304);
	put32(tcp + 8, 0x05060708);
	tcp[12] = (uint8_t)((20 + opt_len) / 4 << 4);
	tcp[13] = TCP_ACK;
	put16(tcp + 14, 0x1000);
	put16(tcp + 18, 0);
	memset(tcp + 20, 1, opt_len);
	fix_l4_sum(fr);
}

void make_udp(struct frame *fr, unsigned len)
{
	uint8_t *udp = make_ip(fr, IPPROTO_UDP, 8 + len);

	put16(udp, 40000);
	put16(udp + 2, 53);
	put16(udp + 4, (uint16_t)(8 + len));
	fix_l4_sum(fr);
}

void make_icmp(struct frame *fr, uint8_t type, uint8_t code, unsigned len)
{
	uint8_t *icmp = make_ip(fr, IPPROTO_ICMP, 8 + len);

	icmp[0] = type;
	icmp[1] = code;
	fix_l4_sum(fr);
}

void make_arp(struct frame *fr, uint16_t op, uint32_t sip, const uint8_t sha[6], uint32_t tip)
{
	uint8_t *arp = fr->b + 14;

	memset(fr, 0, sizeof(*fr));
	memset(fr->b, 0xff, 6);
	if (op == 2)
		memcpy(fr->b, us_mac, 6);
	memcpy(fr->b + 6, sha, 6);
	put16(fr->b + 12, 0x0806);
	put16(arp, 1);
	put16(arp + 2, 0x0800);
	arp[4] = 6;
	arp[5] = 4;
	put16(arp + 6, op);
	memcpy(arp + 8, sha, 6);
	put32(arp + 14, sip);
	memcpy(arp + 18, fr->b, 6);
	put32(arp + 24, tip);
	fr->len = 60; // with Ethernet's padding
}
