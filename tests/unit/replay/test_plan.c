// Causes: what a step waits for, and what the application does when.
#include "tests/unit/replay/fixture.h"

static struct plan plan_of(struct fix *f, enum side side)
{
	struct plan p;

	CU_ASSERT_FATAL(sessions_finish(&f->s) == 0);
	CU_ASSERT_FATAL(plan_make(&p, &f->s.at[0], side) == 0);
	return p;
}

static void question_and_answer(void)
{
	struct fix fix, *f = &fix;
	struct plan p;

	fix_init(f);
	fix_handshake(f);
	C(.flags = TCP_ACK, .len = 10);
	S(.ack = 10, .flags = TCP_ACK, .len = 20);
	C(.seq = 10, .ack = 20, .flags = TCP_ACK, .len = 5);
	S(.seq = 20, .ack = 15, .flags = TCP_ACK | TCP_FIN);
	p = plan_of(f, CLIENT);
	CU_ASSERT(p.n_steps == 4 && p.steps[0].need == NO_OFFSET && p.steps[1].need == 0);
	CU_ASSERT(p.steps[3].need == 20 && p.steps[3].acked == 10 && p.steps[3].class == STEP_NEW);
	CU_ASSERT(p.n_cues == 2 && p.cues[0].end == 20 && p.cues[0].need == 10);
	CU_ASSERT(p.cues[1].kind == CUE_FIN && p.cues[1].need == 15);
	plan_free(&p);
	CU_ASSERT(plan_make(&p, &f->s.at[0], SERVER) == 0);
	CU_ASSERT(p.n_steps == 3 && p.steps[0].need == 0 && p.steps[1].need == 10);
	plan_free(&p);
	fix_free(f);
}

// After three duplicate ACKs, or a second transmission in the file, the ACK that moves on waits
// for the byte to come again; after a mere reordering it does not.
static void losses(void)
{
	struct fix fix, *f = &fix;
	struct plan p;

	fix_init(f);
	fix_handshake(f);
	S(.flags = TCP_ACK, .len = 1000);
	for (uint32_t i = 2; i < 6; i++) {
		S(.seq = i * 1000, .flags = TCP_ACK, .len = 1000);
		C(.ack = 1000, .flags = TCP_ACK);
	}
	S(.seq = 1000, .flags = TCP_ACK, .len = 1000, .after_ms = 10);
	C(.ack = 6000, .flags = TCP_ACK);
	S(.seq = 7000, .flags = TCP_ACK, .len = 1000);
	C(.ack = 6000, .flags = TCP_ACK);
	S(.seq = 6000, .flags = TCP_ACK, .len = 1000);
	C(.ack = 8000, .flags = TCP_ACK);
	S(.seq = 8000, .flags = TCP_ACK, .len = 500);
	S(.seq = 8000, .flags = TCP_ACK, .len = 500, .after_ms = 200);
	C(.ack = 8500, .flags = TCP_ACK);
	p = plan_of(f, CLIENT);
	CU_ASSERT(p.n_steps == 10 && p.steps[9].again == 8000);
	CU_ASSERT(p.steps[2].again == NO_OFFSET && !p.steps[2].claim);
	CU_ASSERT(p.steps[3].claim && p.steps[3].need > 1000);
	CU_ASSERT(p.steps[6].again == 1000); // 6000, moved on from 1000
	CU_ASSERT(p.steps[7].claim && p.steps[8].again == NO_OFFSET); // 8000, after reordering
	plan_free(&p);
	CU_ASSERT(plan_make(&p, &f->s.at[0], SERVER) == 0);
	CU_ASSERT(p.classes[STEP_RETRANSMIT] == 2 && p.classes[STEP_REORDERED] == 1);
	plan_free(&p);
	fix_free(f);
}

static void sack_blocks(void)
{
	struct fix fix, *f = &fix;
	struct plan p;

	fix_init(f);
	fix_handshake(f);
	S(.flags = TCP_ACK, .len = 1000);
	S(.seq = 2000, .flags = TCP_ACK, .len = 3000);
	// 2000 to 5000, in the server's numbers
	C(.ack = 1000, .flags = TCP_ACK, .n_opts = 12,
		.opts = {1, 1, 5, 10, 0, 0, (S_ISN + 2001) >> 8, (S_ISN + 2001) & 255, 0, 0,
			(S_ISN + 5001) >> 8, (S_ISN + 5001) & 255});
	p = plan_of(f, CLIENT);
	CU_ASSERT(p.steps[2].need == 5000 && p.steps[2].claim);
	plan_free(&p);
	fix_free(f);
}

static void duplicates_and_resets(void)
{
	struct fix fix, *f = &fix;
	struct plan p;

	fix_init(f);
	fix_handshake(f);
	C(.flags = TCP_ACK, .len = 10, .ip_id = 7);
	C(.flags = TCP_ACK, .len = 10, .ip_id = 7);
	C(.flags = TCP_ACK, .len = 10, .ip_id = 9, .after_ms = 200);
	S(.ack = 10, .flags = TCP_ACK | TCP_RST);
	p = plan_of(f, CLIENT);
	CU_ASSERT(p.classes[STEP_DUPLICATE] == 1 && p.classes[STEP_RETRANSMIT] == 1);
	CU_ASSERT(p.n_cues == 1 && p.cues[0].kind == CUE_RESET && p.cues[0].need == 10);
	plan_free(&p);
	fix_free(f);
}

void suite_plan(void)
{
	CU_pSuite s = CU_add_suite("plans", NULL, NULL);

	CU_add_test(s, "question and answer", question_and_answer);
	CU_add_test(s, "losses", losses);
	CU_add_test(s, "SACK blocks", sack_blocks);
	CU_add_test(s, "duplicates and resets", duplicates_and_resets);
}
