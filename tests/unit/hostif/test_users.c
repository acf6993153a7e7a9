// What the configuration allows a user, and that the clients of one leave room for those of another.
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/hostif/fixture.h"

static void limit(struct world *w, const char *name, const char *value)
{
	char section[32];
	char err[256];

	snprintf(section, sizeof(section), "user %u", geteuid());
	CU_ASSERT_EQUAL_FATAL(config_set(&w->cfg, section, name, value, err, sizeof(err)), 0);
}

static int attach_one(struct world *w, struct peer *p)
{
	struct ob_msg_attach m;

	*p = (struct peer){.fd = peer_connect(&w->e), .l = peer_layout(1, 4)};
	p->mem = peer_memfd(p->l.seg_bytes, PEER_SEALS);
	m = peer_message(&p->l);
	return peer_ask(&w->e, p, &m, sizeof(m), p->mem);
}

static void test_hosts(void)
{
	struct world w;
	struct peer a, b;

	world_open(&w);
	limit(&w, "hosts", "1");
	CU_ASSERT_EQUAL(attach_one(&w, &a), 0);
	counters_mark(&w);
	CU_ASSERT_EQUAL(attach_one(&w, &b), -EDQUOT);
	CU_ASSERT_PTR_NOT_NULL(strstr(b.reply.reason, "hosts is 1"));
	CU_ASSERT(ROSE(&w, host_refused) == 1 && ROSE(&w, host_quota) == 1);
	// Its place is free when it is gone.
	peer_close(&a);
	for (unsigned i = 0; i < 10; i++)
		world_turn(&w);
	peer_close(&b);
	CU_ASSERT_EQUAL(attach_one(&w, &b), 0);
	peer_close(&b);
	world_close(&w);
}

static void test_memory(void)
{
	struct world w;
	struct peer a, b;

	world_open(&w);
	limit(&w, "memory_mb", "1");
	a.l = peer_layout(1, 4);
	CU_ASSERT_FATAL(a.l.seg_bytes * 2 < 1 << 20);
	CU_ASSERT_EQUAL(attach_one(&w, &a), 0);
	w.control.hosts[0]->bytes = (1 << 20) - a.l.seg_bytes + 1;
	CU_ASSERT_EQUAL(attach_one(&w, &b), -EDQUOT);
	CU_ASSERT_PTR_NOT_NULL(strstr(b.reply.reason, "memory_mb is 1"));
	peer_close(&b);
	w.control.hosts[0]->bytes--;
	CU_ASSERT_EQUAL(attach_one(&w, &b), 0);
	w.control.hosts[0]->bytes = a.l.seg_bytes;
	peer_close(&a);
	peer_close(&b);
	world_close(&w);
}

// Hosts of one user have one account; it is nobody else's as long as one of them is there.
static void test_account(void)
{
	struct world w;
	struct peer a, b;

	world_open(&w);
	limit(&w, "conns", "77");
	CU_ASSERT_EQUAL(attach_one(&w, &a), 0);
	CU_ASSERT_EQUAL(attach_one(&w, &b), 0);
	CU_ASSERT(w.h.mem[0].account == 0 && w.h.mem[1].account == 0);
	CU_ASSERT(w.h.mem[0].max_conns == 77 && w.h.mem[1].max_conns == 77);
	peer_close(&a);
	for (unsigned i = 0; i < 10; i++)
		world_turn(&w);
	w.control.hosts[1]->uid++; // as if it were another's
	CU_ASSERT_EQUAL(attach_one(&w, &a), 0);
	CU_ASSERT(w.h.mem[0].account == 1 && w.h.mem[1].account == 0);
	peer_close(&a);
	peer_close(&b);
	world_close(&w);
}

static struct ob_event ask(struct world *w, struct peer *p, const struct ob_req *q)
{
	counters_mark(w);
	script.calls = 0;
	peer_request(p, q);
	world_turn(w);
	return peer_event(p);
}

