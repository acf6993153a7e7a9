#include "engine/state/state.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define HDR_BYTES 4096u

static_assert(sizeof(struct state_hdr) <= HDR_BYTES, "the header has its page");

static uint64_t align_up(uint64_t v, uint64_t to)
{
	return (v + to - 1) / to * to;
}

// Numbers and offsets of the tables. Returns the bytes of all.
static uint64_t lay_out(struct state_hdr *h, const struct config *cfg)
{
	uint64_t at = HDR_BYTES;

	h->n_conns = (uint32_t)cfg->limits_conns;
	h->n_half = (uint32_t)cfg->limits_half_open;
	h->n_tw = (uint32_t)cfg->limits_time_wait;
	h->n_pieces = (uint32_t)cfg->limits_pieces;
	h->n_listeners = (uint32_t)cfg->limits_listeners;
	h->n_hosts = (uint32_t)cfg->limits_hosts;
	h->n_settings = (uint32_t)cfg->limits_settings;
	h->recs_off = at;
	at = align_up(at + (uint64_t)h->n_conns * sizeof(struct rec), HDR_BYTES);
	h->half_off = at;
	at = align_up(at + (uint64_t)h->n_half * sizeof(struct half), HDR_BYTES);
	h->tw_off = at;
	at = align_up(at + (uint64_t)h->n_tw * sizeof(struct tw), HDR_BYTES);
	h->pieces_off = at;
	at = align_up(at + (uint64_t)h->n_pieces * sizeof(struct piece), HDR_BYTES);
	h->listeners_off = at;
	at = align_up(at + (uint64_t)h->n_listeners * sizeof(struct listener), HDR_BYTES);
	h->chans_off = at;
	at = align_up(
		at + (uint64_t)h->n_hosts * OB_MAX_CHANNELS * sizeof(struct chan_hard), HDR_BYTES);
	h->settings_off = at;
	at = align_up(at + (uint64_t)h->n_settings * sizeof(struct settings), HDR_BYTES);
	h->settings_of_off = at;
	at += ((uint64_t)h->n_conns + h->n_half) * sizeof(uint16_t);
	return align_up(at, HDR_BYTES);
}

#define DIR_BYTES 512u

// The next mount of hugetlbfs among those that `f` lists. Returns whether there is one.
static bool next_huge(FILE *f, char at[DIR_BYTES])
{
	char line[1024];
	char type[64];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%*s %511s %63s", at, type) == 2 && strcmp(type, "hugetlbfs") == 0)
			return true;
	return false;
}

// Finds a mount of hugetlbfs that can hold `bytes`. Returns whether there is one.
static bool find_huge(char *dir, size_t dir_bytes, uint64_t bytes)
{
	FILE *f = fopen("/proc/self/mounts", "re");
	char at[DIR_BYTES];
	bool found = false;

	while (!found && next_huge(f, at)) {
		char path[128];
		struct statfs fs;
		unsigned long n_free = 0;
		FILE *p;

		if (statfs(at, &fs) < 0 || fs.f_bsize <= 0 || access(at, W_OK | X_OK) < 0
			|| strlen(at) >= dir_bytes)
			continue;
		snprintf(path, sizeof(path),
			"/sys/kernel/mm/hugepages/hugepages-%lukB/free_hugepages",
			(unsigned long)fs.f_bsize / 1024);
		p = fopen(path, "re");
		if (p && fscanf(p, "%lu", &n_free) != 1)
			n_free = 0;
		if (p)
			fclose(p);
		found = n_free >= (bytes + (uint64_t)fs.f_bsize - 1) / (uint64_t)fs.f_bsize;
	}
	if (f)
		fclose(f);
	if (found)
		strcpy(dir, at);
	return found;
}

