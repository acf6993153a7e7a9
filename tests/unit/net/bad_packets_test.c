// One packet in, exactly one named counter up by one, and nothing else changed.
#include <stdbool.h>

#include "tests/unit/net/fixture.h"

enum base { TCP, TCP_PADDED, OPTIONS, UDP, ICMP, QUOTE, ARP, ARP_REPLY };

#define FIX_IP 1u // make the IP header's sum right again after the change
#define FIX_L4 2u
#define PIECES 4u // in two mbufs that do not fit into one
#define NONE COUNTERS

struct row {
	const char *name;
	enum base base;
	unsigned cut; // new length of the frame, or 0
	unsigned fix;
	uint64_t ol_flags;
	struct {
		uint16_t at; // bytes from the start of the frame; 0: none
		uint8_t to;
	} set[6];
	enum counter_id counter;
	enum counter_id extra; // NONE, or another one that goes up with it
};

#define IP(off) (AT_IP + (off))
#define L4(off) (AT_L4 + (off))
#define INNER(off) (AT_L4 + 8 + (off)) // the packet that an ICMP error quotes
#define ARP_AT(off) (14 + (off))
#define MAC0 0x8000 // offset 0, where 0 itself means none
#define DROP(name) COUNTER_drop_##name, NONE

static const struct row rows[] = {
	{"no byte at all", TCP, UINT16_MAX, 0, 0, {{0}}, DROP(eth_short)},
	{"Ethernet header cut", TCP, 13, 0, 0, {{0}}, DROP(eth_short)},
	{"another MAC address", TCP, 0, 0, 0, {{5, 0x99}}, DROP(eth_dst)},
	{"IPv4 to a multicast MAC address", TCP, 0, 0, 0, {{MAC0, 3}}, DROP(eth_dst)},
	{"ARP to a multicast MAC address", ARP, 0, 0, 0, {{MAC0, 3}}, DROP(eth_dst)},
	{"ARP to another MAC address", ARP, 0, 0, 0, {{MAC0, 2}}, DROP(eth_dst)},
	{"VLAN tag", TCP, 0, 0, 0, {{12, 0x81}}, DROP(eth_vlan)},
	{"double VLAN tag", TCP, 0, 0, 0, {{12, 0x88}, {13, 0xa8}}, DROP(eth_vlan)},
	{"VLAN tag that the port took off", TCP, 0, 0,
		RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED, {{0}}, DROP(eth_vlan)},
	{"LLDP", TCP, 0, 0, 0, {{12, 0x88}, {13, 0xcc}}, DROP(eth_type)},
	{"802.3 length", TCP, 0, 0, 0, {{12, 0}, {13, 64}}, DROP(eth_type)},
	{"pieces in several mbufs", TCP, 0, PIECES, 0, {{0}}, DROP(eth_segs)},
	{"IPv6", TCP, 0, 0, 0, {{12, 0x86}, {13, 0xdd}}, DROP(ip6)},
	{"IPv6 multicast", TCP, 0, 0, 0, {{MAC0, 0x33}, {12, 0x86}, {13, 0xdd}}, DROP(ip6)},

	{"no IP header", TCP, 14, 0, 0, {{0}}, DROP(ip_short)},
	{"IP header cut", TCP, 33, 0, 0, {{0}}, DROP(ip_short)},
	{"frame cut", TCP, 63, 0, 0, {{0}}, DROP(ip_short)},
	{"total length past the end", TCP, 0, FIX_IP, 0, {{IP(3), 51}}, DROP(ip_short)},
	{"total length below the header", TCP, 0, FIX_IP, 0, {{IP(3), 19}}, DROP(ip_short)},
	{"total length 0", TCP, 0, FIX_IP, 0, {{IP(3), 0}}, DROP(ip_short)},
	{"IP header past the end", TCP, 0, 0, 0, {{IP(0), 0x4f}}, DROP(ip_short)},
	{"version 6 in an IPv4 frame", TCP, 0, FIX_IP, 0, {{IP(0), 0x65}}, DROP(ip_version)},
	{"version 0", TCP, 0, FIX_IP, 0, {{IP(0), 0x05}}, DROP(ip_version)},
	{"IP header of 16 bytes", TCP, 0, 0, 0, {{IP(0), 0x44}}, DROP(ip_hdr_len)},
	{"IP header of 0 bytes", TCP, 0, 0, 0, {{IP(0), 0x40}}, DROP(ip_hdr_len)},
	{"IP sum", TCP, 0, 0, 0, {{IP(8), 63}}, DROP(ip_csum)},
	{"IP sum 0", TCP, 0, 0, 0, {{IP(10), 0}, {IP(11), 0}}, DROP(ip_csum)},
	{"IP sum, says the port", TCP, 0, 0, RTE_MBUF_F_RX_IP_CKSUM_BAD, {{0}}, DROP(ip_csum)},
	{"loose source route", OPTIONS, 0, FIX_IP, 0, {{L4(0), 131}, {L4(1), 3}, {L4(2), 4}},
		DROP(ip_options)},
	{"strict source route behind a NOP", OPTIONS, 0, FIX_IP, 0,
		{{L4(0), 1}, {L4(1), 137}, {L4(2), 3}}, DROP(ip_options)},
	{"option of length 0", OPTIONS, 0, FIX_IP, 0, {{L4(0), 7}, {L4(1), 0}}, DROP(ip_options)},
	{"option of length 1", OPTIONS, 0, FIX_IP, 0, {{L4(0), 7}, {L4(1), 1}}, DROP(ip_options)},
	{"option past the header", OPTIONS, 0, FIX_IP, 0, {{L4(0), 7}, {L4(1), 5}},
		DROP(ip_options)},
	{"option without a length", OPTIONS, 0, FIX_IP, 0,
		{{L4(0), 1}, {L4(1), 1}, {L4(2), 1}, {L4(3), 7}}, DROP(ip_options)},
	{"from 0.77.0.2", TCP, 0, FIX_IP, 0, {{IP(12), 0}}, DROP(ip_src)},
	{"from 127.77.0.2", TCP, 0, FIX_IP, 0, {{IP(12), 127}}, DROP(ip_src)},
	{"from 224.77.0.2", TCP, 0, FIX_IP, 0, {{IP(12), 224}}, DROP(ip_src)},
	{"from 255.77.0.2", TCP, 0, FIX_IP, 0, {{IP(12), 255}}, DROP(ip_src)},
	{"from ourselves", TCP, 0, FIX_IP, 0, {{IP(15), 1}}, DROP(ip_src)},
	{"from our prefix's broadcast", TCP, 0, FIX_IP, 0, {{IP(15), 255}}, DROP(ip_src)},
	{"from our prefix itself", TCP, 0, FIX_IP, 0, {{IP(15), 0}}, DROP(ip_src)},
	{"to another station", TCP, 0, FIX_IP, 0, {{IP(19), 3}}, DROP(ip_dst)},
	{"to our prefix's broadcast", ICMP, 0, FIX_IP, 0, {{IP(19), 255}}, DROP(ip_dst)},
	{"to everybody", UDP, 0, FIX_IP, 0,
		{{IP(16), 255}, {IP(17), 255}, {IP(18), 255}, {IP(19), 255}}, DROP(ip_dst)},
	{"to a multicast group", UDP, 0, FIX_IP, 0, {{IP(16), 224}}, DROP(ip_dst)},
	{"first fragment", TCP, 0, FIX_IP, 0, {{IP(6), 0x20}}, DROP(ip_frag)},
	{"last fragment", UDP, 0, FIX_IP, 0, {{IP(7), 1}}, DROP(ip_frag)},
	{"GRE", TCP, 0, FIX_IP, 0, {{IP(9), 47}}, COUNTER_drop_ip_proto, COUNTER_icmp_tx_error},
	{"protocol 255", TCP, 0, FIX_IP, 0, {{IP(9), 255}}, COUNTER_drop_ip_proto,
		COUNTER_icmp_tx_error},

	{"ICMP cut", ICMP, 41, FIX_IP, 0, {{IP(3), 27}}, DROP(icmp_short)},
	{"ICMP without a byte", ICMP, 34, FIX_IP, 0, {{IP(3), 20}}, DROP(icmp_short)},
	{"ICMP sum", ICMP, 0, 0, 0, {{L4(9), 0x99}}, DROP(icmp_csum)},
	{"echo reply", ICMP, 0, FIX_L4, 0, {{L4(0), 0}}, DROP(icmp_type)},
	{"source quench", QUOTE, 0, FIX_L4, 0, {{L4(0), 4}}, DROP(icmp_type)},
	{"redirect", QUOTE, 0, FIX_L4, 0, {{L4(0), 5}}, DROP(icmp_type)},
	{"timestamp request", ICMP, 0, FIX_L4, 0, {{L4(0), 13}}, DROP(icmp_type)},
	{"unknown code of unreachable", QUOTE, 0, FIX_L4, 0, {{L4(1), 16}}, DROP(icmp_type)},
	{"unknown code of time exceeded", QUOTE, 0, FIX_L4, 0, {{L4(0), 11}, {L4(1), 2}},
		DROP(icmp_type)},
	{"unknown code of parameter problem", QUOTE, 0, FIX_L4, 0, {{L4(0), 12}, {L4(1), 3}},
		DROP(icmp_type)},
	{"error that quotes 27 bytes", QUOTE, L4(8 + 27), FIX_IP | FIX_L4, 0,
		{{IP(3), 20 + 8 + 27}}, DROP(icmp_short)},
	{"error that quotes 19 bytes", QUOTE, L4(8 + 19), FIX_IP | FIX_L4, 0,
		{{IP(3), 20 + 8 + 19}}, DROP(icmp_short)},
	{"error that quotes 19 bytes with a header of none", QUOTE, L4(8 + 19), FIX_IP | FIX_L4, 0,
		{{IP(3), 20 + 8 + 19}, {INNER(0), 0x40}}, DROP(icmp_short)},
	{"error that quotes a long header", QUOTE, 0, FIX_L4, 0, {{INNER(0), 0x46}},
		DROP(icmp_short)},
	{"error that quotes IPv6", QUOTE, 0, FIX_L4, 0, {{INNER(0), 0x65}}, DROP(icmp_quote)},
	{"error that quotes a short header", QUOTE, 0, FIX_L4, 0, {{INNER(0), 0x44}},
		DROP(icmp_quote)},
	{"error that quotes UDP", QUOTE, 0, FIX_L4, 0, {{INNER(9), 17}}, DROP(icmp_quote)},
	{"error that quotes another sender", QUOTE, 0, FIX_L4, 0, {{INNER(15), 9}},
		DROP(icmp_quote)},
	{"error that quotes a later fragment", QUOTE, 0, FIX_L4, 0, {{INNER(7), 1}},
		DROP(icmp_quote)},
	{"error that quotes no connection", QUOTE, 0, 0, 0, {{0}}, DROP(icmp_quote)},

	{"UDP", UDP, 0, 0, 0, {{0}}, COUNTER_drop_udp, COUNTER_icmp_tx_error},
	{"UDP without sum", UDP, 0, 0, 0, {{L4(6), 0}, {L4(7), 0}}, COUNTER_drop_udp,
		COUNTER_icmp_tx_error},
	{"UDP sum", UDP, 0, 0, 0, {{L4(9), 0x99}}, DROP(udp)},
	{"UDP cut", UDP, 41, FIX_IP, 0, {{IP(3), 27}}, DROP(udp)},

	{"TCP header cut", TCP, 53, FIX_IP, 0, {{IP(3), 39}}, DROP(tcp_short)},
	{"TCP header missing in padding", TCP_PADDED, 0, FIX_IP, 0, {{IP(3), 20}}, DROP(tcp_short)},
	{"data offset 16", TCP, 0, FIX_L4, 0, {{L4(12), 0x40}}, DROP(tcp_hdr_len)},
	{"data offset 0", TCP, 0, FIX_L4, 0, {{L4(12), 0}}, DROP(tcp_hdr_len)},
	{"data offset past the end", TCP, 0, FIX_L4, 0, {{L4(12), 0xf0}}, DROP(tcp_hdr_len)},
	{"data offset into padding", TCP_PADDED, 0, FIX_L4, 0, {{L4(12), 0x60}}, DROP(tcp_hdr_len)},
	{"TCP sum", TCP, 0, 0, 0, {{L4(25), 0x99}}, DROP(tcp_csum)},
	{"TCP sum covers addresses", TCP, 0, FIX_IP, 0, {{IP(15), 9}}, DROP(tcp_csum)},
	{"TCP sum, says the port", TCP, 0, 0, RTE_MBUF_F_RX_L4_CKSUM_BAD, {{0}}, DROP(tcp_csum)},
	{"source port 0", TCP, 0, FIX_L4, 0, {{L4(0), 0}, {L4(1), 0}}, DROP(tcp_ports)},
	{"destination port 0", TCP, 0, FIX_L4, 0, {{L4(2), 0}, {L4(3), 0}}, DROP(tcp_ports)},

	{"ARP cut", ARP, 41, 0, 0, {{0}}, DROP(arp_bad)},
	{"ARP without a byte", ARP, 14, 0, 0, {{0}}, DROP(arp_bad)},
	{"ARP for token ring", ARP, 0, 0, 0, {{ARP_AT(1), 6}}, DROP(arp_bad)},
	{"ARP for another protocol", ARP, 0, 0, 0, {{ARP_AT(3), 1}}, DROP(arp_bad)},
	{"ARP hardware length", ARP, 0, 0, 0, {{ARP_AT(4), 8}}, DROP(arp_bad)},
	{"ARP protocol length", ARP, 0, 0, 0, {{ARP_AT(5), 16}}, DROP(arp_bad)},
	{"ARP operation 3", ARP, 0, 0, 0, {{ARP_AT(7), 3}}, DROP(arp_bad)},
	{"ARP from a group address", ARP, 0, 0, 0, {{ARP_AT(8), 3}}, DROP(arp_bad)},
	{"ARP from no MAC address", ARP, 0, 0, 0,
		{{ARP_AT(8), 0}, {ARP_AT(9), 0}, {ARP_AT(10), 0}, {ARP_AT(11), 0}, {ARP_AT(13), 0}},
		DROP(arp_bad)},
	{"ARP from a multicast address", ARP, 0, 0, 0, {{ARP_AT(14), 224}}, DROP(arp_bad)},
	{"ARP reply from 0.0.0.0", ARP_REPLY, 0, 0, 0,
		{{ARP_AT(14), 0}, {ARP_AT(15), 0}, {ARP_AT(16), 0}, {ARP_AT(17), 0}},
		DROP(arp_bad)},
	{"ARP for another station", ARP, 0, 0, 0, {{ARP_AT(27), 3}}, DROP(arp_other)},
	{"ARP announcement of another station", ARP, 0, 0, 0, {{ARP_AT(27), 2}}, DROP(arp_other)},
	{"ARP reply to another station", ARP_REPLY, 0, 0, 0, {{ARP_AT(27), 3}}, DROP(arp_other)},
	{"ARP reply unasked", ARP_REPLY, 0, 0, 0, {{0}}, DROP(arp_unasked)},
	{"ARP in which another station has our address", ARP, 0, 0, 0, {{ARP_AT(17), 1}},
		COUNTER_arp_conflict, COUNTER_arp_tx_request},
};

