// Round-trip time and retransmission time-out (RFC 6298).
#ifndef ENGINE_TCP_RTT_H
#define ENGINE_TCP_RTT_H

#include "engine/tcp/tcp.h"

struct rtt_bounds {
	uint32_t min_us;
	uint32_t max_us;
	uint32_t init_us;
};

// A measurement of r_us: updates srtt, rttvar and rto, clears the back-off. With timestamps many
// samples come in a window: the caller passes how many (RFC 7323 appendix G), at least 1.
void rtt_sample(
	struct tcp_soft *s, uint32_t r_us, uint32_t samples_per_rtt, const struct rtt_bounds *b);

// The time-out now in force: rto doubled by each time-out in a row, bounded (section 5.5).
uint32_t rtt_rto_us(const struct tcp_soft *s, const struct rtt_bounds *b);

#endif
