// A host that is attached, and then keeps no rule of the rings.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tests/netns/lib2/hostile.h"

#define BELLS_BYTES 100000
#define LISTEN_AT 20000
#define SLOTS 128u // as evil_layout() has them

static uint64_t rnd_state;

static uint64_t rnd(void)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return rnd_state;
}

// Small, in the middle, wild or about a power of two.
static uint64_t number(void)
{
	switch (rnd() % 4) {
	case 0:
		return rnd() % 8;
	case 1:
		return rnd() % 65536;
	case 2:
		return (1ull << rnd() % 64) + rnd() % 3 - 1;
	default:
		return rnd();
	}
}

static struct ob_addr address(void)
{
	uint32_t host = rnd() % 4 ? 2 : (uint32_t)rnd() % 256;
	struct ob_addr a = ob_addr_v4(htobe32(rnd() % 8 ? 0x0a4d0000 | host : (uint32_t)rnd()));

	if (rnd() % 16 == 0)
		a.b[rnd() % 16] = (uint8_t)rnd();
	return a;
}

// What a host that keeps the rules would know of each slot: most of a random request has to be right,
// or it does not get far.
struct known {
	uint32_t gen;
	uint64_t sent;
	uint64_t received;
};

static struct known slots[SLOTS];

static void addresses(struct evil *e, struct ob_req *q, uint16_t port)
{
	if (q->op == OB_RQ_SEND) {
		q->send.arena_off
			= rnd() % 8 ? e->l.arena_off + rnd() % (e->l.arena_bytes - 3000) : number();
		q->send.consumed = rnd() % 4 ? 0 : number();
	} else if (q->op == OB_RQ_CONNECT || q->op == OB_RQ_LISTEN) {
		q->addr.raddr = address();
		q->addr.rport = rnd() % 4 ? port : (uint16_t)number();
		if (rnd() % 4 == 0)
			q->addr.laddr = address();
		q->addr.lport = (uint16_t)(q->op == OB_RQ_LISTEN ? LISTEN_AT + rnd() % 8 : 0);
	}
}

static struct ob_req request(struct evil *e, uint16_t port)
{
	uint32_t slot = (uint32_t)rnd() % SLOTS;
	struct known *k = &slots[slot];
	struct ob_req q = {
		.op = (uint8_t)(rnd() % 64 ? rnd() % OB_RQ_N : rnd()),
		.flags = (uint8_t)(rnd() % 8 ? rnd() % 4 : rnd()),
		.option = (uint16_t)(rnd() % 4),
		.slot = slot,
		.gen = k->gen,
		.len = (uint32_t)(rnd() % 3000),
		.off = k->sent,
	};

	if (q.op == OB_RQ_CONNECT)
		q.gen = k->gen + 1;
	else if (q.op == OB_RQ_LISTEN)
		q.gen = ++e->gen;
	else if (q.op == OB_RQ_CONSUMED)
		q.off = k->received;
	if (rnd() % 16 == 0)
		q.off = number();
	if (rnd() % 16 == 0)
		q.len = (uint32_t)number();
	if (rnd() % 16 == 0)
		q.slot = (uint32_t)number();
	if (rnd() % 65536 == 0) // wears the slot out when it is large
		q.gen = (uint32_t)number();
	addresses(e, &q, port);
	if (q.op == OB_RQ_SEND)
		k->sent += q.len; // or so
	return q;
}

static void learn(const struct ob_event *ev)
{
	struct known *k = &slots[ev->slot % SLOTS];

	if (ev->type == OB_EV_ACCEPT || (ev->type == OB_EV_CONNECT && ev->error == 0)) {
		*k = (struct known){.gen = ev->gen};
	} else if (ev->type == OB_EV_CONNECT && ev->error == -ESTALE) {
		k->gen += 1u << 20;
	} else if (ev->type == OB_EV_CONNECT && ev->error != -EBUSY) {
		k->gen = ev->gen; // used up
	} else if (ev->type == OB_EV_DATA) {
		k->received = ev->data.off;
		for (uint32_t i = 0; i < ev->n && i < OB_EV_SPANS; i++)
			k->received += ob_span_len(ev->data.spans[i]);
	} else if (ev->type == OB_EV_SENT) {
		slots[ev->sent[0].slot % SLOTS].sent = ev->sent[0].off;
	}
}

