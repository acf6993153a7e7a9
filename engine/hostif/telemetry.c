#include "engine/hostif/telemetry.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <rte_ethdev.h>
#include <rte_telemetry.h>
#include <stdio.h>
#include <stdlib.h>

// A reply of 16 KiB has room for this many rows of the longest kind.
#define PAGE_ROWS 24u

struct command {
	const char *name;
	const char *help;
	int (*reply)(const struct inspect *in, const char *params, struct rte_tel_data *d);
};

// The one place of the engine with state of its own: telemetry's callbacks get no context.
static const struct inspect *inspected;
static pthread_rwlock_t inspected_lock = PTHREAD_RWLOCK_INITIALIZER;

// EAL's JSON does not escape, and names of hosts are theirs to choose.
static void add_text(struct rte_tel_data *d, const char *name, const char *text)
{
	char clean[RTE_TEL_MAX_STRING_LEN];
	size_t i;

	for (i = 0; i < sizeof(clean) - 1 && text[i] != '\0'; i++) {
		bool plain = text[i] >= ' ' && text[i] <= '~' && text[i] != '"' && text[i] != '\\';

		clean[i] = plain ? text[i] : '?';
	}
	clean[i] = '\0';
	rte_tel_data_add_dict_string(d, name, clean);
}

static void add_addr(
	struct rte_tel_data *d, const char *name, const struct ob_addr *a, uint16_t port)
{
	char ip[INET6_ADDRSTRLEN];
	char text[INET6_ADDRSTRLEN + 10];

	if (ob_addr_is_v4(a)) {
		inet_ntop(AF_INET, &a->b[12], ip, sizeof(ip));
		snprintf(text, sizeof(text), "%s:%u", ip, port);
	} else {
		inet_ntop(AF_INET6, a->b, ip, sizeof(ip));
		snprintf(text, sizeof(text), "[%s]:%u", ip, port);
	}
	rte_tel_data_add_dict_string(d, name, text);
}

#define ADD(d, row, field) rte_tel_data_add_dict_u64(d, #field, (row)->field)

static void conn_dict(struct rte_tel_data *d, const void *at)
{
	const struct ob_ctl_conn *row = at;

	add_addr(d, "local", &row->laddr, row->lport);
	add_addr(d, "remote", &row->raddr, row->rport);
	rte_tel_data_add_dict_string(d, "state", row->state);
	ADD(d, row, host);
	ADD(d, row, chan);
	ADD(d, row, slot);
	ADD(d, row, gen);
	ADD(d, row, snd_una);
	ADD(d, row, snd_max);
	ADD(d, row, snd_wr);
	ADD(d, row, rcv_nxt);
	ADD(d, row, rcv_edge);
	ADD(d, row, cwnd_bytes);
	ADD(d, row, ssthresh_bytes);
	ADD(d, row, srtt_us);
	ADD(d, row, rto_us);
	ADD(d, row, snd_wnd_bytes);
	ADD(d, row, mss);
	ADD(d, row, retries);
}

static void listener_dict(struct rte_tel_data *d, const void *at)
{
	const struct ob_ctl_listener *row = at;

	add_addr(d, "local", &row->laddr, row->lport);
	ADD(d, row, host);
	ADD(d, row, chan);
	ADD(d, row, backlog);
	ADD(d, row, half_open);
	ADD(d, row, accepted);
}

static void group_dict(struct rte_tel_data *d, const void *at)
{
	const struct ob_ctl_group *row = at;

	ADD(d, row, host);
	ADD(d, row, group);
	ADD(d, row, buf_bytes);
	ADD(d, row, n_bufs);
	ADD(d, row, n_free);
	ADD(d, row, low_mark);
}

static void host_dict(struct rte_tel_data *d, const void *at)
{
	const struct ob_ctl_host *row = at;

	add_text(d, "name", row->name);
	ADD(d, row, id);
	ADD(d, row, pid);
	ADD(d, row, uid);
	ADD(d, row, n_channels);
	add_text(d, "state", row->state);
	ADD(d, row, seg_bytes);
	ADD(d, row, conns);
	ADD(d, row, orphans);
	ADD(d, row, rx_bufs);
	ADD(d, row, rx_bufs_free);
	ADD(d, row, requests);
	ADD(d, row, events);
	ADD(d, row, doorbells_to_host);
	ADD(d, row, doorbells_from_host);
	ADD(d, row, bad_requests);
	ADD(d, row, hugepages);
}

