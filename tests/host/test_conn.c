// Connections: how they begin and end, slots, generations, what an engine says that cannot be.
#include "tests/host/events.h"

#define SLOT0 64u // first connect slot with fake_opts()

static const struct ob_endpoint peer = {.addr = {[10] = 0xff, 0xff, 10, 0, 0, 2}, .port = 80};

static void connect_errors(void)
{
	static const int errors[] = {-ECONNREFUSED, -ETIMEDOUT, -EHOSTUNREACH, -ECONNRESET, -ENFILE,
		-ENOBUFS, -EADDRINUSE};
	struct fake f;
	struct ob_host *h;
	struct ob_channel *ch = fake_one(&f, &h);
	struct ob_app_event e;
	struct ob_req r;
	ob_conn_t c;

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		CU_ASSERT_EQUAL_FATAL(ob_connect(ch, &peer, NULL, &f, &c), 0);
		CU_ASSERT_EQUAL(ob_send(ch, c, "x", 1, 0), -ENOTCONN);
		CU_ASSERT_EQUAL(ob_shutdown(ch, c), -ENOTCONN);
		none(ch);
		r = fake_expect(&f, 0, OB_RQ_CONNECT);
		CU_ASSERT(r.slot >= SLOT0);
		if (i % 2) {
			struct ob_event refused = {.type = OB_EV_REFUSED,
				.req_op = OB_RQ_CONNECT,
				.slot = r.slot,
				.gen = r.gen,
				.error = errors[i]};

			fake_event(&f, 0, &refused);
		} else {
			fake_connected(&f, 0, r.slot, r.gen, errors[i]);
			fake_connected(&f, 0, r.slot, r.gen, 0); // too late
		}
		e = one(ch, OB_CONNECTED);
		CU_ASSERT_EQUAL(e.error, errors[i]);
		CU_ASSERT_EQUAL(e.conn, c);
		CU_ASSERT_PTR_EQUAL(e.user, &f);
		CU_ASSERT_EQUAL(ob_send(ch, c, "x", 1, 0), errors[i]);
		none(ch);
		CU_ASSERT(fake_quiet(&f, 0));
		CU_ASSERT_EQUAL(ob_close(ch, c), 0);
		none(ch);
		CU_ASSERT_EQUAL(fake_expect(&f, 0, OB_RQ_RELEASE).slot, r.slot);
	}
	ob_detach(h);
	fake_stop(&f);
}

// A SEND that the engine refuses leaves a hole in the stream: the connection is reset, never closed in order.
static void send_refused(void)
{
	struct fake f;
	struct ob_host *h;
	struct ob_channel *ch = fake_one(&f, &h);
	struct ob_event refused = {.type = OB_EV_REFUSED, .req_op = OB_RQ_SEND, .gen = 1};
	struct ob_req r;
	ob_conn_t c;
	int l = listening(&f, ch);

	fake_accept(&f, 0, (uint32_t)l, 0, 1);
	c = one(ch, OB_ACCEPTED).conn;
	CU_ASSERT_EQUAL(ob_send(ch, c, "hello", 5, 0), 5);
	ob_flush(ch);
	fake_expect(&f, 0, OB_RQ_SEND);
	refused.error = -EFAULT;
	fake_event(&f, 0, &refused);
	none(ch);
	ob_flush(ch);
	r = fake_expect(&f, 0, OB_RQ_ABORT);
	CU_ASSERT(r.slot == 0 && r.gen == 1);
	CU_ASSERT(fake_quiet(&f, 0));
	ob_detach(h);
	fake_stop(&f);
}

