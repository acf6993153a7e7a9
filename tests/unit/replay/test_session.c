// Which segments make a session, and what is made up.
#include <string.h>
#include <time.h>

#include "tests/unit/replay/fixture.h"

static void whole(void)
{
	struct fix fix, *f = &fix;

	fix_init(f);
	fix_handshake(f);
	C(.flags = TCP_ACK, .len = 100, .fill = 'a');
	S(.flags = TCP_ACK, .ack = 100, .len = 50, .fill = 'b');
	C(.seq = 100, .ack = 50, .flags = TCP_ACK | TCP_FIN);
	S(.seq = 50, .ack = 101, .flags = TCP_ACK | TCP_FIN);
	C(.seq = 101, .ack = 51, .flags = TCP_ACK);
	CU_ASSERT(sessions_finish(&f->s) == 0 && f->s.n == 1);
	CU_ASSERT(f->s.at[0].n_segs == 8 && !f->s.at[0].skipped);
	CU_ASSERT(f->s.at[0].flow[CLIENT].fin == 100 && f->s.at[0].flow[SERVER].fin == 50);
	CU_ASSERT(f->s.at[0].segs[0].off == SYN_OFFSET && f->s.at[0].segs[1].ack == 0);
	for (int k = 0; k < NOTE_KINDS; k++)
		CU_ASSERT(f->notes.of[k].count == 0);
	fix_free(f);
}

// A SYN with another sequence number begins another session, a repeated one does not.
static void tuple_again(void)
{
	struct fix fix, *f = &fix;

	fix_init(f);
	C(.seq = (uint32_t)-1, .flags = TCP_SYN);
	fix_handshake(f);
	C(.flags = TCP_RST | TCP_ACK);
	C(.seq = 70000, .flags = TCP_SYN);
	S(.seq = 50000, .ack = 70001, .flags = TCP_SYN | TCP_ACK);
	C(.seq = 70001, .ack = 50001, .flags = TCP_ACK, .len = 10);
	CU_ASSERT(sessions_finish(&f->s) == 0 && f->s.n == 2);
	CU_ASSERT(f->s.at[0].n_segs == 5 && f->s.at[0].flow[CLIENT].rst == 0);
	CU_ASSERT(f->s.at[1].n_segs == 3 && f->s.at[1].flow[CLIENT].stream.len == 10);
	fix_free(f);
}

// Sequence numbers wrap, offsets do not.
static void wraps(void)
{
	struct fix fix, *f = &fix;
	uint32_t first = (uint32_t)-30000 - C_ISN - 1, at = first;

	fix_init(f);
	C(.seq = first - 1, .flags = TCP_SYN);
	S(.seq = (uint32_t)-1, .ack = first, .flags = TCP_SYN | TCP_ACK);
	for (int i = 0; i < 100; i++, at += 1000) {
		C(.seq = at, .flags = TCP_ACK, .len = 1000);
		S(.ack = at + 1000, .flags = TCP_ACK);
	}
	CU_ASSERT(f->s.n == 1 && f->s.at[0].flow[CLIENT].end == 100000);
	CU_ASSERT(f->s.at[0].flow[CLIENT].acked == 100000);
	C(.seq = at + 0x60000000, .flags = TCP_ACK, .len = 1000);
	CU_ASSERT(f->notes.of[NOTE_STRANGE].count == 1 && !f->s.at[0].skipped);
	fix_free(f);
}

static void no_beginning(void)
{
	struct fix fix, *f = &fix;
	const struct session *c;

	fix_init(f);
	C(.seq = 300, .ack = 700, .flags = TCP_ACK, .len = 20, .win = 500);
	S(.seq = 700, .ack = 320, .flags = TCP_ACK, .len = 900);
	S(.seq = 1600, .ack = 320, .flags = TCP_ACK, .len = 900);
	C(.seq = 200, .ack = 700, .flags = TCP_ACK, .len = 50);
	CU_ASSERT(sessions_finish(&f->s) == 0);
	c = &f->s.at[0];
	CU_ASSERT(f->notes.of[NOTE_NO_SYN].count == 1 && f->notes.of[NOTE_NO_END].count == 1);
	CU_ASSERT(f->notes.of[NOTE_BEFORE_START].count == 1);
	CU_ASSERT(c->n_segs == 6 && c->segs[0].frame == 0 && c->segs[0].flags == TCP_SYN);
	CU_ASSERT(c->segs[3].off == 0 && c->segs[4].off == 0 && c->segs[5].off == 900);
	// 1800 bytes were sent into a window of 500: at least twice doubled.
	CU_ASSERT(c->flow[CLIENT].shift == 2 && c->flow[CLIENT].wscale == 2);
	fix_free(f);
}

