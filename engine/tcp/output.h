// Output: what output.c, resend.c and window.c share.
#ifndef ENGINE_TCP_OUTPUT_H
#define ENGINE_TCP_OUTPUT_H

#include "engine/tcp/tcp.h"

// Emits [off, off + len), with the FIN when `fin`. cursor: the send piece to begin at (see
// chain_tx_gather()). Returns the payload sent, which may be less, or -ENOBUFS.
int out_emit(struct tcp *t, struct tcp_soft *s, struct rec *r, uint32_t *cursor, uint64_t off,
	uint32_t len, bool fin);
// An ACK without data, from where the peer will take it. Returns false when it could not leave.
bool out_ack(struct tcp *t, struct tcp_soft *s, struct rec *r);
// The same while segments still come in, if there is room. The edge stays where it is: what came after this
// was sent before the peer could know of another one, and a duplicate has the window of the ACK before.
// Returns whether it left.
bool out_ack_early(struct tcp *t, struct tcp_soft *s, struct rec *r);
// The window field of a segment, raising the edge where that is due. rcv_edge is committed before it
// leaves.
uint16_t out_window(struct tcp *t, struct tcp_soft *s, const struct rec *r);
// The retransmission timer starts, or starts over (the wheel is set when output is done).
void out_arm(struct tcp *t, struct tcp_soft *s);
// The largest payload of a segment with our options.
uint32_t out_mss(const struct tcp_soft *s, const struct rec *r);

// The next segment that is lost, or a tail loss probe that is due, if both windows let it go.
// Returns 1 when something left, 0, or -ENOBUFS.
int resend(struct tcp *t, struct tcp_soft *s, struct rec *r, uint32_t *cursor);
// What cwnd leaves for new data, `room`, but for F-RTO's step 3.
uint64_t frto_room(const struct tcp *t, const struct tcp_soft *s, uint32_t mss, uint64_t room);
// New data has left after a time-out.
void frto_sent(struct tcp *t, struct tcp_soft *s);

#endif
