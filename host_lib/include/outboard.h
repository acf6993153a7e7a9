// Outboard's host library: TCP connections that an engine process serves.
//
// An application attaches to an engine (a host), opens one channel for each of its threads, and
// listens, connects, sends and receives on channels. Nothing here blocks except ob_attach(),
// ob_poll() with a time-out, ob_channel_close() and ob_detach(), which wait up to a second, and the
// helpers whose names end in _wait or _all.
//
// Threads: a channel, and every connection and listener on it, belongs to one thread at a time.
// Channels share nothing, so that no call takes a lock. ob_attach(), ob_channel_open(),
// ob_channel_close() and ob_detach() are for set-up and may be called from any thread.
//
// Batching: what a thread asks for is written to memory at once and told to the engine at its next
// ob_poll(), ob_flush() or ob_arm(), or by a blocking helper. A thread that does not call one of
// these has asked for nothing yet. The engine gets it in the order of the calls: a port that
// ob_unlisten() or ob_abort() gives up is free for the ob_listen() or ob_connect() behind it.
//
// Processes: an attachment belongs to the process that made it. Attach after fork(), not before: a child
// must not call anything on its parent's attachment, ob_detach() neither. While a child lives that was
// forked after attaching and has not called exec(), it holds the attachment's sockets open, and the engine
// does not hear that the parent has died: its connections stay until the child ends too, or closes
// those sockets. Descriptors are closed by exec().
//
// Errors are negative errno values. Those with one meaning everywhere:
//   -EPIPE      the engine is gone; nothing on this host will work again. Every call but
//               ob_peek() and ob_recv() of bytes that were received before, ob_close() and
//               ob_detach() gives this from then on.
//   -EBADF      the connection or listener does not exist, or no more
//   -EINVAL     an argument is out of bounds
// How a connection ended:
//   -ECONNREFUSED the peer refused it       -ETIMEDOUT    the peer did not answer
//   -EHOSTUNREACH there is no way to it     -ECONNRESET   the peer reset it
//   -EMFILE       the host has its share    -EDQUOT       the user has its share
//   -ENFILE       out of connections        -ENOBUFS      out of buffers
//   -ECONNABORTED this side reset it        -EADDRINUSE   the port is taken
//   -ENETUNREACH  a router knows no way     -EPROTO       it does not speak TCP, or could not read
//                 to its network                          our packet (ICMP)
//   -EADDRNOTAVAIL `from` is not an address of the engine; or every local port is in use towards
//                 this destination: try again when some of its connections have ended
//   -EAFNOSUPPORT the engine does not speak IPv6 yet
//   -EACCES       the user may not have the local port (limits of users in the configuration)
//   -EIO          the engine found its record of the connection damaged
//
// Times are in microseconds; a negative time-out waits for ever and 0 not at all. Ports are in
// host byte order. Addresses are 16 bytes: IPv6, or IPv4 mapped (::ffff:a.b.c.d).
#ifndef OUTBOARD_H
#define OUTBOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ob_host; // an attachment to an engine
struct ob_channel; // one thread's rings

// A connection. Valid from the event or call that gave it until ob_close() or ob_abort().
// 0 is never a connection; numbers are not used again while the engine could confuse them.
typedef uint64_t ob_conn_t;

// An address and a port; all zero is any address and a port of the engine's choice.
struct ob_endpoint {
	uint8_t addr[16];
	uint16_t port;
	uint16_t spare; // 0
};

// Reads "10.0.0.1", "10.0.0.1:80", "fd00::1", "[fd00::1]:80", "*" or "*:80" into ep; the port is 0
// when the text has none. Returns 0 or -EINVAL.
int ob_endpoint_parse(const char *text, struct ob_endpoint *ep);

#define OB_ENDPOINT_TEXT 64
// Writes ep as "10.0.0.1:80" or "[fd00::1]:80". Returns text, which has room for
// OB_ENDPOINT_TEXT bytes.
char *ob_endpoint_format(const struct ob_endpoint *ep, char *text);

