// What a run has shown: for people, and as JSON.
#ifndef TOOLS_REPLAY_REPORT_H
#define TOOLS_REPLAY_REPORT_H

#include <stdio.h>

#include "tools/replay/run.h"

void report_text(FILE *out, const struct run *r);
void report_json(FILE *out, const struct run *r);
// What is in the file, session by session.
void report_list(FILE *out, const struct run *r);

#endif
