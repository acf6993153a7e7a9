#include "engine/port/link.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <rte_ethdev.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/base/log.h"
#include "engine/port/iface.h"

// Tells of every change of a link in this network namespace; what has changed is looked up.
static int open_events(void)
{
	struct sockaddr_nl at = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd >= 0 && bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static enum link_state iface_state(unsigned index)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = {.ifr_ifindex = (int)index};
	enum link_state state = LINK_GONE;

	// By index: it may have another name by now.
	if (fd >= 0 && ioctl(fd, SIOCGIFNAME, &req) == 0 && ioctl(fd, SIOCGIFFLAGS, &req) == 0)
		state = !(req.ifr_flags & IFF_UP)	 ? LINK_DOWN
			: !(req.ifr_flags & IFF_RUNNING) ? LINK_NO_CARRIER
							 : LINK_UP;
	if (fd >= 0)
		close(fd);
	return state;
}

static enum link_state dpdk_state(const struct port *p)
{
	struct rte_eth_link link;

	if (rte_eth_link_get_nowait(p->id, &link) < 0)
		return LINK_UP; // a driver that does not know
	return link.link_status == RTE_ETH_LINK_UP ? LINK_UP : LINK_NO_CARRIER;
}

static void report(struct port_link *l)
{
	// Single values of the core's counters may be read; this one is written here alone.
	if (l->state != LINK_UP)
		__atomic_fetch_add(&l->port->cnt->port_down, 1, __ATOMIC_RELAXED);
	switch (l->state) {
	case LINK_UP:
		log_info("port %s is up", l->name);
		break;
	case LINK_NO_CARRIER:
		log_warn("port %s has no carrier", l->name);
		break;
	case LINK_DOWN:
		log_warn("port %s is down: nothing is received or sent until it is up", l->name);
		break;
	case LINK_GONE:
		log_error("port %s is gone: start the engine again when it is back", l->name);
		break;
	}
}

void port_link_check(struct port_link *l)
{
	enum link_state was = l->state;
	uint8_t junk[4096];

	while (l->fd >= 0 && (recv(l->fd, junk, sizeof(junk), 0) >= 0 || errno == ENOBUFS))
		;
	// One that is gone does not come back: another of its name is another interface.
	if (was != LINK_GONE)
		l->state = l->ifindex ? iface_state(l->ifindex) : dpdk_state(l->port);
	atomic_store_explicit(&l->port->down, l->state == LINK_DOWN || l->state == LINK_GONE,
		memory_order_relaxed);
	if (l->state != was)
		report(l);
}

void port_link_open(struct port_link *l, struct port *p, const struct config *cfg)
{
	char iface[CONFIG_TEXT];

	iface_name(cfg, iface, sizeof(iface));
	*l = (struct port_link){.port = p, .fd = -1, .state = LINK_UP};
	snprintf(l->name, sizeof(l->name), "%.60s", iface[0] ? iface : p->name);
	l->ifindex = iface[0] ? if_nametoindex(iface) : 0;
	if (l->ifindex)
		l->fd = open_events();
	port_link_check(l);
}

void port_link_close(struct port_link *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}
