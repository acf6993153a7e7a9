#include "tools/bench/system/load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define STUCK_NS 10000000000ull
#define PROBE_NS 10000000ull

uint64_t load_clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

int load_init(struct load *l, const struct load_opts *o, const struct load_ops *ops, void *ctx,
	uint8_t *msgs, uint8_t *block)
{
	memset(l, 0, sizeof(*l));
	l->o = *o;
	l->ops = ops;
	l->ctx = ctx;
	l->msgs = msgs;
	l->block = block;
	l->conns = calloc(o->conns, sizeof(*l->conns));
	l->closed = calloc(o->conns, sizeof(*l->closed));
	if (!l->conns || !l->closed)
		return -ENOMEM;
	for (l->n_closed = 0; l->n_closed < o->conns; l->n_closed++)
		l->closed[l->n_closed] = o->conns - 1 - l->n_closed;
	for (uint32_t i = 0; i < LOAD_BLOCK_BYTES; i++)
		block[i] = (uint8_t)(i * 2654435761u >> 23);
	l->now_ns = l->begun_ns = l->moved_ns = load_clock_ns();
	return 0;
}

void load_fini(struct load *l)
{
	free(l->conns);
	free(l->closed);
	l->conns = NULL;
	l->closed = NULL;
}

void load_fail(struct load *l, int error_no, const char *what)
{
	if (l->error)
		return;
	l->error = what;
	l->error_no = error_no;
}

static uint8_t *msg_of(const struct load *l, uint32_t i)
{
	return l->msgs + (size_t)i * LOAD_MSG_BYTES;
}

// A message that no other connection and no other time has.
static void send_msg(struct load *l, uint32_t i, uint64_t now_ns)
{
	struct load_conn *c = &l->conns[i];
	uint8_t *m = msg_of(l, i);
	uint64_t words[LOAD_MSG_BYTES / 8];

	c->seq++;
	for (uint32_t k = 0; k < LOAD_MSG_BYTES / 8; k++)
		words[k] = (c->seq * 0x9e3779b97f4a7c15ull) ^ ((uint64_t)i << 32) ^ k;
	memcpy(m, words, sizeof(words));
	c->got = 0;
	c->waiting = true;
	if (l->o.what != LOAD_SHORT)
		c->begun_ns = now_ns;
	// A connection with nothing under way has room for that.
	if (l->ops->send(l->ctx, i, m, LOAD_MSG_BYTES) != LOAD_MSG_BYTES)
		load_fail(l, ENOBUFS, "a message of 64 bytes was not taken");
}

static void send_bulk(struct load *l, uint32_t i)
{
	while (l->ops->send(l->ctx, i, l->block, LOAD_BLOCK_BYTES) == LOAD_BLOCK_BYTES)
		;
}

static void close_conn(struct load *l, uint32_t i)
{
	if (l->conns[i].state != LOAD_OPEN)
		return;
	l->conns[i].state = LOAD_CLOSES;
	l->n_open--;
	l->ops->close(l->ctx, i);
}

static void done(struct load *l, uint32_t i, uint64_t now_ns)
{
	if (l->phase != LOAD_RUN)
		return;
	l->ops_done++;
	hist_add(&l->hist, now_ns - l->conns[i].begun_ns);
}

static void begin(struct load *l, uint32_t i)
{
	switch (l->o.what) {
	case LOAD_ECHO:
	case LOAD_SHORT:
		send_msg(l, i, load_clock_ns());
		break;
	case LOAD_BULK_RX:
		send_bulk(l, i);
		break;
	case LOAD_BULK_TX: // the server sends by itself
	case LOAD_IDLE:
		break;
	}
}

void load_connected(struct load *l, uint32_t i)
{
	l->moved++;
	l->n_opens--;
	l->n_open++;
	l->conns[i].state = LOAD_OPEN;
	if (l->o.what == LOAD_SHORT)
		begin(l, i);
}

static void echoed(struct load *l, uint32_t i, const uint8_t *data, size_t len)
{
	struct load_conn *c = &l->conns[i];
	uint64_t now_ns;

	if (!c->waiting || len > LOAD_MSG_BYTES - c->got
		|| memcmp(data, msg_of(l, i) + c->got, len) != 0) {
		load_fail(l, EBADMSG, "what came back is not what was sent");
		return;
	}
	c->got += (uint32_t)len;
	if (c->got < LOAD_MSG_BYTES)
		return;
	c->waiting = false;
	now_ns = load_clock_ns();
	done(l, i, now_ns);
	if (l->o.what == LOAD_SHORT)
		close_conn(l, i);
	else if (l->o.what == LOAD_ECHO && l->phase != LOAD_OVER)
		send_msg(l, i, now_ns);
}

