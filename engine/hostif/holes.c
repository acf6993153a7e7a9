#include "engine/hostif/holes.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 // Linux 5.14
#endif

int holes_open(void)
{
	struct uffdio_api api = {.api = UFFD_API,
		.features = UFFD_FEATURE_SIGBUS | UFFD_FEATURE_MISSING_SHMEM
			| UFFD_FEATURE_MISSING_HUGETLBFS};
	// Only faults of this process's own instructions: that much needs no privilege.
	int guard = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	int rc;

	if (guard < 0)
		return -errno;
	// holes_map() tells missing pages by it: without it no segment could be mapped behind a guard.
	if (madvise(NULL, 0, MADV_POPULATE_WRITE)) {
		close(guard);
		return -EOPNOTSUPP;
	}
	if (ioctl(guard, UFFDIO_API, &api) == 0)
		return guard;
	rc = -errno;
	close(guard);
	return rc;
}

// The end of the mapping ends the registration.
static int guard_add(int guard, void *at, size_t bytes)
{
	struct uffdio_register r = {.range = {.start = (uintptr_t)at, .len = bytes},
		.mode = UFFDIO_REGISTER_MODE_MISSING};

	return ioctl(guard, UFFDIO_REGISTER, &r) ? -errno : 0;
}

int holes_map(int guard, int fd, size_t bytes, void **base)
{
	int populate = guard < 0 ? MAP_POPULATE : 0, rc = 0;
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | populate, fd, 0);

	if (at == MAP_FAILED)
		return -errno;
	if (guard >= 0)
		rc = guard_add(guard, at, bytes);
	if (rc == 0 && guard >= 0 && madvise(at, bytes, MADV_POPULATE_WRITE))
		rc = -errno;
	if (rc) {
		munmap(at, bytes);
		return rc;
	}
	*base = at;
	return 0;
}
