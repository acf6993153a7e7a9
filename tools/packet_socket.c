#include "tools/packet_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>
#include <unistd.h>

static int set_up(int fd, int ifindex, int buffer_bytes, bool bypass)
{
	const int on = 1;
	struct packet_mreq promisc = {.mr_ifindex = ifindex, .mr_type = PACKET_MR_PROMISC};
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = ifindex};

	// Before the bind, so that no frame that is sent here is ever read back.
	if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)))
		return -errno;
	if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promisc, sizeof(promisc)))
		return -errno;
	// These are a matter of speed, and a socket without them is good enough.
	if (bypass)
		setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes, sizeof(buffer_bytes));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer_bytes, sizeof(buffer_bytes));
	return bind(fd, (struct sockaddr *)&addr, sizeof(addr)) ? -errno : 0;
}

int packet_socket_open(int ifindex, int buffer_bytes, bool bypass)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error = fd < 0 ? -errno : set_up(fd, ifindex, buffer_bytes, bypass);

	if (error == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return error;
}
