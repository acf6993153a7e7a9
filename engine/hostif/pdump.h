// Packet capture of the engine's port by `dpdk-dumpcap --file-prefix=INSTANCE`.
//
// dumpcap is a DPDK secondary process: it maps the engine's hugepages by name, asks the engine over
// EAL's socket to hook its receive and transmit bursts, and takes copies from a ring. That works
// only when EAL runs with --file-prefix on hugepages that stay linked. A port whose bursts do not
// go through rte_eth_rx_burst() and rte_eth_tx_burst() cannot be captured.
#ifndef ENGINE_HOSTIF_PDUMP_H
#define ENGINE_HOSTIF_PDUMP_H

#include <stddef.h>

// Lets captures begin; EAL is up. Returns 0, -ENOTSUP with a line in `err` that says why this
// engine cannot be captured (it serves all the same), or another negative errno.
int pdump_start(char *err, size_t err_bytes);
void pdump_stop(void);

#endif
