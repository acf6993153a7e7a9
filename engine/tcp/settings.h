// Settings of connections, half-open entries and listeners: combinations that are shared.
//
// What an application sets is hard: it is written to a struct settings of the state segment, which
// no one changes afterwards, and one store makes a connection refer to it. What is in force, with the
// configuration's values where nothing was set, is kept in the engine's own memory beside it.
#ifndef ENGINE_TCP_SETTINGS_H
#define ENGINE_TCP_SETTINGS_H

#include "engine/tcp/tcp.h"

// What the configuration says of an option.
uint32_t settings_configured(const struct config *c, unsigned option);

// Takes memory, and over what the state segment says: what it refers to and cannot be right (counted)
// becomes number 0. Returns 0 or -ENOMEM.
int settings_init(struct tcp *t);
void settings_fini(struct tcp *t);

// Makes *ref, the reference of somebody on `host`, mean its present settings with one changed.
// Returns 0, -ENOPROTOOPT, or -ENOBUFS when there is no room for one more combination or the host
// has its share of them.
int settings_change(
	struct tcp *t, uint16_t host, _Atomic uint16_t *ref, unsigned option, uint32_t value);
// A new reference to what `from` means; the end of one, after what held it was freed.
void settings_take(struct tcp *t, _Atomic uint16_t *ref, uint16_t from);
void settings_end(struct tcp *t, _Atomic uint16_t *ref);

// The value in force.
static inline uint32_t setting(const struct tcp *t, const struct tcp_soft *s, enum ob_option option)
{
	return t->settings[s->settings].value[option];
}

static inline uint32_t setting_of(const struct tcp *t, uint32_t id, enum ob_option option)
{
	return t->settings[HARD_GET(t->st->settings_of[id])].value[option];
}

// Of a half-open entry: its own, or its listener's.
uint32_t setting_half(const struct tcp *t, uint32_t id, enum ob_option option);

// Soft state follows the record's settings: when it is made, and when they change.
void settings_apply(struct tcp *t, struct tcp_soft *s);

#endif
