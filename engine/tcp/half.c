// Half-open connections: SYN-SENT and SYN-RECEIVED (RFC 9293 sections 3.10.7.3 and 3.10.7.4).
#include <errno.h>

#include "engine/tcp/ecn.h"

#define HALF_MSS_MIN 64u

int half_new(struct tcp *t, const struct seg_tuple *k, uint16_t host, uint32_t *id)
{
	int rc = share_half(t, host);
	struct half *h;
	uint32_t i;

	if (rc)
		return rc;
	i = state_half_alloc(t->st);
	if (conn_insert(t, k, t->n_conns + i) < 0) {
		state_half_free(t->st, i);
		return -ENFILE;
	}
	h = &t->st->half[i];
	h->laddr = k->laddr;
	h->raddr = k->raddr;
	h->lport = k->lport;
	h->rport = k->rport;
	h->host = host;
	h->irs = 0;
	h->error = 0;
	h->listener = UINT16_MAX;
	h->slot = h->slot_gen = 0;
	// An index is on the list of those that send once, whoever has it meanwhile.
	t->half_soft[i] = (struct tcp_half_soft){
		.rto_us = tcp_default(t, OB_OPT_INIT_RTO), .queued = t->half_soft[i].queued};
	share_half_add(t, host);
	*id = t->n_conns + i;
	return 0;
}

// Takes the options of a SYN over. RFC 7323: scaling and timestamps only when both sides offer.
void half_opts(struct tcp *t, struct half *h, const struct seg_in *in, const struct tcp_opts *o)
{
	uint16_t mss = o->has_mss ? o->mss : 536; // RFC 9293 MUST-15

	// A peer that asks for less would have its bytes sent one by one, at our expense: Linux has
	// such a bound too (net.ipv4.tcp_min_snd_mss).
	if (mss < HALF_MSS_MIN) {
		COUNT(t->cnt, tcp_small_mss);
		mss = HALF_MSS_MIN;
	}
	h->mss = mss < t->mss ? mss : t->mss;
	h->opts = ecn_agree(t, h, in);
	h->wscale = 0;
	if (o->has_wscale) {
		h->opts |= OB_NEG_WSCALE;
		h->wscale = (uint8_t)(o->wscale | t->cfg->tcp_wscale << 4);
	}
	if (o->has_ts && t->cfg->tcp_timestamps)
		h->opts |= OB_NEG_TS;
	if (o->sack_ok && t->cfg->tcp_sack)
		h->opts |= OB_NEG_SACK;
}

void half_drop(struct tcp *t, uint32_t id)
{
	struct half *h = half_of(t, id);
	struct seg_tuple k = half_tuple(h);

	conn_remove(t, &k);
	wheel_disarm(&t->wheel, id);
	if (h->listener != UINT16_MAX)
		t->lsoft[h->listener].half_open--;
	share_half_remove(t, h->host);
	state_half_free(t->st, id - t->n_conns);
	settings_end(t, &t->st->settings_of[id]);
}

void half_fail(struct tcp *t, uint32_t id, int error)
{
	struct half *h = half_of(t, id);

	if (h->listener == UINT16_MAX)
		t->ops->connect_failed(t->ops->ctx, h->host, h->chan, h->slot, h->slot_gen, error);
	half_drop(t, id);
}

void half_send(struct tcp *t, uint32_t id)
{
	struct tcp_half_soft *hs = half_soft_of(t, id);

	if (hs->queued)
		return;
	hs->queued = 1;
	t->half_out.ids[t->half_out.n++] = id;
}

uint32_t half_wnd(const struct tcp *t)
{
	uint32_t wnd = tcp_rcv_wnd(t);

	return wnd < 65535 ? wnd : 65535;
}

