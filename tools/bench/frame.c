// What suites call: figures, notes, settings.
#include <fnmatch.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/bench/bench.h"

#define NAME_BYTES 256
#define TEXT_BYTES 1024

static bool matches(const struct bench *b, const char *name)
{
	for (unsigned i = 0; i < b->n_patterns; i++)
		if (fnmatch(b->patterns[i], name, 0) == 0)
			return true;
	return b->n_patterns == 0;
}

bool bench_wanted(const struct bench *b, const char *format, ...)
{
	char name[NAME_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	return matches(b, name);
}

void bench_value(struct bench *b, double value, const char *unit, const char *format, ...)
{
	char name[NAME_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	if (matches(b, name))
		figures_add(&b->figures, name, unit, value);
}

static void say(
	const struct bench *b, const char *kind, json_t *list, const char *format, va_list args)
{
	char text[TEXT_BYTES];

	vsnprintf(text, sizeof(text), format, args);
	fprintf(stderr, "outboard-bench %s: %s%s\n", b->suite, kind, text);
	json_array_append_new(list, json_string(text));
}

void bench_note(struct bench *b, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(b, "", b->notes, format, args);
	va_end(args);
}

void bench_fail(struct bench *b, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(b, "failed: ", b->failures, format, args);
	va_end(args);
}

void bench_progress(const struct bench *b, const char *format, ...)
{
	va_list args;

	(void)b;
	if (!isatty(STDERR_FILENO))
		return;
	va_start(args, format);
	fputs("\r\033[K", stderr);
	vfprintf(stderr, format, args);
	fflush(stderr);
	va_end(args);
}

void bench_set_text(struct bench *b, const char *key, const char *value)
{
	json_object_set_new(b->settings, key, json_string(value));
}

void bench_set_number(struct bench *b, const char *key, double value)
{
	if (value == (double)(json_int_t)value)
		json_object_set_new(b->settings, key, json_integer((json_int_t)value));
	else
		json_object_set_new(b->settings, key, json_real(value));
}

// For the handler alone.
static volatile sig_atomic_t stopped;
static volatile pid_t script; // to be stopped, too; 0: none

static void on_signal(int sig)
{
	(void)sig;
	stopped = 1;
	if (script)
		kill(script, SIGTERM);
}

void bench_stops(pid_t pid)
{
	script = pid;
	if (pid && bench_stopped())
		kill(pid, SIGTERM);
}

bool bench_stopped(void)
{
	static bool installed;

	if (!installed) {
		struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

		sigaction(SIGINT, &sa, NULL);
		sigaction(SIGTERM, &sa, NULL);
		installed = true;
	}
	return stopped;
}
