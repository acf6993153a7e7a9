// The control thread: the engine's UNIX socket, hosts attaching, questions about the engine.
//
// It owns the socket, its clients and the memory of hosts; what the core needs of a host it
// prepares and hands over (hostif.h). It never blocks on a client and never on the core.
#ifndef ENGINE_HOSTIF_CONTROL_H
#define ENGINE_HOSTIF_CONTROL_H

#include <pthread.h>
#include <sys/types.h>

#include "engine/hostif/hostif.h"
#include "engine/port/link.h"
#include "shared/control.h"

#define CONTROL_PATH 108 // bytes, as in struct sockaddr_un

struct control_client;
struct user_clients;
struct control_host;

struct control {
	const struct config *cfg;
	struct hostif *h;
	const struct port *port; // for DMA and its NUMA node; NULL: EAL is not told of segments
	// Answers OB_MSG_CTL. Returns the bytes of the page, or a negative errno.
	int (*inspect)(void *ctx, const struct ob_msg_ctl *q, void *page, size_t cap);
	void *inspect_ctx;
	struct port_link *link; // control_link()
	char path[CONTROL_PATH];
	int listen_fd;
	int epoll_fd;
	int stop_fd;
	int holes_fd; // holes.h; negative when the kernel has no such thing
	int spare_fd; // given up for a moment when there is no other descriptor
	uint32_t max_host_fd; // doorbells of hosts are below: the rest is for those that ask
	uint32_t next_id; // of hosts
	uint32_t next_serial; // of clients
	uint32_t n_clients;
	uint32_t max_clients;
	struct control_client **clients;
	struct user_clients *counted; // by the user, when one has to go
	struct control_host **hosts; // [limits.hosts]
	pthread_mutex_t lock; // of `hosts`, against control_host_row() in other threads
	uint8_t *page; // OB_CTL_PAGE_BYTES
};

// Opens the socket: at `path`, or /run/outboard/INSTANCE.sock when it is NULL, with the mode and
// group of the configuration. A stale socket is replaced. port and inspect may be NULL.
// Returns 0 or a negative errno with a line in `err`: -EADDRINUSE when a living engine has it.
int control_init(struct control *c, const struct config *cfg, struct hostif *h,
	const struct port *port, const char *path, char *err, size_t err_bytes);

// Has the control thread look after the port's link. Returns 0 or a negative errno.
int control_link(struct control *c, struct port_link *l);

// Serves until control_stop(). Install fault_install() before.
void control_run(struct control *c);
// One round: waits at most timeout_ms (-1: for ever). Returns false after control_stop().
bool control_turn(struct control *c, int timeout_ms);
void control_stop(struct control *c); // from any thread or signal handler

// Lets go of everything. The core has stopped, and touches no host any more.
void control_fini(struct control *c);

// The row of host i, for inspect.h. Returns 0 or -ENOENT. From any thread; ctx: struct control.
int control_host_row(void *ctx, uint32_t i, struct ob_ctl_host *row);

#endif
