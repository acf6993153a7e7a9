// The control protocol on the engine's UNIX socket (SOCK_SEQPACKET): attaching, and looking inside.
//
// A client sends one message, the engine answers. An attached host keeps its socket open: its end
// is the host's end. Messages of the kind CTL_* may be repeated on one socket.
#ifndef OB_SHARED_CONTROL_H
#define OB_SHARED_CONTROL_H

#include "shared/segment.h"

#define OB_SOCKET_DIR "/run/outboard"
#define OB_SOCKET_ENV "OUTBOARD_SOCKET"
#define OB_INSTANCE_DEFAULT "default"

enum ob_msg_type {
	OB_MSG_ATTACH = 1, // struct ob_msg_attach, with the segment's memfd as SCM_RIGHTS
	OB_MSG_ATTACHED
	= 2, // struct ob_msg_attached, with n_channels doorbell sockets as SCM_RIGHTS
	OB_MSG_CTL = 3, // struct ob_msg_ctl
	OB_MSG_CTL_PAGE = 4, // struct ob_msg_ctl_page and its rows
};

struct ob_msg_hdr {
	uint64_t magic;
	uint32_t abi_version;
	uint32_t type; // enum ob_msg_type
};

struct ob_msg_attach {
	struct ob_msg_hdr h;
	uint64_t features;
	uint8_t token[16]; // identifies the host to a later engine
	char name[OB_NAME_BYTES];
	struct ob_seg_layout layout;
};

// Doorbells are sockets made by the engine, one a channel: a byte to the host's end wakes its
// thread, a byte from it wakes a sleeping engine. They come in packets of OB_DOORBELLS_A_MSG, each
// with its own OB_MSG_ATTACHED.
#define OB_DOORBELLS_A_MSG 64u

struct ob_msg_attached {
	struct ob_msg_hdr h;
	int32_t error; // 0 or a negative errno
	uint32_t host_id;
	uint64_t features; // those both sides have
	uint32_t first_channel; // of the doorbells in this message
	uint32_t n_doorbells;
	uint64_t now_us; // engine clock
	char reason[128]; // what is wrong, when error is not 0
};

// Looking inside. Rows are fixed structures; a client asks for pages by cursor until `next` is 0.
enum ob_ctl_what {
	OB_CTL_STAT = 1,
	OB_CTL_CONNS,
	OB_CTL_LISTENERS,
	OB_CTL_GROUPS,
	OB_CTL_HOSTS,
	OB_CTL_COUNTERS,
	OB_CTL_SWITCHOVER,
};

struct ob_msg_ctl {
	struct ob_msg_hdr h;
	uint32_t what; // enum ob_ctl_what
	uint32_t cursor;
};

#define OB_CTL_PAGE_BYTES 61440u

struct ob_msg_ctl_page {
	struct ob_msg_hdr h;
	int32_t error;
	uint32_t what;
	uint32_t n_rows;
	uint32_t row_bytes;
	uint32_t next; // cursor of the next page, 0 at the end
	uint32_t spare;
	char reason[128];
};

struct ob_ctl_counter {
	char name[48];
	char doc[120];
	uint64_t value;
};

struct ob_ctl_conn {
	struct ob_addr laddr;
	struct ob_addr raddr;
	uint16_t lport;
	uint16_t rport;
	uint16_t host;
	uint8_t chan;
	uint8_t opts; // OB_NEG_*
	char state[16];
	uint32_t slot;
	uint32_t gen;
	uint64_t snd_una;
	uint64_t snd_max;
	uint64_t snd_wr;
	uint64_t rcv_nxt;
	uint64_t rcv_edge;
	uint32_t cwnd_bytes; // the rest is soft state: 0 where it is not held
	uint32_t ssthresh_bytes;
	uint32_t srtt_us;
	uint32_t rto_us;
	uint32_t snd_wnd_bytes;
	uint16_t mss;
	uint16_t retries;
};

struct ob_ctl_listener {
	struct ob_addr laddr;
	uint16_t lport;
	uint16_t host;
	uint8_t chan;
	uint8_t spare[3];
	uint32_t backlog;
	uint32_t half_open;
	uint64_t accepted;
};

struct ob_ctl_host {
	char name[OB_NAME_BYTES];
	uint32_t id;
	uint32_t pid;
	uint32_t uid;
	uint32_t n_channels;
	char state[16];
	uint64_t seg_bytes;
	uint32_t conns;
	uint32_t orphans;
	uint32_t rx_bufs;
	uint32_t rx_bufs_free;
	uint64_t requests;
	uint64_t events;
	uint64_t doorbells_to_host;
	uint64_t doorbells_from_host;
	uint64_t bad_requests;
	uint64_t hugepages; // 1: the segment lies on hugepages
};

struct ob_ctl_group {
	uint32_t host;
	uint32_t group;
	uint32_t buf_bytes;
	uint32_t n_bufs;
	uint32_t n_free;
	uint32_t low_mark;
};

// One row.
struct ob_ctl_stat {
	char instance[OB_NAME_BYTES];
	char version[16];
	char port[OB_NAME_BYTES];
	uint32_t pid;
	uint32_t cpu;
	uint64_t uptime_us;
	uint64_t turns;
	uint64_t busy_turns;
	uint64_t rx_pkts;
	uint64_t rx_bytes;
	uint64_t tx_pkts;
	uint64_t tx_bytes;
	uint64_t conns;
	uint64_t half_open;
	uint64_t time_wait;
	uint64_t hosts;
	uint64_t requests;
	uint64_t events;
	uint64_t doorbells_to_host;
	uint64_t doorbells_from_host;
	uint64_t established;
	uint64_t rss_kb;
	uint64_t mbufs_free;
	uint64_t mbufs_total;
	uint64_t recs_free; // connection records, with the next four: what a leak would eat
	uint64_t half_free; // half-open entries
	uint64_t pieces_free;
	uint64_t soft_free;
	uint64_t ooo_free;
};

#endif
