// The order of a turn, watched from outside: at the port, at the event ring and at the doorbell it
// is compared with the state segment as it is at that moment (docs/hard-state.md, rules 1, 2, 5).
//
// The program is linked with --wrap=hostif_publish and --wrap=send: see order.c.
#ifndef TESTS_UNIT_CORE_ORDER_H
#define TESTS_UNIT_CORE_ORDER_H

#include "tests/unit/core/rig.h"

void order_watch(struct rig *r); // NULL: nothing is watched
void order_begin(struct rig *r); // of a turn
// A segment is handed to the port.
void order_segment(struct rig *r, const struct rig_seg *s);

#endif
