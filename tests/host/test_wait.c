// Blocking helpers: time-outs, and that they leave what they do not wait for to ob_poll().
#include <CUnit/CUnit.h>
#include <signal.h>
#include <time.h>

#include "tests/host/fake.h"

static const struct ob_endpoint peer = {.addr = {[10] = 0xff, 0xff, 10, 0, 0, 2}, .port = 80};

static int64_t ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

// Runs `call`, which has to give -EAGAIN after about 30 ms.
#define TIMES_OUT(call)                                                                            \
	do {                                                                                       \
		int64_t since_ms = ms();                                                           \
		CU_ASSERT_EQUAL((call), -EAGAIN);                                                  \
		CU_ASSERT(ms() - since_ms >= 29);                                                  \
		CU_ASSERT(ms() - since_ms < 3000);                                                 \
	} while (0)

static void timeouts(void)
{
	static uint8_t big[4 << 20];
	struct fake f;
	struct ob_host *h;
	struct ob_channel *ch = fake_one(&f, &h);
	struct ob_endpoint at = {.port = 80};
	struct ob_app_event e;
	struct ob_req r;
	size_t sent;
	ob_conn_t c;
	ob_conn_t got;
	int64_t from = ms();
	int l = ob_listen(ch, &at, 0, NULL);

	CU_ASSERT_EQUAL(ob_poll(ch, &e, 1, 30000), 0);
	CU_ASSERT(ms() - from >= 29);
	TIMES_OUT(ob_listen_wait(ch, l, NULL, 30000));
	TIMES_OUT(ob_accept_wait(ch, l, &got, 30000));
	CU_ASSERT_EQUAL(ob_accept_wait(ch, l, &got, 0), -EAGAIN);
	ob_connect(ch, &peer, NULL, NULL, &c);
	TIMES_OUT(ob_connect_wait(ch, c, 30000));
	fake_expect(&f, 0, OB_RQ_LISTEN);
	r = fake_expect(&f, 0, OB_RQ_CONNECT); // told without a poll
	fake_connected(&f, 0, r.slot, r.gen, 0);
	CU_ASSERT_EQUAL(ob_connect_wait(ch, c, -1), 0);
	CU_ASSERT_EQUAL(ob_poll(ch, &e, 1, 0), 0); // not told twice
	TIMES_OUT(ob_recv_wait(ch, c, big, 1, 30000));
	TIMES_OUT(ob_send_all(ch, c, big, sizeof(big), 0, &sent, 30000));
	CU_ASSERT_EQUAL(sent, 1 << 20);
	CU_ASSERT_EQUAL(ob_recv_wait(ch, 12345, big, 1, -1), -EBADF);
	CU_ASSERT_EQUAL(ob_connect_wait(ch, 12345, -1), -EBADF);
	CU_ASSERT_EQUAL(ob_accept_wait(ch, 77, &got, -1), -EBADF);
	ob_detach(h);
	fake_stop(&f);
}

static void others_wait(void)
{
	struct fake f;
	struct ob_host *h;
	struct ob_channel *ch = fake_one(&f, &h);
	struct ob_endpoint at = {.port = 80};
	struct ob_event up = {.type = OB_EV_LISTEN};
	struct ob_app_event e[8];
	struct ob_req r;
	ob_conn_t c[3];
	uint8_t buf[10];
	uint16_t port;
	int l = ob_listen(ch, &at, 0, NULL);

	ob_flush(ch);
	r = fake_expect(&f, 0, OB_RQ_LISTEN);
	up.slot = r.slot;
	up.gen = r.gen;
	up.listen.lport = 80;
	fake_event(&f, 0, &up);
	for (uint32_t i = 0; i < 3; i++)
		fake_accept(&f, 0, (uint32_t)l, i, 1);
	fake_data(&f, 0, 1, 1, 0, 10, OB_EV_FIN);
	CU_ASSERT_EQUAL(ob_listen_wait(ch, l, &port, -1), 0);
	CU_ASSERT_EQUAL(port, 80);
	CU_ASSERT_EQUAL(ob_accept_wait(ch, l, &c[0], -1), 0);
	CU_ASSERT_EQUAL(ob_accept_wait(ch, l, &c[1], -1), 0);
	CU_ASSERT_EQUAL(ob_recv_wait(ch, c[1], buf, 10, -1), 10);
	CU_ASSERT_EQUAL(ob_recv_wait(ch, c[1], buf, 10, -1), 0);
	// The third connection and the end of the second are still there to be polled.
	CU_ASSERT_EQUAL(ob_poll(ch, e, 8, 0), 2);
	CU_ASSERT_EQUAL(e[0].type, OB_PEER_CLOSED);
	CU_ASSERT_EQUAL(e[0].conn, c[1]);
	CU_ASSERT_EQUAL(e[1].type, OB_ACCEPTED);
	// Blocking alone, without a poll, releases slots.
	ob_abort(ch, c[0]);
	fake_data(&f, 0, 0, 1, 0, 10, 0);
	CU_ASSERT_EQUAL(ob_recv_wait(ch, c[1], buf, 10, -1), 0);
	CU_ASSERT_EQUAL(ob_accept_wait(ch, l, &c[2], 1000), -EAGAIN);
	while (fake_req(&f, 0, &r) && r.op != OB_RQ_ABORT)
		;
	CU_ASSERT_EQUAL(r.op, OB_RQ_ABORT);
	fake_closed(&f, 0, 0, 1, -ECONNABORTED);
	CU_ASSERT_EQUAL(ob_accept_wait(ch, l, &c[2], 1000), -EAGAIN);
	while (fake_req(&f, 0, &r) && r.op != OB_RQ_RELEASE)
		;
	CU_ASSERT_EQUAL(r.op, OB_RQ_RELEASE);
	ob_detach(h);
	fake_stop(&f);
}

static void nothing(int sig)
{
	(void)sig;
}

static void *disturb(void *arg)
{
	nanosleep(&(struct timespec){.tv_nsec = 30000000}, NULL);
	pthread_kill(*(pthread_t *)arg, SIGUSR1);
	return NULL;
}

static void signals(void)
{
	struct fake f;
	struct ob_host *h;
	struct ob_channel *ch = fake_one(&f, &h);
	struct sigaction act = {.sa_handler = nothing};
	struct ob_app_event e;
	pthread_t self = pthread_self();
	pthread_t t;

	sigaction(SIGUSR1, &act, NULL);
	pthread_create(&t, NULL, disturb, &self);
	CU_ASSERT_EQUAL(ob_poll(ch, &e, 1, -1), 0);
	pthread_join(t, NULL);
	ob_detach(h);
	fake_stop(&f);
}

void suite_wait(void)
{
	CU_pSuite s = CU_add_suite("wait", NULL, NULL);

	CU_ADD_TEST(s, timeouts);
	CU_ADD_TEST(s, others_wait);
	CU_ADD_TEST(s, signals);
}
