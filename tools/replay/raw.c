#include "tools/replay/raw.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tools/ctl/client.h"
#include "tools/replay/quoted.h"
#include "tools/replay/raw_file.h"
#include "tools/replay/report.h"

#define START_S 20

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	(void)sig;
	interrupted = 1;
}

struct raw {
	const struct options *opts;
	char dir[64]; // of the engine's files and the frames
	char instance[32], socket[64];
	pid_t engine;
	struct raw_file file;
	struct notes notes;
	struct rows before, after; // struct ob_ctl_counter
	struct ob_ctl_stat stat_before, stat_after;
	double seconds;
	char err[256];
};

static const uint8_t mac[6] = {0x02, 0x0b, 0x0a, 0x4d, 0x00, 0x01};

static double clock_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void pause_ms(long ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static void path_of(const struct raw *w, const char *name, char *out, size_t bytes)
{
	snprintf(out, bytes, "%s/%s", w->dir, name);
}

// An engine whose port is the file. A CPU that this machine does not have would be refused.
static int write_config(struct raw *w)
{
	const uint8_t *a = w->opts->engine, *b = w->opts->peer;
	char path[128];
	FILE *f;

	path_of(w, "engine.cfg", path, sizeof(path));
	f = fopen(path, "w");
	if (!f)
		return -errno;
	fprintf(f,
		"[engine]\ninstance = %s\ncore = %d\ncontrol_core = 0\nidle = poll\n"
		"memory = normal\nmemory_mb = 256\nstate_dir = %s\n"
		"[port]\nvdev = net_pcap0,rx_pcap=%s/frames.pcap,infinite_rx=1\n"
		"mac = %02x:%02x:%02x:%02x:%02x:%02x\nmbufs = 32768\nmtu = 1500\n"
		"[net]\naddress = %u.%u.%u.%u/24\n[neighbours]\n%u.%u.%u.%u = "
		"02:0b:00:00:00:02\n",
		w->instance, sysconf(_SC_NPROCESSORS_ONLN) > 1 ? 1 : 0, w->dir, w->dir, mac[0],
		mac[1], mac[2], mac[3], mac[4], mac[5], a[0], a[1], a[2], a[3], b[0], b[1], b[2],
		b[3]);
	return fclose(f) ? -errno : 0;
}

// The program beside this one, unless one was named.
static const char *engine_program(const struct raw *w, char *text, size_t bytes)
{
	char own[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", own, sizeof(own) - 1);
	const char *places[] = {"outboard-engine", "../../bin/outboard-engine"};

	if (w->opts->engine_program)
		return w->opts->engine_program;
	own[n > 0 ? n : 0] = '\0';
	if (strrchr(own, '/'))
		*strrchr(own, '/') = '\0';
	for (int i = 0; i < 2; i++) {
		snprintf(text, bytes, "%s/%s", own, places[i]);
		if (access(text, X_OK) == 0)
			return text;
	}
	return "outboard-engine";
}

static int start_engine(struct raw *w)
{
	char config[128], log[128], text[PATH_MAX + 32];
	const char *program = engine_program(w, text, sizeof(text));

	path_of(w, "engine.cfg", config, sizeof(config));
	path_of(w, "engine.log", log, sizeof(log));
	w->engine = fork();
	if (w->engine < 0)
		return -errno;
	if (w->engine == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (freopen(log, "w", stdout) && dup2(fileno(stdout), 2) >= 0)
			execlp(program, program, "--config", config, (char *)NULL);
		fprintf(stderr, "%s: %s\n", program, strerror(errno));
		_exit(127);
	}
	return 0;
}

// What the engine said last is why it ended.
static void last_words(struct raw *w)
{
	char log[128], line[200], last[200] = "it said nothing";
	FILE *f;

	path_of(w, "engine.log", log, sizeof(log));
	f = fopen(log, "r");
	while (f && fgets(line, sizeof(line), f))
		if (*line != '\n')
			memcpy(last, line, sizeof(last));
	if (f)
		fclose(f);
	last[strcspn(last, "\n")] = '\0';
	snprintf(w->err, sizeof(w->err), "the engine ended: %s", last);
}

static int look(struct raw *w, struct rows *counters, struct ob_ctl_stat *stat)
{
	struct client c;
	struct rows rows = {0};
	int e = client_open(&c, w->socket);

	if (!e) {
		e = client_ask(&c, OB_CTL_COUNTERS, sizeof(struct ob_ctl_counter), counters);
		if (!e)
			e = client_ask(&c, OB_CTL_STAT, sizeof(*stat), &rows);
		if (!e && rows.n)
			memcpy(stat, rows.at, sizeof(*stat));
		free(rows.at);
		client_close(&c);
	}
	if (e)
		snprintf(w->err, sizeof(w->err), "%s", c.err);
	return e;
}

// Until the engine answers, or has ended.
static int wait_engine(struct raw *w)
{
	double until = clock_s() + START_S;
	struct rows rows = {0};
	int e;

	do {
		if (waitpid(w->engine, NULL, WNOHANG) == w->engine) {
			w->engine = 0;
			last_words(w);
			return -ECHILD;
		}
		pause_ms(20);
		e = look(w, &rows, &w->stat_before);
		free(rows.at);
	} while (e && clock_s() < until && !interrupted);
	return e;
}

static void stop_engine(struct raw *w)
{
	double until = clock_s() + 5;

	if (w->engine <= 0)
		return;
	kill(w->engine, SIGTERM);
	while (waitpid(w->engine, NULL, WNOHANG) == 0) {
		if (clock_s() > until)
			kill(w->engine, SIGKILL);
		pause_ms(10);
	}
}

static void remove_files(struct raw *w)
{
	static const char *const names[] = {"engine.cfg", "engine.log", "frames.pcap"};
	char path[128];

	for (int i = 0; i < 3; i++) {
		path_of(w, names[i], path, sizeof(path));
		unlink(path);
	}
	unlink(w->socket);
	if (rmdir(w->dir))
		fprintf(stderr, "outboard-replay: %s stays: %s\n", w->dir, strerror(errno));
}

static uint64_t value_of(const struct rows *r, const char *name)
{
	const struct ob_ctl_counter *c = (const void *)r->at;

	for (uint32_t i = 0; i < r->n; i++)
		if (!strncmp(c[i].name, name, sizeof(c[i].name)))
			return c[i].value;
	return 0;
}

static void report(const struct raw *w)
{
	const struct ob_ctl_counter *c = (const void *)w->after.at;
	uint64_t pkts = w->stat_after.rx_pkts - w->stat_before.rx_pkts;
	double mpps = (double)pkts / w->seconds / 1e6;
	const char *sep = "";

	if (w->opts->json) {
		printf("{\"file\": ");
		quoted_print(stdout, w->opts->file);
		printf(", \"mode\": \"raw\", \"frames\": %llu, \"left_out\": %llu, \"damaged\": "
		       "%llu, \"seconds\": %.6f, \"pkts\": %llu, \"pkts_per_s\": %.0f, "
		       "\"counters\": {",
			(unsigned long long)w->file.frames, (unsigned long long)w->file.left_out,
			(unsigned long long)w->file.damaged, w->seconds, (unsigned long long)pkts,
			mpps * 1e6);
	} else {
		printf("%s: %llu frames again and again for %.3f s: %.3f million packets a "
		       "second\n",
			w->opts->file, (unsigned long long)w->file.frames, w->seconds, mpps);
	}
	for (uint32_t i = 0; i < w->after.n; i++) {
		uint64_t rose = c[i].value - value_of(&w->before, c[i].name);

		if (!rose)
			continue;
		if (w->opts->json)
			printf("%s\"%.48s\": %llu", sep, c[i].name, (unsigned long long)rose);
		else
			printf("  %-28.48s %15llu  %.120s\n", c[i].name, (unsigned long long)rose,
				c[i].doc);
		sep = ", ";
	}
	if (w->opts->json)
		printf("}}\n");
}

static int measure(struct raw *w)
{
	double start, end;
	int e = write_config(w);

	if (e)
		snprintf(w->err, sizeof(w->err), "%s: %s", w->dir, strerror(-e));
	if (!e)
		e = start_engine(w);
	if (!e)
		e = wait_engine(w);
	start = clock_s();
	if (!e)
		e = look(w, &w->before, &w->stat_before);
	while (!e && clock_s() < start + w->opts->seconds && !interrupted)
		pause_ms(10);
	end = clock_s();
	if (!e)
		e = look(w, &w->after, &w->stat_after);
	w->seconds = end - start;
	return e;
}

int raw_run(const struct options *opts)
{
	struct raw w = {.opts = opts, .notes = {.file = opts->file}};
	struct sigaction act = {.sa_handler = on_signal};
	char frames[128];
	int e;

	snprintf(w.dir, sizeof(w.dir), "/dev/shm/outboard-raw-XXXXXX");
	if (!mkdtemp(w.dir)) {
		fprintf(stderr, "outboard-replay: /dev/shm: %s\n", strerror(errno));
		return 2;
	}
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	snprintf(w.instance, sizeof(w.instance), "raw%d", (int)getpid());
	snprintf(w.socket, sizeof(w.socket), OB_SOCKET_DIR "/%s.sock", w.instance);
	path_of(&w, "frames.pcap", frames, sizeof(frames));
	e = raw_file_write(&w.file, opts->path, frames, mac, opts->engine, opts->peer, &w.notes,
		w.err, sizeof(w.err));
	notes_print(&w.notes);
	if (!e && w.file.left_out)
		fprintf(stderr,
			"outboard-replay: %s: %llu segments left out: longer than 1500 bytes, or "
			"more than %d\n",
			opts->file, (unsigned long long)w.file.left_out, RAW_FRAMES_MAX);
	if (!e)
		e = measure(&w);
	stop_engine(&w);
	remove_files(&w);
	if (e)
		fprintf(stderr, "outboard-replay: %s: %s\n", opts->file, w.err);
	else
		report(&w);
	free(w.before.at);
	free(w.after.at);
	return e ? 2 : 0;
}
