// A socket for whole frames on one interface: what both tools that are a station or a cable need.
#ifndef TOOLS_PACKET_SOCKET_H
#define TOOLS_PACKET_SOCKET_H

#include <stdbool.h>

// Opens one that takes every frame on the interface but its own, non-blocking, with `buffer_bytes` each
// way where the kernel grants them. bypass: what is sent goes past the queueing discipline, which is
// faster and hides it from captures on this interface. Returns a descriptor or a negative errno.
int packet_socket_open(int ifindex, int buffer_bytes, bool bypass);

#endif
