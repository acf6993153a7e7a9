// Channels in threads of their own, against the echo engine with tiny rings and repeated events.
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/host/fake.h"

#define CONNS 24
#define CONN_BYTES (1u << 18)
#define ROUNDS 3

static const struct ob_endpoint peer = {.addr = {[10] = 0xff, 0xff, 10, 0, 0, 2}, .port = 80};

struct stream {
	ob_conn_t c;
	uint64_t sent;
	uint64_t got;
	bool shut;
};

struct worker {
	struct ob_host *h;
	pthread_t thread;
	unsigned int seed;
	unsigned int bad;
	unsigned int ended;
	uint64_t waits; // for writing
};

static void pump_out(struct worker *w, struct ob_channel *ch, struct stream *s)
{
	uint8_t buf[3000];

	while (s->sent < CONN_BYTES) {
		size_t len = 1 + (size_t)rand_r(&w->seed) % sizeof(buf);
		ssize_t n;

		if (len > CONN_BYTES - s->sent)
			len = CONN_BYTES - s->sent;
		for (size_t i = 0; i < len; i++)
			buf[i] = fake_byte(s->sent + i + s->c);
		n = ob_send(ch, s->c, buf, len, 0);
		if (n <= 0) {
			w->bad += n != -EAGAIN;
			w->waits++;
			return;
		}
		s->sent += (uint64_t)n;
	}
	if (!s->shut)
		w->bad += ob_shutdown(ch, s->c) != 0;
	s->shut = true;
}

static void pump_in(struct worker *w, struct ob_channel *ch, struct stream *s)
{
	uint8_t buf[3000];
	ssize_t n;

	while ((n = ob_recv(ch, s->c, buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			w->bad += buf[i] != fake_byte(s->got + (uint64_t)i + s->c);
		s->got += (uint64_t)n;
	}
}

static void handle(struct worker *w, struct ob_channel *ch, const struct ob_app_event *e)
{
	struct stream *s = e->user;

	switch (e->type) {
	case OB_CONNECTED:
		w->bad += e->error != 0;
		pump_out(w, ch, s);
		break;
	case OB_WRITABLE:
		pump_out(w, ch, s);
		break;
	case OB_READABLE:
	case OB_PEER_CLOSED:
		pump_in(w, ch, s);
		break;
	case OB_CLOSED:
		w->bad += e->error != 0 || s->got != CONN_BYTES;
		w->bad += ob_close(ch, s->c) != 0;
		w->ended++;
		break;
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct stream s[CONNS];
	struct ob_app_event e[16];
	struct ob_channel *ch;

	w->bad += ob_channel_open(w->h, &ch) != 0;
	for (int round = 0; round < ROUNDS; round++) {
		w->ended = 0;
		for (int i = 0; i < CONNS; i++) {
			s[i] = (struct stream){0};
			while (ob_connect(ch, &peer, NULL, &s[i], &s[i].c) == -EAGAIN)
				ob_flush(ch);
		}
		while (w->ended < CONNS) {
			int n = ob_poll(ch, e, 1 + rand_r(&w->seed) % 16, 5000000);

			if (n <= 0) {
				w->bad++;
				return NULL;
			}
			for (int i = 0; i < n; i++)
				handle(w, ch, &e[i]);
		}
	}
	w->bad += ob_channel_close(ch) != 0;
	return NULL;
}

static void run(uint32_t channels, uint32_t window, uint64_t tx_bytes, unsigned int repeat)
{
	struct fake f;
	struct ob_host *h;
	struct ob_attach_opts o;
	struct worker w[FAKE_CHANNELS] = {0};

	fake_start(&f);
	o = fake_opts(&f);
	o.channels = channels;
	o.req_entries = 16;
	o.ev_entries = 16;
	o.accept_slots = 1;
	o.connect_slots = channels * (CONNS + 2);
	o.tx_bytes = tx_bytes;
	o.rx_bytes = (uint64_t)window * (o.connect_slots + 1) + 4096;
	CU_ASSERT_EQUAL_FATAL(fake_attach(&f, &o, &h), 0);
	fake_run(&f, window, repeat);
	for (uint32_t i = 0; i < channels; i++) {
		w[i] = (struct worker){.h = h, .seed = i + 1};
		CU_ASSERT_EQUAL_FATAL(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
	}
	for (uint32_t i = 0; i < channels; i++) {
		pthread_join(w[i].thread, NULL);
		CU_ASSERT_EQUAL(w[i].bad, 0);
		CU_ASSERT_EQUAL(w[i].ended, CONNS);
	}
	fake_join(&f);
	CU_ASSERT_EQUAL(atomic_load(&f.errors), 0);
	ob_detach(h);
	fake_stop(&f);
}

static void two_channels(void)
{
	run(2, 8192, 8 << 20, 4);
}

// Hardly any arena: 128 KiB for each thread's connections together.
static void little_memory(void)
{
	run(2, 1500, 256 << 10, 3);
}

static void four_channels(void)
{
	run(4, 65536, 16 << 20, 0);
}

void suite_threads(void)
{
	CU_pSuite s = CU_add_suite("threads", NULL, NULL);

	CU_ADD_TEST(s, two_channels);
	CU_ADD_TEST(s, little_memory);
	CU_ADD_TEST(s, four_channels);
}
