// The peer's end of the wire: frames in and out of one interface, under a MAC and an IPv4 address
// that no kernel has. Requests for that address are answered here.
#ifndef TOOLS_REPLAY_WIRE_H
#define TOOLS_REPLAY_WIRE_H

#include <stdbool.h>
#include <stdint.h>

enum {
	WIRE_BURST_PKTS = 64,
	WIRE_FRAME_BYTES = 9216,
};

struct wire_frame {
	uint32_t bytes;
	uint8_t at[WIRE_FRAME_BYTES];
};

struct wire {
	int fd;
	uint8_t mac[6], engine_mac[6];
	uint8_t addr[4], engine[4];
	bool resolved; // engine_mac is known
	uint16_t mtu; // bytes of an IP packet
	uint32_t n_tx;
	struct wire_frame *tx, *rx; // WIRE_BURST_PKTS each
	// Figures.
	uint64_t tx_pkts, rx_pkts, rx_missed_pkts, tx_error_pkts, arp_answers;
};

// Called for each IPv4 packet that came for our address: behind the Ethernet header.
typedef void (*wire_fn)(void *arg, const uint8_t *ip, uint32_t bytes);

// Opens the interface of this network namespace. Returns 0 or a negative errno, the reason in err:
// among others -EADDRINUSE when the kernel has the address itself.
int wire_open(struct wire *w, const char *interface, const uint8_t addr[4], const uint8_t engine[4],
	char *err, unsigned err_bytes);
void wire_close(struct wire *w);

// Asks for the engine's MAC address until it answers. Returns 0, or -EHOSTUNREACH after 3 seconds.
int wire_resolve(struct wire *w);

// A frame to build, sent by the next wire_flush(); the caller sets its length. A full burst is
// flushed first.
struct wire_frame *wire_next(struct wire *w);
// Sends what is waiting. Returns 0 or a negative errno.
int wire_flush(struct wire *w);
// Takes a burst in. Returns how many frames came, or a negative errno.
int wire_rx(struct wire *w, wire_fn fn, void *arg);
void wire_read_missed(struct wire *w);

#endif