static void make(struct frame *fr, enum base base)
{
	struct frame inner;

	switch (base) {
	case TCP:
		make_tcp(fr, 0, 10); // 64 bytes
		break;
	case TCP_PADDED:
		make_tcp(fr, 0, 0);
		fr->len = 60;
		break;
	case OPTIONS: // TCP behind four bytes of IP options, which lie at L4(0)
		make_tcp(fr, 0, 10);
		memmove(fr->b + L4(4), fr->b + L4(0), 30);
		memset(fr->b + L4(0), 1, 4);
		fr->b[IP(0)] = 0x46;
		fr->b[IP(3)] += 4;
		fr->len += 4;
		fix_ip_sum(fr);
		break;
	case UDP:
		make_udp(fr, 10);
		break;
	case ICMP:
		make_icmp(fr, 8, 0, 10);
		break;
	case QUOTE: // host unreachable, with the first 28 bytes of a segment from us
		make_tcp(&inner, 0, 10);
		put32(inner.b + IP(12), US);
		put32(inner.b + IP(16), PEER);
		make_icmp(fr, 3, 1, 28);
		memcpy(fr->b + INNER(0), inner.b + AT_IP, 28);
		fix_l4_sum(fr);
		break;
	case ARP:
		make_arp(fr, 1, PEER, peer_mac, US);
		break;
	case ARP_REPLY:
		make_arp(fr, 2, PEER, peer_mac, US);
		break;
	}
}

