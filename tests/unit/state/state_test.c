// The state segment: layout, file, free lists, and the scan that finds out what is owned.
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/state/state.h"
#include "tests/unit/eal_main.h"

#define CONNS 64u
#define PIECES 256u

static char err[256];

static void small(struct config *c)
{
	config_defaults(c);
	c->limits_conns = CONNS;
	c->limits_half_open = 32;
	c->limits_time_wait = 32;
	c->limits_pieces = PIECES;
	c->limits_listeners = 8;
	c->limits_hosts = 2;
}

static void make(struct state *s)
{
	struct config c;

	small(&c);
	CU_ASSERT_EQUAL_FATAL(state_create(s, &c, true, 1000, 1000000000, err, sizeof(err)), 0);
}

static void test_create(void)
{
	static const uint8_t zero[sizeof(struct state_secrets)];
	struct state s;
	struct state other;

	make(&s);
	CU_ASSERT_EQUAL(s.hdr->magic, STATE_MAGIC);
	CU_ASSERT_EQUAL(s.hdr->version, STATE_VERSION);
	CU_ASSERT_EQUAL(s.hdr->bytes, s.bytes);
	CU_ASSERT_EQUAL(s.hdr->n_conns, CONNS);
	CU_ASSERT_EQUAL(s.hdr->clock.tsc0, 1000);
	CU_ASSERT_EQUAL(clock_us(&s.hdr->clock, 1000 + 5000000), 1005000);
	CU_ASSERT_NOT_EQUAL(memcmp(&s.hdr->secrets, zero, sizeof(zero)), 0);
	CU_ASSERT_EQUAL(s.n_free_recs, CONNS);
	CU_ASSERT_EQUAL(s.n_free_half, 32);
	CU_ASSERT_EQUAL(s.n_free_pieces, PIECES);
	// The tables are whole lines, inside, and do not overlap.
	CU_ASSERT_EQUAL((uintptr_t)s.recs % 64, 0);
	CU_ASSERT_PTR_EQUAL(s.recs, (uint8_t *)s.hdr + s.hdr->recs_off);
	CU_ASSERT(s.hdr->recs_off >= sizeof(*s.hdr));
	CU_ASSERT((void *)(s.recs + CONNS) <= (void *)s.half);
	CU_ASSERT((void *)(s.half + 32) <= (void *)s.tw);
	CU_ASSERT((void *)(s.tw + 32) <= (void *)s.pieces);
	CU_ASSERT((void *)(s.pieces + PIECES) <= (void *)s.listeners);
	CU_ASSERT((void *)(s.listeners + 8) <= (void *)s.chans);
	CU_ASSERT((uint8_t *)(s.chans + 2 * OB_MAX_CHANNELS) <= (uint8_t *)s.hdr + s.bytes);
	make(&other);
	CU_ASSERT_NOT_EQUAL(memcmp(&s.hdr->secrets, &other.hdr->secrets, sizeof(zero)), 0);
	state_destroy(&other, true);
	state_destroy(&s, true);
	CU_ASSERT_PTR_NULL(s.hdr);
}

static void test_file(void)
{
	char dir[] = "/tmp/ob_state_XXXXXX";
	struct config c;
	struct state s;
	struct state second;
	struct stat st;
	char path[CONFIG_TEXT];

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	small(&c);
	snprintf(c.engine_state_dir, sizeof(c.engine_state_dir), "%s", dir);
	snprintf(c.engine_instance, sizeof(c.engine_instance), "t1");
	snprintf(path, sizeof(path), "%s/outboard-t1.state", dir);
	// What an engine left is replaced, whatever its mode and size.
	int fd = open(path, O_CREAT | O_RDWR, 0666);

	CU_ASSERT_EQUAL(write(fd, "left", 4), 4);
	close(fd);
	umask(0);
	CU_ASSERT_EQUAL_FATAL(state_create(&s, &c, false, 0, 1000000000, err, sizeof(err)), 0);
	CU_ASSERT_STRING_EQUAL(s.path, path);
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
	CU_ASSERT_EQUAL((uint64_t)st.st_size, s.bytes);
	CU_ASSERT((uint64_t)st.st_blocks * 512 >= s.bytes);
	// One that is served from is not.
	CU_ASSERT_EQUAL(state_create(&second, &c, false, 0, 1000000000, err, sizeof(err)), -EBUSY);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, path));
	CU_ASSERT_EQUAL(s.hdr->magic, STATE_MAGIC);
	state_destroy(&s, false);
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT_EQUAL_FATAL(state_create(&s, &c, false, 0, 1000000000, err, sizeof(err)), 0);
	state_destroy(&s, true);
	CU_ASSERT_EQUAL(stat(path, &st), -1);
	// A place that does not exist is named in the message.
	snprintf(c.engine_state_dir, sizeof(c.engine_state_dir), "%s/none", dir);
	CU_ASSERT_EQUAL(state_create(&s, &c, false, 0, 1000000000, err, sizeof(err)), -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, "/none/"));
	rmdir(dir);
}

