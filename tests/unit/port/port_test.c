// The port: bursts over a table of functions, and an ethdev that is always there.
#include "engine/port/port.h"

#include <errno.h>
#include <rte_ethdev.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/port/iface.h"
#include "tests/unit/eal_main.h"

#define POOL_PKTS 1023u

static const uint8_t mac[6] = {0x02, 0, 0, 0, 0, 1};
static struct rte_mempool *pool;
static struct counters cnt;
static struct port port;

// A wire that gives `n_rx` packets and takes up to `each` a call, `takes` in all.
static struct {
	unsigned n_rx;
	unsigned each;
	unsigned takes;
	unsigned asked; // for how many it was asked last
	unsigned took; // packets in all
	uint32_t lens; // of these, in the order in which they were taken: a polynomial
} wire;

static unsigned wire_rx(void *dev, struct rte_mbuf **pkts, unsigned n)
{
	(void)dev;
	wire.asked = n;
	n = RTE_MIN(n, wire.n_rx);
	for (unsigned i = 0; i < n; i++) {
		pkts[i] = rte_pktmbuf_alloc(pool);
		rte_pktmbuf_append(pkts[i], (uint16_t)(100 + i));
	}
	return n;
}

static unsigned wire_tx(void *dev, struct rte_mbuf **pkts, unsigned n)
{
	(void)dev;
	n = RTE_MIN(n, wire.each);
	n = RTE_MIN(n, wire.takes);
	wire.takes -= n;
	wire.took += n;
	for (unsigned i = 0; i < n; i++)
		wire.lens = wire.lens * 31 + rte_pktmbuf_pkt_len(pkts[i]);
	rte_pktmbuf_free_bulk(pkts, n);
	return n;
}

static void open_wire(void)
{
	static const struct port_ops ops = {wire_rx, wire_tx};

	memset(&cnt, 0, sizeof(cnt));
	memset(&wire, 0, sizeof(wire));
	port_init_ops(&port, &ops, NULL, pool, &cnt, 1500, mac);
}

static void receives(void)
{
	struct rte_mbuf *pkts[64];

	open_wire();
	CU_ASSERT_EQUAL(port_rx(&port, pkts, 64), 0);
	CU_ASSERT_EQUAL(wire.asked, port.burst);
	wire.n_rx = 3;
	CU_ASSERT_EQUAL(port_rx(&port, pkts, 2), 2);
	CU_ASSERT_EQUAL(wire.asked, 2);
	CU_ASSERT_EQUAL(cnt.rx_pkts, 2);
	CU_ASSERT_EQUAL(cnt.rx_bytes, 201);
	rte_pktmbuf_free_bulk(pkts, 2);
}

static void collect(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct rte_mbuf *m = port_alloc(&port);

		CU_ASSERT_PTR_NOT_NULL_FATAL(m);
		rte_pktmbuf_append(m, (uint16_t)(i + 1));
		port_put(&port, m);
	}
}

static void sends(void)
{
	uint32_t lens = 0;

	open_wire();
	port_flush(&port);
	CU_ASSERT_EQUAL(cnt.tx_pkts, 0);
	// A port that takes few at a time gets them all.
	wire.each = 7;
	wire.takes = 100;
	collect(20);
	CU_ASSERT_EQUAL(port_room(&port), PORT_TX_MAX - 20);
	port_flush(&port);
	CU_ASSERT_EQUAL(port_room(&port), PORT_TX_MAX);
	for (uint32_t i = 1; i <= 20; i++)
		lens = lens * 31 + i;
	CU_ASSERT(wire.took == 20 && wire.lens == lens); // each once, in order
	CU_ASSERT_EQUAL(cnt.tx_pkts, 20);
	CU_ASSERT_EQUAL(cnt.tx_bytes, 210);
	CU_ASSERT_EQUAL(cnt.tx_drop_port, 0);
	// What it does not take is dropped and counted.
	wire.takes = 9;
	collect(10);
	port_flush(&port);
	CU_ASSERT_EQUAL(cnt.tx_pkts, 29);
	CU_ASSERT_EQUAL(cnt.tx_bytes, 210 + 45);
	CU_ASSERT_EQUAL(cnt.tx_drop_port, 1);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool), POOL_PKTS);
	// What is collected when the port is closed goes back too.
	collect(3);
	port_close(&port);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool), POOL_PKTS);
}

