// Requests of a host: what is good reaches TCP, what is bad is one named counter and one event.
#include <errno.h>

#include "tests/unit/hostif/requests.h"

static uint64_t bad_rose(const struct world *w)
{
	return ROSE(w, req_bad_op) + ROSE(w, req_bad_slot) + ROSE(w, req_bad_gen)
		+ ROSE(w, req_bad_span) + ROSE(w, req_bad_offset) + ROSE(w, req_bad_value)
		+ ROSE(w, req_bad_state);
}

struct bad {
	const char *what;
	struct ob_req q;
	enum counter_id counter;
	int error;
	int tcp; // what TCP answers, when the request reaches it
};

#define SEND(...)                                                                                  \
	{                                                                                          \
		.op = OB_RQ_SEND, .gen = 1, .len = 10, .send.arena_off = 1 << 15, __VA_ARGS__      \
	}
#define CONNECT(...)                                                                               \
	{                                                                                          \
		.op = OB_RQ_CONNECT, .slot = 5, .gen = 1, .addr = {.rport = 80}, __VA_ARGS__       \
	}
#define LISTEN(...)                                                                                \
	{                                                                                          \
		.op = OB_RQ_LISTEN, .slot = 9, .gen = 1, .addr = {.lport = 80}, __VA_ARGS__        \
	}

