// DCTCP (RFC 8257): alpha and the window by the formulas of section 3.3; the receiver of section 3.2
// with many segments a turn; what the sender makes of what such a receiver says.
#include "tests/unit/tcp/ecn_path.h"

#define ONE (1u << 20)

static struct tcp_soft own_soft;
static struct cc_priv own_priv;
static struct config cfg;
static struct cc c = {.s = &own_soft, .priv = &own_priv, .cfg = &cfg, .mss = 1000};

// The controller's own state, as in dctcp.c.
static struct {
	uint64_t window_end, bytes_acked, bytes_marked;
	uint32_t alpha, grown;
} const *const dctcp = (const void *)own_priv.bytes;

static void begin(void)
{
	config_defaults(&cfg);
	memset(&own_soft, 0, sizeof(own_soft));
	memset(&own_priv, 0, sizeof(own_priv));
	cc_dctcp.init(&c, 10);
}

static void ack(uint64_t una, uint64_t nxt, uint32_t acked, bool ece)
{
	cc_dctcp.marked(&c, &(struct cc_ack){.una = una, .nxt = nxt, .acked = acked, .ece = ece});
}

// alpha = alpha * (1 - g) + g * F, once a window, with g = 1/16.
static void test_alpha(void)
{
	uint32_t was;

	begin();
	CU_ASSERT_EQUAL(dctcp->alpha, ONE); // section 4.1
	CU_ASSERT_EQUAL(own_soft.cwnd, 10000);
	ack(1000, 10000, 1000, false); // una passes the first window, of nothing
	CU_ASSERT_EQUAL(dctcp->alpha, ONE / 16 * 15);
	was = dctcp->alpha;
	ack(5000, 15000, 4000, true);
	CU_ASSERT_EQUAL(dctcp->alpha, was);
	ack(10000, 15000, 5000, false); // the window ends behind that
	CU_ASSERT_EQUAL(dctcp->alpha, was);
	ack(10001, 20000, 1, false); // 4000 of 9001
	CU_ASSERT(labs((long)dctcp->alpha - (long)(was * 15.0 / 16 + ONE * 4.0 / 9.001 / 16)) <= 2);
	for (uint64_t una = 20001; una < 20000 + 400 * 10000ull; una += 10000)
		ack(una, una + 9999, 10000, false);
	CU_ASSERT_EQUAL(dctcp->alpha, 0);
	for (uint64_t una = 5000001; una < 5000000 + 400 * 10000ull; una += 10000)
		ack(una, una + 9999, 10000, true);
	CU_ASSERT(dctcp->alpha > ONE / 1000 * 999 && dctcp->alpha <= ONE);
	begin();
	cfg.tcp_dctcp_shift_g = 0; // what the last window was
	ack(10000, 20000, 10000, false);
	CU_ASSERT_EQUAL(dctcp->alpha, 0);
	ack(20001, 30000, 10000, true);
	CU_ASSERT_EQUAL(dctcp->alpha, ONE);
}

// cwnd * (1 - alpha / 2) for a mark, half of the flight for a loss, two segments at the least.
static void test_window(void)
{
	begin();
	own_soft.cwnd = 40000;
	CU_ASSERT_EQUAL(cc_dctcp.ssthresh(&c, 30000, CC_ECN), 20000);
	CU_ASSERT_EQUAL(cc_dctcp.ssthresh(&c, 30000, CC_LOSS), 15000);
	CU_ASSERT_EQUAL(cc_dctcp.ssthresh(&c, 3000, CC_TIMEOUT), 2000);
	cfg.tcp_dctcp_shift_g = 1;
	for (int i = 1; i <= 3; i++)
		ack(10000 * (uint64_t)i + 1, 10000 * (uint64_t)i + 10000, 10000, false);
	// alpha is 1/8
	CU_ASSERT_EQUAL(dctcp->alpha, ONE / 8);
	CU_ASSERT_EQUAL(cc_dctcp.ssthresh(&c, 30000, CC_ECN), 37500);
	CU_ASSERT_EQUAL(cc_dctcp.ssthresh(&c, 30000, CC_LOSS), 15000);
	own_soft.cwnd = 2000;
	CU_ASSERT_EQUAL(cc_dctcp.ssthresh(&c, 2000, CC_ECN), 2000);
	CU_ASSERT_PTR_EQUAL(cc_find("dctcp"), &cc_dctcp);
	CU_ASSERT_PTR_EQUAL(cc_by_id(OB_CC_DCTCP), &cc_dctcp);
}

static struct bench *dctcp_open(void)
{
	struct bench *b = bench_new();

	snprintf(b->cfg.tcp_congestion_control, sizeof(b->cfg.tcp_congestion_control), "dctcp");
	host_listen(b);
	inject(b, .flags = SETUP, .ecn = ECN_ECT0, .mss = 1000, .sack_ok = 1);
	expect(b, .flags = TCP_SYN | ACK_ECE);
	inject(b, .seq = 1, .ack = 1);
	counter_mark(b);
	return b;
}

// A burst, one letter a segment: N not marked, C marked. Then what is acknowledged.
static void burst(struct bench *b, const char *marks)
{
	b->hold = true;
	for (; *marks; marks++)
		inject(b, .len = 1000, .ecn = *marks == 'C' ? ECN_CE : ECN_ECT0);
	b->hold = false;
	turn(b);
}

