// What one host may take of the tables that all hosts share, and one user of connections. The rule is
// that of switches which share a buffer among ports: a host may hold limits.host_share times what
// is left. So one alone gets most of a table, and however many there are, some is left for one more.
#include <errno.h>

#include "engine/tcp/internal.h"

bool share_of(const struct tcp *t, uint32_t have, uint32_t n_free)
{
	return have < t->cfg->limits_host_share * n_free;
}

int share_half(const struct tcp *t, uint16_t host)
{
	const struct host_mem *m = &t->mem[host];

	if (t->st->n_free_half == 0)
		return -ENFILE;
	if (!share_of(t, t->host_half[host], t->st->n_free_half))
		return -EMFILE;
	if (m->max_conns && t->user_conns[m->account] >= m->max_conns)
		return -EDQUOT;
	return 0;
}

int share_rec(const struct tcp *t, uint16_t host)
{
	if (t->st->n_free_recs == 0)
		return -ENFILE;
	return share_of(t, t->host_conns[host] - t->host_half[host], t->st->n_free_recs) ? 0
											 : -EMFILE;
}

int share_listener(const struct tcp *t, uint16_t host)
{
	uint32_t n_free = t->st->hdr->n_listeners - t->n_listeners_used;

	if (n_free == 0)
		return -ENFILE;
	return share_of(t, t->host_listeners[host], n_free) ? 0 : -EMFILE;
}

void share_half_add(struct tcp *t, uint16_t host)
{
	t->host_half[host]++;
	t->n_half_used++;
	share_rec_add(t, host);
}

void share_half_remove(struct tcp *t, uint16_t host)
{
	t->host_half[host]--;
	t->n_half_used--;
	share_rec_remove(t, host);
}

void share_rec_add(struct tcp *t, uint16_t host)
{
	t->host_conns[host]++;
	t->user_conns[t->mem[host].account]++;
}

void share_rec_remove(struct tcp *t, uint16_t host)
{
	t->host_conns[host]--;
	t->user_conns[t->mem[host].account]--;
}
