// Log lines, by rte_log under a type of our own (`--log-level=outboard:debug`). Never on the hot
// path: for starting, stopping and what an operator has to know.
#ifndef ENGINE_BASE_LOG_H
#define ENGINE_BASE_LOG_H

#include <rte_log.h>

// Set once, before main().
extern int outboard_logtype;

#define LOG_LINE(level, format, ...)                                                               \
	rte_log(RTE_LOG_##level, (uint32_t)outboard_logtype, "outboard: " format "\n",             \
		##__VA_ARGS__)
#define log_error(...) LOG_LINE(ERR, __VA_ARGS__)
#define log_warn(...) LOG_LINE(WARNING, __VA_ARGS__)
#define log_info(...) LOG_LINE(INFO, __VA_ARGS__)
#define log_debug(...) LOG_LINE(DEBUG, __VA_ARGS__)

#endif