void load_received(struct load *l, uint32_t i, const uint8_t *data, size_t len)
{
	l->moved++;
	l->bytes += len;
	if (l->o.what == LOAD_BULK_RX)
		load_fail(l, EBADMSG, "the server sent something");
	else if (l->o.what != LOAD_BULK_TX)
		echoed(l, i, data, len);
}

void load_writable(struct load *l, uint32_t i)
{
	l->moved++;
	if (l->o.what == LOAD_BULK_RX && l->phase != LOAD_OPENING && l->phase != LOAD_OVER)
		send_bulk(l, i);
}

void load_closed(struct load *l, uint32_t i, int error)
{
	struct load_conn *c = &l->conns[i];

	l->moved++;
	if (c->state != LOAD_CLOSES && l->phase != LOAD_OVER)
		load_fail(l, error ? -error : EPIPE,
			c->state == LOAD_OPENS ? "connect" : "a connection ended by itself");
	l->n_opens -= c->state == LOAD_OPENS;
	l->n_open -= c->state == LOAD_OPEN;
	c->state = LOAD_CLOSED;
	c->waiting = false;
	l->closed[l->n_closed++] = i;
}

// Returns false when it has to wait.
static bool open_one(struct load *l, uint32_t i)
{
	int rc;

	l->conns[i].begun_ns = load_clock_ns();
	rc = l->ops->connect(l->ctx, i);
	if (rc == 0) {
		l->conns[i].state = LOAD_OPENS;
		l->n_opens++;
		return true;
	}
	if (rc != -EAGAIN)
		load_fail(l, -rc, "connect");
	return false;
}

static void open_more(struct load *l)
{
	while (l->n_closed && l->n_opens < l->o.opening && open_one(l, l->closed[l->n_closed - 1]))
		l->n_closed--;
}

static uint64_t bytes_now(const struct load *l)
{
	uint64_t sum = 0;

	if (l->o.what != LOAD_BULK_RX)
		return l->bytes;
	for (uint32_t i = 0; i < l->o.conns; i++)
		if (l->conns[i].state == LOAD_OPEN)
			sum += l->ops->acked(l->ctx, i);
	return sum;
}

// The time that all CPUs were in use, by ticks.
static uint64_t machine_ns(void)
{
	unsigned long long user = 0, nice = 0, sys = 0, irq = 0, softirq = 0;
	FILE *f = fopen("/proc/stat", "re");

	if (f
		&& fscanf(f, "cpu %llu %llu %llu %*u %*u %llu %llu", &user, &nice, &sys, &irq,
			   &softirq)
			!= 5)
		user = 0;
	if (f)
		fclose(f);
	return (user + nice + sys + irq + softirq)
		* (1000000000ull / (uint64_t)sysconf(_SC_CLK_TCK));
}

