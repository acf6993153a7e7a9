// ICMP: echo replies, errors that we send, errors that we are told, and the rate limit.
#include <netinet/ip_icmp.h>

#include "tests/unit/net/fixture.h"

static void echo_replies(void)
{
	static const unsigned sizes[] = {0, 1, 2, 55, 56, 57, 1400, 1471, 1472};
	struct frame fr;

	for (unsigned i = 0; i < RTE_DIM(sizes); i++) {
		unsigned len = 8 + sizes[i];
		const uint8_t *p;

		fixture_open(NULL);
		fixture_flush();
		make_icmp(&fr, ICMP_ECHO, 0, sizes[i]);
		fr.b[AT_IP + 1] = 0xb8;
		fix_ip_sum(&fr);
		fr.len += i % 3; // padding, or a trailer
		fr.ol_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD;
		input(&fr);
		CU_ASSERT_EQUAL_FATAL(f.port.n_tx, 1);
		p = sent(0);
		CU_ASSERT_EQUAL(rte_pktmbuf_pkt_len(f.port.tx[0]), AT_L4 + len);
		CU_ASSERT_EQUAL(rte_pktmbuf_data_len(f.port.tx[0]), AT_L4 + len);
		CU_ASSERT_EQUAL(f.port.tx[0]->ol_flags, 0);
		CU_ASSERT_EQUAL(memcmp(p, peer_mac, 6), 0);
		CU_ASSERT_EQUAL(memcmp(p + 6, us_mac, 6), 0);
		CU_ASSERT_EQUAL(get32(p + AT_IP + 12), US);
		CU_ASSERT_EQUAL(get32(p + AT_IP + 16), PEER);
		CU_ASSERT_EQUAL(p[AT_IP + 1], 0xb8);
		CU_ASSERT_EQUAL(p[AT_IP + 8], 64);
		CU_ASSERT_EQUAL(p[AT_IP + 9], IPPROTO_ICMP);
		CU_ASSERT_EQUAL(p[AT_L4], ICMP_ECHOREPLY);
		CU_ASSERT_EQUAL(memcmp(p + AT_L4 + 4, fr.b + AT_L4 + 4, len - 4), 0);
		CU_ASSERT(sums_right(p + AT_IP));
		CU_ASSERT_EQUAL(f.cnt.icmp_rx_echo, 1);
		CU_ASSERT_EQUAL(f.cnt.icmp_tx_echo, 1);
		fixture_close();
	}
}

static void echo_with_ip_options(void)
{
	struct frame fr;

	fixture_open(NULL);
	fixture_flush();
	make_icmp(&fr, ICMP_ECHO, 0, 21);
	memmove(fr.b + AT_L4 + 8, fr.b + AT_L4, 29);
	memset(fr.b + AT_L4, 1, 8);
	fr.b[AT_IP] = 0x47;
	put16(fr.b + AT_IP + 2, 20 + 8 + 29);
	fr.len += 8;
	fix_ip_sum(&fr);
	input(&fr);
	CU_ASSERT_EQUAL_FATAL(f.port.n_tx, 1);
	CU_ASSERT_EQUAL(rte_pktmbuf_pkt_len(f.port.tx[0]), AT_L4 + 29);
	CU_ASSERT_EQUAL(memcmp(sent(0) + AT_L4 + 4, fr.b + AT_L4 + 8 + 4, 25), 0);
	CU_ASSERT(sums_right(sent(0) + AT_IP));
	fixture_close();
}

static void slow(struct config *cfg)
{
	cfg->net_icmp_rate = 20;
}

static void silent(struct config *cfg)
{
	cfg->net_icmp_echo = false;
}

static void never(struct config *cfg)
{
	cfg->net_icmp_rate = 0;
}

static void limits(void)
{
	struct frame echo, udp;

	make_icmp(&echo, ICMP_ECHO, 0, 0);
	make_udp(&udp, 0);
	fixture_open(slow);
	fixture_flush();
	// Two at once are a tenth of a second's; replies and errors share them.
	input(&echo);
	input(&udp);
	input(&echo);
	input(&udp);
	CU_ASSERT_EQUAL(f.port.n_tx, 2);
	CU_ASSERT_EQUAL(f.cnt.icmp_limited, 2);
	CU_ASSERT_EQUAL(f.cnt.icmp_tx_echo, 1);
	CU_ASSERT_EQUAL(f.cnt.icmp_tx_error, 1);
	// However often they come, no more than 20 leave in the next second.
	for (unsigned i = 0; i < 1000; i++) {
		f.now += 1000;
		input(&echo);
	}
	CU_ASSERT_EQUAL(f.port.n_tx, 22);
	CU_ASSERT_EQUAL(f.cnt.icmp_rx_echo, 1002);
	fixture_close();

	fixture_open(silent);
	fixture_flush();
	input(&echo);
	CU_ASSERT_EQUAL(f.port.n_tx, 0);
	CU_ASSERT_EQUAL(f.cnt.drop_icmp_type, 1);
	fixture_close();

	fixture_open(never);
	fixture_flush();
	input(&echo);
	CU_ASSERT_EQUAL(f.port.n_tx, 0);
	CU_ASSERT_EQUAL(f.cnt.icmp_limited, 1);
	fixture_close();
}

