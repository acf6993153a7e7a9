// The bench's wire: segments as tests name them, in and out.
#include "tests/unit/tcp/bench_host.h"

#define FLAGS_SHOWN 8

static int64_t named(int64_t v, int64_t otherwise)
{
	return v == ANY ? otherwise : v;
}

static struct seg_tuple tuple_of(const struct pkt *p)
{
	struct seg_tuple t = {0};

	t.laddr = ob_addr_v4(0x0100000a);
	t.raddr = ob_addr_v4(0x0200000a);
	t.lport = (uint16_t)named(p->dport, PORT);
	t.rport = (uint16_t)named(p->sport, PEER_PORT);
	return t;
}

static uint32_t peer_ts(const struct bench *b)
{
	return b->peer_ts_val + (uint32_t)(b->now_us / 1000);
}

static void inject_opts(struct bench *b, const struct pkt *p, struct seg_in *in, uint8_t *opt)
{
	struct tcp_opts o = {0};

	if (p->mss != ANY && p->mss >= 0) {
		o.has_mss = true;
		o.mss = (uint16_t)p->mss;
	}
	if (p->wscale != ANY && p->wscale >= 0) {
		o.has_wscale = true;
		o.wscale = (uint8_t)p->wscale;
	}
	o.sack_ok = p->sack_ok == 1;
	if (p->ts_val != -1 && (b->peer_ts || p->ts_val != ANY)) {
		o.has_ts = true;
		o.ts_val = (uint32_t)named(p->ts_val, peer_ts(b));
		o.ts_ecr = (uint32_t)named(p->ts_ecr, b->peer_ts_ecr);
	}
	for (int64_t i = 0, n = named(p->n_sack, 0); i < n; i++) {
		o.sack[i].start = b->iss + (uint32_t)(&p->sack_l0)[2 * i];
		o.sack[i].end = b->iss + (uint32_t)(&p->sack_l0)[2 * i + 1];
		o.n_sack++;
	}
	in->opt = opt;
	in->opt_len = (uint8_t)tcp_opts_write(&o, opt);
}

void bench_inject(struct bench *b, const struct pkt *p)
{
	struct seg_in *in = &b->in[b->n_in];
	int64_t seq = named(p->seq, b->peer_seq);
	uint32_t len = (uint32_t)named(p->len, 0);
	int64_t end;

	bench_start(b);
	CU_ASSERT_FATAL(b->n_in < 64 && len <= sizeof(b->in_data[0]));
	*in = (struct seg_in){.t = tuple_of(p), .len = len, .data = b->in_data[b->n_in]};
	in->flags = (uint8_t)named(p->flags, TCP_ACK);
	in->seq = b->peer_isn + (uint32_t)seq;
	in->ack = in->flags & TCP_ACK ? b->iss + (uint32_t)named(p->ack, b->peer_ack) : 0;
	in->wnd = (uint16_t)named(p->wnd, b->peer_wnd);
	in->ecn = (uint8_t)named(p->ecn, 0);
	for (uint32_t i = 0; i < len; i++)
		b->in_data[b->n_in][i] = bench_pattern((uint64_t)(seq + i - 1));
	inject_opts(b, p, in, b->in_opt[b->n_in]);
	b->peer_wnd = in->wnd;
	end = seq + len + !!(in->flags & TCP_SYN) + !!(in->flags & TCP_FIN);
	if (seq <= b->peer_seq && end > b->peer_seq && !(in->flags & TCP_RST))
		b->peer_seq = end;
	b->n_in++;
	turn(b);
}

static const char *flags_text(unsigned flags, char *text)
{
	static const char letters[] = "FSRPAUEC";
	char *at = text;

	for (unsigned i = 0; i < FLAGS_SHOWN; i++)
		if (flags >> i & 1)
			*at++ = letters[i];
	*at = 0;
	return text;
}

static int64_t rel(uint32_t v, uint32_t base)
{
	return (int32_t)(v - base);
}

static void show(const struct bench *b, const struct cap *c)
{
	char text[FLAGS_SHOWN + 1];

	printf("\n    sent: %s seq %ld ack %ld wnd %u len %u", flags_text(c->s.flags, text),
		(long)rel(c->s.seq, b->iss), (long)rel(c->s.ack, b->peer_isn), c->s.wnd, c->s.len);
	if (c->s.ecn)
		printf(" ecn %u", c->s.ecn);
	if (c->o.has_mss)
		printf(" mss %u", c->o.mss);
	if (c->o.has_wscale)
		printf(" wscale %u", c->o.wscale);
	if (c->o.sack_ok)
		printf(" sackOK");
	if (c->o.has_ts)
		printf(" ts %u ecr %u", c->o.ts_val, c->o.ts_ecr);
	for (unsigned i = 0; i < c->o.n_sack; i++)
		printf(" sack %ld-%ld", (long)rel(c->o.sack[i].start, b->peer_isn),
			(long)rel(c->o.sack[i].end, b->peer_isn));
	printf(" at %lu us", (unsigned long)c->at_us);
}

static bool differs(const char *name, int64_t want, int64_t have, const char *file, unsigned line)
{
	if (want == ANY || want == have)
		return false;
	printf("\n%s:%u: %s is %ld, expected %ld", file, line, name, (long)have, (long)want);
	return true;
}

// PSH says nothing that a test has to name.
static unsigned shown(unsigned flags)
{
	return flags & ~TCP_PSH;
}

static bool differs_opts(
	struct bench *b, const struct cap *c, const struct pkt *p, const char *file, unsigned line)
{
	int64_t want[6] = {p->sack_l0, p->sack_r0, p->sack_l1, p->sack_r1, p->sack_l2, p->sack_r2};
	bool bad = false;

