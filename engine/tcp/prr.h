// Proportional Rate Reduction (RFC 9937 section 6): how much may leave on an ACK in recovery, so that
// at its end what is in flight is about ssthresh, and the ACK clock never stops on the way.
#ifndef ENGINE_TCP_PRR_H
#define ENGINE_TCP_PRR_H

#include <stdbool.h>
#include <stdint.h>

struct prr {
	uint32_t ssthresh;
	uint32_t recover_fs; // what was in flight when recovery began
	uint32_t delivered; // in recovery so far, with this ACK
	uint32_t out; // sent in recovery so far
	uint32_t pipe; // in flight now
	uint32_t mss;
};

// newly: what this ACK delivered. safe: it moved snd_una and spoke of no further loss. All in bytes.
static inline uint32_t prr_sndcnt(const struct prr *p, uint32_t newly, bool safe)
{
	uint32_t may;

	if (p->pipe > p->ssthresh) {
		uint64_t fs = p->recover_fs ? p->recover_fs : 1;
		uint64_t goal = ((uint64_t)p->delivered * p->ssthresh + fs - 1) / fs;

		may = goal > p->out ? (uint32_t)(goal - p->out) : 0;
	} else {
		// PRR-CRB: no more than was delivered; PRR-SSRB while things go well
		may = p->delivered > p->out ? p->delivered - p->out : 0;
		if (may < newly)
			may = newly;
		if (safe)
			may += p->mss;
		if (may > p->ssthresh - p->pipe)
			may = p->ssthresh - p->pipe;
	}
	if (p->out == 0 && may < p->mss)
		may = p->mss; // the first retransmission leaves at once
	return may;
}

#endif
