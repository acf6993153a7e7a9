// Attaching through a real socket: who is refused and why; the socket and those that only ask.
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "engine/hostif/socket.h"
#include "tests/unit/hostif/fixture.h"

// An attach message with one thing changed is refused, with a reason that says which.
struct hostile {
	const char *what;
	size_t offset; // in struct ob_seg_layout, of a field of `bytes` bytes
	size_t bytes;
	uint64_t value;
	int error;
	const char *reason;
};

#define FIELD(f) offsetof(struct ob_seg_layout, f), sizeof(((struct ob_seg_layout *)0)->f)

static const struct hostile hostiles[] = {
	{"no channels", FIELD(n_channels), 0, -EINVAL, "channels"},
	{"too many channels", FIELD(n_channels), OB_MAX_CHANNELS + 1, -EINVAL, "channels"},
	{"more channels than fit", FIELD(n_channels), 100, -EINVAL, "channels"},
	{"small request ring", FIELD(req_order), 3, -EINVAL, "ring"},
	{"large request ring", FIELD(req_order), 17, -EINVAL, "ring"},
	{"shift past the width", FIELD(ev_order), 200, -EINVAL, "ring"},
	{"another ring", FIELD(ev_order), 5, -EINVAL, "channels"},
	{"no room for channels", FIELD(chan_off), 1ull << 40, -EINVAL, "channels"},
	{"channels in the header", FIELD(chan_off), 0, -EINVAL, "channels"},
	{"channels not aligned", FIELD(chan_off), 4100, -EINVAL, "channels"},
	{"stride 0", FIELD(chan_stride), 0, -EINVAL, "channels"},
	{"stride overflows", FIELD(chan_stride), 1ull << 63, -EINVAL, "channels"},
	{"slots in the channels", FIELD(slots_off), 4096, -EINVAL, "slot words"},
	{"slots outside", FIELD(slots_off), 1ull << 63, -EINVAL, "slot words"},
	{"many slots", FIELD(n_slots_accept), UINT32_MAX, -EINVAL, "slots"},
	{"arena in the channels", FIELD(arena_off), 4096, -EINVAL, "arena"},
	{"arena past the end", FIELD(arena_bytes), 1ull << 30, -EINVAL, "arena"},
	{"arena overflows", FIELD(arena_bytes), UINT64_MAX - 4096, -EINVAL, "arena"},
	{"tiny buffers", FIELD(rx_buf_bytes), 64, -EINVAL, "receive buffers"},
	{"buffers of 0 bytes", FIELD(rx_buf_bytes), 0, -EINVAL, "receive buffers"},
	{"odd buffers", FIELD(rx_buf_bytes), 513, -EINVAL, "receive buffers"},
	{"half a buffer", FIELD(rx_bytes), 700, -EINVAL, "receive buffers"},
	{"buffers outside the arena", FIELD(rx_off), 4096, -EINVAL, "receive buffers"},
	{"buffers past the arena", FIELD(rx_bytes), 512 << 20, -EINVAL, "receive buffers"},
	{"larger than it is", FIELD(seg_bytes), 4 << 20, -EINVAL, "bytes, its layout"},
	{"larger than allowed", FIELD(seg_bytes), 64 << 20, -E2BIG, "limits.host_mb"},
	{"huge", FIELD(seg_bytes), UINT64_MAX, -EINVAL, "size of the segment"},
	{"tiny", FIELD(seg_bytes), 100, -EINVAL, "size of the segment"},
};

// Refused, and nothing of it is left.
static bool refused(struct world *w, struct peer *p, int got, int error, const char *reason)
{
	bool good = got == error && strstr(p->reply.reason, reason) != NULL
		&& ROSE(w, host_refused) == 1 && counters_rose(w) == 1 && w->h.n_active == 0
		&& w->control.hosts[0] == NULL && w->h.mem[0].base == NULL;

	if (!good)
		fprintf(stderr, "\nanswer %d, reason \"%s\", for \"%s\"\n", got, p->reply.reason,
			reason);
	return good;
}

static void test_layouts(void)
{
	struct world w;

	world_open(&w);
	for (unsigned i = 0; i < sizeof(hostiles) / sizeof(hostiles[0]); i++) {
		const struct hostile *x = &hostiles[i];
		struct peer p = {.fd = peer_connect(&w.e), .l = peer_layout(2, 4)};
		struct ob_msg_attach m = peer_message(&p.l);

		p.mem = peer_memfd(p.l.seg_bytes, PEER_SEALS);
		memcpy((uint8_t *)&m.layout + x->offset, &x->value, x->bytes);
		counters_mark(&w);
		CU_ASSERT(refused(
			&w, &p, peer_ask(&w.e, &p, &m, sizeof(m), p.mem), x->error, x->reason));
		p.seg = NULL;
		peer_close(&p);
	}
	world_close(&w);
}

