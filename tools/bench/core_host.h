// The host's side: the real library with a small application, on a thread of its own or, between two
// turns, on the engine's.
#ifndef TOOLS_BENCH_CORE_HOST_H
#define TOOLS_BENCH_CORE_HOST_H

#include <outboard.h>
#include <pthread.h>
#include <stdatomic.h>

#include "tools/bench/core_peer.h"

#define HOST_BACKLOG 512u // handshakes under way

// How often the kernel took this thread's CPU away.
uint64_t core_taken_away(void);

enum host_state { HOST_STARTING, HOST_PAUSED, HOST_RUNNING, HOST_OVER };

struct core_host {
	// Before host_start().
	enum peer_load load;
	const char *socket;
	int cpu;
	uint32_t slots;
	bool no_huge;
	// The library.
	struct ob_host *host;
	struct ob_channel *ch;
	struct ob_host_info info;
	uint64_t tsc_overhead; // of reading the clock
	uint64_t late_tsc; // a round that takes longer: the thread was not running
	uint64_t taken; // entries of the event ring
	uint64_t new_cycles, new_events; // not counted yet
	pthread_t thread;
	bool started;
	char error[160]; // why it is over
	_Atomic int want; // enum host_state
	_Atomic int is;
	// What it did. Written by whoever runs it.
	alignas(64) _Atomic uint64_t cycles; // of rounds in which there was something to do
	_Atomic uint64_t events; // of the application
	_Atomic uint64_t accepted;
	// Of the thread: when it last ended a round, and how often one came late.
	_Atomic uint64_t seen_tsc;
	_Atomic uint64_t gaps;
};

// Starts the thread, which attaches and listens, and then is paused. The engine must be turning
// meanwhile. Returns 0 or a negative errno.
int host_start(struct core_host *h);
// Asks the thread to run or to pause; host_is() says when it does.
void host_want(struct core_host *h, enum host_state s);
static inline enum host_state host_is(struct core_host *h)
{
	return (enum host_state)atomic_load_explicit(&h->is, memory_order_acquire);
}
// One round, on the caller's thread: only while paused. What it did is counted by host_count(), or
// thrown away when the kernel took the CPU meanwhile.
void host_round(struct core_host *h);
void host_count(struct core_host *h, bool disturbed);
// Whether its own thread was always running since `gaps` was read; sets that for the next time.
bool host_ran(struct core_host *h, uint64_t *gaps);
// Detaches and ends the thread. The engine must be turning in another thread, or be gone.
void host_join(struct core_host *h);

#endif