static int process_ns(pid_t pid, uint64_t *ns)
{
	clockid_t clock = CLOCK_PROCESS_CPUTIME_ID;
	struct timespec t = {0};

	if ((pid && clock_getcpuclockid(pid, &clock)) || clock_gettime(clock, &t))
		return -ESRCH;
	*ns = (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
	return 0;
}

static void cpu_take(struct load *l, bool end)
{
	for (int i = 0; i < l->o.n_watch; i++) {
		pid_t pid = l->o.watch[i].pid;
		uint64_t ns = 0;

		if (pid == LOAD_WATCH_MACHINE)
			ns = machine_ns();
		else if (process_ns(pid, &ns))
			load_fail(l, ESRCH, "a process that was to be watched is gone");
		l->cpu_ns[i] = end ? ns - l->cpu_ns[i] : ns;
	}
}

static void to_warm(struct load *l)
{
	l->opened_ns = l->now_ns - l->begun_ns;
	for (uint32_t i = 0; i < l->o.conns && l->o.what != LOAD_SHORT; i++)
		begin(l, i);
}

static void to_run(struct load *l)
{
	memset(&l->hist, 0, sizeof(l->hist));
	l->ops_done = 0;
	cpu_take(l, false);
	l->bytes_0 = bytes_now(l);
}

static void to_over(struct load *l)
{
	l->bytes_1 = bytes_now(l);
	l->ran_ns = load_clock_ns() - l->begun_ns;
	cpu_take(l, true);
	for (uint32_t i = 0; i < l->o.conns; i++)
		close_conn(l, i); // one that is being opened ends with the program
}

static bool phase_ended(const struct load *l)
{
	uint64_t for_ns = l->now_ns - l->begun_ns;

	switch (l->phase) {
	case LOAD_OPENING:
		return l->o.what == LOAD_SHORT || l->n_open == l->o.conns;
	case LOAD_WARM:
		return for_ns >= (uint64_t)(l->o.warm_s * 1e9);
	case LOAD_RUN:
		return for_ns >= (uint64_t)(l->o.seconds * 1e9);
	case LOAD_OVER:
		break;
	}
	return false;
}

static void phase_next(struct load *l)
{
	switch (l->phase) {
	case LOAD_OPENING:
		to_warm(l);
		break;
	case LOAD_WARM:
		to_run(l);
		break;
	case LOAD_RUN:
		to_over(l);
		break;
	case LOAD_OVER:
		break;
	}
	l->phase++;
	l->begun_ns = load_clock_ns();
}

static void probe(struct load *l)
{
	if (l->o.what != LOAD_IDLE || l->conns[0].waiting || l->now_ns - l->probed_ns < PROBE_NS)
		return;
	l->probed_ns = l->now_ns;
	send_msg(l, 0, load_clock_ns());
}

bool load_step(struct load *l)
{
	l->now_ns = load_clock_ns();
	if (l->phase == LOAD_OPENING || (l->o.what == LOAD_SHORT && l->phase != LOAD_OVER))
		open_more(l);
	if (phase_ended(l))
		phase_next(l);
	if (l->phase == LOAD_WARM || l->phase == LOAD_RUN)
		probe(l);
	if (l->moved != l->moved_seen || (l->o.what == LOAD_IDLE && l->phase == LOAD_WARM)) {
		l->moved_seen = l->moved;
		l->moved_ns = l->now_ns;
	}
	if (l->now_ns - l->moved_ns > STUCK_NS)
		load_fail(l, ETIMEDOUT, l->phase == LOAD_OPENING ? "connecting" : "nothing moves");
	if (l->error)
		return false;
	return l->phase != LOAD_OVER || l->n_closed + l->n_opens < l->o.conns;
}

uint64_t load_next_ns(const struct load *l)
{
	uint64_t now_ns = load_clock_ns(), next = 100000000, for_ns = now_ns - l->begun_ns, end_ns;

	if (l->phase == LOAD_OPENING || l->phase == LOAD_OVER)
		return next;
	end_ns = (uint64_t)((l->phase == LOAD_WARM ? l->o.warm_s : l->o.seconds) * 1e9);
	if (end_ns < for_ns + next)
		next = end_ns > for_ns ? end_ns - for_ns : 0;
	if (l->o.what == LOAD_IDLE && l->probed_ns + PROBE_NS < now_ns + next)
		next = l->probed_ns + PROBE_NS > now_ns ? l->probed_ns + PROBE_NS - now_ns : 0;
	return next;
}

// In microseconds. The middle of the last bucket may lie above the longest of all.
static double at_us(const struct hist *h, double p)
{
	double ns = hist_at_ns(h, p);

	return (ns > (double)h->max_ns ? (double)h->max_ns : ns) / 1e3;
}

int load_print(const struct load *l)
{
	double s = (double)l->ran_ns / 1e9;

	if (l->error) {
		printf("failed error=%s: %s\n", l->error, strerror(l->error_no));
		return 1;
	}
	printf("done seconds=%.6f ops=%llu bytes=%llu p50_us=%.3f p99_us=%.3f max_us=%.3f"
	       " opened_s=%.6f",
		s, (unsigned long long)l->ops_done, (unsigned long long)(l->bytes_1 - l->bytes_0),
		at_us(&l->hist, 0.5), at_us(&l->hist, 0.99), (double)l->hist.max_ns / 1e3,
		(double)l->opened_ns / 1e9);
	for (int i = 0; i < l->o.n_watch; i++)
		printf(" cpu_%s=%.6f", l->o.watch[i].name, (double)l->cpu_ns[i] / 1e9);
	printf("\n");
	fflush(stdout);
	return 0;
}
