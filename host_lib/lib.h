// Inside the host library: what its files share.
//
// host.c      options, attach and detach       flush.c   requests: from flags to the ring
// segment.c   the shared memory                intake.c  events: from the ring to state
// channel.c   channels, doorbells, sleeping    poll.c    events for the application
// arena.h     the send arena                   stream.c  send and receive
// conn.c      connection state and its lists   conn_api.c connect, close
// listen.c    listeners                        wait.c    blocking helpers
// settings.c  options of connections and listeners   end.c   the end of a channel
#ifndef OB_HOST_LIB_H
#define OB_HOST_LIB_H

#include "host_lib/arena.h"
#include "host_lib/include/outboard.h"
#include "shared/control.h"
#include "shared/event.h"
#include "shared/request.h"

#define LIB_FEATURES 0ull

// Received bytes after which the engine is told that they were read: a quarter of 64 KiB.
#define CONSUMED_STEP_BYTES 16384u
// Sent bytes after which a flush does not wait for the application to poll.
#define UNFLUSHED_MAX_BYTES 65536u
// How long a thread sleeps at most while requests wait for room in the ring.
#define BACKLOG_SLEEP_US 500
// The send arena is shared out by what is free of it, and so are the engine's descriptors, of which
// a block takes one. 1/TX_KEPT of both is kept for those that have little or nothing.
#define TX_KEPT 8u
// What a connection may have of the kept part: 1/TX_SMALL of what is free, and always one block.
#define TX_SMALL 256u
// No new block is smaller than this part of what the connection has unacknowledged. So it has
// 16 * ln(65,536 / 256) = 89 blocks at most, and one for each 64 KiB.
#define TX_BLOCK_PARTS 16u
// Polls without an event between two looks at the control socket.
#define GONE_CHECK_POLLS 256u

enum conn_phase {
	PHASE_FREE,
	PHASE_CONNECTING,
	PHASE_OPEN,
	PHASE_OVER, // the engine said so; the slot is released once the application has closed
};

// What has to be asked of the engine for a connection.
#define DIRTY_SEND 0x01u
#define DIRTY_CONSUMED 0x02u
#define DIRTY_SHUTDOWN 0x04u
#define DIRTY_CLOSE 0x08u
#define DIRTY_ABORT 0x10u
#define DIRTY_RELEASE 0x20u
#define DIRTY_OPS 0x3fu
#define DIRTY_MORE 0x40u // flags of the SEND
#define DIRTY_PUSH 0x80u

#define EV_BIT(type) (1u << (type))

// A connection slot. Owned by one channel from ACCEPT or CONNECT until RELEASE is in the ring.
struct conn {
	uint32_t gen;
	uint8_t phase : 3; // enum conn_phase
	uint8_t want_write : 1;
	uint8_t waiting : 1; // in the channel's list of those that wait for arena
	uint8_t shut : 1;
	uint8_t peer_fin : 1;
	uint8_t app_closed : 1;
	uint8_t err; // positive errno, once over
	uint8_t ev; // EV_BIT()s not reported yet
	uint8_t dirty; // DIRTY_*
	uint64_t
		user; // the application's pointer; the listener's number until ACCEPTED is reported
	uint64_t rx_off; // stream offset below which everything was read
	uint64_t tx_off; // stream offset behind what the application has sent
	uint32_t rx_ready; // bytes behind rx_off that are here
	uint32_t rx_untold; // bytes below rx_off that the engine has not been told of
	uint32_t tx_unacked; // bytes before tx_off
	uint32_t tx_unsent; // of these, not in a SEND yet: the last ones
	uint32_t rx_tail; // last node of a ring of spans, 0: none
	uint32_t tx_tail; // last node of a ring of arena blocks, 0: none
	uint32_t ready_link; // LINK_NONE: not in the list
	uint32_t dirty_link;
};
static_assert(sizeof(struct conn) == 64, "one cache line");

#define LINK_NONE 0u
#define LINK_END 1u // and slot + 2 for what follows

#define LADDR_UNKNOWN 31u

// What is only asked for by ob_conn_info() and ob_getopt(). Valid while the phase is not FREE.
struct conn_cold {
	struct ob_addr raddr;
	uint16_t rport;
	uint16_t lport;
	uint32_t mss : 16;
	uint32_t opts : 4;
	uint32_t laddr : 5; // index into the channel's table of local addresses
	uint32_t linger : 1; // closed, and its end is to be reported
	uint32_t spare : 6;
	uint32_t set; // what was set of it: index into the channel's table, 0: nothing
};
static_assert(sizeof(struct conn_cold) == 28, "with struct conn, 92 bytes a connection");

// A combination of settings (settings.c).
struct settings_set {
	uint32_t refs;
	uint32_t next; // free ones
	uint32_t made; // bit N: option N
	uint32_t value[OB_OPT_N];
};

enum listener_state { LISTENER_FREE, LISTENER_PENDING, LISTENER_UP, LISTENER_FAILED };