static void connect_slots(void)
{
	struct fake f;
	struct ob_host *h;
	struct ob_channel *ch = fake_one(&f, &h);
	struct ob_req first;
	struct ob_req r;
	ob_conn_t c[65];
	struct ob_endpoint bad = peer;

	bad.port = 0;
	CU_ASSERT_EQUAL(ob_connect(ch, &bad, NULL, NULL, &c[0]), -EINVAL);
	for (int i = 0; i < 64; i++)
		CU_ASSERT_EQUAL(ob_connect(ch, &peer, NULL, NULL, &c[i]), 0);
	CU_ASSERT_EQUAL(ob_connect(ch, &peer, NULL, NULL, &c[64]), -ENFILE);
	first = fake_expect(&f, 0, OB_RQ_CONNECT);
	while (fake_req(&f, 0, &r))
		;
	// Closed before it was connected.
	CU_ASSERT_EQUAL(ob_close(ch, c[0]), 0);
	ob_flush(ch);
	CU_ASSERT_EQUAL(fake_expect(&f, 0, OB_RQ_CLOSE).slot, first.slot);
	fake_closed(&f, 0, first.slot, first.gen, 0);
	none(ch);
	// The slot comes back, with a new generation behind the release of the old one.
	CU_ASSERT_EQUAL(ob_connect(ch, &peer, NULL, NULL, &c[64]), 0);
	ob_flush(ch);
	CU_ASSERT_EQUAL(fake_expect(&f, 0, OB_RQ_RELEASE).gen, first.gen);
	r = fake_expect(&f, 0, OB_RQ_CONNECT);
	CU_ASSERT_EQUAL(r.slot, first.slot);
	CU_ASSERT(r.gen > first.gen);
	// The late result of the first is nobody's.
	fake_connected(&f, 0, first.slot, first.gen, 0);
	none(ch);
	fake_connected(&f, 0, r.slot, r.gen, 0);
	CU_ASSERT_EQUAL(one(ch, OB_CONNECTED).conn, c[64]);
	ob_detach(h);
	fake_stop(&f);
}

static void closed_first(void)
{
	struct fake f;
	struct ob_host *h;
	struct ob_channel *ch = fake_one(&f, &h);
	struct ob_app_event e[4];
	char buf[8];
	ob_conn_t c;
	int l = listening(&f, ch);

	fake_accept(&f, 0, (uint32_t)l, 0, 1);
	c = one(ch, OB_ACCEPTED).conn;
	fake_data(&f, 0, 0, 1, 0, 5, OB_EV_FIN);
	fake_closed(&f, 0, 0, 1, -ECONNRESET);
	// In order, and no two in one call.
	CU_ASSERT_EQUAL(ob_poll(ch, e, 4, 0), 1);
	CU_ASSERT_EQUAL(e[0].type, OB_READABLE);
	CU_ASSERT_EQUAL(e[0].bytes, 5);
	CU_ASSERT_EQUAL(ob_poll(ch, e, 4, 0), 1);
	CU_ASSERT_EQUAL(e[0].type, OB_PEER_CLOSED);
	CU_ASSERT_EQUAL(ob_poll(ch, e, 4, 0), 1);
	CU_ASSERT_EQUAL(e[0].type, OB_CLOSED);
	CU_ASSERT_EQUAL(e[0].error, -ECONNRESET);
	// What had come can be read, and only then is the slot given back.
	CU_ASSERT(fake_quiet(&f, 0));
	CU_ASSERT_EQUAL(ob_send(ch, c, "x", 1, 0), -ECONNRESET);
	CU_ASSERT_EQUAL(ob_recv(ch, c, buf, 8), 5);
	CU_ASSERT_EQUAL(ob_recv(ch, c, buf, 8), 0);
	none(ch);
	CU_ASSERT(fake_quiet(&f, 0));
	CU_ASSERT_EQUAL(ob_abort(ch, c), 0);
	none(ch);
	fake_expect(&f, 0, OB_RQ_RELEASE);
	CU_ASSERT(fake_quiet(&f, 0));
	ob_detach(h);
	fake_stop(&f);
}

// A connection that has events to report is closed, over and released before a poll; those behind
// it are reported all the same.
static void released_unreported(void)
{
	struct fake f;
	struct ob_host *h;
	struct ob_channel *ch = fake_one(&f, &h);
	struct ob_app_event e[8];
	struct ob_req r;
	ob_conn_t c[3];
	char byte;
	int l = listening(&f, ch);

	for (uint32_t i = 0; i < 3; i++) {
		fake_accept(&f, 0, (uint32_t)l, i, 1);
		c[i] = one(ch, OB_ACCEPTED).conn;
	}
	for (uint32_t i = 0; i < 3; i++)
		fake_data(&f, 0, i, 1, 0, 5, 0);
	CU_ASSERT_EQUAL(ob_recv_wait(ch, c[2], &byte, 1, 0), 1); // takes events, reports none
	ob_close(ch, c[0]);
	fake_closed(&f, 0, 0, 1, 0);
	CU_ASSERT_EQUAL(ob_recv_wait(ch, c[2], &byte, 1, 0), 1);
	CU_ASSERT_EQUAL(ob_accept_wait(ch, l, &c[0], 0), -EAGAIN);
	ob_flush(ch);
	r.op = OB_RQ_NOP;
	while (r.op != OB_RQ_RELEASE && fake_req(&f, 0, &r))
		;
	CU_ASSERT_EQUAL(r.op, OB_RQ_RELEASE);
	CU_ASSERT_EQUAL(ob_poll(ch, e, 8, 0), 2);
	CU_ASSERT_EQUAL(e[0].conn, c[1]);
	CU_ASSERT_EQUAL(e[1].conn, c[2]);
	ob_detach(h);
	fake_stop(&f);
}