static void change(struct frame *fr, const struct row *row)
{
	for (unsigned i = 0; i < RTE_DIM(row->set) && row->set[i].at != 0; i++)
		fr->b[row->set[i].at & ~MAC0] = row->set[i].to;
	if (row->cut != 0)
		fr->len = row->cut == UINT16_MAX ? 0 : row->cut;
	if (row->fix & FIX_IP)
		fix_ip_sum(fr);
	if (row->fix & FIX_L4)
		fix_l4_sum(fr);
	fr->ol_flags = row->ol_flags;
}

// A packet whose pieces no single mbuf of the pool can hold.
static struct rte_mbuf *in_pieces(const struct frame *fr)
{
	struct rte_mbuf *head = frame_mbuf(fr);
	struct rte_mbuf *tail = frame_mbuf(fr);

	rte_pktmbuf_append(tail, 1984);
	CU_ASSERT_EQUAL_FATAL(rte_pktmbuf_chain(head, tail), 0);
	return head;
}

static bool row_right(const struct row *row)
{
	unsigned before = rte_mempool_avail_count(f.port.pool);
	struct counters want = f.cnt;
	struct frame fr;
	struct rte_mbuf *m;
	bool good;

	make(&fr, row->base);
	change(&fr, row);
	m = row->fix & PIECES ? in_pieces(&fr) : frame_mbuf(&fr);
	want.rx_pkts++;
	want.rx_bytes += rte_pktmbuf_pkt_len(m);
	((uint64_t *)&want)[row->counter]++;
	if (row->extra != NONE)
		((uint64_t *)&want)[row->extra]++;
	input_mbuf(m);
	good = f.n_segs == 0 && memcmp(&want, &f.cnt, sizeof(want)) == 0
		&& f.port.n_tx == (row->extra != NONE) && f.n_unreachable == 0;
	fixture_flush();
	return good && rte_mempool_avail_count(f.port.pool) == before;
}

