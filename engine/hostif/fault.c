#include "engine/hostif/fault.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

struct segment {
	_Atomic uintptr_t base; // 0: free; stored last, cleared first
	_Atomic size_t bytes;
	_Atomic int *_Atomic broken;
};

// A signal handler has no context of its own: the one table that the process has.
static struct segment segments[FAULT_SEGMENTS];

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	uintptr_t at = (uintptr_t)info->si_addr;
	int saved = errno;

	(void)context;
	for (unsigned i = 0; i < FAULT_SEGMENTS; i++) {
		uintptr_t base = atomic_load_explicit(&segments[i].base, memory_order_acquire);
		size_t bytes = atomic_load_explicit(&segments[i].bytes, memory_order_relaxed);

		if (base == 0 || at < base || at - base >= bytes)
			continue;
		if (mmap((void *)base, bytes, PROT_READ | PROT_WRITE,
			    MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
			== MAP_FAILED)
			break;
		atomic_store(atomic_load_explicit(&segments[i].broken, memory_order_relaxed), 1);
		errno = saved;
		return;
	}
	// Not ours: the same instruction faults again, and ends the process.
	signal(sig, SIG_DFL);
	errno = saved;
}

int fault_install(void)
{
	struct sigaction sa = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO};

	sigemptyset(&sa.sa_mask);
	return sigaction(SIGBUS, &sa, NULL) ? -errno : 0;
}

int fault_add(void *base, size_t bytes, _Atomic int *broken)
{
	for (unsigned i = 0; i < FAULT_SEGMENTS; i++) {
		struct segment *s = &segments[i];

		if (atomic_load_explicit(&s->base, memory_order_relaxed) != 0)
			continue;
		atomic_store_explicit(&s->bytes, bytes, memory_order_relaxed);
		atomic_store_explicit(&s->broken, broken, memory_order_relaxed);
		atomic_store_explicit(&s->base, (uintptr_t)base, memory_order_release);
		return 0;
	}
	return -ENOSPC;
}

void fault_remove(void *base)
{
	for (unsigned i = 0; i < FAULT_SEGMENTS; i++)
		if (atomic_load_explicit(&segments[i].base, memory_order_relaxed)
			== (uintptr_t)base)
			atomic_store_explicit(&segments[i].base, 0, memory_order_release);
}
