#include "tools/replay/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tools/packet_socket.h"

enum {
	BUFFER_BYTES = 64 << 20,
	ETH = 14,
	ARP_BYTES = 28,
	RESOLVE_TRIES = 15,
	RESOLVE_MS = 200,
};

static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static int fail(char *err, unsigned err_bytes, int error, const char *what, const char *of)
{
	snprintf(err, err_bytes, "%s%s%s", of, *of ? ": " : "", what);
	return error;
}

// Whether the kernel has this address: then it would answer too, with resets.
static bool kernel_has(const uint8_t addr[4])
{
	struct ifaddrs *all, *a;
	bool has = false;

	if (getifaddrs(&all))
		return false;
	for (a = all; a; a = a->ifa_next)
		if (a->ifa_addr && a->ifa_addr->sa_family == AF_INET
			&& !memcmp(&((struct sockaddr_in *)(void *)a->ifa_addr)->sin_addr, addr, 4))
			has = true;
	freeifaddrs(all);
	return has;
}

static int interface_mtu(int fd, const char *name, uint16_t *mtu)
{
	struct ifreq req = {0};

	snprintf(req.ifr_name, sizeof(req.ifr_name), "%.*s", IFNAMSIZ - 1, name);
	if (ioctl(fd, SIOCGIFMTU, &req) < 0)
		return -errno;
	*mtu = (uint16_t)(req.ifr_mtu < WIRE_FRAME_BYTES - ETH ? req.ifr_mtu
							       : WIRE_FRAME_BYTES - ETH);
	return 0;
}

int wire_open(struct wire *w, const char *interface, const uint8_t addr[4], const uint8_t engine[4],
	char *err, unsigned err_bytes)
{
	unsigned ifindex = if_nametoindex(interface);
	int e;

	*w = (struct wire){.fd = -1};
	memcpy(w->addr, addr, 4);
	memcpy(w->engine, engine, 4);
	// Local, and different for each address.
	memcpy(w->mac, (uint8_t[]){0x02, 0x0b, addr[0], addr[1], addr[2], addr[3]}, 6);
	if (!ifindex)
		return fail(
			err, err_bytes, -ENODEV, "no such interface here (--interface)", interface);
	if (kernel_has(addr))
		return fail(err, err_bytes, -EADDRINUSE,
			"the kernel has the peer's address and would answer, too (--peer)", "");
	w->tx = calloc(WIRE_BURST_PKTS, sizeof(*w->tx));
	w->rx = calloc(WIRE_BURST_PKTS, sizeof(*w->rx));
	if (!w->tx || !w->rx) {
		wire_close(w);
		return fail(err, err_bytes, -ENOMEM, "out of memory", "");
	}
	// Not past the queueing discipline: captures on this interface show what is sent.
	w->fd = packet_socket_open((int)ifindex, BUFFER_BYTES, false);
	e = w->fd < 0 ? w->fd : interface_mtu(w->fd, interface, &w->mtu);
	if (e) {
		wire_close(w);
		return fail(err, err_bytes, e, strerror(-e), interface);
	}
	return 0;
}

void wire_close(struct wire *w)
{
	if (w->fd >= 0)
		close(w->fd);
	free(w->tx);
	free(w->rx);
	w->tx = w->rx = NULL;
	w->fd = -1;
}

struct wire_frame *wire_next(struct wire *w)
{
	if (w->n_tx == WIRE_BURST_PKTS)
		wire_flush(w);
	return &w->tx[w->n_tx++];
}

