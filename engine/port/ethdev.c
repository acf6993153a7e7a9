// Opening a DPDK ethdev as the engine's port.
#include <errno.h>
#include <net/if.h>
#include <rte_ethdev.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/port/iface.h"
#include "engine/port/port.h"

#define FRAME_OVERHEAD (RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN + RTE_VLAN_HLEN)
#define VDEV "net_af_packet"
#define VDEV_FRAMESZ 2048u // the driver's default
#define VDEV_HDR 96u // more than its header in front of a frame
#define POOL_CACHE 256u

struct report {
	char *err;
	size_t bytes;
};

static int __attribute__((format(printf, 3, 4)))
fail(const struct report *r, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(r->err, r->bytes, format, args);
	va_end(args);
	return code;
}

static unsigned ethdev_rx(void *dev, struct rte_mbuf **pkts, unsigned n)
{
	const struct port *p = dev;

	return rte_eth_rx_burst(p->id, 0, pkts, (uint16_t)n);
}

static unsigned ethdev_tx(void *dev, struct rte_mbuf **pkts, unsigned n)
{
	const struct port *p = dev;

	return rte_eth_tx_burst(p->id, 0, pkts, (uint16_t)n);
}

// For a port that sums: some drivers want to see the packets first.
static unsigned ethdev_tx_offload(void *dev, struct rte_mbuf **pkts, unsigned n)
{
	const struct port *p = dev;

	n = rte_eth_tx_prepare(p->id, 0, pkts, (uint16_t)n);
	return rte_eth_tx_burst(p->id, 0, pkts, (uint16_t)n);
}

static const struct port_ops ops_plain = {ethdev_rx, ethdev_tx};
static const struct port_ops ops_offload = {ethdev_rx, ethdev_tx_offload};

static int interface_mtu(const char *name)
{
	struct ifreq req = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return -errno;
	snprintf(req.ifr_name, sizeof(req.ifr_name), "%.*s", IFNAMSIZ - 1, name);
	r = ioctl(fd, SIOCGIFMTU, &req) < 0 ? -errno : req.ifr_mtu;
	close(fd);
	return r;
}

// An af_packet port takes its MTU from the interface, and its frames from framesz. Returns the
// frame size, 0 for another port, or a negative errno.
static int af_packet_frame(const struct config *cfg, const struct report *r)
{
	unsigned long framesz = VDEV_FRAMESZ;
	char iface[CONFIG_TEXT];
	char text[32];
	int mtu;

	if (strncmp(cfg->port_vdev, VDEV, strlen(VDEV)) != 0)
		return 0;
	if (!vdev_arg(cfg->port_vdev, "iface", iface, sizeof(iface)))
		return fail(r, -EINVAL, "port.vdev: no iface= for " VDEV);
	mtu = interface_mtu(iface);
	if (mtu < 0)
		return fail(r, mtu, "port.vdev: interface %s: %s", iface, strerror(-mtu));
	if ((uint64_t)mtu < cfg->port_mtu)
		return fail(r, -EMSGSIZE,
			"port.mtu: %u is more than the MTU %d of %s; set that with ip link",
			(unsigned)cfg->port_mtu, mtu, iface);
	if (vdev_arg(cfg->port_vdev, "framesz", text, sizeof(text)))
		framesz = strtoul(text, NULL, 10);
	if (framesz > UINT16_MAX - RTE_PKTMBUF_HEADROOM
		|| framesz < cfg->port_mtu + FRAME_OVERHEAD + VDEV_HDR)
		return fail(r, -EMSGSIZE, "port.vdev: framesz=%lu does not fit port.mtu = %u",
			framesz, (unsigned)cfg->port_mtu);
	return (int)framesz;
}

static int find(struct port *p, const struct config *cfg, const struct report *r)
{
	const char *device = cfg->port_pci[0] != '\0' ? cfg->port_pci : cfg->port_vdev;
	char name[CONFIG_TEXT];

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(device, ","), device);
	if (rte_eth_dev_get_port_by_name(name, &p->id) == 0)
		goto found;
	// EAL names PCI devices with their domain.
	snprintf(name, sizeof(name), "0000:%.200s", device);
	if (cfg->port_pci[0] != '\0' && rte_eth_dev_get_port_by_name(name, &p->id) == 0)
		goto found;
	p->id = UINT16_MAX;
	return fail(r, -ENODEV, "%s: DPDK has no such port: \"%s\"",
		cfg->port_pci[0] != '\0' ? "port.pci" : "port.vdev", device);
found:
	snprintf(p->name, sizeof(p->name), "%.*s", (int)sizeof(p->name) - 1, name);
	return 0;
}

// The packets' pool: each buffer takes a whole frame.
static int make_pool(
	struct port *p, const struct config *cfg, unsigned frame, const struct report *r)
{
	unsigned room = (unsigned)cfg->port_mtu + FRAME_OVERHEAD;
	char name[RTE_MEMPOOL_NAMESIZE];

	if (room < frame)
		room = frame;
	if (room < RTE_MBUF_DEFAULT_DATAROOM)
		room = RTE_MBUF_DEFAULT_DATAROOM;
	room += RTE_PKTMBUF_HEADROOM;
	snprintf(name, sizeof(name), "pkts_%u", p->id);
	p->pool = rte_pktmbuf_pool_create(name, (unsigned)cfg->port_mbufs, POOL_CACHE, 0,
		(uint16_t)room, rte_eth_dev_socket_id(p->id));
	if (p->pool == NULL)
		return fail(r, -ENOMEM,
			"port.mbufs: %llu packets of %u bytes do not fit into engine.memory_mb = "
			"%llu",
			(unsigned long long)cfg->port_mbufs, room,
			(unsigned long long)cfg->engine_memory_mb);
	return 0;
}