static void test_ports(void)
{
	struct world w;
	struct peer p;
	struct ob_req listen = {.op = OB_RQ_LISTEN, .gen = 1};
	struct ob_req connect = {.op = OB_RQ_CONNECT, .slot = 4, .gen = 1};
	struct ob_event e;

	world_open(&w);
	limit(&w, "ports", "80, 8000-8009");
	peer_attach(&w.e, &p, 1, 4);
	listen.addr.lport = 81;
	e = ask(&w, &p, &listen);
	CU_ASSERT(e.type == OB_EV_LISTEN && e.error == -EACCES && script.calls == 0);
	CU_ASSERT(ROSE(&w, req_user_port) == 1 && p.host->bad_requests == 0);
	listen.addr.lport = 8009;
	listen.gen++;
	e = ask(&w, &p, &listen);
	CU_ASSERT(e.type == OB_EV_LISTEN && e.error == 0 && script.open.lport == 8009);
	listen.addr.lport = 0; // the engine's choice
	listen.gen++;
	listen.slot++;
	e = ask(&w, &p, &listen);
	CU_ASSERT(e.type == OB_EV_LISTEN && e.error == 0);
	connect.addr.rport = 9999;
	connect.addr.lport = 7999;
	e = ask(&w, &p, &connect);
	CU_ASSERT(e.type == OB_EV_CONNECT && e.error == -EACCES && script.calls == 0);
	CU_ASSERT_EQUAL(ROSE(&w, req_user_port), 1);
	connect.addr.lport = 8000;
	connect.gen++;
	script.answer = -EDQUOT;
	e = ask(&w, &p, &connect);
	CU_ASSERT(e.error == -EDQUOT && script.calls == 1 && ROSE(&w, req_user_conns) == 1);
	script.answer = -EMFILE;
	connect.gen++;
	e = ask(&w, &p, &connect);
	CU_ASSERT(e.error == -EMFILE && ROSE(&w, req_half_share) == 1);
	script.answer = 0;
	peer_close(&p);
	world_close(&w);
}

// Connects as another user.
static int connect_as(const struct world *w, uid_t uid)
{
	int fd;

	CU_ASSERT_EQUAL_FATAL(seteuid(uid), 0);
	fd = peer_connect(&w->e);
	CU_ASSERT_EQUAL_FATAL(seteuid(0), 0);
	return fd;
}

static bool is_open(int fd)
{
	char junk;

	return recv(fd, &junk, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

static void test_clients(void)
{
	struct world w;
	int few[3], many[200];

	if (geteuid() != 0) {
		printf("(not tested: needs root) ");
		return;
	}
	world_open(&w);
	CU_ASSERT_EQUAL_FATAL(chmod(w.path, 0666), 0);
	for (unsigned i = 0; i < 3; i++) {
		few[i] = connect_as(&w, 1001);
		world_turn(&w);
	}
	counters_mark(&w);
	for (unsigned i = 0; i < 200; i++) {
		many[i] = connect_as(&w, 1002);
		world_turn(&w);
	}
	// The crowd has crowded out its own.
	CU_ASSERT(is_open(few[0]) && is_open(few[1]) && is_open(few[2]));
	CU_ASSERT(!is_open(many[0]) && is_open(many[199]));
	CU_ASSERT_EQUAL(ROSE(&w, client_evicted), 203 - w.control.max_clients);
	// One more of the few takes a place of the many.
	close(many[0]);
	many[0] = connect_as(&w, 1001);
	world_turn(&w);
	CU_ASSERT(is_open(few[0]) && is_open(many[0]) && is_open(many[199]));
	for (unsigned i = 0; i < 200; i++)
		close(many[i]);
	for (unsigned i = 0; i < 3; i++)
		close(few[i]);
	for (unsigned i = 0; i < 50; i++)
		world_turn(&w);
	CU_ASSERT_EQUAL(w.control.n_clients, 0);
	// As many users as places: the one that came first goes.
	for (unsigned i = 0; i <= w.control.max_clients; i++) {
		many[i] = connect_as(&w, 2000 + i);
		world_turn(&w);
	}
	CU_ASSERT(!is_open(many[0]) && is_open(many[1]));
	CU_ASSERT(is_open(many[w.control.max_clients]));
	for (unsigned i = 0; i <= w.control.max_clients; i++)
		close(many[i]);
	world_close(&w);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"hosts of a user", test_hosts},
		{"memory of a user", test_memory},
		{"the account of a user", test_account},
		{"ports of a user", test_ports},
		{"silent clients of one user", test_clients},
		CU_TEST_INFO_NULL,
	};

	return unit_eal() ? 1 : unit_run("users", tests);
}
