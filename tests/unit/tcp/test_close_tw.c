// TIME-WAIT of connections: what it answers, and who takes its tuple.
#include <errno.h>

#include "tests/unit/tcp/tcp_bench.h"

static uint32_t tw_entries(const struct bench *b)
{
	return tw_count(b->t.tw);
}

// RFC 9293 section 3.10.7.4: TIME-WAIT acknowledges the FIN again and restarts its time.
static void test_time_wait(void)
{
	struct bench *b = bench_new();

	establish(b);
	host_close(b);
	inject(b, .ack = 2);
	inject(b, .flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 2);
	flush(b);
	tcp_release(&b->t, b->conn);
	advance(b, 40000000);
	inject(b, .flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 2);
	expect(b, .flags = TCP_ACK, .seq = 2, .ack = 2);
	advance(b, 40000000);
	CU_ASSERT_EQUAL(tw_entries(b), 1);
	// RFC 1337: a reset does not end it.
	inject(b, .flags = TCP_RST, .seq = 2);
	inject(b, .flags = TCP_RST | TCP_ACK, .seq = 2, .ack = 2);
	inject(b, .flags = TCP_RST, .seq = 50);
	expect_none(b);
	CU_ASSERT_EQUAL(tw_entries(b), 1);
	// An old segment is answered, an ACK alone is not (no war of ACKs).
	inject(b, .seq = 1, .ack = 2, .len = 10);
	expect(b, .flags = TCP_ACK, .seq = 2, .ack = 2);
	inject(b, .seq = 2, .ack = 2);
	expect_none(b);
	CU_ASSERT_EQUAL(b->cnt.drop_tw_segs, 6); // a FIN, three resets, data, an ACK
	// Of old segments only some are answered; the FIN always is.
	b->t.reset_limit.rate = 1;
	for (unsigned i = 0; i < 3; i++) {
		inject(b, .seq = 1, .ack = 2, .len = 10);
		flush(b);
	}
	inject(b, .seq = 1, .ack = 2, .len = 10);
	expect_none(b);
	inject(b, .flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 2);
	expect(b, .flags = TCP_ACK, .seq = 2, .ack = 2);
	advance(b, 61000000);
	CU_ASSERT_EQUAL(tw_entries(b), 0);
	inject(b, .flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 2);
	expect(b, .flags = TCP_RST, .seq = 2);
	bench_free(b);
}

// A FIN that is not theirs again, say a stranger's, is answered, and lengthens nothing: an entry could be kept
// for ever by it, and with it the tuple.
static void test_time_wait_other_fin(void)
{
	static const struct {
		int64_t flags, seq, len;
	} t[] = {{TCP_FIN, 1, 0}, {TCP_FIN | TCP_ACK, 2, 0}, {TCP_FIN | TCP_ACK, 0, 0},
		{TCP_FIN | TCP_ACK, 1, 1}, {TCP_FIN | TCP_ACK | TCP_SYN, 1, 0},
		{TCP_FIN | TCP_SYN, 100, 0}};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct bench *b = bench_new();

		establish(b);
		host_close(b);
		inject(b, .ack = 2);
		inject(b, .flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 2);
		flush(b);
		advance(b, 40000000);
		inject(b, .flags = t[i].flags, .seq = t[i].seq, .ack = 2, .len = t[i].len);
		expect(b, .flags = TCP_ACK, .seq = 2, .ack = 2);
		CU_ASSERT_EQUAL(tw_entries(b), 1);
		advance(b, 21000000);
		CU_ASSERT_EQUAL(tw_entries(b), 0);
		bench_free(b);
	}
}

// TIME-WAIT answers without timestamps where only the peer had offered them.
static void test_time_wait_no_ts(void)
{
	struct bench *b = bench_new();

	b->cfg.tcp_timestamps = false;
	establish(b, .ts_val = 1000);
	host_close(b);
	inject(b, .ack = 2);
	inject(b, .flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 2);
	flush(b);
	inject(b, .flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 2);
	expect(b, .flags = TCP_ACK, .seq = 2, .ack = 2, .ts_val = -1);
	bench_free(b);
}

