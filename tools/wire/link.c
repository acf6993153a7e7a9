#include "tools/wire/link.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/packet_socket.h"

enum {
	SOCKET_BUFFER_BYTES = 64 << 20,
};

struct link_bufs {
	struct mmsghdr msgs[LINK_BURST_PKTS];
	struct iovec iovs[LINK_BURST_PKTS];
	// Taken from the queue and not sent yet.
	struct impair_pkt *pending[LINK_BURST_PKTS];
	uint8_t frames[LINK_BURST_PKTS][LINK_FRAME_BYTES];
};

int link_open(struct link *link, const char *name)
{
	unsigned ifindex = if_nametoindex(name);
	int err;

	*link = (struct link){.name = name, .fd = -1};
	if (!ifindex)
		return -ENODEV;
	link->bufs = calloc(1, sizeof(*link->bufs));
	if (!link->bufs)
		return -ENOMEM;
	for (int i = 0; i < LINK_BURST_PKTS; i++) {
		link->bufs->iovs[i].iov_base = link->bufs->frames[i];
		link->bufs->iovs[i].iov_len = LINK_FRAME_BYTES;
		link->bufs->msgs[i].msg_hdr.msg_iov = &link->bufs->iovs[i];
		link->bufs->msgs[i].msg_hdr.msg_iovlen = 1;
	}
	link->fd = packet_socket_open((int)ifindex, SOCKET_BUFFER_BYTES, true);
	if (link->fd >= 0)
		return 0;
	err = link->fd;
	link_close(link);
	return err;
}

void link_close(struct link *link)
{
	if (link->fd >= 0)
		close(link->fd);
	if (link->bufs)
		for (uint64_t i = 0; i < link->tx_pending_pkts; i++)
			free(link->bufs->pending[i]);
	free(link->bufs);
	link->bufs = NULL;
	link->fd = -1;
}

int link_rx(struct link *link, struct impair *im, uint64_t now_ns)
{
	struct link_bufs *bufs = link->bufs;
	int n = recvmmsg(link->fd, bufs->msgs, LINK_BURST_PKTS, MSG_DONTWAIT, NULL);

	if (n < 0) {
		// An interface that goes down says so once, and may come back.
		if (errno == EAGAIN || errno == EINTR || errno == ENETDOWN)
			return 0;
		return -errno;
	}
	for (int i = 0; i < n; i++) {
		int err = impair_push(im, bufs->frames[i], bufs->msgs[i].msg_len, now_ns);

		if (err)
			return err;
	}
	return n;
}

// Frees the first n of the pending frames.
static void pending_shift(struct link *link, uint64_t n)
{
	struct impair_pkt **pending = link->bufs->pending;

	for (uint64_t i = 0; i < n; i++)
		free(pending[i]);
	link->tx_pending_pkts -= n;
	memmove(pending, pending + n, link->tx_pending_pkts * sizeof(pending[0]));
}

static int pending_send(struct link *link)
{
	struct link_bufs *bufs = link->bufs;
	struct mmsghdr msgs[LINK_BURST_PKTS] = {0};
	struct iovec iovs[LINK_BURST_PKTS];

	for (uint64_t i = 0; i < link->tx_pending_pkts; i++) {
		iovs[i].iov_base = bufs->pending[i]->data;
		iovs[i].iov_len = bufs->pending[i]->len_bytes;
		msgs[i].msg_hdr.msg_iov = &iovs[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	return sendmmsg(link->fd, msgs, (unsigned)link->tx_pending_pkts, MSG_DONTWAIT);
}

int link_tx(struct link *link, struct impair *im, uint64_t now_ns, bool *blocked)
{
	struct link_bufs *bufs = link->bufs;
	struct impair_pkt *pkt;
	int taken = 0;

	*blocked = false;
	while (link->tx_pending_pkts < LINK_BURST_PKTS && (pkt = impair_pop(im, now_ns))) {
		bufs->pending[link->tx_pending_pkts++] = pkt;
		taken++;
	}
	while (link->tx_pending_pkts) {
		int n = pending_send(link);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == ENOBUFS)) {
			*blocked = true;
			break;
		}
		if (n <= 0) {
			link->tx_error_pkts++;
			pending_shift(link, 1);
			continue;
		}
		link->tx_pkts += (uint64_t)n;
		for (int i = 0; i < n; i++)
			link->tx_bytes += bufs->pending[i]->len_bytes;
		pending_shift(link, (uint64_t)n);
	}
	return taken;
}

void link_read_missed(struct link *link)
{
	struct tpacket_stats st;
	socklen_t len = sizeof(st);

	// Reading clears the kernel's own count.
	if (link->fd >= 0 && !getsockopt(link->fd, SOL_PACKET, PACKET_STATISTICS, &st, &len))
		link->rx_missed_pkts += st.tp_drops;
}
