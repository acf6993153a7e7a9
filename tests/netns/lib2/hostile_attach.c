// Attaching in every wrong way. Each must be refused, with a reason; the engine counts them.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/netns/lib2/hostile.h"

static unsigned int failed;
static const int good_seals = F_SEAL_SHRINK | F_SEAL_GROW;

static void refused(const char *what, int s, const void *m, size_t bytes, int fd)
{
	struct ob_msg_attached a;
	int error = evil_send(s, m, bytes, fd) < 0 ? 1 : evil_answer(s, &a, NULL);

	if (error < 0 && a.reason[0]) {
		printf("refused: %s: %s\n", what, a.reason);
	} else {
		printf("wrong: %s: answer %d\n", what, error);
		failed++;
	}
	close(s);
	if (fd >= 0)
		close(fd);
}

static void messages(void)
{
	struct ob_seg_layout l;
	struct ob_msg_attach m;
	uint8_t longer[600];
	struct ob_msg_attached a;
	int s, fd;

	evil_layout(&l, false);
#define ONE(what, change, bytes, has_fd)                                                           \
	do {                                                                                       \
		m = evil_message(&l);                                                              \
		change;                                                                            \
		refused(what, evil_connect(), &m, bytes,                                           \
			has_fd ? evil_memfd(l.seg_bytes, 0, good_seals) : -1);                     \
	} while (0)
	ONE("magic", m.h.magic++, sizeof(m), true);
	ONE("version 0", m.h.abi_version = 0, sizeof(m), true);
	ONE("next version", m.h.abi_version++, sizeof(m), true);
	ONE("type", m.h.type = 77, sizeof(m), true);
	ONE("answer's type", m.h.type = OB_MSG_ATTACHED, sizeof(m), true);
	ONE("short", , sizeof(m) - 1, true);
	ONE("header only", , sizeof(m.h), true);
	ONE("one byte", , 1, false);
	ONE("no descriptor", , sizeof(m), false);
	memset(longer, 0x42, sizeof(longer));
	m = evil_message(&l);
	memcpy(longer, &m, sizeof(m));
	refused("long", evil_connect(), longer, sizeof(longer), -1);
	s = evil_connect();
	fd = evil_memfd(l.seg_bytes, 0, good_seals);
	m = evil_message(&l);
	if (evil_send(s, &m, sizeof(m), fd) < 0 || evil_answer(s, &a, NULL))
		evil_die("the first of two attaches");
	refused("twice on one socket", s, &m, sizeof(m), fd);
}

static void memory(const char *dir)
{
	struct ob_seg_layout l;
	struct ob_msg_attach m;
	char path[4096];
	int fd;

	evil_layout(&l, false);
	m = evil_message(&l);
	snprintf(path, sizeof(path), "%s/file", dir);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)l.seg_bytes))
		evil_die(path);
#define FD(what, value) refused(what, evil_connect(), &m, sizeof(m), value)
	FD("a file", fd);
	FD("/dev/zero", open("/dev/zero", O_RDWR));
	FD("a directory", open("/", O_RDONLY));
	FD("a socket", evil_connect());
	FD("unsealed", evil_memfd(l.seg_bytes, 0, 0));
	FD("may grow", evil_memfd(l.seg_bytes, 0, F_SEAL_SHRINK));
	FD("may shrink", evil_memfd(l.seg_bytes, 0, F_SEAL_GROW));
	FD("read only", evil_memfd(l.seg_bytes, 0, good_seals | F_SEAL_WRITE));
	FD("read only from now on", evil_memfd(l.seg_bytes, 0, good_seals | F_SEAL_FUTURE_WRITE));
	FD("too small", evil_memfd(l.seg_bytes - 4096, 0, good_seals));
	FD("too large", evil_memfd(l.seg_bytes + 4096, 0, good_seals));
	FD("empty", evil_memfd(4096, 0, good_seals));
	snprintf(path, sizeof(path), "/proc/self/fd/%d",
		fd = evil_memfd(l.seg_bytes, 0, good_seals));
	FD("opened for reading", open(path, O_RDONLY));
	close(fd);
	l.seg_bytes += 1;
	m = evil_message(&l);
	FD("no whole page", evil_memfd(l.seg_bytes, 0, good_seals));
}

static void layouts(void)
{
	struct ob_seg_layout good, l;
	struct ob_msg_attach m;

	evil_layout(&good, false);
#define LAYOUT(field, value)                                                                       \
	do {                                                                                       \
		l = good;                                                                          \
		l.field = (value);                                                                 \
		m = evil_message(&l);                                                              \
		refused(#field " = " #value, evil_connect(), &m, sizeof(m),                        \
			evil_memfd(good.seg_bytes, 0, good_seals));                                \
	} while (0)
	LAYOUT(n_channels, 0);
	LAYOUT(n_channels, OB_MAX_CHANNELS + 1);
	LAYOUT(n_channels, UINT32_MAX);
	LAYOUT(req_order, 3);
	LAYOUT(req_order, 17);
	LAYOUT(req_order, 64);
	LAYOUT(ev_order, 0);
	LAYOUT(ev_order, UINT32_MAX);
	LAYOUT(n_slots_accept, OB_MAX_SLOTS + 1);
	LAYOUT(n_slots_connect, UINT32_MAX);
	LAYOUT(n_slots_connect, OB_MAX_SLOTS);
	LAYOUT(seg_bytes, 0);
	LAYOUT(seg_bytes, 4096);
	LAYOUT(seg_bytes, OB_MAX_SEGMENT);
	LAYOUT(seg_bytes, UINT64_MAX);
	LAYOUT(chan_off, 0);
	LAYOUT(chan_off, good.chan_off + 8);
	LAYOUT(chan_off, good.seg_bytes);
	LAYOUT(chan_off, -(uint64_t)4096);
	LAYOUT(chan_stride, 0);
	LAYOUT(chan_stride, good.chan_stride * 2);
	LAYOUT(chan_stride, 1ull << 63);
	LAYOUT(slots_off, good.chan_off);
	LAYOUT(slots_off, good.slots_off + 4);
	LAYOUT(slots_off, good.seg_bytes - 64);
	LAYOUT(slots_off, -(uint64_t)64);
	LAYOUT(arena_off, good.slots_off);
	LAYOUT(arena_off, good.arena_off + 1);
	LAYOUT(arena_off, -(uint64_t)64);
	LAYOUT(arena_bytes, good.arena_bytes + 64);
	LAYOUT(arena_bytes, UINT64_MAX);
	LAYOUT(rx_buf_bytes, 0);
	LAYOUT(rx_buf_bytes, 1);
	LAYOUT(rx_buf_bytes, 513);
	LAYOUT(rx_buf_bytes, OB_MAX_RX_BUF * 2);
	LAYOUT(rx_bytes, good.rx_bytes + 1);
	LAYOUT(rx_bytes, good.arena_bytes + 4096);
	LAYOUT(rx_bytes, -(uint64_t)4096);
	LAYOUT(rx_off, good.rx_off - 64);
	LAYOUT(rx_off, good.rx_off + 8);
	LAYOUT(rx_off, good.seg_bytes);
	LAYOUT(rx_off, -(uint64_t)64);
}

int evil_attaches(int argc, char **argv)
{
	if (argc != 1)
		return 2;
	messages();
	memory(argv[0]);
	layouts();
	printf("%u wrong\n", failed);
	return failed ? 1 : 0;
}
