// Opening and ending connections, and what is known of them.
#include <errno.h>

#include "host_lib/lib.h"

#define X(name, unit, min, max, doc)                                                               \
	static_assert((int)OB_SO_##name == (int)OB_OPT_##name, "public names are those of the ABI");
OB_OPTION_LIST(X)
#undef X
static_assert(OB_INFO_WSCALE == OB_NEG_WSCALE && OB_INFO_TS == OB_NEG_TS
		&& OB_INFO_SACK == OB_NEG_SACK && OB_INFO_ECN == OB_NEG_ECN,
	"public names are those of the ABI");

int ob_connect(struct ob_channel *ch, const struct ob_endpoint *to, const struct ob_endpoint *from,
	void *user, ob_conn_t *conn)
{
	struct ob_req *r;
	struct conn *c;
	uint32_t slot;

	if (channel_gone(ch))
		return -EPIPE;
	if (!to || !to->port)
		return -EINVAL;
	if (!ch->free_slots_n)
		flush(ch); // a released slot may be waiting
	if (!ch->free_slots_n)
		return -ENFILE;
	if (!request_next(ch, 1))
		return -EAGAIN;
	slot = ch->free_slots[ch->free_slots_head];
	ch->free_slots_head = (ch->free_slots_head + 1) % ch->n_connect;
	ch->free_slots_n--;
	c = &ch->conns[slot];
	conn_begin(ch, c, c->gen + 1 ? c->gen + 1 : 1, PHASE_CONNECTING);
	c->user = (uintptr_t)user;
	r = request_add(ch, OB_RQ_CONNECT, slot, c->gen, 0);
	memcpy(r->addr.raddr.b, to->addr, 16);
	r->addr.rport = to->port;
	if (from) {
		memcpy(r->addr.laddr.b, from->addr, 16);
		r->addr.lport = from->port;
	}
	// What is known until the engine says more.
	ch->cold[slot] = (struct conn_cold){
		.raddr = r->addr.raddr,
		.rport = to->port,
		.lport = r->addr.lport,
		.laddr = LADDR_UNKNOWN,
	};
	*conn = conn_id(slot, c->gen);
	return 0;
}

void ob_set_user(struct ob_channel *ch, ob_conn_t conn, void *user)
{
	struct conn *c = conn_get(ch, conn);

	if (c && !(c->ev & EV_BIT(OB_ACCEPTED)))
		c->user = (uintptr_t)user;
}

void *ob_get_user(struct ob_channel *ch, ob_conn_t conn)
{
	struct conn *c = conn_get(ch, conn);

	return c && !(c->ev & EV_BIT(OB_ACCEPTED)) ? (void *)(uintptr_t)c->user : NULL;
}

int ob_shutdown(struct ob_channel *ch, ob_conn_t conn)
{
	struct conn *c = conn_get(ch, conn);

	if (channel_gone(ch))
		return -EPIPE;
	if (!c)
		return -EBADF;
	if (c->phase == PHASE_CONNECTING)
		return -ENOTCONN;
	if (!c->shut && c->phase == PHASE_OPEN)
		conn_dirty(ch, c, DIRTY_SHUTDOWN);
	c->shut = 1;
	return 0;
}

static int end(struct ob_channel *ch, ob_conn_t conn, uint8_t how)
{
	struct conn *c = conn_get(ch, conn);

	if (!c)
		return -EBADF;
	c->app_closed = 1;
	c->ev = 0;
	c->want_write = 0;
	ch->n_conns--;
	// A close with anything unread is a reset, so the engine has to know what was read.
	if (how == DIRTY_CLOSE && c->rx_untold)
		how |= DIRTY_CONSUMED;
	conn_drop_rx(ch, c);
	conn_dirty(ch, c, c->phase == PHASE_OVER ? DIRTY_RELEASE : how);
	return 0;
}

// Whether the end of a close is to be told.
static bool lingers(const struct ob_channel *ch, const struct conn *c)
{
	uint32_t set = ch->cold[conn_slot(ch, c)].set;

	return c->phase == PHASE_OPEN && settings_get(ch, set, OB_OPT_LINGER)
		&& settings_get(ch, set, OB_OPT_LINGER_TIME);
}

int ob_close(struct ob_channel *ch, ob_conn_t conn)
{
	struct conn *c = conn_get(ch, conn);
	bool linger = c && lingers(ch, c);
	int rc = end(ch, conn, DIRTY_CLOSE);

	if (!linger)
		return rc;
	if (c->tx_unacked)
		ch->cold[conn_slot(ch, c)].linger = 1;
	else
		conn_ready(ch, c, EV_BIT(OB_CLOSED)); // there is nothing to wait for
	return rc;
}

int ob_abort(struct ob_channel *ch, ob_conn_t conn)
{
	return end(ch, conn, DIRTY_ABORT);
}

int ob_conn_info(struct ob_channel *ch, ob_conn_t conn, struct ob_conn_info *info)
{
	struct conn *c = conn_get(ch, conn);
	const struct conn_cold *cold;

	if (!c)
		return -EBADF;
	cold = &ch->cold[conn_slot(ch, c)];
	*info = (struct ob_conn_info){
		.mss = cold->mss & 0xffffu,
		.opts = cold->opts,
		.connected = c->phase == PHASE_OPEN,
		.peer_closed = c->peer_fin,
		.shut = c->shut,
		.error = conn_error(c, 0),
		.sent = c->tx_off,
		.acked = c->tx_off - c->tx_unacked,
		.received = c->rx_off + c->rx_ready,
		.consumed = c->rx_off,
		.slot = conn_slot(ch, c),
		.gen = c->gen,
	};
	memcpy(info->remote.addr, cold->raddr.b, 16);
	info->remote.port = cold->rport;
	info->local.port = cold->lport;
	if (cold->laddr < LADDR_UNKNOWN)
		memcpy(info->local.addr, ch->laddrs[cold->laddr].b, 16);
	return 0;
}
