#include <stdlib.h>

#include "shared/event.h"
#include "tools/ctl/print.h"
#include "tools/ctl/text.h"

static bool is_left(const struct field *f)
{
	return f->kind == FIELD_TEXT || f->kind == FIELD_ADDR || f->kind == FIELD_OPTS;
}

static bool is_count(const struct field *f)
{
	return f->kind == FIELD_NUMBER || f->kind == FIELD_BYTES;
}

static void plain_text(char out[TEXT_BYTES], const char *s, size_t max)
{
	size_t i;

	for (i = 0; i < max && i < TEXT_BYTES - 1 && s[i] != '\0'; i++)
		out[i] = (char)(s[i] >= ' ' && s[i] <= '~' ? s[i] : '?');
	out[i] = '\0';
}

static void opts_text(char out[TEXT_BYTES], uint64_t opts)
{
	snprintf(out, TEXT_BYTES, "%s%s%s%s", opts & OB_NEG_WSCALE ? "wscale " : "",
		opts & OB_NEG_TS ? "ts " : "", opts & OB_NEG_SACK ? "sack " : "",
		opts & OB_NEG_ECN ? "ecn " : "");
	if (out[0] != '\0')
		out[strlen(out) - 1] = '\0';
}

static void field_text(char out[TEXT_BYTES], const struct field *f, const void *row)
{
	const uint8_t *at = (const uint8_t *)row + f->off;
	struct ob_addr addr;
	uint16_t port;

	switch (f->kind) {
	case FIELD_ID:
		snprintf(out, TEXT_BYTES, "%llu", (unsigned long long)field_number(f, row));
		break;
	case FIELD_NUMBER:
		text_count(out, field_number(f, row));
		break;
	case FIELD_BYTES:
		text_bytes(out, field_number(f, row));
		break;
	case FIELD_KB:
		text_bytes(out, field_number(f, row) * 1024);
		break;
	case FIELD_US:
		text_us(out, field_number(f, row));
		break;
	case FIELD_FLAG:
		snprintf(out, TEXT_BYTES, "%s", field_number(f, row) ? "yes" : "no");
		break;
	case FIELD_TEXT:
		plain_text(out, (const char *)at, f->bytes);
		break;
	case FIELD_ADDR:
		memcpy(&addr, at, sizeof(addr));
		memcpy(&port, (const uint8_t *)row + f->port_off, sizeof(port));
		text_addr_port(out, &addr, port);
		break;
	case FIELD_OPTS:
		opts_text(out, field_number(f, row));
		break;
	}
}

static int wider(int have, const char *text)
{
	int len = (int)strlen(text);

	return len > have ? len : have;
}

static void put_cell(FILE *out, const char *text, int width, bool left, bool last)
{
	if (last && left)
		fputs(text, out);
	else
		fprintf(out, left ? "%-*s" : "%*s", width, text);
	fputs(last ? "\n" : "  ", out);
}

static void put_line(
	FILE *out, const struct table *t, const int *width, unsigned last, const void *row)
{
	for (unsigned i = 0; i <= last; i++) {
		const struct field *f = &t->fields[i];
		char text[TEXT_BYTES];

		if (f->title == NULL)
			continue;
		if (row != NULL)
			field_text(text, f, row);
		else
			snprintf(text, sizeof(text), "%s", f->title);
		put_cell(out, text, width[i], is_left(f), i == last);
	}
}

#define MAX_FIELDS 32

static void put_table(FILE *out, const struct table *t, const struct rows *rows)
{
	int width[MAX_FIELDS] = {0};
	unsigned last = 0;

	if (rows->n == 0) {
		fprintf(out, "%s\n", t->none);
		return;
	}
	for (unsigned i = 0; i < t->n_fields && i < MAX_FIELDS; i++) {
		if (t->fields[i].title == NULL)
			continue;
		last = i;
		width[i] = wider(0, t->fields[i].title);
		for (uint32_t r = 0; r < rows->n; r++) {
			char text[TEXT_BYTES];

			field_text(text, &t->fields[i], rows->at + (size_t)r * rows->row_bytes);
			width[i] = wider(width[i], text);
		}
	}
	put_line(out, t, width, last, NULL);
	for (uint32_t r = 0; r < rows->n; r++)
		put_line(out, t, width, last, rows->at + (size_t)r * rows->row_bytes);
}

// What a count gained, by the second.
static void rate_text(char out[TEXT_BYTES], uint64_t now, uint64_t before, double seconds)
{
	out[0] = '\0';
	if (now > before && seconds > 0)
		text_rate(out, (double)(now - before) / seconds);
}

static void put_one(FILE *out, const struct table *t, const struct rows *rows,
	const struct rows *before, double seconds)
{
	char text[TEXT_BYTES];
	char rate[TEXT_BYTES];
	int titles = 0;
	int values = 0;

	if (rows->n == 0)
		return;
	for (unsigned i = 0; i < t->n_fields; i++) {
		field_text(text, &t->fields[i], rows->at);
		titles = wider(titles, t->fields[i].title);
		if (!is_left(&t->fields[i]))
			values = wider(values, text);
	}
	for (unsigned i = 0; i < t->n_fields; i++) {
		const struct field *f = &t->fields[i];

		field_text(text, f, rows->at);
		rate[0] = '\0';
		if (before != NULL && before->n > 0 && is_count(f))
			rate_text(rate, field_number(f, rows->at), field_number(f, before->at),
				seconds);
		fprintf(out, is_left(f) ? "%-*s  %-*s" : "%-*s  %*s", titles, f->title,
			is_left(f) ? 0 : values, text);
		fprintf(out, rate[0] ? "  %s\n" : "%s\n", rate);
	}
}

static void put_counters(
	FILE *out, const struct rows *rows, const struct rows *before, double seconds, bool all)
{
	const struct ob_ctl_counter *c = (const struct ob_ctl_counter *)rows->at;
	const struct ob_ctl_counter *old = NULL;
	char text[TEXT_BYTES];
	char rate[TEXT_BYTES];
	int names = 0;
	int values = 0;
	uint32_t quiet = 0;

	if (before != NULL && before->n == rows->n)
		old = (const struct ob_ctl_counter *)before->at;
	for (uint32_t i = 0; i < rows->n; i++) {
		plain_text(text, c[i].name, sizeof(c[i].name));
		names = c[i].value || all ? wider(names, text) : names;
		text_count(text, c[i].value);
		values = wider(values, text);
	}
	for (uint32_t i = 0; i < rows->n; i++) {
		if (c[i].value == 0 && !all) {
			quiet++;
			continue;
		}
		plain_text(text, c[i].name, sizeof(c[i].name));
		fprintf(out, "%-*s  ", names, text);
		text_count(text, c[i].value);
		fprintf(out, "%*s  ", values, text);
		if (old != NULL) {
			rate_text(rate, c[i].value, old[i].value, seconds);
			fprintf(out, "%13s  ", rate);
		}
		fprintf(out, "%.*s\n", (int)sizeof(c[i].doc), c[i].doc);
	}
	if (quiet > 0)
		fprintf(out, "%u more are 0 (--all shows them)\n", quiet);
}

void print_people(FILE *out, const struct table *t, const struct rows *rows,
	const struct rows *before, double seconds, bool all)
{
	switch (t->shape) {
	case SHAPE_ONE:
		put_one(out, t, rows, before, seconds);
		break;
	case SHAPE_COUNTERS:
		put_counters(out, rows, before, seconds, all);
		break;
	case SHAPE_ROWS:
		put_table(out, t, rows);
		break;
	case SHAPE_NOTHING:
		fputs("done\n", out);
		break;
	}
}
