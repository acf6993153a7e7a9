// Listeners: their results, numbers and slots, and the connections they accept.
#include "tests/host/events.h"

static void listen_results(void)
{
	struct fake f;
	struct ob_host *h;
	struct ob_channel *ch = fake_one(&f, &h);
	struct ob_endpoint at = {.port = 80};
	struct ob_listen_opts o = {.size = sizeof(o), .nodelay = 1};
	struct ob_event e = {.type = OB_EV_LISTEN};
	struct ob_app_event got;
	struct ob_req r;
	int l = ob_listen(ch, &at, 77, &o);

	CU_ASSERT_FATAL(l >= 0);
	ob_flush(ch);
	r = fake_expect(&f, 0, OB_RQ_LISTEN);
	CU_ASSERT_EQUAL(r.slot, (uint32_t)l);
	CU_ASSERT_EQUAL(r.len, 77);
	CU_ASSERT_EQUAL(r.addr.lport, 80);
	CU_ASSERT_NOT_EQUAL(r.gen, 0);
	e.slot = r.slot;
	e.gen = r.gen;
	r = fake_expect(&f, 0, OB_RQ_SETOPT);
	CU_ASSERT_EQUAL(r.flags, OB_RQ_LISTENER);
	CU_ASSERT_EQUAL(r.option, OB_OPT_NODELAY);
	CU_ASSERT_EQUAL(r.off, 1);
	CU_ASSERT(fake_quiet(&f, 0));
	e.error = -EADDRINUSE;
	fake_event(&f, 0, &e);
	fake_event(&f, 0, &e); // twice
	got = one(ch, OB_LISTENING);
	CU_ASSERT_EQUAL(got.error, -EADDRINUSE);
	CU_ASSERT_EQUAL(got.listener, (uint32_t)l);
	none(ch);
	CU_ASSERT_EQUAL(ob_unlisten(ch, l), -EBADF);
	// Refused as a request.
	l = ob_listen(ch, &at, 0, NULL);
	ob_flush(ch);
	r = fake_expect(&f, 0, OB_RQ_LISTEN);
	e = (struct ob_event){.type = OB_EV_REFUSED,
		.req_op = OB_RQ_LISTEN,
		.slot = r.slot,
		.gen = r.gen,
		.error = -ENFILE};
	fake_event(&f, 0, &e);
	CU_ASSERT_EQUAL(one(ch, OB_LISTENING).error, -ENFILE);
	// Up, down, and the next one has another number.
	l = listening(&f, ch);
	CU_ASSERT_EQUAL(ob_unlisten(ch, l), 0);
	ob_flush(ch);
	CU_ASSERT_EQUAL(fake_expect(&f, 0, OB_RQ_UNLISTEN).slot, (uint32_t)l);
	CU_ASSERT_NOT_EQUAL(listening(&f, ch), l);
	o.size = 1;
	CU_ASSERT_EQUAL(ob_listen(ch, &at, 0, &o), -EINVAL);
	ob_detach(h);
	fake_stop(&f);
}

static void listeners_run_out(void)
{
	struct fake f;
	struct ob_host *h;
	struct ob_channel *ch = fake_one(&f, &h);
	struct ob_endpoint at = {.port = 80};
	struct ob_req r;
	int n = 0;
	int l;

	for (;;) {
		l = ob_listen(ch, &at, 0, NULL);
		if (l == -EAGAIN) {
			while (fake_req(&f, 0, &r))
				;
			continue;
		}
		if (l < 0)
			break;
		n++;
	}
	CU_ASSERT_EQUAL(l, -ENFILE);
	CU_ASSERT_EQUAL(n, (int)OB_MAX_LISTENERS);
	ob_detach(h);
	fake_stop(&f);
}

