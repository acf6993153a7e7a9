#include "tools/replay/run.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

enum {
	OPENING_MAX = 64, // handshakes at once without captured pauses between them
	OPENING_AGAIN_NS = 200000,
	CONNECT_AGAIN_NS = 1000000,
	DLT_RAW_IP = 12,
};

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	(void)sig;
	interrupted = 1;
}

static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void touch(void *arg, struct live *l)
{
	struct run *r = arg;

	if (l->queued || l->done)
		return;
	l->queued = true;
	r->queue[r->n_queue++] = l;
}

static struct live *find(void *arg, uint16_t peer_port)
{
	struct run *r = arg;

	return r->by_port[peer_port];
}

// The peer's segments become frames.
static void send_frame(void *arg, const struct live *l, const struct out_seg *o, int64_t off,
	const uint8_t *payload, uint32_t bytes)
{
	static uint16_t ip_id;
	struct run *r = arg;
	struct wire_frame *f = wire_next(&r->wire);
	uint32_t headers = build_headers_bytes(o);

	memcpy(f->at + headers, payload, bytes);
	if (l->flip_peer >= off && l->flip_peer < off + bytes) {
		f->at[headers + (l->flip_peer - off)] ^= 1;
		r->lives[l - r->lives].flipped = true;
	}
	f->bytes = build_frame(&l->path, o, ++ip_id, f->at, bytes);
}

static void packet_in(void *arg, const uint8_t *ip, uint32_t bytes)
{
	struct run *r = arg;
	struct packet p;
	struct live *l;

	if (packet_parse(DLT_RAW_IP, ip, bytes, bytes, &p) != PACKET_TCP)
		return;
	l = r->by_port[p.dport];
	if (!l || memcmp(p.src + 12, r->opts->engine, 4)
		|| (p.sport != l->path.to_port && (l->have_irs || l->plan->side == CLIENT))) {
		r->env.totals.rx_strays++;
		return;
	}
	if (l->done || !l->started)
		return;
	peer_input(l, &r->env, &p);
	touch(r, l);
}

// A handshake is no longer under way.
static void opened(struct run *r, struct live *l)
{
	if (!l->started || l->opened || !(l->connected || l->done || l->failed))
		return;
	l->opened = true;
	r->opening--;
}

static void finish(struct run *r, struct live *l)
{
	bool ended = l->dead || l->host_closed;

	l->done = true;
	if ((l->flip_host >= 0 || l->flip_peer >= 0) && !l->flipped)
		live_fail(l, "the byte of --flip was not sent");
	timers_set(&r->timers, l, UINT64_MAX);
	opened(r, l);
	if (l->failed) {
		peer_abort(l, &r->env);
		r->n_failed++;
	} else {
		r->n_done++;
		r->n_aborted += !ended;
	}
	app_end(&r->app, l, l->failed || !ended);
}

// Returns whether the session has begun, or when to try again.
static bool begin(struct run *r, struct live *l, uint64_t *again_ns)
{
	int e;

	*again_ns = r->env.now_ns + OPENING_AGAIN_NS;
	if (r->env.speed <= 0 && r->opening >= OPENING_MAX)
		return false;
	if (l->plan->side == SERVER) {
		e = app_connect(&r->app, l);
		*again_ns = r->env.now_ns + CONNECT_AGAIN_NS;
		if (e == -EAGAIN || e == -ENFILE)
			return false;
		if (e)
			live_fail(l, "the application cannot connect: %s", strerror(-e));
	}
	l->started = true;
	l->progress_ns = l->moved_ns = r->env.now_ns;
	r->opening++;
	return true;
}

static void check_stall(struct run *r, struct live *l, uint64_t *next_ns, uint64_t app_ns)
{
	uint64_t limit_ns = (uint64_t)(r->opts->timeout_s * 1e9);
	char text[256];

	if (l->wait == WAIT_TIME || app_ns != UINT64_MAX)
		l->progress_ns = r->env.now_ns;
	if (r->env.now_ns >= l->progress_ns + limit_ns)
		live_fail(l, "stalled: %s", live_state(l, text, sizeof(text)));
	else if (l->progress_ns + limit_ns < *next_ns)
		*next_ns = l->progress_ns + limit_ns;
}

// Everything that can be done for a session now.
static void tend(struct run *r, struct live *l)
{
	uint64_t app_ns, next_ns;

	if (l->done)
		return;
	if (!l->started && !begin(r, l, &next_ns)) {
		timers_set(&r->timers, l, next_ns);
		return;
	}
	app_ns = app_run(&r->app, l, &r->env);
	next_ns = l->failed ? UINT64_MAX : peer_run(l, &r->env);
	if (app_ns < next_ns)
		next_ns = app_ns;
	opened(r, l);
	if (!l->failed && !live_complete(l))
		check_stall(r, l, &next_ns, app_ns);
	if (l->failed || live_complete(l))
		finish(r, l);
	else
		timers_set(&r->timers, l, next_ns);
}

