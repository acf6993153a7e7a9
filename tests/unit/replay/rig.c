#include "tests/unit/replay/rig.h"

#include <string.h>

static void take(void *arg, const struct live *l, const struct out_seg *o, int64_t off,
	const uint8_t *payload, uint32_t bytes)
{
	struct rig *r = arg;

	(void)l;
	(void)payload;
	CU_ASSERT_FATAL(r->n < 64);
	r->sent[r->n++] = (struct sent){*o, off, bytes};
}

void rig_begin_side(struct rig *r, enum side side)
{
	struct rig *rig = r;

	CU_ASSERT_FATAL(sessions_finish(&r->fix.s) == 0);
	CU_ASSERT_FATAL(plan_make(&r->plan, &r->fix.s.at[0], side) == 0);
	live_init(&r->l, &r->plan, ISN, 500);
	r->env = (struct env){.sink = {take, rig}, .speed = 1, .mtu = 1500, .now_ns = 1000 * MS};
	r->l.start_ns = r->env.now_ns;
	r->n = 0;
	r->win = 60000;
	r->scale = false;
}

void rig_begin(struct rig *r)
{
	rig_begin_side(r, CLIENT);
}

void rig_end(struct rig *r)
{
	live_free(&r->l);
	plan_free(&r->plan);
	fix_free(&r->fix);
}

void engine(struct rig *r, int64_t seq, int64_t ack, uint8_t flags, uint32_t len, uint8_t fill)
{
	static uint8_t payload[65536];
	struct packet p = {.seq = (uint32_t)(IRS + 1 + seq),
		.ack = (uint32_t)(ISN + 1 + ack),
		.flags = flags,
		.win = r->win,
		.sport = r->plan.side == CLIENT ? 80 : 1000,
		.payload = payload,
		.payload_bytes = len,
		.have_bytes = len,
		.sum = SUM_RIGHT};

	if (flags & TCP_SYN) {
		memcpy(p.opts, (uint8_t[]){2, 4, 1000 >> 8, 1000 & 255}, 4);
		p.n_opts = 4;
		if (r->scale)
			memcpy(p.opts + 4, (uint8_t[]){1, 3, 3, 0}, 4);
		p.n_opts += r->scale ? 4 : 0;
	}
	memset(payload, fill, len);
	peer_input(&r->l, &r->env, &p);
}

uint64_t at(struct rig *r, uint64_t ms)
{
	r->env.now_ns = ms * MS;
	return peer_run(&r->l, &r->env);
}
