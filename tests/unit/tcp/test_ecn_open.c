// ECN's negotiation (RFC 3168 section 6.1.1), as both openers.
#include <errno.h>

#include "tests/unit/tcp/ecn_path.h"

static struct bench *bench_ecn(const char *mode)
{
	struct bench *b = bench_new();

	snprintf(b->cfg.tcp_ecn, sizeof(b->cfg.tcp_ecn), "%s", mode);
	return b;
}

static struct bench *bench_dctcp(const char *mode)
{
	struct bench *b = bench_ecn(mode);

	snprintf(b->cfg.tcp_congestion_control, sizeof(b->cfg.tcp_congestion_control), "dctcp");
	return b;
}

// How a SYN is answered, and what our data is marked with afterwards.
static void test_passive(void)
{
	static const struct {
		const char *mode;
		int64_t flags, ecn, answer, data;
	} t[] = {
		{"off", SETUP, 0, TCP_SYN | TCP_ACK, 0},
		{"passive", SETUP, 0, TCP_SYN | TCP_ACK | TCP_ECE, ECN_ECT0},
		{"on", SETUP, 0, TCP_SYN | TCP_ACK | TCP_ECE, ECN_ECT0},
		{"on", TCP_SYN, 0, TCP_SYN | TCP_ACK, 0},
		{"on", TCP_SYN | TCP_ECE, 0, TCP_SYN | TCP_ACK, 0},
		{"on", TCP_SYN | TCP_CWR, 0, TCP_SYN | TCP_ACK, 0},
		{"on", SETUP, ECN_ECT0, TCP_SYN | TCP_ACK, 0}, // not a kind of SYN that there is
		{"on", SETUP, ECN_CE, TCP_SYN | TCP_ACK, 0},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct bench *b = bench_ecn(t[i].mode);

		host_listen(b);
		inject(b, .flags = t[i].flags, .ecn = t[i].ecn, .mss = 1000);
		expect(b, .flags = t[i].answer, .ecn = 0);
		inject(b, .seq = 1, .ack = 1);
		CU_ASSERT_EQUAL(b->cnt.tcp_ecn_negotiated, t[i].data != 0);
		host_send(b, 1000, 0);
		expect(b, .flags = TCP_ACK, .len = 1000, .ecn = t[i].data);
		bench_free(b);
	}
}

static void test_active(void)
{
	static const struct {
		const char *mode;
		int64_t syn, answer, data;
	} t[] = {
		{"off", TCP_SYN, TCP_SYN | TCP_ACK | TCP_ECE, 0},
		{"passive", TCP_SYN, TCP_SYN | TCP_ACK | TCP_ECE, 0},
		{"on", SETUP, TCP_SYN | TCP_ACK | TCP_ECE, ECN_ECT0},
		{"on", SETUP, TCP_SYN | TCP_ACK, 0},
		{"on", SETUP, SETUP | TCP_ACK, 0}, // sends back what it does not understand
		{"on", SETUP, TCP_SYN | TCP_ACK | TCP_CWR, 0},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct bench *b = bench_ecn(t[i].mode);

		host_connect(b);
		expect(b, .flags = t[i].syn, .ecn = 0);
		inject(b, .flags = t[i].answer, .seq = 0, .ack = 1, .mss = 1000);
		expect(b, .flags = TCP_ACK, .ecn = 0);
		CU_ASSERT_EQUAL(b->cnt.tcp_ecn_negotiated, t[i].data != 0);
		host_send(b, 1000, 0);
		expect(b, .flags = TCP_ACK, .len = 1000, .ecn = t[i].data);
		CU_ASSERT_EQUAL(b->cnt.tcp_ecn_fallback, 0);
		bench_free(b);
	}
}

// Section 6.1.1.1: no answer, so the SYN goes again without. A SYN-ACK that answers the first one
// all the same has marks answered, but our data carries none: it MUST NOT.
static void test_fallback_silence(void)
{
	for (int ece = 0; ece < 2; ece++) {
		struct bench *b = bench_ecn("on");

		host_connect(b);
		expect(b, .flags = SETUP);
		advance_until_sent(b, 2000000);
		expect(b, .flags = TCP_SYN);
		advance_until_sent(b, 4000000);
		expect(b, .flags = TCP_SYN);
		CU_ASSERT_EQUAL(b->cnt.tcp_ecn_fallback, 1);
		inject(b, .flags = TCP_SYN | TCP_ACK | (ece ? TCP_ECE : 0), .seq = 0, .ack = 1,
			.mss = 1000);
		expect(b, .flags = TCP_ACK);
		host_send(b, 1000, 0);
		expect(b, .flags = TCP_ACK, .len = 1000, .ecn = 0);
		inject(b, .len = 1000, .ecn = ECN_CE);
		advance(b, 50000);
		expect(b, .flags = TCP_ACK | (ece ? TCP_ECE : 0), .ack = 1001, .ecn = 0);
		inject(b, .ack = 1001, .flags = TCP_ACK | TCP_ECE); // of what had no ECT
		CU_ASSERT_EQUAL(b->cnt.tcp_ecn_reduced, 0);
		host_consume(b, 1000);
		bench_free(b);
	}
}

// A reset may have been meant for the offer: once more without.
static void test_fallback_reset(void)
{
	struct bench *b = bench_ecn("on");

	host_connect(b);
	expect(b, .flags = SETUP);
	inject(b, .flags = TCP_RST | TCP_ACK, .seq = 0, .ack = 1);
	expect(b, .flags = TCP_SYN, .seq = 0);
	CU_ASSERT_EQUAL(b->connect_error, 0);
	inject(b, .flags = TCP_RST | TCP_ACK, .seq = 0, .ack = 1);
	expect_none(b);
	CU_ASSERT_EQUAL(b->connect_error, -ECONNREFUSED);
	CU_ASSERT_EQUAL(b->cnt.tcp_connect_refused, 1);
	bench_free(b);
	b = bench_ecn("passive");
	host_connect(b);
	expect(b, .flags = TCP_SYN);
	inject(b, .flags = TCP_RST | TCP_ACK, .seq = 0, .ack = 1);
	expect_none(b);
	CU_ASSERT_EQUAL(b->connect_error, -ECONNREFUSED);
	bench_free(b);
}