static void say(const struct counters *before)
{
	for (unsigned i = 0; i < COUNTERS; i++)
		if (counter_read(before, i) != counter_read(&f.cnt, i))
			printf(" %s", counter_info[i].name);
	printf("\n");
}

static void every_row(void)
{
	for (unsigned i = 0; i < RTE_DIM(rows); i++) {
		struct counters before;
		bool good;

		fixture_open(NULL);
		fixture_flush();
		// TCP would know every connection that it is asked for, but in the row about that.
		f.icmp_known = rows[i].set[0].at != 0;
		before = f.cnt;
		good = row_right(&rows[i]);
		if (!good) {
			printf("\n\"%s\" should be %s; raised:", rows[i].name,
				counter_info[rows[i].counter].name);
			say(&before);
		}
		CU_ASSERT(good);
		fixture_close();
	}
}

static void every_counter_has_a_row(void)
{
	for (unsigned id = COUNTER_drop_eth_short; id <= COUNTER_drop_tcp_ports; id++) {
		bool found = false;

		for (unsigned i = 0; i < RTE_DIM(rows); i++)
			found = found || rows[i].counter == id;
		if (!found)
			printf("\nno row for %s\n", counter_info[id].name);
		CU_ASSERT(found);
	}
}

// Without their changes, the frames that the rows begin with are good.
static void bases_are_good(void)
{
	static const struct {
		enum base base;
		unsigned segs;
		unsigned sent;
		enum counter_id counter; // that rises, or NONE
	} bases[] = {{TCP, 1, 0, NONE}, {TCP_PADDED, 1, 0, NONE}, {OPTIONS, 1, 0, NONE},
		{UDP, 0, 1, COUNTER_drop_udp}, {ICMP, 0, 1, COUNTER_icmp_rx_echo},
		{QUOTE, 0, 0, COUNTER_icmp_rx_error}, {ARP, 0, 1, COUNTER_arp_rx_request}};
	struct frame fr;

	for (unsigned i = 0; i < RTE_DIM(bases); i++) {
		fixture_open(NULL);
		fixture_flush();
		make(&fr, bases[i].base);
		input(&fr);
		CU_ASSERT_EQUAL(f.n_segs, bases[i].segs);
		CU_ASSERT_EQUAL(f.port.n_tx, bases[i].sent);
		if (bases[i].counter != NONE)
			CU_ASSERT_EQUAL(counter_read(&f.cnt, bases[i].counter), 1);
		fixture_close();
	}
}

