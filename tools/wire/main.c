// outboard-wire: a relay between two interfaces that makes a path as bad as is asked for.
//
// This is for tests on kernels without netem: put it between two veth pairs, and every fault that
// it makes is counted and comes again with the same seed.
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "tools/wire/impair.h"
#include "tools/wire/link.h"
#include "tools/wire/options.h"
#include "tools/wire/stats.h"

struct wire {
	struct wire_options opts;
	struct link links[DIRS]; // links[d] is where direction d comes in
	struct impair impairs[DIRS];
	int signal_fd;
};

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

// Signals are read like frames, so that none comes at a bad moment.
static int signals_open(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

// One burst in and out of each direction. Returns the frames moved, or a negative errno.
static int turn(struct wire *w, bool blocked[DIRS])
{
	int moved = 0;

	for (int d = 0; d < DIRS; d++) {
		uint64_t now_ns = clock_ns();
		int n = link_rx(&w->links[d], &w->impairs[d], now_ns);

		if (n < 0) {
			fprintf(stderr, "outboard-wire: %s: %s\n", w->links[d].name, strerror(-n));
			return n;
		}
		moved += n;
		moved += link_tx(&w->links[!d], &w->impairs[d], now_ns, &blocked[d]);
	}
	return moved;
}

// Until a frame comes, one may leave, or a signal.
static int wait_for_work(struct wire *w, const bool blocked[DIRS])
{
	struct pollfd fds[DIRS + 1];
	uint64_t next_ns = UINT64_MAX, now_ns = clock_ns(), left_ns;
	struct timespec timeout;

	for (int d = 0; d < DIRS; d++)
		fds[d] = (struct pollfd){.fd = w->links[d].fd, .events = POLLIN};
	fds[DIRS] = (struct pollfd){.fd = w->signal_fd, .events = POLLIN};
	for (int d = 0; d < DIRS; d++) {
		if (blocked[d])
			fds[!d].events |= POLLOUT;
		else if (impair_next_ns(&w->impairs[d]) < next_ns)
			next_ns = impair_next_ns(&w->impairs[d]);
	}
	left_ns = next_ns > now_ns ? next_ns - now_ns : 0;
	timeout.tv_sec = (time_t)(left_ns / 1000000000);
	timeout.tv_nsec = (long)(left_ns % 1000000000);
	if (ppoll(fds, DIRS + 1, next_ns == UINT64_MAX ? NULL : &timeout, NULL) < 0
		&& errno != EINTR)
		return -errno;
	return 0;
}

static void report(struct wire *w, bool table)
{
	struct stats_dir dirs[DIRS];
	int err;

	for (int d = 0; d < DIRS; d++) {
		link_read_missed(&w->links[d]);
		dirs[d] = (struct stats_dir){&w->impairs[d], &w->links[d], &w->links[!d]};
	}
	if (table)
		stats_print_table(stdout, dirs, w->opts.seed);
	err = w->opts.stats_path ? stats_write_json(w->opts.stats_path, dirs, w->opts.seed) : 0;
	if (err)
		fprintf(stderr, "outboard-wire: %s: %s\n", w->opts.stats_path, strerror(-err));
}

// Returns true when a signal asks to stop.
static bool signals_handle(struct wire *w)
{
	struct signalfd_siginfo info;

	while (read(w->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo != SIGUSR1)
			return true;
		report(w, false);
	}
	return false;
}

static int relay(struct wire *w)
{
	bool blocked[DIRS] = {false};

	for (unsigned turns = 0;; turns++) {
		int moved = turn(w, blocked);

		if (moved < 0)
			return moved;
		if (moved == 0) {
			int err = wait_for_work(w, blocked);

			if (err)
				return err;
		}
		// A busy relay looks for signals too, if seldom.
		if ((moved == 0 || turns % 64 == 0) && signals_handle(w))
			return 0;
	}
}

int main(int argc, char **argv)
{
	static struct wire w;
	int err = 0;

	switch (options_parse(&w.opts, argc, argv)) {
	case OPTIONS_RUN:
		break;
	case OPTIONS_HELP:
		return 0;
	case OPTIONS_BAD:
		return 2;
	}
	// Delays in microseconds: the default slack of 50 us would round them up.
	prctl(PR_SET_TIMERSLACK, 1);
	for (int d = 0; d < DIRS; d++) {
		impair_init(&w.impairs[d], &w.opts.conf[d], w.opts.seed, (unsigned)d);
		w.links[d].fd = -1;
	}
	w.signal_fd = signals_open();
	if (w.signal_fd < 0) {
		err = w.signal_fd;
		fprintf(stderr, "outboard-wire: signals: %s\n", strerror(-err));
	}
	for (int d = 0; d < DIRS && !err; d++) {
		err = link_open(&w.links[d], w.opts.interfaces[d]);
		if (err)
			fprintf(stderr, "outboard-wire: %s: %s\n", w.opts.interfaces[d],
				strerror(-err));
	}
	if (!err) {
		puts("outboard-wire: ready");
		fflush(stdout);
		err = relay(&w);
		report(&w, true);
	}
	for (int d = 0; d < DIRS; d++) {
		link_close(&w.links[d]);
		impair_free(&w.impairs[d]);
	}
	return err ? 1 : 0;
}
