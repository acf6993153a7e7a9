// Settings of connections and listeners, and the close that lingers.
#include <errno.h>

#include "tests/host/one.h"

static uint64_t get(struct one *t, enum ob_sockopt option)
{
	uint64_t v = UINT64_MAX;

	CU_ASSERT_EQUAL(ob_getopt(t->ch, t->c, option, &v), 0);
	return v;
}

static void expect_setopt(struct one *t, uint32_t option, uint64_t value)
{
	struct ob_req r = fake_expect(&t->f, 0, OB_RQ_SETOPT);

	CU_ASSERT_EQUAL(r.slot, t->slot);
	CU_ASSERT_EQUAL(r.gen, t->gen);
	CU_ASSERT_EQUAL(r.flags, 0);
	CU_ASSERT_EQUAL(r.option, option);
	CU_ASSERT_EQUAL(r.off, value);
}

static void every_option(void)
{
	static const struct {
		enum ob_sockopt option;
		uint64_t min, max;
	} all[] = {
#define X(name, unit, min, max, doc) {OB_SO_##name, min, max},
		OB_OPTION_LIST(X)
#undef X
	};
	struct one t;

	begin(&t);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		CU_ASSERT_EQUAL(ob_setopt(t.ch, t.c, all[i].option, all[i].max), 0);
		CU_ASSERT_EQUAL(get(&t, all[i].option), all[i].max);
		CU_ASSERT_EQUAL(ob_setopt(t.ch, t.c, all[i].option, all[i].max + 1), -EINVAL);
		CU_ASSERT_EQUAL(ob_setopt(t.ch, t.c, all[i].option, UINT64_MAX), -EINVAL);
		if (all[i].min)
			CU_ASSERT_EQUAL(
				ob_setopt(t.ch, t.c, all[i].option, all[i].min - 1), -EINVAL);
		ob_flush(t.ch);
		expect_setopt(&t, all[i].option, all[i].max);
		CU_ASSERT(fake_quiet(&t.f, 0));
	}
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		CU_ASSERT_EQUAL(get(&t, all[i].option), all[i].max);
	CU_ASSERT_EQUAL(ob_setopt(t.ch, t.c, 0, 1), -EINVAL);
	CU_ASSERT_EQUAL(ob_setopt(t.ch, t.c, (enum ob_sockopt)OB_OPT_N, 1), -EINVAL);
	CU_ASSERT_EQUAL(ob_congestion("newreno"), OB_CC_NEWRENO);
	CU_ASSERT_EQUAL(ob_congestion("bbr"), -ENOENT);
	CU_ASSERT_EQUAL(ob_congestion(NULL), -ENOENT);
	end(&t);
}

// What nobody set is the engine's.
static void defaults(void)
{
	struct one t;
	uint64_t v;

	begin(&t);
	atomic_store(&((struct ob_seg_hdr *)t.f.seg)->defaults[OB_OPT_KEEPALIVE_IDLE], 600);
	CU_ASSERT_EQUAL(get(&t, OB_SO_KEEPALIVE_IDLE), 600);
	CU_ASSERT_EQUAL(ob_setopt(t.ch, t.c, OB_SO_KEEPALIVE_IDLE, 5), 0);
	CU_ASSERT_EQUAL(get(&t, OB_SO_KEEPALIVE_IDLE), 5);
	CU_ASSERT_EQUAL(get(&t, OB_SO_KEEPALIVE_COUNT), 0); // of this fake
	ob_flush(t.ch);
	expect_setopt(&t, OB_OPT_KEEPALIVE_IDLE, 5);
	ob_abort(t.ch, t.c);
	ob_flush(t.ch);
	fake_expect(&t.f, 0, OB_RQ_ABORT);
	fake_closed(&t.f, 0, t.slot, t.gen, -ECONNABORTED);
	none(&t);
	ob_flush(t.ch);
	fake_expect(&t.f, 0, OB_RQ_RELEASE);
	CU_ASSERT_EQUAL(ob_getopt(t.ch, t.c, OB_SO_KEEPALIVE_IDLE, &v), -EBADF);
	end(&t);
}

