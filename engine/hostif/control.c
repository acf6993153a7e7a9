#include "engine/hostif/control.h"

#include <errno.h>
#include <rte_cycles.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/base/log.h"
#include "engine/hostif/attach.h"
#include "engine/hostif/client.h"
#include "engine/hostif/fds.h"
#include "engine/hostif/holes.h"
#include "engine/hostif/socket.h"

#define SPARE_CLIENTS 64u // beside the hosts: those that ask
#define MESSAGE_MAX 512u // bytes of what a client may send
#define EVENTS 16
#define LINK_MS 1000 // between looks at a link that does not tell

#define FEATURES 0ull // none are defined yet

// What an epoll event is about, when it is no client.
enum { ON_LISTEN = 1, ON_STOP, ON_REPLY, ON_LINK, ON_CLIENT };

int control_watch(struct control *c, int fd, uint64_t what)
{
	struct epoll_event e = {.events = EPOLLIN, .data.u64 = what};

	return epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, fd, &e) ? -errno : 0;
}

int control_init(struct control *c, const struct config *cfg, struct hostif *h,
	const struct port *port, const char *path, char *err, size_t err_bytes)
{
	int n;

	*c = (struct control){.cfg = cfg,
		.h = h,
		.port = port,
		.listen_fd = -1,
		.epoll_fd = -1,
		.stop_fd = -1,
		.holes_fd = -1,
		.spare_fd = -1,
		.max_clients = h->n_hosts + SPARE_CLIENTS};
	n = path ? snprintf(c->path, sizeof(c->path), "%s", path)
		 : snprintf(c->path, sizeof(c->path), "%s/%s.sock", OB_SOCKET_DIR,
			 cfg->engine_instance);
	if (n >= (int)sizeof(c->path)) {
		snprintf(err, err_bytes, "%s: too long for a socket", c->path);
		return -ENAMETOOLONG;
	}
	c->listen_fd = socket_listen(
		c->path, cfg->engine_socket_mode, cfg->engine_socket_group, err, err_bytes);
	if (c->listen_fd < 0)
		return c->listen_fd;
	pthread_mutex_init(&c->lock, NULL);
	c->clients = calloc(c->max_clients, sizeof(*c->clients));
	c->counted = calloc(c->max_clients + 1, sizeof(*c->counted));
	c->hosts = calloc(h->n_hosts, sizeof(*c->hosts));
	c->page = malloc(OB_CTL_PAGE_BYTES);
	c->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	c->spare_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	c->max_host_fd = fds_limit() - fds_reserved(c);
	c->holes_fd = holes_open();
	if (c->holes_fd < 0)
		log_warn("holes in the memory of hosts are filled with the engine's (no "
			 "userfaultfd: %s)",
			strerror(-c->holes_fd));
	c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (c->clients && c->counted && c->hosts && c->page && c->stop_fd >= 0 && c->epoll_fd >= 0
		&& c->spare_fd >= 0 && control_watch(c, c->listen_fd, ON_LISTEN) == 0
		&& control_watch(c, c->stop_fd, ON_STOP) == 0
		&& control_watch(c, h->reply_fd, ON_REPLY) == 0)
		return 0;
	snprintf(err, err_bytes, "control thread: %s", strerror(errno));
	control_fini(c);
	return -ENOMEM;
}

static void host_free(struct control *c, uint32_t i)
{
	struct control_host *host = c->hosts[i];

	pthread_mutex_lock(&c->lock);
	c->hosts[i] = NULL;
	c->h->prepared[i] = NULL;
	pthread_mutex_unlock(&c->lock);
	attach_undo(c, host);
	free(host);
}

void control_fini(struct control *c)
{
	while (c->n_clients)
		client_close(c, c->clients[c->n_clients - 1]);
	for (uint32_t i = 0; c->hosts && i < c->h->n_hosts; i++)
		if (c->hosts[i])
			host_free(c, i);
	if (c->listen_fd >= 0) {
		unlink(c->path);
		close(c->listen_fd);
		pthread_mutex_destroy(&c->lock);
	}
	if (c->stop_fd >= 0)
		close(c->stop_fd);
	if (c->epoll_fd >= 0)
		close(c->epoll_fd);
	if (c->holes_fd >= 0)
		close(c->holes_fd);
	if (c->spare_fd >= 0)
		close(c->spare_fd);
	free(c->clients);
	free(c->counted);
	free(c->hosts);
	free(c->page);
	c->clients = NULL;
	c->counted = NULL;
	c->hosts = NULL;
	c->page = NULL;
	c->listen_fd = c->stop_fd = c->epoll_fd = c->holes_fd = c->spare_fd = -1;
}