// A frame in several buffers is put into the first if that has room, and dropped if not.
static void frames_in_parts(void)
{
	struct rte_mbuf *m, *tail;
	struct frame fr;

	fixture_open(NULL);
	fixture_flush();
	make_tcp(&fr, 0, 600);
	m = frame_mbuf(&fr);
	tail = rte_pktmbuf_alloc(m->pool);
	CU_ASSERT_PTR_NOT_NULL_FATAL(tail);
	memcpy(rte_pktmbuf_append(tail, 500), fr.b + fr.len - 500, 500);
	rte_pktmbuf_trim(m, 500);
	CU_ASSERT_EQUAL_FATAL(rte_pktmbuf_chain(m, tail), 0);
	input_mbuf(m);
	CU_ASSERT_EQUAL_FATAL(f.n_segs, 1);
	CU_ASSERT_EQUAL(f.segs[0].len, 600);
	CU_ASSERT_EQUAL(memcmp(f.segs[0].data, fr.b + fr.len - 600, 600), 0);
	fixture_flush();
	m = frame_mbuf(&fr);
	for (unsigned i = 0; i < 2; i++) {
		tail = rte_pktmbuf_alloc(m->pool);
		CU_ASSERT_PTR_NOT_NULL_FATAL(tail);
		memset(rte_pktmbuf_append(tail, 1500), 0, 1500);
		CU_ASSERT_EQUAL_FATAL(rte_pktmbuf_chain(m, tail), 0);
	}
	f.n_segs = 0;
	input_mbuf(m);
	CU_ASSERT_EQUAL(f.n_segs, 0);
	CU_ASSERT_EQUAL(f.cnt.drop_eth_segs, 1);
	fixture_close();
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"the frames to begin with are good", bases_are_good},
		{"every bad packet under its counter", every_row},
		{"every counter has a row", every_counter_has_a_row},
		{"frames in several buffers", frames_in_parts},
		CU_TEST_INFO_NULL,
	};

	return unit_eal() < 0 ? 1 : unit_run("bad packets", tests);
}