// ---- Attaching -------------------------------------------------------------------------------

#define OB_ATTACH_NO_HUGE 0x01u // ordinary pages even when hugepages are free
#define OB_ATTACH_QUIET 0x02u // no warning on standard error when there are no hugepages

// Memory and limits are fixed when attaching. A field that is 0 takes the default.
struct ob_attach_opts {
	size_t size; // sizeof(struct ob_attach_opts), so that later versions can add fields
	const char *socket; // default: $OUTBOARD_SOCKET, else /run/outboard/default.sock
	// Shown by outboardctl, the first 31 bytes of it; default: the program's name.
	const char *name;
	uint32_t flags; // OB_ATTACH_*
	uint32_t channels; // threads that will use the engine, 1 to 128; default 1
	uint32_t req_entries; // of each request ring, a power of 2, 16 to 65,536; default 1024
	uint32_t ev_entries; // of each event ring, the same; default 4096
	uint32_t accept_slots; // connections accepted at once, all channels together; default 4096
	uint32_t connect_slots; // connections made at once, divided evenly; default 4096
	uint32_t rx_buf_bytes; // a receive buffer, a multiple of 64, 512 to 1 MiB; default 4096
	uint64_t rx_bytes; // all receive buffers together; default 32 MiB
	uint64_t tx_bytes; // send arena, divided evenly among the channels; default 32 MiB
	// What one connection may have unacknowledged; default 1 MiB. It gets less when its channel's
	// arena fills up: see ob_send().
	uint32_t sndbuf_bytes;
	uint32_t reason_bytes; // room at `reason`
	char *reason; // where the engine's explanation of a refusal is stored; NULL: nowhere
};

// Sets every field to 0 and `size` to what this version has.
void ob_attach_opts_init(struct ob_attach_opts *opts);

// Attaches to an engine: makes the memory, hands it over and receives the doorbells. Waits up to
// 10 seconds. opts: NULL for all defaults. *host is the caller's, to be ended by ob_detach().
//
// Returns 0 or: -ENOENT no such socket; -ECONNREFUSED no engine behind it; -EACCES not allowed;
// -ENOMEM not enough memory for the segment; -EPROTONOSUPPORT the engine has another ABI version;
// -EINVAL options out of bounds or not accepted by the engine; -ETIMEDOUT no answer; -EPROTO an
// answer that makes no sense; or another error of the engine's, with its reason.
int ob_attach(const struct ob_attach_opts *opts, struct ob_host **host);

// Ends the attachment and frees its memory. Finished writes of closed connections still go out;
// connections that were not closed are reset. No channel may be in use by any thread. Waits up to
// a second for the engine to take what was asked last.
void ob_detach(struct ob_host *host);

struct ob_host_info {
	uint32_t host_id; // the engine's number for this host, as shown by outboardctl
	uint32_t channels;
	uint32_t n_open; // channels that are open
	bool hugepages; // the segment lies on hugepages
	bool gone; // the engine is gone
	uint64_t seg_bytes;
	uint64_t features;
};

void ob_host_info(struct ob_host *host, struct ob_host_info *info);

// ---- Channels --------------------------------------------------------------------------------

// Opens a channel for the calling thread. Returns 0, -EPIPE, or -EMFILE when all `channels` that
// were asked for when attaching are open.
int ob_channel_open(struct ob_host *host, struct ob_channel **ch);

// Gives a channel back; its listeners end. Nothing that was asked on it is lost: it waits up to a second
// until the engine has taken everything and all that was sent is acknowledged. The engine brings the
// closed connections to their end by itself; their slots are free at once. A close that lingers is not
// told any more.
// Returns 0; -EBUSY while it has connections that the application has not closed; or -EAGAIN when the
// time is up: some peer has not acknowledged what it was sent, or the engine is busy. In both cases the
// channel stays open, without listeners, and all goes on as it is polled: call again. OB_SO_USER_TIMEOUT
// bounds how long a peer can hold it up, and ob_detach() leaves the rest to the engine.
int ob_channel_close(struct ob_channel *ch);

