// The sleeping rule: a flag, a full fence, one more look, and only then sleep. Whoever gets it
// wrong loses a wake-up sooner or later; OB_TEST_TURNS sets how long is tried.
#include <CUnit/CUnit.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "tests/host/fake.h"

static const struct ob_endpoint peer = {.addr = {[10] = 0xff, 0xff, 10, 0, 0, 2}, .port = 80};

static void flags(void)
{
	struct fake f;
	struct ob_host *h;
	struct ob_channel *ch = fake_one(&f, &h);
	struct ob_seg_hdr *hdr = (struct ob_seg_hdr *)f.seg;
	struct pollfd p = {.fd = ob_fd(ch), .events = POLLIN};
	struct ob_app_event e;
	struct ob_req r;
	ob_conn_t c;
	char buf[8];

	// The engine is awake: no bell.
	ob_connect(ch, &peer, NULL, NULL, &c);
	ob_flush(ch);
	CU_ASSERT_EQUAL(recv(f.chans[0].bell, buf, 8, MSG_DONTWAIT), -1);
	// Asleep: one bell for everything that is published at once, none for nothing.
	atomic_store(&hdr->engine_sleeping, 1);
	ob_flush(ch);
	CU_ASSERT_EQUAL(recv(f.chans[0].bell, buf, 8, MSG_DONTWAIT), -1);
	ob_connect(ch, &peer, NULL, NULL, &c);
	ob_connect(ch, &peer, NULL, NULL, &c);
	ob_flush(ch);
	CU_ASSERT_EQUAL(recv(f.chans[0].bell, buf, 8, MSG_DONTWAIT), 1);
	CU_ASSERT_EQUAL(recv(f.chans[0].bell, buf, 8, MSG_DONTWAIT), -1);
	// A host that sleeps says so, and its descriptor tells of the bell.
	CU_ASSERT_EQUAL(atomic_load(&f.chans[0].shm->host_sleeping), 0);
	CU_ASSERT_EQUAL(ob_arm(ch), 0);
	CU_ASSERT_EQUAL(atomic_load(&f.chans[0].shm->host_sleeping), 1);
	CU_ASSERT_EQUAL(poll(&p, 1, 0), 0);
	r = fake_expect(&f, 0, OB_RQ_CONNECT);
	fake_connected(&f, 0, r.slot, r.gen, 0);
	CU_ASSERT_EQUAL(poll(&p, 1, 1000), 1);
	CU_ASSERT_EQUAL(ob_arm(ch), 1); // an event waits
	CU_ASSERT_EQUAL(ob_poll(ch, &e, 1, 0), 1);
	CU_ASSERT_EQUAL(atomic_load(&f.chans[0].shm->host_sleeping), 0);
	CU_ASSERT_EQUAL(poll(&p, 1, 0), 0); // drained
	ob_detach(h);
	fake_stop(&f);
}

static uint64_t turns_wanted(uint64_t usual)
{
	const char *env = getenv("OB_TEST_TURNS");

	return env ? strtoull(env, NULL, 10) : usual;
}

// Ping-pong with an engine that sleeps whenever it can. A lost wake-up shows as a time-out, here or
// in the fake.
static void ping_pong(bool by_fd)
{
	struct fake f;
	struct ob_host *h;
	struct ob_channel *ch = fake_one(&f, &h);
	struct ob_channel_stats st;
	uint64_t turns = turns_wanted(200000);
	struct pollfd p = {.fd = ob_fd(ch), .events = POLLIN};
	uint64_t done = 0;
	uint64_t late = 0;
	ob_conn_t c;

	fake_run(&f, 4096, 0);
	CU_ASSERT_EQUAL_FATAL(ob_connect(ch, &peer, NULL, NULL, &c), 0);
	CU_ASSERT_EQUAL_FATAL(ob_connect_wait(ch, c, 2000000), 0);
	for (; done < turns; done++) {
		struct ob_app_event e;
		char byte = (char)done;
		char back = 0;
		int n;

		CU_ASSERT_EQUAL_FATAL(ob_send(ch, c, &byte, 1, 0), 1);
		while (ob_recv(ch, c, &back, 1) == -EAGAIN) {
			n = ob_poll(ch, &e, 1, by_fd ? 0 : 10000000);
			if (n == 0 && by_fd && ob_arm(ch) == 0)
				late += poll(&p, 1, 10000) == 0;
			else if (n == 0 && !by_fd)
				late++;
			CU_ASSERT_FATAL(n >= 0);
		}
		CU_ASSERT_EQUAL_FATAL(back, byte);
	}
	CU_ASSERT_EQUAL(late, 0);
	ob_channel_stats(ch, &st);
	printf("%llu turns, slept %llu, bells %llu out %llu in ... ", (unsigned long long)done,
		(unsigned long long)st.sleeps, (unsigned long long)st.doorbells_tx,
		(unsigned long long)st.doorbells_rx);
	fake_join(&f);
	CU_ASSERT_EQUAL(atomic_load(&f.errors), 0);
	ob_detach(h);
	fake_stop(&f);
}

static void stress_poll(void)
{
	ping_pong(false);
}

static void stress_fd(void)
{
	ping_pong(true);
}

void suite_sleep(void)
{
	CU_pSuite s = CU_add_suite("sleep", NULL, NULL);

	CU_ADD_TEST(s, flags);
	CU_ADD_TEST(s, stress_poll);
	CU_ADD_TEST(s, stress_fd);
}
