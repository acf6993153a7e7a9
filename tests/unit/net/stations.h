// Stations beside us: packets to them, what they answer, and what they see of us.
#ifndef TESTS_UNIT_NET_STATIONS_H
#define TESTS_UNIT_NET_STATIONS_H

#include "tests/unit/net/fixture.h"

#define HOST(n) IP4(10, 77, 0, n)

extern const uint8_t mac_a[6];
extern const uint8_t mac_b[6];
extern const uint8_t everybody[6];

// Sends an empty IPv4 packet that carries `mark` as its identification.
int send_to(uint32_t dst, uint16_t mark);
// An ARP reply of a station comes in.
void answer(uint32_t sip, const uint8_t mac[6]);
// What left as the i-th packet is an ARP request for `whom`, or such an IPv4 packet.
bool is_request(unsigned i, uint32_t whom, const uint8_t dst[6]);
bool is_packet(unsigned i, uint16_t mark, const uint8_t dst[6]);

#endif