// The channel's number, from 0.
unsigned int ob_channel_index(const struct ob_channel *ch);

// Tells the engine everything asked so far. Returns 0; -EAGAIN when some of it has to wait for
// room in the request ring (it goes out by the next flush or poll); or -EPIPE.
int ob_flush(struct ob_channel *ch);

// ---- Events ----------------------------------------------------------------------------------

enum ob_app_event_type {
	OB_LISTENING = 1, // a listener is up, or not (error); `port` is the one in use
	OB_ACCEPTED, // a new connection on `listener`
	OB_CONNECTED, // ob_connect() has ended: error 0, or why not (then still ob_close() it)
	OB_READABLE, // more has been received: `bytes` can be read now
	OB_WRITABLE, // after ob_send() gave -EAGAIN: worth trying again
	OB_PEER_CLOSED, // the peer will send no more; what it sent can still be read
	OB_CLOSED, // the connection is over: error 0 in order, or why. ob_close() it
};

// Events are edges: each says what is new since the last, and is not repeated. A reader that does
// not read everything at OB_READABLE must remember that.
struct ob_app_event {
	uint32_t type; // enum ob_app_event_type
	int32_t error;
	ob_conn_t conn; // 0 for OB_LISTENING
	void *user; // the connection's pointer, as set by ob_set_user()
	uint32_t listener; // OB_LISTENING, OB_ACCEPTED
	uint32_t port; // OB_LISTENING
	uint64_t bytes; // OB_READABLE
};

// Flushes, takes what the engine has published and gives up to max events, the oldest first. No
// connection comes twice in one call: one that was closed while its event was handled is not met
// again. What did not fit, and what else there is to say of a connection, comes with the next call.
//
// timeout_us: how long to wait for the first event; 0 for busy pollers: no system call is made.
// Returns the number of events (0: the time is up or a signal came), or -EPIPE when the engine is
// gone and every earlier event has been given, or -ENOMEM (nothing is lost; call again).
int ob_poll(struct ob_channel *ch, struct ob_app_event *events, int max, int64_t timeout_us);

// Waiting in the application's own epoll or poll loop: watch ob_fd() for input; before sleeping
// call ob_arm(), and sleep only when it returns 0; after waking, call ob_poll(), which disarms.
//
//	for (;;) {
//		int n = ob_poll(ch, ev, 64, 0);
//		...
//		if (n == 0 && ob_arm(ch) == 0)
//			epoll_wait(...);
//	}
//
// The descriptor belongs to the channel; it also becomes readable when the engine is gone.
int ob_fd(const struct ob_channel *ch);

// Flushes and asks the engine for a doorbell. Returns 0: nothing is waiting, the descriptor will
// become readable when something is; 1: something is waiting, do not sleep; or -EPIPE.
int ob_arm(struct ob_channel *ch);

// Takes back ob_arm() and empties the descriptor. ob_poll() does the same.
void ob_disarm(struct ob_channel *ch);

// ---- Listening -------------------------------------------------------------------------------