// No symbolic link is followed: neither to read nor to write what it points to.
static void test_link(void)
{
	char dir[] = "/tmp/ob_state_XXXXXX";
	struct config c;
	struct state s;
	char path[CONFIG_TEXT];
	char target[CONFIG_TEXT];
	struct stat st;

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	small(&c);
	snprintf(c.engine_state_dir, sizeof(c.engine_state_dir), "%s", dir);
	snprintf(c.engine_instance, sizeof(c.engine_instance), "t2");
	snprintf(path, sizeof(path), "%s/outboard-t2.state", dir);
	snprintf(target, sizeof(target), "%s/target", dir);
	close(open(target, O_CREAT | O_RDWR, 0600));
	CU_ASSERT_EQUAL(symlink(target, path), 0);
	CU_ASSERT(state_create(&s, &c, false, 0, 1000000000, err, sizeof(err)) < 0);
	CU_ASSERT_EQUAL(stat(target, &st), 0);
	CU_ASSERT_EQUAL(st.st_size, 0);
	unlink(path);
	unlink(target);
	rmdir(dir);
}

// memory = huge takes hugetlbfs where there is room, memory = normal never does.
static void test_where(void)
{
	struct config c;
	struct state s;

	small(&c);
	snprintf(c.engine_instance, sizeof(c.engine_instance), "unit-%d", (int)getpid());
	snprintf(c.engine_memory, sizeof(c.engine_memory), "normal");
	CU_ASSERT_EQUAL_FATAL(state_create(&s, &c, false, 0, 1000000000, err, sizeof(err)), 0);
	CU_ASSERT_EQUAL(strncmp(s.path, "/dev/shm/", 9), 0);
	CU_ASSERT_FALSE(s.huge);
	state_destroy(&s, true);
	snprintf(c.engine_memory, sizeof(c.engine_memory), "huge");
	CU_ASSERT_EQUAL_FATAL(state_create(&s, &c, false, 0, 1000000000, err, sizeof(err)), 0);
	printf("state segment in %s ", s.path);
	CU_ASSERT(s.huge == (strncmp(s.path, "/dev/shm/", 9) != 0));
	CU_ASSERT(!s.huge || s.bytes % (2u << 20) == 0);
	memset((void *)s.chans, 0, 2 * OB_MAX_CHANNELS * sizeof(*s.chans));
	state_destroy(&s, true);
}

static void test_rec_alloc(void)
{
	struct state s;
	uint32_t i;

	make(&s);
	for (i = 0; i < CONNS; i++)
		CU_ASSERT_EQUAL(state_rec_alloc(&s), i);
	CU_ASSERT_EQUAL(state_rec_alloc(&s), STATE_NIL);
	CU_ASSERT_EQUAL(rec_gen(&s.recs[5]), 1);
	CU_ASSERT_EQUAL(rec_phase(&s.recs[5]), REC_FREE);
	HARD_SET(s.recs[5].life, rec_life(1, 0, REC_LIVE));
	state_rec_free(&s, 5);
	CU_ASSERT_EQUAL(rec_phase(&s.recs[5]), REC_FREE);
	// The generation is kept and raised.
	CU_ASSERT_EQUAL(state_rec_alloc(&s), 5);
	CU_ASSERT_EQUAL(rec_gen(&s.recs[5]), 2);
	// 0 is no generation.
	HARD_SET(s.recs[5].life, rec_life(UINT32_MAX, 0, REC_FREE));
	s.free_recs[s.n_free_recs++] = 5;
	CU_ASSERT_EQUAL(state_rec_alloc(&s), 5);
	CU_ASSERT_EQUAL(rec_gen(&s.recs[5]), 1);
	state_destroy(&s, true);
}