// Many combinations, some of them the same, and each connection has its own.
static void many(void)
{
	struct one t;
	ob_conn_t c[12];

	begin(&t);
	for (uint32_t i = 0; i < 12; i++) {
		CU_ASSERT_EQUAL_FATAL(ob_connect(t.ch, &one_peer, NULL, NULL, &c[i]), 0);
		CU_ASSERT_EQUAL(ob_setopt(t.ch, c[i], OB_SO_NODELAY, 1), 0);
		CU_ASSERT_EQUAL(ob_setopt(t.ch, c[i], OB_SO_USER_TIMEOUT, i % 9), 0);
		if (i % 3 == 0)
			CU_ASSERT_EQUAL(ob_setopt(t.ch, c[i], OB_SO_NODELAY, 0), 0);
	}
	for (uint32_t i = 0; i < 12; i++) {
		t.c = c[i];
		CU_ASSERT_EQUAL(get(&t, OB_SO_USER_TIMEOUT), i % 9);
		CU_ASSERT_EQUAL(get(&t, OB_SO_NODELAY), i % 3 != 0);
	}
	end(&t);
}

static void listeners(void)
{
	struct ob_setting list[] = {{.option = OB_SO_KEEPALIVE, .value = 1},
		{.option = OB_SO_USER_TIMEOUT, .value = 3000}};
	struct ob_listen_opts o
		= {.size = sizeof(o), .quickack = 1, .n_settings = 2, .settings = list};
	struct ob_event up = {.type = OB_EV_LISTEN};
	struct ob_endpoint at = {.port = 80};
	struct ob_app_event e;
	struct ob_req r;
	struct one t;
	uint64_t v;
	int l;

	t.ch = fake_one(&t.f, &t.h);
	l = ob_listen(t.ch, &at, 0, &o);
	CU_ASSERT_FATAL(l >= 0);
	ob_flush(t.ch);
	r = fake_expect(&t.f, 0, OB_RQ_LISTEN);
	up.slot = r.slot;
	up.gen = r.gen;
	for (int i = 0; i < 3; i++) {
		static const uint32_t option[]
			= {OB_OPT_QUICKACK, OB_OPT_KEEPALIVE, OB_OPT_USER_TIMEOUT};

		r = fake_expect(&t.f, 0, OB_RQ_SETOPT);
		CU_ASSERT_EQUAL(r.flags, OB_RQ_LISTENER);
		CU_ASSERT_EQUAL(r.option, option[i]);
		CU_ASSERT(r.slot == up.slot && r.gen == up.gen);
	}
	CU_ASSERT(fake_quiet(&t.f, 0));
	fake_event(&t.f, 0, &up);
	CU_ASSERT(poll_one(&t, OB_LISTENING));
	// Changed: for those that come from then on.
	fake_accept(&t.f, 0, (uint32_t)l, 0, 1);
	CU_ASSERT_EQUAL(ob_poll(t.ch, &e, 1, 0), 1);
	t.c = e.conn;
	CU_ASSERT_EQUAL(ob_listener_setopt(t.ch, l, OB_SO_USER_TIMEOUT, 9000), 0);
	ob_flush(t.ch);
	r = fake_expect(&t.f, 0, OB_RQ_SETOPT);
	CU_ASSERT(r.flags == OB_RQ_LISTENER && r.off == 9000);
	CU_ASSERT_EQUAL(get(&t, OB_SO_USER_TIMEOUT), 3000);
	CU_ASSERT_EQUAL(get(&t, OB_SO_QUICKACK), 1);
	fake_accept(&t.f, 0, (uint32_t)l, 1, 1);
	CU_ASSERT_EQUAL(ob_poll(t.ch, &e, 1, 0), 1);
	t.c = e.conn;
	CU_ASSERT_EQUAL(get(&t, OB_SO_USER_TIMEOUT), 9000);
	CU_ASSERT_EQUAL(ob_listener_getopt(t.ch, l, OB_SO_KEEPALIVE, &v), 0);
	CU_ASSERT_EQUAL(v, 1);
	CU_ASSERT_EQUAL(ob_listener_setopt(t.ch, l, OB_SO_USER_TIMEOUT, 1ull << 32), -EINVAL);
	CU_ASSERT_EQUAL(ob_listener_setopt(t.ch, l + 1, OB_SO_NODELAY, 1), -EBADF);
	CU_ASSERT_EQUAL(ob_listener_setopt(t.ch, -1, OB_SO_NODELAY, 1), -EBADF);
	CU_ASSERT_EQUAL(ob_listener_getopt(t.ch, l, (enum ob_sockopt)OB_OPT_N, &v), -EINVAL);
	list[1].value = 1ull << 32;
	CU_ASSERT_EQUAL(ob_listen(t.ch, &at, 0, &o), -EINVAL);
	o.n_settings = OB_SETTINGS_MAX + 1;
	CU_ASSERT_EQUAL(ob_listen(t.ch, &at, 0, &o), -EINVAL);
	end(&t);
}

