// Looking inside a running engine: rows for outboardctl and for DPDK's telemetry.
//
// Everything here runs in the control thread or in a telemetry thread while the core writes. It
// reads single values, relaxed; a record counts only when its life was the same before and after
// the copy. Nothing is written, nothing is waited for, no host memory is touched.
#ifndef ENGINE_HOSTIF_INSPECT_H
#define ENGINE_HOSTIF_INSPECT_H

#include "engine/port/port.h"
#include "engine/tcp/tcp.h"
#include "shared/control.h"

// Table places looked at for one page, so that a question about millions of records comes in parts.
#define INSPECT_SCAN 65536u

// Channels have no message of their own on the control socket.
#define INSPECT_CHANNELS 100u

struct inspect {
	// Set by the caller, constant while anyone can ask; port may be NULL.
	const struct config *cfg;
	const struct tcp *tcp;
	const struct counters *cnt;
	const struct port *port;
	// Fills in what is known of host i, i below limits.hosts. Returns 0, or -ENOENT when there is
	// no such host. Called from the control thread and from telemetry's: it must be safe against a
	// host that goes away meanwhile. May be NULL.
	int (*host_row)(void *ctx, uint32_t i, struct ob_ctl_host *row);
	void *host_ctx;
	uint64_t start_us; // CLOCK_MONOTONIC, set by inspect_init()
};

// What the engine has committed about a channel's rings.
struct inspect_chan {
	uint32_t host;
	uint32_t chan;
	uint32_t requests; // handled, modulo 2^32
	uint32_t events; // published, modulo 2^32
};

// Starts the uptime. The caller has set, or sets afterwards, the other fields.
void inspect_init(struct inspect *in);

// Bytes of a row of enum ob_ctl_what or INSPECT_CHANNELS, 0 when it has no rows.
uint32_t inspect_row_bytes(uint32_t what);

// Writes up to `max` rows from place `cursor` on. Returns their number, which may be 0 before the
// end, and in *next the place to go on from, 0 at the end. -EINVAL: no such rows.
int inspect_rows(const struct inspect *in, uint32_t what, uint32_t cursor, void *rows, uint32_t max,
	uint32_t *next);

// Answers a control message: a struct ob_msg_ctl_page and its rows, in `cap` bytes at `page`.
// Returns its bytes; what cannot be answered has `error` and `reason` in the page. -ENOBUFS: not
// even a page without rows fits. ctx: struct inspect.
int inspect(void *ctx, const struct ob_msg_ctl *q, void *page, size_t cap);

#endif
