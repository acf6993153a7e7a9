// Settings: whose they are, how they are shared and kept, and that each one does what it says.
#include "engine/state/chain.h"
#include "tests/unit/tcp/tcp_bench.h"

#define SECOND 1000000ull

static uint32_t used(const struct bench *b)
{
	return b->st.hdr->n_settings - 1 - b->t.n_settings_free;
}

static void open_from(struct bench *b, int64_t sport)
{
	b->peer_seq = 0;
	inject(b, .flags = TCP_SYN, .seq = 0, .mss = 1000, .sport = sport);
	expect(b, .flags = TCP_SYN | TCP_ACK, .ack = 1, .sport = sport);
	inject(b, .seq = 1, .ack = 1, .sport = sport);
}

// A connection begins with what its listener has when it is established, and is its own from then on.
static void test_inherit(void)
{
	struct bench *b = bench_new();
	uint32_t first;

	host_listen(b);
	CU_ASSERT_EQUAL(tcp_listener_setopt(&b->t, b->listener, OB_OPT_NODELAY, 1), 0);
	CU_ASSERT_EQUAL(tcp_listener_setopt(&b->t, b->listener, OB_OPT_DELACK, 7000), 0);
	open_from(b, 1001);
	first = b->conn;
	CU_ASSERT_EQUAL(tcp_getopt(&b->t, first, OB_OPT_NODELAY), 1);
	CU_ASSERT_EQUAL(tcp_getopt(&b->t, first, OB_OPT_DELACK), 7000);
	CU_ASSERT_EQUAL(tcp_getopt(&b->t, first, OB_OPT_RETRIES), b->cfg.tcp_data_retries);
	CU_ASSERT_EQUAL(used(b), 1);
	CU_ASSERT_EQUAL(host_set(b, OB_OPT_DELACK, 9000), 0);
	CU_ASSERT_EQUAL(tcp_listener_getopt(&b->t, b->listener, OB_OPT_DELACK), 7000);
	CU_ASSERT_EQUAL(tcp_listener_setopt(&b->t, b->listener, OB_OPT_NODELAY, 0), 0);
	CU_ASSERT_EQUAL(tcp_getopt(&b->t, first, OB_OPT_NODELAY), 1);
	CU_ASSERT_EQUAL(tcp_getopt(&b->t, first, OB_OPT_DELACK), 9000);
	CU_ASSERT_EQUAL(used(b), 2);
	tcp_unlisten(&b->t, b->listener);
	CU_ASSERT_EQUAL(used(b), 1);
	// A listener in the same place has nothing of it.
	host_listen(b);
	CU_ASSERT_EQUAL(
		tcp_listener_getopt(&b->t, b->listener, OB_OPT_DELACK), b->cfg.tcp_delack_us);
	CU_ASSERT_EQUAL(tcp_setopt(&b->t, first, OB_OPT_N, 1), -ENOPROTOOPT);
	CU_ASSERT_EQUAL(tcp_setopt(&b->t, first, OB_OPT_NONE, 1), -ENOPROTOOPT);
	bench_free(b);
}

// An active open: what was set before it is established stays with it.
static void test_connect(void)
{
	struct bench *b = bench_new();

	host_connect(b);
	expect(b, .flags = TCP_SYN);
	CU_ASSERT_EQUAL(tcp_setopt(&b->t, b->half, OB_OPT_NODELAY, 1), 0);
	CU_ASSERT_EQUAL(tcp_setopt(&b->t, b->half, OB_OPT_KEEPALIVE, 1), 0);
	inject(b, .flags = TCP_SYN | TCP_ACK, .seq = 0, .ack = 1, .mss = 1460);
	expect(b, .flags = TCP_ACK);
	CU_ASSERT_EQUAL(tcp_getopt(&b->t, b->conn, OB_OPT_KEEPALIVE), 1);
	CU_ASSERT_EQUAL(used(b), 1);
	host_send(b, 10, 0);
	expect(b, .len = 10);
	host_send(b, 10, 0); // no Nagle
	expect(b, .len = 10);
	bench_free(b);
}

