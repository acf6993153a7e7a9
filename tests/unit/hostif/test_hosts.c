// Hosts that come and go through a real socket, and what becomes of their memory: orphans, faults, DPDK's view.
#include <errno.h>
#include <rte_memory.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/hostif/socket.h"
#include "tests/unit/hostif/fixture.h"

// Two hosts come, the third is refused; one leaves, and its place is good for another.
static void test_hosts(void)
{
	struct world w;
	struct peer a, b, c = {0};
	struct ob_msg_attach m;
	struct ob_ctl_host row;
	uint32_t id;

	world_open(&w);
	peer_attach(&w.e, &a, 2, 4);
	peer_attach(&w.e, &b, OB_MAX_CHANNELS, 4); // in two packets of doorbells
	CU_ASSERT(b.bells[0] > 0 && b.bells[OB_MAX_CHANNELS - 1] > 0);
	CU_ASSERT_EQUAL(send(b.host->chans[OB_MAX_CHANNELS - 1].bell, "", 1, 0), 1);
	CU_ASSERT_EQUAL(recv(b.bells[OB_MAX_CHANNELS - 1], &row, 1, MSG_DONTWAIT), 1);
	CU_ASSERT(a.reply.host_id != b.reply.host_id);
	CU_ASSERT_EQUAL(control_host_row(&w.control, 1, &row), 0);
	CU_ASSERT(row.id == b.reply.host_id && row.pid == (uint32_t)getpid());
	CU_ASSERT(row.n_channels == OB_MAX_CHANNELS && row.rx_bufs == 32 && row.rx_bufs_free == 32);
	CU_ASSERT_STRING_EQUAL(row.name, "unit");
	CU_ASSERT_STRING_EQUAL(row.state, "up");
	m = peer_message(&a.l);
	counters_mark(&w);
	c.fd = peer_connect(&w.e);
	CU_ASSERT_EQUAL(peer_ask(&w.e, &c, &m, sizeof(m), a.mem), -ENFILE);
	CU_ASSERT_EQUAL(peer_ask(&w.e, &a, &m, sizeof(m), a.mem), -EALREADY);
	CU_ASSERT_EQUAL(w.h.n_active, 2);

	// a ends with a connection open: TCP is asked to end it, then its memory goes.
	world_conn(&w, &a, 3);
	id = a.reply.host_id;
	peer_close(&a);
	world_turn(&w);
	CU_ASSERT_EQUAL(ROSE(&w, host_detached), 1);
	for (unsigned i = 0; i < 10; i++)
		world_turn(&w);
	CU_ASSERT(script.gone);
	CU_ASSERT_EQUAL(w.h.n_active, 1);
	CU_ASSERT_PTR_NULL(w.h.mem[0].base);
	CU_ASSERT_EQUAL(control_host_row(&w.control, 0, &row), -ENOENT);
	CU_ASSERT_EQUAL(atomic_load(&b.host->state), HOSTIF_UP);
	close(c.fd);
	peer_attach(&w.e, &a, 1, 4);
	CU_ASSERT(a.reply.host_id != id && a.host->index == 0);
	CU_ASSERT_EQUAL(a.host->slots[0].gen, 0);
	peer_close(&a);
	peer_close(&b);
	world_close(&w);
}

// Its socket is closed while the core has not even answered.
static void test_gone_at_once(void)
{
	struct world w;
	struct peer p = {.l = peer_layout(1, 4)};
	struct ob_msg_attach m = peer_message(&p.l);

	world_open(&w);
	p.fd = peer_connect(&w.e);
	p.mem = peer_memfd(p.l.seg_bytes, PEER_SEALS);
	CU_ASSERT_EQUAL(socket_send(p.fd, &m, sizeof(m), &p.mem, 1), 0);
	control_turn(&w.control, 0);
	control_turn(&w.control, 0);
	CU_ASSERT_PTR_NOT_NULL(w.control.hosts[0]);
	peer_close(&p);
	for (unsigned i = 0; i < 10; i++)
		world_turn(&w);
	CU_ASSERT_EQUAL(w.h.n_active, 0);
	CU_ASSERT_PTR_NULL(w.control.hosts[0]);
	CU_ASSERT_EQUAL(w.control.n_clients, 0);
	world_close(&w);
}

