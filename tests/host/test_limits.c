// Whatever is full: the send buffer, the arena, both rings. Nothing is lost, and those that wait get
// their turn.
#include <time.h>

#include "tests/host/one.h"

static uint8_t big[2 << 20];

static void send_buffer_full(void)
{
	struct one t;
	struct ob_req r;
	uint64_t to = 0;

	begin(&t);
	CU_ASSERT_EQUAL(ob_send(t.ch, t.c, big, sizeof(big), 0), 1 << 20); // the limit
	none(&t); // no WRITABLE unasked
	CU_ASSERT_EQUAL(ob_send(t.ch, t.c, big, 1, 0), -EAGAIN);
	while (fake_req(&t.f, 0, &r))
		to = r.off + r.len;
	CU_ASSERT_EQUAL(to, 1 << 20);
	fake_sent(&t.f, 0, t.slot, t.gen, 1000);
	none(&t); // too little to be worth it
	fake_sent(&t.f, 0, t.slot, t.gen, 600000);
	CU_ASSERT(poll_one(&t, OB_WRITABLE));
	none(&t); // once
	CU_ASSERT_EQUAL(ob_send(t.ch, t.c, big, sizeof(big), 0), 600000);
	end(&t);
}

static void begin_small(struct one *t, uint64_t tx_bytes, uint32_t max_sends)
{
	struct ob_attach_opts o;

	fake_start(&t->f);
	t->f.max_sends = max_sends;
	o = fake_opts(&t->f);
	o.tx_bytes = tx_bytes;
	CU_ASSERT_EQUAL_FATAL(fake_attach(&t->f, &o, &t->h), 0);
	CU_ASSERT_EQUAL_FATAL(ob_channel_open(t->h, &t->ch), 0);
}

// Takes what was asked so far; returns behind which stream offset `slot` has nothing in it.
static uint64_t take_sends(struct one *t, uint32_t slot)
{
	struct ob_req r;
	uint64_t to = 0;

	do {
		while (fake_req(&t->f, 0, &r))
			if (r.op == OB_RQ_SEND && r.slot == slot)
				to = r.off + r.len;
	} while (ob_flush(t->ch) == -EAGAIN || !fake_quiet(&t->f, 0));
	return to;
}

// Connections that fill the arena together: those that wait get their turn as it empties.
static void arena_full(void)
{
	struct one t;
	struct ob_app_event e[8];
	struct ob_req r;
	ob_conn_t c[16];
	uint32_t slot[16];
	uint64_t to;
	int n = 0;

	begin_small(&t, 4 * 65536, 0);
	for (int i = 0; i < 16; i++) {
		connect_one(&t);
		c[i] = t.c;
		slot[i] = t.slot;
	}
	while (n < 13 && ob_send(t.ch, c[n], big, sizeof(big), 0) > 0)
		n++;
	CU_ASSERT_FATAL(n >= 5 && n < 13);
	CU_ASSERT_EQUAL(arena_used(&t), 4 * 65536);
	CU_ASSERT_EQUAL(ob_send(t.ch, c[n + 1], big, 10, 0), -EAGAIN);
	CU_ASSERT_EQUAL(ob_send(t.ch, c[n + 1], big, 10, 0), -EAGAIN);
	// One that waits and is closed is forgotten, its slot included.
	CU_ASSERT_EQUAL(ob_send(t.ch, c[n + 2], big, 10, 0), -EAGAIN);
	to = take_sends(&t, slot[0]);
	CU_ASSERT(to >= 65536);
	ob_abort(t.ch, c[n + 2]);
	ob_flush(t.ch);
	fake_closed(&t.f, 0, slot[n + 2], 1, -ECONNABORTED);
	CU_ASSERT_EQUAL(ob_poll(t.ch, e, 8, 0), 0);
	ob_flush(t.ch);
	r.op = 0;
	while (r.op != OB_RQ_RELEASE && fake_req(&t.f, 0, &r))
		;
	CU_ASSERT_EQUAL(r.op, OB_RQ_RELEASE);
	fake_sent(&t.f, 0, slot[0], 1, 65536);
	CU_ASSERT_EQUAL(ob_poll(t.ch, e, 8, 0), 2);
	CU_ASSERT_EQUAL(e[0].type, OB_WRITABLE);
	CU_ASSERT_EQUAL(e[0].conn, c[n]); // the first to ask is the first served
	CU_ASSERT_EQUAL(e[1].conn, c[n + 1]);
	CU_ASSERT_EQUAL(ob_send(t.ch, c[n], big, 10, 0), 10);
	CU_ASSERT_EQUAL(ob_send(t.ch, c[n + 1], big, 10, 0), 10);
	end(&t);
}