static void test_other_alloc(void)
{
	struct state s;
	uint32_t i;

	make(&s);
	for (i = 0; i < 32; i++)
		CU_ASSERT_EQUAL(state_half_alloc(&s), i);
	CU_ASSERT_EQUAL(state_half_alloc(&s), STATE_NIL);
	HARD_SET(s.half[7].phase, HALF_SYN_RCVD);
	state_half_free(&s, 7);
	CU_ASSERT_EQUAL(HARD_GET(s.half[7].phase), HALF_FREE);
	CU_ASSERT_EQUAL(state_half_alloc(&s), 7);
	for (i = 0; i < PIECES; i++)
		CU_ASSERT_EQUAL(state_piece_alloc(&s), i);
	CU_ASSERT_EQUAL(state_piece_alloc(&s), STATE_NIL);
	state_piece_free(&s, 9);
	CU_ASSERT_EQUAL(state_piece_alloc(&s), 9);
	state_destroy(&s, true);
}

static void test_sum(void)
{
	struct rec r;
	uint16_t sum;
	uint8_t *b = (uint8_t *)&r;

	memset(&r, 0x5a, sizeof(r));
	sum = rec_sum(&r);
	for (size_t i = 0; i < sizeof(r); i++) {
		bool covered = i >= 64 && i != offsetof(struct rec, flags)
			&& i != offsetof(struct rec, sum) && i != offsetof(struct rec, sum) + 1;

		for (int bit = 0; bit < 8; bit++) {
			b[i] ^= 1 << bit;
			CU_ASSERT_EQUAL(rec_sum(&r) != sum, covered);
			b[i] ^= 1 << bit;
		}
	}
}

// Scan.

static struct state scan_s;

static void live(uint32_t i, uint64_t rcv_nxt, uint64_t snd_wr, enum rec_phase phase)
{
	struct rec *r = &scan_s.recs[i];

	r->rcv_head = r->snd_head = STATE_NIL;
	r->rcv_nxt = rcv_nxt;
	r->snd_wr = snd_wr;
	r->sum = rec_sum(r);
	HARD_SET(r->life, rec_life(3, 0, phase));
}

static void piece(uint32_t i, uint32_t conn, uint64_t start, uint32_t len, uint32_t next)
{
	scan_s.pieces[i]
		= (struct piece){.conn = conn, .gen = 3, .next = next, .len = len, .start = start};
}

static bool owned(uint32_t piece)
{
	for (uint32_t i = 0; i < scan_s.n_free_pieces; i++)
		if (scan_s.free_pieces[i] == piece)
			return false;
	return true;
}

static bool rec_is_free(uint32_t rec)
{
	for (uint32_t i = 0; i < scan_s.n_free_recs; i++)
		if (scan_s.free_recs[i] == rec)
			return true;
	return false;
}

