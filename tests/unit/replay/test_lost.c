// The replayed peer where the capture lost frames, where resets came behind the end, and where the
// partner had used its window up.
#include <string.h>

#include "tests/unit/replay/rig.h"

// Bytes that were acknowledged and never seen are sent as soon as the next step waits, by RTO not: here
// the answer to exactly those bytes.
static void lost_question(void)
{
	struct rig rig, *r = &rig;
	struct fix *f = &r->fix;

	fix_init(f);
	fix_handshake(f);
	C(.flags = TCP_ACK, .len = 10, .fill = 'a');
	S(.ack = 10, .flags = TCP_ACK, .len = 20);
	C(.seq = 10, .ack = 20, .flags = TCP_ACK);
	S(.seq = 20, .ack = 19, .flags = TCP_ACK, .len = 30); // answers 9 bytes that nobody saw
	C(.seq = 19, .ack = 50, .flags = TCP_ACK, .len = 5, .fill = 'a');
	rig_begin(r);
	CU_ASSERT(f->notes.of[NOTE_UNSEEN].count == 1 && r->plan.steps[4].given == 19);
	at(r, 1000);
	engine(r, -1, 0, TCP_SYN | TCP_ACK, 0, 0);
	at(r, 1000);
	CU_ASSERT(r->n == 3 && r->l.wait == WAIT_DATA && r->env.totals.fallback_unseen == 0);
	engine(r, 0, 10, TCP_ACK, 25, 0); // more than the file's ACK names
	at(r, 1000);
	CU_ASSERT(r->n == 5 && r->l.wait == WAIT_DATA && r->l.snd_max == 19);
	CU_ASSERT(r->sent[4].off == 10 && r->sent[4].bytes == 9);
	CU_ASSERT(r->env.totals.fallback_unseen == 1);
	// Once, and what it acknowledges has been acknowledged before.
	at(r, 1001);
	CU_ASSERT(r->n == 5 && r->sent[4].o.ack == IRS + 21);
	engine(r, 25, 19, TCP_ACK, 25, 0);
	at(r, 1002);
	CU_ASSERT(r->n == 6 && r->sent[5].off == 19 && r->env.totals.fallback_retransmits == 0);
	CU_ASSERT(!r->l.failed);
	rig_end(r);
}

// Many segments in a row: a later one waits for the flight that the capture shows to have been acknowledged.
// What the file has further on is not sent before its turn, and nothing past the engine's window.
static void lost_burst(void)
{
	struct rig rig, *r = &rig;
	struct fix *f = &r->fix;

	fix_init(f);
	fix_handshake(f);
	C(.flags = TCP_ACK, .len = 1000);
	S(.ack = 1000, .flags = TCP_ACK);
	S(.ack = 9000, .flags = TCP_ACK);
	C(.seq = 9000, .flags = TCP_ACK, .len = 1000);
	S(.ack = 10000, .flags = TCP_ACK);
	C(.seq = 10000, .flags = TCP_ACK, .len = 1000);
	rig_begin(r);
	at(r, 1000);
	r->win = 5500;
	engine(r, -1, 0, TCP_SYN | TCP_ACK, 0, 0);
	at(r, 1000);
	CU_ASSERT(r->l.wait == WAIT_FLIGHT && r->n == 3 + 5);
	CU_ASSERT(r->sent[3].off == 1000 && r->sent[7].off == 5000 && r->sent[7].bytes == 500);
	CU_ASSERT(r->l.snd_max == 5500);
	r->win = 60000;
	engine(r, 0, 5500, TCP_ACK, 0, 0);
	at(r, 1001);
	// 5500 to 9000, then the file again.
	CU_ASSERT(r->n == 12 && r->sent[11].off == 8500 && r->sent[11].bytes == 500);
	CU_ASSERT(r->env.totals.fallback_unseen == 9);
	engine(r, 0, 9000, TCP_ACK, 0, 0);
	at(r, 1002);
	CU_ASSERT(r->n == 14 && r->sent[12].off == 9000 && r->sent[13].off == 10000);
	CU_ASSERT(r->env.totals.fallback_retransmits == 0 && !r->l.failed);
	rig_end(r);
}

