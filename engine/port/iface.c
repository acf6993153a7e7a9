#include "engine/port/iface.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/log.h"

bool vdev_arg(const char *vdev, const char *key, char *out, size_t bytes)
{
	size_t len = strlen(key);

	for (const char *p = strchr(vdev, ','); p != NULL; p = strchr(p, ',')) {
		p++;
		if (strncmp(p, key, len) != 0 || p[len] != '=')
			continue;
		snprintf(out, bytes, "%.*s", (int)strcspn(p + len + 1, ","), p + len + 1);
		return true;
	}
	return false;
}

void iface_name(const struct config *cfg, char *out, size_t bytes)
{
	static const char *const kinds[] = {"net_af_packet", "net_af_xdp"};

	*out = '\0';
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strncmp(cfg->port_vdev, kinds[i], strlen(kinds[i])) == 0)
			vdev_arg(cfg->port_vdev, "iface", out, bytes);
}

// One file for all: the byte that is locked says which interface of which network namespace. Unlike
// a file for each, nothing is left behind, and the kernel knows whose lock it is.
static off_t lock_byte(const char *iface)
{
	unsigned index = if_nametoindex(iface);
	struct stat ns;

	if (index == 0 || stat("/proc/self/ns/net", &ns) < 0)
		return -1;
	return (off_t)((uint64_t)(uint32_t)ns.st_ino << 31 | (index & 0x7fffffff));
}

int iface_claim(const struct config *cfg, const char *dir, char *err, size_t err_bytes)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
	char iface[CONFIG_TEXT];
	char path[CONFIG_TEXT];
	int fd;

	iface_name(cfg, iface, sizeof(iface));
	lock.l_start = iface[0] ? lock_byte(iface) : -1;
	if (lock.l_start < 0)
		return IFACE_UNCLAIMED; // none, or none of this name: port_open() says so
	mkdir(dir, 0755);
	snprintf(path, sizeof(path), "%s/ports.lock", dir);
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		log_warn("%s: %s: another engine on %s would not be noticed", path, strerror(errno),
			iface);
		return IFACE_UNCLAIMED;
	}
	if (fcntl(fd, F_SETLK, &lock) == 0)
		return fd;
	if (fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK && lock.l_pid > 0)
		snprintf(err, err_bytes, "port.vdev: the engine with pid %d has the interface %s",
			(int)lock.l_pid, iface);
	else
		snprintf(err, err_bytes, "port.vdev: another engine has the interface %s", iface);
	close(fd);
	return -EBUSY;
}