// Builds the SYN or SYN-ACK. Returns what the sink says.
static int half_emit(struct tcp *t, struct half *h, const struct tcp_half_soft *hs)
{
	bool active = HARD_GET(h->phase) == HALF_SYN_SENT;
	struct tcp_opts o = {
		.has_mss = true,
		.mss = t->mss,
		.has_wscale = active || (h->opts & OB_NEG_WSCALE),
		.wscale = (uint8_t)t->cfg->tcp_wscale,
		.has_ts = active ? t->cfg->tcp_timestamps : !!(h->opts & OB_NEG_TS),
		.sack_ok = active ? t->cfg->tcp_sack : !!(h->opts & OB_NEG_SACK),
	};
	struct seg_out s = {.t = half_tuple(h), .seq = h->iss, .flags = TCP_SYN};

	s.wnd = (uint16_t)half_wnd(t);
	if (!active) {
		s.flags |= TCP_ACK;
		s.ack = h->irs + 1;
	}
	if (o.has_ts) {
		o.ts_val = ts_clock(t) + isn_ts_offset(&t->st->hdr->secrets, &s.t);
		o.ts_ecr = active ? 0 : hs->ts_recent;
	}
	s.opt_len = (uint8_t)tcp_opts_write(&o, s.opt);
	ecn_syn_out(t, h, hs->sent_us == 0, &s);
	COUNT(t->cnt, tcp_tx_segs);
	return t->sink.emit(t->sink.ctx, &s);
}

// The time-out after so many repetitions.
static uint64_t half_rto_us(const struct tcp *t, uint32_t id, unsigned retries)
{
	uint64_t us = (uint64_t)half_soft_of(t, id)->rto_us << retries;
	uint64_t most = setting_half(t, id, OB_OPT_MAX_RTO);

	return us < most ? us : most; // RFC 6298 section 2.5
}

// What is left of a connect's user time-out before its present time-out begins: the earlier ones are
// over. UINT64_MAX: it has none.
static uint64_t half_user_left_us(const struct tcp *t, uint32_t id)
{
	uint64_t user_us = setting_half(t, id, OB_OPT_USER_TIMEOUT) * 1000ull, gone = 0;

	if (user_us == 0 || half_of(t, id)->listener != UINT16_MAX)
		return UINT64_MAX;
	for (unsigned i = 0; i < half_soft_of(t, id)->retries; i++)
		gone += half_rto_us(t, id, i);
	return gone < user_us ? user_us - gone : 0;
}

static void half_arm(struct tcp *t, uint32_t id)
{
	uint64_t rto = half_rto_us(t, id, half_soft_of(t, id)->retries);
	uint64_t left = half_user_left_us(t, id);

	wheel_arm(&t->wheel, id, t->now_us + (left < rto ? left : rto));
}

void half_output(struct tcp *t)
{
	uint32_t done = 0;

	for (; done < t->half_out.n; done++) {
		uint32_t id = t->half_out.ids[done];
		struct tcp_half_soft *hs = half_soft_of(t, id);
		struct half *h = half_of(t, id);
		int rc;

		if (HARD_GET(h->phase) == HALF_FREE) {
			hs->queued = 0;
			continue;
		}
		if (t->sink.room(t->sink.ctx) == 0)
			break;
		rc = half_emit(t, h, hs);
		if (rc == -ENOBUFS)
			break;
		hs->queued = 0;
		hs->sent_us = t->now_us;
		half_arm(t, id);
		if (rc == -EHOSTUNREACH && h->listener == UINT16_MAX) {
			COUNT(t->cnt, tcp_connect_unreach);
			half_fail(t, id, rc);
		}
	}
	t->half_out.n -= done;
	memmove(t->half_out.ids, t->half_out.ids + done, t->half_out.n * sizeof(uint32_t));
}

