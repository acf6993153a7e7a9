#include "engine/base/config.h"

#include <errno.h>
#include <rte_cfgfile.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/config_internal.h"

#define LINE_MAX_BYTES 255 // what rte_cfgfile can hold as a value; it cuts longer ones silently
#define NEIGHBOURS "neighbours"
#define COMMENT '#'

enum option_kind { OPTION_U, OPTION_B, OPTION_S };

struct option {
	const char *section;
	const char *name;
	enum option_kind kind;
	size_t off; // in struct config
	uint64_t def;
	uint64_t min;
	uint64_t max;
	const char *unit;
	const char *text; // default of a string
};

static const struct option options[] = {
#define U(section, name, def, min, max, unit, doc)                                                 \
	{#section, #name, OPTION_U, offsetof(struct config, section##_##name), def, min, max,      \
		unit, NULL},
#define B(section, name, def, doc)                                                                 \
	{#section, #name, OPTION_B, offsetof(struct config, section##_##name), def, 0, 1, "", NULL},
#define S(section, name, def, doc)                                                                 \
	{#section, #name, OPTION_S, offsetof(struct config, section##_##name), 0, 0, 0, "", def},
#include "engine/base/options.def"
#undef U
#undef B
#undef S
};
#define N_OPTIONS (sizeof(options) / sizeof(options[0]))

int config_fail(char *err, size_t err_bytes, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(err, err_bytes, format, args);
	va_end(args);
	return code;
}

void config_defaults(struct config *c)
{
	memset(c, 0, sizeof(*c));
	for (size_t i = 0; i < N_OPTIONS; i++) {
		const struct option *o = &options[i];
		char *at = (char *)c + o->off;

		if (o->kind == OPTION_U)
			memcpy(at, &o->def, sizeof(uint64_t));
		else if (o->kind == OPTION_B)
			*(bool *)at = o->def != 0;
		else
			snprintf(at, CONFIG_TEXT, "%s", o->text);
	}
}

int config_parse_number(const char *text, uint64_t *out)
{
	char *end;

	if (*text == '\0' || text[strspn(text, "0123456789")] != '\0')
		return -EINVAL;
	errno = 0;
	*out = strtoull(text, &end, 10);
	return errno == 0 ? 0 : -ERANGE;
}

static int parse_bool(const char *text, bool *out)
{
	static const char *const yes[] = {"yes", "true", "on", "1"};
	static const char *const no[] = {"no", "false", "off", "0"};

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		*out = strcmp(text, yes[i]) == 0;
		if (*out || strcmp(text, no[i]) == 0)
			return 0;
	}
	return -EINVAL;
}

static int set_neighbour(
	struct config *c, const char *name, const char *value, char *err, size_t err_bytes)
{
	struct config_neigh *n = &c->neigh[c->n_neigh];
	int r;

	if (c->n_neigh == CONFIG_NEIGH_MAX)
		return config_fail(err, err_bytes, -E2BIG,
			NEIGHBOURS ".%s: more than %u neighbours", name, CONFIG_NEIGH_MAX);
	r = config_parse_addr(name, &n->addr);
	if (r == -EAFNOSUPPORT)
		return config_fail(err, err_bytes, r,
			NEIGHBOURS ".%s: IPv6 is not supported by this version", name);
	if (r < 0)
		return config_fail(err, err_bytes, r, NEIGHBOURS ".%s: not an IPv4 address", name);
	r = config_parse_mac(value, n->mac);
	if (r < 0)
		return config_fail(err, err_bytes, r, NEIGHBOURS ".%s: \"%s\" is not a MAC address",
			name, value);
	for (unsigned i = 0; i < c->n_neigh; i++)
		if (ob_addr_eq(&c->neigh[i].addr, &n->addr))
			return config_fail(
				err, err_bytes, -EEXIST, NEIGHBOURS ".%s: given twice", name);
	c->n_neigh++;
	return 0;
}

int config_set_number(uint64_t *at, const char *section, const char *name, const char *value,
	uint64_t min, uint64_t max, const char *unit, char *err, size_t err_bytes)
{
	uint64_t number;

	switch (config_parse_number(value, &number)) {
	case -EINVAL:
		return config_fail(err, err_bytes, -EINVAL, "%s.%s: \"%s\" is not a number",
			section, name, value);
	case -ERANGE:
		number = UINT64_MAX;
	}
	if (number < min || number > max)
		return config_fail(err, err_bytes, -ERANGE,
			"%s.%s: %s is out of bounds, %llu to %llu %s", section, name, value,
			(unsigned long long)min, (unsigned long long)max, unit);
	*at = number;
	return 0;
}

static int set_option(
	struct config *c, const struct option *o, const char *value, char *err, size_t err_bytes)
{
	char *at = (char *)c + o->off;

	switch (o->kind) {
	case OPTION_U:
		return config_set_number((uint64_t *)(void *)at, o->section, o->name, value, o->min,
			o->max, o->unit, err, err_bytes);
	case OPTION_B:
		if (parse_bool(value, (bool *)at) < 0)
			return config_fail(err, err_bytes, -EINVAL,
				"%s.%s: \"%s\" is neither yes nor no", o->section, o->name, value);
		return 0;
	case OPTION_S:
		break;
	}
	if (strlen(value) >= CONFIG_TEXT)
		return config_fail(err, err_bytes, -ENAMETOOLONG, "%s.%s: longer than %u bytes",
			o->section, o->name, CONFIG_TEXT - 1);
	snprintf(at, CONFIG_TEXT, "%s", value);
	return 0;
}

int config_set(struct config *c, const char *section, const char *name, const char *value,
	char *err, size_t err_bytes)
{
	bool known = false;

	if (strcmp(section, NEIGHBOURS) == 0)
		return set_neighbour(c, name, value, err, err_bytes);
	if (config_user_section(section))
		return config_user_set(c, section, name, value, err, err_bytes);
	for (size_t i = 0; i < N_OPTIONS; i++) {
		if (strcmp(options[i].section, section) != 0)
			continue;
		known = true;
		if (strcmp(options[i].name, name) == 0)
			return set_option(c, &options[i], value, err, err_bytes);
	}
	if (!known)
		return config_fail(
			err, err_bytes, -ENOENT, "%s.%s: unknown section", section, name);
	return config_fail(err, err_bytes, -ENOENT, "%s.%s: unknown option", section, name);
}

static bool section_known(const char *section)
{
	for (size_t i = 0; i < N_OPTIONS; i++)
		if (strcmp(options[i].section, section) == 0)
			return true;
	return strcmp(section, NEIGHBOURS) == 0 || config_user_section(section);
}

// What rte_cfgfile skips or cuts without a word: lines that are neither a section nor an option,
// options before the first section, text behind a section, lines that are too long.
static int lint_line(char *line, bool *in_section, const char **reason)
{
	size_t len = strcspn(line, "\r\n");
	char *comment = memchr(line, COMMENT, len);
	char *end;

	if (comment != NULL)
		len = (size_t)(comment - line);
	while (len > 0 && strchr(" \t", line[len - 1]) != NULL)
		len--;
	line[len] = '\0';
	line += strspn(line, " \t");
	*reason = NULL;
	if (*line == '\0')
		return 0;
	if (len > LINE_MAX_BYTES) {
		*reason = "the line is too long";
	} else if (*line == '[') {
		end = strchr(line, ']');
		if (end == NULL || end[1] != '\0' || end == line + 1)
			*reason = "a section is written [name]";
		*in_section = true;
	} else if (strchr(line, '\\') != NULL) {
		*reason = "backslashes have no meaning here";
	} else if (strchr(line, '=') == NULL || *line == '=') {
		*reason = "neither [section] nor name = value";
	} else if (!*in_section) {
		*reason = "an option before the first [section]";
	}
	return *reason == NULL ? 0 : -EINVAL;
}

static int lint(const char *path, char *err, size_t err_bytes)
{
	FILE *f = fopen(path, "re");
	bool in_section = false;
	const char *reason;
	char *line = NULL;
	size_t room = 0;
	ssize_t len;
	int r = 0;

	if (f == NULL)
		return config_fail(err, err_bytes, -errno, "%s: %s", path, strerror(errno));
	errno = 0;
	for (unsigned number = 1; r == 0 && (len = getline(&line, &room, f)) >= 0; number++) {
		if (strlen(line) != (size_t)len)
			r = config_fail(
				err, err_bytes, -EINVAL, "%s:%u: a zero byte", path, number);
		else if (len > 2 * LINE_MAX_BYTES)
			r = config_fail(err, err_bytes, -EINVAL, "%s:%u: the line is too long",
				path, number);
		else if (lint_line(line, &in_section, &reason) < 0)
			r = config_fail(err, err_bytes, -EINVAL, "%s:%u: %s", path, number, reason);
	}
	if (r == 0 && ferror(f))
		r = config_fail(
			err, err_bytes, errno ? -errno : -EIO, "%s: %s", path, strerror(errno));
	free(line);
	fclose(f);
	return r;
}

static int load_section(
	struct config *c, struct rte_cfgfile *file, int index, char *err, size_t err_bytes)
{
	char section[CFG_NAME_LEN];
	int n = rte_cfgfile_section_num_entries_by_index(file, section, index);
	struct rte_cfgfile_entry *e;
	int r = 0;

	if (!section_known(section))
		return config_fail(err, err_bytes, -ENOENT, "[%s]: unknown section", section);
	if (config_user_section(section)) {
		r = config_user_begin(c, section, err, err_bytes);
		if (r < 0)
			return r;
		r = 0;
	}
	if (n <= 0)
		return 0;
	e = calloc((size_t)n, sizeof(*e));
	if (e == NULL)
		return config_fail(err, err_bytes, -ENOMEM, "[%s]: out of memory", section);
	n = rte_cfgfile_section_entries_by_index(file, index, section, e, n);
	for (int i = 0; r == 0 && i < n; i++) {
		for (int j = 0; r == 0 && j < i; j++)
			if (strcmp(e[i].name, e[j].name) == 0)
				r = config_fail(err, err_bytes, -EEXIST, "%s.%s: given twice",
					section, e[i].name);
		if (r == 0)
			r = config_set(c, section, e[i].name, e[i].value, err, err_bytes);
	}
	free(e);
	return r;
}

static int load_file(struct config *c, struct rte_cfgfile *file, char *err, size_t err_bytes)
{
	int n = rte_cfgfile_num_sections(file, NULL, 0);
	char a[CFG_NAME_LEN];
	char b[CFG_NAME_LEN];
	int r = 0;

	for (int i = 0; r == 0 && i < n; i++) {
		rte_cfgfile_section_num_entries_by_index(file, a, i);
		for (int j = 0; j < i; j++) {
			rte_cfgfile_section_num_entries_by_index(file, b, j);
			if (strcmp(a, b) == 0)
				return config_fail(err, err_bytes, -EEXIST, "[%s]: given twice", a);
		}
		r = load_section(c, file, i, err, err_bytes);
	}
	return r == 0 ? config_check(c, err, err_bytes) : r;
}

int config_load(struct config *c, const char *path, char *err, size_t err_bytes)
{
	const struct rte_cfgfile_parameters params = {.comment_character = COMMENT};
	char reason[512];
	struct rte_cfgfile *file;
	int r;

	config_defaults(c);
	r = lint(path, err, err_bytes);
	if (r < 0)
		return r;
	file = rte_cfgfile_load_with_params(path, CFG_FLAG_EMPTY_VALUES, &params);
	if (file == NULL)
		return config_fail(err, err_bytes, -EINVAL, "%s: not a configuration file", path);
	r = load_file(c, file, reason, sizeof(reason));
	rte_cfgfile_close(file);
	if (r < 0)
		return config_fail(err, err_bytes, r, "%s: %s", path, reason);
	return 0;
}