// Settings of connections. What was never set is as the engine's configuration says ([tcp] in
// docs/configuration.md); docs/timers.md has what each timer does. A listener's are those that
// its connections start with; a connection's can be changed at any time, also before it is
// connected, and take effect at once. They outlive an engine: the next one has them.
enum ob_sockopt {
	OB_SO_NODELAY = 1, // 0 or 1: send small segments at once (no Nagle's algorithm)
	OB_SO_QUICKACK, // 0 or 1: acknowledge every segment at once
	// 0 or 1: when nothing was heard of the peer for KEEPALIVE_IDLE, ask it every
	// KEEPALIVE_INTERVAL; KEEPALIVE_COUNT questions without an answer end the connection with
	// -ETIMEDOUT (RFC 9293 section 3.8.4)
	OB_SO_KEEPALIVE,
	OB_SO_KEEPALIVE_IDLE, // seconds, 1 to 32,767
	OB_SO_KEEPALIVE_INTERVAL, // seconds, 1 to 32,767
	OB_SO_KEEPALIVE_COUNT, // 1 to 127
	// Milliseconds, up to 2^31 - 1, in which something of what is to be sent must be acknowledged,
	// or the connection ends with -ETIMEDOUT: also while the peer's window is closed, while
	// connecting, and of a peer that answers no keepalive. 0: RETRIES decides (RFC 5482 section 2)
	OB_SO_USER_TIMEOUT,
	OB_SO_RETRIES, // time-outs in a row that end it with -ETIMEDOUT, 1 to 30 (R2)
	OB_SO_SYN_RETRIES, // SYNs sent again before a connect fails, 1 to 15
	OB_SO_SYNACK_RETRIES, // of a listener: SYN-ACKs sent again, 1 to 15
	OB_SO_INIT_RTO, // microseconds, 1,000 to 60,000,000: before the first measurement
	OB_SO_MIN_RTO, // microseconds, 1,000 to 60,000,000
	OB_SO_MAX_RTO, // microseconds, 1,000,000 to 240,000,000; not below MIN_RTO
	OB_SO_DELACK, // microseconds, 0 to 499,999: longest delay of an acknowledgement
	OB_SO_FIN_TIMEOUT, // milliseconds, 100 to 3,600,000: a closed one waits for the peer's FIN
	OB_SO_INIT_CWND, // segments, 1 to 100: when a connection begins, and after idleness
	// 0 or 1: ob_close() ends within LINGER_TIME, and says how: see there
	OB_SO_LINGER,
	OB_SO_LINGER_TIME, // milliseconds, 0 to 3,600,000; 0: ob_close() resets
	OB_SO_CONGESTION, // a number of ob_congestion(); 0: the engine's
};

// The number of a congestion controller by its name, "newreno" for one, or -ENOENT.
int ob_congestion(const char *name);

struct ob_setting {
	uint32_t option; // enum ob_sockopt
	uint32_t spare; // 0
	uint64_t value;
};

#define OB_SETTINGS_MAX 32u // in one list; what comes later in it wins

struct ob_listen_opts {
	size_t size; // sizeof(struct ob_listen_opts)
	// What accepted connections start with: short for two of the settings.
	uint32_t nodelay;
	uint32_t quickack;
	uint32_t n_settings;
	const struct ob_setting *settings; // the caller's again at once
};

// Accepts connections to `at` (any address and any port are possible) on this channel. backlog:
// handshakes that may be under way at once; 0: the engine's default. opts may be NULL.
//
// Returns the listener's number (0 or more); OB_LISTENING follows, with -EADDRINUSE,
// -EADDRNOTAVAIL (not an address of the engine), -EACCES, -EMFILE or -ENFILE if it failed, after
// which the number is no longer valid. Or -EAGAIN the request ring is full; -ENFILE the channel has no
// listener number left; -EINVAL; -EPIPE.
int ob_listen(struct ob_channel *ch, const struct ob_endpoint *at, unsigned int backlog,
	const struct ob_listen_opts *opts);

// Accepts no more. Connections that the library has taken stay and are still reported; those that
// the engine makes before it hears of this are reset.
// Returns 0, -EBADF or -EPIPE.
int ob_unlisten(struct ob_channel *ch, int listener);

// ---- Connections -----------------------------------------------------------------------------

// Opens a connection to `to`. from: the local address and port, NULL or zero for the engine's
// choice. user: the connection's pointer. *conn is usable at once for ob_setopt() and ob_close(),
// for sending after OB_CONNECTED.
//
// Returns 0 and OB_CONNECTED follows; -EAGAIN the request ring is full; -ENFILE no connect slot is
// free on this channel; -EINVAL; -EPIPE.
int ob_connect(struct ob_channel *ch, const struct ob_endpoint *to, const struct ob_endpoint *from,
	void *user, ob_conn_t *conn);

