#include "tools/bench/core_host.h"

#include <errno.h>
#include <rte_cycles.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define BATCH 64
#define ROUNDS 256u // between two looks at what the kernel did to this thread
#define CHUNK 16384u // of a write
#define WAIT_US 10000000
#define PAUSE_US 200

uint64_t core_taken_away(void)
{
	struct rusage u;

	return getrusage(RUSAGE_THREAD, &u) == 0 ? (uint64_t)u.ru_nivcsw : 0;
}

static const uint8_t chunk[CHUNK] = {1, 2, 3};

static void echo(struct core_host *h, ob_conn_t c)
{
	struct iovec iov[8];
	int n;

	while ((n = ob_peek(h->ch, c, iov, 8)) > 0) {
		for (int i = 0; i < n; i++) {
			ssize_t sent = ob_send(h->ch, c, iov[i].iov_base, iov[i].iov_len, 0);

			if (sent < 0)
				return; // until OB_WRITABLE
			ob_consume(h->ch, c, (size_t)sent);
			if ((size_t)sent < iov[i].iov_len)
				break;
		}
	}
}

static void sink(struct core_host *h, ob_conn_t c)
{
	struct iovec iov[8];
	int n;

	while ((n = ob_peek(h->ch, c, iov, 8)) > 0) {
		size_t bytes = 0;

		for (int i = 0; i < n; i++)
			bytes += iov[i].iov_len;
		ob_consume(h->ch, c, bytes);
	}
}

static void source(struct core_host *h, ob_conn_t c)
{
	while (ob_send(h->ch, c, chunk, CHUNK, 0) > 0)
		;
}

static void add(_Atomic uint64_t *sum, uint64_t n)
{
	// One writer: nothing is lost between the load and the store.
	atomic_store_explicit(
		sum, atomic_load_explicit(sum, memory_order_relaxed) + n, memory_order_relaxed);
}

static void handle(struct core_host *h, const struct ob_app_event *e)
{
	switch (e->type) {
	case OB_ACCEPTED:
		add(&h->accepted, 1);
		if (h->load == LOAD_TX)
			source(h, e->conn);
		return;
	case OB_READABLE:
		if (h->load == LOAD_RX)
			sink(h, e->conn);
		else
			echo(h, e->conn);
		return;
	case OB_WRITABLE:
		if (h->load == LOAD_TX)
			source(h, e->conn);
		else
			echo(h, e->conn);
		return;
	case OB_PEER_CLOSED:
	case OB_CLOSED:
		ob_close(h->ch, e->conn);
		return;
	}
}

void host_round(struct core_host *h)
{
	struct ob_app_event e[BATCH];
	struct ob_channel_stats stats;
	uint64_t start = rte_rdtsc();
	int n = ob_poll(h->ch, e, BATCH, 0);

	for (int i = 0; i < n; i++)
		if (e[i].conn)
			handle(h, &e[i]);
	if (n > 0)
		ob_flush(h->ch);
	start = rte_rdtsc() - start - h->tsc_overhead;
	if (n < 0) {
		if (!h->error[0])
			snprintf(h->error, sizeof(h->error), "ob_poll: %s", strerror(-n));
		return;
	}
	// Rounds that only take in what the application never sees count, too.
	ob_channel_stats(h->ch, &stats);
	if (n == 0 && stats.events == h->taken)
		return;
	h->taken = stats.events;
	h->new_cycles += start;
	h->new_events += (uint64_t)n;
}

void host_count(struct core_host *h, bool disturbed)
{
	if (!disturbed) {
		add(&h->cycles, h->new_cycles);
		add(&h->events, h->new_events);
	}
	h->new_cycles = h->new_events = 0;
}

static void seen(struct core_host *h)
{
	uint64_t now = rte_rdtsc();

	if (now - atomic_load_explicit(&h->seen_tsc, memory_order_relaxed) > h->late_tsc)
		add(&h->gaps, 1);
	atomic_store_explicit(&h->seen_tsc, now, memory_order_release);
}

bool host_ran(struct core_host *h, uint64_t *gaps)
{
	uint64_t last = atomic_load_explicit(&h->seen_tsc, memory_order_acquire);
	uint64_t before = *gaps;

	*gaps = atomic_load_explicit(&h->gaps, memory_order_relaxed);
	return *gaps == before && (int64_t)(rte_rdtsc() - last) <= (int64_t)h->late_tsc;
}

static int pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return -pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

static int attach(struct core_host *h)
{
	struct ob_attach_opts o;
	struct ob_endpoint at;
	char reason[128] = "";
	int rc;

	ob_attach_opts_init(&o);
	o.socket = h->socket;
	o.name = "bench";
	o.accept_slots = h->slots;
	o.flags = OB_ATTACH_QUIET | (h->no_huge ? OB_ATTACH_NO_HUGE : 0);
	o.reason = reason;
	o.reason_bytes = sizeof(reason);
	rc = ob_attach(&o, &h->host);
	if (rc) {
		snprintf(h->error, sizeof(h->error), "attach: %s %s", strerror(-rc), reason);
		return rc;
	}
	rc = ob_channel_open(h->host, &h->ch);
	if (rc == 0 && ob_endpoint_parse("*", &at) == 0) {
		at.port = PEER_SERVICE;
		rc = ob_listen(h->ch, &at, HOST_BACKLOG, NULL);
		rc = rc < 0 ? rc : ob_listen_wait(h->ch, rc, NULL, WAIT_US);
	}
	if (rc)
		snprintf(h->error, sizeof(h->error), "listen: %s", strerror(-rc));
	ob_host_info(h->host, &h->info);
	return rc;
}

static void *work(void *arg)
{
	struct core_host *h = arg;
	int rc = pin(h->cpu);
	int is = HOST_PAUSED;

	if (rc)
		snprintf(h->error, sizeof(h->error), "CPU %d: %s", h->cpu, strerror(-rc));
	else
		rc = attach(h);
	if (rc)
		atomic_store_explicit(&h->want, HOST_OVER, memory_order_relaxed);
	for (;;) {
		int want = atomic_load_explicit(&h->want, memory_order_acquire);

		if (want != is) {
			is = want;
			if (is == HOST_OVER)
				break;
		}
		atomic_store_explicit(&h->is, is, memory_order_release);
		if (is == HOST_RUNNING) {
			uint64_t lost = core_taken_away();

			for (unsigned i = 0; i < ROUNDS; i++) {
				host_round(h);
				seen(h);
			}
			host_count(h, core_taken_away() != lost);
		} else {
			usleep(PAUSE_US);
		}
	}
	if (h->host)
		ob_detach(h->host);
	h->host = NULL;
	atomic_store_explicit(&h->is, HOST_OVER, memory_order_release);
	return NULL;
}

int host_start(struct core_host *h)
{
	int rc;

	atomic_store(&h->is, HOST_STARTING);
	atomic_store(&h->want, HOST_PAUSED);
	rc = -pthread_create(&h->thread, NULL, work, h);
	h->started = rc == 0;
	return rc;
}

void host_want(struct core_host *h, enum host_state s)
{
	atomic_store_explicit(&h->want, s, memory_order_release);
}

void host_join(struct core_host *h)
{
	if (h->started)
		pthread_join(h->thread, NULL);
	h->started = false;
}