static struct ob_msg_hdr header(enum ob_msg_type type)
{
	return (struct ob_msg_hdr){OB_ABI_MAGIC, OB_ABI_VERSION, type};
}

static void refuse(struct control *c, struct control_client *k, int error, const char *reason)
{
	struct ob_msg_attached a
		= {.h = header(OB_MSG_ATTACHED), .error = error, .features = FEATURES};

	snprintf(a.reason, sizeof(a.reason), "%s", reason);
	// Single values of the core's counters may be read; these are written here alone.
	__atomic_fetch_add(&c->h->cnt->host_refused, 1, __ATOMIC_RELAXED);
	if (error == -EDQUOT)
		__atomic_fetch_add(&c->h->cnt->host_quota, 1, __ATOMIC_RELAXED);
	log_info("attach refused (pid %d, uid %u): %s", k->cred.pid, k->cred.uid, reason);
	socket_send(k->fd, &a, sizeof(a), NULL, 0);
}

static uint32_t place_find(const struct control *c)
{
	uint32_t i = 0;

	while (i < c->h->n_hosts && c->hosts[i])
		i++;
	return i;
}

static void on_attach(
	struct control *c, struct control_client *k, const struct ob_msg_attach *m, int fd)
{
	char reason[sizeof(((struct ob_msg_attached *)0)->reason)] = "";
	uint32_t i = place_find(c);
	struct control_host *host;
	int rc;

	if (k->host) {
		refuse(c, k, -EALREADY, "this socket has attached a host");
		return;
	}
	if (fd < 0) {
		refuse(c, k, -EINVAL, "no descriptor came with the message");
		return;
	}
	host = i < c->h->n_hosts ? calloc(1, sizeof(*host)) : NULL;
	if (!host) {
		refuse(c, k, -ENFILE, "too many hosts (limits.hosts)");
		return;
	}
	for (uint32_t b = 0; b < OB_MAX_CHANNELS; b++)
		host->bells[b] = -1;
	host->pid = k->cred.pid;
	host->uid = k->cred.uid;
	host->features = m->features & FEATURES;
	rc = attach_prepare(c, host, i, m, fd, reason, sizeof(reason));
	if (rc) {
		free(host);
		refuse(c, k, rc, reason);
		return;
	}
	if (!host->huge)
		log_warn("host %s (pid %d): its memory lies on ordinary pages", host->name,
			host->pid);
	host->client = k;
	k->host = host;
	pthread_mutex_lock(&c->lock);
	c->hosts[i] = host;
	c->h->prepared[i] = host->core;
	pthread_mutex_unlock(&c->lock);
	hostif_post(c->h, HOSTIF_MSG(HOSTIF_ATTACH, i, host->core->id));
}

// The core has it: the client gets its doorbells.
static void on_attached(struct control *c, struct control_host *host)
{
	struct control_client *k = host->client;
	struct ob_msg_attached a = {.h = header(OB_MSG_ATTACHED),
		.host_id = host->core->id,
		.features = host->features,
		.now_us = clock_us(&c->h->st->hdr->clock, rte_rdtsc())};
	uint32_t n = host->core->n_chans, at;
	int rc = 0;

	if (!k)
		return;
	for (at = 0; at < n && rc == 0; at += a.n_doorbells) {
		a.first_channel = at;
		a.n_doorbells = n - at < OB_DOORBELLS_A_MSG ? n - at : OB_DOORBELLS_A_MSG;
		rc = socket_send(k->fd, &a, sizeof(a), &host->bells[at], a.n_doorbells);
	}
	for (at = 0; at < n; at++) {
		close(host->bells[at]);
		host->bells[at] = -1;
	}
	host->attached = rc == 0;
	if (rc) {
		client_close(c, k);
		return;
	}
	log_info("host %s attached (pid %d, uid %u, %lu MB)", host->name, host->pid, host->uid,
		(unsigned long)(host->bytes >> 20));
}

