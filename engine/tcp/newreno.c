// NewReno: RFC 5681 with the initial window of RFC 6928 and fast recovery of RFC 6582.
#include "engine/tcp/cc.h"

#define CWND_MAX (1u << 30)
#define SSTHRESH_INIT UINT32_MAX

static void grow(struct tcp_soft *s, uint32_t by)
{
	s->cwnd = s->cwnd < CWND_MAX - by ? s->cwnd + by : CWND_MAX;
}

// RFC 6928 section 2: min(10 MSS, max(2 MSS, 14600)), for any number of segments.
static uint32_t init_wnd(uint32_t mss, uint32_t segs)
{
	uint32_t most = segs * 1460;

	if (most < 2 * mss)
		most = 2 * mss;
	if (segs * mss < most)
		most = segs * mss;
	return most;
}

// RFC 5681 equation 4
static uint32_t half_flight(uint32_t mss, uint32_t flight)
{
	return flight / 2 > 2 * mss ? flight / 2 : 2 * mss;
}

static void newreno_init(struct tcp_soft *s, uint32_t mss, uint32_t init_segs)
{
	s->cwnd = init_wnd(mss, init_segs);
	s->ssthresh = SSTHRESH_INIT;
	s->cc_acked = 0;
}

static void newreno_ack(struct tcp_soft *s, uint32_t mss, uint32_t acked)
{
	if (s->cwnd < s->ssthresh) {
		// Slow start, equation 2
		grow(s, acked < mss ? acked : mss);
		return;
	}
	// Congestion avoidance by counting bytes: one MSS for each window acknowledged
	s->cc_acked += acked;
	if (s->cc_acked >= s->cwnd) {
		s->cc_acked -= s->cwnd;
		if (s->cc_acked > s->cwnd)
			s->cc_acked = s->cwnd;
		grow(s, mss);
	}
}

static void newreno_enter_recovery(struct tcp_soft *s, uint32_t mss, uint32_t flight)
{
	s->ssthresh = half_flight(mss, flight);
	s->cwnd = s->ssthresh;
	s->cc_acked = 0;
	grow(s, 3 * mss);
}

// A segment has left the network for each duplicate; one ACK can stand for many of them (Linux
// sends few while a hole is open), and then only SACK tells how many.
static void newreno_dup_ack(struct tcp_soft *s, uint32_t mss, uint32_t sacked)
{
	uint64_t want = (uint64_t)s->ssthresh + sacked;

	if (sacked == 0)
		grow(s, mss);
	else if (want > s->cwnd && want <= CWND_MAX)
		s->cwnd = (uint32_t)want;
}

static void newreno_partial_ack(struct tcp_soft *s, uint32_t mss, uint32_t acked)
{
	s->cwnd = s->cwnd > acked ? s->cwnd - acked : 0;
	if (acked >= mss)
		grow(s, mss);
	if (s->cwnd < mss)
		s->cwnd = mss;
}

static void newreno_exit_recovery(struct tcp_soft *s, uint32_t mss, uint32_t flight)
{
	// RFC 6582 section 3.2, full acknowledgement, option 1: no burst
	uint32_t wnd = (flight > mss ? flight : mss) + mss;

	s->cwnd = wnd < s->ssthresh ? wnd : s->ssthresh;
	s->cc_acked = 0;
}

static void newreno_timeout(struct tcp_soft *s, uint32_t mss, uint32_t flight, bool again)
{
	if (!again)
		s->ssthresh = half_flight(mss, flight);
	s->cwnd = mss;
	s->cc_acked = 0;
}

static void newreno_idle(struct tcp_soft *s, uint32_t mss, uint32_t init_segs)
{
	uint32_t rw = init_wnd(mss, init_segs);

	if (s->cwnd > rw)
		s->cwnd = rw;
	s->cc_acked = 0;
}

const struct cc_ops cc_newreno = {
	.name = "newreno",
	.init = newreno_init,
	.ack = newreno_ack,
	.enter_recovery = newreno_enter_recovery,
	.dup_ack = newreno_dup_ack,
	.partial_ack = newreno_partial_ack,
	.exit_recovery = newreno_exit_recovery,
	.timeout = newreno_timeout,
	.idle = newreno_idle,
};
