#include "engine/base/eal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_BYTES 512

static int __attribute__((format(printf, 2, 3))) add(struct eal_args *a, const char *format, ...)
{
	size_t room = sizeof(a->text) - a->used;
	va_list args;
	int len;

	if (a->argc >= EAL_ARGS_MAX)
		return -E2BIG;
	va_start(args, format);
	len = vsnprintf(a->text + a->used, room, format, args);
	va_end(args);
	if (len < 0 || (size_t)len >= room)
		return -E2BIG;
	a->argv[a->argc++] = a->text + a->used;
	a->argv[a->argc] = NULL;
	a->used += (size_t)len + 1;
	return 0;
}

// Whether an option is among the extra arguments, also as --name=value or -nVALUE.
static bool given(int n_extra, char *const *extra, const char *option)
{
	size_t len = strlen(option);
	bool is_long = option[1] == '-';

	for (int i = 0; i < n_extra; i++)
		if (strncmp(extra[i], option, len) == 0
			&& (!is_long || extra[i][len] == '\0' || extra[i][len] == '='))
			return true;
	return false;
}

static const char *given_value(int n_extra, char *const *extra, const char *option)
{
	size_t len = strlen(option);
	const char *value = NULL;

	for (int i = 0; i < n_extra; i++) {
		if (strncmp(extra[i], option, len) != 0)
			continue;
		if (extra[i][len] == '=')
			value = extra[i] + len + 1;
		else if (extra[i][len] == '\0' && i + 1 < n_extra)
			value = extra[i + 1];
	}
	return value;
}

static int check_cpu(uint64_t cpu, const char *name, char *err, size_t err_bytes)
{
	if (cpu < (uint64_t)sysconf(_SC_NPROCESSORS_CONF))
		return 0;
	snprintf(err, err_bytes, "engine.%s: this machine has no CPU %llu", name,
		(unsigned long long)cpu);
	return -EINVAL;
}

static int add_cores(struct eal_args *a, const struct config *cfg)
{
	return add(a, "--lcores=%u@%u,%u@%u", EAL_LCORE_CONTROL, (unsigned)cfg->engine_control_core,
		EAL_LCORE_CORE, (unsigned)cfg->engine_core);
}

static int add_all(struct eal_args *a, const struct config *cfg, int n_extra, char *const *extra)
{
	bool own_cores = given(n_extra, extra, "-l") || given(n_extra, extra, "-c")
		|| given(n_extra, extra, "--lcores");
	int r = add(a, "outboard-engine");

	r = r ? r : add(a, "--iova-mode=va");
	// Where every process finds room, one under AddressSanitizer too: a capture tool has to map the
	// same memory at the same address.
	if (!given(n_extra, extra, "--base-virtaddr"))
		r = r ? r : add(a, "--base-virtaddr=%s", EAL_BASE);
	r = r ? r : add(a, "--file-prefix=%s", a->prefix);
	if (!own_cores) {
		r = r ? r : add_cores(a, cfg);
		r = r ? r : add(a, "--main-lcore=%u", EAL_LCORE_CONTROL);
	}
	if (cfg->port_pci[0] != '\0') {
		r = r ? r : add(a, "--allow=%s", cfg->port_pci);
	} else {
		if (!given(n_extra, extra, "--no-pci"))
			r = r ? r : add(a, "--no-pci");
		r = r ? r : add(a, "--vdev=%s", cfg->port_vdev);
	}
	if (!given(n_extra, extra, "-m") && !given(n_extra, extra, "--socket-mem"))
		r = r ? r : add(a, "-m%llu", (unsigned long long)cfg->engine_memory_mb);
	if (strcmp(cfg->engine_memory, "normal") == 0 && !given(n_extra, extra, "--no-huge"))
		r = r ? r : add(a, "--no-huge");
	for (int i = 0; r == 0 && i < n_extra; i++)
		r = add(a, "%s", extra[i]);
	return r;
}