// However many peers do not read, the next connection finds some of the arena; and those that have
// their share are not woken before acknowledgements make it worth while.
static void arena_shared(void)
{
	struct one t;
	struct ob_app_event e[8];
	ssize_t n, first = 0;
	uint32_t slot = 0;
	ob_conn_t c = 0;

	begin_small(&t, 4 << 20, 0);
	for (int i = 0; i < 60; i++) {
		connect_one(&t);
		n = ob_send(t.ch, t.c, big, sizeof(big), 0);
		CU_ASSERT(n >= (i < 30 ? 1024 : 256));
		CU_ASSERT_EQUAL(ob_send(t.ch, t.c, big, sizeof(big), 0), -EAGAIN);
		if (i == 1) {
			first = n;
			c = t.c;
			slot = t.slot;
		}
		take_sends(&t, t.slot);
	}
	CU_ASSERT_EQUAL(ob_poll(t.ch, e, 8, 0), 0);
	fake_sent(&t.f, 0, slot, 1, 1000);
	CU_ASSERT_EQUAL(ob_poll(t.ch, e, 8, 0), 0);
	fake_sent(&t.f, 0, slot, 1, (uint64_t)first);
	CU_ASSERT_EQUAL(ob_poll(t.ch, e, 8, 0), 1);
	CU_ASSERT_EQUAL(e[0].type, OB_WRITABLE);
	CU_ASSERT_EQUAL(e[0].conn, c);
	CU_ASSERT(ob_send(t.ch, c, big, sizeof(big), 0) >= 65536);
	end(&t);
}

// Small writes to a peer that does not read take few descriptors, and never the last ones: the
// engine would have nothing for the other connections.
static void descriptors_shared(void)
{
	struct one t;
	struct ob_app_event e[8];
	struct ob_req r;
	uint64_t next = 0, writes = 0, off = 0;
	uint32_t slot, pieces = 0, others = 0;
	ob_conn_t c[4];

	begin_small(&t, 4 << 20, 16);
	connect_one(&t);
	slot = t.slot;
	while (ob_send(t.ch, t.c, big, 8, OB_SEND_PUSH) == 8 && ++writes < 1 << 20) {
		ob_flush(t.ch);
		while (fake_req(&t.f, 0, &r)) {
			pieces += r.send.arena_off != next;
			next = r.send.arena_off + r.len;
			off = r.off + r.len;
		}
	}
	CU_ASSERT(writes > 4096 && writes < 1 << 17);
	CU_ASSERT(pieces <= 14); // blocks side by side are one
	for (int i = 0; i < 4; i++) {
		connect_one(&t);
		c[i] = t.c;
	}
	for (int i = 0; i < 4; i++)
		others += ob_send(t.ch, c[i], big, 5, OB_SEND_PUSH) == 5;
	CU_ASSERT_EQUAL(others, 2); // the engine has 16
	take_sends(&t, slot);
	CU_ASSERT_EQUAL(ob_poll(t.ch, e, 8, 0), 0);
	fake_sent(&t.f, 0, slot, 1, off);
	CU_ASSERT_EQUAL(ob_poll(t.ch, e, 8, 0), 3);
	CU_ASSERT_EQUAL(ob_send(t.ch, c[2], big, 5, 0), 5);
	CU_ASSERT_EQUAL(ob_send(t.ch, c[3], big, 5, 0), 5);
	end(&t);
}

