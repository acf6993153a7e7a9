// Files that are read from a pipe, and files that are no captures.
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/replay/fixture.h"
#include "tools/replay/capture.h"
#include "tools/replay/quoted.h"

static int none(void *arg, uint64_t frame, uint64_t t_ns, const struct packet *p)
{
	(void)arg;
	(void)frame;
	(void)t_ns;
	(void)p;
	return 0;
}

// The bytes, through a pipe, into a copy.
static void piped(const void *bytes, size_t n, char *path, unsigned path_bytes)
{
	int ends[2];

	CU_ASSERT_FATAL(pipe(ends) == 0);
	CU_ASSERT_FATAL(write(ends[1], bytes, n) == (ssize_t)n);
	close(ends[1]);
	CU_ASSERT_FATAL(capture_copy(ends[0], path, path_bytes) == 0);
	close(ends[0]);
}

// A pipe's capture can be read as often as a file's.
static void from_a_pipe(void)
{
	static const uint32_t file[] = {0xa1b2c3d4, 2 | 4 << 16, 0, 0, 65535, 1, // the file's head
		100, 0, 20, 20, 0, 0, 0, 0, 0, // a frame of 20 bytes
		100, 1, 20, 20, 0, 0, 0, 0, 0};
	struct notes notes = {.file = "test"};
	struct capture_counts counts;
	char path[32], err[200];

	piped(file, sizeof(file), path, sizeof(path));
	for (int i = 0; i < 2; i++) {
		CU_ASSERT(capture_read(path, &notes, &counts, none, NULL, err, sizeof(err)) == 0);
		CU_ASSERT(counts.frames == 2 && notes.of[NOTE_FILE_BROKEN].count == 0);
	}
	CU_ASSERT(capture_copy(-1, path, sizeof(path)) == -EBADF);
}

static void packed(void)
{
	static const struct {
		uint8_t begin[8];
		const char *text;
	} rows[] = {{{0x1f, 0x8b, 8, 0}, "gunzip"}, {{0xfd, '7', 'z', 'X', 'Z'}, "unxz"},
		{{0x28, 0xb5, 0x2f, 0xfd}, "unzstd"}, {{'B', 'Z', 'h', '9'}, "bunzip2"},
		{{'t', 'e', 'x', 't'}, "unknown file format"}};
	struct notes notes = {.file = "test"};
	struct capture_counts counts;
	char path[32], err[200];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		piped(rows[i].begin, sizeof(rows[i].begin), path, sizeof(path));
		CU_ASSERT(capture_read(path, &notes, &counts, none, NULL, err, sizeof(err))
			== -EINVAL);
		CU_ASSERT(strstr(err, rows[i].text) != NULL);
		CU_ASSERT((strstr(err, "unpack it first") != NULL) == (i < 4));
	}
}

// The times of a file's TCP frames.
struct times {
	uint64_t ns[8];
	unsigned n;
};

static int take_time(void *arg, uint64_t frame, uint64_t t_ns, const struct packet *p)
{
	struct times *t = arg;

	(void)frame;
	(void)p;
	CU_ASSERT_FATAL(t->n < 8);
	t->ns[t->n++] = t_ns;
	return 0;
}

// Writes frames of an empty TCP segment (raw IPv4) at these seconds and reads them again.
static struct times read_times(const uint32_t *seconds, unsigned n, struct notes *notes)
{
	static const uint32_t head[] = {0xa1b2c3d4, 2 | 4 << 16, 0, 0, 65535, 101};
	uint8_t file[1024],
		ip[40] = {0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0xfb, 0xcf, 10, 0, 0, 1, 0, 0, 0, 0, 0,
			1, 0, 2, [32] = 0x50, TCP_ACK};
	struct capture_counts counts;
	struct times t = {.n = 0};
	const unsigned sum = 0x4500 + 40 + 0x4006 + 0x0a00 + 1;
	char path[32], err[200];
	size_t bytes = sizeof(head);

