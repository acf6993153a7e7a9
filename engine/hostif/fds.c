#include "engine/hostif/fds.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "engine/base/log.h"

#define OWN 64u // EAL, the port, telemetry, and what a message may bring

uint32_t fds_limit(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) || r.rlim_cur > INT32_MAX)
		return INT32_MAX;
	return (uint32_t)r.rlim_cur;
}

uint32_t fds_reserved(const struct control *c)
{
	uint32_t most = fds_limit() / 2, want = c->max_clients + OWN;

	return want < most ? want : most;
}

void fds_raise(const struct config *cfg)
{
	uint64_t want = cfg->limits_hosts * (OB_MAX_CHANNELS + 1) + OB_MAX_CHANNELS + 2 * OWN;
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r))
		return;
	r.rlim_cur = r.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &r))
		log_warn("descriptors stay limited to %u: %s", fds_limit(), strerror(errno));
	if (fds_limit() < want)
		log_warn("%u descriptors (ulimit -Hn) are too few for limits.hosts with %u "
			 "channels each: "
			 "that could take %lu",
			fds_limit(), OB_MAX_CHANNELS, (unsigned long)want);
}