	bad |= differs("mss", p->mss, c->o.has_mss ? c->o.mss : -1, file, line);
	bad |= differs("wscale", p->wscale, c->o.has_wscale ? c->o.wscale : -1, file, line);
	bad |= differs("sack_ok", p->sack_ok, c->o.sack_ok, file, line);
	bad |= differs("ts_val", p->ts_val, c->o.has_ts ? (int64_t)c->o.ts_val : -1, file, line);
	bad |= differs("ts_ecr", p->ts_ecr, c->o.has_ts ? (int64_t)c->o.ts_ecr : -1, file, line);
	bad |= differs("n_sack", p->n_sack, c->o.n_sack, file, line);
	for (unsigned i = 0; i < 6; i++) {
		uint32_t v = i % 2 ? c->o.sack[i / 2].end : c->o.sack[i / 2].start;

		bad |= differs("sack", want[i], i / 2 < c->o.n_sack ? rel(v, b->peer_isn) : -1,
			file, line);
	}
	return bad;
}

static bool data_differs(const struct bench *b, const struct cap *c)
{
	for (uint32_t i = 0; i < c->s.len; i++)
		if (c->data[i] != bench_pattern((uint64_t)(rel(c->s.seq, b->iss) + i - 1)))
			return true;
	return false;
}

// What the peer has learned from a segment.
static void peer_take(struct bench *b, const struct cap *c)
{
	int64_t seq, end;

	if ((c->s.flags & TCP_SYN) && !(c->s.flags & TCP_RST))
		b->iss = c->s.seq;
	seq = rel(c->s.seq, b->iss);
	end = seq + c->s.len + !!(c->s.flags & TCP_SYN) + !!(c->s.flags & TCP_FIN);
	if (!(c->s.flags & TCP_RST) && seq <= b->peer_ack && end > b->peer_ack)
		b->peer_ack = end;
	if (c->o.has_ts)
		b->peer_ts_ecr = c->o.ts_val;
}

void bench_expect(struct bench *b, const struct pkt *p, const char *file, unsigned line)
{
	const struct cap *c = &b->caps[b->cap_head % BENCH_SEGS];
	struct seg_tuple t = tuple_of(p);
	bool bad = false;

	if (b->cap_head == b->cap_tail) {
		printf("\n%s:%u: nothing was sent", file, line);
		CU_assertImplementation(CU_FALSE, line, "nothing was sent", file, "", CU_FALSE);
		return;
	}
	b->cap_head++;
	peer_take(b, c);
	bad |= differs("flags", p->flags == ANY ? ANY : (int64_t)shown((unsigned)p->flags),
		shown(c->s.flags), file, line);
	bad |= differs("seq", p->seq, rel(c->s.seq, b->iss), file, line);
	bad |= differs("ack", p->ack, rel(c->s.ack, b->peer_isn), file, line);
	bad |= differs("wnd", p->wnd, c->s.wnd, file, line);
	bad |= differs("len", p->len, c->s.len, file, line);
	bad |= differs("ecn", p->ecn, c->s.ecn, file, line);
	bad |= differs("port", t.rport, c->s.t.rport, file, line);
	bad |= differs_opts(b, c, p, file, line);
	if (!(c->s.flags & TCP_SYN) && c->s.len && data_differs(b, c)) {
		printf("\n%s:%u: the payload is another", file, line);
		bad = true;
	}
	if (bad)
		show(b, c);
	CU_assertImplementation(!bad, line, "expect", file, "", CU_FALSE);
}

void bench_expect_none(struct bench *b, const char *file, unsigned line)
{
	bool none = b->cap_head == b->cap_tail;

	if (!none) {
		printf("\n%s:%u: nothing should have been sent", file, line);
		for (unsigned i = b->cap_head; i != b->cap_tail && i < b->cap_head + 8; i++)
			show(b, &b->caps[i % BENCH_SEGS]);
	}
	CU_assertImplementation(none, line, "expect_none", file, "", CU_FALSE);
	flush(b);
}

void bench_establish(struct bench *b, const struct pkt *syn)
{
	struct pkt p = *syn;

	if (b->listener == TCP_NONE)
		CU_ASSERT_EQUAL_FATAL(host_listen(b), 0);
	p.flags = TCP_SYN;
	b->peer_seq = 0;
	b->peer_ack = 0;
	if (p.mss == ANY)
		p.mss = 1460;
	bench_inject(b, &p);
	b->peer_ts = p.ts_val != ANY && b->cfg.tcp_timestamps;
	bench_expect(b, &(const struct pkt){PKT_ANY, .flags = TCP_SYN | TCP_ACK, .ack = 1},
		__FILE__, __LINE__);
	b->peer_ack = 1;
	inject(b, .wnd = p.wnd, .ts_val = b->peer_ts ? p.ts_val : ANY);
	expect_none(b);
	expect_state(b, ESTABLISHED);
	counter_mark(b);
	host_notes(b);
}

void bench_connect(struct bench *b, const struct pkt *synack)
{
	struct pkt p = *synack;

	CU_ASSERT_EQUAL_FATAL(host_connect(b), 0);
	bench_expect(b, &(const struct pkt){PKT_ANY, .flags = TCP_SYN}, __FILE__, __LINE__);
	b->peer_seq = 0;
	b->peer_ack = 1;
	p.flags = TCP_SYN | TCP_ACK;
	if (p.mss == ANY)
		p.mss = 1460;
	b->peer_ts = p.ts_val != ANY && b->cfg.tcp_timestamps;
	bench_inject(b, &p);
	bench_expect(b, &(const struct pkt){PKT_ANY, .flags = TCP_ACK, .seq = 1, .ack = 1},
		__FILE__, __LINE__);
	expect_state(b, ESTABLISHED);
	counter_mark(b);
	host_notes(b);
}
