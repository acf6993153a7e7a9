// Waiting and time inside the host library. The linker puts these in the place of the C library's
// (--wrap): where the library would wait, the simulated world goes on. Randomness is the seed's.
#include <poll.h>
#include <sodium.h>
#include <sys/socket.h>
#include <time.h>

#include "tests/sim/sim.h"

#define PUMPS 64

ssize_t __real_recvmsg(int fd, struct msghdr *m, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *m, int flags);
int __real_clock_gettime(clockid_t id, struct timespec *t);
int __wrap_clock_gettime(clockid_t id, struct timespec *t);
int __wrap_nanosleep(const struct timespec *t, struct timespec *left);

// The library waits for the engine's answer: it comes while the engine's threads have their turns.
ssize_t __wrap_recvmsg(int fd, struct msghdr *m, int flags)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	if (sim_running && !(flags & MSG_DONTWAIT))
		for (int i = 0; i < PUMPS && poll(&p, 1, 0) == 0; i++)
			sim_pump(sim_running);
	return __real_recvmsg(fd, m, flags | (sim_running ? MSG_DONTWAIT : 0));
}

int __wrap_clock_gettime(clockid_t id, struct timespec *t)
{
	if (!sim_running)
		return __real_clock_gettime(id, t);
	t->tv_sec = (time_t)(sim_running->now_us / 1000000);
	t->tv_nsec = (long)(sim_running->now_us % 1000000) * 1000;
	return 0;
}

int __wrap_nanosleep(const struct timespec *t, struct timespec *left)
{
	(void)left;
	if (!sim_running)
		return 0;
	// The library may have rung before.
	for (unsigned i = 0; i < sim_running->n_nodes; i++)
		node_asked(&sim_running->nodes[i]);
	sim_pass(sim_running, (uint64_t)t->tv_sec * 1000000 + (uint64_t)t->tv_nsec / 1000);
	return 0;
}

// libsodium's source of randomness, as the engine uses it for secrets.
static struct draw sodium;

static const char *name(void)
{
	return "outboard-sim";
}

static uint32_t random32(void)
{
	return (uint32_t)(draw64(&sodium) >> 32);
}

static void buf(void *const p, const size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)p)[i] = (uint8_t)(draw64(&sodium) >> 32);
}

static struct randombytes_implementation ours
	= {.implementation_name = name, .random = random32, .buf = buf};

int wrap_start(void)
{
	// It draws something for itself when it starts: not from a seed.
	return sodium_init() < 0 ? -1 : randombytes_set_implementation(&ours);
}

void wrap_seed(uint64_t seed)
{
	sodium = draw_stream(seed, "sodium", 0);
}