int eal_args_make(struct eal_args *a, const struct config *cfg, int n_extra, char *const *extra,
	char *err, size_t err_bytes)
{
	const char *prefix = given_value(n_extra, extra, "--file-prefix");
	int r = check_cpu(cfg->engine_core, "core", err, err_bytes);

	if (r == 0)
		r = check_cpu(cfg->engine_control_core, "control_core", err, err_bytes);
	if (r < 0)
		return r;
	memset(a, 0, sizeof(*a));
	if (prefix == NULL)
		prefix = cfg->engine_instance;
	if (strlen(prefix) >= sizeof(a->prefix)) {
		snprintf(err, err_bytes, "--file-prefix: \"%s\" is too long", prefix);
		return -EINVAL;
	}
	memcpy(a->prefix, prefix, strlen(prefix) + 1);
	r = add_all(a, cfg, n_extra, extra);
	if (r < 0)
		snprintf(err, err_bytes, "too many EAL arguments");
	return r;
}

// Where EAL keeps the runtime files of a prefix.
static void runtime_dir(char *out, size_t bytes, const char *prefix)
{
	const char *base = "/var/run";

	if (getuid() != 0) {
		base = getenv("XDG_RUNTIME_DIR");
		if (base == NULL)
			base = "/tmp";
	}
	snprintf(out, bytes, "%s/dpdk/%s", base, prefix);
}

// A running primary keeps a lock on its configuration file. Returns a descriptor that holds that
// lock until it is closed, -ENOENT when there is no such file, -EBUSY when another has it.
static int take_lock(const char *dir, int *owner)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char path[PATH_BYTES + 16];
	int fd;

	snprintf(path, sizeof(path), "%s/config", dir);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ENOENT : -errno;
	if (fcntl(fd, F_SETLK, &lock) == 0)
		return fd;
	*owner = 0;
	if (fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
		*owner = lock.l_pid;
	close(fd);
	return -EBUSY;
}

// Whether a file name is PREFIXmap_NUMBER, as EAL calls its pages.
static bool is_page(const char *name, const char *prefix)
{
	size_t len = strlen(prefix);

	if (strncmp(name, prefix, len) != 0 || strncmp(name + len, "map_", 4) != 0)
		return false;
	name += len + 4;
	return *name != '\0' && name[strspn(name, "0123456789")] == '\0';
}

// Removes a directory's files: all of them, or only the pages of `prefix`.
static void remove_files(const char *dir, const char *prefix)
{
	DIR *d = opendir(dir);
	const struct dirent *e;

	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.' && (prefix == NULL || is_page(e->d_name, prefix)))
			unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
}

static void remove_pages(const char *prefix)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	const struct mntent *m;

	if (mounts == NULL)
		return;
	while ((m = getmntent(mounts)) != NULL)
		if (strcmp(m->mnt_type, "hugetlbfs") == 0)
			remove_files(m->mnt_dir, prefix);
	endmntent(mounts);
}

int eal_clear(const char *prefix, char *err, size_t err_bytes)
{
	char dir[PATH_BYTES];
	int owner = 0;
	int fd;

	if (prefix[0] == '\0' || prefix[0] == '.' || strchr(prefix, '/') != NULL) {
		snprintf(err, err_bytes, "\"%s\" is no EAL file prefix", prefix);
		return -EINVAL;
	}
	runtime_dir(dir, sizeof(dir), prefix);
	fd = take_lock(dir, &owner);
	if (fd == -EBUSY) {
		snprintf(err, err_bytes, "the instance \"%s\" runs already, as process %d", prefix,
			owner);
		return fd;
	}
	// Without that file nobody can run, and nobody can be proved dead either: EAL copes.
	if (fd < 0)
		return 0;
	remove_pages(prefix);
	remove_files(dir, NULL);
	rmdir(dir);
	close(fd);
	return 0;
}

int eal_start(struct eal_args *a, char *err, size_t err_bytes)
{
	char *argv[EAL_ARGS_MAX + 1]; // EAL reorders its arguments
	int r = eal_clear(a->prefix, err, err_bytes);

	if (r < 0)
		return r;
	memcpy(argv, a->argv, sizeof(argv));
	if (rte_eal_init(a->argc, argv) >= 0)
		return 0;
	r = rte_errno ? -rte_errno : -EIO;
	snprintf(err, err_bytes, "EAL does not start: %s (its own lines above say more)%s",
		strerror(-r),
		geteuid() == 0 ? ""
			       : ". It runs without root, which DPDK's memory and most ports need: "
				 "start it as root");
	return r;
}

void eal_stop(const struct eal_args *a)
{
	char err[128];

	rte_eal_cleanup();
	eal_clear(a->prefix, err, sizeof(err));
}
