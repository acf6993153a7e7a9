// A clean stop: every peer hears a reset, however many turns that takes, and the host of every end.
#include <errno.h>
#include <rte_byteorder.h>

#include "tests/unit/core/crowd.h"

#define CONNS 600u // more than the packets of one turn
#define HALVES 8u
#define PEER 1000u // port of the first far end
#define HALF_PEER 3000u
#define CONNECT_PEER 4000u

static struct rig r;

static void many(struct config *cfg)
{
	cfg->limits_conns = cfg->limits_soft = 1024;
}

// The host hears of each end once, and of a connect that came to nothing; it gives the slots back.
static void finish(struct rig_end *e, unsigned n, unsigned connects)
{
	unsigned closed = 0, failed = 0;

	while (peer_has_event(&r.host)) {
		struct ob_event ev = peer_event(&r.host);

		closed += ev.type == OB_EV_CLOSED;
		failed += ev.type == OB_EV_CONNECT && ev.slot == CONNS && ev.error == -EPIPE;
	}
	CU_ASSERT_EQUAL(closed, n);
	CU_ASSERT_EQUAL(failed, connects);
	for (unsigned i = 0; i < n; i++) {
		CU_ASSERT_EQUAL(rec_phase(rig_rec(&r, &e[i])), REC_DONE);
		rig_release(&r, &e[i]);
	}
	rig_turns(&r, 10);
	rig_close(&r);
}

static void test_many(void)
{
	struct rig_end e[CONNS];

	CU_ASSERT_FATAL(CONNS > PORT_TX_MAX);
	crowd_open(&r, many, e, CONNS, CONNS, PEER);
	rig_stop(&r);
	CU_ASSERT_EQUAL(r.out_tail - r.out_head, CONNS);
	for (unsigned i = 0; i < CONNS; i++) {
		struct rig_seg s = rig_hear(&r, &e[i], TCP_RST | TCP_ACK, 0);

		CU_ASSERT(s.seq == e[i].ack && s.ack == e[i].seq);
	}
	CU_ASSERT_EQUAL(r.core->cnt.tcp_reset_tx, CONNS);
	finish(e, CONNS, 0);
}

// A far end whose SYN is answered, and which says no more.
static void half_open(struct rig_end *e, uint16_t port)
{
	*e = (struct rig_end){
		.port = port, .to = RIG_PORT, .isn = port, .seq = port, .wnd = RIG_WND};
	rig_say(&r, e, TCP_SYN, 0);
	rig_hear(&r, e, TCP_SYN | TCP_ACK, 0);
}

// RFC 9293 section 3.10.5 (ABORT): SYN-RECEIVED is reset, for its peer may be in ESTABLISHED and
// wait for our first word; SYN-SENT is forgotten, and the host is told. The open ones take all of
// the first turn's packets.
static void test_half_open(void)
{
	struct ob_req q
		= {.op = OB_RQ_CONNECT, .slot = CONNS, .gen = 1, .addr.rport = CONNECT_PEER};
	struct rig_end e[CONNS], h[HALVES], c = {.port = CONNECT_PEER};
	unsigned n = PORT_TX_MAX - 7; // see tcp_reset_all()

	crowd_open(&r, many, e, n, CONNS, PEER);
	for (uint16_t i = 0; i < HALVES; i++)
		half_open(&h[i], (uint16_t)(HALF_PEER + i));
	q.addr.raddr = ob_addr_v4(rte_cpu_to_be_32(0x0a000002));
	rig_do(&r, q);
	rig_hear(&r, &c, TCP_SYN, 0);
	CU_ASSERT_EQUAL(r.core->tcp.n_half_used, HALVES + 1);
	rig_stop(&r);
	for (unsigned i = 0; i < n; i++)
		rig_hear(&r, &e[i], TCP_RST | TCP_ACK, 0);
	for (unsigned i = 0; i < HALVES; i++) {
		struct rig_seg s = rig_hear(&r, &h[i], TCP_RST | TCP_ACK, 0);

		CU_ASSERT(s.seq == h[i].iss + 1 && s.ack == h[i].seq);
	}
	CU_ASSERT(rig_silent(&r));
	CU_ASSERT_EQUAL(r.core->tcp.n_half_used, 0);
	finish(e, n, 1);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"more connections than a turn has packets", test_many},
		{"half-open connections", test_half_open},
		CU_TEST_INFO_NULL,
	};

	if (unit_eal() < 0)
		return 1;
	return unit_run("core stop", tests);
}
