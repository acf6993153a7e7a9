// The configuration of an engine, expanded from options.def and read by rte_cfgfile.
#ifndef ENGINE_BASE_CONFIG_H
#define ENGINE_BASE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/abi.h"

#define CONFIG_TEXT 256
#define CONFIG_NEIGH_MAX 64
#define CONFIG_USERS_MAX 64
#define CONFIG_USER_NAME 33 // bytes, with the zero
#define CONFIG_PORTS_MAX 16 // ranges

struct config_neigh {
	struct ob_addr addr;
	uint8_t mac[6];
};

struct config_ports {
	uint16_t lo;
	uint16_t hi;
};

// A section [user NAME]: what the hosts of one user may take together.
struct config_user {
	char name[CONFIG_USER_NAME]; // as the file has it
	bool everybody; // [user *]: each user without a section of its own
	bool no_ports;
	uint32_t uid;
	unsigned n_ports; // 0: all of them, unless no_ports
	struct config_ports ports[CONFIG_PORTS_MAX];
#define U(name, def, min, max, unit, doc) uint64_t name;
#include "engine/base/user_options.def"
#undef U
};

// Fields are named section_name: U is uint64_t, B is bool, S is text.
struct config {
#define U(section, name, def, min, max, unit, doc) uint64_t section##_##name;
#define B(section, name, def, doc) bool section##_##name;
#define S(section, name, def, doc) char section##_##name[CONFIG_TEXT];
#include "engine/base/options.def"
#undef U
#undef B
#undef S
	// Derived while loading.
	struct ob_addr addr; // net.address
	uint8_t prefix_len; // its IPv4 prefix length, 0 to 32
	struct ob_addr gateway; // unspecified: none
	bool has_mac;
	uint8_t mac[6]; // port.mac
	unsigned n_neigh;
	struct config_neigh neigh[CONFIG_NEIGH_MAX];
	unsigned n_users;
	struct config_user users[CONFIG_USERS_MAX];
};

// Fills in the defaults.
void config_defaults(struct config *c);

// Reads a file over the defaults. Returns 0, or a negative errno with a line in `err` that names
// file, section, option and reason (unknown section or option, repeated, not a number, out of
// bounds, contradiction). Needs no EAL.
int config_load(struct config *c, const char *path, char *err, size_t err_bytes);

// The same for one option, `section.name`, as tests and command lines use it.
int config_set(struct config *c, const char *section, const char *name, const char *value,
	char *err, size_t err_bytes);

// Checks what concerns several options and fills in the derived fields.
int config_check(struct config *c, char *err, size_t err_bytes);

// The limits of a user: its own section, else [user *], else NULL.
const struct config_user *config_user(const struct config *c, uint32_t uid);
// Whether it may name that local port in a listen or connect. u: NULL has no limits.
bool config_user_port(const struct config_user *u, uint16_t port);

// "10.0.0.1" to the mapped form; IPv6 is refused by name. Returns 0, -EINVAL or -EAFNOSUPPORT.
int config_parse_addr(const char *text, struct ob_addr *out);
int config_parse_mac(const char *text, uint8_t out[6]);

#endif