// The capture began during the close: a retransmission that ends before its first byte says nothing.
static void fin_of_before(void)
{
	struct fix fix, *f = &fix;
	const struct flow *c;

	fix_init(f);
	C(.seq = 300, .ack = 700, .flags = TCP_ACK);
	S(.seq = 700, .ack = 300, .flags = TCP_ACK);
	C(.seq = 199, .ack = 700, .flags = TCP_ACK | TCP_FIN, .len = 100);
	C(.seq = 299, .ack = 700, .flags = TCP_ACK | TCP_FIN);
	S(.seq = 700, .ack = 300, .flags = TCP_ACK);
	CU_ASSERT(sessions_finish(&f->s) == 0);
	c = &f->s.at[0].flow[CLIENT];
	CU_ASSERT(f->notes.of[NOTE_BEFORE_START].count == 2);
	CU_ASSERT(c->stream.len == 0 && c->made_up == 0 && c->fin == NO_OFFSET && c->segs == 1);
	fix_free(f);
	// One byte later it is the FIN of offset 0, and the last of what was to come.
	fix_init(f);
	C(.seq = 300, .ack = 700, .flags = TCP_ACK);
	C(.seq = 200, .ack = 700, .flags = TCP_ACK | TCP_FIN, .len = 100);
	CU_ASSERT(sessions_finish(&f->s) == 0);
	c = &f->s.at[0].flow[CLIENT];
	CU_ASSERT(c->stream.len == 0 && c->fin == 0 && c->segs == 2);
	fix_free(f);
}

static void unanswered_and_one_sided(void)
{
	struct fix fix, *f = &fix;

	fix_init(f);
	C(.seq = (uint32_t)-1, .flags = TCP_SYN);
	S(.seq = (uint32_t)-1, .flags = TCP_RST | TCP_ACK);
	CU_ASSERT(sessions_finish(&f->s) == 0 && f->s.at[0].skipped);
	CU_ASSERT(f->notes.of[NOTE_NO_HANDSHAKE].count == 1);
	fix_free(f);
	fix_init(f);
	C(.seq = (uint32_t)-1, .flags = TCP_SYN);
	C(.flags = TCP_ACK, .len = 10);
	C(.seq = 10, .ack = 400, .flags = TCP_ACK | TCP_FIN);
	C(.seq = 11, .ack = 401, .flags = TCP_ACK);
	CU_ASSERT(sessions_finish(&f->s) == 0 && !f->s.at[0].skipped);
	CU_ASSERT(f->s.at[0].flow[SERVER].stream.len == 400 && f->s.at[0].flow[SERVER].fin == 400);
	CU_ASSERT(f->s.at[0].flow[SERVER].made_up == 400);
	CU_ASSERT(f->notes.of[NOTE_ONE_SIDE].count == 1 && f->notes.of[NOTE_UNSEEN].count == 0);
	fix_free(f);
}

static void damaged_and_cut(void)
{
	struct fix fix, *f = &fix;

	fix_init(f);
	fix_handshake(f);
	C(.flags = TCP_ACK, .len = 100, .fill = 'x', .sum = SUM_WRONG);
	C(.flags = TCP_ACK, .len = 100, .fill = 'a', .cut = 40);
	CU_ASSERT(sessions_finish(&f->s) == 0);
	CU_ASSERT(f->s.at[0].segs[3].corrupt && !f->s.at[0].segs[4].corrupt);
	CU_ASSERT(f->s.at[0].flow[CLIENT].stream.data[59] == 'a');
	CU_ASSERT(f->s.at[0].flow[CLIENT].stream.data[60] == stream_made_up(60));
	CU_ASSERT(f->notes.of[NOTE_CHECKSUM].count == 1 && f->notes.of[NOTE_UNSEEN].count == 0);
	fix_free(f);
}