void ob_set_user(struct ob_channel *ch, ob_conn_t conn, void *user); // ignores a bad conn
void *ob_get_user(struct ob_channel *ch, ob_conn_t conn); // NULL for a bad conn

#define OB_SEND_MORE 0x01u // more follows at once: a segment that is not full may wait for it
#define OB_SEND_PUSH 0x02u // mark the end of these bytes for the peer (PSH)

// Copies up to len bytes to be sent, in the order of the calls; the data is the caller's again at
// once. Writes between two flushes are sent as one.
//
// Peers that do not read cannot take the send arena from the other connections of a channel. A
// connection may have as much of it unacknowledged as stays free, less an eighth of the arena that
// is kept for those with little on their way: they may have 1/256 of what is free, and always one
// block (256 bytes). So one connection alone gets up to 7/16 of its channel's arena, n busy ones
// each about 1/(n + 1). The engine's descriptors (limits.host_pieces, divided evenly among the
// channels) are shared out as well: each block of the arena takes one, small writes share a block,
// and the last eighth is kept for connections that have none.
//
// Returns how many bytes were taken, 1 to len (0 for len 0); -EAGAIN: none, because the connection
// has sndbuf_bytes or its share unacknowledged, and OB_WRITABLE follows; -ENOTCONN not
// connected yet; -ESHUTDOWN after ob_shutdown() or when the connection has ended in order; the
// connection's error when it has ended otherwise; -EBADF; -EPIPE.
ssize_t ob_send(
	struct ob_channel *ch, ob_conn_t conn, const void *data, size_t len, unsigned int flags);

// Copies out and consumes up to len received bytes. Returns how many; 0 at the end of the stream
// (the peer closed and everything was read) or for len 0; -EAGAIN nothing has come yet; -ENOTCONN;
// the connection's error when it has ended otherwise and everything placed was read; -EBADF;
// -EPIPE.
ssize_t ob_recv(struct ob_channel *ch, ob_conn_t conn, void *data, size_t len);

// Shows received bytes where they lie, without copying: fills up to max entries of iov in the
// order of the stream. The memory stays valid and unchanged until it is consumed or the connection
// closed. Returns the number of entries, 0 at the end of the stream, or as ob_recv().
int ob_peek(struct ob_channel *ch, ob_conn_t conn, struct iovec *iov, int max);

// Gives the first len bytes of what ob_peek() shows back. Returns 0, -EINVAL when fewer are there
// (nothing is consumed), -EBADF.
int ob_consume(struct ob_channel *ch, ob_conn_t conn, size_t len);

// No more will be sent: the peer sees the end of the stream behind the last byte. Receiving goes
// on. Returns 0 (again when repeated), -ENOTCONN, -EBADF, -EPIPE.
int ob_shutdown(struct ob_channel *ch, ob_conn_t conn);

// The application is done with the connection; conn is not valid any more and no event of it
// follows. What was sent before still goes out, then a FIN; but when received bytes were not read
// the connection is reset instead (RFC 1122 section 4.2.2.13). Needed for every connection, also after OB_CLOSED and after a failed connect.
//
// With OB_SO_LINGER and a LINGER_TIME of its own, an open connection gets one more event, OB_CLOSED with
// its number and pointer: error 0 when all that was sent is acknowledged; -ETIMEDOUT when that was not
// so within the time, and it was reset; or what ended it before. With a LINGER_TIME of 0 it is reset
// at once.
// Returns 0 or -EBADF.
int ob_close(struct ob_channel *ch, ob_conn_t conn);

// As ob_close(), but resets the connection: what was not acknowledged is dropped.
int ob_abort(struct ob_channel *ch, ob_conn_t conn);

