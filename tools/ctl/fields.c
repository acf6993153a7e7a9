#include "tools/ctl/fields.h"

#define F(type, name, heading, what)                                                               \
	{                                                                                          \
		.key = #name, .title = heading, .kind = FIELD_##what,                              \
		.off = offsetof(struct type, name), .bytes = sizeof(((struct type *)NULL)->name)   \
	}
#define F_ADDR(type, name, heading, port)                                                          \
	{                                                                                          \
		.key = #name, .title = heading, .kind = FIELD_ADDR,                                \
		.off = offsetof(struct type, name), .bytes = 16,                                   \
		.port_off = offsetof(struct type, port)                                            \
	}
#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

static const struct field stat_fields[] = {
	F(ob_ctl_stat, instance, "instance", TEXT),
	F(ob_ctl_stat, version, "version", TEXT),
	F(ob_ctl_stat, port, "port", TEXT),
	F(ob_ctl_stat, pid, "process", ID),
	F(ob_ctl_stat, cpu, "polling CPU", ID),
	F(ob_ctl_stat, uptime_us, "up for", US),
	F(ob_ctl_stat, turns, "turns of the loop", NUMBER),
	F(ob_ctl_stat, busy_turns, "of them busy", NUMBER),
	F(ob_ctl_stat, rx_pkts, "packets received", NUMBER),
	F(ob_ctl_stat, rx_bytes, "bytes received", BYTES),
	F(ob_ctl_stat, tx_pkts, "packets sent", NUMBER),
	F(ob_ctl_stat, tx_bytes, "bytes sent", BYTES),
	F(ob_ctl_stat, established, "connections so far", NUMBER),
	F(ob_ctl_stat, conns, "connections now", NUMBER),
	F(ob_ctl_stat, half_open, "half-open", NUMBER),
	F(ob_ctl_stat, time_wait, "in TIME-WAIT", NUMBER),
	F(ob_ctl_stat, hosts, "hosts", NUMBER),
	F(ob_ctl_stat, requests, "requests from hosts", NUMBER),
	F(ob_ctl_stat, events, "events to hosts", NUMBER),
	F(ob_ctl_stat, doorbells_from_host, "doorbells from hosts", NUMBER),
	F(ob_ctl_stat, doorbells_to_host, "doorbells to hosts", NUMBER),
	F(ob_ctl_stat, rss_kb, "resident memory", KB),
	F(ob_ctl_stat, mbufs_free, "packet buffers free", NUMBER),
	F(ob_ctl_stat, mbufs_total, "packet buffers", NUMBER),
	F(ob_ctl_stat, recs_free, "connection records free", NUMBER),
	F(ob_ctl_stat, half_free, "half-open entries free", NUMBER),
	F(ob_ctl_stat, pieces_free, "piece descriptors free", NUMBER),
	F(ob_ctl_stat, soft_free, "soft states free", NUMBER),
	F(ob_ctl_stat, ooo_free, "out-of-order states free", NUMBER),
};

static const struct field conn_fields[] = {
	F_ADDR(ob_ctl_conn, laddr, "local", lport),
	F(ob_ctl_conn, lport, NULL, ID),
	F_ADDR(ob_ctl_conn, raddr, "remote", rport),
	F(ob_ctl_conn, rport, NULL, ID),
	F(ob_ctl_conn, state, "state", TEXT),
	F(ob_ctl_conn, host, "host", ID),
	F(ob_ctl_conn, chan, "chan", ID),
	F(ob_ctl_conn, slot, "slot", ID),
	F(ob_ctl_conn, gen, NULL, ID),
	F(ob_ctl_conn, snd_una, "acked", BYTES),
	F(ob_ctl_conn, snd_max, "sent", BYTES),
	F(ob_ctl_conn, snd_wr, "written", BYTES),
	F(ob_ctl_conn, rcv_nxt, "received", BYTES),
	F(ob_ctl_conn, rcv_edge, NULL, BYTES),
	F(ob_ctl_conn, cwnd_bytes, "cwnd", BYTES),
	F(ob_ctl_conn, ssthresh_bytes, NULL, BYTES),
	F(ob_ctl_conn, snd_wnd_bytes, "peer wnd", BYTES),
	F(ob_ctl_conn, srtt_us, "srtt", US),
	F(ob_ctl_conn, rto_us, "rto", US),
	F(ob_ctl_conn, mss, "mss", ID),
	F(ob_ctl_conn, retries, "tries", ID),
	F(ob_ctl_conn, opts, "options", OPTS),
};

