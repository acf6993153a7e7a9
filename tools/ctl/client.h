// Asking an engine over its UNIX socket.
#ifndef TOOLS_CTL_CLIENT_H
#define TOOLS_CTL_CLIENT_H

#include "shared/control.h"

struct client {
	int fd;
	char err[256]; // the last failure, a line without its end
};

struct rows {
	uint8_t *at; // n * row_bytes, malloc'ed
	uint32_t n;
	uint32_t row_bytes;
};

// Connects to the engine's socket. Returns 0 or a negative errno, the reason in c->err.
int client_open(struct client *c, const char *path);
void client_close(struct client *c);

// Asks for every row of `what` (enum ob_ctl_what), whose size must be row_bytes (0: no rows are
// expected). Returns 0 or a negative errno, the reason in c->err; the caller frees out->at.
int client_ask(struct client *c, uint32_t what, uint32_t row_bytes, struct rows *out);

#endif
