#include "tools/ctl/text.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>

void text_count(char out[TEXT_BYTES], uint64_t n)
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, n);
	int at = 0;

	for (int i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			out[at++] = ',';
		out[at++] = digits[i];
	}
	out[at] = '\0';
}

void text_bytes(char out[TEXT_BYTES], uint64_t n)
{
	static const char *const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
	double v = (double)n / 1000;
	unsigned u = 0;

	if (n < 1000) {
		snprintf(out, TEXT_BYTES, "%" PRIu64 " B", n);
		return;
	}
	// 999.95 would be printed as 1000.0.
	for (; v >= 999.95 && u < 5; u++)
		v /= 1000;
	snprintf(out, TEXT_BYTES, "%.1f %s", v, units[u]);
}

void text_us(char out[TEXT_BYTES], uint64_t us)
{
	uint64_t s = us / 1000000;

	if (us < 1000)
		snprintf(out, TEXT_BYTES, "%" PRIu64 " us", us);
	else if (us < 999950)
		snprintf(out, TEXT_BYTES, "%.1f ms", (double)us / 1e3);
	else if (us < 59950000)
		snprintf(out, TEXT_BYTES, "%.1f s", (double)us / 1e6);
	else if (s < 3600)
		snprintf(out, TEXT_BYTES, "%" PRIu64 " min %02" PRIu64 " s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(out, TEXT_BYTES, "%" PRIu64 " h %02" PRIu64 " min", s / 3600,
			s % 3600 / 60);
	else
		snprintf(out, TEXT_BYTES, "%" PRIu64 " d %02" PRIu64 " h", s / 86400,
			s % 86400 / 3600);
}

void text_rate(char out[TEXT_BYTES], double per_s)
{
	char number[TEXT_BYTES];

	if (per_s < 99.95) {
		snprintf(out, TEXT_BYTES, "%.1f/s", per_s);
		return;
	}
	text_count(number, (uint64_t)(per_s + 0.5));
	snprintf(out, TEXT_BYTES, "%.40s/s", number);
}

void text_addr(char out[TEXT_BYTES], const struct ob_addr *a)
{
	if (ob_addr_is_v4(a))
		inet_ntop(AF_INET, &a->b[12], out, TEXT_BYTES);
	else
		inet_ntop(AF_INET6, a->b, out, TEXT_BYTES);
}

void text_addr_port(char out[TEXT_BYTES], const struct ob_addr *a, uint16_t port)
{
	char ip[TEXT_BYTES];

	text_addr(ip, a);
	if (ob_addr_is_any(a))
		snprintf(out, TEXT_BYTES, "*:%u", port);
	else
		snprintf(out, TEXT_BYTES, ob_addr_is_v4(a) ? "%.50s:%u" : "[%.50s]:%u", ip, port);
}
