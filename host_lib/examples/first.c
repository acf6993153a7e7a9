// The README's first program: an echo server.
#include <outboard.h>
#include <stdio.h>

int main(void)
{
	struct ob_app_event ev[64];
	struct ob_endpoint at;
	struct ob_host *host;
	struct ob_channel *ch;
	char buf[16384];

	if (ob_attach(NULL, &host) || ob_channel_open(host, &ch))
		return 1;
	ob_endpoint_parse("*:7", &at);
	if (ob_listen_wait(ch, ob_listen(ch, &at, 0, NULL), NULL, -1))
		return 1;
	for (;;) {
		int n = ob_poll(ch, ev, 64, -1);

		for (int i = 0; i < n; i++) {
			if (ev[i].type == OB_PEER_CLOSED || ev[i].type == OB_CLOSED)
				ob_close(ch, ev[i].conn);
			else if (ev[i].type == OB_READABLE)
				for (ssize_t got;
					(got = ob_recv(ch, ev[i].conn, buf, sizeof(buf))) > 0;)
					ob_send_all(ch, ev[i].conn, buf, (size_t)got, 0, NULL, -1);
		}
		if (n < 0)
			return 1; // the engine is gone
	}
}
