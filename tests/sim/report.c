#include "tests/sim/report.h"

struct row {
	const char *name;
	uint64_t value;
};

static void add(struct stats *to, const struct stats *from)
{
	uint64_t *a = (uint64_t *)to;
	const uint64_t *b = (const uint64_t *)from;

	static_assert(sizeof(*to) % sizeof(*a) == 0, "numbers only");
	for (size_t i = 0; i < sizeof(*to) / sizeof(*a); i++)
		a[i] += b[i];
}

// Prints a table; returns how many rows are zero.
static unsigned table(const char *title, const struct row *rows, unsigned n)
{
	unsigned zero = 0;

	printf("%s:", title);
	for (unsigned i = 0; i < n; i++) {
		printf("%s%s %llu", i % 6 ? ", " : "\n  ", rows[i].name,
			(unsigned long long)rows[i].value);
		zero += rows[i].value == 0;
	}
	printf("\n");
	return zero;
}

static unsigned tables(const struct stats *s)
{
	const struct row faults[] = {
#define X(name, doc) {#name, s->fault[FAULT_##name]},
		FAULT_LIST(X)
#undef X
	};
	const struct row paths[] = {
#define X(name) {#name, s->counter[COUNTER_##name]},
#include "tests/sim/paths.def"
#undef X
	};
	unsigned zero = table("faults that fired", faults, FAULTS);

	return zero + table("paths that ran", paths, sizeof(paths) / sizeof(paths[0]));
}

static bool failures(const struct board *b, unsigned jobs)
{
	bool any = false;

	for (unsigned i = 0; i < jobs; i++) {
		const struct job *j = &b->jobs[i];

		any = any || j->n_failed > 0;
		if (!j->failed)
			continue;
		any = true;
		printf("FAILED seed %llu: %s\n", (unsigned long long)j->seed, j->failure);
		printf("again: outboard-sim --seeds %llu --plan --trace seed-%llu.pcapng\n",
			(unsigned long long)j->seed, (unsigned long long)j->seed);
	}
	return any;
}

bool report(const struct board *b, unsigned jobs, uint64_t first, uint64_t last, double seconds)
{
	struct stats all = {0};
	unsigned zero;
	bool failed;

	for (unsigned i = 0; i < jobs; i++)
		add(&all, &b->jobs[i].stats);
	zero = tables(&all);
	failed = failures(b, jobs);
	printf("%llu connections (%llu ended by a fault), %.1f MB read, %llu frames, %.0f s of "
	       "virtual time\n",
		(unsigned long long)all.flows, (unsigned long long)all.flows_failed,
		(double)all.bytes * 1e-6, (unsigned long long)all.frames,
		(double)all.virtual_us * 1e-6);
	if (zero && all.seeds >= LARGE_RUN) {
		printf("FAILED: %u of the numbers above are 0\n", zero);
		failed = true;
	}
	printf("seeds %llu-%llu: %llu run in %.1f s, %.1f seeds/s, %u jobs, event hash %016llx\n",
		(unsigned long long)first, (unsigned long long)last, (unsigned long long)all.seeds,
		seconds, (double)all.seeds / seconds, jobs, (unsigned long long)all.hash);
	return !failed;
}
