// What leaves again: lost ranges in order, tail loss probes; and what F-RTO lets go in their place.
#include "engine/tcp/internal.h"
#include "engine/tcp/output.h"

// In step 3 of F-RTO two new segments leave, whatever cwnd says, and nothing else (RFC 5682).
uint64_t frto_room(const struct tcp *t, const struct tcp_soft *s, uint32_t mss, uint64_t room)
{
	const struct tcp_flight *f = flight_of(t, s);

	return f && f->frto == 3 ? (uint64_t)f->frto_new * mss : room;
}

// A segment of new data has left in F-RTO's step 3.
void frto_sent(struct tcp *t, struct tcp_soft *s)
{
	struct tcp_flight *f = flight_of(t, s);

	if (f && f->frto == 3 && f->frto_new)
		f->frto_new--;
}

// Sends [off, off + mss) again, of a range that ends at `end`. Returns the bytes that left, or
// -ENOBUFS.
static int emit_again(struct tcp *t, struct tcp_soft *s, struct rec *r, uint32_t *cursor,
	uint64_t off, uint64_t end)
{
	uint64_t data_end = wr_data_end(HARD_GET(r->snd_wr));
	uint64_t stop = end < data_end ? end : data_end;
	uint32_t mss = out_mss(s, r), len = stop > off ? (uint32_t)(stop - off) : 0;
	bool fin;
	int rc;

	if (len > mss)
		len = mss;
	fin = end > data_end && off + len == data_end;
	rc = out_emit(t, s, r, cursor, off, len, fin);
	if (rc < 0)
		return rc;
	rc += fin && (uint32_t)rc == len;
	flight_resent(t, s, off, off + (uint32_t)rc);
	if (off == s->snd_una || s->rtx_at == 0)
		out_arm(t, s);
	return rc;
}

// A tail loss probe: a new segment, or the last one again (RFC 8985 section 7.3). The timer starts
// over.
static int probe(struct tcp *t, struct tcp_soft *s, struct rec *r, uint32_t *cursor)
{
	uint64_t wr = HARD_GET(r->snd_wr), end = s->snd_nxt, off;
	uint64_t avail = STATE_OFF(wr) > end ? STATE_OFF(wr) - end : 0;
	uint32_t mss = out_mss(s, r);
	int rc;

	s->flags &= ~SOFT_TLP_SEND;
	if (!tlp_eligible(t, s, r))
		return 0;
	if (avail && end + mss <= s->snd_una + s->snd_wnd) {
		uint64_t data = wr_data_end(wr) > end ? wr_data_end(wr) - end : 0;
		uint32_t len = (uint32_t)(data < mss ? data : mss);
		bool fin = (wr & STATE_FIN) && len == data, again = end < s->snd_max;

		rc = out_emit(t, s, r, &s->snd_cur, end, len, fin);
		if (rc > 0 || (rc == 0 && fin)) {
			end += (uint32_t)rc + (fin && (uint32_t)rc == len);
			flight_sent(t, s, end, again);
			tlp_sent(t, s, end, false);
		}
	} else {
		off = end - s->snd_una > mss ? end - mss : s->snd_una;
		rc = emit_again(t, s, r, cursor, off, end);
		if (rc > 0)
			tlp_sent(t, s, off + (uint32_t)rc, true);
	}
	if (rc < 0) {
		s->flags |= SOFT_TLP_SEND;
		return rc;
	}
	out_arm(t, s);
	return 1;
}

// The next segment that is lost, if both windows let it go; the first one goes whatever the peer's
// window is now (RFC 9293 section 3.8.6). Returns 1 when something left, 0, or -ENOBUFS.
int resend(struct tcp *t, struct tcp_soft *s, struct rec *r, uint32_t *cursor)
{
	struct tcp_flight *f;
	const struct tcp_range *lost;
	uint32_t i, pipe, len, mss = out_mss(s, r);
	uint64_t end;
	int rc;

	if (s->flags & SOFT_TLP_SEND)
		return probe(t, s, r, cursor);
	f = flight_of(t, s);
	if (f->frto == 3)
		return 0;
	i = flight_first_lost(t, f);
	if (i == STATE_NIL)
		return 0;
	lost = &t->ranges[i];
	pipe = flight_pipe(t, s);
	len = lost->end - lost->start < mss ? (uint32_t)(lost->end - lost->start) : mss;
	if (pipe && pipe + len > s->cwnd && !(s->flags & SOFT_RTX_HEAD))
		return 0;
	end = s->snd_una + s->snd_wnd;
	if (lost->start == s->snd_una && s->snd_wnd == 0)
		end = lost->end;
	else if (lost->start >= end || (lost->start + len > end && lost->start != s->snd_una))
		return 0;
	rc = emit_again(t, s, r, cursor, lost->start, lost->end < end ? lost->end : end);
	if (rc < 0)
		return rc;
	s->flags &= ~SOFT_RTX_HEAD;
	return rc > 0;
}
