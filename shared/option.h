// Settings of connections. A listener has them for the connections that it will accept; what nobody
// set is as the engine's configuration says. How they travel: docs/timers.md.
#ifndef OB_SHARED_OPTION_H
#define OB_SHARED_OPTION_H

#include "shared/abi.h"
#include "shared/congestion.h"

// X(name, unit, minimum, maximum, doc). The numbers are the ABI's: new ones go to the end.
#define OB_OPTION_LIST(X)                                                                          \
	X(NODELAY, "flag", 0, 1, "send small segments at once (turns Nagle's algorithm off)")      \
	X(QUICKACK, "flag", 0, 1, "acknowledge every segment at once")                             \
	X(KEEPALIVE, "flag", 0, 1, "probe the peer when nothing was heard of it for long")         \
	X(KEEPALIVE_IDLE, "s", 1, 32767, "how long, before the first probe")                       \
	X(KEEPALIVE_INTERVAL, "s", 1, 32767, "between two probes that are not answered")           \
	X(KEEPALIVE_COUNT, "probes", 1, 127, "probes without an answer that end the connection")   \
	X(USER_TIMEOUT, "ms", 0, INT32_MAX, "how long data may go unacknowledged; 0: by retries")  \
	X(RETRIES, "time-outs", 1, 30, "time-outs in a row that end the connection")               \
	X(SYN_RETRIES, "segments", 1, 15, "SYNs sent again before a connect fails")                \
	X(SYNACK_RETRIES, "segments", 1, 15, "SYN-ACKs sent again, of a listener")                 \
	X(INIT_RTO, "us", 1000, 60000000, "first retransmission time-out")                         \
	X(MIN_RTO, "us", 1000, 60000000, "minimum retransmission time-out")                        \
	X(MAX_RTO, "us", 1000000, 240000000, "maximum retransmission time-out")                    \
	X(DELACK, "us", 0, 499999, "longest delay of an acknowledgement")                          \
	X(FIN_TIMEOUT, "ms", 100, 3600000, "how long a closed connection waits for a FIN")         \
	X(INIT_CWND, "segments", 1, 100, "initial window, and the one after idleness")             \
	X(LINGER, "flag", 0, 1, "a close reports its end, within LINGER_TIME")                     \
	X(LINGER_TIME, "ms", 0, 3600000, "after which a close resets; 0: at once")                 \
	X(CONGESTION, "number", 0, OB_CC_END - 1, "congestion controller; 0: the engine's")

enum ob_option {
	OB_OPT_NONE,
#define X(name, unit, min, max, doc) OB_OPT_##name,
	OB_OPTION_LIST(X)
#undef X
		OB_OPT_N
};

#define OB_OPTIONS_MAX 32u // numbers that the ABI has room for
static_assert(OB_OPT_N <= OB_OPTIONS_MAX, "ABI: every option has its number");

// Whether there is such an option and it can have that value.
static inline bool ob_option_good(unsigned option, uint64_t value)
{
	static const struct {
		uint32_t min, max;
	} bounds[OB_OPT_N] = {{0, 0}, // in the order of the list
#define X(name, unit, min, max, doc) {min, max},
		OB_OPTION_LIST(X)
#undef X
	};

	return option > OB_OPT_NONE && option < OB_OPT_N && value >= bounds[option].min
		&& value <= bounds[option].max;
}

#endif
