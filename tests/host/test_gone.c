// The engine goes away in the middle of everything: each call fails at once, none hangs.
#include <CUnit/CUnit.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "tests/host/fake.h"

static const struct ob_endpoint peer = {.addr = {[10] = 0xff, 0xff, 10, 0, 0, 2}, .port = 80};

static ob_conn_t open_conn(struct fake *f, struct ob_channel *ch)
{
	struct ob_req r;
	ob_conn_t c;

	CU_ASSERT_EQUAL_FATAL(ob_connect(ch, &peer, NULL, NULL, &c), 0);
	ob_flush(ch);
	r = fake_expect(f, 0, OB_RQ_CONNECT);
	fake_connected(f, 0, r.slot, r.gen, 0);
	CU_ASSERT_EQUAL_FATAL(ob_connect_wait(ch, c, 1000), 0);
	return c;
}

static void every_call(void)
{
	struct fake f;
	struct ob_host *h;
	struct ob_channel *ch = fake_one(&f, &h);
	struct ob_app_event e;
	struct ob_host_info info;
	struct ob_endpoint at = {.port = 80};
	struct ob_channel *other;
	uint8_t buf[100];
	ob_conn_t c = open_conn(&f, ch);
	ob_conn_t c2 = open_conn(&f, ch);
	int listener = ob_listen(ch, &at, 0, NULL);

	fake_data(&f, 0, (uint32_t)c, 1, 0, 50, 0);
	fake_die(&f);
	// What came before is given first.
	CU_ASSERT_EQUAL(ob_poll(ch, &e, 1, -1), 1);
	CU_ASSERT_EQUAL(e.type, OB_READABLE);
	CU_ASSERT_EQUAL(ob_poll(ch, &e, 1, -1), -EPIPE);
	CU_ASSERT_EQUAL(ob_poll(ch, &e, 1, 0), -EPIPE);
	CU_ASSERT_EQUAL(ob_recv(ch, c, buf, 100), 50);
	CU_ASSERT_EQUAL(ob_recv(ch, c, buf, 100), -EPIPE);
	CU_ASSERT_EQUAL(ob_send(ch, c, "x", 1, 0), -EPIPE);
	CU_ASSERT_EQUAL(ob_shutdown(ch, c), -EPIPE);
	CU_ASSERT_EQUAL(ob_setopt(ch, c, OB_SO_NODELAY, 1), -EPIPE);
	CU_ASSERT_EQUAL(ob_flush(ch), -EPIPE);
	CU_ASSERT_EQUAL(ob_arm(ch), -EPIPE);
	CU_ASSERT_EQUAL(ob_listen(ch, &at, 0, NULL), -EPIPE);
	CU_ASSERT_EQUAL(ob_unlisten(ch, listener), -EPIPE);
	CU_ASSERT_EQUAL(ob_connect(ch, &peer, NULL, NULL, &c), -EPIPE);
	CU_ASSERT_EQUAL(ob_channel_open(h, &other), -EPIPE);
	CU_ASSERT_EQUAL(ob_accept_wait(ch, listener, &c, -1), -EPIPE);
	CU_ASSERT_EQUAL(ob_listen_wait(ch, listener, NULL, -1), -EPIPE);
	CU_ASSERT_EQUAL(ob_send_all(ch, c2, buf, 100, 0, NULL, -1), -EPIPE);
	CU_ASSERT_EQUAL(ob_recv_wait(ch, c2, buf, 100, -1), -EPIPE);
	CU_ASSERT_EQUAL(ob_close(ch, c2), 0);
	ob_host_info(h, &info);
	CU_ASSERT(info.gone);
	ob_detach(h);
	fake_stop(&f);
}

// A busy poller makes no system call, and still finds out.
static void busy(void)
{
	struct fake f;
	struct ob_host *h;
	struct ob_channel *ch = fake_one(&f, &h);
	struct ob_app_event e;
	int n = 0;

	fake_die(&f);
	while (n++ < 10000 && ob_poll(ch, &e, 1, 0) == 0)
		;
	CU_ASSERT(n < 10000);
	ob_detach(h);
	fake_stop(&f);
}