struct listener {
	uint32_t gen;
	uint8_t state;
	bool unreported; // OB_LISTENING has to be given
	bool unlisten; // UNLISTEN has to be requested
	uint16_t port;
	int error;
	uint32_t set; // as in struct conn_cold
};

// A node of a list of spans (receive) or of arena blocks (send). Node 0 is never used.
struct node {
	union {
		ob_span span;
		struct {
			uint32_t block; // as arena_alloc() gives it
			uint32_t used; // bytes
		};
	};
	uint32_t done; // send: acknowledged bytes of the block
	uint32_t next; // circular: the last one's is the first; in the free list: the next free one
};
static_assert(sizeof(struct node) == 16, "four a line");

struct list {
	uint32_t head; // a link, as in struct conn
	uint32_t tail;
};

struct ob_channel {
	struct ob_host *host;
	uint32_t index;
	uint32_t n_slots;
	uint32_t n_accept;
	uint32_t sndbuf_bytes;
	uint8_t *seg;
	struct conn *conns; // of the whole host; this channel touches its own only
	struct conn_cold *cold;
	struct ob_slot_word *words;
	struct ob_seg_hdr *hdr;
	struct ob_chan_shm *shm;
	struct ob_ring_view req;
	struct ob_ring_view ev;
	struct list ready;
	struct list dirty;
	bool armed;
	bool listeners_unreported; // some listener is `unreported`
	bool listeners_unlisten; // some listener wants `unlisten`
	uint32_t idle_polls;
	uint32_t unflushed_bytes;
	struct arena arena;
	struct node *nodes;
	uint32_t n_nodes;
	uint32_t tx_blocks; // of the arena, in use: each may take a descriptor of the engine
	uint32_t max_tx_blocks; // this channel's part of those the host may have; 0: no limit
	uint32_t free_nodes; // how many
	uint32_t free_node; // the first one, 0: none
	uint32_t *waiters; // slots that wait for arena, a queue in a growing array
	uint32_t waiters_head; // first one
	uint32_t waiters_n;
	uint32_t waiters_cap;
	uint32_t *free_slots; // connect slots, a queue
	uint32_t free_slots_head;
	uint32_t free_slots_n;
	uint32_t n_connect; // connect slots of this channel
	uint32_t listener_base;
	uint32_t n_listeners;
	uint32_t listener_next;
	uint32_t n_conns; // that the application holds
	uint64_t *owned; // a bit for each slot whose connection is this channel's
	struct listener *listeners;
	struct ob_addr laddrs[LADDR_UNKNOWN];
	uint32_t n_laddrs;
	int bell_fd;
	int epoll_fd;
	struct settings_set *sets;
	uint32_t n_sets;
	uint32_t free_set; // 0: none
	struct ob_channel_stats stats;
	_Atomic bool open;
};

struct ob_host {
	struct ob_seg_layout layout;
	uint8_t *seg;
	int mem_fd;
	int ctl_fd;
	uint32_t host_id;
	uint64_t features;
	bool hugepages;
	_Atomic bool gone;
	_Atomic uint32_t n_open;
	struct conn *conns;
	struct conn_cold *cold;
	struct ob_channel *channels;
};

// ---- segment.c
// Makes the memory for h->layout, whose wishes are filled in as ob_seg_layout_make() wants them:
// on hugepages if allowed and possible. Sets seg, mem_fd, hugepages. Returns 0, -EINVAL, -ENOMEM.
int segment_make(struct ob_host *h, bool allow_huge, const char *name);
void segment_free(struct ob_host *h);

// ---- channel.c
int channel_init(struct ob_channel *ch, struct ob_host *h, uint32_t index, uint32_t sndbuf_bytes);
void channel_free(struct ob_channel *ch);
// Wakes the engine if it sleeps. Call it after publishing requests.
void channel_ring_bell(struct ob_channel *ch);
// Sleeps until the engine has something, a signal comes or timeout_us (negative: none) is over.
// Returns 0 or -EINTR.
int channel_sleep(struct ob_channel *ch, int64_t timeout_us);
// Looks at the control socket; sets host->gone.
void channel_check_gone(struct ob_channel *ch);

static inline bool channel_gone(const struct ob_channel *ch)
{
	return atomic_load_explicit(&ch->host->gone, memory_order_relaxed);
}

// ---- conn.c
static inline ob_conn_t conn_id(uint32_t slot, uint32_t gen)
{
	return (ob_conn_t)gen << 32 | slot;
}

static inline uint32_t conn_slot(const struct ob_channel *ch, const struct conn *c)
{
	return (uint32_t)(c - ch->conns);
}

// The connection that an application names, or NULL.
static inline struct conn *conn_get(const struct ob_channel *ch, ob_conn_t id)
{
	uint32_t slot = (uint32_t)id;
	struct conn *c;

	if (slot >= ch->n_slots)
		return NULL;
	c = &ch->conns[slot];
	if (c->gen != id >> 32 || c->phase == PHASE_FREE || c->app_closed)
		return NULL;
	return c;
}

