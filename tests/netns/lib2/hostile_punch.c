// Punches holes into its own segment while nobody can have a hugepage: the engine's next touch is a
// SIGBUS in the engine.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "tests/netns/lib2/hostile.h"

#define PAGE (2ull << 20)
#define HOG_MAX 65536
#define TRIES 20

// Every hugepage that is free now. The process's end gives them back.
static unsigned int hog(void)
{
	static unsigned int have;

	while (have < HOG_MAX
		&& mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0)
			!= MAP_FAILED)
		have++;
	return have;
}

// The channel with its rings; where received bytes are placed; where bytes are sent from.
static void hole(const struct evil *e, const char *where, uint64_t *off, uint64_t *bytes)
{
	*off = 0;
	*bytes = e->l.arena_off;
	if (strcmp(where, "rx") == 0) {
		*off = e->l.rx_off;
		*bytes = e->l.rx_bytes;
	} else if (strcmp(where, "tx") == 0) {
		*off = e->l.rx_off + e->l.rx_bytes;
		*bytes = e->l.arena_bytes - e->l.rx_bytes;
	}
}

static bool all_stopped(pid_t pid)
{
	struct dirent *d;
	bool all = true;
	char path[300];
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	while (tasks && (d = readdir(tasks)) != NULL) {
		char state = 0;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/task/%s/stat", (int)pid, d->d_name);
		f = d->d_name[0] == '.' ? NULL : fopen(path, "r");
		if (f && fscanf(f, "%*d (%*[^)]) %c", &state) == 1 && state != 'T')
			all = false;
		if (f)
			fclose(f);
	}
	if (tasks)
		closedir(tasks);
	return all;
}

// The engine stands still meanwhile: it would win the race for the freed page more often than not.
static void punch(const struct evil *e, pid_t engine, uint64_t off, uint64_t bytes)
{
	kill(engine, SIGSTOP);
	while (!all_stopped(engine))
		;
	if (fallocate(e->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)bytes))
		printf("punch: %s\n", strerror(errno));
	hog();
	kill(engine, SIGCONT);
}

int evil_punch(int argc, char **argv)
{
	uint64_t off, bytes, sent = 0;
	struct evil e;
	uint32_t gen;

	if (argc != 3)
		return 2;
	evil_attach(&e, true);
	gen = evil_conn(&e, 0, (uint16_t)atoi(argv[1]));
	hole(&e, argv[0], &off, &bytes);
	for (int i = 0; i < TRIES && !evil_thrown_out(&e, 0); i++) {
		punch(&e, (pid_t)atoi(argv[2]), off, bytes);
		// The rings are there still, unless it is them: the echo goes in and out.
		if (strcmp(argv[0], "rings") != 0 && ob_ring_room(&e.req, 1) > 0) {
			evil_ask(&e,
				&(struct ob_req){.op = OB_RQ_SEND,
					.slot = e.l.n_slots_accept,
					.gen = gen,
					.off = sent,
					.len = 5000,
					.send.arena_off = e.l.rx_off + e.l.rx_bytes});
			sent += 5000;
		}
		evil_ring(&e);
		evil_thrown_out(&e, 100);
	}
	printf("%u pages taken, %s\n", hog(), evil_thrown_out(&e, 2000) ? "thrown out" : "alive");
	return evil_thrown_out(&e, 0) ? 0 : 1;
}
