// Killed between any two instructions, an engine leaves a state segment that is true. Here it is looked
// at before every store: while a turn runs, the state segment and the page of the rings can only be
// read. Each store faults, the segment is checked as a successor would find it, the store is let
// through alone (the trap flag), and the next one faults again. So the order of stores is what is
// tested, and nothing depends on chance.
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "tests/unit/core/order.h"

#include "engine/state/chain.h"

#if defined(__x86_64__)

#define TRAP_FLAG 0x100
#define PAGE 4096u

static struct rig r;
static unsigned n_stores, n_wrong;
static const char *first_wrong;

static void pages(int prot)
{
	mprotect(r.st.hdr, r.st.bytes, prot);
	mprotect(r.host.host->mem->base + r.host.l.chan_off / PAGE * PAGE, PAGE, prot);
}

static void wrong(const char *what)
{
	if (n_wrong++ == 0)
		first_wrong = what;
}

// Whether a chain holds the bytes [from, to) without a gap, in pieces of its own record.
static bool chain_holds(const struct rec *x, uint32_t i, uint64_t from, uint64_t to)
{
	for (uint32_t n = 0; from < to && n < r.st.hdr->n_pieces; n++) {
		const struct piece *p;

		if (i >= r.st.hdr->n_pieces)
			return false;
		p = &r.st.pieces[i];
		if (p->conn != (uint32_t)(x - r.st.recs) || p->gen != rec_gen(x) || p->start > from
			|| p->len == 0)
			return false;
		if (p->start + p->len > from)
			from = p->start + p->len;
		i = HARD_GET(p->next);
	}
	return from >= to;
}

// Whether every piece that is linked is filled: its record's, and behind the one before.
static bool chain_filled(const struct rec *x, uint32_t i)
{
	uint64_t end = 0;

	for (uint32_t n = 0; i != STATE_NIL; n++) {
		const struct piece *p;

		if (i >= r.st.hdr->n_pieces || n == r.st.hdr->n_pieces)
			return false;
		p = &r.st.pieces[i];
		if (p->conn != (uint32_t)(x - r.st.recs) || p->gen != rec_gen(x) || p->len == 0
			|| p->start < end)
			return false;
		end = p->start + p->len;
		i = HARD_GET(p->next);
	}
	return true;
}

static void check_rec(const struct rec *x)
{
	uint64_t una = HARD_GET(x->snd_una), max = HARD_GET(x->snd_max), wr = HARD_GET(x->snd_wr);
	uint64_t consumed;

	if (rec_phase(x) == REC_FREE)
		return;
	if (x->sum != rec_sum(x)) {
		wrong("a record that lives and is not filled");
		return;
	}
	consumed = atomic_load(&ob_seg_slot(r.host.seg, &r.host.l, x->slot)->consumed);
	if (una > max || max > STATE_OFF(wr))
		wrong("acknowledged, sent, written: not in this order");
	if (!chain_filled(x, HARD_GET(x->rcv_head)) || !chain_filled(x, HARD_GET(x->snd_head)))
		wrong("a piece that is linked and not filled");
	if (!chain_holds(x, HARD_GET(x->rcv_head), consumed, chain_data_end(HARD_GET(x->rcv_nxt))))
		wrong("received bytes that no piece holds");
	if (rec_phase(x) == REC_LIVE
		&& !chain_holds(x, HARD_GET(x->snd_head), una, chain_data_end(wr)))
		wrong("bytes to send that no piece holds");
	if (chain_data_end(HARD_GET(x->rcv_nxt)) > HARD_GET(x->rcv_edge))
		wrong("received past the edge");
}

static void check_halves(void)
{
	for (uint32_t i = 0; i < r.st.hdr->n_half; i++) {
		const struct half *h = &r.st.half[i];
		uint8_t phase = HARD_GET(h->phase);

		if (phase == HALF_FREE)
			continue;
		if (h->lport == 0 || h->rport == 0 || h->iss == 0 || h->mss == 0
			|| (phase == HALF_SYN_RCVD && (h->irs == 0 || h->listener == UINT16_MAX)))
			wrong("a half-open entry that is not filled");
	}
}

static void check_all(void)
{
	struct ob_chan_shm *shm = ob_seg_chan(r.host.seg, &r.host.l, 0);
	const struct chan_hard *hard = r.host.host->chans[0].hard;

	n_stores++;
	if ((int32_t)(HARD_GET(hard->req_head) - atomic_load(&shm->req.head)) < 0)
		wrong("requests given back before they are committed");
	if ((int32_t)(HARD_GET(hard->ev_tail) - atomic_load(&shm->ev.tail)) < 0)
		wrong("events published before their tail is committed");
	for (uint32_t i = 0; i < r.st.hdr->n_conns; i++)
		check_rec(&r.st.recs[i]);
	check_halves();
	for (uint32_t i = 0; i < r.st.hdr->n_tw; i++)
		if (HARD_GET(r.st.tw[i].expiry) && r.st.tw[i].rcv_nxt == 0
			&& r.st.tw[i].snd_nxt == 0)
			wrong("a TIME-WAIT entry that is not filled");
}

