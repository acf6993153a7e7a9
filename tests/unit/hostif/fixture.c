#include "tests/unit/hostif/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "engine/hostif/socket.h"

struct script script;

// TCP, scripted.
static int called(const char *name, uint32_t id, uint64_t off)
{
	script.calls++;
	script.last = name;
	script.id = id;
	script.off = off;
	return script.answer;
}

int tcp_listen(struct tcp *t, const struct tcp_open *o, uint32_t *listener)
{
	(void)t;
	script.open = *o;
	*listener = script.answer_id;
	return called("listen", 0, 0);
}

int tcp_unlisten(struct tcp *t, uint32_t listener)
{
	(void)t;
	return called("unlisten", listener, 0);
}

int tcp_connect(struct tcp *t, const struct tcp_open *o, uint32_t *id)
{
	(void)t;
	script.open = *o;
	*id = script.answer_id;
	return called("connect", 0, 0);
}

int tcp_send(struct tcp *t, uint32_t conn, uint64_t off, uint64_t arena_off, uint32_t len,
	unsigned flags)
{
	(void)t;
	script.arena_off = arena_off;
	script.len = len;
	script.flags = flags;
	return called("send", conn, off);
}

int tcp_consumed(struct tcp *t, uint32_t conn, uint64_t off)
{
	(void)t;
	called("consumed", conn, off);
	return script.answer_consumed;
}

int tcp_shutdown(struct tcp *t, uint32_t conn, uint64_t off)
{
	(void)t;
	return called("shutdown", conn, off);
}

int tcp_close(struct tcp *t, uint32_t id, uint64_t off)
{
	(void)t;
	return called("close", id, off);
}

int tcp_abort(struct tcp *t, uint32_t id)
{
	(void)t;
	return called("abort", id, 0);
}

// Like the real one, which frees the record.
int tcp_release(struct tcp *t, uint32_t conn)
{
	struct rec *r = tcp_rec(t, conn);

	t->ops->freed(t->ops->ctx, r);
	t->soft_of[conn] = STATE_NIL;
	t->host_conns[r->host]--;
	HARD_SET(r->life, rec_life(rec_gen(r), 0, REC_FREE));
	return called("release", conn, 0);
}

int tcp_setopt(struct tcp *t, uint32_t conn, unsigned option, uint64_t value)
{
	(void)t;
	script.option = option;
	script.value = value;
	return called("setopt", conn, 0);
}

int tcp_listener_setopt(struct tcp *t, uint32_t listener, unsigned option, uint64_t value)
{
	(void)t;
	script.option = option;
	script.value = value;
	return called("listener_setopt", listener, 0);
}

bool tcp_host_gone(struct tcp *t, uint16_t host, uint32_t *cursor, uint32_t max)
{
	(void)max;
	script.gone = true;
	for (; *cursor < t->n_conns; ++*cursor)
		if (rec_phase(tcp_rec(t, *cursor)) != REC_FREE && tcp_rec(t, *cursor)->host == host)
			tcp_release(t, *cursor);
	return true;
}

uint32_t tcp_host_conns(const struct tcp *t, uint16_t host)
{
	return t->host_conns[host];
}

void world_open(struct world *w)
{
	static unsigned n;
	char err[512] = "";

	memset(w, 0, sizeof(*w));
	memset(&script, 0, sizeof(script));
	config_defaults(&w->cfg);
	w->cfg.limits_conns = WORLD_CONNS;
	w->cfg.limits_half_open = WORLD_HALF;
	w->cfg.limits_time_wait = 16;
	w->cfg.limits_pieces = 256;
	w->cfg.limits_listeners = 16;
	w->cfg.limits_hosts = 2;
	w->cfg.limits_host_conns = 256;
	w->cfg.limits_host_mb = 8;
	CU_ASSERT_FATAL(state_create(&w->st, &w->cfg, true, 0, 1000000000, err, sizeof(err)) == 0);
	CU_ASSERT_FATAL(hostif_init(&w->h, &w->cfg, &w->st, &w->tcp, &w->cnt) == 0);
	w->tcp.cfg = &w->cfg;
	w->tcp.st = &w->st;
	w->tcp.cnt = &w->cnt;
	w->tcp.ops = &w->h.ops;
	w->tcp.mem = w->h.mem;
	w->tcp.now_us = 1000000;
	w->tcp.n_conns = WORLD_CONNS;
	w->tcp.n_half = WORLD_HALF;
	w->tcp.soft = calloc(WORLD_CONNS, sizeof(*w->tcp.soft));
	w->tcp.soft_of = malloc(WORLD_CONNS * sizeof(uint32_t));
	w->tcp.host_conns = calloc(2, sizeof(uint32_t));
	memset(w->tcp.soft_of, 0xff, WORLD_CONNS * sizeof(uint32_t));
	snprintf(w->path, sizeof(w->path), "/tmp/ob-unit-%d-%u/s.sock", getpid(), n++);
	if (control_init(&w->control, &w->cfg, &w->h, NULL, w->path, err, sizeof(err))) {
		fprintf(stderr, "%s\n", err);
		CU_FAIL_FATAL("control_init");
	}
}

