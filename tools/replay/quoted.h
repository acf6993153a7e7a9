// Strings of JSON.
#ifndef TOOLS_REPLAY_QUOTED_H
#define TOOLS_REPLAY_QUOTED_H

#include <stdio.h>

// A JSON string, with its quotes. UTF-8 stays; a byte that is none becomes U+FFFD (file names can be anything).
void quoted_print(FILE *out, const char *text);

#endif