// The peer has sent a SYN without ECN too: we SHOULD NOT mark. The SYN-ACK stays what it was.
static void test_peer_falls_back(void)
{
	struct bench *b = bench_ecn("on");

	host_listen(b);
	inject(b, .flags = SETUP, .mss = 1000);
	expect(b, .flags = TCP_SYN | TCP_ACK | TCP_ECE);
	inject(b, .flags = SETUP, .seq = 0, .mss = 1000);
	expect(b, .flags = TCP_SYN | TCP_ACK | TCP_ECE);
	CU_ASSERT_EQUAL(b->cnt.tcp_ecn_fallback, 0);
	inject(b, .flags = TCP_SYN, .seq = 0, .mss = 1000);
	expect(b, .flags = TCP_SYN | TCP_ACK | TCP_ECE);
	CU_ASSERT_EQUAL(b->cnt.tcp_ecn_fallback, 1);
	inject(b, .seq = 1, .ack = 1);
	host_send(b, 1000, 0);
	expect(b, .len = 1000, .ecn = 0);
	bench_free(b);
}

// Figure 7 of RFC 9293, with an offer on both sides; and where the peer's SYN-ACK takes it back.
static void test_simultaneous(void)
{
	static const struct {
		const char *mode;
		int64_t syn, synack, answer, data;
	} t[] = {
		{"on", SETUP, TCP_SYN | TCP_ACK | TCP_ECE, TCP_SYN | TCP_ACK | TCP_ECE, ECN_ECT0},
		{"on", SETUP, TCP_SYN | TCP_ACK, TCP_SYN | TCP_ACK | TCP_ECE, 0},
		{"on", TCP_SYN, TCP_SYN | TCP_ACK, TCP_SYN | TCP_ACK, 0},
		{"passive", SETUP, TCP_SYN | TCP_ACK, TCP_SYN | TCP_ACK, 0},
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct bench *b = bench_ecn(t[i].mode);

		host_connect(b);
		flush(b);
		b->iss = b->caps[0].s.seq;
		inject(b, .flags = t[i].syn, .seq = 0, .mss = 1000);
		expect(b, .flags = t[i].answer);
		inject(b, .flags = t[i].synack, .seq = 0, .ack = 1, .mss = 1000);
		flush(b);
		expect_state(b, ESTABLISHED);
		host_send(b, 1000, 0);
		expect(b, .len = 1000, .ecn = t[i].data);
		bench_free(b);
	}
}

// DCTCP wants ECN whatever tcp.ecn says, on SYNs too (RFC 8257 section 3.5), and takes them so.
static void test_dctcp(void)
{
	struct bench *b = bench_dctcp("off");

	host_connect(b);
	expect(b, .flags = SETUP, .ecn = ECN_ECT0);
	inject(b, .flags = TCP_SYN | TCP_ACK, .seq = 0, .ack = 1, .mss = 1000);
	expect(b, .flags = TCP_ACK, .ecn = 0);
	host_send(b, 1000, 0);
	expect(b, .len = 1000, .ecn = 0); // refused: as if it were NewReno
	bench_free(b);
	b = bench_dctcp("off");
	host_connect(b);
	flush(b);
	advance_until_sent(b, 2000000);
	expect(b, .flags = TCP_SYN, .ecn = 0);
	bench_free(b);
	b = bench_dctcp("off");
	host_listen(b);
	inject(b, .flags = SETUP, .ecn = ECN_CE, .mss = 1000);
	expect(b, .flags = TCP_SYN | TCP_ACK | TCP_ECE, .ecn = ECN_ECT0);
	inject(b, .seq = 1, .ack = 1);
	host_send(b, 1000, 0);
	expect(b, .len = 1000, .ecn = ECN_ECT0);
	tcp_abort(&b->t, b->conn);
	turn(b);
	expect(b, .flags = TCP_RST | TCP_ACK, .ecn = ECN_ECT0);
	bench_free(b);
}

// What was agreed on is hard.
static void test_rebuilt(void)
{
	struct bench *b = bench_ecn("on");

	host_listen(b);
	inject(b, .flags = SETUP, .mss = 1000);
	expect(b, .flags = TCP_SYN | TCP_ACK | TCP_ECE);
	inject(b, .seq = 1, .ack = 1);
	CU_ASSERT_EQUAL(bench_rec(b)->opts, OB_NEG_ECN);
	tcp_forget(&b->t, b->conn);
	turn(b);
	flush(b);
	host_send(b, 1000, 0);
	// One segment is a window that was reduced.
	expect(b, .flags = TCP_ACK | TCP_CWR, .len = 1000, .ecn = ECN_ECT0);
	bench_free(b);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"what SYNs are answered", test_passive},
		{"what SYNs say, and what SYN-ACKs make of it", test_active},
		{"no answer: a SYN without", test_fallback_silence},
		{"a reset: a SYN without, once", test_fallback_reset},
		{"the peer's SYN without", test_peer_falls_back},
		{"simultaneous", test_simultaneous},
		{"DCTCP", test_dctcp},
		{"after a rebuild", test_rebuilt},
		CU_TEST_INFO_NULL,
	};

	if (unit_eal() < 0)
		return 1;
	return unit_run("tcp ecn open", tests);
}
