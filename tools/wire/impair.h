// What a bad path does to the frames of one direction: no sockets, no clock, no globals.
//
// Every fault draws from a random stream of its own, one draw a frame, so that the same seed makes
// the same decisions for the n-th frame whatever the other faults are set to.
#ifndef OB_WIRE_IMPAIR_H
#define OB_WIRE_IMPAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Settings of one direction. Probabilities are 0 to 1 per frame.
struct impair_conf {
	double loss;
	double dup;
	double reorder;
	double corrupt; // IPv4 and IPv6 only: nothing would detect a flipped bit in ARP
	double ce; // only ECN-capable frames can be marked
	uint64_t reorder_gap_pkts; // a held frame leaves after this many others
	uint64_t reorder_hold_us; // or after this time, when the others do not come
	uint64_t delay_us;
	uint64_t jitter_us; // added to delay, uniform in [0, jitter]; keeps the order
	uint64_t rate_mbps; // 0: unlimited
	uint64_t
		ce_queue_pkts; // with so many waiting for the rate, ECN-capable ones are marked; 0: none
	uint64_t queue_pkts; // waiting for the rate; frames beyond it are dropped
};

// How often each thing happened. At any moment:
// rx_pkts + dup_pkts = lost_pkts + queue_drop_pkts + released by impair_pop() + held and waiting.
struct impair_stats {
	uint64_t rx_pkts;
	uint64_t rx_bytes;
	uint64_t lost_pkts;
	uint64_t dup_pkts;
	uint64_t reordered_pkts;
	uint64_t corrupted_pkts;
	uint64_t ce_pkts;
	uint64_t queue_drop_pkts;
	uint64_t queue_max_pkts;
	// Of the rate limiter, up to the departure of the last frame that has come: what all frames together
	// spent in it, how long it was sending, and since when it has been in use.
	uint64_t queue_wait_ns;
	uint64_t rate_busy_ns;
	uint64_t rate_span_ns;
	uint64_t queue_mean_pkts; // over that span, with the frame being sent; rounded
};

// A frame on its way.
struct impair_pkt {
	uint64_t due_ns; // may leave then, when those before it have left
	uint64_t depart_ns; // leaves the rate limiter then, before the delay
	uint64_t held_until_ns; // while reordered
	uint64_t gap_left_pkts;
	struct impair_pkt *next;
	uint32_t len_bytes;
	uint8_t data[];
};

struct impair_rng {
	uint64_t state;
};

struct impair_list {
	struct impair_pkt *first, *last;
};

struct impair {
	struct impair_conf conf;
	struct impair_stats stats;
	struct impair_rng loss, dup, reorder, corrupt, corrupt_bit, ce, jitter;
	struct impair_list held; // reordered: before the rate limiter
	struct impair_list queue; // in the rate limiter or in the delay; leaves in this order
	struct impair_pkt *waiting; // the first of the queue still in the rate limiter
	uint64_t waiting_pkts;
	uint64_t queued_pkts; // held and queue together
	uint64_t link_free_ns; // the rate limiter is busy until then
	uint64_t rate_since_ns; // its first frame came then
};

// A well mixed 64-bit number; streams of different seeds are unrelated.
uint64_t rng_next(struct impair_rng *rng);
// Uniform in [0, 1).
double rng_unit(struct impair_rng *rng);

// stream: which of several independent directions that share a seed.
void impair_init(struct impair *im, const struct impair_conf *conf, uint64_t seed, unsigned stream);
// Frees what is still held or queued; returns how many frames that was.
uint64_t impair_free(struct impair *im);

// A frame has come in. It is copied.
// now_ns: a clock that never goes back.
// Returns 0 (also when the frame was dropped by the rules), or -ENOMEM.
int impair_push(struct impair *im, const uint8_t *frame, uint32_t len_bytes, uint64_t now_ns);

// The next frame that may leave at now_ns, or NULL. The caller frees it with free().
struct impair_pkt *impair_pop(struct impair *im, uint64_t now_ns);

// When the next frame may leave: UINT64_MAX when there is none.
uint64_t impair_next_ns(const struct impair *im);

// Sets the ECN field of an IPv4 or IPv6 frame to CE, with the IPv4 header checksum made right.
// Returns false, and changes nothing, for frames that are not ECN-capable or marked already.
bool frame_mark_ce(uint8_t *frame, uint32_t len_bytes);

// Flips one bit of the IP packet in a frame, chosen by pick.
// Returns false for frames that are neither IPv4 nor IPv6.
bool frame_flip_bit(uint8_t *frame, uint32_t len_bytes, uint64_t pick);

#endif