void half_timeout(struct tcp *t, uint32_t id)
{
	struct tcp_half_soft *hs = half_soft_of(t, id);
	struct half *h = half_of(t, id);
	bool active = h->listener == UINT16_MAX, over;

	if (HARD_GET(h->phase) == HALF_FREE)
		return;
	over = half_user_left_us(t, id) <= half_rto_us(t, id, hs->retries);
	if (over
		|| hs->retries++ >= setting_half(
			   t, id, active ? OB_OPT_SYN_RETRIES : OB_OPT_SYNACK_RETRIES)) {
		if (active)
			COUNT(t->cnt, tcp_connect_timeout);
		else
			COUNT(t->cnt, tcp_timeout);
		half_fail(t, id, hs->soft_error ? -hs->soft_error : -ETIMEDOUT);
		return;
	}
	if (HARD_GET(h->phase) == HALF_SYN_SENT)
		ecn_fall_back(t, h);
	COUNT(t->cnt, tcp_rtx_rto);
	COUNT(t->cnt, tcp_rtx_segs);
	half_send(t, id);
}

// What comes with the ACK that opens the connection: text and FIN, behind a SYN perhaps, whose options and
// window were taken (section 3.10.7.3, fourth).
static void half_rest(struct tcp *t, uint32_t conn, const struct seg_in *in)
{
	struct tcp_rx x = {.t = t,
		.s = tcp_soft_held(t, conn),
		.r = tcp_rec(t, conn),
		.in = in,
		.end = in->len};

	if (in->len == 0 && !(in->flags & TCP_FIN))
		return;
	if (in->flags & TCP_SYN)
		rx_data(&x);
	else
		est_input(t, conn, in);
}

// Section 3.10.7.3.
static void syn_sent_input(struct tcp *t, uint32_t id, const struct seg_in *in)
{
	struct tcp_half_soft *hs = half_soft_of(t, id);
	struct half *h = half_of(t, id);
	struct tcp_opts o;
	uint32_t conn;

	// First, the ACK bit.
	if ((in->flags & TCP_ACK) && in->ack != h->iss + 1) {
		COUNT(t->cnt, drop_tcp_ack_range);
		if (!(in->flags & TCP_RST))
			reply_reset(t, in);
		return;
	}
	// Second, the RST bit.
	if (in->flags & TCP_RST) {
		if (!(in->flags & TCP_ACK)) {
			COUNT(t->cnt, drop_tcp_rst_window);
			return;
		}
		if (ecn_fall_back(t, h)) { // perhaps it was refused, not the connection
			half_send(t, id);
			return;
		}
		COUNT(t->cnt, tcp_connect_refused);
		half_fail(t, id, -ECONNREFUSED);
		return;
	}
	// Fourth, the SYN bit.
	if (!(in->flags & TCP_SYN)) {
		COUNT(t->cnt, drop_tcp_flags);
		return;
	}
	if (!tcp_opts_parse(&o, in->opt, in->opt_len, true)) {
		COUNT(t->cnt, drop_tcp_options);
		return;
	}
	h->irs = in->seq;
	half_opts(t, h, in, &o);
	hs->ts_recent = o.ts_val;
	if (in->flags & TCP_ACK) {
		conn = half_promote(t, id, in);
		if (conn != TCP_NONE) {
			conn_ack_now(t, tcp_soft_held(t, conn));
			half_rest(t, conn, in);
		} else if (share_rec(t, h->host)) {
			// The peer has its side open already. The host is told at once, not by a
			// time-out that names another reason.
			reply_reset(t, in);
			half_fail(t, id, share_rec(t, h->host));
		}
		return;
	}
	// Simultaneous open (section 3.5, figure 8).
	COUNT(t->cnt, tcp_simultaneous);
	hs->snd_wnd = in->wnd;
	hs->retries = 0;
	HARD_SET(h->phase, HALF_SYN_RCVD);
	half_send(t, id);
}

// Says again what was said in the SYN-ACK, with its window, which is scaled from here on.
static void half_ack(struct tcp *t, const struct half *h, const struct tcp_half_soft *hs)
{
	uint32_t wnd = tcp_rcv_wnd(t);
	struct seg_tuple k = half_tuple(h);

	wnd = (wnd < 65535 ? wnd : 65535) >> (h->wscale >> 4);
	reply_ack(t, &k, h->iss + 1, h->irs + 1, (uint16_t)wnd,
		h->opts & OB_NEG_TS ? &hs->ts_recent : NULL);
}