static void linger(struct one *t)
{
	CU_ASSERT_EQUAL(ob_setopt(t->ch, t->c, OB_SO_LINGER, 1), 0);
	CU_ASSERT_EQUAL(ob_setopt(t->ch, t->c, OB_SO_LINGER_TIME, 2000), 0);
	ob_set_user(t->ch, t->c, t);
	ob_flush(t->ch);
	expect_setopt(t, OB_OPT_LINGER, 1);
	expect_setopt(t, OB_OPT_LINGER_TIME, 2000);
}

static void send_and_close(struct one *t)
{
	CU_ASSERT_EQUAL(ob_send(t->ch, t->c, "hello", 5, 0), 5);
	CU_ASSERT_EQUAL(ob_close(t->ch, t->c), 0);
	ob_flush(t->ch);
	fake_expect(&t->f, 0, OB_RQ_SEND);
	fake_expect(&t->f, 0, OB_RQ_CLOSE);
	none(t);
}

static void closed(struct one *t, int error)
{
	struct ob_app_event e = {0};

	CU_ASSERT_EQUAL(ob_poll(t->ch, &e, 1, 0), 1);
	CU_ASSERT_EQUAL(e.type, OB_CLOSED);
	CU_ASSERT_EQUAL(e.error, error);
	CU_ASSERT_EQUAL(e.conn, t->c);
	CU_ASSERT_PTR_EQUAL(e.user, t);
	none(t);
}

// All is acknowledged, and later it is over; told once, in whatever order that becomes known.
static void lingering(void)
{
	for (int late = 0; late < 3; late++) {
		struct one t;

		begin(&t);
		linger(&t);
		send_and_close(&t);
		if (late < 2) {
			fake_sent(&t.f, 0, t.slot, t.gen, 5);
			if (late == 0)
				closed(&t, 0);
		}
		fake_closed(&t.f, 0, t.slot, t.gen, late == 2 ? -ETIMEDOUT : 0);
		if (late)
			closed(&t, late == 2 ? -ETIMEDOUT : 0);
		none(&t);
		ob_flush(t.ch);
		fake_expect(&t.f, 0, OB_RQ_RELEASE);
		CU_ASSERT(fake_quiet(&t.f, 0));
		end(&t);
	}
}

static void lingering_for_nothing(void)
{
	struct one t;

	begin(&t);
	linger(&t);
	CU_ASSERT_EQUAL(ob_close(t.ch, t.c), 0);
	closed(&t, 0);
	fake_expect(&t.f, 0, OB_RQ_CLOSE);
	fake_closed(&t.f, 0, t.slot, t.gen, 0);
	none(&t);
	ob_flush(t.ch);
	fake_expect(&t.f, 0, OB_RQ_RELEASE);
	end(&t);
	// Without a time there is nothing to wait for, and no event.
	begin(&t);
	CU_ASSERT_EQUAL(ob_setopt(t.ch, t.c, OB_SO_LINGER, 1), 0);
	ob_flush(t.ch);
	expect_setopt(&t, OB_OPT_LINGER, 1);
	send_and_close(&t);
	fake_closed(&t.f, 0, t.slot, t.gen, -ECONNABORTED);
	none(&t);
	ob_flush(t.ch);
	fake_expect(&t.f, 0, OB_RQ_RELEASE);
	end(&t);
	// An abort does not linger.
	begin(&t);
	linger(&t);
	CU_ASSERT_EQUAL(ob_abort(t.ch, t.c), 0);
	none(&t);
	fake_expect(&t.f, 0, OB_RQ_ABORT);
	fake_closed(&t.f, 0, t.slot, t.gen, -ECONNABORTED);
	none(&t);
	ob_flush(t.ch);
	fake_expect(&t.f, 0, OB_RQ_RELEASE);
	end(&t);
}

void suite_settings(void)
{
	CU_pSuite s = CU_add_suite("settings", NULL, NULL);

	CU_ADD_TEST(s, every_option);
	CU_ADD_TEST(s, defaults);
	CU_ADD_TEST(s, many);
	CU_ADD_TEST(s, listeners);
	CU_ADD_TEST(s, lingering);
	CU_ADD_TEST(s, lingering_for_nothing);
}