static void refuse_memory(int fd, int error, const char *reason)
{
	struct world w;
	struct peer p = {.l = peer_layout(2, 4), .mem = fd};
	struct ob_msg_attach m = peer_message(&p.l);

	world_open(&w);
	p.fd = peer_connect(&w.e);
	counters_mark(&w);
	CU_ASSERT(refused(&w, &p, peer_ask(&w.e, &p, &m, sizeof(m), fd), error, reason));
	close(fd);
	p.mem = -1;
	peer_close(&p);
	world_close(&w);
}

// One whose host has not paid for all of it.
static int punched(uint64_t bytes, uint64_t at, uint64_t n)
{
	int fd = peer_memfd(bytes, PEER_SEALS);

	CU_ASSERT_EQUAL(
		fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)n), 0);
	return fd;
}

static void test_memory(void)
{
	uint64_t bytes = peer_layout(2, 4).seg_bytes;
	char path[] = "/tmp/ob-unit-XXXXXX";
	int file = mkstemp(path);

	refuse_memory(peer_memfd(bytes, 0), -EPERM, "sealed");
	refuse_memory(peer_memfd(bytes, F_SEAL_SHRINK), -EPERM, "sealed");
	refuse_memory(peer_memfd(bytes, F_SEAL_GROW), -EPERM, "sealed");
	refuse_memory(peer_memfd(bytes, PEER_SEALS | F_SEAL_WRITE), -EPERM, "writing");
	refuse_memory(punched(bytes, 0, bytes), -EINVAL, "0 of its");
	refuse_memory(punched(bytes, bytes - 4096, 4096), -EINVAL, "not allocated");
	refuse_memory(peer_memfd(bytes - 4096, PEER_SEALS), -EINVAL, "bytes, its layout");
	refuse_memory(peer_memfd(bytes + 4096, PEER_SEALS), -EINVAL, "bytes, its layout");
	CU_ASSERT_EQUAL(ftruncate(file, (off_t)bytes), 0);
	refuse_memory(file, -EINVAL, "not a memfd");
	refuse_memory(open("/dev/zero", O_RDWR), -EINVAL, "not a memfd");
	refuse_memory(-1, -EINVAL, "no descriptor");
	unlink(path);
}

static uint32_t open_fds(void)
{
	uint32_t n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

// Messages that are not what they should be: an answer where there is one, and the end.
static void test_messages(void)
{
	struct world w;
	struct ob_seg_layout l = peer_layout(1, 4);
	struct ob_msg_attach good = peer_message(&l), m;
	uint8_t longer[2000] = {0};
	struct {
		size_t n;
		uint64_t magic;
		uint32_t version, type;
		int error;
	} rows[] = {
		{sizeof(m), 1, OB_ABI_VERSION, OB_MSG_ATTACH, -EPROTO},
		{sizeof(m), OB_ABI_MAGIC, OB_ABI_VERSION + 1, OB_MSG_ATTACH, -EPROTONOSUPPORT},
		{sizeof(m), OB_ABI_MAGIC, OB_ABI_VERSION, 99, -EPROTO},
		{sizeof(m) - 1, OB_ABI_MAGIC, OB_ABI_VERSION, OB_MSG_ATTACH, -EPROTO},
		{3, OB_ABI_MAGIC, OB_ABI_VERSION, OB_MSG_ATTACH, -EPROTO},
		{sizeof(longer), OB_ABI_MAGIC, OB_ABI_VERSION, OB_MSG_ATTACH, -EMSGSIZE},
	};

	world_open(&w);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct peer p
			= {.fd = peer_connect(&w.e), .mem = peer_memfd(l.seg_bytes, PEER_SEALS)};
		char junk;

		m = good;
		m.h = (struct ob_msg_hdr){rows[i].magic, rows[i].version, rows[i].type};
		memcpy(longer, &m, sizeof(m));
		CU_ASSERT_EQUAL(peer_ask(&w.e, &p, longer, rows[i].n, p.mem), rows[i].error);
		CU_ASSERT(p.reply.reason[0] != 0);
		CU_ASSERT_EQUAL(recv(p.fd, &junk, 1, MSG_DONTWAIT), 0);
		peer_close(&p);
	}
	CU_ASSERT_EQUAL(w.control.n_clients, 0);
	// Many descriptors with a message: they do not stay open.
	struct peer p = {.fd = peer_connect(&w.e)};
	uint32_t before = open_fds();
	int fds[4] = {0, 0, 0, 0};

	CU_ASSERT_EQUAL(socket_send(p.fd, &m, 3, fds, 4), 0);
	world_turn(&w);
	world_turn(&w);
	CU_ASSERT_EQUAL(open_fds(), before);
	p.mem = -1;
	peer_close(&p);
	world_close(&w);
}

