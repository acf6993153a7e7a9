// Attaching and detaching.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "host_lib/lib.h"

#define ATTACH_TIMEOUT_S 10
#define DETACH_MAX_US 1000000

void ob_attach_opts_init(struct ob_attach_opts *opts)
{
	*opts = (struct ob_attach_opts){.size = sizeof(*opts)};
}

static void set_defaults(struct ob_attach_opts *o)
{
	const char *env = secure_getenv(OB_SOCKET_ENV);

	if (!o->socket)
		o->socket = env && *env ? env : OB_SOCKET_DIR "/" OB_INSTANCE_DEFAULT ".sock";
	if (!o->name)
		o->name = program_invocation_short_name;
#define DEFAULT(field, value) o->field = o->field ? o->field : (value)
	DEFAULT(channels, 1);
	DEFAULT(req_entries, 1024);
	DEFAULT(ev_entries, 4096);
	DEFAULT(accept_slots, 4096);
	DEFAULT(connect_slots, 4096);
	DEFAULT(rx_buf_bytes, 4096);
	DEFAULT(rx_bytes, 32u << 20);
	DEFAULT(tx_bytes, 32u << 20);
	DEFAULT(sndbuf_bytes, 1u << 20);
#undef DEFAULT
}

// Turns options into a layout's wishes. Returns 0 or -EINVAL.
static int wish(struct ob_seg_layout *l, const struct ob_attach_opts *o)
{
	uint64_t slab_bytes = (uint64_t)ARENA_SLAB_BYTES * o->channels;

	if (o->channels > OB_MAX_CHANNELS || o->req_entries & (o->req_entries - 1)
		|| o->ev_entries & (o->ev_entries - 1) || o->rx_bytes < o->rx_buf_bytes
		|| o->sndbuf_bytes > 1u << 30 || o->tx_bytes > OB_MAX_SEGMENT / 4
		|| (o->reason_bytes && !o->reason))
		return -EINVAL;
	*l = (struct ob_seg_layout){
		.n_channels = o->channels,
		.req_order = (uint32_t)__builtin_ctz(o->req_entries),
		.ev_order = (uint32_t)__builtin_ctz(o->ev_entries),
		.n_slots_accept = o->accept_slots,
		.n_slots_connect = o->connect_slots,
		.rx_buf_bytes = o->rx_buf_bytes,
		.rx_bytes = o->rx_bytes,
		// Whole slabs for every channel, behind the alignment of the first.
		.arena_bytes = (o->tx_bytes + slab_bytes - 1) / slab_bytes * slab_bytes + 64,
	};
	return 0;
}

static int connect_engine(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct timeval limit = {.tv_sec = ATTACH_TIMEOUT_S};
	int fd;
	int err;

	if (strlen(path) >= sizeof(at.sun_path))
		return -ENAMETOOLONG;
	strcpy(at.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit))
		|| setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit))
		|| connect(fd, (struct sockaddr *)&at, sizeof(at))) {
		err = errno == EAGAIN ? -ETIMEDOUT : -errno;
		close(fd);
		return err;
	}
	return fd;
}

// The engine may end before it answers.
static int attach_error(int error)
{
	return error == EAGAIN				? -ETIMEDOUT
		: error == EPIPE || error == ECONNRESET ? -ECONNREFUSED
							: -error;
}

static int send_attach(struct ob_host *h, const char *name)
{
	struct ob_msg_attach m = {
		.h = {OB_ABI_MAGIC, OB_ABI_VERSION, OB_MSG_ATTACH},
		.features = LIB_FEATURES,
		.layout = h->layout,
	};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {&m, sizeof(m)};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	snprintf(m.name, sizeof(m.name), "%s", name);
	if (getrandom(m.token, sizeof(m.token), 0) != (ssize_t)sizeof(m.token))
		return -EIO;
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &h->mem_fd, sizeof(int));
	if (sendmsg(h->ctl_fd, &msg, MSG_NOSIGNAL) == (ssize_t)sizeof(m))
		return 0;
	return attach_error(errno);
}

// One ATTACHED message: its doorbells become those of channels [*n_have, ...). Descriptors that
// came with a message that makes no sense are closed.
static int recv_attached(struct ob_host *h, struct ob_msg_attached *m, uint32_t *n_have)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * OB_DOORBELLS_A_MSG)];
	} control;
	struct iovec iov = {m, sizeof(*m)};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t got = recvmsg(h->ctl_fd, &msg, MSG_CMSG_CLOEXEC);
	uint32_t n_fds = 0;
	int fd;

	if (got < 0)
		return attach_error(errno);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++, n_fds++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (*n_have + n_fds < h->layout.n_channels)
				h->channels[*n_have + n_fds].bell_fd = fd;
			else
				close(fd);
		}
	}
	if (got != (ssize_t)sizeof(*m) || m->h.magic != OB_ABI_MAGIC
		|| m->h.type != OB_MSG_ATTACHED)
		return got == 0 ? -ECONNREFUSED : -EPROTO;
	m->reason[sizeof(m->reason) - 1] = 0;
	if (m->error)
		return m->error < 0 && m->error > -4096 ? m->error : -EPROTO;
	if (m->h.abi_version != OB_ABI_VERSION)
		return -EPROTONOSUPPORT;
	if (m->first_channel != *n_have || m->n_doorbells != n_fds || n_fds == 0
		|| n_fds > h->layout.n_channels - *n_have)
		return -EPROTO;
	*n_have += n_fds;
	return 0;
}

