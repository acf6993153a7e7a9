#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host_lib/lib.h"

#define HUGE_PAGE_BYTES (2ull << 20)

// A sealed memfd of the size that `l` comes to with these pages, all of it allocated now: a page
// that cannot be had later would kill whoever touches it. Returns the descriptor or -errno.
static int make_fd(struct ob_seg_layout *l, bool huge, const char *name)
{
	unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	char shown[OB_NAME_BYTES]; // memfd_create() refuses long names
	int fd;
	int err;

	if (ob_seg_layout_make(l, huge ? HUGE_PAGE_BYTES : (uint64_t)sysconf(_SC_PAGESIZE)))
		return -EINVAL;
	if (huge)
		flags |= MFD_HUGETLB | MFD_HUGE_2MB;
	snprintf(shown, sizeof(shown), "%s", name);
	fd = memfd_create(shown, flags);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)l->seg_bytes) || fallocate(fd, 0, 0, (off_t)l->seg_bytes)
		|| fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW)) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

int segment_make(struct ob_host *h, bool allow_huge, const char *name)
{
	struct ob_seg_layout wish = h->layout;
	int fd = -ENOMEM;
	void *at;

	if (allow_huge)
		fd = make_fd(&h->layout, true, name);
	h->hugepages = fd >= 0;
	if (fd < 0 && fd != -EINVAL) {
		h->layout = wish;
		fd = make_fd(&h->layout, false, name);
	}
	if (fd < 0)
		return fd == -EINVAL ? -EINVAL : -ENOMEM;
	at = mmap(NULL, h->layout.seg_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
		0);
	if (at == MAP_FAILED) {
		close(fd);
		return -ENOMEM;
	}
	h->mem_fd = fd;
	h->seg = at;
	return 0;
}

void segment_free(struct ob_host *h)
{
	if (h->seg)
		munmap(h->seg, h->layout.seg_bytes);
	if (h->mem_fd >= 0)
		close(h->mem_fd);
	h->seg = NULL;
	h->mem_fd = -1;
}
