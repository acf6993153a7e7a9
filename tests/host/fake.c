#include "tests/host/fake.h"

#include <CUnit/CUnit.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	abort();
}

void fake_start(struct fake *f)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	char dir[] = "/tmp/ob-fake-XXXXXX";

	*f = (struct fake){.ctl_fd = -1, .mem_fd = -1, .seed = 1};
	must(mkdtemp(dir) != NULL, "mkdtemp");
	snprintf(f->path, sizeof(f->path), "%s/sock", dir);
	strcpy(at.sun_path, f->path);
	f->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	must(bind(f->listen_fd, (struct sockaddr *)&at, sizeof(at)) == 0, "bind");
	must(listen(f->listen_fd, 4) == 0, "listen");
	for (uint32_t i = 0; i < FAKE_CHANNELS; i++)
		f->chans[i].bell = -1;
}

void fake_die(struct fake *f)
{
	for (uint32_t i = 0; i < FAKE_CHANNELS; i++) {
		if (f->chans[i].bell >= 0)
			close(f->chans[i].bell);
		f->chans[i].bell = -1;
	}
	if (f->ctl_fd >= 0)
		close(f->ctl_fd);
	f->ctl_fd = -1;
}

void fake_stop(struct fake *f)
{
	fake_die(f);
	if (f->seg)
		munmap(f->seg, f->l.seg_bytes);
	if (f->mem_fd >= 0)
		close(f->mem_fd);
	close(f->listen_fd);
	unlink(f->path);
	*strrchr(f->path, '/') = 0;
	rmdir(f->path);
}

struct ob_attach_opts fake_opts(const struct fake *f)
{
	struct ob_attach_opts o;

	ob_attach_opts_init(&o);
	o.socket = f->path;
	o.flags = OB_ATTACH_NO_HUGE | OB_ATTACH_QUIET;
	o.req_entries = 64;
	o.ev_entries = 64;
	o.accept_slots = 64;
	o.connect_slots = 64;
	o.rx_bytes = 4 << 20;
	o.tx_bytes = 4 << 20;
	return o;
}

static void recv_attach(struct fake *f)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {&f->attach, sizeof(f->attach)};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control.bytes),
	};

	must(recvmsg(f->ctl_fd, &msg, MSG_CMSG_CLOEXEC) == (ssize_t)sizeof(f->attach), "attach");
	must(CMSG_FIRSTHDR(&msg) != NULL, "no memory came");
	memcpy(&f->mem_fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
	f->l = f->attach.layout;
}

static void send_attached(struct fake *f, struct ob_msg_attached *m, const int *fds, uint32_t n)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * OB_DOORBELLS_A_MSG)];
	} control = {0};
	struct iovec iov = {m, f->reply == REPLY_GARBAGE ? 20 : sizeof(*m)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n);
		CMSG_FIRSTHDR(&msg)->cmsg_level = SOL_SOCKET;
		CMSG_FIRSTHDR(&msg)->cmsg_type = SCM_RIGHTS;
		CMSG_FIRSTHDR(&msg)->cmsg_len = CMSG_LEN(sizeof(int) * n);
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), fds, sizeof(int) * n);
	}
	sendmsg(f->ctl_fd, &msg, MSG_NOSIGNAL);
}

static void refuse(struct fake *f, struct ob_msg_attached *m)
{
	switch (f->reply) {
	case REPLY_ABI:
		m->error = -EPROTONOSUPPORT;
		m->h.abi_version = OB_ABI_VERSION + 1;
		strcpy(m->reason, "ABI version 1, wanted 2");
		break;
	case REPLY_OTHER_ABI:
		m->h.abi_version = OB_ABI_VERSION + 1;
		break;
	case REPLY_LAYOUT:
		m->error = -EINVAL;
		strcpy(m->reason, "size of a ring");
		break;
	default:
		break;
	}
	send_attached(f, m, NULL, 0);
}

// The fake's half of the attach protocol: one doorbell a message, to try several messages.
static void *serve_attach(void *arg)
{
	struct fake *f = arg;
	struct ob_msg_attached m
		= {.h = {OB_ABI_MAGIC, OB_ABI_VERSION, OB_MSG_ATTACHED}, .host_id = 7};
	uint32_t n = f->reply == REPLY_EXTRA_BELLS ? 3 : 1;

	f->ctl_fd = accept4(f->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	recv_attach(f);
	if (f->reply == REPLY_HANG_UP) {
		fake_die(f);
		return NULL;
	}
	if (ob_seg_layout_check(&f->l) || f->l.n_channels > FAKE_CHANNELS)
		f->reply = REPLY_LAYOUT;
	if (f->reply >= REPLY_ABI && f->reply <= REPLY_GARBAGE) {
		refuse(f, &m);
		return NULL;
	}
	f->seg = mmap(NULL, f->l.seg_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, f->mem_fd, 0);
	must(f->seg != MAP_FAILED, "mmap");
	atomic_store(&((struct ob_seg_hdr *)f->seg)->max_sends, f->max_sends);
	for (uint32_t i = 0; i < f->l.n_channels; i++) {
		struct fake_chan *c = &f->chans[i];
		int pair[2];

		c->shm = ob_seg_chan(f->seg, &f->l, i);
		ob_ring_view_init(
			&c->req, &c->shm->req, ob_chan_req_entries(c->shm), f->l.req_order, 0);
		ob_ring_view_init(
			&c->ev, &c->shm->ev, ob_chan_ev_entries(c->shm, &f->l), f->l.ev_order, 0);
		must(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) == 0, "socketpair");
		c->bell = pair[0];
		m.first_channel = i;
		m.n_doorbells = f->reply == REPLY_FEW_BELLS ? 2 : n;
		send_attached(f, &m, (int[]){pair[1], pair[1], pair[1]}, n);
		close(pair[1]);
	}
	f->rx_at = f->l.rx_off;
	return NULL;
}

