// The head of an HTTP/1.x request (RFC 9112), as far as a file server needs it.
#ifndef OB_EXAMPLES_HTTP_H
#define OB_EXAMPLES_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEAD_BYTES 8192 // longest request head
#define HTTP_PATH_BYTES 1024

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_PUT, HTTP_OTHER };

struct http_request {
	enum http_method method;
	bool keep_alive;
	bool expects_continue;
	bool chunked;
	bool has_length;
	uint64_t length; // of the body
	char path[HTTP_PATH_BYTES]; // decoded, relative, without a query; never leads upwards
};

// Length of the head at the beginning of `text`, its empty line included, or 0 when it is not
// complete.
size_t http_head_len(const char *text, size_t len);

// Parses a complete head. Returns 0 or the status code of what is wrong.
int http_parse(struct http_request *r, const char *head, size_t len);

const char *http_reason(int status);
const char *http_type(const char *path);

#endif
