// The replayed peer against an engine that the test plays, and the rewriting of numbers.
#include <string.h>

#include "tests/unit/replay/rig.h"

// Time and cause: neither alone lets a segment leave.
static void time_and_cause(void)
{
	struct rig rig, *r = &rig;
	struct fix *f = &r->fix;

	fix_init(f);
	fix_handshake(f);
	C(.flags = TCP_ACK, .len = 10);
	S(.ack = 10, .flags = TCP_ACK, .len = 20, .fill = 'b', .after_ms = 50);
	C(.seq = 10, .ack = 20, .flags = TCP_ACK, .len = 5, .after_ms = 50);
	rig_begin(r);
	at(r, 1000);
	CU_ASSERT(r->n == 1 && r->sent[0].o.seq == ISN && r->sent[0].o.flags == TCP_SYN);
	engine(r, -1, 0, TCP_SYN | TCP_ACK, 0, 0);
	at(r, 1000);
	CU_ASSERT(r->n == 3 && r->sent[1].o.ack == IRS + 1 && r->sent[2].o.seq == ISN + 1);
	engine(r, 0, 10, TCP_ACK, 20, 'b');
	CU_ASSERT(at(r, 1050) == 1100 * MS && r->n == 3); // not yet time
	at(r, 1100);
	CU_ASSERT(r->n == 4 && r->sent[3].o.seq == ISN + 11 && r->sent[3].o.ack == IRS + 21);
	CU_ASSERT(!r->l.failed && r->env.totals.fallback_acks == 0 && r->l.lag_ns == 0);
	rig_end(r);
}

// An answer that comes late moves all that is behind it; what is retransmitted meanwhile is told.
static void late_answer(void)
{
	struct rig rig, *r = &rig;
	struct fix *f = &r->fix;

	fix_init(f);
	fix_handshake(f);
	C(.flags = TCP_ACK, .len = 10);
	S(.ack = 10, .flags = TCP_ACK, .len = 20, .fill = 'b');
	C(.seq = 10, .ack = 20, .flags = TCP_ACK, .after_ms = 10);
	C(.seq = 10, .ack = 20, .flags = TCP_ACK, .len = 5, .after_ms = 10);
	rig_begin(r);
	at(r, 1000);
	engine(r, -1, 0, TCP_SYN | TCP_ACK, 0, 0);
	at(r, 1000);
	at(r, 1010);
	CU_ASSERT(r->n == 3 && r->l.wait == WAIT_DATA);
	at(r, 1249);
	CU_ASSERT(r->n == 3);
	at(r, 1251);
	CU_ASSERT(r->n == 4 && r->sent[3].off == 0 && r->sent[3].bytes == 10);
	CU_ASSERT(r->env.totals.fallback_retransmits == 1);
	r->env.now_ns = 1300 * MS;
	engine(r, 0, 10, TCP_ACK, 20, 'b');
	CU_ASSERT(at(r, 1300) == 1310 * MS && r->n == 5 && r->l.lag_ns == 290 * MS);
	at(r, 1310);
	CU_ASSERT(r->n == 6 && r->env.totals.fallback_retransmits == 1);
	rig_end(r);
}

// The captured ACK needs more than the engine sends without one.
static void stretch_ack(void)
{
	struct rig rig, *r = &rig;
	struct fix *f = &r->fix;

	fix_init(f);
	fix_handshake(f);
	S(.flags = TCP_ACK, .len = 1000);
	C(.ack = 1000, .flags = TCP_ACK);
	rig_begin(r);
	at(r, 1000);
	engine(r, -1, 0, TCP_SYN | TCP_ACK, 0, 0);
	at(r, 1000);
	engine(r, 0, 0, TCP_ACK, 500, 0);
	CU_ASSERT(at(r, 1001) == 1030 * MS && r->n == 2);
	at(r, 1031);
	CU_ASSERT(r->n == 3 && r->sent[2].o.ack == IRS + 501 && r->env.totals.fallback_acks == 1);
	// The right edge is the captured one: 1000 from the handshake.
	CU_ASSERT(r->sent[2].o.win == 500);
	engine(r, 500, 0, TCP_ACK, 500, 0);
	at(r, 1032);
	CU_ASSERT(r->n == 4 && r->sent[3].o.ack == IRS + 1001 && r->sent[3].o.win == 1000);
	rig_end(r);
}

