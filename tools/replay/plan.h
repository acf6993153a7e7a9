// What must have happened before a segment of the replayed side may leave, and what the
// application of the other side does when: worked out from the file alone.
#ifndef TOOLS_REPLAY_PLAN_H
#define TOOLS_REPLAY_PLAN_H

#include "tools/replay/session.h"

enum step_class {
	STEP_ACK, // no payload, SYN or FIN
	STEP_NEW,
	STEP_DUPLICATE, // the same packet once more
	STEP_RETRANSMIT,
	STEP_REORDERED, // overtaken by a later one
};

struct step {
	uint32_t seg; // index in session.segs
	enum step_class class;
	int64_t need; // the other side's stream must have come up to here, or NO_OFFSET
	int64_t again; // this byte must have come twice at least, or NO_OFFSET
	int64_t acked; // what the other side had acknowledged before more was sent, or NO_OFFSET
	int64_t given; // what the other side had acknowledged, whatever this segment is
	bool claim; // it says that something is missing: a duplicate ACK, or SACK blocks
};

// Something that the application does: it sends up to `end`, or a FIN, or a reset.
enum cue_kind {
	CUE_SEND,
	CUE_FIN,
	CUE_RESET,
};

struct cue {
	enum cue_kind kind;
	uint64_t t_ns;
	int64_t end;
	int64_t need; // it has read this much before; one past the last byte: the FIN too
};

struct plan {
	const struct session *session;
	enum side side; // that is replayed
	struct step *steps;
	uint32_t n_steps;
	struct cue *cues;
	uint32_t n_cues, room_cues;
	struct spans seen; // what the file shows of the replayed side's stream
	uint64_t classes[STEP_REORDERED + 1]; // how many steps of each
};

// Returns 0; -ENOENT when the file has no segment of this side; or -ENOMEM.
int plan_make(struct plan *p, const struct session *session, enum side side);
void plan_free(struct plan *p);

// The other side's segment offsets named by SACK blocks, nearest to its ack. Returns how many blocks
// (at most 4); blocks are as captured, the first may be a D-SACK.
unsigned seg_sacks(const struct seg *g, struct span blocks[4]);

#endif
