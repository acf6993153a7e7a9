// What the files that read a configuration share among themselves.
#ifndef ENGINE_BASE_CONFIG_INTERNAL_H
#define ENGINE_BASE_CONFIG_INTERNAL_H

#include "engine/base/config.h"

// Returns `code`, with a line in `err`.
int __attribute__((format(printf, 4, 5)))
config_fail(char *err, size_t err_bytes, int code, const char *format, ...);

// Decimal digits and nothing else. Returns 0, -EINVAL, or -ERANGE with UINT64_MAX in *out.
int config_parse_number(const char *text, uint64_t *out);

// A number within bounds. Returns 0, or a negative errno with a line that names section and option.
int config_set_number(uint64_t *at, const char *section, const char *name, const char *value,
	uint64_t min, uint64_t max, const char *unit, char *err, size_t err_bytes);

// Sections [user NAME]. Begins one, or finds the one that was begun: its index, or a negative errno
// with a line in `err`.
bool config_user_section(const char *section);
int config_user_begin(struct config *c, const char *section, char *err, size_t err_bytes);
int config_user_set(struct config *c, const char *section, const char *name, const char *value,
	char *err, size_t err_bytes);

#endif
