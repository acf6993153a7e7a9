#include "engine/hostif/pdump.h"

#include <errno.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_memory.h>
#include <rte_pdump.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// Stops at the first page. Returns 1 when another process can open it, 2 when it cannot.
static int first_page(const struct rte_memseg_list *list, const struct rte_memseg *ms, void *arg)
{
	int fd = rte_memseg_get_fd_thread_unsafe(ms);
	struct stat st;

	(void)arg;
	if (list->external)
		return 0;
	return fd >= 0 && fstat(fd, &st) == 0 && st.st_nlink > 0 ? 1 : 2;
}

static int check(char *err, size_t err_bytes)
{
	char path[512];

	if (!rte_eal_has_hugepages()) {
		snprintf(err, err_bytes, "EAL runs without hugepages (--no-huge)");
		return -ENOTSUP;
	}
	snprintf(path, sizeof(path), "%s/mp_socket", rte_eal_get_runtime_dir());
	if (access(path, F_OK) != 0) {
		snprintf(err, err_bytes,
			"EAL has no socket for other processes "
			"(--in-memory or --no-shconf)");
		return -ENOTSUP;
	}
	if (rte_memseg_walk(first_page, NULL) == 2) {
		snprintf(err, err_bytes,
			"EAL's hugepages have no names "
			"(--huge-unlink=always)");
		return -ENOTSUP;
	}
	return 0;
}

int pdump_start(char *err, size_t err_bytes)
{
	int r = check(err, err_bytes);

	if (r < 0)
		return r;
	if (rte_pdump_init() == 0)
		return 0;
	r = rte_errno ? -rte_errno : -EIO;
	snprintf(err, err_bytes, "%s", strerror(-r));
	return r;
}

void pdump_stop(void)
{
	rte_pdump_uninit();
}
