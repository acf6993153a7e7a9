#include "engine/base/counters.h"

const struct counter_info counter_info[COUNTERS] = {
#define X(name, doc) {#name, doc},
#include "shared/counters.def"
#undef X
};
