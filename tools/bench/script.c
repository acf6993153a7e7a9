// Suites in other languages: a program whose lines are figures.
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/bench/bench.h"

// Cuts the next word off. NULL when there is none.
static char *word(char **at)
{
	char *w;

	do {
		w = strsep(at, " \t");
	} while (w && *w == '\0');
	return w;
}

static bool number(const char *text, double *v)
{
	char *end;

	*v = strtod(text, &end);
	return end != text && *end == '\0' && isfinite(*v);
}

int bench_line(struct bench *b, char *line)
{
	char *rest = line, *kind, *name, *unit, *text;
	double v;

	rest[strcspn(rest, "\n")] = '\0';
	kind = word(&rest);
	if (!kind)
		return 0; // an empty line
	if (strcmp(kind, "note") == 0 && rest) {
		bench_note(b, "%s", rest);
		return 0;
	}
	if (strcmp(kind, "failure") == 0 && rest) {
		bench_fail(b, "%s", rest);
		return 0;
	}
	name = word(&rest);
	if (strcmp(kind, "setting") == 0 && name && rest) {
		if (number(rest, &v))
			bench_set_number(b, name, v);
		else
			bench_set_text(b, name, rest);
		return 0;
	}
	unit = word(&rest);
	text = word(&rest);
	if (strcmp(kind, "figure") != 0 || !name || !unit || !text || !number(text, &v))
		return -EINVAL;
	bench_value(b, v, unit, "%s", name);
	return 0;
}

static void environment(const struct bench *b)
{
	char text[4096] = "", n[64];
	size_t used = 0;

	for (unsigned i = 0; i < b->n_patterns && used < sizeof(text); i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s\n", b->patterns[i]);
	setenv("BENCH_CASES", text, 1);
	snprintf(n, sizeof(n), "%g", b->seconds);
	setenv("BENCH_SECONDS", n, 1);
	snprintf(n, sizeof(n), "%u", b->repeat);
	setenv("BENCH_REPEAT", n, 1);
}

int bench_script(struct bench *b, char *const argv[])
{
	char line[4096], kept[sizeof(line)];
	int fds[2], status;
	siginfo_t info;
	pid_t child;
	FILE *f;

	if (pipe(fds))
		return -errno;
	child = fork();
	if (child == 0) {
		dup2(fds[1], STDOUT_FILENO);
		close(fds[0]);
		close(fds[1]);
		environment(b);
		execvp(argv[0], argv);
		fprintf(stderr, "outboard-bench: %s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	close(fds[1]);
	bench_stops(child > 0 ? child : 0);
	f = child > 0 ? fdopen(fds[0], "r") : NULL;
	if (!f) {
		close(fds[0]);
		return -errno;
	}
	while (fgets(line, sizeof(line), f)) {
		memcpy(kept, line, sizeof(line));
		if (bench_line(b, line))
			bench_fail(b, "%s says what is no figure: %s", argv[0], kept);
	}
	fclose(f);
	// Its number is its own until it is waited for.
	while (waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR)
		;
	bench_stops(0);
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (status)
		bench_fail(b, "%s ended with %s %d", argv[0],
			WIFEXITED(status) ? "status" : "signal",
			WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	return 0;
}