// The request ring is full for as long as it likes: nothing is lost, and the order is kept.
static void requests_full(void)
{
	struct one t;
	struct ob_req r;
	ob_conn_t other;
	ob_conn_t c[40];
	uint32_t slots[40];
	uint32_t closes = 0;
	uint32_t consumed = 0;
	uint32_t sends = 0;
	char byte;

	t.ch = fake_one(&t.f, &t.h);
	for (int i = 0; i < 40; i++) {
		connect_one(&t);
		c[i] = t.c;
		slots[i] = t.slot;
		fake_data(&t.f, 0, t.slot, t.gen, 0, 1, 0);
		CU_ASSERT(poll_one(&t, OB_READABLE));
	}
	for (int i = 0; i < 40; i++) {
		CU_ASSERT_EQUAL(ob_recv(t.ch, c[i], &byte, 1), 1);
		if (i % 2)
			CU_ASSERT_EQUAL(ob_send(t.ch, c[i], "abc", 3, 0), 3);
		CU_ASSERT_EQUAL(ob_shutdown(t.ch, c[i]), 0);
		CU_ASSERT_EQUAL(ob_close(t.ch, c[i]), 0);
	}
	CU_ASSERT_EQUAL(ob_flush(t.ch), -EAGAIN); // 120 requests, 64 entries
	CU_ASSERT_EQUAL(ob_connect(t.ch, &one_peer, NULL, NULL, &other), -EAGAIN);
	CU_ASSERT_EQUAL(ob_arm(t.ch), 1); // nobody would wake us for room
	while (closes < 40) {
		if (!fake_req(&t.f, 0, &r)) {
			ob_flush(t.ch);
			continue;
		}
		CU_ASSERT_EQUAL(r.slot, slots[closes]);
		sends += r.op == OB_RQ_SEND;
		consumed += r.op == OB_RQ_CONSUMED || (r.op == OB_RQ_SEND && r.send.consumed == 1);
		closes += r.op == OB_RQ_CLOSE;
	}
	CU_ASSERT_EQUAL(sends, 20);
	CU_ASSERT_EQUAL(consumed, 40);
	CU_ASSERT_EQUAL(ob_flush(t.ch), 0);
	CU_ASSERT(fake_quiet(&t.f, 0));
	end(&t);
}

// The event ring is full until the library reads.
static void events_full(void)
{
	struct one t;
	struct ob_event e = {.type = OB_EV_DATA, .n = 1};
	uint8_t buf[100];
	int n = 0;

	begin(&t);
	e.slot = t.slot;
	e.gen = t.gen;
	for (;; n++) {
		e.data.off = (uint64_t)n;
		e.data.spans[0] = ob_span_make(t.f.l.rx_off + (uint64_t)n, 1);
		t.f.seg[t.f.l.rx_off + (uint64_t)n] = fake_byte((uint64_t)n);
		if (!fake_event(&t.f, 0, &e))
			break;
	}
	CU_ASSERT_EQUAL(n, 64);
	CU_ASSERT(poll_one(&t, OB_READABLE));
	CU_ASSERT(fake_event(&t.f, 0, &e));
	poll_one(&t, 0);
	CU_ASSERT_EQUAL(ob_recv(t.ch, t.c, buf, 100), 65);
	CU_ASSERT(right(buf, 0, 64));
	end(&t);
}

// The engine takes requests late: a host that leaves waits for it.
struct late {
	struct fake *f;
	uint32_t closes;
};

static void *take_late(void *arg)
{
	struct late *l = arg;
	struct ob_req r;

	nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
	for (int idle = 0; idle < 100; idle++) {
		while (fake_req(l->f, 0, &r)) {
			l->closes += r.op == OB_RQ_CLOSE;
			idle = 0;
		}
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	return NULL;
}

static void detach_late(void)
{
	struct one t;
	struct late l = {.f = &t.f};
	pthread_t thread;
	ob_conn_t c[40];

	t.ch = fake_one(&t.f, &t.h);
	for (int i = 0; i < 40; i++) {
		connect_one(&t);
		c[i] = t.c;
	}
	for (int i = 0; i < 40; i++) {
		CU_ASSERT_EQUAL(ob_send(t.ch, c[i], "last words", 10, 0), 10);
		CU_ASSERT_EQUAL(ob_close(t.ch, c[i]), 0);
	}
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, take_late, &l), 0);
	ob_detach(t.h); // 80 requests through 64 entries
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(l.closes, 40);
	fake_stop(&t.f);
}

void suite_limits(void)
{
	CU_pSuite s = CU_add_suite("limits", NULL, NULL);

	CU_ADD_TEST(s, send_buffer_full);
	CU_ADD_TEST(s, arena_full);
	CU_ADD_TEST(s, arena_shared);
	CU_ADD_TEST(s, descriptors_shared);
	CU_ADD_TEST(s, requests_full);
	CU_ADD_TEST(s, events_full);
	CU_ADD_TEST(s, detach_late);
}
