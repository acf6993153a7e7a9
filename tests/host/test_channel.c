// The end of a channel: what the library took reaches the engine, whatever room there is, and what is left
// of it is nobody's.
#include <CUnit/CUnit.h>
#include <errno.h>
#include <time.h>

#include "tests/host/events.h"

#define CONNS 60

// An engine that takes what it is asked on channel 0, and answers as `acks` and `resets` say.
struct taker {
	struct fake *f;
	pthread_t thread;
	_Atomic bool stop;
	bool acks; // acknowledges what is sent
	bool resets; // tells the end of a connection that is aborted
	uint32_t n[OB_RQ_N];
	uint64_t released; // accept slots, a bit each
};

static void take(struct taker *t, const struct ob_req *r)
{
	t->n[r->op]++;
	if (r->op == OB_RQ_SEND && t->acks)
		fake_sent(t->f, 0, r->slot, r->gen, r->off + r->len);
	if (r->op == OB_RQ_ABORT && t->resets)
		fake_closed(t->f, 0, r->slot, r->gen, -ECONNABORTED);
	if (r->op == OB_RQ_RELEASE && r->slot < CONNS)
		t->released |= 1ull << r->slot;
}

static void *taking(void *arg)
{
	struct taker *t = arg;
	struct ob_req r;

	while (!atomic_load(&t->stop)) {
		if (fake_req(t->f, 0, &r))
			take(t, &r);
		else
			nanosleep(&(struct timespec){.tv_nsec = 10000}, NULL);
	}
	while (fake_req(t->f, 0, &r))
		take(t, &r);
	return NULL;
}

static void take_start(struct taker *t)
{
	CU_ASSERT_EQUAL_FATAL(pthread_create(&t->thread, NULL, taking, t), 0);
}

static void take_stop(struct taker *t)
{
	atomic_store(&t->stop, true);
	pthread_join(t->thread, NULL);
	atomic_store(&t->stop, false);
}

// A channel with rings of 16, a listener and CONNS connections.
static struct ob_channel *serving(struct fake *f, struct ob_host **h, ob_conn_t c[CONNS])
{
	struct ob_attach_opts o;
	struct ob_channel *ch;
	int l;

	fake_start(f);
	o = fake_opts(f);
	o.req_entries = 16;
	CU_ASSERT_EQUAL_FATAL(fake_attach(f, &o, h), 0);
	CU_ASSERT_EQUAL_FATAL(ob_channel_open(*h, &ch), 0);
	l = listening(f, ch);
	for (uint32_t i = 0; i < CONNS; i++) {
		fake_accept(f, 0, (uint32_t)l, i, 1);
		c[i] = one(ch, OB_ACCEPTED).conn;
	}
	return ch;
}

// Many times what the ring holds: each close, the end of the listener, and every slot.
static void more_than_the_ring(void)
{
	struct fake f;
	struct ob_host *h;
	ob_conn_t c[CONNS];
	struct ob_channel *ch = serving(&f, &h, c), *again;
	struct taker t = {.f = &f, .acks = true, .resets = true};

	for (uint32_t i = 0; i < CONNS; i++) {
		if (i % 2)
			CU_ASSERT_EQUAL(ob_send(ch, c[i], "bye", 3, 0), 3);
		CU_ASSERT_EQUAL(i % 3 ? ob_close(ch, c[i]) : ob_abort(ch, c[i]), 0);
	}
	take_start(&t);
	CU_ASSERT_EQUAL(ob_channel_close(ch), 0);
	take_stop(&t);
	CU_ASSERT_EQUAL(t.n[OB_RQ_UNLISTEN], 1);
	CU_ASSERT_EQUAL(t.n[OB_RQ_CLOSE], 40);
	CU_ASSERT_EQUAL(t.n[OB_RQ_ABORT], 20);
	CU_ASSERT_EQUAL(t.n[OB_RQ_SEND], 20); // what is aborted is not sent
	CU_ASSERT_EQUAL(t.released, (1ull << CONNS) - 1);
	// The next thread begins afresh; late news of the last one's are nobody's.
	CU_ASSERT_EQUAL_FATAL(ob_channel_open(h, &again), 0);
	fake_sent(&f, 0, 1, 1, 3);
	fake_accept(&f, 0, (uint32_t)listening(&f, again), 1, 2);
	one(again, OB_ACCEPTED);
	none(again);
	ob_detach(h);
	fake_stop(&f);
}