// An event says something bad: nothing happens, and it is counted.
static void nonsense(void)
{
	struct fake f;
	struct ob_host *h;
	struct ob_channel *ch = fake_one(&f, &h);
	struct ob_channel_stats st;
	struct ob_event e = {.type = OB_EV_DATA, .n = 1, .gen = 1};
	ob_conn_t c;
	int l = listening(&f, ch);

	fake_accept(&f, 0, (uint32_t)l, 0, 1);
	c = one(ch, OB_ACCEPTED).conn;
	e.data.spans[0] = ob_span_make(0, 100); // the header
	fake_event(&f, 0, &e);
	e.data.spans[0] = ob_span_make(f.l.rx_off + f.l.rx_bytes - 10, 11);
	fake_event(&f, 0, &e);
	e.data.spans[0] = ob_span_make(f.l.rx_off, 11);
	e.data.off = 1; // a gap
	fake_event(&f, 0, &e);
	e.data.off = 0;
	e.n = 9;
	fake_event(&f, 0, &e);
	e.n = 0;
	e.data.sent = 5; // never sent
	fake_event(&f, 0, &e);
	e.type = 200;
	fake_event(&f, 0, &e);
	e = (struct ob_event){.type = OB_EV_SENT, .n = 200};
	e.sent[0] = (struct ob_ev_sent){1u << 31, 1, 1};
	e.sent[1] = (struct ob_ev_sent){0, 9, 1};
	e.sent[2] = (struct ob_ev_sent){0, 1, 99};
	fake_event(&f, 0, &e);
	none(ch);
	ob_channel_stats(ch, &st);
	CU_ASSERT_EQUAL(st.events_bad, 8);
	CU_ASSERT_EQUAL(st.events_stale, 1);
	CU_ASSERT_EQUAL(ob_recv(ch, c, &e, 1), -EAGAIN);
	ob_detach(h);
	fake_stop(&f);
}

static void options(void)
{
	struct fake f;
	struct ob_host *h;
	struct ob_channel *ch = fake_one(&f, &h);
	struct ob_req r;
	uint64_t v;
	ob_conn_t c;

	ob_connect(ch, &peer, NULL, NULL, &c);
	CU_ASSERT_EQUAL(ob_setopt(ch, c, OB_SO_NODELAY, 1), 0);
	CU_ASSERT_EQUAL(ob_setopt(ch, c, OB_SO_NODELAY, 2), -EINVAL);
	CU_ASSERT_EQUAL(ob_setopt(ch, c, 99, 0), -EINVAL);
	CU_ASSERT_EQUAL(ob_setopt(ch, 0, OB_SO_NODELAY, 1), -EBADF);
	ob_flush(ch);
	fake_expect(&f, 0, OB_RQ_CONNECT);
	r = fake_expect(&f, 0, OB_RQ_SETOPT);
	CU_ASSERT_EQUAL(r.option, OB_OPT_NODELAY);
	CU_ASSERT_EQUAL(r.off, 1);
	CU_ASSERT_EQUAL(r.flags, 0);
	fake_connected(&f, 0, r.slot, r.gen, 0);
	one(ch, OB_CONNECTED);
	CU_ASSERT_EQUAL(ob_getopt(ch, c, OB_SO_NODELAY, &v), 0);
	CU_ASSERT_EQUAL(v, 1);
	CU_ASSERT_EQUAL(ob_getopt(ch, c, OB_SO_QUICKACK, &v), 0);
	CU_ASSERT_EQUAL(v, 0);
	CU_ASSERT_EQUAL(ob_getopt(ch, c, 99, &v), -EINVAL);
	ob_detach(h);
	fake_stop(&f);
}

void suite_conn(void)
{
	CU_pSuite s = CU_add_suite("conn", NULL, NULL);

	CU_ADD_TEST(s, connect_errors);
	CU_ADD_TEST(s, send_refused);
	CU_ADD_TEST(s, connect_slots);
	CU_ADD_TEST(s, closed_first);
	CU_ADD_TEST(s, released_unreported);
	CU_ADD_TEST(s, nonsense);
	CU_ADD_TEST(s, options);
}
