// Data both ways: offsets, spans, repeated events.
#include <stdlib.h>

#include "tests/host/one.h"

static void sending(void)
{
	struct one t;
	struct ob_req r;
	struct ob_req r2;
	struct ob_conn_info info;

	begin(&t);
	CU_ASSERT_EQUAL(ob_send(t.ch, t.c, "hello, ", 7, OB_SEND_MORE), 7);
	CU_ASSERT_EQUAL(ob_send(t.ch, t.c, "world", 5, OB_SEND_PUSH), 5);
	CU_ASSERT_EQUAL(ob_send(t.ch, t.c, "", 0, 0), 0);
	CU_ASSERT(fake_quiet(&t.f, 0)); // not before a flush
	none(&t);
	r = fake_expect(&t.f, 0, OB_RQ_SEND); // both in one
	CU_ASSERT_EQUAL(r.slot, t.slot);
	CU_ASSERT_EQUAL(r.off, 0);
	CU_ASSERT_EQUAL(r.len, 12);
	CU_ASSERT_EQUAL(r.flags, OB_RQ_PUSH);
	CU_ASSERT_NSTRING_EQUAL(t.f.seg + r.send.arena_off, "hello, world", 12);
	CU_ASSERT(fake_quiet(&t.f, 0));
	// The next is appended in memory; the bytes before are not sent again.
	CU_ASSERT_EQUAL(ob_send(t.ch, t.c, "!", 1, OB_SEND_MORE), 1);
	none(&t);
	r2 = fake_expect(&t.f, 0, OB_RQ_SEND);
	CU_ASSERT_EQUAL(r2.off, 12);
	CU_ASSERT_EQUAL(r2.len, 1);
	CU_ASSERT_EQUAL(r2.flags, OB_RQ_MORE);
	CU_ASSERT_EQUAL(r2.send.arena_off, r.send.arena_off + 12);
	CU_ASSERT_EQUAL(arena_used(&t), 256);
	fake_sent(&t.f, 0, t.slot, t.gen, 5);
	fake_sent(&t.f, 0, t.slot, t.gen, 3); // an old one
	none(&t);
	ob_conn_info(t.ch, t.c, &info);
	CU_ASSERT_EQUAL(info.sent, 13);
	CU_ASSERT_EQUAL(info.acked, 5);
	CU_ASSERT_EQUAL(arena_used(&t), 256);
	fake_sent(&t.f, 0, t.slot, t.gen, 13);
	fake_sent(&t.f, 0, t.slot, t.gen, 13);
	none(&t);
	CU_ASSERT_EQUAL(arena_used(&t), 0); // an idle connection holds nothing
	CU_ASSERT_EQUAL(ob_shutdown(t.ch, t.c), 0);
	CU_ASSERT_EQUAL(ob_shutdown(t.ch, t.c), 0);
	CU_ASSERT_EQUAL(ob_send(t.ch, t.c, "x", 1, 0), -ESHUTDOWN);
	none(&t);
	CU_ASSERT_EQUAL(fake_expect(&t.f, 0, OB_RQ_SHUTDOWN).off, 13);
	CU_ASSERT_EQUAL(ob_close(t.ch, t.c), 0);
	none(&t);
	CU_ASSERT_EQUAL(fake_expect(&t.f, 0, OB_RQ_CLOSE).off, 13);
	CU_ASSERT(fake_quiet(&t.f, 0));
	end(&t);
}

