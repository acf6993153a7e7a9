// Events one at a time, and a listener that is up: for tests of connections on the fake engine.
#ifndef OB_TESTS_HOST_EVENTS_H
#define OB_TESTS_HOST_EVENTS_H

#include <CUnit/CUnit.h>

#include "tests/host/fake.h"

static inline struct ob_app_event one(struct ob_channel *ch, uint32_t type)
{
	struct ob_app_event e = {0};

	CU_ASSERT_EQUAL_FATAL(ob_poll(ch, &e, 1, 0), 1);
	CU_ASSERT_EQUAL_FATAL(e.type, type);
	return e;
}

static inline void none(struct ob_channel *ch)
{
	struct ob_app_event e;

	CU_ASSERT_EQUAL(ob_poll(ch, &e, 1, 0), 0);
}

// A listener that is up.
static inline int listening(struct fake *f, struct ob_channel *ch)
{
	struct ob_endpoint at = {.port = 80};
	struct ob_event e = {.type = OB_EV_LISTEN, .listen = {.lport = 80}};
	struct ob_req r;
	int l = ob_listen(ch, &at, 5, NULL);

	CU_ASSERT_FATAL(l >= 0);
	ob_flush(ch);
	r = fake_expect(f, 0, OB_RQ_LISTEN);
	e.slot = r.slot;
	e.gen = r.gen;
	fake_event(f, 0, &e);
	CU_ASSERT_EQUAL(one(ch, OB_LISTENING).port, 80);
	return l;
}

#endif
