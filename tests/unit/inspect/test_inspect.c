// The rows of the inspection: what is there, in pages, and whole while the core writes.
#include <errno.h>
#include <pthread.h>
#include <rte_mbuf.h>
#include <unistd.h>

#include "tests/unit/eal_main.h"
#include "tests/unit/inspect/fixture.h"

#define CONNS 64u

static struct fixture fix;

static alignas(8) uint8_t page[OB_CTL_PAGE_BYTES];
#define PAGE ((struct ob_msg_ctl_page *)page)
#define ROWS(type) ((struct type *)(PAGE + 1))

static int ask_cap(uint32_t what, uint32_t cursor, size_t cap)
{
	struct ob_msg_ctl q
		= {.h = {OB_ABI_MAGIC, OB_ABI_VERSION, OB_MSG_CTL}, .what = what, .cursor = cursor};

	return inspect(&fix.in, &q, page, cap);
}

static int ask(uint32_t what, uint32_t cursor)
{
	return ask_cap(what, cursor, sizeof(page));
}

static void make(void)
{
	CU_ASSERT_EQUAL_FATAL(fixture_make(&fix, CONNS), 0);
}

static void test_empty(void)
{
	make();
	for (uint32_t what = OB_CTL_CONNS; what <= OB_CTL_HOSTS; what++) {
		CU_ASSERT_EQUAL(ask(what, 0), (int)sizeof(*PAGE));
		CU_ASSERT_EQUAL(PAGE->h.magic, OB_ABI_MAGIC);
		CU_ASSERT_EQUAL(PAGE->h.type, OB_MSG_CTL_PAGE);
		CU_ASSERT_EQUAL(PAGE->what, what);
		CU_ASSERT_EQUAL(PAGE->error, 0);
		CU_ASSERT_EQUAL(PAGE->n_rows, 0);
		CU_ASSERT_EQUAL(PAGE->next, 0);
	}
	fixture_free(&fix);
}

static void test_refusals(void)
{
	make();
	CU_ASSERT_EQUAL(ask(OB_CTL_SWITCHOVER, 0), (int)sizeof(*PAGE));
	CU_ASSERT_EQUAL(PAGE->error, -ENOTSUP);
	CU_ASSERT_STRING_EQUAL(PAGE->reason, "comes with failover");
	CU_ASSERT_EQUAL(ask(0, 0), (int)sizeof(*PAGE));
	CU_ASSERT_EQUAL(PAGE->error, -EINVAL);
	CU_ASSERT_EQUAL(ask(99, 0), (int)sizeof(*PAGE));
	CU_ASSERT_EQUAL(PAGE->error, -EINVAL);
	CU_ASSERT_EQUAL(ask(UINT32_MAX, UINT32_MAX), (int)sizeof(*PAGE));
	CU_ASSERT_EQUAL(PAGE->error, -EINVAL);
	// Channels are telemetry's.
	CU_ASSERT_EQUAL(ask(INSPECT_CHANNELS, 0), (int)sizeof(*PAGE));
	CU_ASSERT_EQUAL(PAGE->error, -EINVAL);
	CU_ASSERT_EQUAL(ask(OB_CTL_CONNS, UINT32_MAX), (int)sizeof(*PAGE));
	CU_ASSERT_EQUAL(PAGE->error, 0);
	CU_ASSERT_EQUAL(PAGE->n_rows, 0);
	CU_ASSERT_EQUAL(ask_cap(OB_CTL_STAT, 0, sizeof(*PAGE) - 1), -ENOBUFS);
	CU_ASSERT_EQUAL(ask_cap(OB_CTL_STAT, 0, sizeof(*PAGE) + 100), -ENOBUFS);
	fixture_free(&fix);
}