static void test_socket(void)
{
	struct world w;
	struct hostif h = {.n_hosts = 1, .reply_fd = 0};
	struct control second;
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct stat st;
	char err[256] = "";
	int s;

	world_open(&w);
	CU_ASSERT_EQUAL(stat(w.path, &st), 0);
	CU_ASSERT(S_ISSOCK(st.st_mode) && (st.st_mode & 0777) == 0660);
	CU_ASSERT_EQUAL(
		control_init(&second, &w.cfg, &h, NULL, w.path, err, sizeof(err)), -EADDRINUSE);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, "another engine"));
	CU_ASSERT_EQUAL(stat(w.path, &st), 0);
	// One whose engine died is replaced.
	s = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	snprintf(a.sun_path, sizeof(a.sun_path), "%.90s2", w.path);
	CU_ASSERT_EQUAL(bind(s, (struct sockaddr *)&a, sizeof(a)), 0);
	close(s);
	s = socket_listen(a.sun_path, "0600", "", err, sizeof(err));
	CU_ASSERT(s >= 0);
	CU_ASSERT_EQUAL(stat(a.sun_path, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
	close(s);
	unlink(a.sun_path);
	CU_ASSERT_EQUAL(socket_listen(a.sun_path, "rw", "", err, sizeof(err)), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, "socket_mode"));
	CU_ASSERT_EQUAL(
		socket_listen(a.sun_path, "0600", "no-such-group", err, sizeof(err)), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, "socket_group"));
	CU_ASSERT_EQUAL(stat(a.sun_path, &st), -1);
	CU_ASSERT_EQUAL(socket_listen("/proc/none/s", "0600", "", err, sizeof(err)), -ENOENT);
	world_close(&w);
}

static int page_of_seven(void *ctx, const struct ob_msg_ctl *q, void *page, size_t cap)
{
	CU_ASSERT(*(int *)ctx == 42 && q->what == OB_CTL_STAT && cap == OB_CTL_PAGE_BYTES);
	memset(page, 7, 777);
	return 777;
}

static void test_questions(void)
{
	struct world w;
	struct ob_msg_ctl q
		= {.h = {OB_ABI_MAGIC, OB_ABI_VERSION, OB_MSG_CTL}, .what = OB_CTL_STAT};
	uint8_t page[1000];
	int ctx = 42, fd;

	world_open(&w);
	fd = peer_connect(&w.e);
	for (unsigned i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(socket_send(fd, &q, sizeof(q), NULL, 0), 0);
		world_turn(&w);
		world_turn(&w);
		if (i == 0) {
			CU_ASSERT_EQUAL(recv(fd, page, sizeof(page), MSG_DONTWAIT),
				sizeof(struct ob_msg_ctl_page));
			CU_ASSERT(((struct ob_msg_ctl_page *)page)->error < 0);
		} else {
			CU_ASSERT_EQUAL(recv(fd, page, sizeof(page), MSG_DONTWAIT), 777);
		}
		w.control.inspect = page_of_seven;
		w.control.inspect_ctx = &ctx;
	}
	close(fd);
	world_close(&w);
}

// Clients that say nothing do not fill the engine up for ever, nor take a host's place.
static void test_silent_clients(void)
{
	struct world w;
	int fds[100];
	char junk;

	world_open(&w);
	for (unsigned i = 0; i < 100; i++) {
		fds[i] = peer_connect(&w.e);
		world_turn(&w);
	}
	CU_ASSERT_EQUAL(w.control.n_clients, w.control.max_clients);
	// The first ones had to go; the last ones are heard.
	CU_ASSERT_EQUAL(recv(fds[0], &junk, 1, MSG_DONTWAIT), 0);
	CU_ASSERT_EQUAL(recv(fds[99], &junk, 1, MSG_DONTWAIT), -1);
	for (unsigned i = 0; i < 100; i++)
		close(fds[i]);
	for (unsigned i = 0; i < 20; i++)
		world_turn(&w);
	CU_ASSERT_EQUAL(w.control.n_clients, 0);
	world_close(&w);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{"hostile layouts", test_layouts},
		{"hostile memory", test_memory},
		{"malformed messages", test_messages},
		{"the socket", test_socket},
		{"questions", test_questions},
		{"silent clients", test_silent_clients},
		CU_TEST_INFO_NULL,
	};

	return unit_eal() ? 1 : unit_run("attach", tests);
}
