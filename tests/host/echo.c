// The fake engine on its own: every connection is an echo with a window. It checks what the
// library asks (offsets without gaps, spans inside the arena, generations), keeps what was sent in
// place until it acknowledges it, and repeats events.
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "tests/host/fake.h"

struct echo_span {
	uint64_t arena_off;
	uint32_t len;
};

struct echo_conn {
	uint32_t gen;
	bool live;
	bool fin_in; // the host will send no more
	bool fin_out; // our FIN was reported
	bool closed; // CLOSE or ABORT was asked
	bool over; // CLOSED was published
	uint8_t chan;
	uint64_t wr; // taken from the host
	uint64_t una; // echoed, so acknowledged
	uint64_t consumed;
	uint64_t told; // reported by DATA
	uint64_t dup; // where the last DATA began
	struct echo_span *spans;
	uint32_t head;
	uint32_t n;
	uint32_t cap;
};

static void wrong(struct fake *f)
{
	atomic_fetch_add(&f->errors, 1);
}

void echo_init(struct fake *f)
{
	f->echo = calloc((size_t)f->l.n_slots_accept + f->l.n_slots_connect, sizeof(*f->echo));
}

void echo_fini(struct fake *f)
{
	for (uint32_t i = 0; i < f->l.n_slots_accept + f->l.n_slots_connect; i++)
		free(f->echo[i].spans);
	free(f->echo);
}

static void span_add(struct echo_conn *c, uint64_t arena_off, uint32_t len)
{
	if (c->head + c->n == c->cap) {
		if (c->n)
			memmove(c->spans, c->spans + c->head, c->n * sizeof(*c->spans));
		c->head = 0;
		if (c->n * 2 >= c->cap) {
			c->cap = c->cap ? c->cap * 2 : 16;
			c->spans = realloc(c->spans, c->cap * sizeof(*c->spans));
		}
	}
	c->spans[c->head + c->n++] = (struct echo_span){arena_off, len};
}

static uint64_t rx_place(const struct fake *f, uint32_t slot, uint64_t off)
{
	return f->l.rx_off + (uint64_t)slot * f->window + off % f->window;
}

// Echoes as much as the window takes; the copy is the acknowledgement.
static void echo(struct fake *f, uint32_t slot, struct echo_conn *c)
{
	while (c->n && c->una < c->consumed + f->window) {
		struct echo_span *s = &c->spans[c->head];
		uint64_t at = rx_place(f, slot, c->una);
		uint32_t part = s->len;

		if (part > c->consumed + f->window - c->una)
			part = (uint32_t)(c->consumed + f->window - c->una);
		if (part > f->window - c->una % f->window)
			part = (uint32_t)(f->window - c->una % f->window);
		memcpy(f->seg + at, f->seg + s->arena_off, part);
		memset(f->seg + s->arena_off, 0xee, part); // nobody may need it now
		c->una += part;
		s->arena_off += part;
		s->len -= part;
		if (!s->len) {
			c->head++;
			c->n--;
		}
	}
}

static bool publish(struct fake *f, uint32_t ch, const struct ob_event *e)
{
	struct fake_chan *c = &f->chans[ch];

	if (ob_ring_room(&c->ev, 1) < 1) {
		f->put_off = true;
		return false;
	}
	*(struct ob_event *)ob_ring_at(&c->ev, 0) = *e;
	ob_ring_advance(&c->ev, 1);
	return true;
}

