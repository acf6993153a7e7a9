// What the rows of the control protocol hold, said once for tables and for JSON.
#ifndef TOOLS_CTL_FIELDS_H
#define TOOLS_CTL_FIELDS_H

#include <stddef.h>

#include "shared/control.h"

enum field_kind {
	FIELD_ID, // a number as it is
	FIELD_NUMBER, // a count
	FIELD_BYTES,
	FIELD_KB,
	FIELD_US,
	FIELD_FLAG,
	FIELD_TEXT,
	FIELD_ADDR, // in tables with the port that lies at port_off
	FIELD_OPTS, // OB_NEG_*
};

struct field {
	const char *key; // in JSON
	const char *title; // in tables; NULL: left out
	enum field_kind kind;
	uint16_t off;
	uint16_t bytes;
	uint16_t port_off;
};

enum shape {
	SHAPE_ROWS, // many: a table, {"rows": [...]}
	SHAPE_ONE, // one row: lines, one object
	SHAPE_COUNTERS, // struct ob_ctl_counter: lines, one object of values
	SHAPE_NOTHING, // a command: no rows
};

struct table {
	const char *command;
	uint32_t what; // enum ob_ctl_what
	enum shape shape;
	uint32_t row_bytes;
	const struct field *fields;
	unsigned n_fields;
	const char *none; // what to print for no rows
};

// NULL: no such command.
const struct table *table_find(const char *command);

// A numeric field of a row.
uint64_t field_number(const struct field *f, const void *row);

#endif