// Megabytes, by requests of any size, through a small ring; acknowledged at odd places.
static void much(void)
{
	struct one t;
	struct ob_req r;
	uint8_t buf[5000];
	uint64_t put = 0;
	uint64_t seen = 0;
	uint64_t acked = 0;
	unsigned int seed = 5;
	bool good = true;

	begin(&t);
	while (seen < 20 << 20) {
		size_t len = 1 + (size_t)rand_r(&seed) % sizeof(buf);
		ssize_t n;

		for (size_t i = 0; i < len; i++)
			buf[i] = fake_byte(put + i);
		n = ob_send(t.ch, t.c, buf, len, 0);
		if (n > 0)
			put += (uint64_t)n;
		else
			CU_ASSERT_EQUAL_FATAL(n, -EAGAIN);
		if (n > 0 && rand_r(&seed) % 8)
			continue;
		ob_flush(t.ch);
		while (fake_req(&t.f, 0, &r)) {
			good = good && r.op == OB_RQ_SEND && r.off == seen
				&& right(t.f.seg + r.send.arena_off, r.off, r.len);
			seen += r.len;
		}
		if (rand_r(&seed) % 4 == 0 || n < 0) {
			uint64_t to = acked + (uint64_t)rand_r(&seed) % (seen - acked + 1);

			acked = n < 0 ? seen : to;
			fake_sent(&t.f, 0, t.slot, t.gen, acked);
			poll_one(&t, 0);
		}
	}
	CU_ASSERT(good);
	ob_flush(t.ch);
	while (fake_req(&t.f, 0, &r))
		;
	fake_sent(&t.f, 0, t.slot, t.gen, put);
	poll_one(&t, 0);
	CU_ASSERT_EQUAL(arena_used(&t), 0);
	end(&t);
}

static void receiving(void)
{
	struct one t;
	struct ob_req r;
	struct iovec iov[8];
	uint8_t buf[8000];
	int n;

	begin(&t);
	CU_ASSERT_EQUAL(ob_recv(t.ch, t.c, buf, 10), -EAGAIN);
	fake_data(&t.f, 0, t.slot, t.gen, 0, 5000, 0); // several spans
	CU_ASSERT(poll_one(&t, OB_READABLE));
	none(&t);
	n = ob_peek(t.ch, t.c, iov, 8);
	CU_ASSERT(n > 1);
	for (uint64_t i = 0, off = 0; i < (uint64_t)n; off += iov[i++].iov_len)
		CU_ASSERT(right(iov[i].iov_base, off, iov[i].iov_len));
	CU_ASSERT_EQUAL(ob_peek(t.ch, t.c, iov, 1), 1);
	CU_ASSERT_EQUAL(ob_recv(t.ch, t.c, buf, 3), 3); // within a span
	CU_ASSERT(right(buf, 0, 3));
	CU_ASSERT_EQUAL(ob_consume(t.ch, t.c, 4000), 0); // over several
	CU_ASSERT_EQUAL(ob_consume(t.ch, t.c, 998), -EINVAL);
	none(&t);
	CU_ASSERT(fake_quiet(&t.f, 0)); // not worth telling yet
	CU_ASSERT_EQUAL(ob_recv(t.ch, t.c, buf, sizeof(buf)), 997);
	CU_ASSERT(right(buf, 4003, 997));
	CU_ASSERT_EQUAL(ob_recv(t.ch, t.c, buf, 10), -EAGAIN);
	CU_ASSERT_EQUAL(ob_seg_slot(t.f.seg, &t.f.l, t.slot)->consumed, 5000);
	none(&t);
	r = fake_expect(&t.f, 0, OB_RQ_CONSUMED);
	CU_ASSERT_EQUAL(r.off, 5000);
	// With something to send it travels along.
	fake_data(&t.f, 0, t.slot, t.gen, 5000, 10, 0);
	CU_ASSERT(poll_one(&t, OB_READABLE));
	CU_ASSERT_EQUAL(ob_recv(t.ch, t.c, buf, 10), 10);
	CU_ASSERT_EQUAL(ob_send(t.ch, t.c, "x", 1, 0), 1);
	none(&t);
	r = fake_expect(&t.f, 0, OB_RQ_SEND);
	CU_ASSERT_EQUAL(r.send.consumed, 5010);
	CU_ASSERT(fake_quiet(&t.f, 0));
	// The end.
	fake_data(&t.f, 0, t.slot, t.gen, 5010, 0, OB_EV_FIN);
	fake_data(&t.f, 0, t.slot, t.gen, 5010, 0, OB_EV_FIN);
	CU_ASSERT(poll_one(&t, OB_PEER_CLOSED));
	none(&t);
	CU_ASSERT_EQUAL(ob_recv(t.ch, t.c, buf, 10), 0);
	CU_ASSERT_EQUAL(ob_peek(t.ch, t.c, iov, 8), 0);
	fake_data(&t.f, 0, t.slot, t.gen, 5010, 7, 0); // behind the end
	none(&t);
	CU_ASSERT_EQUAL(ob_send(t.ch, t.c, "y", 1, 0), 1); // the other half is open
	end(&t);
}

