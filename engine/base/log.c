#include "engine/base/log.h"

RTE_LOG_REGISTER(outboard_logtype, outboard, INFO);
