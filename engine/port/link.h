// Watching the port's link, from the control thread: an interface that is taken down, unplugged or
// removed says nothing to the one who polls it.
#ifndef ENGINE_PORT_LINK_H
#define ENGINE_PORT_LINK_H

#include "engine/port/port.h"

enum link_state { LINK_UP, LINK_NO_CARRIER, LINK_DOWN, LINK_GONE };

struct port_link {
	struct port *port;
	int fd; // readable when something may have changed, or -1: look every second
	unsigned ifindex; // 0: DPDK knows the link's state
	enum link_state state;
	char name[64]; // for people
};

// Begins: a port that is down is reported at once. Without a kernel interface, DPDK is asked.
void port_link_open(struct port_link *l, struct port *p, const struct config *cfg);
void port_link_close(struct port_link *l);

// Looks, and reports what has changed: a line in the log, a counter, and p->down.
void port_link_check(struct port_link *l);

#endif