int evil_garbage(int argc, char **argv)
{
	uint64_t n = 0, events = 0;
	struct evil e;
	time_t end;

	if (argc != 3)
		return 2;
	rnd_state = strtoull(argv[1], NULL, 0) * 2 + 1;
	evil_attach(&e, false);
	for (end = time(NULL) + atoi(argv[0]); time(NULL) <= end && !evil_thrown_out(&e, 0);) {
		int room = ob_ring_room(&e.req, 1), there;

		for (; room > 0; room--, n++) {
			struct ob_req q = request(&e, (uint16_t)atoi(argv[2]));

			memcpy(ob_ring_at(&e.req, 0), &q, sizeof(q));
			ob_ring_advance(&e.req, 1);
		}
		ob_ring_publish(&e.req);
		evil_ring(&e);
		for (there = ob_ring_avail(&e.ev); there > 0; there--, events++) {
			learn(ob_ring_at(&e.ev, 0));
			ob_ring_advance(&e.ev, 1);
		}
		ob_ring_release(&e.ev);
	}
	printf("seed %s: %llu requests, %llu events\n", argv[1], (unsigned long long)n,
		(unsigned long long)events);
	return evil_thrown_out(&e, 0) ? 1 : 0;
}

int evil_indices(int argc, char **argv)
{
	struct ob_req nop = {.op = OB_RQ_NOP}, bad = {.op = 255};
	struct ob_event ev;
	struct evil e;

	if (argc != 1)
		return 2;
	evil_attach(&e, false);
	for (int i = 0; i < 5; i++)
		evil_ask(&e, &nop);
	evil_ask(&e, &bad);
	if (!evil_event(&e, &ev) || ev.error != -EOPNOTSUPP)
		evil_die("no answer to a bad request");
	if (strcmp(argv[0], "tail-far") == 0)
		atomic_store(&e.chan->req.tail, e.req.mine + 17);
	else if (strcmp(argv[0], "tail-wild") == 0)
		atomic_store(&e.chan->req.tail, 0x80000000u);
	else if (strcmp(argv[0], "tail-back") == 0)
		atomic_store(&e.chan->req.tail, 3);
	else if (strcmp(argv[0], "head-far") == 0)
		atomic_store(&e.chan->ev.head, 70);
	else
		atomic_store(&e.chan->ev.head, 0xfffffff0u); // head-back
	evil_ring(&e);
	// The engine looks at the head when it needs room: the ring has 64 entries.
	for (int i = 0; strncmp(argv[0], "head", 4) == 0 && i < 70; i++)
		evil_ask(&e, &bad);
	if (!evil_thrown_out(&e, 2000)) {
		printf("not thrown out\n");
		return 1;
	}
	printf("thrown out\n");
	return 0;
}