// Every byte is acknowledged with the mark that it came with, however many come in a turn.
static void test_receiver(void)
{
	struct bench *b = dctcp_open();

	burst(b, "NNNN");
	expect(b, .flags = TCP_ACK, .ack = 4001, .ecn = ECN_ECT0);
	expect_none(b);
	burst(b, "NNCCNC");
	expect(b, .flags = TCP_ACK, .ack = 6001);
	expect(b, .flags = ACK_ECE, .ack = 8001);
	expect(b, .flags = TCP_ACK, .ack = 9001);
	expect(b, .flags = ACK_ECE, .ack = 10001); // at once, though it is but one
	expect_none(b);
	burst(b, "CC");
	expect(b, .flags = ACK_ECE, .ack = 12001);
	burst(b, "N");
	expect(b, .flags = TCP_ACK, .ack = 13001);
	expect_none(b);
	// Over turns: what is owed is paid before the change.
	burst(b, "N");
	expect_none(b);
	burst(b, "C");
	expect(b, .flags = TCP_ACK, .ack = 14001);
	expect(b, .flags = ACK_ECE, .ack = 15001);
	// CWR means nothing.
	inject(b, .len = 1000, .flags = TCP_ACK | TCP_CWR, .ecn = ECN_CE);
	advance(b, 50000);
	expect(b, .flags = ACK_ECE, .ack = 16001);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_dctcp_acks), 4);
	host_consume(b, 16000);
	flush(b);
	bench_free(b);
}

// Behind a gap: what comes is acknowledged at once, with its own mark.
static void test_receiver_gap(void)
{
	struct bench *b = dctcp_open();

	inject(b, .seq = 1001, .len = 1000, .ecn = ECN_CE);
	expect(b, .flags = ACK_ECE, .ack = 1, .n_sack = 1);
	inject(b, .seq = 2001, .len = 1000, .ecn = ECN_ECT0);
	expect(b, .flags = TCP_ACK, .ack = 1, .n_sack = 1);
	inject(b, .seq = 1, .len = 1000, .ecn = ECN_CE);
	expect(b, .flags = ACK_ECE, .ack = 3001);
	host_consume(b, 3000);
	flush(b);
	bench_free(b);
}

// No room in the port: the ACK is left out, nothing breaks.
static void test_receiver_no_room(void)
{
	struct bench *b = dctcp_open();

	b->room = 1;
	burst(b, "NNCCN");
	expect(b, .flags = TCP_ACK, .ack = 2001);
	expect_none(b);
	b->room = 64;
	turn(b);
	expect(b, .flags = TCP_ACK, .ack = 5001);
	host_consume(b, 5000);
	flush(b);
	bench_free(b);
}

// Everything is ECT, as with Linux: ACKs and retransmissions too.
static void test_all_ect(void)
{
	struct bench *b = dctcp_open();

	host_send(b, 4000, 0);
	for (int i = 0; i < 4; i++)
		expect(b, .seq = 1 + 1000 * i, .ecn = ECN_ECT0);
	sack1(b, 1, 1001, 4001);
	expect(b, .seq = 1, .len = 1000, .ecn = ECN_ECT0);
	inject(b, .ack = 4001);
	host_shutdown(b);
	expect(b, .flags = TCP_ACK | TCP_FIN, .ecn = ECN_ECT0);
	bench_free(b);
}

// The whole: a tenth of the bytes is marked in each window, and the window settles where it should.
static void test_sender(void)
{
	struct bench *b = dctcp_open();
	struct tcp_soft *s = tcp_soft(&b->t, b->conn);
	const uint64_t *own = (const void *)b->t.cc_priv[b->t.soft_of[b->conn]].bytes;
	uint32_t alpha, before;

	s->cwnd = s->ssthresh = 20000;
	for (int round = 0; round < 100; round++) {
		int64_t una = (int64_t)b->wr + 1;

		if (round == 4) // by then the round trip is known
			counter_mark(b);
		s->cwnd = 20000;
		host_send(b, 20000, 0);
		flush(b);
		advance(b, 10000);
		inject(b, .ack = una + 18000);
		inject(b, .ack = una + 20000, .flags = ACK_ECE);
		flush(b);
	}
	alpha = (uint32_t)own[3];
	CU_ASSERT(alpha > ONE / 10 - ONE / 100 && alpha < ONE / 10 + ONE / 100);
	CU_ASSERT_EQUAL(counter_delta(b, tcp_ecn_reduced), 96);
	before = s->cwnd = 20000;
	host_send(b, 20000, 0);
	flush(b);
	inject(b, .ack = (int64_t)b->wr + 1 - 10000, .flags = ACK_ECE);
	CU_ASSERT_EQUAL(
		s->ssthresh, before - (uint32_t)((uint64_t)before * (uint32_t)own[3] / 2 / ONE));
	flush(b);
	inject(b, .ack = (int64_t)b->wr + 1);
	bench_free(b);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"alpha", test_alpha},
		{"the window", test_window},
		{"receiver: marks within a turn", test_receiver},
		{"receiver: behind a gap", test_receiver_gap},
		{"receiver: no room", test_receiver_no_room},
		{"all is ECT", test_all_ect},
		{"sender", test_sender},
		CU_TEST_INFO_NULL,
	};

	if (unit_eal() < 0)
		return 1;
	return unit_run("tcp dctcp", tests);
}