static int handshake(struct ob_host *h, const struct ob_attach_opts *o)
{
	struct ob_msg_attached m = {0};
	uint32_t n_have = 0;
	int error = send_attach(h, o->name);

	while (!error && n_have < h->layout.n_channels)
		error = recv_attached(h, &m, &n_have);
	if (o->reason_bytes)
		snprintf(o->reason, o->reason_bytes, "%s", m.reason);
	h->host_id = m.host_id;
	h->features = m.features & LIB_FEATURES;
	return error;
}

// Memory of which nothing is used before it is touched.
static void *reserve(size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

static int make_state(struct ob_host *h)
{
	size_t n = (size_t)h->layout.n_slots_accept + h->layout.n_slots_connect;

	h->conns = reserve(n * sizeof(*h->conns));
	h->cold = reserve(n * sizeof(*h->cold));
	h->channels = calloc(h->layout.n_channels, sizeof(*h->channels));
	if (!h->conns || !h->cold || !h->channels)
		return -ENOMEM;
	for (uint32_t i = 0; i < h->layout.n_channels; i++)
		h->channels[i].bell_fd = h->channels[i].epoll_fd = -1;
	return 0;
}

static int attach(struct ob_host *h, const struct ob_attach_opts *o)
{
	struct ob_seg_hdr *hdr;
	int error;

	if (wish(&h->layout, o))
		return -EINVAL;
	// First the engine, so that nothing is allocated when there is none.
	h->ctl_fd = connect_engine(o->socket);
	if (h->ctl_fd < 0)
		return h->ctl_fd;
	error = segment_make(h, !(o->flags & OB_ATTACH_NO_HUGE), o->name);
	if (error)
		return error;
	if (!h->hugepages && !(o->flags & (OB_ATTACH_NO_HUGE | OB_ATTACH_QUIET)))
		fprintf(stderr,
			"outboard: warning: not enough free hugepages for %llu MiB; using ordinary "
			"pages\n",
			(unsigned long long)(h->layout.seg_bytes >> 20));
	hdr = (struct ob_seg_hdr *)h->seg;
	hdr->magic = OB_ABI_MAGIC;
	hdr->abi_version = OB_ABI_VERSION;
	hdr->hdr_bytes = sizeof(*hdr);
	hdr->features = LIB_FEATURES;
	hdr->layout = h->layout;
	snprintf(hdr->name, sizeof(hdr->name), "%s", o->name);
	error = make_state(h);
	if (!error)
		error = handshake(h, o);
	for (uint32_t i = 0; !error && i < h->layout.n_channels; i++)
		error = channel_init(&h->channels[i], h, i, o->sndbuf_bytes);
	return error;
}

int ob_attach(const struct ob_attach_opts *opts, struct ob_host **host)
{
	struct ob_attach_opts o = {.size = sizeof(o)};
	struct ob_host *h;
	int error;

	if (opts)
		o = *opts;
	if (o.size != sizeof(o))
		return -EINVAL;
	set_defaults(&o);
	h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	h->mem_fd = h->ctl_fd = -1;
	error = attach(h, &o);
	if (error) {
		ob_detach(h);
		return error;
	}
	*host = h;
	return 0;
}

void ob_detach(struct ob_host *h)
{
	size_t n = (size_t)h->layout.n_slots_accept + h->layout.n_slots_connect;
	int64_t deadline_us = now_us() + DETACH_MAX_US;

	for (uint32_t i = 0; h->channels && i < h->layout.n_channels; i++)
		if (h->channels[i].shm && h->ctl_fd >= 0)
			channel_drain(&h->channels[i], deadline_us);
	for (uint32_t i = 0; h->channels && i < h->layout.n_channels; i++)
		channel_free(&h->channels[i]);
	if (h->ctl_fd >= 0)
		close(h->ctl_fd);
	if (h->conns)
		munmap(h->conns, n * sizeof(*h->conns));
	if (h->cold)
		munmap(h->cold, n * sizeof(*h->cold));
	segment_free(h);
	free(h->channels);
	free(h);
}

void ob_host_info(struct ob_host *host, struct ob_host_info *info)
{
	*info = (struct ob_host_info){
		.host_id = host->host_id,
		.channels = host->layout.n_channels,
		.n_open = atomic_load(&host->n_open),
		.hugepages = host->hugepages,
		.gone = atomic_load(&host->gone),
		.seg_bytes = host->layout.seg_bytes,
		.features = host->features,
	};
}
