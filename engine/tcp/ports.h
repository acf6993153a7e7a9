// Local ports of outgoing connections, and which tuples they may have.
#ifndef ENGINE_TCP_PORTS_H
#define ENGINE_TCP_PORTS_H

#include "engine/net/seg.h"
#include "engine/state/record.h"

struct tcp;
struct port_seq;

// Soft: a successor begins elsewhere.
struct tcp_ports {
	struct port_seq *seqs;
	uint8_t key[16];
	uint32_t tried; // in this turn, in vain
	uint32_t listen_from; // where listeners that leave the choice to the engine begin
};

int ports_init(struct tcp_ports *p); // 0 or -ENOMEM
void ports_fini(struct tcp_ports *p);
void ports_begin(struct tcp_ports *p); // of a turn

// Whether a connect may have this tuple. *tw: the TIME-WAIT entry that gives way to it, or NULL; the new
// connection's sequence numbers must then lie beyond its snd_nxt.
bool port_usable(struct tcp *t, const struct seg_tuple *k, struct tw **tw);

// Fills in k->lport. The work of one call is bounded. *tried is 0 for a new request, and kept for it.
// Returns 0 and *tw as above; -EAGAIN when the search goes on in a later turn; -EADDRNOTAVAIL.
int port_choose(struct tcp *t, struct seg_tuple *k, struct tw **tw, uint32_t *tried);

#endif