static bool ours(const void *at)
{
	uintptr_t a = (uintptr_t)at, state = (uintptr_t)r.st.hdr;
	uintptr_t rings = (uintptr_t)r.host.host->mem->base + r.host.l.chan_off / PAGE * PAGE;

	return a - state < r.st.bytes || a - rings < PAGE;
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
	ucontext_t *u = context;

	if (!ours(info->si_addr)) {
		signal(sig, SIG_DFL); // the same instruction faults again
		return;
	}
	check_all();
	pages(PROT_READ | PROT_WRITE);
	u->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
}

static void on_step(int sig, siginfo_t *info, void *context)
{
	ucontext_t *u = context;

	(void)sig;
	(void)info;
	u->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
	pages(PROT_READ);
}

static void watched_turn(void)
{
	order_begin(&r);
	pages(PROT_READ);
	core_turn(r.core);
	pages(PROT_READ | PROT_WRITE);
	check_all();
}

static void setup(void (*change)(struct config *cfg))
{
	struct sigaction fault = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
	struct sigaction step = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};
	struct ob_seg_layout l = peer_layout(1, 6);

	n_stores = n_wrong = 0;
	rig_open(&r, change, &l);
	sigaction(SIGSEGV, &fault, NULL);
	sigaction(SIGTRAP, &step, NULL);
	r.turn = watched_turn;
	rig_listen(&r, RIG_PORT);
}

static void teardown(void)
{
	r.turn = NULL;
	signal(SIGSEGV, SIG_DFL);
	signal(SIGTRAP, SIG_DFL);
	if (n_wrong)
		printf("\n    %s, and %u more ", first_wrong, n_wrong - 1);
	printf("%u stores ", n_stores);
	CU_ASSERT_EQUAL(n_wrong, 0);
	CU_ASSERT(n_stores > 100);
	rig_close(&r);
}

static struct ob_req of(const struct rig_end *e, enum ob_req_op op, uint64_t off)
{
	return (struct ob_req){.op = (uint8_t)op, .slot = e->slot, .gen = e->gen, .off = off};
}

static void drain(void)
{
	while (peer_has_event(&r.host))
		peer_event(&r.host);
	rig_forget(&r);
}

// Data both ways in pieces that come and go, read late; then one of the ways to end. gaps: data comes
// out of order, too, which an engine may forget.
static void one_life(uint16_t port, unsigned ending, bool gaps)
{
	struct rig_end e;

	rig_accept(&r, &e, port);
	for (unsigned i = 0; i < 4; i++) {
		rig_ask(&r, rig_send_req(&r, &e, 700 * i, 700));
		rig_say(&r, &e, TCP_ACK, 900);
		if (i % 2)
			rig_consume(&r, &e, 900 * i);
		e.ack += 700;
		rig_say(&r, &e, TCP_ACK, 0);
		if (gaps) { // filled behind
			e.seq += 300;
			rig_say(&r, &e, TCP_ACK, 400);
			e.seq -= 700;
			rig_say(&r, &e, TCP_ACK, 300);
			e.seq += 400;
		}
		drain();
	}
	if (ending == 0) { // with unread data and unsent pieces
		rig_ask(&r, rig_send_req(&r, &e, 2800, 700));
		rig_do(&r, of(&e, OB_RQ_ABORT, 0));
	} else if (ending == 1) {
		rig_say(&r, &e, TCP_RST, 0);
	} else {
		rig_consume(&r, &e, e.seq - e.isn - 1);
		rig_do(&r, of(&e, OB_RQ_CLOSE, 2800));
		e.ack++;
		rig_say(&r, &e, TCP_ACK, 0);
		rig_say(&r, &e, TCP_FIN | TCP_ACK, 0);
	}
	drain();
	rig_release(&r, &e);
	drain();
}

static void test_lives(void)
{
	setup(NULL);
	for (uint16_t i = 0; i < 12; i++)
		one_life((uint16_t)(1000 + i), i % 3, true);
	teardown();
}

static void amnesia(struct config *cfg)
{
	cfg->debug_amnesia = 1000000;
}

static void test_amnesia(void)
{
	setup(amnesia);
	for (uint16_t i = 0; i < 12; i++)
		one_life((uint16_t)(1000 + i), i % 3, false);
	teardown();
}

static void test_active(void)
{
	struct rig_end e;

	setup(NULL);
	rig_connect(&r, &e, 2001, 4);
	rig_ask(&r, rig_send_req(&r, &e, 0, 5000));
	rig_turns(&r, 2);
	rig_advance(&r, 4000000); // lost
	rig_turns(&r, 2);
	e.ack = e.iss + 5001;
	rig_say(&r, &e, TCP_ACK, 0);
	rig_say(&r, &e, TCP_RST, 0);
	drain();
	rig_release(&r, &e);
	teardown();
}

#endif

int main(void)
{
	CU_TestInfo tests[] = {
#if defined(__x86_64__)
		{"lives of connections", test_lives},
		{"the same, rebuilt after every turn", test_amnesia},
		{"an active open, and loss", test_active},
#endif
		CU_TEST_INFO_NULL,
	};

	if (tests[0].pName == NULL) {
		printf("no trap flag on this processor\n");
		return 77;
	}
	if (unit_eal() < 0)
		return 1;
	return unit_run("core stores", tests);
}
