// The suite `system`: real processes, measured by tools/bench/system.sh.
#include "tools/bench/system.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *host_idle = "sleep";
static char nice_text[8] = "0";

static const struct bench_option options[] = {
	{"host-idle", "HOW", "sleep: the host sleeps when it has nothing to do; yield: it polls"},
	{"nice", "N", "of the processes that are measured, -20 to 19"},
	{0},
};

static int system_option(struct bench *b, const char *name, const char *value)
{
	char *end;
	long n;

	(void)b;
	if (strcmp(name, "nice") == 0) {
		n = strtol(value, &end, 10);
		if (end == value || *end || n < -20 || n > 19)
			return -EINVAL;
		snprintf(nice_text, sizeof(nice_text), "%ld", n);
		return 0;
	}
	if (strcmp(value, "sleep") != 0 && strcmp(value, "yield") != 0)
		return -EINVAL;
	host_idle = value;
	return 0;
}

// The script finds the other programs of this build in OB_BIN.
static int set_bin(void)
{
	char exe[PATH_MAX], bin[PATH_MAX + 32];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char *slash;

	if (n < 0)
		return -errno;
	exe[n] = '\0';
	slash = strrchr(exe, '/');
	if (!slash)
		return -ENOENT;
	*slash = '\0';
	snprintf(bin, sizeof(bin), "%s/../../bin", exe);
	return setenv("OB_BIN", bin, 0) ? -errno : 0;
}

static int system_run(struct bench *b)
{
	char *argv[] = {(char *)BENCH_SOURCES "/system.sh", (char *)host_idle, nice_text, NULL};
	int rc = set_bin();

	return rc ? rc : bench_script(b, argv);
}

const struct bench_suite system_suite = {
	.name = "system",
	.doc = "real processes: over veth beside the kernel's TCP, over memif with a DPDK peer",
	.options = options,
	.option = system_option,
	.run = system_run,
};