// A session whose numbers leap would be made up nearly whole: it is left out, the others are not.
static void leaps(void)
{
	struct fix fix, *f = &fix;
	const struct session *c;

	fix_init(f);
	fix_handshake(f);
	C(.flags = TCP_ACK, .len = 10);
	C(.seq = 4000000, .flags = TCP_ACK, .len = 10);
	CU_ASSERT(!f->s.at[0].skipped && f->notes.of[NOTE_MISSING].count == 0);
	C(.flags = TCP_SYN, .seq = (uint32_t)-1, .host = 1);
	C(.seq = 8000000, .flags = TCP_ACK, .len = 10);
	CU_ASSERT(f->s.at[0].skipped && f->s.missing_bytes == 0);
	CU_ASSERT(f->notes.of[NOTE_MISSING].count == 1 && f->notes.of[NOTE_MISSING].frame == 7);
	CU_ASSERT(strstr(f->notes.of[NOTE_MISSING].text, "session 1: 79999") != NULL);
	C(.seq = 8000010, .flags = TCP_ACK, .len = 10);
	S(.ack = 9000000, .flags = TCP_ACK);
	C(.seq = 10, .flags = TCP_ACK, .len = 10, .sum = SUM_WRONG);
	S(.flags = TCP_SYN | TCP_ACK, .seq = (uint32_t)-1, .host = 1);
	C(.flags = TCP_ACK, .len = 10, .host = 1);
	CU_ASSERT(sessions_finish(&f->s) == 0 && f->s.n == 2);
	c = &f->s.at[0];
	CU_ASSERT(c->skipped && !c->n_segs && !c->flow[CLIENT].stream.data);
	CU_ASSERT(!f->s.at[1].skipped && f->s.at[1].n_segs == 3);
	CU_ASSERT(f->notes.of[NOTE_MISSING].count == 1);
	fix_free(f);
	// An acknowledgement leaps as far.
	fix_init(f);
	fix_handshake(f);
	S(.ack = 60000000, .flags = TCP_ACK);
	CU_ASSERT(sessions_finish(&f->s) == 0 && f->s.at[0].skipped);
	fix_free(f);
}

// Each with no more than it may have, but too many of them.
static void leaps_in_all(void)
{
	struct fix fix, *f = &fix;
	uint64_t made_up = 0;
	uint32_t left_out = 0;

	fix_init(f);
	for (uint32_t i = 0; i < 100; i++) {
		C(.flags = TCP_ACK, .len = 10, .host = i);
		C(.seq = 4000000, .flags = TCP_ACK, .len = 10, .host = i);
	}
	CU_ASSERT(sessions_finish(&f->s) == 0 && f->s.n == 100);
	for (uint32_t i = 0; i < f->s.n; i++) {
		made_up += f->s.at[i].flow[CLIENT].made_up;
		left_out += f->s.at[i].skipped;
	}
	CU_ASSERT(f->notes.of[NOTE_MISSING].count == left_out && left_out > 80 && left_out < 90);
	CU_ASSERT(made_up > 60 << 20 && made_up <= (64 << 20) + 64 * 100 * 2 * 70);
	CU_ASSERT(strstr(f->notes.of[NOTE_MISSING].text, "in all") != NULL);
	fix_free(f);
}

// What is plausible stays: one side's ACKs of a long transfer, and snap lengths.
static void much_missing(void)
{
	struct fix fix, *f = &fix;

	fix_init(f);
	fix_handshake(f);
	for (uint32_t i = 1; i <= 10000; i++)
		C(.ack = i * 2896, .flags = TCP_ACK);
	CU_ASSERT(sessions_finish(&f->s) == 0 && !f->s.at[0].skipped);
	CU_ASSERT(f->s.at[0].flow[SERVER].made_up == 28960000);
	fix_free(f);
	fix_init(f);
	fix_handshake(f);
	for (uint32_t i = 0; i < 1000; i++)
		C(.seq = i * 60000, .flags = TCP_ACK, .len = 60000, .cut = 59990);
	CU_ASSERT(sessions_finish(&f->s) == 0 && !f->s.at[0].skipped);
	CU_ASSERT(f->s.at[0].flow[CLIENT].made_up == 59990000);
	fix_free(f);
}

