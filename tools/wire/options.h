// The command line of outboard-wire.
#ifndef OB_WIRE_OPTIONS_H
#define OB_WIRE_OPTIONS_H

#include <stdint.h>

#include "tools/wire/impair.h"

enum {
	DIR_AB,
	DIR_BA,
	DIRS,
};

struct wire_options {
	const char *interfaces[DIRS]; // the one that direction DIR_AB, DIR_BA comes in from
	const char *stats_path; // NULL: no file
	uint64_t seed;
	struct impair_conf conf[DIRS];
};

enum options_result {
	OPTIONS_RUN,
	OPTIONS_HELP, // help has been printed
	OPTIONS_BAD, // the reason has been printed
};

enum options_result options_parse(struct wire_options *opts, int argc, char **argv);

#endif
