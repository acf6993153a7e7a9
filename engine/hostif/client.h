// Clients of the control socket.
#ifndef ENGINE_HOSTIF_CLIENT_H
#define ENGINE_HOSTIF_CLIENT_H

#include <sys/socket.h>

#include "engine/hostif/control.h"

struct control_client {
	int fd;
	uint32_t place; // in clients
	uint32_t serial; // in order of coming
	struct control_host *host; // the one that it attached, or NULL
	struct ucred cred;
};

// How many clients without a host a user has.
struct user_clients {
	uid_t uid;
	uint32_t n;
};

// control.c: has epoll report what comes for fd as `what`. Returns 0 or a negative errno.
int control_watch(struct control *c, int fd, uint64_t what);

// Takes the next client. Returns whether another one was closed for it: events of that one may be at
// hand.
bool client_accept(struct control *c);
// Its end is the end of the host that it attached.
void client_close(struct control *c, struct control_client *k);

#endif
