// What a run has seen, all seeds together. Plain numbers: jobs keep theirs in shared memory.
#ifndef TESTS_SIM_STATS_H
#define TESTS_SIM_STATS_H

#include "engine/base/counters.h"

// Faults that fire: X(name, doc)
#define FAULT_LIST(X)                                                                              \
	X(loss, "frames lost")                                                                     \
	X(duplication, "frames doubled")                                                           \
	X(reordering, "frames overtaken")                                                          \
	X(corruption, "frames with a flipped bit")                                                 \
	X(ce, "ECN-capable frames marked")                                                         \
	X(peer_ece, "peer: ECE for nothing")                                                       \
	X(peer_ce, "peer: marked where there is no ECN")                                           \
	X(queue_full, "frames that found the queue full")                                          \
	X(blackout, "frames lost in a blackout")                                                   \
	X(path_mtu, "frames too long for the path, told by ICMP")                                  \
	X(tx_refused, "frames the port did not take")                                              \
	X(rx_no_mbuf, "frames for which the receiver had no buffer")                               \
	X(amnesia, "seeds with soft states thrown away")                                           \
	X(engine_stall, "engines that stood still")                                                \
	X(host_stall, "hosts that stood still")                                                    \
	X(slow_host, "seeds with slow hosts")                                                      \
	X(reader_stall, "connections not read for a while")                                        \
	X(host_death, "hosts that died")                                                           \
	X(abort, "connections aborted by an application")                                          \
	X(ring_full, "turns in which an event ring was full")                                      \
	X(requests_full, "flushes that found the request ring full")                               \
	X(famine_mbufs, "times without packets")                                                   \
	X(famine_pieces, "times without pieces")                                                   \
	X(famine_bufs, "times without receive buffers")                                            \
	X(famine_soft, "times without soft states")                                                \
	X(famine_ooo, "times without out-of-order tables")                                         \
	X(famine_half, "times without half-open entries")                                          \
	X(famine_recs, "times without records")                                                    \
	X(wrap, "connections whose sequence numbers wrapped")                                      \
	X(ce_owed, "marks whose echo was waited for")                                              \
	X(cubic_undone, "reductions of CUBIC taken back, its curve compared")                      \
	X(tw_reset, "resets that met TIME-WAIT")                                                   \
	X(port_reuse, "tuples used again at once")                                                 \
	X(give_up, "connections given up")                                                         \
	X(slept, "sleeps of engines")                                                              \
	X(woken, "engines woken by a doorbell")                                                    \
	X(armed, "sleeps of hosts")                                                                \
	X(peer_renege, "peer: SACKed data forgotten")                                              \
	X(peer_stretch, "peer: one ACK for many segments")                                         \
	X(peer_divide, "peer: a segment acknowledged in parts")                                    \
	X(peer_zero_window, "peer: windows closed")                                                \
	X(peer_old, "peer: old duplicates")                                                        \
	X(peer_paws, "peer: old timestamps")                                                       \
	X(peer_outside, "peer: segments outside the window")                                       \
	X(peer_overlap, "peer: overlapping retransmissions")                                       \
	X(peer_wrap, "peer: sequence numbers wrapped")                                             \
	X(peer_dup_ack, "peer: duplicate ACKs for nothing")                                        \
	X(peer_sparse, "peer: a byte far ahead of the rest")

enum fault_id {
#define X(name, doc) FAULT_##name,
	FAULT_LIST(X)
#undef X
		FAULTS
};

struct stats {
	uint64_t seeds;
	uint64_t hash; // sum over the seeds: the same in any order
	uint64_t virtual_us;
	uint64_t frames;
	uint64_t bytes; // read by applications
	uint64_t flows;
	uint64_t flows_failed; // ended by an error that a fault explains
	uint64_t fault[FAULTS];
	uint64_t counter[COUNTERS];
};

#define FIRED(s, name) ((s)->stats->fault[FAULT_##name]++)
#define FIRED_N(s, name, n) ((s)->stats->fault[FAULT_##name] += (n))

#endif
