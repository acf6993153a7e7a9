// Sections [user NAME]: what one user may take of the engine.
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/config_internal.h"

#define PREFIX "user "
#define EVERYBODY "*"

bool config_user_section(const char *section)
{
	return strncmp(section, PREFIX, strlen(PREFIX)) == 0;
}

static const char *name_of(const char *section)
{
	const char *name = section + strlen(PREFIX);

	return name + strspn(name, " \t");
}

// A number is a user's, whether or not it has a name.
static int find_uid(const char *name, uint32_t *uid)
{
	const struct passwd *p;
	uint64_t number;

	if (config_parse_number(name, &number) == 0 && number < UINT32_MAX) {
		*uid = (uint32_t)number;
		return 0;
	}
	p = strlen(name) < CONFIG_USER_NAME ? getpwnam(name) : NULL;
	if (p == NULL)
		return -ENOENT;
	*uid = p->pw_uid;
	return 0;
}

static void defaults(struct config_user *u)
{
#define U(name, def, min, max, unit, doc) u->name = (def);
#include "engine/base/user_options.def"
#undef U
}

int config_user_begin(struct config *c, const char *section, char *err, size_t err_bytes)
{
	const char *name = name_of(section);
	struct config_user u = {.uid = UINT32_MAX};

	snprintf(u.name, sizeof(u.name), "%.*s", CONFIG_USER_NAME - 1, name);
	for (unsigned i = 0; i < c->n_users; i++)
		if (strcmp(c->users[i].name, u.name) == 0)
			return (int)i;
	if (c->n_users == CONFIG_USERS_MAX)
		return config_fail(err, err_bytes, -E2BIG, "[%s]: more than %u users", section,
			CONFIG_USERS_MAX);
	u.everybody = strcmp(name, EVERYBODY) == 0;
	if (!u.everybody && find_uid(name, &u.uid) < 0)
		return config_fail(err, err_bytes, -ENOENT, "[%s]: there is no such user", section);
	for (unsigned i = 0; i < c->n_users; i++)
		if (c->users[i].uid == u.uid)
			return config_fail(err, err_bytes, -EEXIST, "[%s]: the same user as %s",
				section, c->users[i].name);
	defaults(&u);
	c->users[c->n_users] = u;
	return (int)c->n_users++;
}

// "80" or "8000-8999", up to *end. Returns 0 or -EINVAL.
static int parse_range(const char *text, size_t len, struct config_ports *out)
{
	char one[32];
	char *dash;
	uint64_t lo, hi;

	if (len >= sizeof(one))
		return -EINVAL;
	memcpy(one, text, len);
	one[len] = '\0';
	dash = strchr(one, '-');
	if (dash != NULL)
		*dash++ = '\0';
	if (config_parse_number(one, &lo) < 0 || config_parse_number(dash ? dash : one, &hi) < 0
		|| lo < 1 || hi > UINT16_MAX || lo > hi)
		return -EINVAL;
	*out = (struct config_ports){(uint16_t)lo, (uint16_t)hi};
	return 0;
}

static int set_ports(struct config_user *u, const char *value)
{
	u->n_ports = 0;
	u->no_ports = strcmp(value, "none") == 0;
	if (u->no_ports || strcmp(value, "all") == 0)
		return 0;
	for (const char *p = value;; p++) {
		const char *end;
		size_t len;

		p += strspn(p, " \t");
		len = strcspn(p, ",");
		end = p + len;
		while (len > 0 && strchr(" \t", p[len - 1]) != NULL)
			len--;
		if (u->n_ports == CONFIG_PORTS_MAX)
			return -E2BIG;
		if (parse_range(p, len, &u->ports[u->n_ports++]) < 0)
			return -EINVAL;
		if (*end == '\0')
			return 0;
		p = end;
	}
}

int config_user_set(struct config *c, const char *section, const char *name, const char *value,
	char *err, size_t err_bytes)
{
	int i = config_user_begin(c, section, err, err_bytes);
	struct config_user *u;

	if (i < 0)
		return i;
	u = &c->users[i];
#define U(option, def, min, max, unit, doc)                                                        \
	if (strcmp(name, #option) == 0)                                                            \
		return config_set_number(                                                          \
			&u->option, section, name, value, min, max, unit, err, err_bytes);
#include "engine/base/user_options.def"
#undef U
	if (strcmp(name, "ports") != 0)
		return config_fail(err, err_bytes, -ENOENT, "%s.%s: unknown option", section, name);
	switch (set_ports(u, value)) {
	case 0:
		return 0;
	case -E2BIG:
		return config_fail(err, err_bytes, -E2BIG, "%s.ports: more than %u ranges", section,
			CONFIG_PORTS_MAX);
	default:
		return config_fail(err, err_bytes, -EINVAL,
			"%s.ports: \"%s\" is neither all, none nor a list like 80,8000-8999",
			section, value);
	}
}

const struct config_user *config_user(const struct config *c, uint32_t uid)
{
	const struct config_user *found = NULL;

	for (unsigned i = 0; i < c->n_users; i++) {
		if (c->users[i].everybody)
			found = found ? found : &c->users[i];
		else if (c->users[i].uid == uid)
			found = &c->users[i];
	}
	return found;
}

bool config_user_port(const struct config_user *u, uint16_t port)
{
	if (u == NULL || (u->n_ports == 0 && !u->no_ports))
		return true;
	for (unsigned i = 0; i < u->n_ports; i++)
		if (port >= u->ports[i].lo && port <= u->ports[i].hi)
			return true;
	return false;
}