static void test_conn(void)
{
	const struct ob_ctl_conn *c = ROWS(ob_ctl_conn);

	make();
	fixture_conn(&fix, 5, 9, 3);
	CU_ASSERT_EQUAL(ask(OB_CTL_CONNS, 0), (int)(sizeof(*PAGE) + sizeof(*c)));
	CU_ASSERT_EQUAL(PAGE->n_rows, 1);
	CU_ASSERT_EQUAL(PAGE->row_bytes, sizeof(*c));
	CU_ASSERT_STRING_EQUAL(c->state, "ESTABLISHED");
	CU_ASSERT(ob_addr_eq(&c->laddr, &fix.st.recs[5].laddr));
	CU_ASSERT(ob_addr_eq(&c->raddr, &fix.st.recs[5].raddr));
	CU_ASSERT_EQUAL(c->lport, 80);
	CU_ASSERT_EQUAL(c->rport, 1005);
	CU_ASSERT_EQUAL(c->host, 1);
	CU_ASSERT_EQUAL(c->chan, 2);
	CU_ASSERT_EQUAL(c->slot, 105);
	CU_ASSERT_EQUAL(c->gen, 9);
	CU_ASSERT_EQUAL(c->opts, OB_NEG_TS | OB_NEG_SACK);
	CU_ASSERT_EQUAL(c->snd_una, 15);
	CU_ASSERT_EQUAL(c->snd_max, 25);
	CU_ASSERT_EQUAL(c->snd_wr, 35);
	CU_ASSERT_EQUAL(c->rcv_nxt, 45);
	CU_ASSERT_EQUAL(c->rcv_edge, 55);
	CU_ASSERT_EQUAL(c->mss, 1448);
	CU_ASSERT_EQUAL(c->cwnd_bytes, 14485);
	CU_ASSERT_EQUAL(c->ssthresh_bytes, 7);
	CU_ASSERT_EQUAL(c->srtt_us, 1500);
	CU_ASSERT_EQUAL(c->rto_us, 200000);
	CU_ASSERT_EQUAL(c->snd_wnd_bytes, 65535);
	CU_ASSERT_EQUAL(c->retries, 3);
	// FINs are in the state, not in the positions.
	fix.st.recs[5].rcv_nxt = STATE_FIN | 46;
	fix.st.recs[5].snd_wr = STATE_FIN | 36;
	ask(OB_CTL_CONNS, 0);
	CU_ASSERT_EQUAL(c->rcv_nxt, 46);
	CU_ASSERT_EQUAL(c->snd_wr, 36);
	CU_ASSERT_STRING_EQUAL(c->state, "CLOSING");
	fixture_free(&fix);
}

// Without soft state, or with one that went to somebody else, those fields are 0.
static void test_soft_missing(void)
{
	const struct ob_ctl_conn *c = ROWS(ob_ctl_conn);

	make();
	fixture_conn(&fix, 0, 1, STATE_NIL);
	fixture_conn(&fix, 1, 1, 0);
	fix.tcp.soft[0].conn = 7;
	fixture_conn(&fix, 2, 1, STATE_NIL);
	fix.tcp.soft_of[2] = fix.tcp.n_soft; // out of bounds
	fixture_conn(&fix, 3, 1, 1);
	fix.st.recs[3].life = rec_life(1, ECONNRESET, REC_DONE);
	ask(OB_CTL_CONNS, 0);
	CU_ASSERT_EQUAL_FATAL(PAGE->n_rows, 4);
	for (unsigned i = 0; i < 4; i++) {
		CU_ASSERT_EQUAL(c[i].rport, 1000 + i);
		CU_ASSERT_EQUAL(c[i].cwnd_bytes, 0);
		CU_ASSERT_EQUAL(c[i].rto_us, 0);
		CU_ASSERT_EQUAL(c[i].retries, 0);
	}
	CU_ASSERT_STRING_EQUAL(c[3].state, "CLOSED");
	fixture_free(&fix);
}

static void test_half(void)
{
	const struct ob_ctl_conn *c = ROWS(ob_ctl_conn);

	make();
	fixture_half(&fix, 0, HALF_SYN_SENT);
	fixture_half(&fix, 1, HALF_SYN_RCVD);
	fixture_half(&fix, 2, HALF_FAILED);
	fixture_half(&fix, 31, HALF_SYN_RCVD);
	ask(OB_CTL_CONNS, 0);
	CU_ASSERT_EQUAL_FATAL(PAGE->n_rows, 3);
	CU_ASSERT_STRING_EQUAL(c[0].state, "SYN_SENT");
	CU_ASSERT_STRING_EQUAL(c[1].state, "SYN_RCVD");
	CU_ASSERT_EQUAL(c[2].rport, 2031);
	CU_ASSERT_EQUAL(c[2].rto_us, 1000000);
	CU_ASSERT_EQUAL(c[2].retries, 2);
	CU_ASSERT_EQUAL(c[2].mss, 536);
	fixture_free(&fix);
}