static void on_reply(struct control *c)
{
	uint64_t junk;
	void *m;

	(void)!read(c->h->reply_fd, &junk, sizeof(junk));
	while (rte_ring_sc_dequeue(c->h->to_control, &m) == 0) {
		uint32_t i = HOSTIF_MSG_INDEX(m);
		struct control_host *host = c->hosts[i];

		if (!host || host->core->id != HOSTIF_MSG_ID(m))
			continue;
		switch (HOSTIF_MSG_TYPE(m)) {
		case HOSTIF_ATTACHED:
			on_attached(c, host);
			break;
		case HOSTIF_LEAVING: // the end of its socket tells the host
			log_info("host %s (pid %d) leaves", host->name, host->pid);
			if (host->client)
				client_close(c, host->client);
			break;
		case HOSTIF_FREED:
			if (host->client) {
				host->client->host = NULL;
				client_close(c, host->client);
			}
			host_free(c, i);
			break;
		default:
			break;
		}
	}
}

static void on_ctl(struct control *c, struct control_client *k, const struct ob_msg_ctl *q)
{
	struct ob_msg_ctl_page none = {.h = header(OB_MSG_CTL_PAGE),
		.what = q->what,
		.error = -EOPNOTSUPP,
		.reason = "this engine does not answer questions"};
	int n = c->inspect ? c->inspect(c->inspect_ctx, q, c->page, OB_CTL_PAGE_BYTES)
			   : -EOPNOTSUPP;

	if (n >= 0 && (size_t)n <= OB_CTL_PAGE_BYTES)
		socket_send(k->fd, c->page, (size_t)n, NULL, 0);
	else
		socket_send(k->fd, &none, sizeof(none), NULL, 0);
}

// Returns false when the client is to be closed.
static bool on_message(
	struct control *c, struct control_client *k, const void *buf, size_t n, int fd)
{
	const struct ob_msg_hdr *m = buf;
	char reason[128];

	if (n < sizeof(*m) || m->magic != OB_ABI_MAGIC) {
		refuse(c, k, -EPROTO, "not a message of this protocol");
		return false;
	}
	if (m->abi_version != OB_ABI_VERSION) {
		snprintf(reason, sizeof(reason), "ABI version %u, this engine has %u",
			m->abi_version, OB_ABI_VERSION);
		refuse(c, k, -EPROTONOSUPPORT, reason);
		return false;
	}
	if (m->type == OB_MSG_ATTACH && n == sizeof(struct ob_msg_attach)) {
		on_attach(c, k, buf, fd);
		return true;
	}
	if (m->type == OB_MSG_CTL && n == sizeof(struct ob_msg_ctl)) {
		on_ctl(c, k, buf);
		return true;
	}
	snprintf(reason, sizeof(reason), "message type %u with %zu bytes is unknown", m->type, n);
	refuse(c, k, -EPROTO, reason);
	return false;
}

static void on_client(struct control *c, struct control_client *k)
{
	alignas(8) uint8_t buf[MESSAGE_MAX];
	int fd;
	ssize_t n = socket_recv(k->fd, buf, sizeof(buf), &fd);
	bool keep;

	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n == -EMSGSIZE)
		refuse(c, k, (int)n, "message too long");
	keep = n > 0 && on_message(c, k, buf, (size_t)n, fd);
	if (fd >= 0)
		close(fd);
	if (!keep)
		client_close(c, k);
}

bool control_turn(struct control *c, int timeout_ms)
{
	struct epoll_event e[EVENTS];
	int n = epoll_wait(c->epoll_fd, e, EVENTS, timeout_ms);

	for (int i = 0; i < n; i++) {
		switch (e[i].data.u64) {
		case ON_STOP:
			return false;
		case ON_LISTEN:
			if (client_accept(c))
				return true; // as below
			break;
		case ON_REPLY:
			// It may close clients that later events are about: those come again.
			on_reply(c);
			return true;
		case ON_LINK:
			port_link_check(c->link);
			break;
		default:
			on_client(c, (struct control_client *)(uintptr_t)e[i].data.u64);
			break;
		}
	}
	return true;
}

int control_link(struct control *c, struct port_link *l)
{
	c->link = l;
	return l->fd < 0 ? 0 : control_watch(c, l->fd, ON_LINK);
}

void control_run(struct control *c)
{
	bool asks = c->link && c->link->fd < 0;

	while (control_turn(c, asks ? LINK_MS : -1))
		if (asks)
			port_link_check(c->link);
}

void control_stop(struct control *c)
{
	uint64_t one = 1;

	(void)!write(c->stop_fd, &one, sizeof(one));
}
