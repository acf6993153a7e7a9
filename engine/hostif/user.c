#include "engine/hostif/user.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define NO(...) (snprintf(reason, reason_bytes, __VA_ARGS__), -EDQUOT)

int user_check(const struct control *c, const struct control_host *host, uint64_t seg_bytes,
	char *reason, size_t reason_bytes)
{
	const struct config_user *u = config_user(c->cfg, host->uid);
	uint64_t bytes = 0;
	uint64_t n = 0;

	if (!u)
		return 0;
	// Those that are leaving still have their memory.
	for (uint32_t i = 0; i < c->h->n_hosts; i++) {
		if (!c->hosts[i] || c->hosts[i]->uid != host->uid)
			continue;
		n++;
		bytes += c->hosts[i]->bytes;
	}
	if (n >= u->hosts)
		return NO("%lu hosts of uid %u, [user %s] hosts is %lu", (unsigned long)n,
			host->uid, u->name, (unsigned long)u->hosts);
	if (bytes + seg_bytes > u->memory_mb << 20)
		return NO("%lu bytes of uid %u and %lu more, [user %s] memory_mb is %lu",
			(unsigned long)bytes, host->uid, (unsigned long)seg_bytes, u->name,
			(unsigned long)u->memory_mb);
	return 0;
}

uint32_t user_account(const struct control *c, const struct control_host *host)
{
	uint32_t account = 0;

	for (uint32_t i = 0; i < c->h->n_hosts; i++)
		if (c->hosts[i] && c->hosts[i]->uid == host->uid)
			return c->hosts[i]->core->mem->account;
	// The lowest that nobody has: there are as many as hosts.
	for (uint32_t i = 0; i < c->h->n_hosts;) {
		if (c->hosts[i] && c->hosts[i]->core->mem->account == account) {
			account++;
			i = 0;
		} else {
			i++;
		}
	}
	return account;
}
