// Explicit Congestion Notification (RFC 3168), and what DCTCP does otherwise (RFC 8257): docs/ecn.md.
//
// OB_NEG_ECN in a record's options: ECN is in use. REC_NO_ECT: marks are answered, but our own
// data is not ECN-capable. In SYN-SENT the first says that a SYN has offered it, the second that one
// without it was sent as well.
#ifndef ENGINE_TCP_ECN_H
#define ENGINE_TCP_ECN_H

#include "engine/tcp/internal.h"

#define ECN_ECT0 2u
#define ECN_CE 3u
#define ECN_SYN (TCP_ECE | TCP_CWR) // an ECN-setup SYN; a SYN-ACK has ECE alone

enum ecn_mode { ECN_OFF, ECN_PASSIVE, ECN_ON };

// tcp.ecn as a number.
enum ecn_mode ecn_mode(const struct config *cfg);

// Negotiation. The peer's SYN or SYN-ACK for `h`: the bits that half.opts has from then on.
uint8_t ecn_agree(const struct tcp *t, const struct half *h, const struct seg_in *in);
// A SYN or SYN-ACK of `h` is about to leave, for the first time or again.
void ecn_syn_out(const struct tcp *t, struct half *h, bool first, struct seg_out *o);
// Our SYN with the offer was not answered, or by a reset: the next goes without. Returns whether it
// was an offer.
bool ecn_fall_back(struct tcp *t, struct half *h);
// The peer's SYN has come again.
void ecn_syn_again(struct tcp *t, struct half *h, const struct seg_in *in);

// The receiver: text that is marked, has CWR, or comes while SOFT_ECE is set, and lies in the window.
void ecn_text(struct tcp_rx *x);
// The sender: an acceptable ACK with ECE. delivered: by this ACK. Returns whether it began a reduction.
bool ecn_echo(struct tcp_rx *x, uint32_t delivered);
// The window was reduced, whatever for: the peer is told by CWR, and ECE for what was sent before
// counts for nothing.
void ecn_reduced(struct tcp *t, struct tcp_soft *s);

// The marks on a segment that is about to leave, with `off` its place in the stream.
static inline void ecn_out(
	const struct tcp_soft *s, const struct rec *r, struct seg_out *o, uint64_t off)
{
	if (s->flags & SOFT_ECE)
		o->flags |= TCP_ECE;
	if (r->opts & REC_NO_ECT)
		return;
	if (o->len && off >= s->snd_max && !(s->flags & SOFT_FORCE)) {
		o->ecn = ECN_ECT0;
		if (s->flags & SOFT_CWR)
			o->flags |= TCP_CWR;
	} else if (cc_ops_of(s)->ecn) {
		o->ecn = ECN_ECT0;
	}
}

#endif