static void lost_fin(void)
{
	struct rig rig, *r = &rig;
	struct fix *f = &r->fix;

	fix_init(f);
	fix_handshake(f);
	C(.flags = TCP_ACK, .len = 10);
	S(.ack = 10, .flags = TCP_ACK);
	S(.ack = 11, .flags = TCP_ACK | TCP_FIN);
	C(.seq = 11, .ack = 1, .flags = TCP_ACK);
	rig_begin(r);
	at(r, 1000);
	engine(r, -1, 0, TCP_SYN | TCP_ACK, 0, 0);
	at(r, 1000);
	CU_ASSERT(r->n == 4 && r->sent[3].off == 10 && r->sent[3].bytes == 0);
	CU_ASSERT(r->sent[3].o.flags == (TCP_FIN | TCP_ACK) && r->l.snd_max == 11);
	engine(r, 0, 11, TCP_ACK | TCP_FIN, 0, 0);
	at(r, 1001);
	CU_ASSERT(r->n == 5 && r->sent[4].o.ack == IRS + 2 && !r->l.failed);
	rig_end(r);
}

// The capture has an acknowledgement in front of the bytes that it acknowledges: they are in the file, and
// wait for their turn.
static void ack_in_front(void)
{
	struct rig rig, *r = &rig;
	struct fix *f = &r->fix;

	fix_init(f);
	fix_handshake(f);
	S(.ack = 10, .flags = TCP_ACK, .len = 20);
	C(.seq = 0, .ack = 20, .flags = TCP_ACK);
	C(.flags = TCP_ACK, .ack = 20, .len = 10);
	rig_begin(r);
	at(r, 1000);
	engine(r, -1, 0, TCP_SYN | TCP_ACK, 0, 0);
	at(r, 1000);
	CU_ASSERT(r->n == 2 && r->l.wait == WAIT_DATA && r->env.totals.fallback_unseen == 0);
	// Unless nothing else happens.
	at(r, 1251);
	CU_ASSERT(r->n == 3 && r->sent[2].bytes == 10 && r->env.totals.fallback_retransmits == 1);
	rig_end(r);
}

// Both FINs acknowledged; then something late from the client, and the server's kernel knows nothing.
static void ended_then_reset(struct fix *f)
{
	fix_init(f);
	fix_handshake(f);
	C(.flags = TCP_ACK | TCP_FIN, .len = 10);
	S(.ack = 11, .flags = TCP_ACK | TCP_FIN, .len = 20);
	C(.seq = 11, .ack = 21, .flags = TCP_ACK);
	C(.flags = TCP_ACK, .ack = 21, .len = 10, .after_ms = 50);
	S(.seq = 21, .flags = TCP_RST);
	C(.seq = 11, .flags = TCP_RST);
}

static void reset_behind_the_end(void)
{
	struct rig rig, *r = &rig;
	struct fix *f = &r->fix;

	ended_then_reset(f);
	rig_begin(r);
	CU_ASSERT(r->l.theirs->rst == NO_OFFSET && r->l.theirs->late_rsts == 1);
	CU_ASSERT(r->l.ours->rst == NO_OFFSET && r->l.ours->late_rsts == 1);
	// The application has nothing to reset.
	CU_ASSERT(r->plan.n_cues == 2 && r->plan.cues[1].kind == CUE_FIN);
	at(r, 1000);
	engine(r, -1, 0, TCP_SYN | TCP_ACK, 0, 0);
	at(r, 1000);
	engine(r, 0, 11, TCP_ACK | TCP_FIN, 20, 0);
	at(r, 1001);
	CU_ASSERT(r->n == 4 && r->sent[3].o.ack == IRS + 22);
	at(r, 1060);
	CU_ASSERT(r->n == 6 && r->sent[4].bytes == 10 && r->sent[5].o.flags == TCP_RST);
	// The engine's answer is the one that was captured, and is not required.
	engine(r, 21, 0, TCP_RST, 0, 0);
	CU_ASSERT(!r->l.failed && !r->l.dead);
	r->l.cue = r->plan.n_cues;
	r->l.host_read = 10;
	CU_ASSERT(!live_complete(&r->l));
	r->l.peer_closed = r->l.host_closed = true;
	CU_ASSERT(live_complete(&r->l));
	rig_end(r);
}

