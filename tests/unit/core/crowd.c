#include "tests/unit/core/crowd.h"

void crowd_open(struct rig *r, void (*change)(struct config *cfg), struct rig_end *e, unsigned n,
	unsigned slots, uint16_t port)
{
	struct ob_seg_layout l = {.n_channels = 1,
		.req_order = 8,
		.ev_order = 10,
		.n_slots_accept = slots,
		.n_slots_connect = 1,
		.rx_buf_bytes = 512,
		.rx_bytes = 512 * 64,
		.arena_bytes = 1 << 20};

	CU_ASSERT_EQUAL_FATAL(ob_seg_layout_make(&l, 4096), 0);
	rig_open(r, change, &l);
	rig_listen(r, RIG_PORT);
	for (unsigned i = 0; i < n; i++)
		rig_accept(r, &e[i], (uint16_t)(port + i));
	CU_ASSERT(rig_silent(r));
}
