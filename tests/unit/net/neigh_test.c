// Neighbours: asking, waiting, ageing, failing, and a table that is full.
#include "engine/net/neigh.h"

#include "tests/unit/net/stations.h"

#define AGE_US 60000000u
#define RETRY_US 250000u
#define TICK_US 128u

static void resolves(void)
{
	fixture_open(NULL);
	fixture_flush();
	for (uint16_t i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(send_to(HOST(9), i), 0);
	CU_ASSERT_EQUAL(f.port.n_tx, 1);
	CU_ASSERT(is_request(0, HOST(9), everybody));
	answer(HOST(9), mac_a);
	CU_ASSERT_EQUAL(f.cnt.arp_rx_reply, 1);
	CU_ASSERT_EQUAL(f.port.n_tx, 4);
	for (uint16_t i = 0; i < 3; i++)
		CU_ASSERT(is_packet(1 + i, i, mac_a));
	CU_ASSERT_EQUAL(send_to(HOST(9), 7), 0);
	CU_ASSERT(is_packet(4, 7, mac_a));
	// A second answer was not asked for: it changes nothing.
	answer(HOST(9), mac_b);
	CU_ASSERT_EQUAL(f.cnt.drop_arp_unasked, 1);
	CU_ASSERT_EQUAL(send_to(HOST(9), 8), 0);
	CU_ASSERT(is_packet(5, 8, mac_a));
	fixture_close();
}

static void gives_up(void)
{
	uint64_t t = START_US;

	fixture_open(NULL);
	fixture_flush();
	CU_ASSERT_EQUAL(send_to(HOST(9), 1), 0);
	CU_ASSERT_EQUAL(send_to(HOST(9), 2), 0);
	for (unsigned i = 1; i < 4; i++) {
		CU_ASSERT(net_next_us(&f.net) <= t + RETRY_US + TICK_US);
		run_timers(t + RETRY_US - 1);
		CU_ASSERT_EQUAL(f.port.n_tx, i);
		run_timers(t += RETRY_US + TICK_US);
		CU_ASSERT_EQUAL(f.port.n_tx, i + 1);
		CU_ASSERT(is_request(i, HOST(9), everybody));
	}
	run_timers(t += RETRY_US + TICK_US);
	CU_ASSERT_EQUAL(f.port.n_tx, 4);
	CU_ASSERT_EQUAL(f.cnt.neigh_failed, 1);
	CU_ASSERT_EQUAL(f.n_unreachable, 1);
	CU_ASSERT_EQUAL(f.unreachable[0], HOST(9));
	CU_ASSERT_EQUAL(rte_mempool_avail_count(f.port.pool), POOL_PKTS - 4);
	// It is left alone for a second, then asked again.
	CU_ASSERT_EQUAL(send_to(HOST(9), 3), -EHOSTUNREACH);
	run_timers(t + NEIGH_FAILED_US - 1);
	CU_ASSERT_EQUAL(send_to(HOST(9), 3), -EHOSTUNREACH);
	CU_ASSERT_EQUAL(f.port.n_tx, 4);
	run_timers(t + NEIGH_FAILED_US + TICK_US);
	CU_ASSERT_EQUAL(net_next_us(&f.net), UINT64_MAX);
	CU_ASSERT_EQUAL(send_to(HOST(9), 3), 0);
	CU_ASSERT(is_request(4, HOST(9), everybody));
	// One that comes back by itself serves at once.
	answer(HOST(9), mac_a);
	CU_ASSERT(is_packet(5, 3, mac_a));
	fixture_close();
}

static void another_gateway(struct config *cfg)
{
	strcpy(cfg->net_gateway, "10.77.0.77");
}

static void no_gateway(struct config *cfg)
{
	cfg->net_gateway[0] = '\0';
}

static void routes(void)
{
	static const uint32_t nowhere[]
		= {US, HOST(0), HOST(255), 0, UINT32_MAX, IP4(127, 0, 0, 1), IP4(224, 0, 0, 1)};
	const uint32_t far = IP4(192, 0, 2, 1);

	fixture_open(another_gateway);
	fixture_flush();
	CU_ASSERT_EQUAL(send_to(far, 1), 0);
	CU_ASSERT_EQUAL(send_to(far + 1, 2), 0);
	CU_ASSERT_EQUAL(f.port.n_tx, 1);
	CU_ASSERT(is_request(0, HOST(77), everybody));
	// Whoever waits for a host behind the gateway hears of that host.
	for (uint64_t t = START_US; t < START_US + 2000000; t += TICK_US)
		run_timers(t);
	CU_ASSERT_EQUAL(f.n_unreachable, 3);
	CU_ASSERT_EQUAL(f.unreachable[0], HOST(77));
	CU_ASSERT_EQUAL(f.unreachable[1], far);
	CU_ASSERT_EQUAL(f.unreachable[2], far + 1);
	for (unsigned i = 0; i < RTE_DIM(nowhere); i++)
		CU_ASSERT_EQUAL(send_to(nowhere[i], 1), -EHOSTUNREACH);
	CU_ASSERT_EQUAL(f.cnt.neigh_no_route, RTE_DIM(nowhere));
	fixture_close();

	fixture_open(no_gateway);
	fixture_flush();
	CU_ASSERT_EQUAL(send_to(far, 1), -EHOSTUNREACH);
	CU_ASSERT_EQUAL(f.cnt.neigh_no_route, 1);
	CU_ASSERT_EQUAL(f.port.n_tx, 0);
	fixture_close();
}

static void waits_within_bounds(void)
{
	fixture_open(NULL);
	fixture_flush();
	for (uint16_t i = 0; i < NEIGH_WAIT + 5; i++)
		CU_ASSERT_EQUAL(send_to(HOST(9), i), 0);
	CU_ASSERT_EQUAL(f.cnt.neigh_queue_full, 5);
	answer(HOST(9), mac_a);
	CU_ASSERT_EQUAL(f.port.n_tx, 1 + NEIGH_WAIT);
	CU_ASSERT(is_packet(NEIGH_WAIT, NEIGH_WAIT - 1, mac_a));
	fixture_flush();
	// The end of the engine finds packets that still wait.
	CU_ASSERT_EQUAL(send_to(HOST(10), 1), 0);
	CU_ASSERT_EQUAL(send_to(HOST(11), 1), 0);
	fixture_close();
}

static void ages(void)
{
	uint64_t t = START_US + AGE_US + TICK_US;

	fixture_open(NULL);
	fixture_flush();
	CU_ASSERT_EQUAL(send_to(HOST(9), 1), 0);
	answer(HOST(9), mac_a);
	CU_ASSERT_EQUAL(send_to(HOST(9), 2), 0);
	fixture_flush();
	run_timers(START_US + AGE_US / 2);
	CU_ASSERT_EQUAL(send_to(HOST(9), 3), 0);
	fixture_flush();
	run_timers(START_US + AGE_US - 1);
	CU_ASSERT_EQUAL(f.port.n_tx, 0);
	// In use: it alone is asked, then everybody; it serves meanwhile.
	run_timers(t);
	CU_ASSERT(is_request(0, HOST(9), mac_a));
	CU_ASSERT_EQUAL(send_to(HOST(9), 4), 0);
	CU_ASSERT(is_packet(1, 4, mac_a));
	run_timers(t + RETRY_US + TICK_US);
	CU_ASSERT(is_request(2, HOST(9), everybody));
	// It has moved.
	answer(HOST(9), mac_b);
	CU_ASSERT_EQUAL(send_to(HOST(9), 5), 0);
	CU_ASSERT(is_packet(3, 5, mac_b));
	fixture_flush();
	// Not used for as long: forgotten without a word.
	run_timers(t + RETRY_US + AGE_US);
	CU_ASSERT(net_next_us(&f.net) < UINT64_MAX);
	run_timers(t + RETRY_US + AGE_US + 2 * TICK_US);
	CU_ASSERT_EQUAL(f.port.n_tx, 0);
	CU_ASSERT_EQUAL(net_next_us(&f.net), UINT64_MAX);
	fixture_close();
}

static void fails_in_use(void)
{
	fixture_open(NULL);
	fixture_flush();
	CU_ASSERT_EQUAL(send_to(HOST(9), 1), 0);
	answer(HOST(9), mac_a);
	fixture_flush();
	run_timers(START_US + 1000000);
	CU_ASSERT_EQUAL(send_to(HOST(9), 2), 0);
	fixture_flush();
	for (uint64_t i = 0; i < 4; i++)
		run_timers(START_US + AGE_US + TICK_US + i * (RETRY_US + TICK_US));
	CU_ASSERT_EQUAL(f.port.n_tx, 4);
	CU_ASSERT_EQUAL(f.cnt.neigh_failed, 0);
	CU_ASSERT_EQUAL(send_to(HOST(9), 3), 0);
	CU_ASSERT(is_packet(4, 3, mac_a));
	run_timers(START_US + AGE_US + TICK_US + 4 * (RETRY_US + TICK_US));
	CU_ASSERT_EQUAL(f.cnt.neigh_failed, 1);
	CU_ASSERT_EQUAL(f.n_unreachable, 1);
	CU_ASSERT_EQUAL(send_to(HOST(9), 4), -EHOSTUNREACH);
	fixture_close();
}

static void static_entries_stay(void)
{
	struct frame fr;

	fixture_open(NULL);
	fixture_flush();
	CU_ASSERT_EQUAL(net_next_us(&f.net), UINT64_MAX);
	make_arp(&fr, 1, PEER, mac_b, US);
	input(&fr);
	make_arp(&fr, 1, PEER, mac_b, PEER);
	input(&fr);
	answer(PEER, mac_b);
	CU_ASSERT_EQUAL(f.cnt.drop_arp_unasked, 1);
	fixture_flush();
	run_timers(START_US + 10ull * AGE_US);
	CU_ASSERT_EQUAL(send_to(PEER, 1), 0);
	CU_ASSERT_EQUAL(f.port.n_tx, 1);
	CU_ASSERT(is_packet(0, 1, peer_mac));
	fixture_close();
}

static void small_table(struct config *cfg)
{
	cfg->net_neigh_max = 8;
}

static void full_table(void)
{
	struct frame fr;

	fixture_open(small_table);
	fixture_flush();
	// Two static ones and six strangers.
	for (uint32_t i = 10; i < 16; i++) {
		make_arp(&fr, 1, HOST(i), mac_a, US);
		input(&fr);
	}
	// A seventh stranger is answered, and pushes nobody out.
	make_arp(&fr, 1, HOST(99), mac_a, US);
	input(&fr);
	CU_ASSERT_EQUAL(f.cnt.arp_tx_reply, 7);
	fixture_flush();
	f.now += 2000000;
	f.net.now_us = f.now;
	for (uint32_t i = 11; i < 16; i++) {
		CU_ASSERT_EQUAL(send_to(HOST(i), 1), 0);
		CU_ASSERT(is_packet(i - 11, 1, mac_a));
	}
	fixture_flush();
	// Whom we want to reach takes the place of the one that is not used.
	CU_ASSERT_EQUAL(send_to(HOST(50), 1), 0);
	CU_ASSERT(is_request(0, HOST(50), everybody));
	answer(HOST(50), mac_b);
	CU_ASSERT(is_packet(1, 1, mac_b));
	// Now all are in use, or were a moment ago.
	f.now += 500000;
	f.net.now_us = f.now;
	CU_ASSERT_EQUAL(send_to(HOST(51), 1), -EHOSTUNREACH);
	CU_ASSERT_EQUAL(f.cnt.neigh_full, 1);
	for (uint32_t i = 11; i < 16; i++)
		CU_ASSERT_EQUAL(send_to(HOST(i), 1), 0);
	CU_ASSERT_EQUAL(send_to(PEER, 9), 0);
	CU_ASSERT(is_packet(7, 9, peer_mac));
	fixture_close();
}

// A port whose turn is full, and a pool that is empty: nothing leaks, and ARP is tried again.
static void out_of_everything(void)
{
	struct rte_mbuf *all[POOL_PKTS + 1];
	struct frame fr;
	unsigned n = 0;

	fixture_open(NULL);
	fixture_flush();
	CU_ASSERT_EQUAL(send_to(HOST(9), 1), 0);
	fixture_flush();
	f.port.n_tx = PORT_TX_MAX; // nothing lies there
	answer(HOST(9), mac_a);
	CU_ASSERT_EQUAL(f.cnt.tx_drop_port, 1);
	f.port.n_tx = 0;
	make_arp(&fr, 1, HOST(10), mac_a, US);
	f.rx[f.n_rx++] = frame_mbuf(&fr);
	while ((all[n] = rte_pktmbuf_alloc(f.port.pool)) != NULL)
		n++;
	input_mbuf(f.rx[--f.n_rx]);
	CU_ASSERT_EQUAL(f.cnt.tx_no_mbuf, 1);
	CU_ASSERT_EQUAL(f.cnt.arp_tx_reply, 0);
	rte_pktmbuf_free_bulk(all, n);
	fixture_close();
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"resolves, and what waited leaves in order", resolves},
		{"gives up, and says so", gives_up},
		{"next hops", routes},
		{"packets wait within bounds", waits_within_bounds},
		{"ages", ages},
		{"fails while in use", fails_in_use},
		{"static entries stay", static_entries_stay},
		{"a full table", full_table},
		{"no room, no packets", out_of_everything},
		CU_TEST_INFO_NULL,
	};

	return unit_eal() < 0 ? 1 : unit_run("neigh", tests);
}