static void runs_out(void)
{
	struct rte_mbuf *all[POOL_PKTS];

	open_wire();
	for (unsigned i = 0; i < POOL_PKTS; i++)
		all[i] = port_alloc(&port);
	CU_ASSERT_EQUAL(cnt.tx_no_mbuf, 0);
	CU_ASSERT_PTR_NULL(port_alloc(&port));
	CU_ASSERT_EQUAL(cnt.tx_no_mbuf, 1);
	rte_pktmbuf_free_bulk(all, POOL_PKTS);
}

static void configure(struct config *c)
{
	char err[256];

	config_defaults(c);
	strcpy(c->port_vdev, "net_null0,size=64");
	strcpy(c->net_address, "10.77.0.1/24");
	c->port_mbufs = 1024;
	c->port_rx_desc = c->port_tx_desc = 64;
	CU_ASSERT_EQUAL_FATAL(config_check(c, err, sizeof(err)), 0);
}

static void opens_an_ethdev(void)
{
	struct rte_mbuf *pkts[64];
	struct config c;
	char err[256] = "";
	char pool_name[RTE_MEMPOOL_NAMESIZE];

	configure(&c);
	memset(&cnt, 0, sizeof(cnt));
	// Twice, one after the other: nothing of the first is in the way of the second.
	for (unsigned i = 0; i < 2; i++) {
		sprintf(c.port_vdev, "net_null%u,size=64", i);
		c.has_mac = i == 1;
		memcpy(c.mac, mac, 6);
		CU_ASSERT_EQUAL(port_open(&port, &c, &cnt, err, sizeof(err)), 0);
		CU_ASSERT_STRING_EQUAL(err, "");
		CU_ASSERT_EQUAL(memcmp(port.mac, mac, 6) == 0, i == 1);
		CU_ASSERT_EQUAL(strncmp(port.name, c.port_vdev, 9), 0);
		CU_ASSERT_EQUAL(port.mtu, 1500);
		CU_ASSERT(rte_pktmbuf_data_room_size(port.pool) >= 1500 + RTE_PKTMBUF_HEADROOM);
		CU_ASSERT_EQUAL(port_rx(&port, pkts, 64), 32);
		CU_ASSERT_EQUAL(cnt.rx_bytes, (i + 1) * 32 * 64);
		rte_pktmbuf_free_bulk(pkts, 32);
		snprintf(pool_name, sizeof(pool_name), "%s", port.pool->name);
		port_put(&port, port_alloc(&port));
		port_flush(&port);
		CU_ASSERT_EQUAL(cnt.tx_pkts, i + 1);
		port_close(&port);
		port_close(&port);
		CU_ASSERT_EQUAL(rte_eth_dev_count_avail(), 2 - i);
		CU_ASSERT_PTR_NULL(rte_mempool_lookup(pool_name));
	}
}

static void refuses(void)
{
	static const struct {
		const char *vdev;
		const char *pci;
		uint64_t mtu;
		uint64_t mbufs;
		int error;
		const char *words;
	} rows[] = {
		{"net_null7", "", 1500, 1024, -ENODEV, "port.vdev: DPDK has no such port"},
		{"", "3:0.0", 1500, 1024, -ENODEV, "port.pci: DPDK has no such port"},
		{"net_af_packet0", "", 1500, 1024, -EINVAL, "port.vdev: no iface="},
		{"net_af_packet0,iface=none0", "", 1500, 1024, -ENODEV, "interface none0"},
		{"net_af_packet0,iface=lo,framesz=1024", "", 1500, 1024, -EMSGSIZE, "framesz=1024"},
		{"net_af_packet0,framesz=99999,iface=lo", "", 1500, 1024, -EMSGSIZE, "framesz="},
		{"net_null2", "", 1500, 4000000, -ENOMEM, "do not fit into engine.memory_mb"},
	};
	struct config c;
	char err[256];

	for (unsigned i = 0; i < RTE_DIM(rows); i++) {
		int r;

		configure(&c);
		strcpy(c.port_vdev, rows[i].vdev);
		strcpy(c.port_pci, rows[i].pci);
		c.port_mtu = rows[i].mtu;
		c.port_mbufs = rows[i].mbufs;
		r = port_open(&port, &c, &cnt, err, sizeof(err));
		if (r != rows[i].error || strstr(err, rows[i].words) == NULL)
			printf("\n%s: %d, \"%s\"\n", rows[i].words, r, err);
		CU_ASSERT(r == rows[i].error && strstr(err, rows[i].words) != NULL);
	}
}

