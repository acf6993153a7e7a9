// Inside the scripted peer. Positions are stream offsets: 0 is the byte after the SYN.
#ifndef TESTS_SIM_PEER_CONN_H
#define TESTS_SIM_PEER_CONN_H

#include "tests/sim/check.h"
#include "tests/sim/peer.h"

#define PEER_RANGES 8u
#define PEER_TS_BYTES 12u

// Bits of plan.peer_ecn
#define PECN_OFFER 1u
#define PECN_ECE 2u
#define PECN_CE 4u
#define PECN_BLEACH 8u // takes no notice of marks

// What a peer of this seed does beside the plain thing.
enum manner {
	RENEGE = 1,
	STRETCH = 2,
	DIVIDE = 4,
	ZERO_WINDOW = 8,
	OLD = 16,
	OLD_TIME = 32,
	OUTSIDE = 64,
	OVERLAP = 128,
	DUP_ACK = 256,
	NEAR_WRAP = 512,
	SPARSE = 1024,
};

enum pstate { P_NONE, P_SYN_SENT, P_SYN_RCVD, P_OPEN, P_OVER };

struct range {
	uint64_t from, to;
};

struct pconn {
	struct peer *peer;
	struct flow *flow;
	struct end *end; // ours
	unsigned side;
	enum pstate state;
	uint32_t iss, irs;
	uint64_t snd_una, snd_nxt, snd_max; // a FIN takes one
	uint64_t edge; // highest offset that the engine allows
	uint64_t rcv_nxt; // without the FIN
	uint64_t fin_at; // where its FIN lies; SIM_NEVER: not seen
	uint64_t own_edge; // highest offset that was advertised
	uint64_t rtx_at, ack_at;
	uint64_t closed_until_us; // the window stays as it is
	struct range held[PEER_RANGES];
	unsigned n_held;
	unsigned owed; // segments not acknowledged
	unsigned backoff;
	uint32_t mss;
	uint32_t cwnd; // segments
	uint32_t window; // bytes
	uint32_t ts_recent, ts_off;
	uint8_t scale, own_scale;
	bool ts, sack, offer_ts, offer_sack;
	bool ecn, ece, cwr; // in use; a mark is not answered; ECE is not answered
	uint64_t cwr_end; // ECE counts behind it
};

struct peer {
	struct sim *sim;
	struct station station;
	unsigned number; // on the wire
	uint32_t addr;
	unsigned manners;
	struct draw draw;
	struct pconn conns[SIM_FLOWS];
	uint16_t ip_id;
	bool quiet;
};

// A segment to send.
struct pseg {
	uint64_t off; // of its first byte
	uint64_t ack; // offset, if TCP_ACK
	uint32_t len;
	uint8_t flags;
	int32_t ts_back; // its timestamp is so much older
	bool garbage; // bytes that must never be believed
	bool direct; // straight into the engine's port, behind nothing
	uint32_t good; // with garbage: so many bytes are right all the same
};

// ---- peer_out.c
void peer_send(struct pconn *c, const struct pseg *s);
void peer_ack(struct pconn *c); // of all that has come
void peer_output(struct pconn *c); // what may be sent
void peer_reset(struct peer *p, const struct tcp_view *v);
uint32_t peer_ts(const struct pconn *c);
// ---- peer_mischief.c
void peer_mischief(struct pconn *c);
// ---- peer.c
void peer_prepare(struct peer *p, struct pconn *c, struct flow *f, unsigned side);
void peer_syn(struct pconn *c);
void peer_arrive(void *peer, const uint8_t *frame, uint32_t len);
void peer_over(struct pconn *c, int error);
bool peer_said_all(const struct pconn *c);

static inline bool peer_manner(const struct peer *p, unsigned m)
{
	return (p->manners & m) && !p->quiet && !p->sim->healed;
}

#endif