// An accept that the engine had told before it heard that the listener ends.
static void accepted_meanwhile(void)
{
	struct fake f;
	struct ob_host *h;
	struct ob_channel *ch = fake_one(&f, &h);
	struct taker t = {.f = &f, .resets = true};
	int l = listening(&f, ch);

	fake_accept(&f, 0, (uint32_t)l, 7, 1);
	take_start(&t);
	CU_ASSERT_EQUAL(ob_channel_close(ch), 0);
	take_stop(&t);
	CU_ASSERT(t.n[OB_RQ_UNLISTEN] == 1 && t.n[OB_RQ_ABORT] == 1);
	CU_ASSERT_EQUAL(t.released, 1ull << 7);
	ob_detach(h);
	fake_stop(&f);
}

// Data that a peer does not acknowledge lies in the channel's memory: it is not given back before.
static void not_acknowledged(void)
{
	struct fake f;
	struct ob_host *h;
	ob_conn_t c[CONNS];
	struct ob_channel *ch = serving(&f, &h, c);
	struct ob_host_info info;
	struct taker t = {.f = &f};

	CU_ASSERT_EQUAL(ob_send(ch, c[0], "bye", 3, 0), 3);
	for (uint32_t i = 0; i < CONNS; i++)
		CU_ASSERT_EQUAL(ob_close(ch, c[i]), 0);
	take_start(&t);
	CU_ASSERT_EQUAL(ob_channel_close(ch), -EAGAIN);
	take_stop(&t);
	CU_ASSERT_EQUAL(t.n[OB_RQ_CLOSE], CONNS);
	CU_ASSERT_EQUAL(t.released, 0);
	ob_host_info(h, &info);
	CU_ASSERT_EQUAL(info.n_open, 1);
	fake_sent(&f, 0, 0, 1, 3);
	take_start(&t);
	CU_ASSERT_EQUAL(ob_channel_close(ch), 0);
	take_stop(&t);
	CU_ASSERT_EQUAL(t.n[OB_RQ_CLOSE], CONNS);
	CU_ASSERT_EQUAL(t.released, (1ull << CONNS) - 1);
	ob_host_info(h, &info);
	CU_ASSERT_EQUAL(info.n_open, 0);
	ob_detach(h);
	fake_stop(&f);
}

// An engine that takes nothing, and one that is gone.
static void no_engine(void)
{
	struct fake f;
	struct ob_host *h;
	ob_conn_t c[CONNS];
	struct ob_channel *ch = serving(&f, &h, c);

	CU_ASSERT_EQUAL(ob_channel_close(ch), -EBUSY);
	for (uint32_t i = 0; i < CONNS; i++)
		CU_ASSERT_EQUAL(ob_close(ch, c[i]), 0);
	CU_ASSERT_EQUAL(ob_channel_close(ch), -EAGAIN);
	fake_die(&f);
	CU_ASSERT_EQUAL(ob_channel_close(ch), 0);
	ob_detach(h);
	fake_stop(&f);
}

void suite_channel(void)
{
	CU_pSuite s = CU_add_suite("channel", NULL, NULL);

	CU_ADD_TEST(s, more_than_the_ring);
	CU_ADD_TEST(s, accepted_meanwhile);
	CU_ADD_TEST(s, not_acknowledged);
	CU_ADD_TEST(s, no_engine);
}
