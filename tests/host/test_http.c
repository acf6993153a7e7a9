// Request heads of the example server: what it takes, and that no path leads out of its directory.
#include <CUnit/CUnit.h>
#include <stdlib.h>
#include <string.h>

#include "host_lib/examples/http.h"
#include "tests/host/fake.h"

static int parse(struct http_request *r, const char *text)
{
	size_t len = strlen(text);

	CU_ASSERT_EQUAL_FATAL(http_head_len(text, len), len);
	return http_parse(r, text, len);
}

static void requests(void)
{
	struct http_request r;

	CU_ASSERT_EQUAL(parse(&r, "GET /a%20b/c.txt?q=../x HTTP/1.1\r\nHost: h\r\n\r\n"), 0);
	CU_ASSERT_EQUAL(r.method, HTTP_GET);
	CU_ASSERT_STRING_EQUAL(r.path, "a b/c.txt");
	CU_ASSERT(r.keep_alive);
	CU_ASSERT_EQUAL(parse(&r,
				"PUT //up HTTP/1.1\r\ncontent-length: 100000000 \r\n"
				"EXPECT: 100-Continue\r\nConnection: Close\r\n\r\n"),
		0);
	CU_ASSERT_EQUAL(r.method, HTTP_PUT);
	CU_ASSERT_STRING_EQUAL(r.path, "up");
	CU_ASSERT(r.has_length && r.expects_continue && !r.keep_alive);
	CU_ASSERT_EQUAL(r.length, 100000000);
	CU_ASSERT_EQUAL(parse(&r, "HEAD / HTTP/1.0\r\n\r\n"), 0);
	CU_ASSERT_EQUAL(r.method, HTTP_HEAD);
	CU_ASSERT_FALSE(r.keep_alive);
	CU_ASSERT_EQUAL(parse(&r, "HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), 0);
	CU_ASSERT(r.keep_alive);
	CU_ASSERT_EQUAL(parse(&r, "DELETE /x HTTP/1.1\r\n\r\n"), 0);
	CU_ASSERT_EQUAL(r.method, HTTP_OTHER);
	CU_ASSERT_EQUAL(http_head_len("GET / HTTP/1.1\r\nA: b\r\n\r", 23), 0);
}

static void bad(void)
{
	static const struct {
		const char *head;
		int status;
	} table[] = {
		{"\r\n\r\n", 400},
		{"GET\r\n\r\n", 400},
		{"GET / HTTP/1.1 \r\n\r\n", 400},
		{"GET / HTTP/2.0\r\n\r\n", 505},
		{"GET x HTTP/1.1\r\n\r\n", 400},
		{"GET http://h/ HTTP/1.1\r\n\r\n", 400},
		{"GET /%zz HTTP/1.1\r\n\r\n", 400},
		{"GET /%0 HTTP/1.1\r\n\r\n", 400},
		{"GET /a%00b HTTP/1.1\r\n\r\n", 400},
		{"GET /.. HTTP/1.1\r\n\r\n", 403},
		{"GET /../etc/passwd HTTP/1.1\r\n\r\n", 403},
		{"GET /a/../../b HTTP/1.1\r\n\r\n", 403},
		{"GET /a/.. HTTP/1.1\r\n\r\n", 403},
		{"GET /%2e%2E/b HTTP/1.1\r\n\r\n", 403},
		{"GET /a%2f..%2fb HTTP/1.1\r\n\r\n", 403},
		{"GET /..a/b.. HTTP/1.1\r\n\r\n", 0},
		{"PUT /a HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400},
		{"PUT /a HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
		{"PUT /a HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 400},
		{"PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 501},
		{"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\n: empty\r\n\r\n", 400},
	};
	struct http_request r;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		CU_ASSERT_EQUAL(parse(&r, table[i].head), table[i].status);
}

// Anything at all: no path leads upwards, begins with a slash or is too long.
static void noise(void)
{
	static const char alphabet[] = "GET /..%2fHTP1.\r\n: %00aZ?";
	unsigned int seed = 23;
	bool good = true;

	for (int i = 0; i < 200000; i++) {
		struct http_request r;
		char head[80] = "GET /";
		size_t len = 5;

		while (len < 40)
			head[len++]
				= alphabet[(unsigned int)rand_r(&seed) % (sizeof(alphabet) - 1)];
		memcpy(head + len, " HTTP/1.1\r\n\r\n", 14);
		len = http_head_len(head, len + 13);
		if (http_parse(&r, head, len) == 0)
			good = good && r.path[0] != '/' && strncmp(r.path, "../", 3) != 0
				&& !strstr(r.path, "/../") && strcmp(r.path, "..") != 0;
	}
	CU_ASSERT(good);
}

void suite_http(void)
{
	CU_pSuite s = CU_add_suite("http", NULL, NULL);

	CU_ADD_TEST(s, requests);
	CU_ADD_TEST(s, bad);
	CU_ADD_TEST(s, noise);
}
