// What one thread asks of one channel reaches the engine in the order of its calls, whether a call writes
// its request itself (listen, connect, settings) or leaves it for the next flush (all others).
#include <errno.h>

#include "tests/host/one.h"

static int listener_up(struct one *t, uint32_t *gen)
{
	struct ob_endpoint at = {.port = 80};
	struct ob_event e = {.type = OB_EV_LISTEN, .listen = {.lport = 80}};
	int l = ob_listen(t->ch, &at, 5, NULL);

	CU_ASSERT_FATAL(l >= 0);
	ob_flush(t->ch);
	e.slot = (uint32_t)l;
	e.gen = *gen = fake_expect(&t->f, 0, OB_RQ_LISTEN).gen;
	fake_event(&t->f, 0, &e);
	CU_ASSERT(poll_one(t, OB_LISTENING));
	return l;
}

// The port is free again for the same thread: the engine hears of its end first.
static void unlisten_listen(void)
{
	struct ob_endpoint at = {.port = 80};
	struct ob_listen_opts o = {.size = sizeof(o), .nodelay = 1};
	struct ob_req r;
	struct one t;
	uint32_t gen;
	int l;

	begin(&t);
	l = listener_up(&t, &gen);
	CU_ASSERT_EQUAL(ob_unlisten(t.ch, l), 0);
	CU_ASSERT_FATAL(ob_listen(t.ch, &at, 0, &o) >= 0);
	ob_flush(t.ch);
	r = fake_expect(&t.f, 0, OB_RQ_UNLISTEN);
	CU_ASSERT(r.slot == (uint32_t)l && r.gen == gen);
	fake_expect(&t.f, 0, OB_RQ_LISTEN);
	fake_expect(&t.f, 0, OB_RQ_SETOPT);
	CU_ASSERT(fake_quiet(&t.f, 0));
	end(&t);
}

// So is a connection's own port.
static void abort_connect(void)
{
	struct ob_endpoint from = {.port = 5555};
	struct ob_req r;
	struct one t;
	ob_conn_t d;

	begin(&t);
	CU_ASSERT_EQUAL(ob_abort(t.ch, t.c), 0);
	CU_ASSERT_EQUAL(ob_connect(t.ch, &one_peer, &from, NULL, &d), 0);
	ob_flush(t.ch);
	CU_ASSERT_EQUAL(fake_expect(&t.f, 0, OB_RQ_ABORT).slot, t.slot);
	r = fake_expect(&t.f, 0, OB_RQ_CONNECT);
	CU_ASSERT_EQUAL(r.addr.lport, 5555);
	CU_ASSERT_NOT_EQUAL(r.slot, t.slot);
	end(&t);
}

// A setting holds for what is sent after it, not before; a listener's for no connection before it.
static void send_setopt(void)
{
	struct one t;
	uint32_t gen;
	int l;

	begin(&t);
	l = listener_up(&t, &gen);
	CU_ASSERT_EQUAL(ob_send(t.ch, t.c, "one", 3, 0), 3);
	CU_ASSERT_EQUAL(ob_setopt(t.ch, t.c, OB_SO_NODELAY, 1), 0);
	CU_ASSERT_EQUAL(ob_send(t.ch, t.c, "two", 3, 0), 3);
	CU_ASSERT_EQUAL(ob_listener_setopt(t.ch, l, OB_SO_NODELAY, 1), 0);
	ob_flush(t.ch);
	CU_ASSERT_EQUAL(fake_expect(&t.f, 0, OB_RQ_SEND).off, 0);
	CU_ASSERT_EQUAL(fake_expect(&t.f, 0, OB_RQ_SETOPT).flags, 0);
	CU_ASSERT_EQUAL(fake_expect(&t.f, 0, OB_RQ_SEND).off, 3);
	CU_ASSERT_EQUAL(fake_expect(&t.f, 0, OB_RQ_SETOPT).flags, OB_RQ_LISTENER);
	CU_ASSERT(fake_quiet(&t.f, 0));
	end(&t);
}

// A ring that has no room for what came before has none for what comes behind it.
static void full_ring(void)
{
	struct ob_endpoint at = {.port = 80};
	struct ob_req r;
	struct one t;
	ob_conn_t d;
	uint32_t gen;
	int l;

	begin(&t);
	l = listener_up(&t, &gen);
	for (int i = 0; i < 63; i++)
		CU_ASSERT_EQUAL(ob_setopt(t.ch, t.c, OB_SO_NODELAY, 1), 0);
	CU_ASSERT_EQUAL(ob_unlisten(t.ch, l), 0);
	CU_ASSERT_EQUAL(ob_abort(t.ch, t.c), 0);
	CU_ASSERT_EQUAL(ob_connect(t.ch, &one_peer, NULL, NULL, &d), -EAGAIN);
	CU_ASSERT_EQUAL(ob_listen(t.ch, &at, 0, NULL), -EAGAIN);
	for (int i = 0; i < 63; i++)
		fake_expect(&t.f, 0, OB_RQ_SETOPT);
	fake_expect(&t.f, 0, OB_RQ_UNLISTEN);
	CU_ASSERT(fake_quiet(&t.f, 0));
	CU_ASSERT_EQUAL(ob_connect(t.ch, &one_peer, NULL, NULL, &d), 0);
	ob_flush(t.ch);
	fake_expect(&t.f, 0, OB_RQ_ABORT);
	fake_expect(&t.f, 0, OB_RQ_CONNECT);
	while (fake_req(&t.f, 0, &r))
		CU_FAIL("a request too many");
	end(&t);
}

void suite_order(void)
{
	CU_pSuite s = CU_add_suite("order", NULL, NULL);

	CU_ADD_TEST(s, unlisten_listen);
	CU_ADD_TEST(s, abort_connect);
	CU_ADD_TEST(s, send_setopt);
	CU_ADD_TEST(s, full_ring);
}
