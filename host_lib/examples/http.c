#include "host_lib/examples/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

size_t http_head_len(const char *text, size_t len)
{
	const char *end = memmem(text, len, "\r\n\r\n", 4);

	return end ? (size_t)(end - text) + 4 : 0;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Decodes a target like "/dir/a%20b?query" into r->path. Returns 0 or a status.
static int decode_path(struct http_request *r, const char *p, size_t len)
{
	size_t n = 0;

	if (len == 0 || *p != '/')
		return 400;
	while (len && *p == '/') {
		p++;
		len--;
	}
	for (size_t i = 0; i < len && p[i] != '?' && p[i] != '#'; i++) {
		int c = (unsigned char)p[i];

		if (c == '%') {
			if (i + 2 >= len || hex(p[i + 1]) < 0 || hex(p[i + 2]) < 0)
				return 400;
			c = hex(p[i + 1]) << 4 | hex(p[i + 2]);
			i += 2;
		}
		if (c < 0x20 || n + 1 >= sizeof(r->path))
			return c < 0x20 ? 400 : 414;
		r->path[n++] = (char)c;
	}
	r->path[n] = 0;
	// No component may be "..": the path stays below the root.
	for (const char *at = r->path; at; at = strchr(at, '/')) {
		at += *at == '/';
		if (strncmp(at, "..", 2) == 0 && (at[2] == '/' || at[2] == 0))
			return 403;
		if (!strchr(at, '/'))
			break;
	}
	return 0;
}

static bool has_token(const char *value, size_t len, const char *token)
{
	size_t n = strlen(token);

	for (size_t i = 0; i + n <= len; i++)
		if (strncasecmp(value + i, token, n) == 0)
			return true;
	return false;
}

static int parse_length(struct http_request *r, const char *value, size_t len)
{
	if (len == 0 || len > 18 || r->has_length)
		return 400;
	for (size_t i = 0; i < len; i++) {
		if (value[i] < '0' || value[i] > '9')
			return 400;
		r->length = r->length * 10 + (uint64_t)(value[i] - '0');
	}
	r->has_length = true;
	return 0;
}

static int parse_field(struct http_request *r, const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len);
	const char *value;
	size_t name_len;

	if (!colon || colon == line)
		return 400;
	name_len = (size_t)(colon - line);
	value = colon + 1;
	len -= name_len + 1;
	while (len && (*value == ' ' || *value == '\t')) {
		value++;
		len--;
	}
	while (len && (value[len - 1] == ' ' || value[len - 1] == '\t'))
		len--;
#define IS(name) (name_len == sizeof(name) - 1 && strncasecmp(line, name, name_len) == 0)
	if (IS("content-length"))
		return parse_length(r, value, len);
	if (IS("transfer-encoding"))
		r->chunked = true;
	else if (IS("expect"))
		r->expects_continue = has_token(value, len, "100-continue");
	else if (IS("connection") && has_token(value, len, "close"))
		r->keep_alive = false;
	else if (IS("connection") && has_token(value, len, "keep-alive"))
		r->keep_alive = true;
#undef IS
	return 0;
}

static int parse_request_line(struct http_request *r, const char *line, size_t len)
{
	const char *space = memchr(line, ' ', len);
	const char *target;
	const char *version;
	size_t method_len;

	if (!space)
		return 400;
	method_len = (size_t)(space - line);
	target = space + 1;
	version = memchr(target, ' ', len - method_len - 1);
	if (!version || line + len - version != 9 || strncmp(version, " HTTP/", 6) != 0)
		return 400;
	if (version[6] != '1' || version[7] != '.')
		return 505;
	r->keep_alive = version[8] != '0';
	r->method = method_len == 3 && memcmp(line, "GET", 3) == 0 ? HTTP_GET
		: method_len == 4 && memcmp(line, "HEAD", 4) == 0  ? HTTP_HEAD
		: method_len == 3 && memcmp(line, "PUT", 3) == 0   ? HTTP_PUT
								   : HTTP_OTHER;
	return decode_path(r, target, (size_t)(version - target));
}

int http_parse(struct http_request *r, const char *head, size_t len)
{
	const char *end = memmem(head, len, "\r\n", 2);
	const char *line = head;
	int status;

	*r = (struct http_request){.method = HTTP_OTHER};
	status = parse_request_line(r, line, (size_t)(end - line));
	while (!status) {
		line = end + 2;
		end = memmem(line, (size_t)(head + len - line), "\r\n", 2);
		if (!end || end == line)
			break;
		status = parse_field(r, line, (size_t)(end - line));
	}
	if (!status && r->chunked)
		return 501;
	return status;
}

const char *http_reason(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 201:
		return "Created";
	case 400:
		return "Bad Request";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 411:
		return "Length Required";
	case 414:
		return "URI Too Long";
	case 431:
		return "Request Header Fields Too Large";
	case 501:
		return "Not Implemented";
	case 505:
		return "HTTP Version Not Supported";
	case 507:
		return "Insufficient Storage";
	default:
		return "Internal Server Error";
	}
}

const char *http_type(const char *path)
{
	const char *dot = strrchr(path, '.');

	if (dot && strcmp(dot, ".html") == 0)
		return "text/html";
	if (dot && strcmp(dot, ".txt") == 0)
		return "text/plain";
	return "application/octet-stream";
}