// Removes what an engine left. A file that is locked serves another engine.
static int remove_old(const char *path)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		ret = -EBUSY;
	else if (unlink(path) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static int file_path(struct state *s, const char *dir, const char *instance)
{
	int n = snprintf(s->path, sizeof(s->path), "%s/outboard-%s.state", dir, instance);

	return n < 0 || (size_t)n >= sizeof(s->path) ? -ENAMETOOLONG : 0;
}

// A killed engine's file holds its hugepages, and the next one's may lie elsewhere: it is removed
// wherever it can be. Returns 0, or -EBUSY when an engine that lives has it.
static int remove_everywhere(struct state *s, const char *instance)
{
	FILE *f = fopen("/proc/self/mounts", "re");
	char at[DIR_BYTES] = "/dev/shm";
	int ret = 0;

	do {
		if (file_path(s, at, instance) == 0 && remove_old(s->path) == -EBUSY)
			ret = -EBUSY;
	} while (ret == 0 && next_huge(f, at));
	if (f)
		fclose(f);
	return ret;
}

// Makes and maps the file in `dir`: locked, all of it allocated, so that no later access faults.
static int map_file(struct state *s, const char *dir, const char *instance, uint64_t bytes,
	char *err, size_t err_bytes)
{
	struct statfs fs;
	int ret;

	ret = file_path(s, dir, instance);
	if (ret < 0) {
		snprintf(err, err_bytes, "state file in %s: the name is too long", dir);
		return ret;
	}
	ret = remove_old(s->path);
	if (ret < 0) {
		snprintf(err, err_bytes, "%s: %s", s->path,
			ret == -EBUSY ? "in use by another engine" : strerror(-ret));
		return ret;
	}
	s->fd = open(s->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (s->fd < 0 || fchmod(s->fd, 0600) < 0 || flock(s->fd, LOCK_EX | LOCK_NB) < 0
		|| fstatfs(s->fd, &fs) < 0)
		goto err;
	s->huge = fs.f_type == HUGETLBFS_MAGIC;
	s->bytes = align_up(bytes, s->huge ? (uint64_t)fs.f_bsize : HDR_BYTES);
	if (ftruncate(s->fd, (off_t)s->bytes) < 0 || fallocate(s->fd, 0, 0, (off_t)s->bytes) < 0)
		goto err;
	s->hdr = mmap(NULL, s->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, s->fd, 0);
	if (s->hdr == MAP_FAILED)
		goto err;
	return 0;
err:
	ret = -errno;
	snprintf(err, err_bytes, "%s: %s", s->path, strerror(-ret));
	s->hdr = NULL;
	if (s->fd >= 0) {
		unlink(s->path);
		close(s->fd);
	}
	s->fd = -1;
	return ret;
}

static int map(struct state *s, const struct config *cfg, bool anonymous, uint64_t bytes, char *err,
	size_t err_bytes)
{
	char dir[CONFIG_TEXT];
	int ret;

	if (anonymous) {
		s->bytes = bytes;
		s->hdr = mmap(
			NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (s->hdr != MAP_FAILED)
			return 0;
		ret = -errno;
		s->hdr = NULL;
		snprintf(err, err_bytes, "state segment: %s", strerror(-ret));
		return ret;
	}
	ret = remove_everywhere(s, cfg->engine_instance);
	if (ret < 0) {
		snprintf(err, err_bytes, "%s: in use by another engine", s->path);
		return ret;
	}
	if (cfg->engine_state_dir[0] != 0)
		return map_file(
			s, cfg->engine_state_dir, cfg->engine_instance, bytes, err, err_bytes);
	if (strcmp(cfg->engine_memory, "normal") != 0 && find_huge(dir, sizeof(dir), bytes)) {
		ret = map_file(s, dir, cfg->engine_instance, bytes, err, err_bytes);
		if (ret == 0 || ret == -EBUSY)
			return ret;
	}
	return map_file(s, "/dev/shm", cfg->engine_instance, bytes, err, err_bytes);
}

static int set_up_soft(struct state *s)
{
	struct state_hdr *h = s->hdr;
	uint8_t *base = (uint8_t *)h;

	s->recs = (struct rec *)(base + h->recs_off);
	s->half = (struct half *)(base + h->half_off);
	s->tw = (struct tw *)(base + h->tw_off);
	s->pieces = (struct piece *)(base + h->pieces_off);
	s->listeners = (struct listener *)(base + h->listeners_off);
	s->chans = (struct chan_hard *)(base + h->chans_off);
	s->settings = (struct settings *)(base + h->settings_off);
	s->settings_of = (_Atomic uint16_t *)(base + h->settings_of_off);
	s->free_recs = calloc(h->n_conns, sizeof(uint32_t));
	s->free_half = calloc(h->n_half, sizeof(uint32_t));
	s->free_pieces = calloc(h->n_pieces, sizeof(uint32_t));
	return s->free_recs && s->free_half && s->free_pieces ? 0 : -ENOMEM;
}

int state_create(struct state *s, const struct config *cfg, bool anonymous, uint64_t tsc,
	uint64_t hz, char *err, size_t err_bytes)
{
	struct state_hdr layout = {.version = STATE_VERSION, .hdr_bytes = HDR_BYTES};
	uint64_t bytes = lay_out(&layout, cfg);
	int ret;

	memset(s, 0, sizeof(*s));
	s->fd = -1;
	if (sodium_init() < 0) {
		snprintf(err, err_bytes, "state segment: no source of randomness");
		return -EIO;
	}
	ret = map(s, cfg, anonymous, bytes, err, err_bytes);
	if (ret < 0)
		return ret;
	madvise(s->hdr, s->bytes, MADV_DONTDUMP);
	layout.bytes = s->bytes;
	randombytes_buf(&layout.secrets, sizeof(layout.secrets));
	clock_set(&layout.clock, tsc, hz);
	*s->hdr = layout;
	sodium_memzero(&layout.secrets, sizeof(layout.secrets));
	ret = set_up_soft(s);
	if (ret < 0) {
		snprintf(err, err_bytes, "state segment: out of memory");
		state_destroy(s, true);
		return ret;
	}
	state_scan(s);
	HARD_SET(s->hdr->epoch, 1);
	// The magic says that the rest is whole.
	__atomic_store_n(&s->hdr->magic, STATE_MAGIC, __ATOMIC_RELEASE);
	return 0;
}

void state_destroy(struct state *s, bool unlink_file)
{
	free(s->free_recs);
	free(s->free_half);
	free(s->free_pieces);
	if (s->hdr)
		munmap(s->hdr, s->bytes);
	if (s->fd >= 0) {
		if (unlink_file)
			unlink(s->path);
		close(s->fd);
	}
	memset(s, 0, sizeof(*s));
	s->fd = -1;
}

uint32_t state_rec_alloc(struct state *s)
{
	uint32_t i;
	uint32_t gen;

	if (s->n_free_recs == 0)
		return STATE_NIL;
	i = s->free_recs[--s->n_free_recs];
	gen = rec_gen(&s->recs[i]) + 1;
	if (gen == 0)
		gen = 1;
	HARD_SET(s->recs[i].life, rec_life(gen, 0, REC_FREE));
	return i;
}

void state_rec_free(struct state *s, uint32_t i)
{
	HARD_SET(s->recs[i].life, rec_life(rec_gen(&s->recs[i]), 0, REC_FREE));
	s->free_recs[s->n_free_recs++] = i;
}

uint32_t state_half_alloc(struct state *s)
{
	return s->n_free_half == 0 ? STATE_NIL : s->free_half[--s->n_free_half];
}

void state_half_free(struct state *s, uint32_t i)
{
	HARD_SET(s->half[i].phase, HALF_FREE);
	s->free_half[s->n_free_half++] = i;
}

uint32_t state_piece_alloc(struct state *s)
{
	return s->n_free_pieces == 0 ? STATE_NIL : s->free_pieces[--s->n_free_pieces];
}

void state_piece_free(struct state *s, uint32_t i)
{
	s->free_pieces[s->n_free_pieces++] = i;
}