// A loss that the capture shows waits for the engine's retransmission.
static void pretended_loss(void)
{
	struct rig rig, *r = &rig;
	struct fix *f = &r->fix;

	fix_init(f);
	fix_handshake(f);
	S(.flags = TCP_ACK, .len = 500);
	S(.flags = TCP_ACK, .len = 500, .after_ms = 1);
	C(.ack = 500, .flags = TCP_ACK);
	rig_begin(r);
	at(r, 1000);
	engine(r, -1, 0, TCP_SYN | TCP_ACK, 0, 0);
	at(r, 1000);
	engine(r, 0, 0, TCP_ACK, 500, 0);
	at(r, 1100);
	CU_ASSERT(r->n == 2 && r->l.wait == WAIT_AGAIN);
	engine(r, 0, 0, TCP_ACK, 500, 0);
	at(r, 1101);
	CU_ASSERT(r->n == 3 && r->sent[2].o.ack == IRS + 501 && r->env.totals.fallback_acks == 0);
	rig_end(r);
}

// The last ACK of all is lost: the engine's FIN comes again, and is acknowledged again.
static void last_ack_lost(void)
{
	struct rig rig, *r = &rig;
	struct fix *f = &r->fix;
	char text[300];

	fix_init(f);
	fix_handshake(f);
	S(.flags = TCP_ACK, .len = 20, .fill = 'b');
	C(.ack = 20, .flags = TCP_ACK | TCP_FIN);
	S(.seq = 20, .ack = 1, .flags = TCP_ACK | TCP_FIN);
	C(.seq = 1, .ack = 21, .flags = TCP_ACK);
	rig_begin(r);
	at(r, 1000);
	engine(r, -1, 0, TCP_SYN | TCP_ACK, 0, 0);
	at(r, 1000);
	engine(r, 0, 0, TCP_ACK, 20, 'b');
	at(r, 1001);
	engine(r, 20, 1, TCP_ACK | TCP_FIN, 0, 0);
	at(r, 1002);
	CU_ASSERT(r->n == 4 && r->sent[3].o.ack == IRS + 22 && r->l.wait == WAIT_END);
	r->l.cue = r->plan.n_cues;
	r->l.peer_closed = true;
	CU_ASSERT(!live_complete(&r->l));
	CU_ASSERT(strstr(live_state(&r->l, text, sizeof(text)),
			  "waits for the engine to end the connection")
		!= NULL);
	CU_ASSERT(at(r, 1100) == UINT64_MAX && r->n == 4 && r->env.totals.fallback_acks == 0);
	for (unsigned i = 1; i <= 2; i++) {
		r->env.now_ns = (1000 + 200 * i) * MS;
		engine(r, 20, 1, TCP_ACK | TCP_FIN, 0, 0);
		CU_ASSERT(at(r, 1000 + 200 * i) == (1030 + 200 * i) * MS && r->n == 3 + i);
		at(r, 1030 + 200 * i);
		CU_ASSERT(r->n == 4 + i && r->sent[3 + i].o.ack == IRS + 22
			&& r->sent[3 + i].o.seq == ISN + 2 && !r->sent[3 + i].bytes);
		CU_ASSERT(r->env.totals.fallback_acks == i);
	}
	rig_end(r);
}

