// What concerns more than the form of one option: words, addresses, contradictions.
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/config.h"
#include "shared/congestion.h"

#define NO_IPV6 "IPv6 is not supported by this version"

struct report {
	char *err;
	size_t bytes;
};

static int __attribute__((format(printf, 3, 4)))
fail(const struct report *r, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(r->err, r->bytes, format, args);
	va_end(args);
	return code;
}

int config_parse_addr(const char *text, struct ob_addr *out)
{
	struct in6_addr v6;
	uint32_t v4_be;

	if (inet_pton(AF_INET, text, &v4_be) == 1) {
		*out = ob_addr_v4(v4_be);
		return 0;
	}
	return inet_pton(AF_INET6, text, &v6) == 1 ? -EAFNOSUPPORT : -EINVAL;
}

int config_parse_mac(const char *text, uint8_t out[6])
{
	static const char zero[6];

	for (unsigned i = 0; i < 6; i++, text += 3) {
		char pair[3] = {0};

		if (!isxdigit((unsigned char)text[0]) || !isxdigit((unsigned char)text[1]))
			return -EINVAL;
		if (text[2] != (i < 5 ? ':' : '\0'))
			return -EINVAL;
		memcpy(pair, text, 2);
		out[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	// A group address or none at all is no station's.
	return (out[0] & 1) != 0 || memcmp(out, zero, 6) == 0 ? -EINVAL : 0;
}

static bool is_word(const char *text, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strcmp(text, *words) == 0)
			return true;
	return false;
}

static int check_engine(const struct config *c, const struct report *r)
{
	static const char *const idle[] = {"poll", "adaptive", NULL};
	static const char *const memory[] = {"huge", "normal", NULL};
	const char *name = c->engine_instance;

	if (name[0] == '\0' || strlen(name) >= OB_NAME_BYTES || !isalnum((unsigned char)name[0]))
		return fail(r, -EINVAL,
			"engine.instance: \"%s\" is not 1 to %u characters that begin with a "
			"letter "
			"or digit",
			name, OB_NAME_BYTES - 1);
	for (const char *p = name; *p != '\0'; p++)
		if (!isalnum((unsigned char)*p) && strchr("._-", *p) == NULL)
			return fail(r, -EINVAL,
				"engine.instance: \"%s\" has characters other than letters, "
				"digits, '.', '_' and '-'",
				name);
	name = c->engine_socket_mode;
	if (name[0] == '\0' || strlen(name) > 4 || name[strspn(name, "01234567")] != '\0'
		|| strtoul(name, NULL, 8) > 0777)
		return fail(r, -EINVAL,
			"engine.socket_mode: \"%s\" is not an octal mode, 0000 to 0777", name);
	if (!is_word(c->engine_idle, idle))
		return fail(r, -EINVAL, "engine.idle: \"%s\" is neither poll nor adaptive",
			c->engine_idle);
	if (!is_word(c->engine_memory, memory))
		return fail(r, -EINVAL, "engine.memory: \"%s\" is neither huge nor normal",
			c->engine_memory);
	if (c->engine_state_dir[0] != '\0' && c->engine_state_dir[0] != '/')
		return fail(r, -EINVAL, "engine.state_dir: \"%s\" is not an absolute path",
			c->engine_state_dir);
	return 0;
}

static bool is_pci(const char *text)
{
	unsigned domain, bus, device, function;
	int end = 0;

	if (sscanf(text, "%4x:%2x:%2x.%1x%n", &domain, &bus, &device, &function, &end) != 4)
		end = 0;
	if (end == 0 && sscanf(text, "%2x:%2x.%1x%n", &bus, &device, &function, &end) != 3)
		return false;
	return end != 0 && text[end] == '\0';
}

static int check_port(struct config *c, const struct report *r)
{
	uint64_t least = c->port_rx_desc + c->port_tx_desc + c->port_burst;

	if (c->port_vdev[0] == '\0' && c->port_pci[0] == '\0')
		return fail(r, -EINVAL, "port.vdev: neither port.vdev nor port.pci is given");
	if (c->port_vdev[0] != '\0' && c->port_pci[0] != '\0')
		return fail(r, -EINVAL, "port.pci: port.vdev and port.pci exclude each other");
	if (c->port_pci[0] != '\0' && !is_pci(c->port_pci))
		return fail(r, -EINVAL, "port.pci: \"%s\" is not a PCI address like 0000:03:00.0",
			c->port_pci);
	if (c->port_vdev[0] != '\0' && strpbrk(c->port_vdev, " \t") != NULL)
		return fail(r, -EINVAL, "port.vdev: \"%s\" has a blank in it", c->port_vdev);
	c->has_mac = c->port_mac[0] != '\0';
	if (c->has_mac && config_parse_mac(c->port_mac, c->mac) < 0)
		return fail(
			r, -EINVAL, "port.mac: \"%s\" is not a station's MAC address", c->port_mac);
	if (c->port_mbufs < least)
		return fail(r, -EINVAL,
			"port.mbufs: %llu is less than rx_desc + tx_desc + burst = %llu",
			(unsigned long long)c->port_mbufs, (unsigned long long)least);
	return 0;
}

static uint32_t v4(const struct ob_addr *a)
{
	return ntohl(ob_addr_get_v4(a));
}

static uint32_t prefix_mask(const struct config *c)
{
	return c->prefix_len == 0 ? 0 : UINT32_MAX << (32 - c->prefix_len);
}

// Whether an address can be a station's: not 0/8, 127/8, multicast or beyond.
static bool is_host_addr(uint32_t a)
{
	return a >> 24 != 0 && a >> 24 != 127 && a < 0xe0000000;
}

// Whether an address is a station's within our prefix.
static bool is_on_link(const struct config *c, const struct ob_addr *a)
{
	uint32_t host = v4(a) & ~prefix_mask(c);

	if (((v4(a) ^ v4(&c->addr)) & prefix_mask(c)) != 0 || !is_host_addr(v4(a)))
		return false;
	return c->prefix_len >= 31 || (host != 0 && host != ~prefix_mask(c));
}

static int check_address(struct config *c, const struct report *r)
{
	const char *text = c->net_address;
	const char *slash = strchr(text, '/');
	char addr[CONFIG_TEXT];
	char *end;
	unsigned long len;
	int e;

	if (text[0] == '\0')
		return fail(r, -EINVAL, "net.address: not given");
	snprintf(addr, sizeof(addr), "%.*s", slash ? (int)(slash - text) : (int)strlen(text), text);
	e = config_parse_addr(addr, &c->addr);
	if (e == -EAFNOSUPPORT)
		return fail(r, e, "net.address: \"%s\": " NO_IPV6, text);
	if (e < 0 || slash == NULL || !isdigit((unsigned char)slash[1]))
		return fail(r, -EINVAL,
			"net.address: \"%s\" is not an IPv4 address with its prefix length", text);
	len = strtoul(slash + 1, &end, 10);
	if (*end != '\0' || len > 32)
		return fail(r, -EINVAL, "net.address: \"%s\" has a bad prefix length", text);
	c->prefix_len = (uint8_t)len;
	if (!is_on_link(c, &c->addr))
		return fail(r, -EINVAL, "net.address: \"%s\" is no address of a station", text);
	return 0;
}

static int check_net(struct config *c, const struct report *r)
{
	int e = check_address(c, r);

	if (e < 0)
		return e;
	memset(&c->gateway, 0, sizeof(c->gateway));
	if (c->net_gateway[0] != '\0') {
		e = config_parse_addr(c->net_gateway, &c->gateway);
		if (e == -EAFNOSUPPORT)
			return fail(r, e, "net.gateway: \"%s\": " NO_IPV6, c->net_gateway);
		if (e < 0)
			return fail(
				r, e, "net.gateway: \"%s\" is not an IPv4 address", c->net_gateway);
		if (!is_on_link(c, &c->gateway) || ob_addr_eq(&c->gateway, &c->addr))
			return fail(r, -EINVAL, "net.gateway: %s is not another station within %s",
				c->net_gateway, c->net_address);
	}
	for (unsigned i = 0; i < c->n_neigh; i++) {
		const struct ob_addr *a = &c->neigh[i].addr;

		if (!is_on_link(c, a) || ob_addr_eq(a, &c->addr))
			return fail(r, -EINVAL,
				"neighbours.%u.%u.%u.%u: not another station within %s", a->b[12],
				a->b[13], a->b[14], a->b[15], c->net_address);
	}
	if (c->n_neigh > c->net_neigh_max)
		return fail(r, -EINVAL, "net.neigh_max: %llu is less than the %u static neighbours",
			(unsigned long long)c->net_neigh_max, c->n_neigh);
	return 0;
}

static int check_tcp(const struct config *c, const struct report *r)
{
	static const char *const congestion[] = {
#define X(id, number, name) name,
		OB_CC_LIST(X)
#undef X
			NULL};
	static const char *const ecn[] = {"off", "passive", "on", NULL};

	if (c->tcp_port_min > c->tcp_port_max)
		return fail(r, -EINVAL, "tcp.port_min: %llu is above tcp.port_max = %llu",
			(unsigned long long)c->tcp_port_min, (unsigned long long)c->tcp_port_max);
	if (c->tcp_min_rto_us > c->tcp_max_rto_us)
		return fail(r, -EINVAL, "tcp.min_rto_us: %llu is above tcp.max_rto_us = %llu",
			(unsigned long long)c->tcp_min_rto_us,
			(unsigned long long)c->tcp_max_rto_us);
	if (c->tcp_init_rto_us > c->tcp_max_rto_us)
		return fail(r, -EINVAL, "tcp.init_rto_us: %llu is above tcp.max_rto_us = %llu",
			(unsigned long long)c->tcp_init_rto_us,
			(unsigned long long)c->tcp_max_rto_us);
	// A window below the unit that it is told in would look closed for ever.
	if (c->tcp_rcv_wnd >> c->tcp_wscale < 2)
		return fail(r, -EINVAL,
			"tcp.rcv_wnd: %llu bytes are less than two units of tcp.wscale = %llu",
			(unsigned long long)c->tcp_rcv_wnd, (unsigned long long)c->tcp_wscale);
	if (!is_word(c->tcp_congestion_control, congestion))
		return fail(r, -EINVAL,
			"tcp.congestion_control: \"%s\" is not known; there are cubic, newreno "
			"and dctcp",
			c->tcp_congestion_control);
	if (!is_word(c->tcp_ecn, ecn))
		return fail(
			r, -EINVAL, "tcp.ecn: \"%s\" is none of off, passive and on", c->tcp_ecn);
	return 0;
}

int config_check(struct config *c, char *err, size_t err_bytes)
{
	const struct report r = {err, err_bytes};
	int e = check_engine(c, &r);

	if (e == 0)
		e = check_port(c, &r);
	if (e == 0)
		e = check_net(c, &r);
	if (e == 0)
		e = check_tcp(c, &r);
	return e;
}
