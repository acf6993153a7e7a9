// The engine's UNIX socket and its messages.
#ifndef ENGINE_HOSTIF_SOCKET_H
#define ENGINE_HOSTIF_SOCKET_H

#include <stddef.h>
#include <sys/types.h>

// Listens at `path` (SOCK_SEQPACKET). A socket that nobody serves is replaced. mode: octal text;
// group: a name or number, "" for none. Nobody can connect before both are set.
// Returns a descriptor or a negative errno with a line in `err`.
int socket_listen(
	const char *path, const char *mode, const char *group, char *err, size_t err_bytes);

// Receives one message. Descriptors that came with it: the first in *fd (-1: none), others are
// closed. Returns its bytes, 0 at the end, -EAGAIN, -EMSGSIZE when it is longer than `cap`.
ssize_t socket_recv(int s, void *buf, size_t cap, int *fd);

// Sends one message with n descriptors. Never blocks. Returns 0 or a negative errno.
int socket_send(int s, const void *buf, size_t bytes, const int *fds, unsigned n);

#endif
