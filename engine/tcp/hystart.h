// HyStart++ (RFC 9406): slow start ends when round trips grow longer, before something is lost.
//
// For the first slow start only (section 4.3): ssthresh is still CC_SSTHRESH_INIT.
#ifndef ENGINE_TCP_HYSTART_H
#define ENGINE_TCP_HYSTART_H

#include "engine/tcp/cc.h"

// Names as in section 4.2.
struct hystart {
	uint64_t round_end; // windowEnd: a round is over when more than this is acknowledged
	uint32_t last_min_us; // lastRoundMinRTT; UINT32_MAX: infinity
	uint32_t min_us; // currentRoundMinRTT
	uint32_t base_us; // cssBaselineMinRtt
	uint8_t samples; // rttSampleCount
	uint8_t css_round; // rounds of conservative slow start, with the one under way; 0: not in it
};

void hystart_begin(struct hystart *h);
// New data was acknowledged: cwnd grows. At the end of conservative slow start ssthresh is cwnd.
void hystart_acked(struct hystart *h, struct cc *c, const struct cc_ack *a);

#endif