// Equal ones are kept once, in whatever order they were set; when nobody has them they are free.
static void test_shared(void)
{
	struct bench *b = bench_new();
	uint32_t conns[4];

	host_listen(b);
	for (unsigned i = 0; i < 4; i++) {
		open_from(b, 1001 + i);
		conns[i] = b->conn;
		host_set(b, i % 2 ? OB_OPT_NODELAY : OB_OPT_KEEPALIVE, 1);
		host_set(b, i % 2 ? OB_OPT_KEEPALIVE : OB_OPT_NODELAY, 1);
	}
	flush(b);
	CU_ASSERT_EQUAL(used(b), 1);
	for (unsigned i = 0; i < 4; i++) {
		tcp_abort(&b->t, conns[i]);
		turn(b);
		tcp_release(&b->t, conns[i]);
		CU_ASSERT_EQUAL(used(b), i < 3);
	}
	flush(b);
	bench_free(b);
}

// Without room for one more combination a request is refused and nothing changes: nor can one host
// take them all.
static void test_full(void)
{
	struct bench *b = bench_new();
	uint32_t n = 0;

	b->cfg.limits_settings = 16;
	host_listen(b);
	for (uint32_t i = 1; i <= 20; i++) {
		open_from(b, 1000 + i);
		if (host_set(b, OB_OPT_RETRIES, i) == 0) {
			n++;
			CU_ASSERT_EQUAL(tcp_getopt(&b->t, b->conn, OB_OPT_RETRIES), i);
			continue;
		}
		CU_ASSERT_EQUAL(host_set(b, OB_OPT_RETRIES, i), -ENOBUFS);
		CU_ASSERT_EQUAL(
			tcp_getopt(&b->t, b->conn, OB_OPT_RETRIES), b->cfg.tcp_data_retries);
		CU_ASSERT_EQUAL(host_set(b, OB_OPT_RETRIES, 1), 0); // there is such a one
	}
	flush(b);
	CU_ASSERT_EQUAL(n, 12); // 4 times what is left: limits.host_share
	CU_ASSERT_EQUAL(used(b), 12);
	bench_free(b);
}

// Another engine begins with the state that this one leaves: settings are hard. What cannot be right
// means the defaults and is counted.
static void test_successor(void)
{
	struct bench *b = bench_new();
	uint16_t mine;

	host_listen(b);
	tcp_listener_setopt(&b->t, b->listener, OB_OPT_USER_TIMEOUT, 4321);
	open_from(b, PEER_PORT);
	host_set(b, OB_OPT_KEEPALIVE, 1);
	host_set(b, OB_OPT_KEEPALIVE_IDLE, 5);
	mine = HARD_GET(b->st.settings_of[b->conn]);
	for (int damage = 0; damage < 5; damage++) {
		struct tcp next
			= b->t; // the same but for its settings, and a configuration of its own
		struct config cfg = b->cfg;
		struct counters cnt = {0};
		struct settings was = b->st.settings[mine];

		next.cfg = &cfg;
		next.cnt = &cnt;
		next.n_settings_free = next.settings_free = 0;
		cfg.tcp_data_retries = 3;
		if (damage == 1)
			b->st.settings[mine].value[3]++;
		if (damage == 2)
			b->st.settings[mine].made |= 1ull << 63;
		if (damage == 3)
			HARD_SET(b->st.settings_of[b->conn], (uint16_t)b->st.hdr->n_settings);
		if (damage == 4) { // a sum that is right over what cannot be
			b->st.settings[mine].value[OB_OPT_KEEPALIVE_IDLE - 1] = 40000;
			b->st.settings[mine].sum = settings_sum(&b->st.settings[mine]);
		}
		CU_ASSERT_EQUAL_FATAL(settings_init(&next), 0);
		CU_ASSERT_EQUAL(cnt.tcp_settings_damaged, damage != 0);
		CU_ASSERT_EQUAL(tcp_getopt(&next, b->conn, OB_OPT_KEEPALIVE), damage == 0);
		CU_ASSERT_EQUAL(
			tcp_getopt(&next, b->conn, OB_OPT_KEEPALIVE_IDLE), damage ? 7200 : 5);
		CU_ASSERT_EQUAL(tcp_getopt(&next, b->conn, OB_OPT_USER_TIMEOUT), damage ? 0 : 4321);
		CU_ASSERT_EQUAL(tcp_listener_getopt(&next, b->listener, OB_OPT_USER_TIMEOUT), 4321);
		// What nobody set is the new engine's business.
		CU_ASSERT_EQUAL(tcp_getopt(&next, b->conn, OB_OPT_RETRIES), 3);
		CU_ASSERT_EQUAL(next.n_settings_free, b->st.hdr->n_settings - (damage ? 2 : 3));
		settings_fini(&next);
		b->st.settings[mine] = was;
		HARD_SET(b->st.settings_of[b->conn], mine);
	}
	bench_free(b);
}

