// bench-peer CONFIG [--yield]: opens its port, then reads a line of client options (load_opts.c) for
// each run from standard input and answers with one line.
#include "tools/bench/system/peer.h"

#include <errno.h>
#include <poll.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <sched.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/eal.h"

#define ERR_BYTES 512
#define WORDS 40
#define LINK_US 10000000u
#define IDLE_TURNS 64u // between two looks at standard input

static volatile sig_atomic_t stopped;

static void on_signal(int sig)
{
	(void)sig;
	stopped = 1;
}

static uint64_t clock_now(const struct peer *p)
{
	return clock_us(&p->st.hdr->clock, rte_rdtsc());
}

int peer_open(struct peer *p, char *err, size_t err_bytes)
{
	int rc = state_create(&p->st, &p->cfg, true, rte_rdtsc(), rte_get_tsc_hz(), err, err_bytes);

	if (rc)
		return rc;
	rc = port_open(&p->port, &p->cfg, &p->cnt, err, err_bytes);
	if (rc)
		return rc;
	rc = peer_host_open(p);
	if (rc) {
		snprintf(err, err_bytes, "memory of the load: %s", strerror(-rc));
		return rc;
	}
	p->net_ops = (struct net_ops){&p->tcp, tcp_icmp, tcp_unreachable};
	rc = net_init(
		&p->net, &p->cfg, &p->port, &p->cnt, &p->net_ops, clock_now(p), err, err_bytes);
	if (rc)
		return rc;
	rc = tcp_init(&p->tcp, &p->cfg, &p->st, &p->cnt, &p->tcp_ops, net_sink(&p->net), p->mem,
		p->port.mtu, clock_now(p));
	if (rc)
		snprintf(err, err_bytes, "TCP's tables: %s", strerror(-rc));
	return rc;
}

void peer_close(struct peer *p)
{
	tcp_fini(&p->tcp);
	net_fini(&p->net);
	port_close(&p->port);
	peer_host_close(p);
	state_destroy(&p->st, true);
}

bool peer_turn(struct peer *p)
{
	uint64_t sent = p->cnt.tx_pkts, now_us = clock_now(p);
	bool news = p->n_news > 0;
	unsigned n, n_segs;

	tcp_begin(&p->tcp, now_us);
	peer_news(p); // what was committed in the turn before
	n = port_rx(&p->port, p->rx, PEER_BURST);
	n_segs = net_input(&p->net, p->rx, n, p->segs, p->kept, now_us);
	tcp_input(&p->tcp, p->segs, n_segs);
	rte_pktmbuf_free_bulk(p->kept, n_segs);
	net_timers(&p->net, now_us);
	tcp_timers(&p->tcp);
	tcp_output(&p->tcp);
	tcp_commit(&p->tcp);
	port_flush(&p->port);
	return n || news || p->n_news || p->cnt.tx_pkts != sent;
}

static bool link_up(const struct peer *p)
{
	struct rte_eth_link link = {0};

	return rte_eth_link_get_nowait(p->port.id, &link) == 0 && link.link_status;
}

// A run. Returns false when a signal came.
static void run(struct peer *p, bool yield)
{
	while (!stopped && load_step(&p->load))
		if (!peer_turn(p) && yield)
			sched_yield();
	// The answer waits until nothing is left: the next run starts clean.
	p->loaded = false;
	for (uint64_t end = clock_now(p) + 2000000; !peer_drop_all(p) && clock_now(p) < end;)
		if (!peer_turn(p) && yield)
			sched_yield();
}

static bool address(struct peer *p, const char *text)
{
	unsigned port;
	char ip[64];

	if (sscanf(text, "%63[0-9.]:%u", ip, &port) != 2 || port > 65535)
		return false;
	p->to_port = (uint16_t)port;
	return config_parse_addr(ip, &p->to) == 0;
}

static void take(struct peer *p, char *line, bool yield)
{
	char *words[WORDS] = {(char *)"bench-peer"}, *word;
	uint8_t *base = p->mem->base;
	struct load_opts o;
	int n = 1;

	while (n < WORDS && (word = strsep(&line, " \n")))
		if (*word)
			words[n++] = word;
	load_parse(&o, n, words, NULL);
	if (!address(p, o.to) || o.conns > PEER_CONNS
		|| load_init(
			&p->load, &o, &peer_load_ops, p, base + p->msgs_off, base + p->block_off)) {
		printf("failed error=bad options\n");
		fflush(stdout);
		return;
	}
	p->loaded = true;
	run(p, yield);
	load_print(&p->load);
	fflush(stdout);
	load_fini(&p->load);
}

// Turns while nothing is asked, so that the other side is answered. Returns false at the end.
static bool serve(struct peer *p, bool yield)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	char line[1024];

	while (!stopped) {
		for (unsigned i = 0; i < IDLE_TURNS; i++)
			peer_turn(p);
		if (poll(&in, 1, 1) <= 0)
			continue;
		if (!fgets(line, sizeof(line), stdin))
			return false;
		take(p, line, yield);
	}
	return false;
}

static int fail(const char *what, const char *err)
{
	fprintf(stderr, "bench-peer: %s: %s\n", what, err);
	return 1;
}

int main(int argc, char **argv)
{
	struct sigaction act = {.sa_handler = on_signal};
	static struct peer p;
	static struct eal_args eal;
	char err[ERR_BYTES] = "";
	bool yield = argc > 2 && strcmp(argv[2], "--yield") == 0;
	int skip = yield ? 3 : 2;
	uint64_t end;

	if (argc < 2 || config_load(&p.cfg, argv[1], err, sizeof(err)))
		return fail("configuration", err);
	if (sodium_init() < 0
		|| eal_args_make(&eal, &p.cfg, argc - skip, argv + skip, err, sizeof(err))
		|| eal_start(&eal, err, sizeof(err)))
		return fail("EAL", err);
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	if (peer_open(&p, err, sizeof(err)))
		return fail("start", err);
	end = clock_now(&p) + LINK_US;
	while (!link_up(&p) && !stopped && clock_now(&p) < end)
		peer_turn(&p);
	if (!link_up(&p))
		return fail("port", "its link is down");
	setvbuf(stdin, NULL, _IONBF, 0); // poll() has to see what is left
	puts("ready");
	fflush(stdout);
	serve(&p, yield);
	peer_close(&p);
	eal_stop(&eal);
	return 0;
}
