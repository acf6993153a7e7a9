// ARP: what we say, what we answer, and what is not believed.
#include "tests/unit/net/stations.h"

static void announces_itself(void)
{
	fixture_open(NULL);
	CU_ASSERT_EQUAL(f.port.n_tx, 1);
	CU_ASSERT(is_request(0, US, everybody));
	CU_ASSERT_EQUAL(f.cnt.arp_tx_request, 1);
	fixture_close();
}

static void answers_requests(void)
{
	struct frame fr;
	const uint8_t *p;

	fixture_open(NULL);
	fixture_flush();
	make_arp(&fr, 1, HOST(9), mac_a, US);
	input(&fr);
	CU_ASSERT_EQUAL_FATAL(f.port.n_tx, 1);
	p = sent(0);
	CU_ASSERT_EQUAL(memcmp(p, mac_a, 6), 0);
	CU_ASSERT_EQUAL(memcmp(p + 6, us_mac, 6), 0);
	CU_ASSERT_EQUAL(get16(p + 20), 2);
	CU_ASSERT_EQUAL(memcmp(p + 22, us_mac, 6), 0);
	CU_ASSERT_EQUAL(get32(p + 28), US);
	CU_ASSERT_EQUAL(memcmp(p + 32, mac_a, 6), 0);
	CU_ASSERT_EQUAL(get32(p + 38), HOST(9));
	CU_ASSERT_EQUAL(f.cnt.arp_tx_reply, 1);
	// Who asks for us is known.
	CU_ASSERT_EQUAL(send_to(HOST(9), 1), 0);
	CU_ASSERT(is_packet(1, 1, mac_a));
	// When it asks with another MAC address, that one counts from now on.
	make_arp(&fr, 1, HOST(9), mac_b, US);
	input(&fr);
	CU_ASSERT_EQUAL(send_to(HOST(9), 2), 0);
	CU_ASSERT(is_packet(3, 2, mac_b));
	// A probe by a station without an address is answered, and teaches nothing.
	make_arp(&fr, 1, 0, mac_a, US);
	input(&fr);
	CU_ASSERT_EQUAL(f.cnt.arp_tx_reply, 3);
	// So is a request from beyond our prefix.
	make_arp(&fr, 1, IP4(10, 78, 0, 9), mac_a, US);
	input(&fr);
	CU_ASSERT_EQUAL(f.cnt.arp_tx_reply, 4);
	CU_ASSERT_EQUAL(f.cnt.arp_rx_request, 4);
	fixture_close();

	fixture_open(NULL);
	input(&fr);
	CU_ASSERT_EQUAL(f.cnt.arp_tx_reply, 1);
	CU_ASSERT_EQUAL(net_next_us(&f.net), UINT64_MAX);
	fixture_close();
}

// An announcement of a new MAC address is not believed, but asked after.
static void doubts(void)
{
	struct frame fr;

	fixture_open(NULL);
	fixture_flush();
	make_arp(&fr, 1, HOST(9), mac_a, US);
	input(&fr);
	fixture_flush();
	make_arp(&fr, 1, HOST(9), mac_a, HOST(9));
	input(&fr);
	CU_ASSERT_EQUAL(f.port.n_tx, 0);
	make_arp(&fr, 1, HOST(9), mac_b, HOST(9));
	input(&fr);
	CU_ASSERT_EQUAL(f.cnt.drop_arp_other, 2);
	CU_ASSERT_EQUAL(f.port.n_tx, 1);
	CU_ASSERT(is_request(0, HOST(9), everybody));
	CU_ASSERT_EQUAL(send_to(HOST(9), 1), 0);
	CU_ASSERT(is_packet(1, 1, mac_a));
	answer(HOST(9), mac_b);
	CU_ASSERT_EQUAL(send_to(HOST(9), 2), 0);
	CU_ASSERT(is_packet(2, 2, mac_b));
	// One that we do not know is nobody's business.
	make_arp(&fr, 1, HOST(10), mac_b, HOST(10));
	input(&fr);
	CU_ASSERT_EQUAL(f.port.n_tx, 3);
	fixture_close();
}

static void defends_its_address(void)
{
	struct frame fr;

	fixture_open(NULL);
	fixture_flush();
	make_arp(&fr, 1, US, mac_b, HOST(9));
	input(&fr);
	CU_ASSERT_EQUAL(f.port.n_tx, 1);
	CU_ASSERT(is_request(0, US, everybody));
	input(&fr);
	f.now += 9999999;
	input(&fr);
	CU_ASSERT_EQUAL(f.port.n_tx, 1);
	f.now += 1;
	input(&fr);
	CU_ASSERT_EQUAL(f.port.n_tx, 2);
	CU_ASSERT_EQUAL(f.cnt.arp_conflict, 4);
	// Our own announcement that comes back is no conflict.
	make_arp(&fr, 1, US, us_mac, US);
	input(&fr);
	CU_ASSERT_EQUAL(f.cnt.arp_conflict, 4);
	CU_ASSERT_EQUAL(f.cnt.drop_arp_other, 1);
	fixture_close();
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"announces itself at start", announces_itself},
		{"answers and learns from requests", answers_requests},
		{"doubts announcements", doubts},
		{"defends its address", defends_its_address},
		CU_TEST_INFO_NULL,
	};

	return unit_eal() < 0 ? 1 : unit_run("arp", tests);
}
