// TCP segments out of packets and into them.
#include "engine/net/neigh.h"
#include "tests/unit/net/fixture.h"

static struct seg_out segment(void)
{
	struct seg_out s = {
		.t = {.laddr = f.net.addr,
			.raddr = ob_addr_v4(rte_cpu_to_be_32(PEER)),
			.lport = 80,
			.rport = 40000},
		.seq = 0x11223344,
		.ack = 0x55667788,
		.wnd = 0xabcd,
		.flags = TCP_ACK | TCP_PSH,
	};

	return s;
}

static int emit(const struct seg_out *s)
{
	struct seg_sink sink = net_sink(&f.net);

	return sink.emit(sink.ctx, s);
}

static void parses(void)
{
	struct ob_addr peer = ob_addr_v4(rte_cpu_to_be_32(PEER));
	const struct seg_in *s = f.segs;
	struct frame fr;

	fixture_open(NULL);
	fixture_flush();
	make_tcp(&fr, 12, 5);
	fr.b[AT_IP + 1] = 3;
	fr.b[AT_L4 + 13] = TCP_URG | TCP_ACK | TCP_CWR;
	put16(fr.b + AT_L4 + 18, 0x0203);
	memset(fr.b + AT_L4 + 20, 0x77, 12);
	fix_ip_sum(&fr);
	fix_l4_sum(&fr);
	fr.len += 9; // padding
	input(&fr);
	CU_ASSERT_EQUAL_FATAL(f.n_segs, 1);
	CU_ASSERT(net_is_local(&f.net, &s->t.laddr));
	CU_ASSERT(ob_addr_eq(&s->t.raddr, &peer));
	CU_ASSERT_EQUAL(s->t.lport, 80);
	CU_ASSERT_EQUAL(s->t.rport, 40000);
	CU_ASSERT_EQUAL(s->t.zero, 0);
	CU_ASSERT_EQUAL(s->seq, 0x01020304);
	CU_ASSERT_EQUAL(s->ack, 0x05060708);
	CU_ASSERT_EQUAL(s->wnd, 0x1000);
	CU_ASSERT_EQUAL(s->urg, 0x0203);
	CU_ASSERT_EQUAL(s->flags, TCP_URG | TCP_ACK | TCP_CWR);
	CU_ASSERT_EQUAL(s->ecn, 3);
	CU_ASSERT_EQUAL(s->opt_len, 12);
	CU_ASSERT_EQUAL(s->opt[0], 0x77);
	CU_ASSERT_EQUAL(s->opt[11], 0x77);
	CU_ASSERT_EQUAL(s->len, 5);
	CU_ASSERT_EQUAL(memcmp(s->data, fr.b + AT_L4 + 32, 5), 0);
	fixture_close();
}

// More than one stage's worth, good and bad mixed: what comes out is in order, each with its mbuf.
static void keeps_order(void)
{
	struct rte_mbuf *pkts[60];
	struct frame fr;
	unsigned n = 0;

	fixture_open(NULL);
	fixture_flush();
	for (unsigned i = 0; i < RTE_DIM(pkts); i++) {
		make_tcp(&fr, 0, 4);
		put32(fr.b + AT_L4 + 4, i);
		if (i % 3 != 1)
			fix_l4_sum(&fr);
		if (i % 7 == 0)
			make_icmp(&fr, 8, 0, 4);
		pkts[i] = frame_mbuf(&fr);
	}
	f.n_segs = net_input(&f.net, pkts, RTE_DIM(pkts), f.segs, f.kept, f.now);
	for (unsigned i = 0; i < RTE_DIM(pkts); i++) {
		if (i % 7 == 0 || i % 3 == 1)
			continue;
		CU_ASSERT_EQUAL(f.segs[n].seq, i);
		CU_ASSERT_PTR_EQUAL(f.kept[n], pkts[i]);
		CU_ASSERT_PTR_EQUAL(f.segs[n].data,
			rte_pktmbuf_mtod_offset(f.kept[n], const uint8_t *, AT_L4 + 20));
		n++;
	}
	CU_ASSERT_EQUAL(f.n_segs, n);
	CU_ASSERT_EQUAL(f.cnt.icmp_rx_echo, 9);
	CU_ASSERT_EQUAL(f.cnt.drop_tcp_csum, 60 - 9 - n);
	fixture_close();
}