void world_close(struct world *w)
{
	control_fini(&w->control);
	*strrchr(w->path, '/') = 0;
	rmdir(w->path);
	hostif_fini(&w->h);
	free(w->tcp.soft);
	free(w->tcp.soft_of);
	free(w->tcp.host_conns);
	state_destroy(&w->st, false);
}

void world_turn(struct world *w)
{
	control_turn(&w->control, 0);
	w->tcp.now_us += 1000;
	hostif_commands(&w->h);
	hostif_requests(&w->h);
	hostif_publish(&w->h);
	hostif_doorbells(&w->h);
	control_turn(&w->control, 0);
}

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

	CU_ASSERT_FATAL(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0);
	CU_ASSERT_FATAL(seals == 0 || fcntl(fd, F_ADD_SEALS, seals) == 0);
	return fd;
}

int peer_connect(const struct world *w)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", w->path);
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

int peer_ask(struct world *w, struct peer *p, const void *bytes, size_t n, int fd)
{
	ssize_t got;

	CU_ASSERT_FATAL(socket_send(p->fd, bytes, n, &fd, fd >= 0) == 0);
	for (unsigned i = 0; i < 4; i++)
		world_turn(w);
	got = take_reply(p);
	if (got < 0)
		return 1;
	return got == 0 ? 2 : p->reply.error;
}

void peer_attach(struct world *w, struct peer *p, uint32_t channels, uint32_t order)
{
	struct ob_msg_attach m;
	struct ob_chan_shm *c;

	*p = (struct peer){.fd = peer_connect(w), .l = peer_layout(channels, order)};
	p->mem = peer_memfd(p->l.seg_bytes, F_SEAL_SHRINK | F_SEAL_GROW);
	p->seg = mmap(NULL, p->l.seg_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, p->mem, 0);
	m = peer_message(&p->l);
	CU_ASSERT_EQUAL_FATAL(peer_ask(w, p, &m, sizeof(m), p->mem), 0);
	while (p->reply.first_channel + p->reply.n_doorbells < channels)
		CU_ASSERT_FATAL(take_reply(p) > 0);
	c = ob_seg_chan(p->seg, &p->l, 0);
	ob_ring_view_init(&p->req, &c->req, ob_chan_req_entries(c), p->l.req_order, 0);
	ob_ring_view_init(&p->ev, &c->ev, ob_chan_ev_entries(c, &p->l), p->l.ev_order, 0);
	for (uint32_t i = 0; i < w->h.n_active; i++)
		if (w->h.active[i]->id == p->reply.host_id)
			p->host = w->h.active[i];
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

struct tcp_soft *world_conn(struct world *w, struct peer *p, uint32_t conn)
{
	struct rec *r = &w->st.recs[conn];
	struct tcp_soft *s = &w->tcp.soft[conn];
	uint32_t slot, gen;

	CU_ASSERT_FATAL(
		w->h.ops.slot_get(&w->h, (uint16_t)p->host->index, 0, conn, &slot, &gen) == 0);
	memset(r, 0, sizeof(*r));
	r->host = (uint16_t)p->host->index;
	r->slot = slot;
	r->slot_gen = gen;
	r->listener = UINT16_MAX;
	HARD_SET(r->rcv_head, STATE_NIL);
	HARD_SET(r->snd_head, STATE_NIL);
	HARD_SET(r->life, rec_life(1, 0, REC_LIVE));
	memset(s, 0, sizeof(*s));
	s->conn = conn;
	s->rcv_tail = s->snd_tail = s->snd_cur = s->notify_next = STATE_NIL;
	w->tcp.soft_of[conn] = conn;
	w->tcp.host_conns[r->host]++;
	return s;
}

void counters_mark(struct world *w)
{
	w->before = w->cnt;
}

uint64_t counters_rose(const struct world *w)
{
	const uint64_t *now = (const uint64_t *)&w->cnt, *then = (const uint64_t *)&w->before;
	uint64_t n = 0;

	for (unsigned i = 0; i < COUNTERS; i++)
		n += now[i] - then[i];
	return n;
}