// An ACK in the middle is lost: the engine sends again what was acknowledged, not what is waited for.
// What the file says was lost is not acknowledged on the way.
static void ack_lost(void)
{
	struct rig rig, *r = &rig;
	struct fix *f = &r->fix;

	fix_init(f);
	fix_handshake(f);
	S(.flags = TCP_ACK, .len = 500);
	C(.ack = 500, .flags = TCP_ACK);
	S(.seq = 500, .flags = TCP_ACK, .len = 500);
	S(.seq = 500, .flags = TCP_ACK, .len = 500, .after_ms = 1);
	C(.ack = 1000, .flags = TCP_ACK);
	rig_begin(r);
	at(r, 1000);
	engine(r, -1, 0, TCP_SYN | TCP_ACK, 0, 0);
	at(r, 1000);
	engine(r, 0, 0, TCP_ACK, 500, 0);
	engine(r, 500, 0, TCP_ACK, 500, 0);
	at(r, 1000);
	at(r, 1001);
	CU_ASSERT(r->n == 3 && r->sent[2].o.ack == IRS + 501 && r->l.wait == WAIT_AGAIN);
	r->env.now_ns = 1200 * MS;
	engine(r, 0, 0, TCP_ACK, 500, 0);
	CU_ASSERT(at(r, 1201) == 1230 * MS && r->n == 3);
	at(r, 1231);
	CU_ASSERT(r->n == 4 && r->sent[3].o.ack == IRS + 501 && r->env.totals.fallback_acks == 1);
	CU_ASSERT(r->sent[3].o.win == 1000 && r->l.wait == WAIT_AGAIN);
	engine(r, 500, 0, TCP_ACK, 500, 0);
	at(r, 1232);
	CU_ASSERT(r->n == 5 && r->sent[4].o.ack == IRS + 1001 && r->env.totals.fallback_acks == 1);
	rig_end(r);
}

// No more is unacknowledged than in the capture and two segments, and nothing past the engine's window.
static void flight_and_window(void)
{
	struct rig rig, *r = &rig;
	struct fix *f = &r->fix;

	fix_init(f);
	fix_handshake(f);
	for (uint32_t i = 0; i < 4; i++)
		C(.seq = i * 1000, .flags = TCP_ACK, .len = 1000);
	S(.ack = 4000, .flags = TCP_ACK);
	C(.seq = 4000, .flags = TCP_ACK, .len = 1000);
	C(.seq = 5000, .flags = TCP_ACK, .len = 1000);
	rig_begin(r);
	at(r, 1000);
	engine(r, -1, 0, TCP_SYN | TCP_ACK, 0, 0);
	at(r, 1000);
	CU_ASSERT(r->n == 6 && r->l.wait == WAIT_FLIGHT);
	engine(r, 0, 1999, TCP_ACK, 0, 0);
	at(r, 1001);
	CU_ASSERT(r->n == 6 && r->l.wait == WAIT_FLIGHT);
	r->l.engine_edge = 5500;
	r->win = 0;
	engine(r, 0, 4000, TCP_ACK, 0, 0);
	at(r, 1002);
	CU_ASSERT(r->n == 7 && r->sent[6].off == 4000 && r->l.wait == WAIT_WINDOW);
	engine(r, 0, 5000, TCP_ACK, 0, 0);
	at(r, 1003);
	at(r, 1301);
	CU_ASSERT(r->n == 7);
	at(r, 1304);
	CU_ASSERT(r->n == 8 && r->env.totals.fallback_probes == 1 && r->sent[7].bytes == 0
		&& r->sent[7].off == 4999);
	r->win = 1000;
	engine(r, 0, 5000, TCP_ACK, 0, 0);
	at(r, 1305);
	CU_ASSERT(r->n == 9 && r->sent[8].off == 5000 && r->sent[8].bytes == 1000);
	rig_end(r);
}