// The replayed side's own reset does not cut short what the engine has still to say.
static void late_reset_waits(void)
{
	struct rig rig, *r = &rig;

	ended_then_reset(&r->fix);
	rig_begin(r);
	r->env.speed = 0;
	at(r, 1000);
	engine(r, -1, 0, TCP_SYN | TCP_ACK, 0, 0);
	at(r, 1000);
	engine(r, 0, 11, TCP_ACK, 10, 0);
	r->l.forced = true; // the ACK in front of it, with less
	at(r, 1001);
	CU_ASSERT(r->n == 4 && r->l.wait == WAIT_DATA);
	r->l.forced = true;
	at(r, 1001);
	CU_ASSERT(r->n == 5 && r->l.wait == WAIT_DATA && !r->l.dead);
	engine(r, 10, 11, TCP_ACK | TCP_FIN, 10, 0);
	at(r, 1002);
	CU_ASSERT(r->sent[r->n - 1].o.flags == TCP_RST && !r->l.dead && r->l.late_rst);
	rig_end(r);
}

// Resets of connections that are not over stay what they were.
static void reset_before_the_end(void)
{
	struct rig rig, *r = &rig;
	struct fix *f = &r->fix;

	fix_init(f);
	fix_handshake(f);
	C(.flags = TCP_ACK | TCP_FIN, .len = 10);
	S(.ack = 11, .flags = TCP_ACK | TCP_FIN, .len = 20);
	S(.seq = 21, .ack = 11, .flags = TCP_RST | TCP_ACK);
	rig_begin(r);
	CU_ASSERT(r->l.theirs->rst == 21 && r->l.theirs->late_rsts == 0);
	CU_ASSERT(r->plan.n_cues == 3 && r->plan.cues[2].kind == CUE_RESET);
	at(r, 1000);
	engine(r, -1, 0, TCP_SYN | TCP_ACK, 0, 0);
	at(r, 1000);
	engine(r, 0, 11, TCP_ACK | TCP_FIN, 20, 0);
	at(r, 1000);
	engine(r, 21, 11, TCP_RST, 0, 0);
	CU_ASSERT(r->l.failed);
	rig_end(r);
}

// The capture does not show the last ACK, so that its reset may be an abort: where the live connection ends
// before that, there is nothing to abort.
static void abort_too_late(void)
{
	struct rig rig, *r = &rig;
	struct fix *f = &r->fix;

	fix_init(f);
	fix_handshake(f);
	C(.flags = TCP_ACK | TCP_FIN, .len = 10);
	S(.ack = 11, .flags = TCP_ACK | TCP_FIN, .len = 20);
	S(.seq = 21, .ack = 11, .flags = TCP_RST | TCP_ACK);
	rig_begin(r);
	at(r, 1000);
	engine(r, -1, 0, TCP_SYN | TCP_ACK, 0, 0);
	at(r, 1000);
	engine(r, 0, 11, TCP_ACK | TCP_FIN, 20, 0);
	at(r, 1031);
	CU_ASSERT(r->l.wait == WAIT_END && r->l.ack_sent == 21);
	r->l.cue = 2;
	r->l.host_fin = r->l.peer_closed = true;
	r->l.host_read = 10;
	CU_ASSERT(!live_nothing_to_reset(&r->l) && !live_complete(&r->l));
	r->l.host_closed = true;
	CU_ASSERT(live_nothing_to_reset(&r->l));
	r->l.cue = 1;
	CU_ASSERT(!live_nothing_to_reset(&r->l));
	// Or it was told to abort, and was over before it heard of that.
	r->l.host_closed = r->l.peer_closed = false;
	r->l.host_reset = true;
	r->l.cue = 3;
	CU_ASSERT(live_complete(&r->l));
	r->l.acked--;
	CU_ASSERT(!live_complete(&r->l));
	rig_end(r);
}