static void accepting(void)
{
	struct fake f;
	struct ob_host *h;
	struct ob_channel *ch = fake_one(&f, &h);
	struct ob_conn_info info;
	struct ob_app_event e;
	struct ob_req r;
	char text[OB_ENDPOINT_TEXT];
	int l = listening(&f, ch);

	fake_accept(&f, 0, (uint32_t)l, 5, 1);
	fake_accept(&f, 0, (uint32_t)l, 5, 1); // again
	fake_accept(&f, 0, (uint32_t)l, 64, 1); // not a slot for this
	fake_accept(&f, 0, (uint32_t)l, 1u << 30, 1);
	e = one(ch, OB_ACCEPTED);
	CU_ASSERT_EQUAL(e.listener, (uint32_t)l);
	none(ch);
	CU_ASSERT_EQUAL(ob_seg_slot(f.seg, &f.l, 5)->taken_gen, 1);
	CU_ASSERT_EQUAL(ob_conn_info(ch, e.conn, &info), 0);
	CU_ASSERT_STRING_EQUAL(ob_endpoint_format(&info.remote, text), "10.0.0.2:40005");
	CU_ASSERT_STRING_EQUAL(ob_endpoint_format(&info.local, text), "10.0.0.1:80");
	CU_ASSERT_EQUAL(info.mss, 1448);
	CU_ASSERT_EQUAL(info.opts, OB_INFO_TS | OB_INFO_WSCALE);
	CU_ASSERT(info.connected);
	ob_set_user(ch, e.conn, &f);
	CU_ASSERT_PTR_EQUAL(ob_get_user(ch, e.conn), &f);
	// The application closes first.
	CU_ASSERT_EQUAL(ob_close(ch, e.conn), 0);
	CU_ASSERT_EQUAL(ob_close(ch, e.conn), -EBADF);
	CU_ASSERT_EQUAL(ob_conn_info(ch, e.conn, &info), -EBADF);
	none(ch);
	r = fake_expect(&f, 0, OB_RQ_CLOSE);
	CU_ASSERT_EQUAL(r.slot, 5);
	CU_ASSERT_EQUAL(r.gen, 1);
	CU_ASSERT_EQUAL(r.off, 0);
	fake_closed(&f, 0, 5, 1, 0);
	fake_closed(&f, 0, 5, 1, 0);
	none(ch);
	none(ch);
	r = fake_expect(&f, 0, OB_RQ_RELEASE);
	CU_ASSERT_EQUAL(r.gen, 1);
	CU_ASSERT(fake_quiet(&f, 0));
	// Told again after the slot was released: answered again.
	fake_closed(&f, 0, 5, 1, 0);
	none(ch);
	none(ch);
	CU_ASSERT_EQUAL(fake_expect(&f, 0, OB_RQ_RELEASE).gen, 1);
	// The slot's next connection; what is late for the first one changes nothing.
	fake_accept(&f, 0, (uint32_t)l, 5, 2);
	fake_data(&f, 0, 5, 1, 0, 10, OB_EV_FIN);
	fake_closed(&f, 0, 5, 1, -ECONNRESET);
	CU_ASSERT_NOT_EQUAL(one(ch, OB_ACCEPTED).conn, e.conn);
	none(ch);
	CU_ASSERT_EQUAL(ob_channel_close(ch), -EBUSY);
	ob_detach(h);
	fake_stop(&f);
}

static void accept_after_unlisten(void)
{
	struct fake f;
	struct ob_host *h;
	struct ob_channel *ch = fake_one(&f, &h);
	int l = listening(&f, ch);

	ob_unlisten(ch, l);
	fake_accept(&f, 0, (uint32_t)l, 9, 4);
	none(ch);
	none(ch);
	CU_ASSERT_EQUAL(fake_expect(&f, 0, OB_RQ_UNLISTEN).slot, (uint32_t)l);
	CU_ASSERT_EQUAL(fake_expect(&f, 0, OB_RQ_ABORT).slot, 9);
	fake_closed(&f, 0, 9, 4, -ECONNABORTED);
	none(ch);
	none(ch);
	CU_ASSERT_EQUAL(fake_expect(&f, 0, OB_RQ_RELEASE).slot, 9);
	CU_ASSERT_EQUAL(ob_channel_close(ch), 0);
	ob_detach(h);
	fake_stop(&f);
}

// The engine says itself that the listener is gone, whatever its number says.
static void accept_of_no_listener(void)
{
	struct fake f;
	struct ob_host *h;
	struct ob_channel *ch = fake_one(&f, &h);
	struct ob_event e = {.type = OB_EV_ACCEPT, .flags = OB_EV_NO_LISTENER, .slot = 9, .gen = 4};
	int l = listening(&f, ch);

	e.conn.chan_listener = (uint8_t)l;
	fake_event(&f, 0, &e);
	none(ch);
	ob_flush(ch);
	CU_ASSERT_EQUAL(fake_expect(&f, 0, OB_RQ_ABORT).slot, 9);
	ob_detach(h);
	fake_stop(&f);
}

void suite_listen(void)
{
	CU_pSuite s = CU_add_suite("listen", NULL, NULL);

	CU_ADD_TEST(s, listen_results);
	CU_ADD_TEST(s, listeners_run_out);
	CU_ADD_TEST(s, accepting);
	CU_ADD_TEST(s, accept_after_unlisten);
	CU_ADD_TEST(s, accept_of_no_listener);
}