// A host that is gone while orphans finish keeps its memory until then.
static void test_orphans(void)
{
	struct world w;
	struct peer p;
	char junk;

	world_open(&w);
	peer_attach(&w.e, &p, 1, 4);
	w.tcp.host_conns[0] = 1;
	peer_close(&p);
	for (unsigned i = 0; i < 10; i++)
		world_turn(&w);
	CU_ASSERT_EQUAL(w.h.n_active, 1);
	CU_ASSERT_PTR_NOT_NULL(w.h.mem[0].base);
	w.tcp.host_conns[0] = 0;
	world_turn(&w);
	world_turn(&w);
	CU_ASSERT_EQUAL(w.h.n_active, 0);
	CU_ASSERT_PTR_NULL(w.h.mem[0].base);
	// One that is thrown out hears of it at once, not when the last of them is gone.
	peer_attach(&w.e, &p, 1, 4);
	w.tcp.host_conns[0] = 1;
	atomic_store(&ob_seg_chan(p.seg, &p.l, 0)->req.tail, 1u << 31);
	world_turn(&w);
	world_turn(&w);
	CU_ASSERT_EQUAL(recv(p.fd, &junk, 1, MSG_DONTWAIT), 0);
	CU_ASSERT_PTR_NOT_NULL(w.h.mem[0].base);
	peer_close(&p);
	w.tcp.host_conns[0] = 0;
	world_close(&w);
}

// A fault in the segment of one host: it goes, the other one does not notice.
static void test_fault(void)
{
	struct world w;
	struct peer a, b;
	int hole;

	world_open(&w);
	CU_ASSERT_EQUAL(fault_install(), 0);
	peer_attach(&w.e, &a, 1, 4);
	peer_attach(&w.e, &b, 1, 4);
	// What seals forbid, done to the engine's mapping: it shrinks under it.
	hole = peer_memfd(a.l.seg_bytes, 0);
	CU_ASSERT_PTR_EQUAL_FATAL(mmap(w.h.mem[0].base, a.l.seg_bytes, PROT_READ | PROT_WRITE,
					  MAP_SHARED | MAP_FIXED, hole, 0),
		w.h.mem[0].base);
	CU_ASSERT_EQUAL(ftruncate(hole, 0), 0);
	counters_mark(&w);
	world_turn(&w);
	CU_ASSERT_EQUAL(atomic_load(&w.h.mem[0].broken), 1);
	world_turn(&w);
	CU_ASSERT_EQUAL(ROSE(&w, host_fault), 1);
	peer_request(&b, &(struct ob_req){.op = OB_RQ_NOP});
	for (unsigned i = 0; i < 10; i++)
		world_turn(&w);
	CU_ASSERT_EQUAL(ROSE(&w, host_detached), 1);
	CU_ASSERT_EQUAL(ROSE(&w, req_taken), 1);
	CU_ASSERT(w.h.n_active == 1 && w.h.mem[0].base == NULL);
	// Its place is whole again.
	peer_close(&a);
	peer_attach(&w.e, &a, 1, 4);
	CU_ASSERT_EQUAL(atomic_load(&w.h.mem[0].broken), 0);
	world_turn(&w);
	CU_ASSERT_EQUAL(w.h.n_active, 2);
	close(hole);
	peer_close(&a);
	peer_close(&b);
	world_close(&w);
}

// Touches memory behind the end of its file. below: a segment is known that ends before it;
// removed: this one was known.
static int fault_in_child(bool below, bool removed)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		int fd = memfd_create("unit", 0);
		uint8_t *at = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);
		_Atomic int broken = 0;

		fault_install();
		if (below)
			fault_add(at, 4096, &broken);
		if (removed) {
			fault_add(at + 4096, 4096, &broken);
			fault_remove(at + 4096);
		}
		_exit(at[4096] ? 1 : 2);
	}
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

// Any other fault ends the process as ever.
static void test_fault_elsewhere(void)
{
	CU_ASSERT_EQUAL(fault_in_child(false, false), SIGBUS);
	CU_ASSERT_EQUAL(fault_in_child(true, false), SIGBUS);
	CU_ASSERT_EQUAL(fault_in_child(false, true), SIGBUS);
}

// DPDK is told of the segment, and that it is gone.
static void test_extmem(void)
{
	struct world w;
	struct peer p;
	struct port port = {.id = UINT16_MAX};
	void *base;

	world_open(&w);
	w.control.port = &port;
	peer_attach(&w.e, &p, 1, 4);
	base = w.h.mem[0].base;
	CU_ASSERT_PTR_NOT_NULL(rte_mem_virt2memseg_list(base));
	peer_close(&p);
	for (unsigned i = 0; i < 10; i++)
		world_turn(&w);
	CU_ASSERT_PTR_NULL(rte_mem_virt2memseg_list(base));
	world_close(&w);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{"hosts come and go", test_hosts},
		{"gone at once", test_gone_at_once},
		{"orphans", test_orphans},
		{"a fault in a segment", test_fault},
		{"a fault elsewhere", test_fault_elsewhere},
		{"external memory", test_extmem},
		CU_TEST_INFO_NULL,
	};

	return unit_eal() ? 1 : unit_run("hosts", tests);
}