static void token_bucket(void)
{
	struct net_limit l = {.rate = 3};
	unsigned n = 0;

	// Fewer than ten a second: one at a time.
	CU_ASSERT_TRUE(net_limit_take(&l, 1000000));
	CU_ASSERT_FALSE(net_limit_take(&l, 1000000));
	CU_ASSERT_FALSE(net_limit_take(&l, 1333333));
	CU_ASSERT_TRUE(net_limit_take(&l, 1333334));
	// A long silence saves up no more than a tenth of a second's.
	l = (struct net_limit){.rate = 1000};
	while (n < 200 && net_limit_take(&l, 3600000000u))
		n++;
	CU_ASSERT_EQUAL(n, 100);
}

static void errors_we_send(void)
{
	static const struct {
		uint8_t proto;
		unsigned len;
		uint8_t code;
		unsigned quoted;
	} rows[] = {
		{IPPROTO_UDP, 0, ICMP_PORT_UNREACH, 28},
		{IPPROTO_UDP, 11, ICMP_PORT_UNREACH, 39},
		{IPPROTO_UDP, 1400, ICMP_PORT_UNREACH, 548},
		{132, 11, ICMP_PROT_UNREACH, 39},
	};
	struct frame fr;

	for (unsigned i = 0; i < RTE_DIM(rows); i++) {
		const uint8_t *p;

		fixture_open(NULL);
		fixture_flush();
		make_udp(&fr, rows[i].len);
		fr.b[AT_IP + 9] = rows[i].proto;
		fix_ip_sum(&fr);
		input(&fr);
		CU_ASSERT_EQUAL_FATAL(f.port.n_tx, 1);
		p = sent(0);
		CU_ASSERT_EQUAL(rte_pktmbuf_pkt_len(f.port.tx[0]), AT_L4 + 8 + rows[i].quoted);
		CU_ASSERT_EQUAL(get32(p + AT_IP + 16), PEER);
		CU_ASSERT_EQUAL(p[AT_L4], ICMP_DEST_UNREACH);
		CU_ASSERT_EQUAL(p[AT_L4 + 1], rows[i].code);
		CU_ASSERT_EQUAL(get32(p + AT_L4 + 4), 0);
		CU_ASSERT_EQUAL(memcmp(p + AT_L4 + 8, fr.b + AT_IP, rows[i].quoted), 0);
		CU_ASSERT(sums_right(p + AT_IP));
		fixture_close();
	}
}

// RFC 1122 section 4.2.3.9, RFC 1191.
static void errors_we_are_told(void)
{
	static const struct {
		uint8_t type;
		uint8_t code;
		int error;
		bool hard;
	} rows[] = {
		{3, 0, -ENETUNREACH, false},
		{3, 1, -EHOSTUNREACH, false},
		{3, 2, -EPROTO, true},
		{3, 3, -ECONNREFUSED, true},
		{3, 4, -EMSGSIZE, false},
		{3, 5, -EHOSTUNREACH, false},
		{3, 6, -ENETUNREACH, false},
		{3, 7, -EHOSTUNREACH, false},
		{3, 9, -ENETUNREACH, true},
		{3, 10, -EHOSTUNREACH, true},
		{3, 13, -EHOSTUNREACH, true},
		{11, 0, -EHOSTUNREACH, false},
		{11, 1, -EHOSTUNREACH, false},
		{12, 0, -EPROTO, false},
	};
	struct frame inner, fr;

	make_tcp(&inner, 0, 10);
	put32(inner.b + AT_IP + 12, US);
	put32(inner.b + AT_IP + 16, PEER + 7);
	for (unsigned i = 0; i < RTE_DIM(rows); i++) {
		struct ob_addr far = ob_addr_v4(rte_cpu_to_be_32(PEER + 7));

		fixture_open(NULL);
		fixture_flush();
		// Some routers quote no more than the first 8 bytes of the segment.
		make_icmp(&fr, rows[i].type, rows[i].code, i % 2 ? 50 : 28);
		put32(fr.b + AT_L4 + 4, 1234);
		memcpy(fr.b + AT_L4 + 8, inner.b + AT_IP, i % 2 ? 50 : 28);
		fix_l4_sum(&fr);
		input(&fr);
		CU_ASSERT_EQUAL(f.n_icmp, 1);
		CU_ASSERT_EQUAL(f.icmp.error, rows[i].error);
		CU_ASSERT_EQUAL(f.icmp.hard, rows[i].hard);
		CU_ASSERT_EQUAL(f.icmp.mtu, rows[i].error == -EMSGSIZE ? 1234 : 0);
		CU_ASSERT_EQUAL(f.icmp.seq, 0x01020304);
		CU_ASSERT_EQUAL(f.icmp.t.lport, 40000);
		CU_ASSERT_EQUAL(f.icmp.t.rport, 80);
		CU_ASSERT_EQUAL(f.icmp.t.zero, 0);
		CU_ASSERT(net_is_local(&f.net, &f.icmp.t.laddr));
		CU_ASSERT(ob_addr_eq(&f.icmp.t.raddr, &far));
		CU_ASSERT_EQUAL(f.cnt.icmp_rx_error, 1);
		CU_ASSERT_EQUAL(f.port.n_tx, 0);
		fixture_close();
	}
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"echo replies", echo_replies},
		{"echo behind IP options", echo_with_ip_options},
		{"limits", limits},
		{"the bucket of tokens", token_bucket},
		{"errors that we send", errors_we_send},
		{"errors that we are told", errors_we_are_told},
		CU_TEST_INFO_NULL,
	};

	return unit_eal() < 0 ? 1 : unit_run("icmp", tests);
}
