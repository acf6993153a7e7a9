// Memory of hosts is memory that hosts pay for. A page of a segment that is not there is not made by the
// engine's touch: that is a fault (SIGBUS, hostif/fault.h), and costs the host its place, not the engine
// memory.
#ifndef ENGINE_HOSTIF_HOLES_H
#define ENGINE_HOSTIF_HOLES_H

#include <stddef.h>

// Returns a descriptor for holes_map(), or a negative errno when the kernel cannot do that (userfaultfd
// with UFFD_FEATURE_SIGBUS and MADV_POPULATE_WRITE, Linux 5.14): touching a hole allocates then.
int holes_open(void);

// Maps a segment, read and write, with all of its pages present. guard: what holes_open() returned.
// Returns 0, or a negative errno: -EFAULT when some of it is not allocated.
int holes_map(int guard, int fd, size_t bytes, void **base);

#endif
