// A host's memory: checked, mapped, and prepared for the core.
#ifndef ENGINE_HOSTIF_ATTACH_H
#define ENGINE_HOSTIF_ATTACH_H

#include "engine/hostif/control.h"

// A host as the control thread knows it.
struct control_host {
	struct hostif_host *core; // the core's between ATTACH and FREED
	struct control_client *client; // NULL: gone
	void *base;
	uint64_t bytes;
	uint64_t page_bytes;
	uint64_t features;
	uint8_t token[16];
	char name[OB_NAME_BYTES];
	pid_t pid;
	uid_t uid;
	bool huge;
	bool registered; // with DPDK
	bool attached; // the core has it, and its client was told
	int bells[OB_MAX_CHANNELS]; // the host's ends, until they are sent; -1: none
};

// Checks the memory behind `fd` and the message, maps it and prepares the host in place `index`.
// Returns 0, or a negative errno with a reason for the client. fd stays the caller's.
int attach_prepare(struct control *c, struct control_host *host, uint32_t index,
	const struct ob_msg_attach *m, int fd, char *reason, size_t reason_bytes);

// Undoes it. The core does not have it, or has given it back.
void attach_undo(struct control *c, struct control_host *host);

#endif
