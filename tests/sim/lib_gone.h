#ifndef TESTS_SIM_LIB_GONE_H
#define TESTS_SIM_LIB_GONE_H

struct ob_host;

// What the kernel does for a host's process that was killed.
void lib_gone(struct ob_host *h);

#endif