// Small pages give every row once, whatever their size.
static void test_pages(void)
{
	make();
	for (uint32_t i = 0; i < CONNS; i += 3)
		fixture_conn(&fix, i, 1, STATE_NIL);
	fixture_half(&fix, 31, HALF_SYN_SENT);
	for (size_t rows = 1; rows < 30; rows++) {
		uint32_t cursor = 0, seen = 0, turns = 0;
		uint64_t ports = 0;

		do {
			ask_cap(OB_CTL_CONNS, cursor,
				sizeof(*PAGE) + rows * sizeof(struct ob_ctl_conn) + 5);
			CU_ASSERT(PAGE->n_rows <= rows);
			for (uint32_t i = 0; i < PAGE->n_rows; i++)
				ports += ROWS(ob_ctl_conn)[i].rport;
			seen += PAGE->n_rows;
			CU_ASSERT_FATAL(PAGE->next == 0 || PAGE->next > cursor);
			cursor = PAGE->next;
		} while (cursor != 0 && ++turns < 1000);
		CU_ASSERT_EQUAL(seen, 23);
		CU_ASSERT_EQUAL(ports, 22 * 1000 + 3 * (21 * 22 / 2) + 2031);
	}
	fixture_free(&fix);
}

// A page looks at a bounded part of a large table.
static void test_scan_bound(void)
{
	CU_ASSERT_EQUAL_FATAL(fixture_make(&fix, 3 * INSPECT_SCAN), 0);
	fixture_conn(&fix, 2 * INSPECT_SCAN + 1, 1, STATE_NIL);
	ask(OB_CTL_CONNS, 0);
	CU_ASSERT_EQUAL(PAGE->n_rows, 0);
	CU_ASSERT_EQUAL(PAGE->next, INSPECT_SCAN);
	ask(OB_CTL_CONNS, 2 * INSPECT_SCAN);
	CU_ASSERT_EQUAL(PAGE->n_rows, 1);
	CU_ASSERT_EQUAL(PAGE->next, 3 * INSPECT_SCAN);
	fixture_free(&fix);
}

static void test_listeners_groups_hosts(void)
{
	make();
	fixture_listener(&fix, 2, 8080);
	fixture_listener(&fix, 7, 9090);
	fix.st.listeners[3].lport = 1; // never live
	ask(OB_CTL_LISTENERS, 0);
	CU_ASSERT_EQUAL_FATAL(PAGE->n_rows, 2);
	CU_ASSERT_EQUAL(ROWS(ob_ctl_listener)[1].lport, 9090);
	CU_ASSERT_EQUAL(ROWS(ob_ctl_listener)[1].backlog, 128);
	CU_ASSERT_EQUAL(ROWS(ob_ctl_listener)[1].half_open, 5);
	CU_ASSERT_EQUAL(ROWS(ob_ctl_listener)[1].accepted, 1007);
	fixture_host(&fix, 1, 2);
	fixture_host(&fix, 3, 1);
	ask(OB_CTL_GROUPS, 0);
	CU_ASSERT_EQUAL_FATAL(PAGE->n_rows, 2);
	CU_ASSERT_EQUAL(ROWS(ob_ctl_group)[1].host, 3);
	CU_ASSERT_EQUAL(ROWS(ob_ctl_group)[1].n_free, 60);
	CU_ASSERT_EQUAL(ROWS(ob_ctl_group)[1].low_mark, 8);
	ask(OB_CTL_HOSTS, 0);
	CU_ASSERT_EQUAL_FATAL(PAGE->n_rows, 2);
	CU_ASSERT_STRING_EQUAL(ROWS(ob_ctl_host)[0].name, "host \"1\"");
	CU_ASSERT_EQUAL(ROWS(ob_ctl_host)[1].pid, 1003);
	CU_ASSERT_EQUAL(ROWS(ob_ctl_host)[1].id, 3);
	fix.in.host_row = NULL;
	ask(OB_CTL_HOSTS, 0);
	CU_ASSERT_EQUAL(PAGE->n_rows, 0);
	fixture_free(&fix);
}

