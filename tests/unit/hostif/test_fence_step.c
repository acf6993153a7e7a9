// The engine's full fences, by single steps: between the store that a sleeper must see and the look at
// his flag the processor runs a fence. test_fences.c shows what goes wrong without one, when two
// processors meet; this needs no luck and no second processor.
//
// With the trap flag set each instruction ends in SIGTRAP. Once the first word has changed, the page
// of the second may not be touched: the look at it faults, and by then a fence was stepped over.
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "tests/unit/hostif/fixture.h"

#if defined(__x86_64__)

#define TRAP_FLAG 0x100
#define PAGE 4096u

static struct {
	const _Atomic uint32_t *stored; // by the engine; in the host's mapping
	uint32_t before;
	const void *looked_at; // in the engine's
	bool on;
	bool was_stored;
	bool fenced; // since then
	bool looked;
	bool fenced_first;
	unsigned steps;
} f;

static void page(int prot)
{
	mprotect((void *)((uintptr_t)f.looked_at / PAGE * PAGE), PAGE, prot);
}

// Whether the instruction is a full fence: mfence, or anything with a lock prefix.
static bool is_fence(const uint8_t *at)
{
	return at[0] == 0xf0 || (at[0] == 0x0f && at[1] == 0xae && at[2] == 0xf0);
}

static void on_step(int sig, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)sig;
	(void)info;
	if (!f.on) {
		regs[REG_EFL] &= ~TRAP_FLAG;
		return;
	}
	f.steps++;
	if (!f.was_stored) {
		f.was_stored = atomic_load(f.stored) != f.before;
	}
	if (f.was_stored && !f.looked) {
		f.fenced |= is_fence((const uint8_t *)regs[REG_RIP]);
		page(PROT_NONE);
	}
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
	(void)context;
	if (!f.on || !f.was_stored || f.looked) {
		signal(sig, SIG_DFL); // the same instruction faults again
		return;
	}
	page(PROT_READ | PROT_WRITE);
	if (info->si_addr == f.looked_at) {
		f.looked = true;
		f.fenced_first = f.fenced;
	}
}

static void steps_begin(const _Atomic uint32_t *stored, const void *looked_at)
{
	struct sigaction step = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};
	struct sigaction fault = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};

	memset(&f, 0, sizeof(f));
	f.stored = stored;
	f.before = atomic_load(stored);
	f.looked_at = looked_at;
	sigaction(SIGTRAP, &step, NULL);
	sigaction(SIGSEGV, &fault, NULL);
	f.on = true;
	__asm__ volatile("pushfq\n\torq %0, (%%rsp)\n\tpopfq" ::"i"(TRAP_FLAG) : "memory", "cc");
}

static void steps_end(void)
{
	f.on = false; // the next step is the last
	page(PROT_READ | PROT_WRITE);
	signal(SIGTRAP, SIG_DFL);
	signal(SIGSEGV, SIG_DFL);
	printf("%u steps ", f.steps);
	CU_ASSERT(f.was_stored && f.looked);
	CU_ASSERT(f.fenced_first);
}

static void test_doorbells(void)
{
	struct ob_chan_shm *host_side, *engine_side;
	struct tcp_soft *s;
	struct world w;
	struct peer p;

	world_open(&w);
	peer_attach(&w.e, &p, 1, 6);
	s = world_conn(&w, &p, 0);
	HARD_SET(w.st.recs[0].snd_wr, 1000);
	HARD_SET(w.st.recs[0].snd_una, 1);
	w.h.ops.notify(&w.h, s, TCP_EV_SENT);
	host_side = ob_seg_chan(p.seg, &p.l, 0);
	engine_side = ob_seg_chan(p.host->mem->base, &p.l, 0);
	steps_begin(&host_side->ev.tail, &engine_side->host_sleeping);
	hostif_publish(&w.h);
	hostif_doorbells(&w.h);
	steps_end();
	peer_close(&p);
	world_close(&w);
}

static void test_sleep(void)
{
	struct ob_chan_shm *engine_side;
	struct ob_seg_hdr *hdr;
	struct world w;
	struct peer p;

	world_open(&w);
	peer_attach(&w.e, &p, 1, 6);
	hdr = (struct ob_seg_hdr *)p.seg;
	engine_side = ob_seg_chan(p.host->mem->base, &p.l, 0);
	steps_begin(&hdr->engine_sleeping, &engine_side->req.tail);
	(void)hostif_sleep_prepare(&w.h);
	steps_end();
	hostif_sleep_done(&w.h);
	peer_close(&p);
	world_close(&w);
}

#endif

int main(void)
{
	static CU_TestInfo tests[] = {
#if defined(__x86_64__)
		{"tails, fence, flags", test_doorbells},
		{"flags, fence, tails", test_sleep},
#endif
		CU_TEST_INFO_NULL,
	};

	if (tests[0].pName == NULL) {
		printf("no trap flag on this processor\n");
		return 77;
	}
	return unit_run("fence step", tests);
}
