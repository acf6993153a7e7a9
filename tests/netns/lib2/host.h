// obt-host: an application on the host library that does one thing at a time, for the netns tests.
#ifndef TESTS_NETNS_LIB2_HOST_H
#define TESTS_NETNS_LIB2_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "outboard.h"

struct host_opts {
	struct ob_attach_opts attach;
	int64_t timeout_us;
	unsigned int count;
	unsigned int backlog;
	const char *from;
	bool keep;
	bool detach;
	char reason[128];
};

// Prints and exits with status 1 when `error` is negative.
void host_check(int error, const char *what);
const char *host_error_name(int error); // "0" or "-ENAME"
void host_endpoint(const char *text, struct ob_endpoint *ep); // exits when it is none
int64_t host_now_us(void);
struct ob_host *host_attach(struct host_opts *o);
struct ob_channel *host_channel(struct ob_host *h);
void host_wait_end(void); // for SIGTERM
extern volatile int host_ended; // SIGTERM came

// Commands; each returns the exit status.
int cmd_connect(struct host_opts *o, int argc, char **argv);
int cmd_listen(struct host_opts *o, int argc, char **argv);
int cmd_serve(struct host_opts *o, int argc, char **argv);
int cmd_farewell(struct host_opts *o, int argc, char **argv);
int cmd_block(struct host_opts *o, int argc, char **argv);
int cmd_trickle(struct host_opts *o, int argc, char **argv);

#endif
