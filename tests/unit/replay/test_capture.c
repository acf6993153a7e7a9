// Files that are read from a pipe, and files that are no captures.
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/replay/fixture.h"
#include "tools/replay/capture.h"

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

void suite_capture(void)
{
	CU_pSuite s = CU_add_suite("files", NULL, NULL);

	CU_add_test(s, "from a pipe", from_a_pipe);
	CU_add_test(s, "packed ones", packed);
}