int wire_flush(struct wire *w)
{
	struct mmsghdr msgs[WIRE_BURST_PKTS] = {0};
	struct iovec iovs[WIRE_BURST_PKTS];
	uint32_t sent = 0, n = w->n_tx;

	for (uint32_t i = 0; i < n; i++) {
		iovs[i] = (struct iovec){w->tx[i].at, w->tx[i].bytes};
		msgs[i].msg_hdr.msg_iov = &iovs[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	w->n_tx = 0;
	while (sent < n) {
		int r = sendmmsg(w->fd, msgs + sent, n - sent, 0);

		if (r > 0) {
			sent += (uint32_t)r;
			w->tx_pkts += (uint32_t)r;
		} else if (errno == EAGAIN || errno == ENOBUFS) {
			struct pollfd p = {.fd = w->fd, .events = POLLOUT};

			poll(&p, 1, 1);
		} else if (errno != EINTR) {
			w->tx_error_pkts++;
			return -errno;
		}
	}
	return 0;
}

static void arp_send(struct wire *w, uint16_t op, const uint8_t to_mac[6], const uint8_t to[4])
{
	struct wire_frame *f = wire_next(w);
	uint8_t *a = f->at + ETH;

	memcpy(f->at, to_mac, 6);
	memcpy(f->at + 6, w->mac, 6);
	f->at[12] = 0x08;
	f->at[13] = 0x06;
	memcpy(a, (uint8_t[]){0, 1, 8, 0, 6, 4, 0, (uint8_t)op}, 8);
	memcpy(a + 8, w->mac, 6);
	memcpy(a + 14, w->addr, 4);
	memset(a + 18, 0, 6);
	if (op != 1)
		memcpy(a + 18, to_mac, 6);
	memcpy(a + 24, to, 4);
	f->bytes = ETH + ARP_BYTES;
}

static void arp_rx(struct wire *w, const uint8_t *a, uint32_t bytes)
{
	static const uint8_t ethernet[6] = {0, 1, 8, 0, 6, 4};

	if (bytes < ARP_BYTES || memcmp(a, ethernet, 6) || memcmp(a + 24, w->addr, 4))
		return;
	if (!memcmp(a + 14, w->engine, 4)) {
		memcpy(w->engine_mac, a + 8, 6);
		w->resolved = true;
	}
	if (a[7] == 1) {
		arp_send(w, 2, a + 8, a + 14);
		w->arp_answers++;
	}
}

static void frame_rx(struct wire *w, const uint8_t *f, uint32_t bytes, wire_fn fn, void *arg)
{
	uint16_t type;

	if (bytes < ETH || (memcmp(f, w->mac, 6) && memcmp(f, broadcast, 6)))
		return;
	type = (uint16_t)(f[12] << 8 | f[13]);
	if (type == ETH_P_ARP)
		arp_rx(w, f + ETH, bytes - ETH);
	else if (type == ETH_P_IP && bytes >= ETH + 20 && !memcmp(f + ETH + 16, w->addr, 4))
		fn(arg, f + ETH, bytes - ETH);
}

int wire_rx(struct wire *w, wire_fn fn, void *arg)
{
	struct mmsghdr msgs[WIRE_BURST_PKTS] = {0};
	struct iovec iovs[WIRE_BURST_PKTS];
	int n;

	for (int i = 0; i < WIRE_BURST_PKTS; i++) {
		iovs[i] = (struct iovec){w->rx[i].at, WIRE_FRAME_BYTES};
		msgs[i].msg_hdr.msg_iov = &iovs[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	n = recvmmsg(w->fd, msgs, WIRE_BURST_PKTS, MSG_DONTWAIT, NULL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR || errno == ENETDOWN ? 0 : -errno;
	for (int i = 0; i < n; i++)
		frame_rx(w, w->rx[i].at, msgs[i].msg_len, fn, arg);
	w->rx_pkts += (uint64_t)n;
	return n;
}

static void ignore(void *arg, const uint8_t *ip, uint32_t bytes)
{
	(void)arg;
	(void)ip;
	(void)bytes;
}

int wire_resolve(struct wire *w)
{
	for (int i = 0; i < RESOLVE_TRIES; i++) {
		struct pollfd p = {.fd = w->fd, .events = POLLIN};
		struct timespec start, now;
		int left = RESOLVE_MS;

		arp_send(w, 1, broadcast, w->engine);
		wire_flush(w);
		clock_gettime(CLOCK_MONOTONIC, &start);
		while (left > 0 && !w->resolved) {
			poll(&p, 1, left);
			while (wire_rx(w, ignore, NULL) > 0)
				;
			clock_gettime(CLOCK_MONOTONIC, &now);
			left = RESOLVE_MS
				- (int)((now.tv_sec - start.tv_sec) * 1000
					+ (now.tv_nsec - start.tv_nsec) / 1000000);
		}
		wire_flush(w);
		if (w->resolved)
			return 0;
	}
	return -EHOSTUNREACH;
}

void wire_read_missed(struct wire *w)
{
	struct tpacket_stats st;
	socklen_t len = sizeof(st);

	if (w->fd >= 0 && !getsockopt(w->fd, SOL_PACKET, PACKET_STATISTICS, &st, &len))
		w->rx_missed_pkts += st.tp_drops;
}
