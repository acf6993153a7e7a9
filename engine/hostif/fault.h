// Surviving faults inside a host's segment.
//
// A host can punch holes into its memory, and an exhausted pool of hugepages then kills whoever
// touches them (SIGBUS). The handler maps anonymous memory over the whole segment, marks the host
// broken and goes on; the core detaches that host in its next turn. Any other fault is fatal, as
// without the handler.
#ifndef ENGINE_HOSTIF_FAULT_H
#define ENGINE_HOSTIF_FAULT_H

#include <stddef.h>

#define FAULT_SEGMENTS 1024u

// Installs the handler for the process. Returns 0 or a negative errno.
int fault_install(void);

// Covers a mapped segment. *broken becomes 1 when a fault was met. One thread at a time calls this
// and fault_remove(). Returns 0 or -ENOSPC.
int fault_add(void *base, size_t bytes, _Atomic int *broken);
void fault_remove(void *base);

#endif
