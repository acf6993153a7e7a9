// outboard-engine: reads the configuration, starts DPDK, opens the port and lets one core poll,
// while this thread serves the control socket.
#include <errno.h>
#include <getopt.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/base/eal.h"
#include "engine/base/log.h"
#include "engine/core.h"
#include "engine/hostif/control.h"
#include "engine/hostif/fault.h"
#include "engine/hostif/fds.h"
#include "engine/hostif/inspect.h"
#include "engine/hostif/pdump.h"
#include "engine/hostif/telemetry.h"
#include "engine/port/iface.h"

#define ERR_BYTES 512

struct engine {
	struct config cfg;
	struct eal_args eal;
	struct state st;
	struct ob_core *core;
	struct control control;
	struct inspect inspect;
	struct port_link link;
	int claim; // of the interface
	char err[ERR_BYTES];
};

static void usage(FILE *f)
{
	fprintf(f,
		"usage: outboard-engine --config FILE [--check] [-- EAL...]\n"
		"  --config FILE  the configuration (docs/configuration.md)\n"
		"  --check        only check the configuration\n"
		"  --version      print the version\n");
}

static int fail(const struct engine *e, const char *what)
{
	fprintf(stderr, "outboard-engine: %s: %s\n", what, e->err);
	return 1;
}

static int core_main(void *arg)
{
	core_run(arg);
	return 0;
}

// The state segment, the port and the core's tables, in the order in which they need each other.
static int engine_open(struct engine *e)
{
	struct config *cfg = &e->cfg;
	int rc;

	fds_raise(cfg);
	rc = state_create(&e->st, cfg, false, rte_rdtsc(), rte_get_tsc_hz(), e->err, ERR_BYTES);
	if (rc)
		return fail(e, "state segment");
	e->core = aligned_alloc(64, (sizeof(*e->core) + 63) & ~(size_t)63);
	if (!e->core) {
		snprintf(e->err, ERR_BYTES, "out of memory");
		return fail(e, "start");
	}
	memset(e->core, 0, sizeof(*e->core));
	if (port_open(&e->core->port, cfg, &e->core->cnt, e->err, ERR_BYTES))
		return fail(e, "port");
	if (core_init(e->core, cfg, &e->st, e->err, ERR_BYTES))
		return fail(e, "core");
	e->inspect.cfg = cfg;
	e->inspect.tcp = &e->core->tcp;
	e->inspect.cnt = &e->core->cnt;
	e->inspect.port = &e->core->port;
	e->inspect.host_row = control_host_row;
	e->inspect.host_ctx = &e->control;
	inspect_init(&e->inspect);
	if (fault_install()) {
		snprintf(e->err, ERR_BYTES, "%s", strerror(errno));
		return fail(e, "SIGBUS handler");
	}
	if (control_init(
		    &e->control, cfg, &e->core->hostif, &e->core->port, NULL, e->err, ERR_BYTES))
		return fail(e, "control socket");
	e->control.inspect = inspect;
	e->control.inspect_ctx = &e->inspect;
	port_link_open(&e->link, &e->core->port, cfg);
	if (control_link(&e->control, &e->link))
		log_warn("the link of port %s is not watched", e->link.name);
	return 0;
}

static void engine_close(struct engine *e)
{
	telemetry_stop();
	pdump_stop();
	control_fini(&e->control);
	port_link_close(&e->link);
	core_fini(e->core);
	port_close(&e->core->port);
	state_destroy(&e->st, true);
	free(e->core);
}

// For the handler only: a signal has no other way to find what it is to stop. While there is nothing yet
// that could be stopped it is remembered.
static struct control *_Atomic stop_on_signal;
static atomic_bool stop_asked;

static void on_signal(int sig)
{
	struct control *c = atomic_load(&stop_on_signal);

	(void)sig;
	atomic_store(&stop_asked, true);
	if (c)
		control_stop(c);
}

// From here on a signal ends the engine in order, as soon as it has started; before, it ends the process at
// once, which has made nothing yet that outlives it.
static void signals_install(void)
{
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL); // its terminal is gone
	signal(SIGPIPE, SIG_IGN);
}

static int engine_serve(struct engine *e)
{
	unsigned lcore = rte_get_next_lcore((unsigned)-1, 1, 0);
	int rc;

	atomic_store(&stop_on_signal, &e->control);
	if (atomic_load(&stop_asked))
		return 0;
	if (telemetry_start(&e->inspect))
		log_warn("telemetry cannot be served");
	if (pdump_start(e->err, ERR_BYTES))
		log_warn("no packet capture: %s", e->err);
	if (lcore >= RTE_MAX_LCORE) {
		snprintf(e->err, ERR_BYTES, "EAL has no second lcore: check --lcores");
		return fail(e, "start");
	}
	rc = rte_eal_remote_launch(core_main, e->core, lcore);
	if (rc) {
		snprintf(e->err, ERR_BYTES, "%s", strerror(-rc));
		return fail(e, "polling core");
	}
	log_info("%s serves at %s", e->cfg.engine_instance, e->control.path);
	control_run(&e->control); // until SIGTERM, SIGINT or SIGHUP
	atomic_store(&e->core->stop, true);
	rte_eal_wait_lcore(lcore);
	return 0;
}

static int parse_args(int argc, char **argv, const char **file, bool *check)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, 'k'},
		{"version", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int o;

	while ((o = getopt_long(argc, argv, "+c:h", options, NULL)) != -1) {
		switch (o) {
		case 'c':
			*file = optarg;
			break;
		case 'k':
			*check = true;
			break;
		case 'v':
			printf("outboard-engine %s\n", OB_VERSION);
			exit(0);
		case 'h':
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			return -EINVAL;
		}
	}
	if (!*file || (optind < argc && strcmp(argv[optind - 1], "--") != 0)) {
		usage(stderr);
		return -EINVAL;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static struct engine e;
	const char *file = NULL;
	bool check = false;
	int rc;

	if (parse_args(argc, argv, &file, &check))
		return 2;
	if (config_load(&e.cfg, file, e.err, ERR_BYTES)) {
		fprintf(stderr, "outboard-engine: %s\n", e.err);
		return 1;
	}
	if (check) {
		printf("%s: good\n", file);
		return 0;
	}
	// Before anything of the port is opened. The end of the process gives it back.
	e.claim = iface_claim(&e.cfg, OB_SOCKET_DIR, e.err, ERR_BYTES);
	if (e.claim < IFACE_UNCLAIMED)
		return fail(&e, "port");
	if (sodium_init() < 0) {
		fprintf(stderr, "outboard-engine: libsodium cannot start\n");
		return 1;
	}
	signals_install();
	if (eal_args_make(&e.eal, &e.cfg, argc - optind, argv + optind, e.err, ERR_BYTES)
		|| eal_start(&e.eal, e.err, ERR_BYTES))
		return fail(&e, "EAL");
	rc = engine_open(&e);
	if (rc == 0) {
		rc = engine_serve(&e);
		engine_close(&e);
	} else if (e.st.hdr) {
		state_destroy(&e.st, true); // what did not come to serve leaves no file behind
	}
	eal_stop(&e.eal);
	return rc;
}
