// Neighbours: which MAC address a next hop has. Internal to the net layer.
//
// An address is learned from an answer that was asked for, or from a station that asks for ours.
// An entry that is in use is asked again when it has aged, and goes on serving meanwhile; one
// that is not in use is forgotten. Packets wait for a neighbour that is being asked, within bounds.
#ifndef ENGINE_NET_NEIGH_H
#define ENGINE_NET_NEIGH_H

#include "engine/net/net.h"

#define NEIGH_WAIT 64u // packets that wait for one neighbour
#define NEIGH_WAIT_ALL 1024u // packets that wait at all
#define NEIGH_FAILED_US 1000000u // how long one that did not answer is not asked again

// Returns 0 or -ENOMEM.
int neigh_init(struct net *n, const struct config *cfg);
void neigh_fini(struct net *n);

// Whether packets to this next hop are of any use now: 0, or -EHOSTUNREACH when it has just failed
// to answer.
int neigh_check(const struct net *n, uint32_t hop_be);

// Sends an IPv4 packet to a next hop on our link, now or when it has answered. Returns as
// net_output() does.
int neigh_send(struct net *n, struct rte_mbuf *m, uint32_t hop_be);

// A station on our link asks for our address, and says its own.
void neigh_learn(struct net *n, uint32_t addr_be, const uint8_t mac[6]);
// A station answers. Returns whether it was asked.
bool neigh_answer(struct net *n, uint32_t addr_be, const uint8_t mac[6]);
// Somebody says that this address has moved: ask it.
void neigh_doubt(struct net *n, uint32_t addr_be, const uint8_t mac[6]);

void neigh_timers(struct net *n);
uint64_t neigh_next_us(const struct net *n);

#endif
