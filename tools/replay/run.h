// A run: every session of the file, as often as asked for, at once.
#ifndef TOOLS_REPLAY_RUN_H
#define TOOLS_REPLAY_RUN_H

#include "tools/replay/app.h"
#include "tools/replay/capture.h"
#include "tools/replay/options.h"
#include "tools/replay/timers.h"
#include "tools/replay/wire.h"

struct run {
	const struct options *opts;
	struct capture_counts counts;
	struct notes notes;
	struct sessions sessions;
	struct plan *plans;
	uint32_t n_plans;
	uint16_t ports[APP_LISTENERS]; // where the engine listens
	int n_ports;
	struct live *lives;
	uint32_t n_lives;
	struct live **by_port; // 65536, by the peer's port
	struct live **queue; // those that something happened to
	uint32_t n_queue;
	struct timers timers;
	struct wire wire;
	struct app app;
	struct env env;
	uint32_t opening; // handshakes under way
	uint32_t n_done, n_failed, n_aborted; // n_aborted: the file has no end of them
	uint64_t start_ns, end_ns;
	char err[256];
};

// Reads the file and plans what to replay. Returns 0; -EINVAL with the reason in err when there is
// nothing to replay.
int run_plan(struct run *r, const struct options *opts);
// Opens wire and application, and replays. Returns 0 when it came to an end, whatever that is for
// each session, or a negative errno with the reason in err.
int run_replay(struct run *r);
void run_free(struct run *r);

#endif
