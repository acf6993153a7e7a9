#include "tests/unit/replay/fixture.h"

#include <string.h>

void fix_init(struct fix *f)
{
	*f = (struct fix){.notes.file = "test", .t_ns = 1000000000};
	CU_ASSERT_FATAL(sessions_init(&f->s, &f->notes) == 0);
}

void fix_free(struct fix *f)
{
	sessions_free(&f->s);
}

void fix_add(struct fix *f, enum side side, struct say y)
{
	static uint8_t payload[65536];
	const uint32_t addr[SIDES] = {0x0a000001 + y.host, 0x0a000002};
	static const uint32_t isn[SIDES] = {C_ISN, S_ISN};
	struct packet p = {.seq = isn[side] + 1 + y.seq,
		.ack = isn[!side] + 1 + y.ack,
		.flags = y.flags,
		.win = y.win ? y.win : 1000,
		.ip_id = y.ip_id,
		.n_opts = y.n_opts,
		.payload = payload,
		.payload_bytes = y.len,
		.have_bytes = y.len - y.cut,
		.sum = y.sum};

	memset(payload, y.fill, y.len);
	memcpy(p.opts, y.opts, y.n_opts);
	memset(p.src + 10, 0xff, 2);
	memset(p.dst + 10, 0xff, 2);
	put32(p.src + 12, addr[side]);
	put32(p.dst + 12, addr[!side]);
	p.sport = side == CLIENT ? 1000 : 80;
	p.dport = side == CLIENT ? 80 : 1000;
	f->t_ns += y.after_ms * 1000000;
	f->frame++;
	CU_ASSERT_FATAL(sessions_learn(&f->s, f->frame, f->t_ns, &p) == 0);
	CU_ASSERT_FATAL(sessions_add(&f->s, f->frame, f->t_ns, &p) == 0);
}

void fix_handshake(struct fix *f)
{
	C(.seq = (uint32_t)-1, .flags = TCP_SYN, .opts = {2, 4, 1000 >> 8, 1000 & 255},
		.n_opts = 4);
	S(.seq = (uint32_t)-1, .flags = TCP_SYN | TCP_ACK, .opts = {2, 4, 1000 >> 8, 1000 & 255},
		.n_opts = 4);
	C(.flags = TCP_ACK);
}