// A row names only what is about it, over what a good request has.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
static const struct bad table[] = {
	{"no such operation", {.op = OB_RQ_N}, COUNTER_req_bad_op, -EOPNOTSUPP},
	{"the last byte", {.op = 255}, COUNTER_req_bad_op, -EOPNOTSUPP},
	{"send: slot", SEND(.slot = 8), COUNTER_req_bad_slot, -EBADF},
	{"send: slot far", SEND(.slot = UINT32_MAX), COUNTER_req_bad_slot, -EBADF},
	{"send: generation 0", SEND(.gen = 0), COUNTER_req_bad_gen, -ESTALE},
	{"send: next generation", SEND(.gen = 2), COUNTER_req_bad_gen, -ESTALE},
	{"send: free slot", SEND(.slot = 1), COUNTER_req_bad_gen, -ESTALE},
	{"send: half-open", SEND(.slot = 4, .gen = 10), COUNTER_req_bad_state, -ENOTCONN},
	{"send: no bytes", SEND(.len = 0), COUNTER_req_bad_value, -EINVAL},
	{"send: unknown flag", SEND(.flags = 0x80), COUNTER_req_bad_value, -EINVAL},
	{"send: the header page", SEND(.send.arena_off = 0), COUNTER_req_bad_span, -EFAULT},
	{"send: before the arena", SEND(.send.arena_off = 4096), COUNTER_req_bad_span, -EFAULT},
	{"send: past the end", SEND(.len = 1 << 20), COUNTER_req_bad_span, -EFAULT},
	{"send: far past the end", SEND(.send.arena_off = 1ull << 50), COUNTER_req_bad_span,
		-EFAULT},
	{"send: overflow", SEND(.send.arena_off = UINT64_MAX - 4), COUNTER_req_bad_span, -EFAULT},
	{"send: offset", SEND(.off = 1ull << 63), COUNTER_req_bad_offset, -EINVAL},
	{"send: a gap", SEND(.off = 100), COUNTER_req_bad_offset, -EINVAL, -EINVAL},
	{"send: after shutdown", SEND(.off = 100), COUNTER_req_bad_state, -EPIPE, -EPIPE},
	{"consumed: slot", {.op = OB_RQ_CONSUMED, .slot = 99, .gen = 1}, COUNTER_req_bad_slot,
		-EBADF},
	{"shutdown: half-open", {.op = OB_RQ_SHUTDOWN, .slot = 4, .gen = 10}, COUNTER_req_bad_state,
		-ENOTCONN},
	{"shutdown: offset", {.op = OB_RQ_SHUTDOWN, .gen = 1, .off = 7}, COUNTER_req_bad_offset,
		-EINVAL, -EINVAL},
	{"close: generation", {.op = OB_RQ_CLOSE, .gen = 9}, COUNTER_req_bad_gen, -ESTALE},
	{"abort: slot", {.op = OB_RQ_ABORT, .slot = 8, .gen = 1}, COUNTER_req_bad_slot, -EBADF},
	{"release: it lives", {.op = OB_RQ_RELEASE, .gen = 1}, COUNTER_req_bad_state, -EBUSY},
	{"release: half-open", {.op = OB_RQ_RELEASE, .slot = 4, .gen = 10}, COUNTER_req_bad_state,
		-ENOTCONN},
	{"setopt: no option", {.op = OB_RQ_SETOPT, .gen = 1}, COUNTER_req_bad_value, -EINVAL},
	{"setopt: unknown", {.op = OB_RQ_SETOPT, .gen = 1, .option = 77}, COUNTER_req_bad_value,
		-EINVAL},
	{"setopt: value", {.op = OB_RQ_SETOPT, .gen = 1, .option = OB_OPT_NODELAY, .off = 2},
		COUNTER_req_bad_value, -EINVAL},
	{"setopt: all ones",
		{.op = OB_RQ_SETOPT, .gen = 1, .option = OB_OPT_NODELAY, .off = UINT64_MAX},
		COUNTER_req_bad_value, -EINVAL},
	{"setopt: one past the last", {.op = OB_RQ_SETOPT, .gen = 1, .option = OB_OPT_N, .off = 1},
		COUNTER_req_bad_value, -EINVAL},
	{"setopt: below the minimum",
		{.op = OB_RQ_SETOPT, .gen = 1, .option = OB_OPT_MIN_RTO, .off = 999},
		COUNTER_req_bad_value, -EINVAL},
	{"setopt: above the maximum",
		{.op = OB_RQ_SETOPT, .gen = 1, .option = OB_OPT_KEEPALIVE_IDLE, .off = 32768},
		COUNTER_req_bad_value, -EINVAL},
	{"setopt: 2^32 and a good value",
		{.op = OB_RQ_SETOPT, .gen = 1, .option = OB_OPT_RETRIES, .off = (1ull << 32) + 5},
		COUNTER_req_bad_value, -EINVAL},
	{"setopt: no such controller",
		{.op = OB_RQ_SETOPT, .gen = 1, .option = OB_OPT_CONGESTION, .off = OB_CC_END},
		COUNTER_req_bad_value, -EINVAL},
	{"setopt: a listener's, out of bounds",
		{.op = OB_RQ_SETOPT,
			.flags = OB_RQ_LISTENER,
			.slot = LISTENER,
			.gen = 5,
			.option = OB_OPT_LINGER_TIME,
			.off = UINT64_MAX},
		COUNTER_req_bad_value, -EINVAL},
	{"setopt: no listener",
		{.op = OB_RQ_SETOPT,
			.flags = OB_RQ_LISTENER,
			.slot = 1,
			.gen = 1,
			.option = OB_OPT_NODELAY},
		COUNTER_req_bad_gen, -ESTALE},
	{"setopt: listener number",
		{.op = OB_RQ_SETOPT, .flags = OB_RQ_LISTENER, .slot = OB_MAX_LISTENERS, .gen = 1},
		COUNTER_req_bad_slot, -EBADF},
	{"listen: number", LISTEN(.slot = OB_MAX_LISTENERS), COUNTER_req_bad_slot, -EBADF},
	{"listen: generation 0", LISTEN(.gen = 0), COUNTER_req_bad_gen, -ESTALE},
	{"listen: old generation", LISTEN(.slot = LISTENER, .gen = 4), COUNTER_req_bad_gen,
		-ESTALE},
	{"listen: it listens", LISTEN(.slot = LISTENER, .gen = 6), COUNTER_req_bad_state, -EBUSY},
	{"unlisten: number", {.op = OB_RQ_UNLISTEN, .slot = 1u << 31, .gen = 1},
		COUNTER_req_bad_slot, -EBADF},
	{"unlisten: generation", {.op = OB_RQ_UNLISTEN, .slot = LISTENER, .gen = 6},
		COUNTER_req_bad_gen, -ESTALE},
	{"connect: an accept slot", CONNECT(.slot = 3), COUNTER_req_bad_slot, -EBADF},
	{"connect: slot", CONNECT(.slot = 8), COUNTER_req_bad_slot, -EBADF},
	{"connect: generation 0", CONNECT(.gen = 0), COUNTER_req_bad_gen, -ESTALE},
	{"connect: old generation", CONNECT(.slot = 4, .gen = 9), COUNTER_req_bad_gen, -ESTALE},
	{"connect: in use", CONNECT(.slot = 4, .gen = 11), COUNTER_req_bad_state, -EBUSY},
	{"connect: port 0", CONNECT(.addr = {.rport = 0}), COUNTER_req_bad_value, -EINVAL},
};

