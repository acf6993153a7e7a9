// Many small pushed writes to a peer that does not read, until the library takes no more; then echoes on
// another connection of the same channel, which have to come at once.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/netns/lib2/host.h"

#define WRITE_BYTES 8u
#define QUIET_US 500000 // nothing was taken for so long: the connection is full
#define MOST_US 15000000
#define ECHOES 3
#define ECHO_US 2000000

static ob_conn_t open_one(struct ob_channel *ch, const char *to)
{
	struct ob_endpoint at;
	ob_conn_t conn;

	host_endpoint(to, &at);
	host_check(ob_connect(ch, &at, NULL, NULL, &conn), to);
	host_check(ob_connect_wait(ch, conn, 5000000), to);
	return conn;
}

// Returns how many writes were taken, or a negative errno.
static long fill(struct ob_channel *ch, ob_conn_t conn)
{
	int64_t begun = host_now_us(), last = begun;
	struct ob_app_event ev[16];
	uint8_t data[WRITE_BYTES];
	long n = 0;

	memset(data, 'x', sizeof(data));
	while (host_now_us() - last < QUIET_US) {
		ssize_t taken = ob_send(ch, conn, data, sizeof(data), OB_SEND_PUSH);

		if (host_now_us() - begun > MOST_US)
			return -ETIME;
		if (taken > 0) {
			n++;
			last = host_now_us();
		} else if (taken != -EAGAIN) {
			return (long)taken;
		}
		if (taken < 0 || ob_flush(ch) == -EAGAIN)
			ob_poll(ch, ev, 16, 1000);
	}
	return n;
}

int cmd_trickle(struct host_opts *o, int argc, char **argv)
{
	struct ob_channel *ch;
	ob_conn_t stuck, echo;
	struct ob_host *h;
	long n;

	if (argc != 2)
		return 2;
	o->attach.channels = 1;
	h = host_attach(o);
	ch = host_channel(h);
	stuck = open_one(ch, argv[0]);
	echo = open_one(ch, argv[1]);
	n = fill(ch, stuck);
	host_check(n < 0 ? (int)n : 0, "writes to a peer that does not read");
	printf("%ld writes of %u bytes\n", n, WRITE_BYTES);
	for (int i = 0; i < ECHOES; i++) {
		int64_t begun = host_now_us();
		char back[8] = "";

		host_check(ob_send_all(ch, echo, "hello", 5, OB_SEND_PUSH, NULL, ECHO_US),
			"echo, there");
		host_check((int)ob_recv_wait(ch, echo, back, 5, ECHO_US), "echo, back");
		if (strcmp(back, "hello") != 0)
			host_check(-EBADMSG, "echo");
		printf("echo after %.1f ms\n", (double)(host_now_us() - begun) / 1000);
	}
	ob_abort(ch, stuck);
	ob_detach(h);
	return 0;
}
