#include "engine/hostif/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <numa.h>
#include <numaif.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_memory.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "engine/base/log.h"
#include "engine/hostif/fault.h"
#include "engine/hostif/holes.h"
#include "engine/hostif/user.h"
#include "engine/tcp/settings.h"

#define REFUSE(error, ...) (snprintf(reason, reason_bytes, __VA_ARGS__), (error))

// The layout is proven before anything is computed from it.
static int check_layout(
	const struct config *cfg, const struct ob_seg_layout *l, char *reason, size_t reason_bytes)
{
	const char *wrong = ob_seg_layout_check(l);

	if (wrong)
		return REFUSE(-EINVAL, "layout of the segment: %s", wrong);
	if (l->seg_bytes > cfg->limits_host_mb << 20)
		return REFUSE(-E2BIG, "segment of %lu bytes, limits.host_mb is %lu",
			(unsigned long)l->seg_bytes, (unsigned long)cfg->limits_host_mb);
	if ((uint64_t)l->n_slots_accept + l->n_slots_connect > cfg->limits_host_conns)
		return REFUSE(-E2BIG, "%lu slots, limits.host_conns is %lu",
			(unsigned long)l->n_slots_accept + l->n_slots_connect,
			(unsigned long)cfg->limits_host_conns);
	return 0;
}

// Only a memfd has seals, so only memory of this kernel comes further: never a file whose pages
// some process supplies.
static int check_memory(struct control_host *host, const struct ob_seg_layout *l, int fd,
	char *reason, size_t reason_bytes)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct statfs fs;
	struct stat st;

	if (seals < 0 || fstat(fd, &st) || fstatfs(fd, &fs))
		return REFUSE(-EINVAL, "the segment is not a memfd");
	if ((seals & (F_SEAL_SHRINK | F_SEAL_GROW)) != (F_SEAL_SHRINK | F_SEAL_GROW))
		return REFUSE(-EPERM, "the segment is not sealed against shrinking and growing");
	if (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
		return REFUSE(-EPERM, "the segment is sealed against writing");
	if (st.st_size < 0 || (uint64_t)st.st_size != l->seg_bytes)
		return REFUSE(-EINVAL, "the segment has %ld bytes, its layout %lu",
			(long)st.st_size, (unsigned long)l->seg_bytes);
	// st_blocks counts units of 512 bytes whatever the pages are.
	if ((uint64_t)st.st_blocks < l->seg_bytes / 512)
		return REFUSE(-EINVAL, "the segment is not allocated: %lu of its %lu bytes are",
			(unsigned long)st.st_blocks * 512, (unsigned long)l->seg_bytes);
	host->huge = fs.f_type == HUGETLBFS_MAGIC;
	host->page_bytes = host->huge ? (uint64_t)fs.f_bsize : (uint64_t)getpagesize();
	if (l->seg_bytes % host->page_bytes)
		return REFUSE(-EINVAL, "the segment is no whole number of pages");
	return 0;
}

static int port_node(const struct control *c)
{
	return c->port && c->port->id != UINT16_MAX ? rte_eth_dev_socket_id(c->port->id) : -1;
}

static void bind_node(const struct control *c, const struct control_host *host)
{
	int node = port_node(c);
	unsigned long mask;

	if (node < 0 || node >= 63 || numa_available() < 0 || numa_max_node() == 0)
		return;
	mask = 1ul << node;
	if (mbind(host->base, host->bytes, MPOL_PREFERRED, &mask, 64, MPOL_MF_MOVE))
		log_warn("host %s: its memory stays on its NUMA node", host->name);
}

static struct rte_device *port_device(const struct control *c)
{
	struct rte_eth_dev_info info;

	if (!c->port || c->port->id == UINT16_MAX || rte_eth_dev_info_get(c->port->id, &info))
		return NULL;
	return info.device;
}

