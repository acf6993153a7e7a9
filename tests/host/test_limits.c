// Whatever is full: the send buffer, the arena, both rings. Nothing is lost, and those that wait get
// their turn.
#include <time.h>

#include "tests/host/one.h"

static void send_buffer_full(void)
{
	static uint8_t big[2 << 20];
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

// Connections that fill the arena together: those that wait get their turn as it empties.
static void arena_full(void)
{
	static uint8_t big[1 << 20];
	struct one t;
	struct ob_app_event e[8];
	struct ob_req r;
	ob_conn_t c[4];
	uint32_t slot[4];
	uint64_t to = 0;
	int n;

	t.ch = fake_one(&t.f, &t.h);
	for (int i = 0; i < 4; i++) {
		connect_one(&t);
		c[i] = t.c;
		slot[i] = t.slot;
	}
	CU_ASSERT_EQUAL(ob_send(t.ch, c[0], big, sizeof(big), 0), 1 << 20);
	CU_ASSERT_EQUAL(ob_send(t.ch, c[1], big, sizeof(big), 0), 1 << 20);
	CU_ASSERT_EQUAL(ob_send(t.ch, c[2], big, 10, 0), -EAGAIN);
	CU_ASSERT_EQUAL(ob_send(t.ch, c[3], big, 10, 0), -EAGAIN);
	CU_ASSERT_EQUAL(ob_send(t.ch, c[3], big, 10, 0), -EAGAIN);
	ob_flush(t.ch);
	while (fake_req(&t.f, 0, &r))
		if (r.slot == slot[0])
			to = r.off + r.len;
	CU_ASSERT_EQUAL(to, 1 << 20);
	CU_ASSERT_EQUAL(ob_poll(t.ch, e, 8, 0), 0);
	fake_sent(&t.f, 0, slot[0], 1, 65536);
	n = ob_poll(t.ch, e, 8, 0);
	CU_ASSERT_EQUAL(n, 2);
	CU_ASSERT_EQUAL(e[0].type, OB_WRITABLE);
	CU_ASSERT_EQUAL(e[0].conn, c[2]); // the first to ask is the first served
	CU_ASSERT_EQUAL(e[1].conn, c[3]);
	CU_ASSERT_EQUAL(ob_send(t.ch, c[2], big, 10, 0), 10);
	CU_ASSERT_EQUAL(ob_send(t.ch, c[3], big, 10, 0), 10);
	// One that waits and is closed is forgotten, its slot included.
	CU_ASSERT_EQUAL(ob_send(t.ch, c[2], big, sizeof(big), 0) > 0, 1);
	CU_ASSERT_EQUAL(ob_send(t.ch, c[3], big, sizeof(big), 0) > 0
			|| ob_send(t.ch, c[3], big, 1, 0) == -EAGAIN,
		1);
	CU_ASSERT_EQUAL(ob_send(t.ch, c[3], big, sizeof(big), 0), -EAGAIN);
	ob_abort(t.ch, c[3]);
	ob_flush(t.ch);
	fake_closed(&t.f, 0, slot[3], 1, -ECONNABORTED);
	ob_poll(t.ch, e, 8, 0);
	ob_flush(t.ch);
	r.op = 0;
	while (r.op != OB_RQ_RELEASE && fake_req(&t.f, 0, &r))
		;
	CU_ASSERT_EQUAL(r.op, OB_RQ_RELEASE);
	fake_sent(&t.f, 0, slot[0], 1, 1 << 20);
	CU_ASSERT_EQUAL(ob_poll(t.ch, e, 8, 0), 0);
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
	CU_ADD_TEST(s, requests_full);
	CU_ADD_TEST(s, events_full);
	CU_ADD_TEST(s, detach_late);
}