#pragma GCC diagnostic pop

static void one_bad(struct world *w, struct peer *p, const struct bad *b)
{
	struct hostif_slot slots[8];
	struct hostif_listener listeners[OB_MAX_LISTENERS];
	const uint64_t *now = (const uint64_t *)&w->cnt, *then = (const uint64_t *)&w->before;
	struct ob_event e;
	bool good;

	memcpy(slots, p->host->slots, sizeof(slots));
	memcpy(listeners, p->host->listeners, sizeof(listeners));
	script.calls = 0;
	script.answer = b->tcp;
	counters_mark(w);
	peer_request(p, &b->q);
	world_turn(w);
	e = peer_event(p);
	good = bad_rose(w) == 1 && now[b->counter] - then[b->counter] == 1
		&& script.calls == (b->tcp != 0) && ROSE(w, req_taken) == 1
		&& ROSE(w, ev_published) == 1 && counters_rose(w) == 3
		&& memcmp(slots, p->host->slots, sizeof(slots)) == 0
		&& memcmp(listeners, p->host->listeners, sizeof(listeners)) == 0
		&& e.error == b->error && e.slot == b->q.slot && e.gen == b->q.gen
		&& e.req_op == b->q.op && !peer_has_event(p)
		&& e.type
			== (b->q.op == OB_RQ_LISTEN		   ? OB_EV_LISTEN
					: b->q.op == OB_RQ_CONNECT ? OB_EV_CONNECT
								   : OB_EV_REFUSED);
	if (!good)
		fprintf(stderr, "\n%s: error %d, %lu bad, %lu in all\n", b->what, e.error,
			(unsigned long)bad_rose(w), (unsigned long)counters_rose(w));
	CU_ASSERT(good);
}

static void test_bad(void)
{
	struct world w;
	struct peer p;

	setup(&w, &p);
	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		one_bad(&w, &p, &table[i]);
	CU_ASSERT_EQUAL(p.host->bad_requests, sizeof(table) / sizeof(table[0]));
	CU_ASSERT_EQUAL(atomic_load(&p.host->state), HOSTIF_UP);
	world_end(&w, &p);
}

// A request and the call that it becomes.
static void good(struct world *w, struct peer *p, struct ob_req q, const char *call)
{
	script.calls = 0;
	peer_request(p, &q);
	world_turn(w);
	CU_ASSERT_EQUAL(script.calls, 1);
	CU_ASSERT_STRING_EQUAL(script.last, call);
	CU_ASSERT(!peer_has_event(p));
}

static void test_good(void)
{
	struct world w;
	struct peer p;

	setup(&w, &p);
	good(&w, &p,
		(struct ob_req){.op = OB_RQ_SEND,
			.gen = 1,
			.off = 77,
			.len = 10,
			.flags = OB_RQ_MORE,
			.send.arena_off = p.l.arena_off},
		"send");
	CU_ASSERT(script.id == CONN && script.off == 77 && script.len == 10);
	CU_ASSERT(script.arena_off == p.l.arena_off && script.flags == OB_RQ_MORE);
	good(&w, &p, (struct ob_req){.op = OB_RQ_CONSUMED, .gen = 1, .off = 5}, "consumed");
	CU_ASSERT(script.id == CONN && script.off == 5);
	good(&w, &p, (struct ob_req){.op = OB_RQ_SHUTDOWN, .gen = 1, .off = 9}, "shutdown");
	good(&w, &p, (struct ob_req){.op = OB_RQ_CLOSE, .gen = 1, .off = 9}, "close");
	good(&w, &p, (struct ob_req){.op = OB_RQ_ABORT, .gen = 1}, "abort");
	good(&w, &p, (struct ob_req){.op = OB_RQ_ABORT, .slot = 4, .gen = 10}, "abort");
	CU_ASSERT_EQUAL(script.id, HALF_ID);
	good(&w, &p,
		(struct ob_req){.op = OB_RQ_SETOPT, .gen = 1, .option = OB_OPT_QUICKACK, .off = 1},
		"setopt");
	CU_ASSERT(script.option == OB_OPT_QUICKACK && script.value == 1);
	good(&w, &p,
		(struct ob_req){.op = OB_RQ_SETOPT,
			.flags = OB_RQ_LISTENER,
			.slot = LISTENER,
			.gen = 5,
			.option = OB_OPT_NODELAY,
			.off = 1},
		"listener_setopt");
	CU_ASSERT_EQUAL(script.id, 2);
	peer_request(&p, &(struct ob_req){.op = OB_RQ_UNLISTEN, .slot = LISTENER, .gen = 5});
	script.calls = 0;
	world_turn(&w);
	CU_ASSERT_EQUAL(script.calls, 2);
	CU_ASSERT_STRING_EQUAL(script.last, "listener_free");
	CU_ASSERT_EQUAL(counters_rose(&w), ROSE(&w, req_taken));
	// With what was consumed along.
	peer_request(&p,
		&(struct ob_req){
			.op = OB_RQ_SEND, .gen = 1, .len = 1, .send = {p.l.arena_off, 500}});
	script.calls = 0;
	world_turn(&w);
	CU_ASSERT_EQUAL(script.calls, 2);
	CU_ASSERT_STRING_EQUAL(script.last, "send");
	world_end(&w, &p);
}