// So that a port can send from the segment, once segments leave without a copy: today tcp_tx.c copies them
// into packets of the engine's own. A port that cannot map it loses nothing by that.
static void dma_map(const struct control *c, struct control_host *host)
{
	struct rte_device *dev = port_device(c);
	uint64_t n = host->bytes / host->page_bytes;
	rte_iova_t *iova;

	if (!c->port)
		return;
	iova = malloc(n * sizeof(*iova));
	if (!iova)
		return;
	for (uint64_t i = 0; i < n; i++)
		iova[i] = rte_eal_iova_mode() == RTE_IOVA_VA
			? (rte_iova_t)(uintptr_t)host->base + i * host->page_bytes
			: rte_mem_virt2iova((uint8_t *)host->base + i * host->page_bytes);
	host->registered
		= rte_extmem_register(host->base, host->bytes, iova, (unsigned)n, host->page_bytes)
		== 0;
	free(iova);
	if (!host->registered)
		log_warn("host %s: DPDK does not take its memory", host->name);
	else if (dev)
		rte_dev_dma_map(dev, host->base, (uint64_t)(uintptr_t)host->base, host->bytes);
}

static void dma_unmap(const struct control *c, struct control_host *host)
{
	struct rte_device *dev = port_device(c);

	if (!host->registered)
		return;
	if (dev)
		rte_dev_dma_unmap(dev, host->base, (uint64_t)(uintptr_t)host->base, host->bytes);
	rte_extmem_unregister(host->base, host->bytes);
	host->registered = false;
}

static int make_buffers(struct host_mem *m, const struct config *cfg)
{
	m->n_bufs = (uint32_t)(m->l.rx_bytes / m->l.rx_buf_bytes);
	m->n_free = m->n_bufs;
	m->low_mark = m->n_bufs / 16;
	m->max_pieces = (uint32_t)cfg->limits_host_pieces;
	m->piece_share = (uint32_t)cfg->limits_host_share;
	m->free = malloc(((size_t)m->n_bufs + 1) * sizeof(*m->free));
	m->gen = calloc((size_t)m->n_bufs + 1, sizeof(*m->gen));
	if (!m->free || !m->gen)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->n_bufs; i++) // the first ones go out first
		m->free[i] = m->n_bufs - 1 - i;
	return 0;
}

static int make_slots(struct hostif_host *h, const struct ob_seg_layout *l)
{
	h->n_accept = l->n_slots_accept;
	h->n_slots = l->n_slots_accept + l->n_slots_connect;
	h->slots = malloc((size_t)h->n_slots * sizeof(*h->slots));
	if (!h->slots)
		return -ENOMEM;
	for (uint32_t i = 0; i < h->n_slots; i++)
		h->slots[i] = (struct hostif_slot){
			.id = SLOT_FREE | (i + 1 < h->n_accept ? i + 1 : SLOT_NIL)};
	h->free_head = h->n_accept ? 0 : SLOT_NIL;
	h->free_tail = h->n_accept ? h->n_accept - 1 : SLOT_NIL;
	for (uint32_t i = 0; i < OB_MAX_LISTENERS; i++)
		h->listeners[i].id = STATE_NIL;
	return 0;
}

static int make_chan(struct control *c, struct control_host *host, uint32_t i)
{
	struct hostif_host *core = host->core;
	struct hostif_chan *ch = &core->chans[i];
	const struct ob_seg_layout *l = &core->mem->l;
	struct epoll_event e = {.events = EPOLLIN, .data.u64 = (uint64_t)core->index << 8 | i};
	int pair[2];

	ch->host = core;
	ch->index = (uint8_t)i;
	ch->shm = ob_seg_chan(host->base, l, i);
	ch->hard = &c->h->st->chans[core->index * OB_MAX_CHANNELS + i];
	ch->news_head = ch->news_tail = STATE_NIL;
	ch->failed_last = SLOT_NIL;
	ob_ring_view_init(&ch->req, &ch->shm->req, ob_chan_req_entries(ch->shm), l->req_order, 0);
	ob_ring_view_init(&ch->ev, &ch->shm->ev, ob_chan_ev_entries(ch->shm, l), l->ev_order, 0);
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair))
		return -errno;
	ch->bell = pair[0];
	host->bells[i] = pair[1];
	// The lowest free number is the one that is given out.
	if ((uint32_t)pair[1] >= c->max_host_fd)
		return -EMFILE;
	return epoll_ctl(c->h->epoll_fd, EPOLL_CTL_ADD, ch->bell, &e) ? -errno : 0;
}