static void test_scan_reach(void)
{
	make(&scan_s);
	live(1, 250, 1000, REC_LIVE);
	scan_s.recs[1].rcv_head = 10;
	piece(10, 1, 0, 100, 11);
	piece(11, 1, 100, 100, 12);
	piece(12, 1, 200, 100, STATE_NIL); // partly filled
	scan_s.recs[1].snd_head = 20;
	piece(20, 1, 500, 500, STATE_NIL);
	live(2, 100 | STATE_FIN, 0, REC_DONE); // the host still reads
	scan_s.recs[2].rcv_head = 30;
	piece(30, 2, 0, 100, STATE_NIL);
	live(3, 100, 100, REC_FREE);
	scan_s.recs[3].rcv_head = 40;
	piece(40, 3, 0, 100, STATE_NIL);
	HARD_SET(scan_s.half[4].phase, HALF_SYN_SENT);
	HARD_SET(scan_s.half[5].phase, HALF_FAILED);
	state_scan(&scan_s);
	CU_ASSERT_EQUAL(scan_s.n_free_recs, CONNS - 2);
	CU_ASSERT(!rec_is_free(1) && !rec_is_free(2) && rec_is_free(3));
	CU_ASSERT_EQUAL(scan_s.n_free_half, 30);
	CU_ASSERT_EQUAL(scan_s.n_free_pieces, PIECES - 5);
	CU_ASSERT(owned(10) && owned(11) && owned(12) && owned(20) && owned(30) && !owned(40));
	CU_ASSERT_EQUAL(scan_s.recs[1].rcv_head, 10);
	CU_ASSERT_EQUAL(scan_s.pieces[11].next, 12);
	state_destroy(&scan_s, true);
}

// A record that is damaged costs one connection: its place and its pieces are free, those of others
// are not.
static void test_scan_damaged(void)
{
	for (size_t at = offsetof(struct rec, laddr); at < sizeof(struct rec); at++) {
		if (at == offsetof(struct rec, flags))
			continue;
		make(&scan_s);
		for (uint32_t i = 1; i <= 3; i++) {
			live(i, 100, 0, i == 3 ? REC_DONE : REC_LIVE);
			scan_s.recs[i].rcv_head = 10 * i;
			piece(10 * i, i, 0, 100, STATE_NIL);
		}
		atomic_store(&scan_s.recs[2].flags, REC_CLOSED); // not in the sum
		((uint8_t *)&scan_s.recs[1])[at] ^= 0x10;
		CU_ASSERT_EQUAL(state_scan(&scan_s), 1);
		CU_ASSERT(rec_is_free(1) && !rec_is_free(2) && !rec_is_free(3));
		CU_ASSERT(rec_phase(&scan_s.recs[1]) == REC_FREE && rec_gen(&scan_s.recs[1]) == 3);
		CU_ASSERT(!owned(10) && owned(20) && owned(30));
		CU_ASSERT_EQUAL(state_scan(&scan_s), 0);
		state_destroy(&scan_s, true);
	}
}

// What was linked and never published is cut: it comes again.
static void test_scan_uncommitted(void)
{
	make(&scan_s);
	live(1, 200, 1000, REC_LIVE);
	scan_s.recs[1].rcv_head = 10;
	piece(10, 1, 0, 200, 11);
	piece(11, 1, 200, 100, STATE_NIL);
	scan_s.recs[1].snd_head = 20;
	piece(20, 1, 500, 500, 21);
	piece(21, 1, 1000, 500, STATE_NIL);
	live(2, 0, 0, REC_LIVE);
	scan_s.recs[2].rcv_head = 30;
	piece(30, 2, 0, 100, STATE_NIL);
	// A piece is in one chain only: received data is not sent.
	live(3, 200, 200, REC_LIVE);
	scan_s.recs[3].rcv_head = scan_s.recs[3].snd_head = 40;
	piece(40, 3, 0, 100, STATE_NIL);
	state_scan(&scan_s);
	CU_ASSERT(scan_s.recs[3].rcv_head == 40 && scan_s.recs[3].snd_head == STATE_NIL);
	CU_ASSERT(owned(10) && !owned(11) && owned(20) && !owned(21) && !owned(30));
	CU_ASSERT_EQUAL(scan_s.pieces[10].next, STATE_NIL);
	CU_ASSERT_EQUAL(scan_s.pieces[20].next, STATE_NIL);
	CU_ASSERT_EQUAL(scan_s.recs[2].rcv_head, STATE_NIL);
	state_destroy(&scan_s, true);
}