// The first four steps: sequence number, RST, security, SYN. Returns whether the segment goes on.
static bool syn_rcvd_acceptable(struct tcp *t, uint32_t id, const struct seg_in *in)
{
	struct half *h = half_of(t, id);
	uint64_t *dropped = NULL;

	// Our SYN-ACK was lost, or crossed this repetition.
	if ((in->flags & (TCP_SYN | TCP_RST)) == TCP_SYN && in->seq == h->irs
		&& (!(in->flags & TCP_ACK) || in->ack == h->iss + 1)) {
		if (in->flags & TCP_ACK) {
			// The peer's word on it in a simultaneous open (RFC 3168 section 6.1.1)
			if ((in->flags & ECN_SYN) != TCP_ECE)
				ecn_fall_back(t, h);
			return true;
		}
		ecn_syn_again(t, h, in);
		COUNT(t->cnt, tcp_syn_dup);
		half_send(t, id);
		return false;
	}
	// The window ends before its right edge, for a reset strictly so (RFC 5961 section 3.2).
	if ((in->flags & TCP_RST) && in->seq - (h->irs + 1) >= half_wnd(t)) {
		COUNT(t->cnt, drop_tcp_rst_window);
		return false;
	}
	if (seq_lt(in->seq, h->irs + 1) || seq_gt(in->seq, h->irs + 1 + half_wnd(t))) {
		dropped = &t->cnt->drop_tcp_window;
	} else if ((in->flags & TCP_RST) && in->seq == h->irs + 1) {
		COUNT(t->cnt, tcp_reset_rx);
		half_fail(t, id, -ECONNREFUSED);
		return false;
	} else if (in->flags & TCP_RST) {
		dropped = &t->cnt->drop_tcp_rst_challenge;
	} else if (in->flags & TCP_SYN) { // RFC 5961 section 4.2
		dropped = &t->cnt->drop_tcp_syn_challenge;
	}
	if (!dropped)
		return true;
	*dropped += 1;
	if (answer_take(t, &half_soft_of(t, id)->answers))
		half_ack(t, h, half_soft_of(t, id));
	return false;
}

// Section 3.10.7.4 for SYN-RECEIVED.
static void syn_rcvd_input(struct tcp *t, uint32_t id, const struct seg_in *in)
{
	struct tcp_half_soft *hs = half_soft_of(t, id);
	struct half *h = half_of(t, id);
	bool active = h->listener == UINT16_MAX;
	struct tcp_opts o;
	uint32_t conn;

	if (!syn_rcvd_acceptable(t, id, in))
		return;
	// Fifth, the ACK field.
	if (!(in->flags & TCP_ACK)) {
		COUNT(t->cnt, drop_tcp_no_ack);
		return;
	}
	if (in->ack != h->iss + 1) {
		COUNT(t->cnt, drop_tcp_ack_range);
		reply_reset(t, in);
		return;
	}
	if (!tcp_opts_parse(&o, in->opt, in->opt_len, in->flags & TCP_SYN)) {
		COUNT(t->cnt, drop_tcp_options);
		return;
	}
	if ((h->opts & OB_NEG_TS) && o.has_ts) {
		if (seq_lt(o.ts_val, hs->ts_recent)) {
			COUNT(t->cnt, drop_tcp_paws);
			if (answer_take(t, &hs->answers))
				half_ack(t, h, hs); // RFC 7323 section 5.3
			return;
		}
		hs->ts_recent = o.ts_val;
	}
	conn = half_promote(t, id, in);
	if (conn == TCP_NONE)
		return;
	if (active)
		conn_ack_now(t, tcp_soft_held(t, conn));
	half_rest(t, conn, in);
}

void half_input(struct tcp *t, uint32_t id, const struct seg_in *in)
{
	if (HARD_GET(half_of(t, id)->phase) == HALF_SYN_SENT)
		syn_sent_input(t, id, in);
	else
		syn_rcvd_input(t, id, in);
}