// Soft state follows when it is made again.
static void test_forgotten(void)
{
	struct bench *b = bench_new();

	establish(b);
	host_set(b, OB_OPT_DELACK, 5000);
	host_set(b, OB_OPT_MIN_RTO, 50000);
	b->amnesia = true;
	turn(b);
	flush(b);
	b->amnesia = false;
	turn(b);
	flush(b);
	inject(b, .len = 100);
	expect_none(b);
	CU_ASSERT(advance_until_sent(b, SECOND) <= 5200);
	expect(b, .flags = TCP_ACK, .ack = 101);
	bench_free(b);
}

// What some of them do, here; the others have tests of their own.
static void test_effects(void)
{
	struct bench *b = bench_new();
	uint64_t us;

	establish(b, .mss = 1000);
	host_set(b, OB_OPT_MIN_RTO, 50000);
	host_set(b, OB_OPT_MAX_RTO, 1000000);
	host_send(b, 100, 0);
	expect(b, .len = 100);
	advance(b, 100);
	inject(b, .ack = 101); // measured with the new minimum
	host_send(b, 100, 0);
	expect(b, .len = 100);
	us = advance_until_sent(b, 10 * SECOND);
	CU_ASSERT(us >= 50000 && us < 51000);
	for (int i = 0; i < 8; i++)
		us = advance_until_sent(b, 10 * SECOND);
	CU_ASSERT(us >= 999000 && us < 1001000);
	flush(b);
	bench_free(b);
	b = bench_new(); // the initial window
	host_listen(b);
	tcp_listener_setopt(&b->t, b->listener, OB_OPT_INIT_CWND, 3);
	tcp_listener_setopt(&b->t, b->listener, OB_OPT_SYNACK_RETRIES, 1);
	tcp_listener_setopt(&b->t, b->listener, OB_OPT_INIT_RTO, 400000);
	open_from(b, PEER_PORT);
	host_send(b, 10000, 0);
	for (int i = 0; i < 3; i++)
		expect(b, .len = 1000);
	expect_none(b);
	b->peer_seq = 0; // and another one whose ACK does not come
	inject(b, .flags = TCP_SYN, .seq = 0, .mss = 1000, .sport = 1234);
	flush(b);
	b->peer_seq = 1;
	inject(b, .ack = 3001);
	flush(b);
	tcp_abort(&b->t, b->conn);
	turn(b);
	flush(b);
	us = advance_until_sent(b, 10 * SECOND);
	CU_ASSERT(us >= 399000 && us < 401000);
	expect(b, .flags = TCP_SYN | TCP_ACK, .sport = 1234);
	CU_ASSERT_EQUAL(advance_until_sent(b, 10 * SECOND), 10 * SECOND);
	CU_ASSERT_EQUAL(b->t.n_half_used, 0);
	bench_free(b);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"inherited", test_inherit},
		{"before a connect is done", test_connect},
		{"shared", test_shared},
		{"full", test_full},
		{"a successor", test_successor},
		{"forgotten", test_forgotten},
		{"effects", test_effects},
		CU_TEST_INFO_NULL,
	};

	if (unit_eal() < 0)
		return 1;
	return unit_run("tcp settings", tests);
}
