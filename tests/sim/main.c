// outboard-sim: seeds through the simulator, and what they met on the way.
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/sim/report.h"
#include "tests/sim/trace.h"

struct options {
	uint64_t first, last;
	double minutes; // 0: no limit
	const char *trace;
	unsigned jobs;
	bool hashes;
	bool plan;
	bool keep_going;
	bool here; // in this process, for debuggers
};

static void usage(FILE *f)
{
	fprintf(f,
		"usage: outboard-sim --seeds A-B [--minutes M] [--trace FILE] [--jobs N]\n"
		"                    [--set NAME=VALUE]... [--plan] [--hashes] [--here]\n"
		"  --seeds A-B      the seeds to run, or one\n"
		"  --minutes M      stop after that time: it is no failure\n"
		"  --trace FILE     one seed: write what is on the wire (pcapng)\n"
		"  --jobs N         processes; as many as there are CPUs\n"
		"  --set NAME=VALUE fix a dimension (tests/sim/dims.def)\n"
		"  --plan           print what each seed decides\n"
		"  --hashes         print each seed's event hash\n"
		"  --keep-going     run all seeds, whatever fails\n"
		"  --here           in this process, for debuggers\n");
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t); // between seeds: the real one
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static bool parse_seeds(struct options *o, const char *text)
{
	char *end;

	o->first = o->last = strtoull(text, &end, 0);
	if (end == text)
		return false;
	if (*end == '-')
		o->last = strtoull(end + 1, &end, 0);
	return *end == 0 && o->last >= o->first;
}

static int parse(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{"seeds", required_argument, NULL, 's'},
		{"minutes", required_argument, NULL, 'm'},
		{"trace", required_argument, NULL, 't'},
		{"jobs", required_argument, NULL, 'j'},
		{"set", required_argument, NULL, 'S'},
		{"plan", no_argument, NULL, 'p'},
		{"hashes", no_argument, NULL, 'H'},
		{"keep-going", no_argument, NULL, 'k'},
		{"here", no_argument, NULL, 'X'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	bool seeds = false;
	int c;

	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		switch (c) {
		case 's':
			seeds = parse_seeds(o, optarg);
			break;
		case 'm':
			o->minutes = strtod(optarg, NULL);
			break;
		case 't':
			o->trace = optarg;
			break;
		case 'j':
			o->jobs = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'S':
			if (plan_fix(optarg)) {
				fprintf(stderr, "outboard-sim: no such dimension: %s\n", optarg);
				return -EINVAL;
			}
			break;
		case 'p':
			o->plan = true;
			break;
		case 'H':
			o->hashes = true;
			break;
		case 'k':
			o->keep_going = true;
			break;
		case 'X':
			o->here = true;
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			return -EINVAL;
		}
	}
	if (!seeds || optind < argc || (o->trace && o->first != o->last))
		return -EINVAL;
	return 0;
}

static void one_seed(struct job *j, const struct options *o, struct sim *s, uint64_t seed)
{
	FILE *trace = NULL;

	j->seed = seed;
	if (o->trace) {
		trace = fopen(o->trace, "w");
		if (!trace) {
			snprintf(j->failure, sizeof(j->failure), "%s: %s", o->trace,
				strerror(errno));
			j->failed = true;
			return;
		}
		trace_begin(trace);
	}
	if (o->plan) {
		plan_draw(&s->plan, seed);
		plan_print(&s->plan, stdout);
	}
	if (!sim_run(s, &j->stats, seed, trace)) {
		j->n_failed++;
		j->failed = !o->keep_going;
		memcpy(j->failure, s->failure, sizeof(j->failure));
		if (o->keep_going)
			printf("FAILED seed %llu: %s\n", (unsigned long long)seed, s->failure);
	}
	if (trace)
		fclose(trace);
	if (o->hashes)
		printf("seed %llu hash %016llx\n", (unsigned long long)seed,
			(unsigned long long)s->hash);
	fflush(stdout);
}

static int work(struct board *b, unsigned number, const struct options *o, double until)
{
	struct job *j = &b->jobs[number];
	struct sim *s = calloc(1, sizeof(*s));
	int rc = s ? nodes_start(number) : -ENOMEM;

	if (rc) {
		fprintf(stderr, "outboard-sim: EAL: %s\n", strerror(-rc));
		free(s);
		return 2;
	}
	while (!atomic_load(&b->stop)) {
		uint64_t seed = atomic_fetch_add(&b->next, 1);

		if (seed > o->last || (until > 0 && seconds() > until))
			break;
		one_seed(j, o, s, seed);
		if (j->failed)
			atomic_store(&b->stop, true);
	}
	j->done = true;
	free(s);
	return 0;
}

// A job that dies takes its seed with it.
static bool reap(struct board *b, const pid_t *pids, unsigned n)
{
	bool good = true;

	for (unsigned i = 0; i < n; i++) {
		struct job *j = NULL;
		int status;
		pid_t pid = wait(&status);

		for (unsigned k = 0; k < n; k++)
			if (pids[k] == pid)
				j = &b->jobs[k];
		if (!j || j->done)
			continue;
		good = false;
		atomic_store(&b->stop, true);
		if (WIFSIGNALED(status) && !j->failed) {
			j->failed = true;
			snprintf(j->failure, sizeof(j->failure), "the simulator was killed: %s",
				strsignal(WTERMSIG(status)));
		}
	}
	return good;
}

static bool run(struct board *b, const struct options *o)
{
	pid_t pids[JOBS_MAX];
	double until = o->minutes > 0 ? seconds() + o->minutes * 60 : 0;

	fflush(stdout);
	for (unsigned i = 0; i < o->jobs; i++) {
		pids[i] = fork();
		if (pids[i] < 0)
			return false;
		if (pids[i] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			int rc = work(b, i, o, until);

			fflush(NULL);
			_exit(rc);
		}
	}
	return reap(b, pids, o->jobs);
}

int main(int argc, char **argv)
{
	struct options o = {.jobs = (unsigned)sysconf(_SC_NPROCESSORS_ONLN)};
	struct board *b;
	double began = seconds();
	bool good;

	if (parse(&o, argc, argv)) {
		usage(stderr);
		return 2;
	}
	if (o.jobs == 0 || o.here || o.first == o.last)
		o.jobs = 1;
	if (o.jobs > JOBS_MAX)
		o.jobs = JOBS_MAX;
	b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (b == MAP_FAILED)
		return 2;
	b->next = o.first;
	good = o.here ? work(b, 0, &o, 0) == 0 : run(b, &o);
	return report(b, o.jobs, o.first, o.last, seconds() - began) && good ? 0 : 1;
}
