// What the engine is short of: memory that a host has not allocated, descriptors.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/hostif/fault.h"
#include "engine/hostif/fds.h"
#include "engine/hostif/holes.h"
#include "tests/unit/hostif/fixture.h"

static int64_t allocated(int fd)
{
	struct stat st;

	CU_ASSERT_EQUAL(fstat(fd, &st), 0);
	return (int64_t)st.st_blocks * 512;
}

static void punch(int fd, uint64_t at, uint64_t n)
{
	CU_ASSERT_EQUAL(
		fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)n), 0);
}

// A hole that came after the look at the size.
static void test_map_hole(void)
{
	int guard = holes_open(), fd = peer_memfd(1 << 20, PEER_SEALS);
	void *base = NULL;

	CU_ASSERT_FATAL(guard >= 0);
	CU_ASSERT_EQUAL(holes_map(guard, fd, 1 << 20, &base), 0);
	munmap(base, 1 << 20);
	punch(fd, 65536, 4096);
	base = NULL;
	CU_ASSERT_EQUAL(holes_map(guard, fd, 1 << 20, &base), -EFAULT);
	CU_ASSERT_PTR_NULL(base);
	CU_ASSERT_EQUAL(allocated(fd), (1 << 20) - 4096);
	close(fd);
	close(guard);
}

// A hole that came after the attach: the engine's touch does not fill it, and the host goes.
static void test_touch_hole(void)
{
	struct world w;
	struct peer p;

	CU_ASSERT_EQUAL(fault_install(), 0);
	world_with_host(&w, &p);
	punch(p.mem, 0, p.l.seg_bytes);
	world_turn(&w);
	CU_ASSERT_EQUAL(allocated(p.mem), 0);
	CU_ASSERT_EQUAL(atomic_load(&w.h.mem[0].broken), 1);
	world_turn(&w);
	CU_ASSERT_EQUAL(ROSE(&w, host_fault), 1);
	p.seg = NULL;
	world_end(&w, &p);
}

static void test_no_descriptor_for_client(void)
{
	struct rlimit was, none;
	struct world w;
	int fd, next;
	char junk;

	world_open(&w);
	fd = peer_connect(&w.e);
	counters_mark(&w);
	CU_ASSERT_EQUAL(getrlimit(RLIMIT_NOFILE, &was), 0);
	next = dup(fd); // the lowest that is free
	close(next);
	none = (struct rlimit){(rlim_t)next, was.rlim_max};
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &none), 0);
	world_turn(&w);
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &was), 0);
	// It does not stay there to be told of again and again.
	CU_ASSERT_EQUAL(ROSE(&w, client_no_fd), 1);
	CU_ASSERT_EQUAL(counters_rose(&w), 1);
	CU_ASSERT_EQUAL(recv(fd, &junk, 1, MSG_DONTWAIT), 0);
	CU_ASSERT(w.control.spare_fd >= 0 && w.control.n_clients == 0);
	close(fd);
	// Who comes when there are some again is heard.
	fd = peer_connect(&w.e);
	world_turn(&w);
	CU_ASSERT_EQUAL(w.control.n_clients, 1);
	close(fd);
	world_turn(&w);
	world_close(&w);
}

// Hosts leave some descriptors to those who only ask.
static void test_no_descriptor_for_host(void)
{
	struct world w;
	struct peer p = {.l = peer_layout(2, 4)};
	struct ob_msg_attach m = peer_message(&p.l);
	int next;

	world_open(&w);
	CU_ASSERT(w.control.max_host_fd > 0
		&& w.control.max_host_fd <= fds_limit() - w.control.max_clients);
	p.fd = peer_connect(&w.e);
	p.mem = peer_memfd(p.l.seg_bytes, PEER_SEALS);
	world_turn(&w);
	counters_mark(&w);
	next = dup(p.fd);
	w.control.max_host_fd = (uint32_t)next + 3; // two pairs would take `next` to next + 3
	CU_ASSERT_EQUAL(peer_ask(&w.e, &p, &m, sizeof(m), p.mem), -EMFILE);
	CU_ASSERT_PTR_NOT_NULL(strstr(p.reply.reason, "descriptors"));
	CU_ASSERT(ROSE(&w, host_no_fds) == 1 && ROSE(&w, host_refused) == 1);
	CU_ASSERT(w.control.hosts[0] == NULL && w.h.mem[0].base == NULL);
	close(next);
	peer_close(&p);
	world_turn(&w);
	world_close(&w);
}

static void test_raise(void)
{
	struct rlimit was, low, now;
	struct config cfg;

	config_defaults(&cfg);
	CU_ASSERT_EQUAL(getrlimit(RLIMIT_NOFILE, &was), 0);
	low = (struct rlimit){was.rlim_max / 2, was.rlim_max};
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &low), 0);
	fds_raise(&cfg);
	CU_ASSERT_EQUAL(getrlimit(RLIMIT_NOFILE, &now), 0);
	CU_ASSERT_EQUAL(now.rlim_cur, was.rlim_max);
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &was), 0);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{"a hole while it is mapped", test_map_hole},
		{"a hole after the attach", test_touch_hole},
		{"no descriptor for a client", test_no_descriptor_for_client},
		{"few descriptors for a host", test_no_descriptor_for_host},
		{"the limit is raised", test_raise},
		CU_TEST_INFO_NULL,
	};

	return unit_eal() ? 1 : unit_run("short", tests);
}
