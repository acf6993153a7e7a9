// The command line of outboard-replay.
#ifndef TOOLS_REPLAY_OPTIONS_H
#define TOOLS_REPLAY_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum sides_played {
	PLAY_CLIENT = 1,
	PLAY_SERVER = 2,
	PLAY_BOTH = 3,
};

struct options {
	const char *file; // as messages name it
	const char *path; // what is read: of standard input ("-") the caller makes a copy
	const char *socket; // NULL: the library's default
	const char *interface;
	uint8_t engine[4], peer[4];
	double speed; // 0: as fast as causes allow
	uint32_t copies;
	unsigned sides; // enum sides_played
	uint16_t port; // 0: the captured server's
	double timeout_s; // without any progress
	bool json;
	bool list; // say what is in the file, replay nothing
	int64_t flip_peer, flip_host; // offsets, -1: none
	bool raw;
	double seconds; // of --raw
	const char *engine_program; // of --raw, NULL: beside this program
};

enum options_result {
	OPTIONS_RUN,
	OPTIONS_HELP, // has been printed
	OPTIONS_BAD, // the reason has been printed
};

enum options_result options_parse(struct options *o, int argc, char **argv);

#endif