// DATA for [from, una), as far as it is still there; it may begin before what was told.
static bool report(struct fake *f, uint32_t slot, struct echo_conn *c, uint64_t from)
{
	struct ob_event e = {.type = OB_EV_DATA, .slot = slot, .gen = c->gen};
	bool fin = c->fin_in && c->una == c->wr;

	e.data.off = from;
	e.data.sent = c->una;
	while (from < c->una && e.n < OB_EV_SPANS) {
		uint64_t len = c->una - from;

		if (len > f->window - from % f->window)
			len = f->window - from % f->window;
		if (len > 3000)
			len = 3000;
		e.data.spans[e.n++] = ob_span_make(rx_place(f, slot, from), (uint32_t)len);
		from += len;
	}
	if (fin && from == c->una)
		e.flags |= OB_EV_FIN;
	if (!publish(f, c->chan, &e))
		return false;
	c->dup = e.data.off;
	if (from > c->told)
		c->told = from;
	c->fin_out = c->fin_out || e.flags & OB_EV_FIN;
	return true;
}

static void serve(struct fake *f, uint32_t slot)
{
	struct echo_conn *c = &f->echo[slot];
	struct ob_event closed = {.type = OB_EV_CLOSED, .slot = slot, .gen = c->gen};

	if (!c->live || c->over)
		return;
	echo(f, slot, c);
	while (!c->closed && c->told < c->una)
		if (!report(f, slot, c, c->told))
			return;
	if (!c->closed && c->fin_in && c->una == c->wr && !c->fin_out)
		report(f, slot, c, c->told);
	if (f->repeat && !c->closed && c->dup >= c->consumed && rand_r(&f->seed) % f->repeat == 0)
		report(f, slot, c, c->dup);
	// Like a peer that waits for our end: over when both directions are.
	if (c->closed || (c->fin_out && c->consumed == c->wr)) {
		closed.closed.sent = c->una;
		c->over = publish(f, c->chan, &closed);
		if (f->repeat && rand_r(&f->seed) % f->repeat == 0)
			publish(f, c->chan, &closed);
	}
}

static void open_conn(struct fake *f, uint32_t ch, const struct ob_req *r)
{
	struct echo_conn *c = &f->echo[r->slot];
	struct ob_event e = {.type = OB_EV_CONNECT, .slot = r->slot, .gen = r->gen};
	struct echo_span *spans = c->spans;
	uint32_t cap = c->cap;

	if (c->live || r->gen <= c->gen || r->slot < f->l.n_slots_accept)
		wrong(f);
	e.conn.raddr = r->addr.raddr;
	*c = (struct echo_conn){
		.gen = r->gen, .live = true, .chan = (uint8_t)ch, .spans = spans, .cap = cap};
	while (!publish(f, ch, &e)) // the test leaves room for these
		ob_ring_publish(&f->chans[ch].ev);
}

static void take_send(struct fake *f, struct echo_conn *c, const struct ob_req *r)
{
	uint64_t own = f->l.rx_off + f->l.rx_bytes;

	if (r->off != c->wr || r->len == 0 || c->fin_in || c->closed
		|| !ob_range_inside(
			r->send.arena_off, r->len, own, f->l.arena_off + f->l.arena_bytes))
		wrong(f);
	span_add(c, r->send.arena_off, r->len);
	c->wr = r->off + r->len;
	if (r->send.consumed > c->consumed)
		c->consumed = r->send.consumed;
}

static void take(struct fake *f, uint32_t ch, const struct ob_req *r)
{
	struct echo_conn *c = &f->echo[r->slot];

	if (r->op == OB_RQ_CONNECT) {
		open_conn(f, ch, r);
		return;
	}
	if (r->op == OB_RQ_RELEASE && c->gen == r->gen) {
		if (!c->over)
			wrong(f);
		c->live = false;
		c->n = c->head = 0;
		return;
	}
	if (!c->live || c->gen != r->gen || c->chan != ch) {
		wrong(f);
		return;
	}
	if (c->over)
		return;
	switch (r->op) {
	case OB_RQ_SEND:
		take_send(f, c, r);
		break;
	case OB_RQ_CONSUMED:
		if (r->off > c->told)
			wrong(f);
		if (r->off > c->consumed)
			c->consumed = r->off;
		break;
	case OB_RQ_SHUTDOWN:
		if (r->off != c->wr)
			wrong(f);
		c->fin_in = true;
		break;
	case OB_RQ_CLOSE:
	case OB_RQ_ABORT:
		if (r->op == OB_RQ_CLOSE && r->off != c->wr)
			wrong(f);
		c->closed = true;
		break;
	default:
		wrong(f);
	}
}