// What can be wrong with an engine.
static void wrong_engines(void)
{
	static const struct {
		int64_t seq, ack;
		uint8_t flags;
		uint32_t len;
		uint8_t fill;
		const char *why;
	} rows[] = {
		{0, 10, TCP_ACK, 20, 'c', "byte 0 of the server: expected 0x62, found 0x63"},
		{0, 10, TCP_ACK, 21, 'b', "21 bytes of the server, the file has 20"},
		{0, 11, TCP_ACK, 0, 0, "acknowledges offset 11, 10 was sent"},
		{0, 10, TCP_ACK | TCP_RST, 0, 0, "reset"},
		{19, 10, TCP_ACK | TCP_FIN, 0, 0, "ends its stream at 19"},
		{-2, 10, TCP_ACK, 20, 'b', "before its first"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rig rig, *r = &rig;
		struct fix *f = &r->fix;

		fix_init(f);
		fix_handshake(f);
		C(.flags = TCP_ACK, .len = 10);
		S(.ack = 10, .flags = TCP_ACK | TCP_FIN, .len = 20, .fill = 'b');
		rig_begin(r);
		at(r, 1000);
		engine(r, -1, 0, TCP_SYN | TCP_ACK, 0, 0);
		at(r, 1000);
		CU_ASSERT(!r->l.failed && r->n == 3);
		engine(r, rows[i].seq, rows[i].ack, rows[i].flags, rows[i].len, rows[i].fill);
		CU_ASSERT(r->l.failed && strstr(r->l.why, rows[i].why) != NULL);
		rig_end(r);
	}
}

static void numbers_and_options(void)
{
	struct live_map m = {.isn = 0xfffffff0,
		.irs = 100,
		.ts_base = 5000,
		.ts_first = 70,
		.ts_recent = 4242,
		.ts_ok = true,
		.sack_ok = true,
		.shift = 7,
		.live_shift = 7,
		.received = 3000,
		.received_max = 6000,
		.floor = NO_OFFSET};
	struct seg g = {.off = 0x20,
		.ack = 3000,
		.raw_ack = 9000,
		.flags = TCP_ACK,
		.win = 50,
		.n_opts = 40 - 12,
		.opts = {1, 1, 8, 10, 0, 0, 0, 75, 0, 0, 0, 9, 5, 16 + 2 - 2, 0}};
	struct out_seg o;

	// Two SACK blocks: 10000 to 11000 and 12000 to 14000, offsets 4000 to 5000, 6000 to 8000.
	memcpy(g.opts + 12, (uint8_t[]){1, 1, 5, 18}, 4);
	g.n_opts = 32;
	put32(g.opts + 16, 10000);
	put32(g.opts + 20, 11000);
	put32(g.opts + 24, 12000);
	put32(g.opts + 28, 14000);
	map_segment(&m, &g, &o);
	CU_ASSERT(o.seq == 0x11 && o.ack == 3101 && o.win == 50 && o.n_opts == 32);
	CU_ASSERT(get32(o.opts + 4) == 5005 && get32(o.opts + 8) == 4242);
	CU_ASSERT(o.opts[15] == 10 && get32(o.opts + 16) == 4101 && get32(o.opts + 20) == 5101);
	CU_ASSERT(o.opts[24] == 1 && o.opts[31] == 1 && o.clipped); // never sent: NOPs
	// Never more than has come, never less than has been acknowledged.
	m.received = 2000;
	map_segment(&m, &g, &o);
	CU_ASSERT(o.ack == 2101 && o.clipped && o.win == ((3000 + (50 << 7) - 2000) >> 7) + 1);
	m.received = m.floor = 4000;
	map_segment(&m, &g, &o);
	CU_ASSERT(o.ack == 4101 && o.win == ((3000 + (50 << 7) - 4000) >> 7) + 1);
	// What the live handshake did not agree on.
	m = (struct live_map){
		.received = 9999, .received_max = 9999, .floor = NO_OFFSET, .shift = 7};
	map_segment(&m, &g, &o);
	for (int i = 0; i < 32; i++)
		CU_ASSERT(o.opts[i] == 1);
	CU_ASSERT(o.win == 50 << 7 && o.n_opts == 32);
}

void suite_peer(void)
{
	CU_pSuite s = CU_add_suite("the peer", NULL, NULL);

	CU_add_test(s, "time and cause", time_and_cause);
	CU_add_test(s, "a late answer", late_answer);
	CU_add_test(s, "an ACK that the engine cannot wait for", stretch_ack);
	CU_add_test(s, "a loss that the capture shows", pretended_loss);
	CU_add_test(s, "the last ACK is lost", last_ack_lost);
	CU_add_test(s, "an ACK in the middle is lost", ack_lost);
	CU_add_test(s, "flight and window", flight_and_window);
	CU_add_test(s, "wrong engines", wrong_engines);
	CU_add_test(s, "numbers and options", numbers_and_options);
}