static int make_core(
	struct control *c, struct control_host *host, uint32_t index, const struct ob_seg_layout *l)
{
	struct hostif_host *core
		= calloc(1, sizeof(*core) + l->n_channels * sizeof(core->chans[0]));
	const struct config_user *user = config_user(c->cfg, host->uid);
	struct host_mem *m = &c->h->mem[index];
	int rc;

	if (!core)
		return -ENOMEM;
	host->core = core;
	core->index = index;
	core->id = ++c->next_id;
	core->mem = m;
	core->n_chans = l->n_channels;
	core->hdr = host->base;
	for (uint32_t i = 0; i < l->n_channels; i++)
		core->chans[i].bell = -1;
	core->user = user;
	*m = (struct host_mem){.base = host->base,
		.l = *l,
		.account = user_account(c, host),
		.max_conns = user ? (uint32_t)user->conns : 0};
	rc = make_buffers(m, c->cfg);
	if (rc == 0)
		rc = make_slots(core, l);
	if (rc == 0)
		rc = fault_add(host->base, host->bytes, &m->broken);
	if (rc == 0)
		atomic_store_explicit(&core->hdr->max_sends, m->max_pieces, memory_order_relaxed);
	for (unsigned o = 1; rc == 0 && o < OB_OPT_N; o++)
		atomic_store_explicit(&core->hdr->defaults[o], settings_configured(c->cfg, o),
			memory_order_relaxed);
	for (uint32_t i = 0; rc == 0 && i < l->n_channels; i++)
		rc = make_chan(c, host, i);
	return rc;
}

int attach_prepare(struct control *c, struct control_host *host, uint32_t index,
	const struct ob_msg_attach *m, int fd, char *reason, size_t reason_bytes)
{
	const struct ob_seg_layout *l = &m->layout;
	int rc = check_layout(c->cfg, l, reason, reason_bytes);

	if (rc == 0)
		rc = check_memory(host, l, fd, reason, reason_bytes);
	if (rc == 0)
		rc = user_check(c, host, l->seg_bytes, reason, reason_bytes);
	if (rc)
		return rc;
	memcpy(host->name, m->name, sizeof(host->name) - 1);
	for (char *p = host->name; *p; p++) // it goes to logs and tables
		if (*p < ' ' || *p > '~')
			*p = '?';
	memcpy(host->token, m->token, sizeof(host->token));
	host->bytes = l->seg_bytes;
	rc = holes_map(c->holes_fd, fd, host->bytes, &host->base);
	if (rc == -EFAULT)
		return REFUSE(-EINVAL, "the segment is not allocated in full");
	if (rc)
		return REFUSE(rc, "the segment cannot be mapped: %s", strerror(-rc));
	madvise(host->base, host->bytes, MADV_DONTDUMP);
	bind_node(c, host);
	rc = make_core(c, host, index, l);
	if (rc) {
		attach_undo(c, host);
		if (rc == -EMFILE) {
			__atomic_fetch_add(&c->h->cnt->host_no_fds, 1, __ATOMIC_RELAXED);
			return REFUSE(rc, "the engine has too few descriptors left (ulimit -n)");
		}
		return REFUSE(rc, "the engine cannot take one more host: %s", strerror(-rc));
	}
	dma_map(c, host);
	return 0;
}

void attach_undo(struct control *c, struct control_host *host)
{
	struct hostif_host *core = host->core;

	for (uint32_t i = 0; i < OB_MAX_CHANNELS; i++)
		if (host->bells[i] >= 0)
			close(host->bells[i]);
	if (core) {
		for (uint32_t i = 0; i < core->n_chans; i++)
			if (core->chans[i].bell >= 0)
				close(core->chans[i].bell);
		free(core->mem->free);
		free(core->mem->gen);
		*core->mem = (struct host_mem){0};
		free(core->slots);
		free(core);
		host->core = NULL;
	}
	if (host->base) {
		dma_unmap(c, host);
		fault_remove(host->base);
		munmap(host->base, host->bytes);
		host->base = NULL;
	}
}