static void chan_dict(struct rte_tel_data *d, const void *at)
{
	const struct inspect_chan *row = at;

	ADD(d, row, host);
	ADD(d, row, chan);
	ADD(d, row, requests);
	ADD(d, row, events);
}

static void stat_dict(struct rte_tel_data *d, const struct ob_ctl_stat *row)
{
	add_text(d, "instance", row->instance);
	add_text(d, "version", row->version);
	add_text(d, "port", row->port);
	ADD(d, row, pid);
	ADD(d, row, cpu);
	ADD(d, row, uptime_us);
	ADD(d, row, turns);
	ADD(d, row, busy_turns);
	ADD(d, row, rx_pkts);
	ADD(d, row, rx_bytes);
	ADD(d, row, tx_pkts);
	ADD(d, row, tx_bytes);
	ADD(d, row, conns);
	ADD(d, row, half_open);
	ADD(d, row, time_wait);
	ADD(d, row, hosts);
	ADD(d, row, requests);
	ADD(d, row, events);
	ADD(d, row, doorbells_to_host);
	ADD(d, row, doorbells_from_host);
	ADD(d, row, established);
	ADD(d, row, rss_kb);
	ADD(d, row, mbufs_free);
	ADD(d, row, mbufs_total);
	ADD(d, row, recs_free);
	ADD(d, row, half_free);
	ADD(d, row, pieces_free);
	ADD(d, row, soft_free);
	ADD(d, row, ooo_free);
}

static int reply_stat(const struct inspect *in, const char *params, struct rte_tel_data *d)
{
	struct ob_ctl_stat row;
	uint32_t next;

	(void)params;
	if (inspect_rows(in, OB_CTL_STAT, 0, &row, 1, &next) != 1)
		return -EINVAL;
	rte_tel_data_start_dict(d);
	stat_dict(d, &row);
	return 0;
}

static_assert(COUNTERS <= RTE_TEL_MAX_DICT_ENTRIES, "all counters fit into one reply");

static int reply_counters(const struct inspect *in, const char *params, struct rte_tel_data *d)
{
	(void)params;
	rte_tel_data_start_dict(d);
	for (unsigned i = 0; i < COUNTERS; i++)
		rte_tel_data_add_dict_u64(d, counter_info[i].name, counter_read(in->cnt, i));
	return 0;
}

static void port_stats(uint16_t id, struct rte_tel_data *d)
{
	struct rte_eth_stats st;
	struct rte_eth_link link;

	if (!rte_eth_dev_is_valid_port(id))
		return;
	if (rte_eth_link_get_nowait(id, &link) == 0) {
		rte_tel_data_add_dict_string(d, "link", link.link_status ? "up" : "down");
		rte_tel_data_add_dict_u64(d, "link_mbps", link.link_speed);
	}
	if (rte_eth_stats_get(id, &st) != 0)
		return;
	ADD(d, &st, ipackets);
	ADD(d, &st, opackets);
	ADD(d, &st, ibytes);
	ADD(d, &st, obytes);
	ADD(d, &st, imissed);
	ADD(d, &st, ierrors);
	ADD(d, &st, oerrors);
	ADD(d, &st, rx_nombuf);
}

static int reply_port(const struct inspect *in, const char *params, struct rte_tel_data *d)
{
	const struct port *p = in->port;
	char mac[18];

	(void)params;
	if (p == NULL)
		return -ENODEV;
	rte_tel_data_start_dict(d);
	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", p->mac[0], p->mac[1], p->mac[2],
		p->mac[3], p->mac[4], p->mac[5]);
	add_text(d, "name", p->name);
	rte_tel_data_add_dict_string(d, "mac", mac);
	ADD(d, p, id);
	ADD(d, p, mtu);
	ADD(d, p, burst);
	ADD(d, p, tx_ip_csum);
	ADD(d, p, tx_tcp_csum);
	ADD(d, p, tx_multi_segs);
	ADD(d, p, rx_csum);
	ADD(d, p, verify);
	port_stats(p->id, d);
	return 0;
}

// Commands that answer with rows.
struct kind {
	const char *command;
	uint32_t what;
	void (*dict)(struct rte_tel_data *d, const void *row);
	const char *help;
};

static const struct kind kinds[] = {
	{"/outboard/conns", OB_CTL_CONNS, conn_dict, "Connections. Parameters: cursor"},
	{"/outboard/listeners", OB_CTL_LISTENERS, listener_dict, "Listeners. Parameters: cursor"},
	{"/outboard/groups", OB_CTL_GROUPS, group_dict, "Buffer groups. Parameters: cursor"},
	{"/outboard/hosts", OB_CTL_HOSTS, host_dict, "Attached hosts. Parameters: cursor"},
	{"/outboard/channels", INSPECT_CHANNELS, chan_dict, "Channels. Parameters: cursor"},
};