static void set_loopback(struct config *c)
{
	config_defaults(c);
	strcpy(c->port_vdev, "net_af_packet0,iface=lo");
}

// One process an interface; its end, however it comes, gives it back.
static void claims(void)
{
	char dir[] = "/tmp/ob-unit-XXXXXX";
	char path[64], want[64], err[256] = "";
	int to_child[2], from_child[2];
	struct config c;
	char byte;
	pid_t pid;
	int fd;

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	CU_ASSERT_FATAL(pipe(to_child) == 0 && pipe(from_child) == 0);
	set_loopback(&c);
	pid = fork();
	if (pid == 0) {
		byte = iface_claim(&c, dir, err, sizeof(err)) >= 0 ? 'y' : 'n';
		(void)!write(from_child[1], &byte, 1);
		close(to_child[1]);
		(void)!read(to_child[0], &byte, 1);
		_exit(0);
	}
	CU_ASSERT(read(from_child[0], &byte, 1) == 1 && byte == 'y');
	CU_ASSERT_EQUAL(iface_claim(&c, dir, err, sizeof(err)), -EBUSY);
	snprintf(want, sizeof(want), "the engine with pid %d has the interface lo", (int)pid);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, want));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	fd = iface_claim(&c, dir, err, sizeof(err));
	CU_ASSERT(fd >= 0);
	close(fd);
	strcpy(c.port_vdev, "net_null0,iface=lo");
	CU_ASSERT_EQUAL(iface_claim(&c, dir, err, sizeof(err)), IFACE_UNCLAIMED);
	strcpy(c.port_vdev, "net_af_packet0,iface=none");
	CU_ASSERT_EQUAL(iface_claim(&c, dir, err, sizeof(err)), IFACE_UNCLAIMED);
	for (unsigned i = 0; i < 2; i++) {
		close(to_child[i]);
		close(from_child[i]);
	}
	snprintf(path, sizeof(path), "%s/ports.lock", dir);
	unlink(path);
	rmdir(dir);
}

// A port that is down is given nothing: its driver might wait for room in a ring that nobody empties.
static void down(void)
{
	struct rte_mbuf *m;

	open_wire();
	wire.each = wire.takes = 100;
	atomic_store(&port.down, true);
	m = port_alloc(&port);
	port_put(&port, m);
	port_flush(&port);
	CU_ASSERT(wire.takes == 100 && cnt.tx_drop_port == 1 && cnt.tx_pkts == 0);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool), POOL_PKTS);
	atomic_store(&port.down, false);
	port_put(&port, port_alloc(&port));
	port_flush(&port);
	CU_ASSERT(wire.takes == 99 && cnt.tx_pkts == 1);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"receives", receives},
		{"sends", sends},
		{"an empty pool", runs_out},
		{"opens an ethdev", opens_an_ethdev},
		{"ports that are refused", refuses},
		{"an interface has one engine", claims},
		{"a port that is down", down},
		CU_TEST_INFO_NULL,
	};

	char *devices[] = {
		"--vdev=net_null0,size=64", "--vdev=net_null1,size=64", "--vdev=net_null2", NULL};

	if (unit_eal_with(devices) < 0)
		return 1;
	pool = rte_pktmbuf_pool_create(
		"unit", POOL_PKTS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	return pool == NULL ? 1 : unit_run("port", tests);
}