int evil_requests(int argc, char **argv)
{
	struct ob_event ev;
	struct evil e;
	uint32_t gen, slot;

	if (argc != 1)
		return 2;
	evil_attach(&e, false);
	slot = e.l.n_slots_accept;
	gen = evil_conn(&e, 0, (uint16_t)atoi(argv[0]));
	const struct {
		struct ob_req q;
		int error;
	} table[] = {
		{{.op = 99}, -EOPNOTSUPP},
		{{.op = OB_RQ_SEND, .slot = 999, .gen = gen, .len = 1}, -EBADF},
		{{.op = OB_RQ_SEND, .slot = slot, .gen = gen + 1, .len = 1}, -ESTALE},
		{{.op = OB_RQ_SEND, .slot = slot, .gen = gen, .len = 1}, -EFAULT},
		{{.op = OB_RQ_SEND,
			 .slot = slot,
			 .gen = gen,
			 .len = 1,
			 .off = 5,
			 .send.arena_off = e.l.arena_off},
			-EINVAL},
		{{.op = OB_RQ_CONSUMED, .slot = slot, .gen = gen, .off = 1}, -EINVAL},
		{{.op = OB_RQ_SHUTDOWN, .slot = slot, .gen = gen, .off = 1}, -EINVAL},
		{{.op = OB_RQ_SETOPT, .slot = slot, .gen = gen, .option = 99}, -EINVAL},
		{{.op = OB_RQ_RELEASE, .slot = slot, .gen = gen}, -EBUSY},
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		evil_ask(&e, &table[i].q);
		// Events that come again are nothing wrong.
		while (evil_event(&e, &ev) && ev.type != OB_EV_REFUSED)
			;
		if (ev.type != OB_EV_REFUSED || ev.error != table[i].error) {
			printf("row %zu: not %d but %d\n", i, table[i].error, ev.error);
			return 1;
		}
	}
	printf("all refused\n");
	return 0;
}

// A SEND of len bytes at the stream's offset.
static void send_some(struct evil *e, uint32_t gen, uint64_t off, uint32_t len)
{
	evil_ask(e,
		&(struct ob_req){.op = OB_RQ_SEND,
			.slot = e->l.n_slots_accept,
			.gen = gen,
			.off = off,
			.len = len,
			.send.arena_off = e->l.rx_off + e->l.rx_bytes});
}

// The stream offset that an event says to be acknowledged.
static uint64_t acked(const struct ob_event *ev, uint64_t before)
{
	return ev->type == OB_EV_DATA	 ? ev->data.sent
		: ev->type == OB_EV_SENT ? ev->sent[0].off
					 : before;
}

// Its own end of the doorbell is gone; what it asks for is done all the same.
int evil_bells(int argc, char **argv)
{
	struct ob_event ev = {.type = 0};
	uint64_t sent = 0;
	struct evil e;
	uint32_t gen;

	if (argc != 1)
		return 2;
	evil_attach(&e, false);
	gen = evil_conn(&e, 0, (uint16_t)atoi(argv[0]));
	atomic_store(&e.chan->host_sleeping, 1);
	close(e.bell);
	e.bell = -1;
	// What the peer echoes is not consumed: less than a window.
	for (uint64_t off = 0; off < BELLS_BYTES; off += 1000) {
		send_some(&e, gen, off, 1000);
		while (ob_ring_avail(&e.ev) > 0 && evil_event(&e, &ev))
			sent = acked(&ev, sent);
	}
	while (sent < BELLS_BYTES && evil_event(&e, &ev))
		sent = acked(&ev, sent);
	printf("%llu bytes acknowledged\n", (unsigned long long)sent);
	return sent == BELLS_BYTES && !evil_thrown_out(&e, 0) ? 0 : 1;
}

// Takes no event and fills both doorbells; the peer's bytes come back all the time.
int evil_deaf(int argc, char **argv)
{
	struct ob_req bad = {.op = 99};
	uint32_t gen;
	struct evil e;
	time_t end;

	if (argc != 2)
		return 2;
	evil_attach(&e, false);
	gen = evil_conn(&e, 0, (uint16_t)atoi(argv[1]));
	atomic_store(&e.chan->host_sleeping, 1);
	for (uint64_t off = 0; off < 10 * 1000; off += 1000)
		send_some(&e, gen, off, 1000);
	for (end = time(NULL) + atoi(argv[0]); time(NULL) < end;) {
		if (ob_ring_room(&e.req, 1) > 0)
			evil_ask(&e, &bad);
		evil_ring(&e);
		// As a host that took something and went to sleep again.
		atomic_fetch_add(&e.chan->host_sleeping, 2);
	}
	printf("deaf\n");
	return evil_thrown_out(&e, 0) ? 1 : 0;
}