static void *die_later(void *arg)
{
	nanosleep(&(struct timespec){.tv_nsec = 30000000}, NULL);
	fake_die(arg);
	return NULL;
}

enum call { POLL, ACCEPT, CONNECT, LISTEN, SEND, RECV, EPOLL, CALLS };

static int blocked_call(struct ob_channel *ch, enum call call, ob_conn_t c, int listener)
{
	static uint8_t big[4 << 20];
	struct pollfd p = {.fd = ob_fd(ch), .events = POLLIN};
	struct ob_app_event e;
	ob_conn_t got;

	switch (call) {
	case POLL:
		return ob_poll(ch, &e, 1, -1);
	case ACCEPT:
		return ob_accept_wait(ch, listener, &got, -1);
	case CONNECT:
		ob_connect(ch, &peer, NULL, NULL, &got);
		return ob_connect_wait(ch, got, -1);
	case LISTEN:
		return ob_listen_wait(ch, listener, NULL, -1);
	case SEND:
		return ob_send_all(ch, c, big, sizeof(big), 0, NULL, -1);
	case RECV:
		return (int)ob_recv_wait(ch, c, big, 1, -1);
	case EPOLL:
		CU_ASSERT_EQUAL(ob_arm(ch), 0);
		CU_ASSERT_EQUAL(poll(&p, 1, 5000), 1);
		ob_disarm(ch);
		return ob_poll(ch, &e, 1, -1);
	default:
		return 0;
	}
}

// The engine dies while a thread sleeps in each of the calls that can sleep.
static void asleep(void)
{
	for (enum call call = POLL; call < CALLS; call++) {
		struct fake f;
		struct ob_host *h;
		struct ob_channel *ch = fake_one(&f, &h);
		struct ob_endpoint at = {.port = 80};
		ob_conn_t c = open_conn(&f, ch);
		int listener = ob_listen(ch, &at, 0, NULL);
		pthread_t t;

		pthread_create(&t, NULL, die_later, &f);
		CU_ASSERT_EQUAL(blocked_call(ch, call, c, listener), -EPIPE);
		pthread_join(t, NULL);
		ob_detach(h);
		fake_stop(&f);
	}
}

// Indices that cannot be: the engine is not believed any more.
static void mad_engine(void)
{
	struct fake f;
	struct ob_host *h;
	struct ob_channel *ch = fake_one(&f, &h);
	struct ob_app_event e;

	atomic_store(&f.chans[0].shm->ev.tail, 1000);
	CU_ASSERT_EQUAL(ob_poll(ch, &e, 1, -1), -EPIPE);
	ob_detach(h);
	fake_stop(&f);
	ch = fake_one(&f, &h);
	atomic_store(&f.chans[0].shm->req.head, 77);
	for (int i = 0; i < 64; i++) {
		ob_conn_t c;
		int error = ob_connect(ch, &peer, NULL, NULL, &c);

		if (error)
			CU_ASSERT_EQUAL(error, -EAGAIN);
	}
	ob_flush(ch);
	atomic_store(&f.chans[0].shm->req.head, 1u << 31);
	ob_conn_t c;
	CU_ASSERT(ob_connect(ch, &peer, NULL, NULL, &c) < 0);
	CU_ASSERT_EQUAL(ob_flush(ch) == -EPIPE || ob_poll(ch, &e, 1, 0) == 0, 1);
	ob_detach(h);
	fake_stop(&f);
}

void suite_gone(void)
{
	CU_pSuite s = CU_add_suite("gone", NULL, NULL);

	CU_ADD_TEST(s, every_call);
	CU_ADD_TEST(s, busy);
	CU_ADD_TEST(s, asleep);
	CU_ADD_TEST(s, mad_engine);
}
