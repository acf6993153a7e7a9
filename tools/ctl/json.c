#include <inttypes.h>

#include "shared/event.h"
#include "tools/ctl/print.h"
#include "tools/ctl/text.h"

// Not more than `max` bytes. What is not ASCII is replaced: the text is whatever a host chose.
static void put_string(FILE *out, const char *s, size_t max)
{
	fputc('"', out);
	for (size_t i = 0; i < max && s[i] != '\0'; i++) {
		uint8_t c = (uint8_t)s[i];

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < 0x20)
			fprintf(out, "\\u%04x", c);
		else if (c >= 0x7f)
			fputs("\\ufffd", out);
		else
			fputc(c, out);
	}
	fputc('"', out);
}

static void put_opts(FILE *out, uint64_t opts)
{
	static const struct {
		uint64_t bit;
		const char *name;
	} names[] = {{OB_NEG_WSCALE, "wscale"}, {OB_NEG_TS, "ts"}, {OB_NEG_SACK, "sack"},
		{OB_NEG_ECN, "ecn"}};
	const char *sep = "";

	fputc('[', out);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!(opts & names[i].bit))
			continue;
		fprintf(out, "%s\"%s\"", sep, names[i].name);
		sep = ", ";
	}
	fputc(']', out);
}

static void put_field(FILE *out, const struct field *f, const void *row)
{
	const uint8_t *at = (const uint8_t *)row + f->off;
	struct ob_addr addr;
	char text[TEXT_BYTES];

	fprintf(out, "\"%s\": ", f->key);
	switch (f->kind) {
	case FIELD_TEXT:
		put_string(out, (const char *)at, f->bytes);
		break;
	case FIELD_ADDR:
		memcpy(&addr, at, sizeof(addr));
		text_addr(text, &addr);
		put_string(out, text, sizeof(text));
		break;
	case FIELD_OPTS:
		put_opts(out, field_number(f, row));
		break;
	case FIELD_FLAG:
		fputs(field_number(f, row) ? "true" : "false", out);
		break;
	default:
		fprintf(out, "%" PRIu64, field_number(f, row));
	}
}

static void put_row(FILE *out, const struct table *t, const void *row)
{
	fputc('{', out);
	for (unsigned i = 0; i < t->n_fields; i++) {
		if (i > 0)
			fputs(", ", out);
		put_field(out, &t->fields[i], row);
	}
	fputc('}', out);
}

static void put_counters(FILE *out, const struct rows *rows)
{
	const struct ob_ctl_counter *c = (const struct ob_ctl_counter *)rows->at;

	fputc('{', out);
	for (uint32_t i = 0; i < rows->n; i++) {
		if (i > 0)
			fputs(", ", out);
		put_string(out, c[i].name, sizeof(c[i].name));
		fprintf(out, ": %" PRIu64, c[i].value);
	}
	fputc('}', out);
}

void print_json(FILE *out, const struct table *t, const struct rows *rows)
{
	switch (t->shape) {
	case SHAPE_ONE:
		if (rows->n > 0)
			put_row(out, t, rows->at);
		else
			fputs("{}", out);
		break;
	case SHAPE_COUNTERS:
		put_counters(out, rows);
		break;
	default:
		fputs("{\"rows\": [", out);
		for (uint32_t i = 0; i < rows->n; i++) {
			if (i > 0)
				fputs(", ", out);
			put_row(out, t, rows->at + (size_t)i * rows->row_bytes);
		}
		fputs("]}", out);
	}
	fputc('\n', out);
}