// A flood: each SYN from another address. Seconds are of this process, whatever else runs.
static void many_senders(void)
{
	struct fix fix, *f = &fix;
	const uint32_t n = 100000;
	clock_t begin = clock();

	fix_init(f);
	for (uint32_t i = 1; i <= n; i++)
		C(.seq = (uint32_t)-1, .flags = TCP_SYN, .host = i);
	CU_ASSERT((clock() - begin) / CLOCKS_PER_SEC < 4);
	CU_ASSERT(f->s.n == n);
	// Each one's checksums are its own.
	C(.seq = (uint32_t)-1, .flags = TCP_SYN, .host = 7);
	C(.seq = (uint32_t)-1, .flags = TCP_SYN, .host = 7, .sum = SUM_WRONG);
	CU_ASSERT(f->notes.of[NOTE_CHECKSUM].count == 1);
	C(.seq = (uint32_t)-1, .flags = TCP_SYN, .host = n + 7, .sum = SUM_WRONG);
	CU_ASSERT(f->notes.of[NOTE_CHECKSUM].count == 1);
	CU_ASSERT(f->notes.of[NOTE_CHECKSUM_SIDE].count == 1 && f->s.n == n + 1);
	fix_free(f);
}

// TCP Fast Open: one session, whose SYN's data are the first of the stream. The segments say what they would
// have said without it.
static void data_in_a_syn(void)
{
	struct fix fix, *f = &fix;
	const struct session *c;

	for (uint32_t acked = 0; acked <= 11; acked += 11) {
		fix_init(f);
		C(.seq = (uint32_t)-1, .flags = TCP_SYN, .len = 11, .fill = 'q');
		S(.seq = (uint32_t)-1, .ack = acked, .flags = TCP_SYN | TCP_ACK);
		C(.seq = 11, .flags = TCP_ACK);
		S(.ack = 11, .flags = TCP_ACK | TCP_FIN, .len = 20);
		C(.seq = 11, .ack = 21, .flags = TCP_ACK | TCP_FIN);
		S(.seq = 21, .ack = 12, .flags = TCP_ACK);
		CU_ASSERT_FATAL(sessions_finish(&f->s) == 0 && f->s.n == 1);
		c = &f->s.at[0];
		CU_ASSERT(!c->skipped && c->n_segs == 6 && c->segs[0].len == 0);
		CU_ASSERT(c->segs[1].ack == 0 && c->flow[CLIENT].fin == 11);
		CU_ASSERT(c->flow[CLIENT].stream.len == 11 && c->flow[CLIENT].made_up == 0);
		CU_ASSERT(c->flow[CLIENT].stream.data[10] == 'q');
		CU_ASSERT(f->notes.of[NOTE_FAST_OPEN].count == 1);
		CU_ASSERT(f->notes.of[NOTE_BEFORE_START].count + f->notes.of[NOTE_NO_SYN].count
				+ f->notes.of[NOTE_UNSEEN].count
			== 0);
		fix_free(f);
	}
}

void suite_session(void)
{
	CU_pSuite s = CU_add_suite("sessions", NULL, NULL);

	CU_add_test(s, "a whole one", whole);
	CU_add_test(s, "a tuple that is used again", tuple_again);
	CU_add_test(s, "numbers that wrap", wraps);
	CU_add_test(s, "one without a beginning", no_beginning);
	CU_add_test(s, "a FIN of before the beginning", fin_of_before);
	CU_add_test(s, "unanswered, one-sided", unanswered_and_one_sided);
	CU_add_test(s, "numbers that leap", leaps);
	CU_add_test(s, "many sessions whose numbers leap", leaps_in_all);
	CU_add_test(s, "much that is missing", much_missing);
	CU_add_test(s, "data in a SYN", data_in_a_syn);
	CU_add_test(s, "many senders", many_senders);
	CU_add_test(s, "damaged and cut segments", damaged_and_cut);
}
