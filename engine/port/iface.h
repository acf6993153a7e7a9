// The kernel interface under a port of the kinds net_af_packet and net_af_xdp.
#ifndef ENGINE_PORT_IFACE_H
#define ENGINE_PORT_IFACE_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/config.h"

// The value of KEY=VALUE in a vdev's arguments. Returns whether it is there.
bool vdev_arg(const char *vdev, const char *key, char *out, size_t bytes);

// The name of the interface, or "" for a port without one.
void iface_name(const struct config *cfg, char *out, size_t bytes);

// Two engines on one interface would both answer, and each reset the other's connections. Makes the
// interface this process's, by a lock in `dir` (made when it is not there) that its end takes away,
// however it ends. Returns a descriptor to be kept, -1 when there is nothing to claim or no way to,
// or -EBUSY with a line in `err` that names the other process.
#define IFACE_UNCLAIMED (-1)
int iface_claim(const struct config *cfg, const char *dir, char *err, size_t err_bytes);

#endif