int fake_attach(struct fake *f, const struct ob_attach_opts *o, struct ob_host **host)
{
	int error;

	must(pthread_create(&f->thread, NULL, serve_attach, f) == 0, "pthread_create");
	error = ob_attach(o, host);
	pthread_join(f->thread, NULL);
	return error;
}

struct ob_channel *fake_one(struct fake *f, struct ob_host **host)
{
	struct ob_attach_opts o;
	struct ob_channel *ch;

	fake_start(f);
	o = fake_opts(f);
	CU_ASSERT_EQUAL_FATAL(fake_attach(f, &o, host), 0);
	CU_ASSERT_EQUAL_FATAL(ob_channel_open(*host, &ch), 0);
	return ch;
}

// ---- By hand

bool fake_req(struct fake *f, uint32_t ch, struct ob_req *r)
{
	struct fake_chan *c = &f->chans[ch];

	if (ob_ring_avail(&c->req) <= 0)
		return false;
	*r = *(const struct ob_req *)ob_ring_at(&c->req, 0);
	ob_ring_advance(&c->req, 1);
	ob_ring_release(&c->req);
	return true;
}

struct ob_req fake_expect(struct fake *f, uint32_t ch, enum ob_req_op op)
{
	struct ob_req r = {0};

	CU_ASSERT_FATAL(fake_req(f, ch, &r));
	CU_ASSERT_EQUAL_FATAL(r.op, op);
	return r;
}

bool fake_quiet(struct fake *f, uint32_t ch)
{
	return ob_ring_avail(&f->chans[ch].req) == 0;
}

bool fake_event(struct fake *f, uint32_t ch, const struct ob_event *e)
{
	struct fake_chan *c = &f->chans[ch];

	if (ob_ring_room(&c->ev, 1) < 1)
		return false;
	*(struct ob_event *)ob_ring_at(&c->ev, 0) = *e;
	ob_ring_advance(&c->ev, 1);
	ob_ring_publish(&c->ev);
	atomic_fetch_add(&f->turns, 1); // a full fence
	if (atomic_load(&c->shm->host_sleeping))
		(void)!send(c->bell, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	return true;
}

static struct ob_event conn_event(enum ob_ev_type type, uint32_t slot, uint32_t gen, int error)
{
	return (struct ob_event){
		.type = (uint8_t)type,
		.slot = slot,
		.gen = gen,
		.error = error,
		.conn = {.laddr = ob_addr_v4(0x0100000a),
			.raddr = ob_addr_v4(0x0200000a),
			.lport = 80,
			.rport = (uint16_t)(40000 + slot),
			.mss = 1448,
			.opts = OB_NEG_TS | OB_NEG_WSCALE},
	};
}

void fake_accept(struct fake *f, uint32_t ch, uint32_t listener, uint32_t slot, uint32_t gen)
{
	struct ob_event e = conn_event(OB_EV_ACCEPT, slot, gen, 0);

	e.conn.chan_listener = (uint8_t)listener;
	CU_ASSERT_FATAL(fake_event(f, ch, &e));
}

void fake_connected(struct fake *f, uint32_t ch, uint32_t slot, uint32_t gen, int error)
{
	struct ob_event e = conn_event(OB_EV_CONNECT, slot, gen, error);

	CU_ASSERT_FATAL(fake_event(f, ch, &e));
}

void fake_data(struct fake *f, uint32_t ch, uint32_t slot, uint32_t gen, uint64_t off, uint32_t len,
	uint8_t flags)
{
	struct ob_event e = {.type = OB_EV_DATA, .slot = slot, .gen = gen, .flags = flags};

	e.data.off = off;
	while (len && e.n < OB_EV_SPANS) {
		uint32_t part = len < 1000 || e.n == OB_EV_SPANS - 1 ? len : len / 2;

		if (f->rx_at + part + 64 > f->l.rx_off + f->l.rx_bytes)
			f->rx_at = f->l.rx_off;
		for (uint32_t i = 0; i < part; i++)
			f->seg[f->rx_at + i] = fake_byte(off + i);
		e.data.spans[e.n++] = ob_span_make(f->rx_at, part);
		f->rx_at += part + 64; // so that spans do not touch
		off += part;
		len -= part;
	}
	CU_ASSERT_FATAL(fake_event(f, ch, &e));
}

void fake_sent(struct fake *f, uint32_t ch, uint32_t slot, uint32_t gen, uint64_t off)
{
	struct ob_event e = {.type = OB_EV_SENT, .n = 1};

	e.sent[0] = (struct ob_ev_sent){slot, gen, off};
	CU_ASSERT_FATAL(fake_event(f, ch, &e));
}

void fake_closed(struct fake *f, uint32_t ch, uint32_t slot, uint32_t gen, int error)
{
	struct ob_event e = {.type = OB_EV_CLOSED, .slot = slot, .gen = gen, .error = error};

	CU_ASSERT_FATAL(fake_event(f, ch, &e));
}