// And with them where the peer's clock stood at 0, which says "none" in the entry.
static void test_time_wait_ts_zero(void)
{
	struct bench *b = bench_new();

	establish(b, .ts_val = UINT32_MAX);
	host_close(b);
	flush(b);
	inject(b, .ack = 2, .ts_val = 0);
	inject(b, .flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 2, .ts_val = 0);
	flush(b);
	inject(b, .flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 2, .ts_val = 0);
	expect(b, .flags = TCP_ACK, .seq = 2, .ack = 2, .ts_ecr = UINT32_MAX);
	bench_free(b);
}

static void to_time_wait(struct bench *b, bool ts)
{
	establish(b, .ts_val = ts ? 1000 : ANY);
	host_close(b);
	flush(b);
	inject(b, .ack = 2, .ts_val = ts ? 2000 : -1);
	inject(b, .flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 2, .ts_val = ts ? 2000 : -1);
	flush(b);
	b->peer_ts = false;
	CU_ASSERT_EQUAL(tw_entries(b), 1);
}

// RFC 6191 section 2: a SYN is taken when its timestamp is greater than the last one, or, where
// timestamps do not tell, its sequence number.
static void test_reuse(void)
{
	static const struct {
		bool ts; // of the connection before
		int64_t seq, val;
		bool taken;
	} t[] = {
		{false, 5000, ANY, true}, // beyond the last sequence number
		{false, 1, ANY, false}, // not beyond it
		{false, -5000, ANY, false}, // before it
		{true, -5000, 2001, true}, // timestamp greater: whatever the sequence number
		{true, 5000, 2001, true},
		{true, 5000, 2000, true}, // the same timestamp: the sequence number says
		{true, -5000, 2000, false},
		{true, 5000, 1999, false}, // older timestamp
		{true, 5000, ANY, true}, // none: the sequence number
		{true, -5000, ANY, false},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct bench *b = bench_new();
		uint32_t before;
		bool taken;

		to_time_wait(b, t[i].ts);
		before = b->iss;
		inject(b, .flags = TCP_SYN, .seq = t[i].seq, .mss = 1460, .ts_val = t[i].val);
		taken = b->t.n_half_used == 1;
		if (taken != t[i].taken)
			printf("\nreuse: row %zu ", i);
		CU_ASSERT_EQUAL(taken, t[i].taken);
		if (taken) {
			// Its sequence numbers lie beyond the old connection's.
			expect(b, .flags = TCP_SYN | TCP_ACK, .ack = t[i].seq + 1);
			CU_ASSERT(seq_gt(b->iss, before + 2));
			CU_ASSERT_EQUAL(tw_entries(b), 0);
			CU_ASSERT_EQUAL(counter_delta(b, tcp_tw_reused), 1);
		} else {
			expect(b, .flags = TCP_ACK, .seq = 2, .ack = 2);
			CU_ASSERT_EQUAL(tw_entries(b), 1);
			CU_ASSERT_EQUAL(counter_delta(b, drop_syn_time_wait), 1);
		}
		expect_none(b);
		bench_free(b);
	}
}

// The tuple is ours no more while it is in TIME-WAIT.
static void test_connect_in_time_wait(void)
{
	struct bench *b = bench_new();

	to_time_wait(b, false);
	CU_ASSERT_EQUAL(host_connect(b), -EADDRINUSE);
	advance(b, 61000000);
	CU_ASSERT_EQUAL(host_connect(b), 0);
	bench_free(b);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"answers and end", test_time_wait},
		{"a FIN that is another's", test_time_wait_other_fin},
		{"without timestamps", test_time_wait_no_ts},
		{"a peer's clock at 0", test_time_wait_ts_zero},
		{"reuse (RFC 6191)", test_reuse},
		{"no connect", test_connect_in_time_wait},
		CU_TEST_INFO_NULL,
	};

	return unit_eal() < 0 ? 1 : unit_run("tcp_close_tw", tests);
}