	ip[10] = (0xffff - sum) >> 8;
	ip[11] = (uint8_t) ~(0x4500 + 40 + 0x4006 + 0x0a00 + 1);
	memcpy(file, head, sizeof(head));
	for (unsigned i = 0; i < n; i++, bytes += 16 + sizeof(ip)) {
		const uint32_t of[4] = {seconds[i], 0, sizeof(ip), sizeof(ip)};

		memcpy(file + bytes, of, sizeof(of));
		memcpy(file + bytes + sizeof(of), ip, sizeof(ip));
	}
	*notes = (struct notes){.file = "test"};
	piped(file, bytes, path, sizeof(path));
	CU_ASSERT(capture_read(path, notes, &counts, take_time, &t, err, sizeof(err)) == 0);
	CU_ASSERT_FATAL(t.n == n);
	return t;
}

// A clock that is set back, for good or for one frame: time goes on, and no pause is made of it.
static void clock_set_back(void)
{
	const uint64_t s = 1000000000;
	struct notes notes;
	struct times t;

	t = read_times((uint32_t[]){500, 501, 400, 403, 404}, 5, &notes);
	CU_ASSERT(t.ns[1] == 501 * s && t.ns[2] == 501 * s && t.ns[3] == 504 * s);
	CU_ASSERT(t.ns[4] == 505 * s && notes.of[NOTE_CLOCK].count == 1);
	CU_ASSERT(notes.of[NOTE_CLOCK].frame == 3 && strstr(notes.of[NOTE_CLOCK].text, "101.000"));
	t = read_times((uint32_t[]){500, 501, 400, 502, 503}, 5, &notes);
	CU_ASSERT(t.ns[2] == 501 * s && t.ns[3] == 502 * s && t.ns[4] == 503 * s);
	// Out of order by no more than a second: left to the sessions.
	t = read_times((uint32_t[]){500, 499, 500}, 3, &notes);
	CU_ASSERT(t.ns[1] == 499 * s && t.ns[2] == 500 * s && notes.of[NOTE_CLOCK].count == 0);
}

// libpcap's refusal of a second kind of interface is told from a broken file.
static void two_interfaces(void)
{
	static const uint32_t file[] = {0x0a0d0d0a, 28, 0x1a2b3c4d, 1, ~0u, ~0u, 28, // the section
		1, 20, 1, 65535, 20, // Ethernet
		1, 20, 101, 65535, 20, // raw IP
		6, 36, 0, 0, 0, 4, 4, 0, 36}; // a frame
	struct notes notes = {.file = "test"};
	struct capture_counts counts;
	char path[32], err[200];

	piped(file, sizeof(file), path, sizeof(path));
	CU_ASSERT(capture_read(path, &notes, &counts, none, NULL, err, sizeof(err)) == 0);
	CU_ASSERT(notes.of[NOTE_INTERFACES].count == 1 && notes.of[NOTE_FILE_BROKEN].count == 0);
}

static void names_in_json(void)
{
	static const struct {
		const char *text, *quoted;
	} rows[] = {{"plain", "\"plain\""}, {"a\"b\\c\n", "\"a\\\"b\\\\c\\u000a\""},
		{"gr\xc3\xb6\xc3\x9f"
		 "e \xe2\x82\xac \xf0\x9f\x98\x80",
			"\"gr\xc3\xb6\xc3\x9f"
			"e \xe2\x82\xac \xf0\x9f\x98\x80\""},
		// Latin 1, cut, too long a form, a surrogate, past the last.
		{"\xf6x", "\"\\ufffdx\""}, {"\xe2\x82", "\"\\ufffd\\ufffd\""},
		{"\xc0\xaf", "\"\\ufffd\\ufffd\""}, {"\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\""},
		{"\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\""}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[100] = "";
		FILE *out = fmemopen(text, sizeof(text), "w");

		CU_ASSERT_FATAL(out != NULL);
		quoted_print(out, rows[i].text);
		fclose(out);
		CU_ASSERT_STRING_EQUAL(text, rows[i].quoted);
	}
}

void suite_capture(void)
{
	CU_pSuite s = CU_add_suite("files", NULL, NULL);

	CU_add_test(s, "from a pipe", from_a_pipe);
	CU_add_test(s, "packed ones", packed);
	CU_add_test(s, "a clock that is set back", clock_set_back);
	CU_add_test(s, "interfaces of two kinds", two_interfaces);
	CU_add_test(s, "names in JSON", names_in_json);
}