static void test_channels(void)
{
	struct inspect_chan c[8];
	uint32_t next;

	make();
	fixture_host(&fix, 1, 2);
	fixture_host(&fix, 3, 1);
	CU_ASSERT_EQUAL_FATAL(inspect_rows(&fix.in, INSPECT_CHANNELS, 0, c, 8, &next), 3);
	CU_ASSERT_EQUAL(next, 0);
	CU_ASSERT_EQUAL(c[1].host, 1);
	CU_ASSERT_EQUAL(c[1].chan, 1);
	CU_ASSERT_EQUAL(c[1].requests, 101);
	CU_ASSERT_EQUAL(c[1].events, 201);
	CU_ASSERT_EQUAL(c[2].host, 3);
	CU_ASSERT_EQUAL(inspect_rows(&fix.in, OB_CTL_SWITCHOVER, 0, c, 8, &next), -EINVAL);
	fixture_free(&fix);
}

static void test_counters(void)
{
	const struct ob_ctl_counter *c = ROWS(ob_ctl_counter);

	make();
	for (unsigned i = 0; i < COUNTERS; i++)
		((uint64_t *)&fix.cnt)[i] = 1000 + i;
	ask(OB_CTL_COUNTERS, 0);
	CU_ASSERT_EQUAL_FATAL(PAGE->n_rows, COUNTERS);
	CU_ASSERT_EQUAL(PAGE->next, 0);
	for (unsigned i = 0; i < COUNTERS; i++) {
		CU_ASSERT_STRING_EQUAL(c[i].name, counter_info[i].name);
		CU_ASSERT(strncmp(c[i].doc, counter_info[i].doc, sizeof(c[i].doc) - 1) == 0);
		CU_ASSERT(strlen(counter_info[i].doc) < sizeof(c[i].doc));
		CU_ASSERT_EQUAL(c[i].value, 1000 + i);
	}
	fixture_free(&fix);
}

static void test_stat(void)
{
	const struct ob_ctl_stat *s = ROWS(ob_ctl_stat);

	make();
	fixture_conn(&fix, 0, 1, STATE_NIL);
	fixture_conn(&fix, 1, 1, STATE_NIL);
	fixture_half(&fix, 0, HALF_SYN_SENT);
	fixture_host(&fix, 2, 1);
	fix.cnt.rx_pkts = 11;
	fix.cnt.req_taken = 12;
	fix.cnt.doorbell_tx = 13;
	fix.st.n_free_recs = 21;
	fix.st.n_free_half = 22;
	fix.st.n_free_pieces = 23;
	fix.tcp.n_soft_free = 24;
	fix.tcp.n_ooo_free = 25;
	fix.port.pool = rte_pktmbuf_pool_create("stat", 255, 0, 0, 256, SOCKET_ID_ANY);
	CU_ASSERT_PTR_NOT_NULL_FATAL(fix.port.pool);
	usleep(2000);
	ask(OB_CTL_STAT, 0);
	CU_ASSERT_EQUAL_FATAL(PAGE->n_rows, 1);
	CU_ASSERT_STRING_EQUAL(s->instance, "fixture");
	CU_ASSERT_STRING_EQUAL(s->version, OB_VERSION);
	CU_ASSERT_STRING_EQUAL(s->port, "net_fixture0");
	CU_ASSERT_EQUAL(s->pid, (uint32_t)getpid());
	CU_ASSERT(s->uptime_us >= 2000 && s->uptime_us < 60000000);
	CU_ASSERT_EQUAL(s->conns, 2);
	CU_ASSERT_EQUAL(s->half_open, 1);
	CU_ASSERT_EQUAL(s->hosts, 1);
	CU_ASSERT_EQUAL(s->rx_pkts, 11);
	CU_ASSERT_EQUAL(s->requests, 12);
	CU_ASSERT_EQUAL(s->doorbells_to_host, 13);
	CU_ASSERT(s->rss_kb > 1000);
	CU_ASSERT_EQUAL(s->mbufs_free, 255);
	CU_ASSERT_EQUAL(s->mbufs_total, 255);
	CU_ASSERT_EQUAL(s->recs_free, 21);
	CU_ASSERT_EQUAL(s->half_free, 22);
	CU_ASSERT_EQUAL(s->pieces_free, 23);
	CU_ASSERT_EQUAL(s->soft_free, 24);
	CU_ASSERT_EQUAL(s->ooo_free, 25);
	rte_mempool_free(fix.port.pool);
	fix.in.port = NULL;
	ask(OB_CTL_STAT, 0);
	CU_ASSERT_EQUAL(s->mbufs_total, 0);
	fixture_free(&fix);
}

