// The frame of outboard-bench: what every suite is given, and what it gives back.
//
// A suite measures and adds values to figures by name; the frame reads options, keeps the figures,
// says which machine and build they are of, and prints. A suite may also be a program in another
// language: see bench_script().
#ifndef TOOLS_BENCH_BENCH_H
#define TOOLS_BENCH_BENCH_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tools/bench/figures.h"
#include "tools/bench/machine.h"

#define BENCH_PATTERNS 16
#define BENCH_OPTIONS 32

struct bench {
	const char *suite;
	char command[1024]; // that is running, and when it began
	char date[32];
	// The options of every suite.
	double seconds; // of one value; 0: the suite's default
	unsigned repeat; // values of a figure; 0: the suite's default
	bool json;
	const char *patterns[BENCH_PATTERNS]; // --case; none: everything
	unsigned n_patterns;
	// What is printed.
	struct figures figures;
	json_t *settings; // an object: what a suite puts here says how its figures were made
	json_t *notes; // an array of strings: warnings
	json_t *failures; // an array of strings: what makes the run fail
	struct machine machine;
};

// One option of a suite, `--name VALUE`, or `--name` when `value` is NULL.
struct bench_option {
	const char *name;
	const char *value; // how the help calls it
	const char *doc;
};

struct bench_suite {
	const char *name;
	const char *doc;
	const struct bench_option *options; // ended by a NULL name; NULL: none
	// Takes one of them. Returns 0 or -EINVAL.
	int (*option)(struct bench *b, const char *name, const char *value);
	// Measures. Returns 0, also after bench_fail(); or a negative errno when it could not run.
	int (*run)(struct bench *b);
};

extern const struct bench_suite *const bench_suites[]; // ended by NULL; suites.c

// Whether a figure is asked for (--case), by its whole name. Names are cheap: build and ask.
bool bench_wanted(const struct bench *b, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

// Adds a value to the figure of that name, in order of first mention. What is not wanted is left out.
void bench_value(struct bench *b, double value, const char *unit, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

// One line for the person who reads the figures: on standard error at once, and in the JSON.
void bench_note(struct bench *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
// The same; the run goes on and its exit status will be 1.
void bench_fail(struct bench *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
// Progress, for a person: only when standard error is a terminal.
void bench_progress(const struct bench *b, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

// What is said under "settings". Each replaces an earlier value of that key.
void bench_set_text(struct bench *b, const char *key, const char *value);
void bench_set_number(struct bench *b, const char *key, double value);

// Runs a program (found beside this one's sources or by its path) that measures. It writes lines
// to its standard output:
//	figure NAME UNIT VALUE      bench_value(); repeated for each value
//	setting KEY VALUE           bench_set_text() or, if it is a number, bench_set_number()
//	note TEXT / failure TEXT    bench_note(), bench_fail()
// It finds BENCH_SECONDS, BENCH_REPEAT and BENCH_CASES (patterns, one a line) in its environment.
// A line that is none of these, or an exit status other than 0, is a failure.
// argv: ended by NULL. Returns 0 or a negative errno.
int bench_script(struct bench *b, char *const argv[]);

// Takes one such line. Returns 0 or -EINVAL. It changes the text.
int bench_line(struct bench *b, char *line);

// Set by SIGINT and SIGTERM: the suite ends what it does, cleans up and returns.
bool bench_stopped(void);
// Hands that on to a child, as SIGTERM, from now on; 0: to none any more.
void bench_stops(pid_t pid);

// report.c: the whole run as one JSON object, a new reference.
json_t *bench_report(const struct bench *b);
void bench_print(const struct bench *b); // for people

#endif
