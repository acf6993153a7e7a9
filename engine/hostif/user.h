// What the configuration allows a user to attach.
#ifndef ENGINE_HOSTIF_USER_H
#define ENGINE_HOSTIF_USER_H

#include "engine/hostif/attach.h"

// Whether the user of `host`, which is not in c->hosts yet, may attach a segment of that size.
// Returns 0, or -EDQUOT with a reason.
int user_check(const struct control *c, const struct control_host *host, uint64_t seg_bytes,
	char *reason, size_t reason_bytes);

// The number under which the hosts of its user count their connections: below limits.hosts.
uint32_t user_account(const struct control *c, const struct control_host *host);

#endif