// The ACK that opened a window is not in the file, but what came into it is: then it was open. With no window
// the engine sends nothing that could be acknowledged.
static void lost_window_update(void)
{
	struct rig rig, *r = &rig;
	struct fix *f = &r->fix;

	fix_init(f);
	fix_handshake(f);
	S(.flags = TCP_ACK, .len = 1000);
	C(.ack = 1000, .flags = TCP_ACK, .win = 1);
	S(.seq = 1000, .flags = TCP_ACK, .len = 800);
	C(.ack = 1800, .flags = TCP_ACK, .win = 900);
	S(.seq = 1800, .flags = TCP_ACK, .len = 1000);
	rig_begin(r);
	at(r, 1000);
	engine(r, -1, 0, TCP_SYN | TCP_ACK, 0, 0);
	at(r, 1000);
	engine(r, 0, 0, TCP_ACK, 1000, 0);
	at(r, 1000);
	CU_ASSERT(r->n == 3 && r->sent[2].o.win == 1 && r->l.wait == WAIT_DATA);
	at(r, 1031);
	CU_ASSERT(r->n == 4 && r->sent[3].o.ack == IRS + 1001 && r->sent[3].o.win == 800);
	CU_ASSERT(r->env.totals.fallback_acks == 1 && at(r, 1100) == UINT64_MAX && r->n == 4);
	engine(r, 1000, 0, TCP_ACK, 800, 0);
	at(r, 1101);
	CU_ASSERT(r->n == 5 && r->sent[4].o.win == 900);
	// No step is left, and the file has more than the last window.
	at(r, 1140);
	CU_ASSERT(r->n == 6 && r->sent[5].o.win == 1000 && r->env.totals.fallback_acks == 2);
	rig_end(r);
}

// A window of 102400 with a scale of 10, of which the partner used every byte. What a fallback
// acknowledges on the way leaves the engine all of it.
static void window_used_up(void)
{
	struct rig rig, *r = &rig;
	struct fix *f = &r->fix;
	static const uint8_t opts[] = {2, 4, 1000 >> 8, 1000 & 255, 1, 3, 3, 10};
	struct say syn = {.seq = (uint32_t)-1, .flags = TCP_SYN, .n_opts = 8};

	fix_init(f);
	memcpy(syn.opts, opts, sizeof(opts));
	fix_add(f, CLIENT, syn);
	syn.flags |= TCP_ACK;
	fix_add(f, SERVER, syn);
	C(.flags = TCP_ACK, .win = 100);
	S(.flags = TCP_ACK, .len = 51200);
	S(.flags = TCP_ACK, .seq = 51200, .len = 51200);
	C(.ack = 102400, .flags = TCP_ACK, .win = 100);
	rig_begin(r);
	at(r, 1000);
	r->scale = true;
	engine(r, -1, 0, TCP_SYN | TCP_ACK, 0, 0);
	at(r, 1000);
	engine(r, 0, 0, TCP_ACK, 51200, 0);
	engine(r, 51200, 0, TCP_ACK, 50700, 0);
	at(r, 1001);
	at(r, 1031);
	CU_ASSERT(r->n == 3 && r->sent[2].o.ack == IRS + 1 + 101900);
	CU_ASSERT(r->sent[2].o.win == 1 && r->env.totals.fallback_acks == 1);
	engine(r, 101900, 0, TCP_ACK, 500, 0);
	at(r, 1032);
	CU_ASSERT(r->n == 4 && r->sent[3].o.ack == IRS + 1 + 102400 && r->sent[3].o.win == 100);
	rig_end(r);
}

void suite_lost(void)
{
	CU_pSuite s
		= CU_add_suite("what the capture lost, and what came behind the end", NULL, NULL);

	CU_add_test(s, "a question that was lost", lost_question);
	CU_add_test(s, "many segments in a row", lost_burst);
	CU_add_test(s, "a FIN", lost_fin);
	CU_add_test(s, "an ACK in front of what it acknowledges", ack_in_front);
	CU_add_test(s, "a reset behind the end", reset_behind_the_end);
	CU_add_test(s, "the peer's own late reset waits", late_reset_waits);
	CU_add_test(s, "a reset before the end", reset_before_the_end);
	CU_add_test(s, "an abort that comes too late", abort_too_late);
	CU_add_test(s, "the ACK that opened a window", lost_window_update);
	CU_add_test(s, "a window that was used up", window_used_up);
}
