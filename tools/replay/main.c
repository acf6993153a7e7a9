// outboard-replay: a capture's TCP sessions against a live engine. docs/replay.md says what that is.
//
// Exit status: 0 everything was replayed and every byte right; 1 something was not; 2 nothing could
// be replayed.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/replay/capture.h"
#include "tools/replay/raw.h"
#include "tools/replay/report.h"

static int replay(const struct options *opts)
{
	static struct run r;
	int status = 0;

	if (run_plan(&r, opts)) {
		notes_print(&r.notes);
		fprintf(stderr, "outboard-replay: %s: %s\n", opts->file, r.err);
		run_free(&r);
		return 2;
	}
	notes_print(&r.notes);
	if (opts->list) {
		report_list(stdout, &r);
	} else if (run_replay(&r)) {
		fprintf(stderr, "outboard-replay: %s\n", r.err);
		status = 2;
	} else {
		if (opts->json)
			report_json(stdout, &r);
		else
			report_text(stdout, &r);
		status = r.n_failed ? 1 : 0;
	}
	run_free(&r);
	return status;
}

int main(int argc, char **argv)
{
	struct options opts;
	char copy[32];
	int e;

	switch (options_parse(&opts, argc, argv)) {
	case OPTIONS_RUN:
		if (!strcmp(opts.path, "-")) {
			e = capture_copy(STDIN_FILENO, copy, sizeof(copy));
			if (e) {
				fprintf(stderr, "outboard-replay: %s: %s\n", opts.file,
					strerror(-e));
				return 2;
			}
			opts.path = copy;
		}
		return opts.raw ? raw_run(&opts) : replay(&opts);
	case OPTIONS_HELP:
		return 0;
	default:
		return 2;
	}
}