// Lists cannot hold dictionaries here, so that the rows of a page are numbered in one.
static int add_rows(struct rte_tel_data *list, const struct kind *k, const uint8_t *at, int n)
{
	uint32_t row_bytes = inspect_row_bytes(k->what);

	for (int i = 0; i < n; i++) {
		struct rte_tel_data *d = rte_tel_data_alloc();
		char key[16];

		if (d == NULL)
			return -ENOMEM;
		rte_tel_data_start_dict(d);
		k->dict(d, at + (size_t)i * row_bytes);
		snprintf(key, sizeof(key), "%u", (unsigned)i);
		if (rte_tel_data_add_dict_container(list, key, d, 0) != 0) {
			rte_tel_data_free(d);
			return -ENOSPC;
		}
	}
	return 0;
}

static int reply_rows(
	const struct inspect *in, const struct kind *k, const char *params, struct rte_tel_data *d)
{
	union {
		struct ob_ctl_conn conn[PAGE_ROWS];
		struct ob_ctl_listener listener[PAGE_ROWS];
		struct ob_ctl_group group[PAGE_ROWS];
		struct ob_ctl_host host[PAGE_ROWS];
		struct inspect_chan chan[PAGE_ROWS];
	} rows;
	struct rte_tel_data *list;
	uint32_t cursor = 0;
	uint32_t next;
	uint32_t row_bytes = inspect_row_bytes(k->what);
	char *end;
	int n = 0;

	if (params != NULL && *params != '\0') {
		unsigned long v = strtoul(params, &end, 10);

		if (*end != '\0' || v > UINT32_MAX)
			return -EINVAL;
		cursor = (uint32_t)v;
	}
	// A large table takes several steps: a page ends when it is full, or the table.
	do {
		int r = inspect_rows(in, k->what, cursor, (uint8_t *)&rows + (size_t)n * row_bytes,
			PAGE_ROWS - (uint32_t)n, &next);

		if (r < 0)
			return r;
		n += r;
		cursor = next;
	} while (next != 0 && n < (int)PAGE_ROWS);
	list = rte_tel_data_alloc();
	if (list == NULL)
		return -ENOMEM;
	rte_tel_data_start_dict(list);
	n = add_rows(list, k, (const uint8_t *)&rows, n);
	rte_tel_data_start_dict(d);
	if (n < 0)
		rte_tel_data_add_dict_int(d, "error", n);
	rte_tel_data_add_dict_u64(d, "next", next);
	rte_tel_data_add_dict_container(d, "rows", list, 0);
	return 0;
}

static const struct command commands[] = {
	{"/outboard/stat", "The engine in one view. No parameters", reply_stat},
	{"/outboard/counters", "Every counter. No parameters", reply_counters},
	{"/outboard/port", "The port and its statistics. No parameters", reply_port},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static int answer_inspected(const char *name, const char *params, struct rte_tel_data *d)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(name, commands[i].name) == 0)
			return commands[i].reply(inspected, params, d);
	for (size_t i = 0; i < KINDS; i++)
		if (strcmp(name, kinds[i].command) == 0)
			return reply_rows(inspected, &kinds[i], params, d);
	return -ENOENT;
}

static int answer(const char *name, const char *params, struct rte_tel_data *d)
{
	int r = -ENODEV;

	pthread_rwlock_rdlock(&inspected_lock);
	if (inspected != NULL)
		r = answer_inspected(name, params, d);
	pthread_rwlock_unlock(&inspected_lock);
	return r;
}

static void set_inspected(const struct inspect *in)
{
	pthread_rwlock_wrlock(&inspected_lock);
	inspected = in;
	pthread_rwlock_unlock(&inspected_lock);
}

int telemetry_start(const struct inspect *in)
{
	int r = 0;

	for (size_t i = 0; i < COMMANDS && r == 0; i++)
		r = rte_telemetry_register_cmd(commands[i].name, answer, commands[i].help);
	for (size_t i = 0; i < KINDS && r == 0; i++)
		r = rte_telemetry_register_cmd(kinds[i].command, answer, kinds[i].help);
	set_inspected(in);
	return r;
}

void telemetry_stop(void)
{
	set_inspected(NULL);
}
