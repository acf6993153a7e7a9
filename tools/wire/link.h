// One end of the relay: a raw packet socket on an interface, in bursts.
#ifndef OB_WIRE_LINK_H
#define OB_WIRE_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/wire/impair.h"

enum {
	LINK_BURST_PKTS = 64,
	LINK_FRAME_BYTES = 65536, // a frame of the largest size that the kernel hands over
};

struct link_bufs; // private to link.c

struct link {
	const char *name;
	int fd;
	struct link_bufs *bufs;
	uint64_t tx_pkts;
	uint64_t tx_bytes;
	uint64_t tx_error_pkts; // refused by the interface: down, or larger than its MTU
	uint64_t tx_pending_pkts; // taken from the queue while the socket was full
	uint64_t rx_missed_pkts; // came faster than they were read, as the kernel counts
};

// Opens a socket on interface name, promiscuous, that sees what comes in and not what goes out.
// Returns 0 or a negative errno; -ENODEV when there is no such interface.
int link_open(struct link *link, const char *name);
void link_close(struct link *link);

// Reads a burst into im. Returns the number of frames, 0 when there are none, or a negative errno.
int link_rx(struct link *link, struct impair *im, uint64_t now_ns);

// Sends what im lets go at now_ns, a burst at most.
// Returns the number of frames taken from im; *blocked tells that the socket is full: what could
// not be sent is kept and goes first next time.
int link_tx(struct link *link, struct impair *im, uint64_t now_ns, bool *blocked);

// Brings rx_missed_pkts up to date.
void link_read_missed(struct link *link);

#endif