static inline int conn_error(const struct conn *c, int in_order)
{
	return c->err ? -(int)c->err : in_order;
}

// Begins a connection in a free slot.
void conn_begin(struct ob_channel *ch, struct conn *c, uint32_t gen, enum conn_phase phase);
void conn_set_cold(struct ob_channel *ch, struct conn *c, const struct ob_event *e);
// Adds to what must be reported or requested, and the connection to the list for it.
void conn_ready(struct ob_channel *ch, struct conn *c, uint8_t bits);
void conn_dirty(struct ob_channel *ch, struct conn *c, uint8_t bits);
// Takes the first of a list off it: NULL when it is empty.
struct conn *ready_pop(struct ob_channel *ch);
struct conn *dirty_first(struct ob_channel *ch);
void dirty_pop(struct ob_channel *ch);
// Takes connections without events off the list, and closed ones off the waiters.
void conn_purge(struct ob_channel *ch);
// Room for n more nodes. Returns 0 or -ENOMEM.
int node_reserve(struct ob_channel *ch, uint32_t n);
uint32_t node_take(struct ob_channel *ch); // after node_reserve()
void node_put(struct ob_channel *ch, uint32_t i);
// Lets go of received spans, of sent blocks.
void conn_drop_rx(struct ob_channel *ch, struct conn *c);
void conn_drop_tx(struct ob_channel *ch, struct conn *c);
// All below the stream offset `off` is acknowledged. Returns whether that was possible.
bool conn_acked(struct ob_channel *ch, struct conn *c, uint64_t off);
// How many bytes of the arena a connection may still take, for a new block: 0 for none.
uint64_t conn_tx_share(const struct ob_channel *ch, const struct conn *c);
// Puts a connection that holds no arena on the list of those that wait for some; wakes them as
// there is some.
void conn_wait_arena(struct ob_channel *ch, struct conn *c);
void conn_wake_waiters(struct ob_channel *ch);
// The slot is free again; for connect slots it can be given out.
void conn_free_slot(struct ob_channel *ch, struct conn *c);

// ---- flush.c
// Room for n requests, publishing what is written if need be. Returns whether there is.
bool request_room(struct ob_channel *ch, uint32_t n);
// Room for n requests behind everything that was asked for before, which is written first: so the
// engine gets what a thread asks for in the order of the calls. Whoever writes a request in the call
// itself begins with this. Returns whether there is.
bool request_next(struct ob_channel *ch, uint32_t n);
// Whether the engine has taken every request that was written.
bool requests_taken(struct ob_channel *ch);
// The next request, zeroed, of which request_room() said that it has room.
struct ob_req *request_add(
	struct ob_channel *ch, enum ob_req_op op, uint32_t slot, uint32_t gen, uint64_t off);
// Writes what is asked for, publishes, wakes the engine. Returns 0, -EAGAIN or -EPIPE.
int flush(struct ob_channel *ch);

// ---- intake.c
// Takes what the engine has published. Returns how many events, -EPIPE or -ENOMEM.
int intake(struct ob_channel *ch);
// Consumes len bytes, at most rx_ready.
void conn_consume(struct ob_channel *ch, struct conn *c, uint32_t len);

// ---- listen.c
struct listener *listener_get(const struct ob_channel *ch, uint32_t number);
bool listeners_flush(struct ob_channel *ch); // writes UNLISTEN requests; whether all had room
void listener_event(struct ob_channel *ch, const struct ob_event *e);
// Fills in OB_LISTENING events. Returns how many.
int listeners_report(struct ob_channel *ch, struct ob_app_event *events, int max);

// ---- end.c
// Waits until the engine has taken everything that was asked on a channel. Returns false when the time
// was up before, true also when the engine is gone.
bool channel_drain(struct ob_channel *ch, int64_t deadline_us);

// ---- settings.c
// *set gets one more setting. Returns 0 or -ENOMEM (and is as it was).
int settings_put(struct ob_channel *ch, uint32_t *set, uint32_t option, uint32_t value);
uint32_t settings_get(const struct ob_channel *ch, uint32_t set, uint32_t option);
void settings_hold(struct ob_channel *ch, uint32_t set);
void settings_drop(struct ob_channel *ch, uint32_t *set);
// Whether all of a list are options, within their bounds.
bool settings_good(const struct ob_setting *list, uint32_t n);
// A SETOPT request, of which request_room() said that it has room. flags: OB_RQ_*.
void settings_ask(struct ob_channel *ch, uint32_t number, uint32_t gen, uint32_t option,
	uint64_t value, uint8_t flags);

// ---- poll.c
int64_t now_us(void); // monotonic
// The listener of a connection whose OB_ACCEPTED has not been given.
static inline uint32_t conn_listener(const struct conn *c)
{
	return (uint32_t)c->user;
}

#endif
