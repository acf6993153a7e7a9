// A net layer on a port of arrays: frames go in as bytes, and what it sends lies in f.port.tx.
#ifndef TESTS_UNIT_NET_FIXTURE_H
#define TESTS_UNIT_NET_FIXTURE_H

#include <errno.h>
#include <netinet/in.h>
#include <rte_ip.h>
#include <string.h>

#include "engine/net/net.h"
#include "tests/unit/eal_main.h"

#define START_US 1000000u
#define FRAME_MAX 2048u
#define POOL_PKTS 511u

// Offsets of headers in a frame without IP options.
#define AT_IP 14u
#define AT_L4 34u

#define IP4(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))

// Us: 10.77.0.1/24; the peer: 10.77.0.2, and its gateway, static neighbours in every test.
#define US IP4(10, 77, 0, 1)
#define PEER IP4(10, 77, 0, 2)
#define GATEWAY IP4(10, 77, 0, 254)

extern const uint8_t us_mac[6];
extern const uint8_t peer_mac[6];

struct frame {
	uint8_t b[FRAME_MAX];
	unsigned len;
	uint64_t ol_flags;
};

struct fixture {
	struct config cfg;
	struct counters cnt;
	struct port port;
	struct net net;
	struct net_ops ops;
	uint64_t now;
	// Received segments of the last input().
	unsigned n_segs;
	struct seg_in segs[64];
	struct rte_mbuf *kept[64];
	// What was said upwards.
	unsigned n_icmp;
	struct seg_icmp icmp;
	bool icmp_known; // what the callback answers
	unsigned n_unreachable;
	uint32_t unreachable[64];
	// The wire.
	struct rte_mbuf *rx[64];
	unsigned n_rx;
};

extern struct fixture f;

// Starts and ends the fixture `f`. `change`, if any, changes the configuration before; the second
// asserts that every mbuf is back.
void fixture_open(void (*change)(struct config *cfg));
void fixture_close(void);
// Frees what was received, collected to be sent, and forgets what was said.
void fixture_flush(void);

// A frame comes in: through port_rx() and net_input(). The mbuf may be made by the caller.
void input(const struct frame *fr);
void input_mbuf(struct rte_mbuf *m);
struct rte_mbuf *frame_mbuf(const struct frame *fr);
void run_timers(uint64_t now_us);

// Frames from the peer to us with sound sums. `len` counts the payload, bytes 1, 2, 3...
void make_tcp(struct frame *fr, unsigned opt_len, unsigned len);
void make_udp(struct frame *fr, unsigned len);
void make_icmp(struct frame *fr, uint8_t type, uint8_t code, unsigned len);
void make_arp(struct frame *fr, uint16_t op, uint32_t sip, const uint8_t sha[6], uint32_t tip);
// Makes the sums right again; written from the RFCs, not with DPDK's functions.
void fix_ip_sum(struct frame *fr);
void fix_l4_sum(struct frame *fr);
// The sum over bytes: 0xffff when they hold a right one.
uint16_t plain_sum(const void *data, unsigned len, uint32_t start);
// Whether the IP and TCP, UDP or ICMP sums of a packet (from its IP header on) are right.
bool sums_right(const uint8_t *ip);

void put16(uint8_t *p, uint16_t v);
void put32(uint8_t *p, uint32_t v);
uint16_t get16(const uint8_t *p);
uint32_t get32(const uint8_t *p);

// The i-th collected packet.
static inline const uint8_t *sent(unsigned i)
{
	return rte_pktmbuf_mtod(f.port.tx[i], const uint8_t *);
}

#endif