// Each is cut at its first bad link and what was before it is kept.
static void test_scan_insane(void)
{
	struct {
		const char *what;
		uint32_t next;
		struct piece bad;
	} t[] = {
		{"index", PIECES, {0}},
		{"connection", 11,
			{.conn = 2, .gen = 3, .next = STATE_NIL, .len = 100, .start = 100}},
		{"generation", 11,
			{.conn = 1, .gen = 2, .next = STATE_NIL, .len = 100, .start = 100}},
		{"empty", 11, {.conn = 1, .gen = 3, .next = STATE_NIL, .len = 0, .start = 100}},
		{"overlap", 11, {.conn = 1, .gen = 3, .next = STATE_NIL, .len = 100, .start = 99}},
		{"circle", 10, {0}},
		{"shared", 50, {0}},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		make(&scan_s);
		live(0, 5000, 0, REC_LIVE);
		scan_s.recs[0].rcv_head = 50;
		piece(50, 0, 0, 100, STATE_NIL);
		live(1, 1000, 0, REC_LIVE);
		scan_s.recs[1].rcv_head = 10;
		piece(10, 1, 0, 100, t[i].next);
		scan_s.pieces[11] = t[i].bad;
		state_scan(&scan_s);
		CU_ASSERT(owned(10) && owned(50) && !owned(11));
		CU_ASSERT_EQUAL(scan_s.n_free_pieces, PIECES - 2);
		if (scan_s.pieces[10].next != STATE_NIL || scan_s.n_free_pieces != PIECES - 2)
			printf("not cut: %s ", t[i].what);
		CU_ASSERT_EQUAL(scan_s.pieces[10].next, STATE_NIL);
		CU_ASSERT_EQUAL(scan_s.pieces[50].next, STATE_NIL);
		state_destroy(&scan_s, true);
	}
}

// Random bytes for pieces and heads: the scan ends, and the free lists are whole.
static void test_scan_random(void)
{
	static bool seen[PIECES];
	unsigned seed = 4711;

	printf("seed %u ", seed);
	for (int round = 0; round < 2000; round++) {
		make(&scan_s);
		for (uint32_t i = 0; i < CONNS; i++) {
			live(i, (uint64_t)rand_r(&seed) % 4000, (uint64_t)rand_r(&seed) % 4000,
				(enum rec_phase)(rand_r(&seed) % 3));
			scan_s.recs[i].rcv_head = (uint32_t)rand_r(&seed) % (PIECES + 8);
			scan_s.recs[i].snd_head = (uint32_t)rand_r(&seed) % (PIECES + 8);
		}
		for (uint32_t i = 0; i < PIECES; i++) {
			piece(i, (uint32_t)rand_r(&seed) % 4, (uint64_t)rand_r(&seed) % 2000,
				(uint32_t)rand_r(&seed) % 500,
				(uint32_t)rand_r(&seed) % (PIECES + 8));
		}
		state_scan(&scan_s);
		uint32_t n = scan_s.n_free_pieces;

		memset(seen, 0, sizeof(seen));
		for (uint32_t i = 0; i < n; i++) {
			CU_ASSERT_FATAL(
				scan_s.free_pieces[i] < PIECES && !seen[scan_s.free_pieces[i]]);
			seen[scan_s.free_pieces[i]] = true;
		}
		// What is left is sane: a second scan finds the same.
		state_scan(&scan_s);
		CU_ASSERT_EQUAL(scan_s.n_free_pieces, n);
		state_destroy(&scan_s, true);
	}
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"a segment is laid out and filled in", test_create},
		{"the file: 0600, allocated, replaced, locked", test_file},
		{"no symbolic link is followed", test_link},
		{"hugetlbfs, else /dev/shm", test_where},
		{"records and their generations", test_rec_alloc},
		{"half-open entries and pieces", test_other_alloc},
		{"the sum covers the cold line but flags and itself", test_sum},
		{"scan: what is reachable is owned", test_scan_reach},
		{"scan: what is damaged goes", test_scan_damaged},
		{"scan: what was not published is cut", test_scan_uncommitted},
		{"scan: what cannot be is cut", test_scan_insane},
		{"scan: random bytes", test_scan_random},
		CU_TEST_INFO_NULL,
	};

	return unit_run("state", tests);
}