static void choose_offloads(struct port *p, const struct config *cfg,
	const struct rte_eth_dev_info *info, struct rte_eth_conf *conf)
{
	const uint64_t rx = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM;
	uint64_t tx = info->tx_offload_capa;

	p->verify = cfg->port_rx_checksum;
	p->rx_csum = p->verify && (info->rx_offload_capa & rx) == rx;
	p->tx_ip_csum = (tx & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM) != 0;
	p->tx_tcp_csum = (tx & RTE_ETH_TX_OFFLOAD_TCP_CKSUM) != 0;
	p->tx_multi_segs = (tx & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0;
	conf->rxmode.offloads = p->rx_csum ? rx : 0;
	conf->txmode.offloads = (p->tx_ip_csum ? RTE_ETH_TX_OFFLOAD_IPV4_CKSUM : 0)
		| (p->tx_tcp_csum ? RTE_ETH_TX_OFFLOAD_TCP_CKSUM : 0)
		| (p->tx_multi_segs ? RTE_ETH_TX_OFFLOAD_MULTI_SEGS : 0);
	p->ops = p->tx_ip_csum || p->tx_tcp_csum ? &ops_offload : &ops_plain;
}

static int configure(
	struct port *p, const struct config *cfg, bool af_packet, const struct report *r)
{
	uint16_t n_rx = (uint16_t)cfg->port_rx_desc;
	uint16_t n_tx = (uint16_t)cfg->port_tx_desc;
	struct rte_eth_conf conf = {0};
	struct rte_eth_dev_info info;
	int e = rte_eth_dev_info_get(p->id, &info);

	if (e < 0)
		return fail(r, e, "port %s: %s", p->name, strerror(-e));
	choose_offloads(p, cfg, &info, &conf);
	// The driver believes that no frame is above 1514 bytes; the interface's MTU is what counts.
	conf.rxmode.mtu = af_packet ? RTE_MIN(p->mtu, RTE_ETHER_MTU) : p->mtu;
	e = rte_eth_dev_configure(p->id, 1, 1, &conf);
	if (e < 0)
		return fail(r, e,
			"port.mtu: port %s does not take %u (its bounds are %u to %u): %s", p->name,
			p->mtu, info.min_mtu, info.max_mtu, strerror(-e));
	rte_eth_dev_adjust_nb_rx_tx_desc(p->id, &n_rx, &n_tx);
	e = rte_eth_rx_queue_setup(p->id, 0, n_rx, SOCKET_ID_ANY, NULL, p->pool);
	if (e < 0)
		return fail(r, e, "port %s: receive queue: %s", p->name, strerror(-e));
	e = rte_eth_tx_queue_setup(p->id, 0, n_tx, SOCKET_ID_ANY, NULL);
	if (e < 0)
		return fail(r, e, "port %s: send queue: %s", p->name, strerror(-e));
	return 0;
}

// Our MAC address: the port's, or one that the port only has to let pass.
static int choose_mac(struct port *p, const struct config *cfg, const struct report *r)
{
	struct rte_ether_addr own;
	int e = rte_eth_macaddr_get(p->id, &own);

	if (e < 0)
		return fail(r, e, "port %s: MAC address: %s", p->name, strerror(-e));
	memcpy(p->mac, cfg->has_mac ? cfg->mac : own.addr_bytes, 6);
	if (memcmp(p->mac, own.addr_bytes, 6) == 0)
		return 0;
	if (rte_eth_promiscuous_enable(p->id) == 0)
		return 0;
	memcpy(own.addr_bytes, p->mac, 6);
	e = rte_eth_dev_default_mac_addr_set(p->id, &own);
	if (e < 0)
		return fail(r, e, "port.mac: port %s takes no other MAC address: %s", p->name,
			strerror(-e));
	return 0;
}

int port_open(
	struct port *p, const struct config *cfg, struct counters *cnt, char *err, size_t err_bytes)
{
	const struct report r = {err, err_bytes};
	int frame;
	int e;

	memset(p, 0, sizeof(*p));
	p->dev = p;
	p->cnt = cnt;
	p->id = UINT16_MAX;
	p->mtu = (uint16_t)cfg->port_mtu;
	p->burst = (uint32_t)cfg->port_burst;
	frame = af_packet_frame(cfg, &r);
	if (frame < 0)
		return frame;
	e = find(p, cfg, &r);
	if (e < 0)
		return e;
	e = make_pool(p, cfg, (unsigned)frame, &r);
	if (e < 0)
		goto err;
	e = configure(p, cfg, frame > 0, &r);
	if (e < 0)
		goto err;
	e = rte_eth_dev_start(p->id);
	if (e < 0) {
		fail(&r, e, "port %s does not start: %s", p->name, strerror(-e));
		goto err;
	}
	e = choose_mac(p, cfg, &r);
	if (e < 0)
		goto err;
	return 0;
err:
	port_close(p);
	return e;
}

void port_close(struct port *p)
{
	if (p->n_tx > 0)
		rte_pktmbuf_free_bulk(p->tx, p->n_tx);
	p->n_tx = 0;
	if (p->id == UINT16_MAX)
		return;
	rte_eth_dev_stop(p->id);
	rte_eth_dev_close(p->id);
	rte_mempool_free(p->pool);
	p->pool = NULL;
	p->id = UINT16_MAX;
}
