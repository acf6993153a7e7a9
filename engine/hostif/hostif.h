// Hosts as the polling core sees them: channels, slots, requests in, events out, doorbells.
//
// Every byte of a segment is hostile: an entry is copied once into the core's own memory, checked,
// then acted on. A bad entry is a counted error on its channel; a host that breaks the ring
// protocol, or whose memory faults, is detached.
//
// The control thread (control.h) prepares a host and hands it over whole; the core hands it back
// when nothing refers to it any more. Between the two it is the core's alone.
#ifndef ENGINE_HOSTIF_HOSTIF_H
#define ENGINE_HOSTIF_HOSTIF_H

#include <rte_ring.h>
#include <sys/epoll.h>

#include "engine/offload/place.h"
#include "engine/tcp/tcp.h"
#include "shared/request.h"

// What a slot means: a TCP id (bit 31 clear), or one of these.
//   free:   bits 0-29 the next free accept slot
//   failed: bits 22-29 the errno of a connect that the host has not been told of yet, bits 0-21
//           the next such connect slot of the channel
#define SLOT_FREE 0x80000000u
#define SLOT_FAILED 0xc0000000u
#define SLOT_TAG 0xc0000000u
#define SLOT_NIL 0x3fffffffu

struct hostif_slot {
	uint32_t gen; // of its last or present connection; 0: never used
	uint32_t id;
};
static_assert(sizeof(struct hostif_slot) == 8, "budget of an idle connection");

static inline bool slot_live(const struct hostif_slot *s)
{
	return (s->id & SLOT_FREE) == 0;
}

struct hostif_listener {
	uint32_t gen;
	uint32_t id; // of the state segment, or STATE_NIL
	// UNLISTEN: what was on its channel's list then is told when news_out comes here.
	uint32_t untold_end;
	bool ending;
};

struct hostif_host;

struct hostif_chan {
	struct ob_ring_view req;
	struct ob_ring_view ev;
	struct hostif_host *host;
	struct ob_chan_shm *shm;
	struct chan_hard *hard;
	uint32_t news_head; // connections with something to tell, by index of their soft state
	uint32_t news_tail;
	uint32_t news_in; // how often one was put on that list, and taken off it
	uint32_t news_out;
	uint32_t failed_last; // last of a circle of failed connect slots, or SLOT_NIL
	uint32_t bell_head; // the host's event head when it was last woken
	uint32_t ahead_of; // the index of a send that waits
	uint32_t ahead; // entries from there on that were looked at for aborts
	uint32_t ports_tried; // for the connect at its head: see struct tcp_open
	int bell; // our end of the doorbell
	uint8_t index;
	bool rang; // a doorbell went out, and the flag was not seen cleared since
	bool is_dirty; // on the list `dirty` of struct hostif
	struct hostif_chan *next_dirty;
	struct hostif_chan *next_bell;
};

enum hostif_state { HOSTIF_PREPARED, HOSTIF_UP, HOSTIF_GOING };

// Prepared by the control thread, then the core's.
struct hostif_host {
	uint32_t index; // in hosts, mem and the hard channels
	uint32_t id; // never used twice
	_Atomic int state; // enum hostif_state; core: rw
	struct host_mem *mem;
	const struct config_user *user; // its limits, or NULL
	struct ob_seg_hdr *hdr;
	struct hostif_slot *slots;
	uint32_t n_slots;
	uint32_t n_accept;
	uint32_t free_head; // accept slots that are free, the one used longest ago first
	uint32_t free_tail;
	struct hostif_listener listeners[OB_MAX_LISTENERS];
	// Its process is gone: what it asked for before is still taken, until then at the latest.
	uint64_t ending_us; // 0: it is there
	// While going: where the search for its connections is, and when it begins again.
	uint32_t gone_cursor;
	uint32_t gone_turns;
	uint64_t gone_next_us;
	// core: rw, others read single values
	uint64_t requests;
	uint64_t events;
	uint64_t bells_tx;
	uint64_t bells_rx;
	uint64_t bad_requests;
	uint32_t n_chans;
	struct hostif_chan chans[];
};

// What passes between the two threads, in one pointer-sized word.
enum hostif_msg { HOSTIF_ATTACH = 1, HOSTIF_DETACH, HOSTIF_ATTACHED, HOSTIF_LEAVING, HOSTIF_FREED };

#define HOSTIF_MSG(type, index, id)                                                                \
	((void *)((uintptr_t)(type) | (uintptr_t)(index) << 8 | (uintptr_t)(id) << 32))
#define HOSTIF_MSG_TYPE(m) ((enum hostif_msg)((uintptr_t)(m)&0xff))
#define HOSTIF_MSG_INDEX(m) ((uint32_t)((uintptr_t)(m) >> 8) & 0xffffff)
#define HOSTIF_MSG_ID(m) ((uint32_t)((uintptr_t)(m) >> 32))

#define HOSTIF_WOKEN 64

struct hostif {
	const struct config *cfg;
	struct state *st;
	struct tcp *tcp;
	struct counters *cnt;
	struct place place;
	struct tcp_ops ops; // for tcp_init()
	struct host_mem *mem; // [n_hosts], for tcp_init()
	uint32_t n_hosts; // limits.hosts
	struct hostif_host **hosts; // by index; NULL: none, as the core knows it
	struct hostif_host **active; // the same without gaps
	uint32_t n_active;
	uint32_t n_going;
	struct hostif_chan *dirty; // channels with something to publish
	struct hostif_chan *bells; // channels published to in this turn
	// Towards the control thread.
	struct hostif_host **prepared; // [n_hosts]; control: rw, core: ro after ATTACH
	struct rte_ring *to_core;
	struct rte_ring *to_control;
	_Atomic uint32_t commands; // raised with each message to the core
	uint32_t commands_seen;
	int wake_fd; // wakes a sleeping core
	int reply_fd; // wakes the control thread
	int epoll_fd; // doorbells and wake_fd
	int n_woken;
	struct epoll_event woken[HOSTIF_WOKEN];
};

// Takes the memory and the descriptors. `tcp` is initialised afterwards, with h->ops and h->mem.
// Returns 0 or a negative errno.
int hostif_init(struct hostif *h, const struct config *cfg, struct state *st, struct tcp *tcp,
	struct counters *cnt);
// After control_fini().
void hostif_fini(struct hostif *h);

// Stages of a turn, in this order. now_us is tcp's.
//
// Messages of the control thread, and steps of hosts that are leaving. Before the requests.
void hostif_commands(struct hostif *h);
// Takes what the hosts ask for, at most limits.req_burst a channel. Returns how many.
uint32_t hostif_requests(struct hostif *h);
// After the commit and the transmit burst: events that follow from what is committed.
void hostif_publish(struct hostif *h);
// After that: wakes the sleepers among those that were published to.
void hostif_doorbells(struct hostif *h);

// Sleeping. Tells the hosts that a doorbell is wanted and looks at everything again. Returns whether
// there is work; either way hostif_sleep_done() follows, with or without a wait before it.
bool hostif_sleep_prepare(struct hostif *h);
void hostif_sleep_wait(struct hostif *h, uint64_t timeout_us);
void hostif_sleep_done(struct hostif *h);

// From the control thread: a message to the core, which is woken for it.
void hostif_post(struct hostif *h, void *msg);

#endif
