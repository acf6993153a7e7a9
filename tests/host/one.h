// One connection on the fake engine, for tests of streams.
#ifndef OB_TESTS_HOST_ONE_H
#define OB_TESTS_HOST_ONE_H

#include <CUnit/CUnit.h>

#include "tests/host/fake.h"

static const struct ob_endpoint one_peer = {.addr = {[10] = 0xff, 0xff, 10, 0, 0, 2}, .port = 80};

struct one {
	struct fake f;
	struct ob_host *h;
	struct ob_channel *ch;
	ob_conn_t c;
	uint32_t slot;
	uint32_t gen;
};

static inline void connect_one(struct one *t)
{
	struct ob_app_event e;
	struct ob_req r;

	CU_ASSERT_EQUAL_FATAL(ob_connect(t->ch, &one_peer, NULL, NULL, &t->c), 0);
	ob_flush(t->ch);
	r = fake_expect(&t->f, 0, OB_RQ_CONNECT);
	t->slot = r.slot;
	t->gen = r.gen;
	fake_connected(&t->f, 0, r.slot, r.gen, 0);
	CU_ASSERT_EQUAL_FATAL(ob_poll(t->ch, &e, 1, 0), 1);
}

static inline void begin(struct one *t)
{
	t->ch = fake_one(&t->f, &t->h);
	connect_one(t);
}

static inline void end(struct one *t)
{
	ob_detach(t->h);
	fake_stop(&t->f);
}

static inline int poll_one(struct one *t, uint32_t type)
{
	struct ob_app_event e = {0};
	int n = ob_poll(t->ch, &e, 1, 0);

	return n == 1 && e.type == type;
}

static inline void none(struct one *t)
{
	struct ob_app_event e;

	CU_ASSERT_EQUAL(ob_poll(t->ch, &e, 1, 0), 0);
}

static inline bool right(const uint8_t *p, uint64_t off, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != fake_byte(off + i))
			return false;
	return true;
}

static inline uint64_t arena_used(const struct one *t)
{
	struct ob_channel_stats st;

	ob_channel_stats(t->ch, &st);
	return st.arena_used;
}

#endif