// A record is reused under the reader's eyes: every field of a row is of one generation.
static _Atomic bool stop_writer;

static void *write_records(void *arg)
{
	struct rec *r = &fix.st.recs[0];
	cpu_set_t all;

	// EAL has bound the thread that made this one to a CPU.
	(void)arg;
	memset(&all, 0xff, sizeof(all));
	pthread_setaffinity_np(pthread_self(), sizeof(all), &all);
	for (uint32_t gen = 1; !atomic_load_explicit(&stop_writer, memory_order_relaxed); gen++) {
		HARD_SET(r->life, rec_life(gen, 0, REC_FREE));
		// The cold line is written plainly in the engine; here so that ThreadSanitizer agrees.
		atomic_thread_fence(memory_order_seq_cst);
		__atomic_store_n(&r->slot, gen, __ATOMIC_RELAXED);
		__atomic_store_n(&r->rport, (uint16_t)gen, __ATOMIC_RELAXED);
		__atomic_store_n(&r->slot_gen, gen, __ATOMIC_RELAXED);
		atomic_store_explicit(&r->snd_una, gen, memory_order_relaxed);
		atomic_store_explicit(&r->rcv_edge, gen, memory_order_relaxed);
		HARD_SET(r->life, rec_life(gen, 0, REC_LIVE));
		for (int i = 0; i < 50; i++)
			__asm__ volatile("pause");
	}
	return NULL;
}

static void test_reuse(void)
{
	const struct ob_ctl_conn *c = ROWS(ob_ctl_conn);
	unsigned seen = 0, changed = 0, torn = 0;
	uint32_t last = 0;
	pthread_t writer;

	make();
	stop_writer = false;
	CU_ASSERT_EQUAL_FATAL(pthread_create(&writer, NULL, write_records, NULL), 0);
	for (unsigned i = 0; i < 200000; i++) {
		ask(OB_CTL_CONNS, 0);
		if (PAGE->n_rows == 0)
			continue;
		seen++;
		changed += c->gen != last;
		last = c->gen;
		torn += c->slot != c->gen || c->rport != (uint16_t)c->gen || c->snd_una != c->gen
			|| c->rcv_edge != c->gen;
	}
	stop_writer = true;
	pthread_join(writer, NULL);
	CU_ASSERT(seen > 0);
	CU_ASSERT(changed > 1);
	CU_ASSERT_EQUAL(torn, 0);
	fixture_free(&fix);
}

int main(void)
{
	CU_TestInfo tests[] = {{"empty tables", test_empty}, {"refusals", test_refusals},
		{"a connection", test_conn}, {"soft state that is not there", test_soft_missing},
		{"half-open connections", test_half}, {"pages", test_pages},
		{"a bounded scan", test_scan_bound},
		{"listeners, groups, hosts", test_listeners_groups_hosts},
		{"channels", test_channels}, {"counters", test_counters}, {"stat", test_stat},
		{"a record reused while it is read", test_reuse}, CU_TEST_INFO_NULL};

	return unit_eal() < 0 ? 1 : unit_run("inspect", tests);
}