// Changes a setting. Returns 0; -EAGAIN the request ring is full; -EINVAL no such option, or a value
// out of bounds; -ENOMEM; -EBADF; -EPIPE; the connection's error when it is over. Settings are
// kept in combinations, limits.settings of them for all hosts: where there is no room for one
// more, the engine refuses it, which counts in requests_refused, and things stay as they were.
int ob_setopt(struct ob_channel *ch, ob_conn_t conn, enum ob_sockopt option, uint64_t value);
// The value last set, else what its listener had when it was accepted, else the engine's default.
// Returns 0, -EINVAL, -EBADF.
int ob_getopt(struct ob_channel *ch, ob_conn_t conn, enum ob_sockopt option, uint64_t *value);

// The same of a listener, for the connections that it accepts from then on.
int ob_listener_setopt(struct ob_channel *ch, int listener, enum ob_sockopt option, uint64_t value);
int ob_listener_getopt(
	struct ob_channel *ch, int listener, enum ob_sockopt option, uint64_t *value);

#define OB_INFO_WSCALE 0x01u // negotiated: window scale, timestamps, SACK, ECN
#define OB_INFO_TS 0x02u
#define OB_INFO_SACK 0x04u
#define OB_INFO_ECN 0x08u

struct ob_conn_info {
	struct ob_endpoint local;
	struct ob_endpoint remote;
	uint16_t mss; // bytes
	uint16_t opts; // OB_INFO_*
	bool connected; // established, and not over
	bool peer_closed; // the peer will send no more
	bool shut; // ob_shutdown() was called
	int32_t error; // why it is over, or 0
	uint64_t sent; // bytes taken by ob_send()
	uint64_t acked; // of these, acknowledged by the peer
	uint64_t received; // bytes placed in this host's memory
	uint64_t consumed; // of these, read
	uint32_t slot; // as outboardctl shows them
	uint32_t gen;
};

// Returns 0 or -EBADF.
int ob_conn_info(struct ob_channel *ch, ob_conn_t conn, struct ob_conn_info *info);

// ---- Blocking helpers ------------------------------------------------------------------------
// They wait for one thing and leave every other event for ob_poll(). All may also return -EPIPE,
// -EBADF, -EAGAIN when timeout_us is up, and -EINTR when a signal came before.

// Waits for OB_LISTENING. *port, unless NULL: the port in use. Returns 0 or its error.
int ob_listen_wait(struct ob_channel *ch, int listener, uint16_t *port, int64_t timeout_us);
// Waits for a connection on a listener. Returns 0 and *conn.
int ob_accept_wait(struct ob_channel *ch, int listener, ob_conn_t *conn, int64_t timeout_us);
// Waits for OB_CONNECTED. Returns 0 or its error; ob_close() is needed in both cases. An own
// time-out leaves the connection as it is.
int ob_connect_wait(struct ob_channel *ch, ob_conn_t conn, int64_t timeout_us);
// Sends all len bytes. Returns 0 when all are taken (and told to the engine), or an error as
// ob_send(); *sent, unless NULL: how many were taken.
int ob_send_all(struct ob_channel *ch, ob_conn_t conn, const void *data, size_t len,
	unsigned int flags, size_t *sent, int64_t timeout_us);
// As ob_recv(), waiting for at least one byte or the end of the stream.
ssize_t ob_recv_wait(
	struct ob_channel *ch, ob_conn_t conn, void *data, size_t len, int64_t timeout_us);

// ---- Looking inside --------------------------------------------------------------------------

struct ob_channel_stats {
	uint64_t requests; // written to the ring
	uint64_t events; // read from the ring
	uint64_t polls; // calls of ob_poll()
	uint64_t sleeps; // times a thread slept
	uint64_t doorbells_tx; // sent to the engine
	uint64_t doorbells_rx; // received
	uint64_t events_stale; // that were known or for an earlier connection
	uint64_t events_bad; // that made no sense and were ignored
	uint64_t requests_refused; // by the engine
	uint64_t conns; // connections that the application holds
	uint64_t arena_bytes; // of the send arena
	uint64_t arena_used; // of these, in use
};

void ob_channel_stats(const struct ob_channel *ch, struct ob_channel_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