unsigned int echo_turn(struct fake *f)
{
	bool published[FAKE_CHANNELS] = {false};
	unsigned int taken = 0;

	f->put_off = false;
	for (uint32_t ch = 0; ch < f->l.n_channels; ch++) {
		struct fake_chan *c = &f->chans[ch];
		int n = ob_ring_avail(&c->req);

		if (n < 0)
			wrong(f);
		for (int i = 0; i < n; i++) {
			struct ob_req r = *(const struct ob_req *)ob_ring_at(&c->req, 0);

			take(f, ch, &r);
			ob_ring_advance(&c->req, 1);
		}
		ob_ring_release(&c->req);
		taken += n > 0 ? (unsigned int)n : 0;
	}
	for (uint32_t slot = 0; slot < f->l.n_slots_accept + f->l.n_slots_connect; slot++)
		serve(f, slot);
	for (uint32_t ch = 0; ch < f->l.n_channels; ch++) {
		published[ch] = ob_ring_publish(&f->chans[ch].ev);
		taken += published[ch];
	}
	atomic_fetch_add(&f->turns, 1); // a full fence
	// Not a bell more than the rule asks for: each one could hide a wake-up that was lost.
	for (uint32_t ch = 0; ch < f->l.n_channels; ch++)
		if (published[ch]
			&& atomic_load_explicit(
				&f->chans[ch].shm->host_sleeping, memory_order_relaxed))
			send(f->chans[ch].bell, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	return taken;
}

static bool requests_waiting(struct fake *f)
{
	for (uint32_t ch = 0; ch < f->l.n_channels; ch++)
		if (ob_ring_avail(&f->chans[ch].req) != 0)
			return true;
	return false;
}

// As an engine sleeps: flag, full fence, look again, sleep.
static void engine_sleep(struct fake *f)
{
	struct ob_seg_hdr *hdr = (struct ob_seg_hdr *)f->seg;
	struct pollfd p[FAKE_CHANNELS];
	char junk[8];

	for (uint32_t ch = 0; ch < f->l.n_channels; ch++)
		p[ch] = (struct pollfd){.fd = f->chans[ch].bell, .events = POLLIN};
	atomic_store(&hdr->engine_sleeping, 1);
	atomic_fetch_add(&f->turns, 1);
	// An event that found its ring full is tried again. Requests without a bell are a mistake.
	if (!requests_waiting(f) && poll(p, f->l.n_channels, f->put_off ? 1 : 20) == 0
		&& requests_waiting(f) && poll(p, f->l.n_channels, 1000) == 0)
		wrong(f);
	atomic_store(&hdr->engine_sleeping, 0);
	for (uint32_t ch = 0; ch < f->l.n_channels; ch++)
		while (recv(f->chans[ch].bell, junk, sizeof(junk), MSG_DONTWAIT) > 0)
			atomic_fetch_add(&f->bells_rx, 1);
}

static void *run(void *arg)
{
	struct fake *f = arg;
	unsigned int idle = 0;

	while (!atomic_load(&f->stop)) {
		idle = echo_turn(f) ? 0 : idle + 1;
		// Sometimes at once, so that the last look before sleeping matters.
		if (idle > (unsigned int)rand_r(&f->seed) % 64)
			engine_sleep(f);
	}
	return NULL;
}

void fake_run(struct fake *f, uint32_t window, unsigned int repeat)
{
	f->window = window;
	f->repeat = repeat;
	atomic_store(&f->stop, false);
	echo_init(f);
	if (pthread_create(&f->thread, NULL, run, f))
		abort();
}

void fake_join(struct fake *f)
{
	atomic_store(&f->stop, true);
	pthread_join(f->thread, NULL);
	echo_fini(f);
}