static void believes_the_port(void)
{
	static const struct {
		uint64_t flags;
		bool verify;
		unsigned segs;
	} rows[] = {
		{0, true, 0},
		{RTE_MBUF_F_RX_L4_CKSUM_GOOD, true, 1},
		{RTE_MBUF_F_RX_L4_CKSUM_NONE, true, 1},
		{RTE_MBUF_F_RX_L4_CKSUM_BAD, true, 0},
		{0, false, 1},
	};
	struct frame fr;

	for (unsigned i = 0; i < RTE_DIM(rows); i++) {
		fixture_open(NULL);
		fixture_flush();
		f.port.verify = rows[i].verify;
		make_tcp(&fr, 0, 5);
		fr.b[AT_L4 + 22] ^= 1;
		fr.ol_flags = rows[i].flags;
		input(&fr);
		CU_ASSERT_EQUAL(f.n_segs, rows[i].segs);
		CU_ASSERT_EQUAL(f.cnt.drop_tcp_csum, !rows[i].segs);
		// The same of the IP header's sum.
		fixture_flush();
		make_tcp(&fr, 0, 5);
		fr.b[AT_IP + 8] ^= 1;
		fr.ol_flags = rows[i].flags & RTE_MBUF_F_RX_L4_CKSUM_GOOD
			? RTE_MBUF_F_RX_IP_CKSUM_GOOD
			: 0;
		input(&fr);
		CU_ASSERT_EQUAL(f.n_segs, fr.ol_flags != 0 || !rows[i].verify);
		fixture_close();
	}
}

// Payload in parts of odd lengths, with the largest options, up to the MTU.
static void builds(void)
{
	static const unsigned parts[][SEG_IOV]
		= {{0}, {1}, {1, 1}, {3, 5, 7, 9}, {101, 0, 1}, {1000, 420}, {1420}};
	static uint8_t bytes[1500];

	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + 1);
	for (unsigned i = 0; i < RTE_DIM(parts); i++) {
		struct seg_out s;
		const uint8_t *p;

		fixture_open(NULL);
		fixture_flush();
		s = segment();
		s.ecn = 2;
		s.may_fragment = i % 3 == 2;
		s.opt_len = (uint8_t)(i % 2 ? 40 : 12);
		memset(s.opt, 0x42, s.opt_len);
		for (unsigned j = 0; j < SEG_IOV; j++) {
			s.iov[j].base = bytes + s.len;
			s.iov[j].len = parts[i][j];
			s.len += parts[i][j];
		}
		s.n_iov = SEG_IOV;
		CU_ASSERT_EQUAL(emit(&s), 0);
		CU_ASSERT_EQUAL_FATAL(f.port.n_tx, 1);
		p = sent(0);
		CU_ASSERT_EQUAL(rte_pktmbuf_pkt_len(f.port.tx[0]), AT_L4 + 20 + s.opt_len + s.len);
		CU_ASSERT_EQUAL(memcmp(p, peer_mac, 6), 0);
		CU_ASSERT_EQUAL(memcmp(p + 6, us_mac, 6), 0);
		CU_ASSERT_EQUAL(get16(p + 12), 0x0800);
		CU_ASSERT_EQUAL(p[AT_IP], 0x45);
		CU_ASSERT_EQUAL(p[AT_IP + 1], 2);
		CU_ASSERT_EQUAL(get16(p + AT_IP + 2), 20 + 20 + s.opt_len + s.len);
		CU_ASSERT_EQUAL(get16(p + AT_IP + 6), s.may_fragment ? 0 : 0x4000); // DF
		CU_ASSERT_EQUAL(p[AT_IP + 8], 64);
		CU_ASSERT_EQUAL(p[AT_IP + 9], IPPROTO_TCP);
		CU_ASSERT_EQUAL(get32(p + AT_IP + 12), US);
		CU_ASSERT_EQUAL(get32(p + AT_IP + 16), PEER);
		CU_ASSERT_EQUAL(get16(p + AT_L4), 80);
		CU_ASSERT_EQUAL(get16(p + AT_L4 + 2), 40000);
		CU_ASSERT_EQUAL(get32(p + AT_L4 + 4), 0x11223344);
		CU_ASSERT_EQUAL(get32(p + AT_L4 + 8), 0x55667788);
		CU_ASSERT_EQUAL(p[AT_L4 + 12], (5 + s.opt_len / 4) << 4);
		CU_ASSERT_EQUAL(p[AT_L4 + 13], TCP_ACK | TCP_PSH);
		CU_ASSERT_EQUAL(get16(p + AT_L4 + 14), 0xabcd);
		CU_ASSERT_EQUAL(get16(p + AT_L4 + 18), 0);
		CU_ASSERT_EQUAL(memcmp(p + AT_L4 + 20, s.opt, s.opt_len), 0);
		CU_ASSERT_EQUAL(memcmp(p + AT_L4 + 20 + s.opt_len, bytes, s.len), 0);
		CU_ASSERT(sums_right(p + AT_IP));
		fixture_close();
	}
}

