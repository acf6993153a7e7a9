// A process with an engine's telemetry and captures, without an engine: what is looked at is a
// fixture, the port is net_null, whose packets of 64 bytes are sent back
// with 60.
//
//   inspect_server CONNECTIONS EAL...     serves until it is killed; prints "ready" once
#include <rte_ethdev.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/hostif/pdump.h"
#include "engine/hostif/telemetry.h"
#include "tests/unit/inspect/fixture.h"

static struct fixture fix;

static int open_port(struct port *p)
{
	struct rte_eth_conf conf = {0};
	int r;

	p->pool = rte_pktmbuf_pool_create("inspect", 1023, 32, 0, 2176, SOCKET_ID_ANY);
	if (p->pool == NULL)
		return -1;
	r = rte_eth_dev_configure(0, 1, 1, &conf);
	r = r ? r : rte_eth_rx_queue_setup(0, 0, 64, SOCKET_ID_ANY, NULL, p->pool);
	r = r ? r : rte_eth_tx_queue_setup(0, 0, 64, SOCKET_ID_ANY, NULL);
	r = r ? r : rte_eth_dev_start(0);
	r = r ? r : rte_eth_dev_get_name_by_port(0, p->name);
	p->id = 0;
	return r;
}

static void turn(void)
{
	struct rte_mbuf *m[4];
	unsigned n = rte_eth_rx_burst(0, 0, m, 4);
	unsigned sent;

	for (unsigned i = 0; i < n; i++)
		rte_pktmbuf_trim(m[i], 4);
	sent = rte_eth_tx_burst(0, 0, m, (uint16_t)n);
	rte_pktmbuf_free_bulk(m + sent, n - sent);
	fix.cnt.rx_pkts += n;
	fix.cnt.tx_pkts += sent;
}

int main(int argc, char **argv)
{
	uint32_t conns = argc > 1 ? (uint32_t)atoi(argv[1]) : 0;
	char err[256] = "";
	int r;

	if (argc < 2 || rte_eal_init(argc - 1, argv + 1) < 0 || fixture_make(&fix, 4096) < 0)
		return 1;
	for (uint32_t i = 0; i < conns; i++)
		fixture_conn(&fix, 7 * i, 1, STATE_NIL);
	fixture_half(&fix, 3, HALF_SYN_SENT);
	fixture_listener(&fix, 0, 8080);
	fixture_host(&fix, 1, 2);
	fix.cnt.icmp_rx_echo = 42;
	if (open_port(&fix.port) != 0 || telemetry_start(&fix.in) != 0)
		return 1;
	r = pdump_start(err, sizeof(err));
	printf("ready %d %s\n", r, err);
	fflush(stdout);
	for (;;) {
		turn();
		usleep(1000);
	}
}