static void tend_queue(struct run *r)
{
	for (uint32_t i = 0; i < r->n_queue; i++) {
		r->queue[i]->queued = false;
		tend(r, r->queue[i]);
	}
	r->n_queue = 0;
}

static void tend_due(struct run *r)
{
	struct live *l;

	while ((l = timers_first(&r->timers)) && l->due_ns <= r->env.now_ns) {
		timers_set(&r->timers, l, UINT64_MAX);
		tend(r, l);
		if (l->heap && l->due_ns <= r->env.now_ns)
			timers_set(&r->timers, l, r->env.now_ns + 1);
	}
}

static int wait_for_work(struct run *r)
{
	struct live *first = timers_first(&r->timers);
	uint64_t now = clock_ns(), left = first && first->due_ns > now ? first->due_ns - now : 0;
	struct pollfd fds[2] = {
		{.fd = r->wire.fd, .events = POLLIN}, {.fd = ob_fd(r->app.ch), .events = POLLIN}};
	struct timespec t = {(time_t)(left / 1000000000), (long)(left % 1000000000)};
	int armed = ob_arm(r->app.ch);

	if (armed < 0)
		return armed;
	if (armed == 0 && ppoll(fds, 2, first ? &t : NULL, NULL) < 0 && errno != EINTR)
		return -errno;
	return 0;
}

// Until every session is over.
static int loop(struct run *r)
{
	while (r->n_done + r->n_failed < r->n_lives && !interrupted) {
		int rx, events, e;

		r->env.now_ns = clock_ns();
		rx = wire_rx(&r->wire, packet_in, r);
		if (rx < 0)
			return rx;
		events = app_events(&r->app, &r->env);
		if (events < 0)
			return events;
		tend_queue(r);
		tend_due(r);
		e = wire_flush(&r->wire);
		if (!e && !rx && !events && r->n_done + r->n_failed < r->n_lives)
			e = wait_for_work(r);
		if (e)
			return e;
	}
	return 0;
}

static int open_all(struct run *r)
{
	const struct options *o = r->opts;
	int e = wire_open(&r->wire, o->interface, o->peer, o->engine, r->err, sizeof(r->err));

	if (e)
		return e;
	if (wire_resolve(&r->wire)) {
		snprintf(r->err, sizeof(r->err), "%u.%u.%u.%u does not answer ARP on %s",
			o->engine[0], o->engine[1], o->engine[2], o->engine[3], o->interface);
		return -EHOSTUNREACH;
	}
	r->app = (struct app){

		.port = o->port, .find = find, .touch = touch, .arg = r};
	e = app_open(&r->app, o->socket, r->n_lives, r->err, sizeof(r->err));
	for (uint32_t i = 0; i < r->n_lives && !e; i++) {
		struct live *l = &r->lives[i];

		memcpy(l->path.from_mac, r->wire.mac, 6);
		memcpy(l->path.to_mac, r->wire.engine_mac, 6);
		if (l->plan->side == CLIENT)
			e = app_listen(&r->app, o->engine, l->path.to_port, r->err, sizeof(r->err));
	}
	return e;
}

static void fail_rest(struct run *r, int e)
{
	for (uint32_t i = 0; i < r->n_lives; i++) {
		struct live *l = &r->lives[i];

		if (l->done)
			continue;
		live_fail(l, "%s",
			interrupted	      ? "interrupted"
				: e == -EPIPE ? "the engine is gone"
					      : strerror(-e));
		finish(r, l);
	}
	wire_flush(&r->wire);
}

int run_replay(struct run *r)
{
	struct sigaction act = {.sa_handler = on_signal};
	int e = open_all(r);

	if (e)
		return e;
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	prctl(PR_SET_TIMERSLACK, 1);
	r->env.sink = (struct peer_sink){send_frame, r};
	r->env.speed = r->opts->speed;
	r->env.mtu = r->wire.mtu;
	r->start_ns = r->env.now_ns = clock_ns();
	for (uint32_t i = 0; i < r->n_lives; i++) {
		struct live *l = &r->lives[i];
		uint64_t since = l->plan->session->segs[0].t_ns - r->sessions.first_ns;

		l->start_ns = r->start_ns;
		if (r->env.speed > 0)
			l->start_ns += (uint64_t)((double)since / r->env.speed);
		timers_set(&r->timers, l, l->start_ns);
	}
	e = loop(r);
	r->end_ns = clock_ns();
	fail_rest(r, e);
	wire_read_missed(&r->wire);
	app_close(&r->app);
	wire_close(&r->wire);
	return 0;
}