// A port that sums gets the pseudo header's sum and is told where everything lies.
static void leaves_sums_to_the_port(void)
{
	struct seg_out s;
	const uint8_t *p;
	struct rte_mbuf *m;

	fixture_open(NULL);
	fixture_flush();
	f.port.tx_ip_csum = f.port.tx_tcp_csum = true;
	s = segment();
	s.opt_len = 12;
	s.iov[0].base = "hello";
	s.iov[0].len = s.len = 5;
	s.n_iov = 1;
	CU_ASSERT_EQUAL(emit(&s), 0);
	CU_ASSERT_EQUAL_FATAL(f.port.n_tx, 1);
	m = f.port.tx[0];
	p = sent(0);
	CU_ASSERT_EQUAL(
		m->ol_flags, RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_TCP_CKSUM);
	CU_ASSERT_EQUAL(m->l2_len, 14);
	CU_ASSERT_EQUAL(m->l3_len, 20);
	CU_ASSERT_EQUAL(m->l4_len, 32);
	CU_ASSERT_EQUAL(get16(p + AT_IP + 10), 0);
	CU_ASSERT_EQUAL(get16(p + AT_L4 + 16), plain_sum(p + AT_IP + 12, 8, IPPROTO_TCP + 37));
	// What it does in software alone is whole again.
	fixture_flush();
	f.port.tx_tcp_csum = false;
	CU_ASSERT_EQUAL(emit(&s), 0);
	CU_ASSERT_EQUAL(f.port.tx[0]->ol_flags, RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM);
	p = sent(0);
	CU_ASSERT_EQUAL(
		plain_sum(p + AT_L4, 37, plain_sum(p + AT_IP + 12, 8, IPPROTO_TCP + 37)), 0xffff);
	fixture_close();
}

static void refuses(void)
{
	static uint8_t bytes[1500];
	struct rte_mbuf *all[POOL_PKTS + 1];
	struct seg_sink sink = net_sink(&f.net);
	struct seg_out s;
	unsigned n = 0;

	fixture_open(NULL);
	fixture_flush();
	s = segment();
	s.n_iov = 1;
	s.iov[0].base = bytes;
	s.iov[0].len = s.len = 1461;
	CU_ASSERT_EQUAL(emit(&s), -EMSGSIZE);
	s.iov[0].len = s.len = 1460;
	CU_ASSERT_EQUAL(emit(&s), 0);
	CU_ASSERT_EQUAL(sink.room(sink.ctx), PORT_TX_MAX - 1);
	fixture_flush();
	f.port.n_tx = PORT_TX_MAX; // nothing lies there
	CU_ASSERT_EQUAL(sink.room(sink.ctx), 0);
	CU_ASSERT_EQUAL(emit(&s), -ENOBUFS);
	f.port.n_tx = 0;
	while ((all[n] = rte_pktmbuf_alloc(f.port.pool)) != NULL)
		n++;
	CU_ASSERT_EQUAL(emit(&s), -ENOBUFS);
	CU_ASSERT_EQUAL(f.cnt.tx_no_mbuf, 1);
	rte_pktmbuf_free_bulk(all, n);
	memset(s.t.raddr.b, 0xfd, 16);
	CU_ASSERT_EQUAL(emit(&s), -EHOSTUNREACH);
	s.t.raddr = f.net.addr;
	CU_ASSERT_EQUAL(emit(&s), -EHOSTUNREACH);
	CU_ASSERT_EQUAL(f.port.n_tx, 0);
	fixture_close();
}

// A neighbour that does not answer: the first segments count as sent, later ones are refused.
static void silent_neighbour(void)
{
	struct seg_out s;

	fixture_open(NULL);
	fixture_flush();
	s = segment();
	s.t.raddr = ob_addr_v4(rte_cpu_to_be_32(IP4(10, 77, 0, 9)));
	for (unsigned i = 0; i < NEIGH_WAIT + 3; i++)
		CU_ASSERT_EQUAL(emit(&s), 0);
	CU_ASSERT_EQUAL(f.cnt.neigh_queue_full, 3);
	for (uint64_t t = START_US; t < START_US + 1100000; t += 10000)
		run_timers(t);
	CU_ASSERT_EQUAL(f.n_unreachable, 1);
	CU_ASSERT_EQUAL(emit(&s), -EHOSTUNREACH);
	fixture_close();
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"a segment is parsed", parses},
		{"segments keep their order", keeps_order},
		{"what the port says of sums", believes_the_port},
		{"a segment is built", builds},
		{"sums left to the port", leaves_sums_to_the_port},
		{"segments that are refused", refuses},
		{"a silent neighbour", silent_neighbour},
		CU_TEST_INFO_NULL,
	};

	return unit_eal() < 0 ? 1 : unit_run("segment", tests);
}
