#include "tests/unit/hostif/peer.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "engine/hostif/socket.h"

struct ob_seg_layout peer_layout(uint32_t channels, uint32_t order)
{
	struct ob_seg_layout l = {.n_channels = channels,
		.req_order = order,
		.ev_order = order,
		.n_slots_accept = 4,
		.n_slots_connect = 4,
		.rx_buf_bytes = 512,
		.rx_bytes = 512 * 32,
		.arena_bytes = 65536};

	CU_ASSERT_FATAL(ob_seg_layout_make(&l, 4096) == 0);
	return l;
}

int peer_memfd(uint64_t bytes, int seals)
{
	int fd = memfd_create("unit", MFD_ALLOW_SEALING | MFD_CLOEXEC);

	CU_ASSERT_FATAL(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0
		&& fallocate(fd, 0, 0, (off_t)bytes) == 0);
	CU_ASSERT_FATAL(seals == 0 || fcntl(fd, F_ADD_SEALS, seals) == 0);
	return fd;
}

int peer_connect(const struct peer_engine *e)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", e->path);
	CU_ASSERT_FATAL(connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0);
	return fd;
}

struct ob_msg_attach peer_message(const struct ob_seg_layout *l)
{
	struct ob_msg_attach m = {.h = {OB_ABI_MAGIC, OB_ABI_VERSION, OB_MSG_ATTACH}, .layout = *l};

	strcpy(m.name, "unit");
	return m;
}

// Doorbells come in packets; each has its descriptors.
static ssize_t take_reply(struct peer *p)
{
	alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(OB_DOORBELLS_A_MSG * sizeof(int))];
	struct iovec v = {&p->reply, sizeof(p->reply)};
	struct msghdr m = {.msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(p->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *c;

	if (n < (ssize_t)sizeof(p->reply))
		return n;
	c = CMSG_FIRSTHDR(&m);
	if (c && p->reply.first_channel + p->reply.n_doorbells <= OB_MAX_CHANNELS)
		memcpy(&p->bells[p->reply.first_channel], CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
	return n;
}

int peer_ask(const struct peer_engine *e, struct peer *p, const void *bytes, size_t n, int fd)
{
	ssize_t got;

	CU_ASSERT_FATAL(socket_send(p->fd, bytes, n, &fd, fd >= 0) == 0);
	for (unsigned i = 0; i < 4; i++)
		e->turn(e->ctx);
	got = take_reply(p);
	if (got < 0)
		return 1;
	return got == 0 ? 2 : p->reply.error;
}

void peer_attach(const struct peer_engine *e, struct peer *p, uint32_t channels, uint32_t order)
{
	struct ob_seg_layout l = peer_layout(channels, order);

	peer_attach_layout(e, p, &l);
}

void peer_attach_layout(const struct peer_engine *e, struct peer *p, const struct ob_seg_layout *l)
{
	struct ob_msg_attach m;
	struct ob_chan_shm *c;

	*p = (struct peer){.fd = peer_connect(e), .l = *l};
	p->mem = peer_memfd(p->l.seg_bytes, PEER_SEALS);
	p->seg = mmap(NULL, p->l.seg_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, p->mem, 0);
	m = peer_message(&p->l);
	CU_ASSERT_EQUAL_FATAL(peer_ask(e, p, &m, sizeof(m), p->mem), 0);
	while (p->reply.first_channel + p->reply.n_doorbells < l->n_channels)
		CU_ASSERT_FATAL(take_reply(p) > 0);
	c = ob_seg_chan(p->seg, &p->l, 0);
	ob_ring_view_init(&p->req, &c->req, ob_chan_req_entries(c), p->l.req_order, 0);
	ob_ring_view_init(&p->ev, &c->ev, ob_chan_ev_entries(c, &p->l), p->l.ev_order, 0);
	for (uint32_t i = 0; i < e->h->n_active; i++)
		if (e->h->active[i]->id == p->reply.host_id)
			p->host = e->h->active[i];
	CU_ASSERT_PTR_NOT_NULL_FATAL(p->host);
}

void peer_close(struct peer *p)
{
	for (uint32_t i = 0; i < p->l.n_channels; i++)
		if (p->bells[i] > 0)
			close(p->bells[i]);
	if (p->seg)
		munmap(p->seg, p->l.seg_bytes);
	close(p->mem);
	close(p->fd);
}

void peer_request(struct peer *p, const struct ob_req *q)
{
	CU_ASSERT_FATAL(ob_ring_room(&p->req, 1) > 0);
	memcpy(ob_ring_at(&p->req, 0), q, sizeof(*q));
	ob_ring_advance(&p->req, 1);
	ob_ring_publish(&p->req);
}

bool peer_has_event(struct peer *p)
{
	return ob_ring_avail(&p->ev) > 0;
}

struct ob_event peer_event(struct peer *p)
{
	struct ob_event e = {0};

	CU_ASSERT(peer_has_event(p));
	if (!peer_has_event(p))
		return e;
	e = *(struct ob_event *)ob_ring_at(&p->ev, 0);
	ob_ring_advance(&p->ev, 1);
	ob_ring_release(&p->ev);
	return e;
}