static void repeated(struct world *w, struct peer *p, struct ob_req q)
{
	counters_mark(w);
	script.calls = 0;
	peer_request(p, &q);
	world_turn(w);
	CU_ASSERT_EQUAL(ROSE(w, req_repeated), 1);
	CU_ASSERT_EQUAL(counters_rose(w), 2);
	CU_ASSERT_EQUAL(script.calls, 0);
	CU_ASSERT(!peer_has_event(p));
}

// The slot of a closed connection is given up as soon as all that there was to tell of it is told.
static void test_release_closed(void)
{
	struct world w;
	struct peer p;

	setup(&w, &p);
	atomic_store(&w.st.recs[CONN].flags, REC_CLOSED);
	world_notify(&w, &w.tcp.soft[CONN], TCP_EV_SENT);
	peer_request(&p, &(struct ob_req){.op = OB_RQ_RELEASE, .gen = 1});
	world_turn(&w);
	CU_ASSERT_EQUAL(script.calls, 0);
	CU_ASSERT_EQUAL(ROSE(&w, req_put_off), 1);
	world_turn(&w);
	CU_ASSERT_EQUAL(script.calls, 1);
	CU_ASSERT_STRING_EQUAL(script.last, "release");
	CU_ASSERT(!peer_has_event(&p));
	world_end(&w, &p);
}

// What was done before is silent.
static void test_repeated(void)
{
	struct world w;
	struct peer p;

	setup(&w, &p);
	repeated(&w, &p, (struct ob_req){.op = OB_RQ_CONNECT, .slot = 4, .gen = 10});
	repeated(&w, &p, (struct ob_req){.op = OB_RQ_LISTEN, .slot = LISTENER, .gen = 5});
	peer_request(&p, &(struct ob_req){.op = OB_RQ_UNLISTEN, .slot = LISTENER, .gen = 5});
	world_turn(&w);
	repeated(&w, &p, (struct ob_req){.op = OB_RQ_UNLISTEN, .slot = LISTENER, .gen = 5});
	// The connect failed: its end was on the way.
	w.h.ops.connect_failed(&w.h, 0, 0, CONNECT_SLOT, 10, -ECONNREFUSED);
	world_turn(&w);
	CU_ASSERT_EQUAL(peer_event(&p).error, -ECONNREFUSED);
	repeated(&w, &p, (struct ob_req){.op = OB_RQ_CLOSE, .slot = 4, .gen = 10});
	repeated(&w, &p, (struct ob_req){.op = OB_RQ_ABORT, .slot = 4, .gen = 10});
	repeated(&w, &p, (struct ob_req){.op = OB_RQ_RELEASE, .slot = 4, .gen = 10});
	repeated(&w, &p, (struct ob_req){.op = OB_RQ_CONNECT, .slot = 4, .gen = 10});
	// TCP says so itself.
	script.answer = -EALREADY;
	counters_mark(&w);
	peer_request(&p, &(struct ob_req){.op = OB_RQ_SHUTDOWN, .gen = 1});
	world_turn(&w);
	CU_ASSERT_EQUAL(ROSE(&w, req_repeated), 1);
	CU_ASSERT(!peer_has_event(&p));
	world_end(&w, &p);
}