// Every event twice, some with parts that are known: each byte is seen once, in order.
static void repeated(void)
{
	struct one t;
	uint8_t buf[4096];
	uint64_t placed = 0;
	uint64_t got = 0;
	unsigned int seed = 11;
	bool good = true;

	begin(&t);
	while (got < 4 << 20) {
		uint64_t back = (uint64_t)rand_r(&seed) % 3000;
		uint32_t len = 1 + (uint32_t)rand_r(&seed) % 6000;
		ssize_t n;

		back = back > placed ? placed : back;
		fake_data(&t.f, 0, t.slot, t.gen, placed - back, len, 0);
		if (len > back)
			placed += len - back;
		if (rand_r(&seed) % 2)
			fake_data(&t.f, 0, t.slot, t.gen, placed > 100 ? placed - 100 : 0, 50, 0);
		poll_one(&t, 0);
		while ((n = ob_recv(t.ch, t.c, buf, 1 + (size_t)rand_r(&seed) % sizeof(buf))) > 0) {
			good = good && right(buf, got, (size_t)n);
			got += (uint64_t)n;
		}
		for (struct ob_req r; fake_req(&t.f, 0, &r);)
			good = good && r.op == OB_RQ_CONSUMED && r.off <= got;
	}
	CU_ASSERT(good);
	CU_ASSERT_EQUAL(got, placed);
	end(&t);
}

// More happened than fits into one call.
static void few_at_a_time(void)
{
	struct one t;
	struct ob_app_event e;
	unsigned int counts[8] = {0};

	t.ch = fake_one(&t.f, &t.h);
	for (int i = 0; i < 10; i++)
		connect_one(&t);
	for (uint32_t i = 0; i < 10; i++) {
		fake_data(&t.f, 0, 64 + i, 1, 0, 3, OB_EV_FIN);
		fake_closed(&t.f, 0, 64 + i, 1, 0);
	}
	while (ob_poll(t.ch, &e, 1, 0) == 1)
		counts[e.type]++;
	CU_ASSERT_EQUAL(counts[OB_READABLE], 10);
	CU_ASSERT_EQUAL(counts[OB_PEER_CLOSED], 10);
	CU_ASSERT_EQUAL(counts[OB_CLOSED], 10);
	end(&t);
}

// Received bytes that were not read: the engine is not told that they were.
static void close_unread(void)
{
	struct one t;
	struct ob_req r;
	uint8_t buf[4];

	begin(&t);
	fake_data(&t.f, 0, t.slot, t.gen, 0, 10, 0);
	CU_ASSERT(poll_one(&t, OB_READABLE));
	CU_ASSERT_EQUAL(ob_recv(t.ch, t.c, buf, 4), 4);
	ob_send(t.ch, t.c, "x", 1, 0);
	ob_close(t.ch, t.c);
	none(&t);
	r = fake_expect(&t.f, 0, OB_RQ_SEND);
	CU_ASSERT_EQUAL(r.send.consumed, 4);
	CU_ASSERT_EQUAL(fake_expect(&t.f, 0, OB_RQ_CLOSE).off, 1);
	CU_ASSERT(fake_quiet(&t.f, 0));
	end(&t);
}

void suite_stream(void)
{
	CU_pSuite s = CU_add_suite("stream", NULL, NULL);

	CU_ADD_TEST(s, sending);
	CU_ADD_TEST(s, much);
	CU_ADD_TEST(s, receiving);
	CU_ADD_TEST(s, repeated);
	CU_ADD_TEST(s, few_at_a_time);
	CU_ADD_TEST(s, close_unread);
}
