#include "tests/netns/lib2/hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

void evil_die(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	exit(1);
}

void evil_layout(struct ob_seg_layout *l, bool huge)
{
	*l = (struct ob_seg_layout){
		.n_channels = 1,
		.req_order = 4,
		.ev_order = 6,
		.n_slots_accept = 64,
		.n_slots_connect = 64,
		.rx_buf_bytes = 4096,
		.rx_bytes = 4 << 20,
		.arena_bytes = 4 << 20,
	};
	if (ob_seg_layout_make(l, huge ? 2 << 20 : 4096))
		evil_die("layout");
}

int evil_memfd(uint64_t bytes, unsigned int flags, int seals)
{
	int fd = memfd_create("evil", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);

	if (fd < 0 || ftruncate(fd, (off_t)bytes) || fallocate(fd, 0, 0, (off_t)bytes)
		|| (seals && fcntl(fd, F_ADD_SEALS, seals)))
		evil_die("memfd");
	return fd;
}

int evil_connect(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct timeval limit = {.tv_sec = 5};
	int s = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", getenv(OB_SOCKET_ENV));
	if (s < 0 || connect(s, (struct sockaddr *)&at, sizeof(at)))
		evil_die(at.sun_path);
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return s;
}

int evil_send(int s, const void *m, size_t bytes, int fd)
{
	alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {(void *)(uintptr_t)m, bytes};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *c;

	if (fd >= 0) {
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	return (int)sendmsg(s, &msg, MSG_NOSIGNAL);
}

int evil_answer(int s, struct ob_msg_attached *m, int *bell)
{
	alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * OB_DOORBELLS_A_MSG)];
	struct iovec iov = {m, sizeof(*m)};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};

	*m = (struct ob_msg_attached){0};
	if (recvmsg(s, &msg, 0) != (ssize_t)sizeof(*m))
		return 1;
	if (bell && m->error == 0 && CMSG_FIRSTHDR(&msg))
		memcpy(bell, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
	return m->error;
}

struct ob_msg_attach evil_message(const struct ob_seg_layout *l)
{
	return (struct ob_msg_attach){
		.h = {OB_ABI_MAGIC, OB_ABI_VERSION, OB_MSG_ATTACH},
		.name = "evil",
		.layout = *l,
	};
}

void evil_attach(struct evil *e, bool huge)
{
	struct ob_msg_attached answer;
	struct ob_msg_attach m;

	*e = (struct evil){.gen = 1};
	evil_layout(&e->l, huge);
	e->fd = evil_memfd(e->l.seg_bytes, huge ? MFD_HUGETLB : 0, F_SEAL_SHRINK | F_SEAL_GROW);
	e->seg = mmap(NULL, e->l.seg_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, e->fd, 0);
	if (e->seg == MAP_FAILED)
		evil_die("mmap");
	e->chan = ob_seg_chan(e->seg, &e->l, 0);
	ob_ring_view_init(&e->req, &e->chan->req, ob_chan_req_entries(e->chan), e->l.req_order, 0);
	ob_ring_view_init(
		&e->ev, &e->chan->ev, ob_chan_ev_entries(e->chan, &e->l), e->l.ev_order, 0);
	m = evil_message(&e->l);
	e->ctl = evil_connect();
	if (evil_send(e->ctl, &m, sizeof(m), e->fd) < 0 || evil_answer(e->ctl, &answer, &e->bell)) {
		printf("refused: %s\n", answer.reason);
		exit(1);
	}
}

void evil_ring(struct evil *e)
{
	(void)!send(e->bell, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void nap(void)
{
	struct timespec t = {.tv_nsec = 20000};

	nanosleep(&t, NULL);
}

void evil_ask(struct evil *e, const struct ob_req *q)
{
	for (int i = 0; ob_ring_room(&e->req, 1) <= 0 && i < 100000; i++)
		nap();
	memcpy(ob_ring_at(&e->req, 0), q, sizeof(*q));
	ob_ring_advance(&e->req, 1);
	ob_ring_publish(&e->req);
	evil_ring(e);
}

bool evil_event(struct evil *e, struct ob_event *out)
{
	for (int i = 0; i < 20000; i++) {
		if (ob_ring_avail(&e->ev) > 0) {
			memcpy(out, ob_ring_at(&e->ev, 0), sizeof(*out));
			ob_ring_advance(&e->ev, 1);
			ob_ring_release(&e->ev);
			return true;
		}
		nap();
	}
	return false;
}

bool evil_thrown_out(struct evil *e, int ms)
{
	struct pollfd p = {.fd = e->ctl, .events = POLLIN | POLLRDHUP};

	return poll(&p, 1, ms) > 0;
}

uint32_t evil_conn(struct evil *e, uint32_t slot, uint16_t port)
{
	struct ob_req q = {.op = OB_RQ_CONNECT,
		.slot = e->l.n_slots_accept + slot,
		.gen = e->gen++,
		.addr.rport = port};
	struct ob_event ev;
	uint32_t v4 = htobe32(0x0a4d0002);

	q.addr.raddr = ob_addr_v4(v4);
	evil_ask(e, &q);
	while (evil_event(e, &ev))
		if (ev.type == OB_EV_CONNECT && ev.slot == q.slot && ev.gen == q.gen) {
			if (ev.error == 0)
				return q.gen;
			errno = -ev.error;
			evil_die("connect");
		}
	errno = ETIMEDOUT;
	evil_die("connect");
}

static int idlers(int argc, char **argv)
{
	for (int i = argc ? atoi(argv[0]) : 0; i > 0; i--)
		evil_connect();
	printf("ready\n");
	return pause();
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *doc;
} commands[] = {
	{"attaches", evil_attaches, "DIR: attaches in every wrong way, each to be refused"},
	{"idlers", idlers, "N: so many connections to the socket that say nothing"},
	{"garbage", evil_garbage, "SECONDS SEED PORT: random requests"},
	{"indices", evil_indices, "WHICH: a ring index that cannot be"},
	{"requests", evil_requests, "PORT: one bad request of each kind"},
	{"bells", evil_bells, "PORT: closes its doorbell, and goes on"},
	{"deaf", evil_deaf, "SECONDS PORT: says that it sleeps, takes no event, asks for more"},
	{"punch", evil_punch, "WHERE PORT ENGINE: takes its own memory away"},
};

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 2, argv + 2);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(stderr, "obt-hostile %s %s\n", commands[i].name, commands[i].doc);
	return 2;
}