// What is refused by TCP and is nobody's fault.
static void test_failures(void)
{
	struct world w;
	struct peer p;
	struct ob_event e;

	setup(&w, &p);
	script.answer = -EADDRINUSE;
	peer_request(
		&p, &(struct ob_req){.op = OB_RQ_LISTEN, .slot = 1, .gen = 1, .addr.lport = 80});
	peer_request(
		&p, &(struct ob_req){.op = OB_RQ_CONNECT, .slot = 5, .gen = 3, .addr.rport = 80});
	world_turn(&w);
	e = peer_event(&p);
	CU_ASSERT(e.type == OB_EV_LISTEN && e.slot == 1 && e.gen == 1 && e.error == -EADDRINUSE);
	e = peer_event(&p);
	CU_ASSERT(e.type == OB_EV_CONNECT && e.slot == 5 && e.gen == 3 && e.error == -EADDRINUSE);
	CU_ASSERT_EQUAL(bad_rose(&w), 0);
	// The generations are used up; higher ones are not.
	script.answer = 0;
	repeated(
		&w, &p, (struct ob_req){.op = OB_RQ_LISTEN, .slot = 1, .gen = 1, .addr.lport = 80});
	repeated(&w, &p,
		(struct ob_req){.op = OB_RQ_CONNECT, .slot = 5, .gen = 3, .addr.rport = 80});
	good(&w, &p, (struct ob_req){.op = OB_RQ_CONNECT, .slot = 5, .gen = 4, .addr.rport = 80},
		"connect");
	world_end(&w, &p);
}

// Each refusal has its counter, and that one alone.
static void test_refusals(void)
{
	static const struct {
		uint8_t op;
		int error;
		enum counter_id counter;
	} t[] = {
		{OB_RQ_LISTEN, -EADDRINUSE, COUNTER_req_addr},
		{OB_RQ_LISTEN, -EADDRNOTAVAIL, COUNTER_req_addr},
		{OB_RQ_CONNECT, -EAFNOSUPPORT, COUNTER_req_addr},
		{OB_RQ_LISTEN, -ENFILE, COUNTER_req_listen_full},
		{OB_RQ_CONNECT, -ENFILE, COUNTER_req_half_full},
	};
	struct world w;
	struct peer p;

	setup(&w, &p);
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct ob_req q = {.op = t[i].op, .gen = 10 + (uint32_t)i, .addr.rport = 80};
		uint64_t before = counter_read(&w.cnt, t[i].counter);

		q.slot = t[i].op == OB_RQ_LISTEN ? 1 : 5;
		q.addr.lport = 80;
		script.answer = t[i].error;
		counters_mark(&w);
		peer_request(&p, &q);
		world_turn(&w);
		CU_ASSERT_EQUAL(peer_event(&p).error, t[i].error);
		CU_ASSERT_EQUAL(counter_read(&w.cnt, t[i].counter) - before, 1);
		CU_ASSERT_EQUAL(counters_rose(&w), 3); // and req_taken, ev_published
	}
	script.answer = 0;
	world_end(&w, &p);
}

// The options of a connection that is not established yet are TCP's as well.
static void test_setopt_half(void)
{
	struct world w;
	struct peer p;

	setup(&w, &p);
	peer_request(&p,
		&(struct ob_req){.op = OB_RQ_SETOPT,
			.slot = CONNECT_SLOT,
			.gen = 10,
			.option = OB_OPT_QUICKACK,
			.off = 1});
	world_turn(&w);
	CU_ASSERT_EQUAL(script.calls, 1);
	CU_ASSERT_STRING_EQUAL(script.last, "setopt");
	CU_ASSERT(script.id == HALF_ID && script.option == OB_OPT_QUICKACK && script.value == 1);
	CU_ASSERT(!peer_has_event(&p));
	good(&w, &p, (struct ob_req){.op = OB_RQ_ABORT, .slot = CONNECT_SLOT, .gen = 10}, "abort");
	CU_ASSERT_EQUAL(script.id, HALF_ID);
	w.h.ops.slot_set(&w.h, 0, CONNECT_SLOT, 10, 5);
	CU_ASSERT_EQUAL(p.host->slots[CONNECT_SLOT].id, 5);
	world_end(&w, &p);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{"bad requests", test_bad},
		{"good requests", test_good},
		{"a slot given up early", test_release_closed},
		{"repeated requests", test_repeated},
		{"failures that are nobody's fault", test_failures},
		{"refusals counted", test_refusals},
		{"options before establishment", test_setopt_half},
		CU_TEST_INFO_NULL,
	};

	return unit_run("requests", tests);
}
