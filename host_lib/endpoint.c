// Addresses as text.
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "host_lib/lib.h"

static int parse_port(const char *text, uint16_t *port)
{
	char *end;
	unsigned long n;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	n = strtoul(text, &end, 10);
	if (*end || n > 65535)
		return -EINVAL;
	*port = (uint16_t)n;
	return 0;
}

int ob_endpoint_parse(const char *text, struct ob_endpoint *ep)
{
	char host[OB_ENDPOINT_TEXT];
	const char *port = NULL;
	struct in6_addr v6;
	struct in_addr v4;
	struct ob_addr a = {0};
	size_t len;

	if (*text == '[') {
		port = strchr(++text, ']');
		if (!port)
			return -EINVAL;
		len = (size_t)(port++ - text);
		if (!*port)
			port = NULL;
		else if (*port++ != ':')
			return -EINVAL;
	} else {
		port = strchr(text, ':');
		if (port && strchr(port + 1, ':'))
			port = NULL; // IPv6 without brackets
		len = port ? (size_t)(port++ - text) : strlen(text);
	}
	if (len >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, len);
	host[len] = 0;
	*ep = (struct ob_endpoint){0};
	if (port && parse_port(port, &ep->port))
		return -EINVAL;
	if (inet_pton(AF_INET, host, &v4) == 1)
		a = ob_addr_v4(v4.s_addr);
	else if (inet_pton(AF_INET6, host, &v6) == 1)
		memcpy(a.b, &v6, 16);
	else if (strcmp(host, "*") != 0)
		return -EINVAL;
	memcpy(ep->addr, a.b, 16);
	return 0;
}

char *ob_endpoint_format(const struct ob_endpoint *ep, char *text)
{
	char host[INET6_ADDRSTRLEN];
	struct ob_addr a;

	memcpy(a.b, ep->addr, 16);
	if (ob_addr_is_v4(&a))
		inet_ntop(AF_INET, &a.b[12], host, sizeof(host));
	else
		inet_ntop(AF_INET6, a.b, host, sizeof(host));
	snprintf(text, OB_ENDPOINT_TEXT, ob_addr_is_v4(&a) ? "%s:%u" : "[%s]:%u", host, ep->port);
	return text;
}