static const struct field listener_fields[] = {
	F_ADDR(ob_ctl_listener, laddr, "local", lport),
	F(ob_ctl_listener, lport, NULL, ID),
	F(ob_ctl_listener, host, "host", ID),
	F(ob_ctl_listener, chan, "chan", ID),
	F(ob_ctl_listener, backlog, "backlog", NUMBER),
	F(ob_ctl_listener, half_open, "half-open", NUMBER),
	F(ob_ctl_listener, accepted, "accepted", NUMBER),
};

static const struct field group_fields[] = {
	F(ob_ctl_group, host, "host", ID),
	F(ob_ctl_group, group, "group", ID),
	F(ob_ctl_group, buf_bytes, "buffer", BYTES),
	F(ob_ctl_group, n_bufs, "buffers", NUMBER),
	F(ob_ctl_group, n_free, "free", NUMBER),
	F(ob_ctl_group, low_mark, "low mark", NUMBER),
};

static const struct field host_fields[] = {
	F(ob_ctl_host, id, "host", ID),
	F(ob_ctl_host, name, "name", TEXT),
	F(ob_ctl_host, pid, "process", ID),
	F(ob_ctl_host, uid, "user", ID),
	F(ob_ctl_host, state, "state", TEXT),
	F(ob_ctl_host, n_channels, "channels", NUMBER),
	F(ob_ctl_host, conns, "conns", NUMBER),
	F(ob_ctl_host, orphans, "orphans", NUMBER),
	F(ob_ctl_host, seg_bytes, "segment", BYTES),
	F(ob_ctl_host, hugepages, "huge", FLAG),
	F(ob_ctl_host, rx_bufs, "rx bufs", NUMBER),
	F(ob_ctl_host, rx_bufs_free, "free", NUMBER),
	F(ob_ctl_host, requests, "requests", NUMBER),
	F(ob_ctl_host, events, "events", NUMBER),
	F(ob_ctl_host, doorbells_from_host, "bells in", NUMBER),
	F(ob_ctl_host, doorbells_to_host, "bells out", NUMBER),
	F(ob_ctl_host, bad_requests, "bad", NUMBER),
};

#define ROWS(command, what, type, fields, none)                                                    \
	{                                                                                          \
		command, what, SHAPE_ROWS, sizeof(struct type), fields, COUNT_OF(fields), none     \
	}

static const struct table tables[] = {
	{"stat", OB_CTL_STAT, SHAPE_ONE, sizeof(struct ob_ctl_stat), stat_fields,
		COUNT_OF(stat_fields), NULL},
	ROWS("conns", OB_CTL_CONNS, ob_ctl_conn, conn_fields, "no connections"),
	ROWS("listeners", OB_CTL_LISTENERS, ob_ctl_listener, listener_fields, "no listeners"),
	ROWS("groups", OB_CTL_GROUPS, ob_ctl_group, group_fields, "no buffer groups"),
	ROWS("hosts", OB_CTL_HOSTS, ob_ctl_host, host_fields, "no hosts"),
	{"counters", OB_CTL_COUNTERS, SHAPE_COUNTERS, sizeof(struct ob_ctl_counter), NULL, 0, NULL},
	{"switchover", OB_CTL_SWITCHOVER, SHAPE_NOTHING, 0, NULL, 0, NULL},
};

const struct table *table_find(const char *command)
{
	for (size_t i = 0; i < COUNT_OF(tables); i++)
		if (strcmp(command, tables[i].command) == 0)
			return &tables[i];
	return NULL;
}

uint64_t field_number(const struct field *f, const void *row)
{
	const uint8_t *at = (const uint8_t *)row + f->off;
	uint64_t v = 0;

	// The protocol has the byte order of the machine.
	switch (f->bytes) {
	case 1:
		return *at;
	case 2: {
		uint16_t v16;

		memcpy(&v16, at, 2);
		return v16;
	}
	case 4: {
		uint32_t v32;

		memcpy(&v32, at, 4);
		return v32;
	}
	default:
		memcpy(&v, at, sizeof(v));
		return v;
	}
}
