#include "tools/replay/build.h"

#include <string.h>

enum {
	ETH = 14,
	IP = 20,
	TCP = 20,
	DONT_FRAGMENT = 0x4000,
	TTL = 64,
	IP_TCP = 6,
	SUM_DAMAGE = 0x5a5a,
};

uint32_t build_headers_bytes(const struct out_seg *o)
{
	return ETH + IP + TCP + o->n_opts;
}

static void build_ip(const struct path *path, uint8_t tos, uint16_t id, uint8_t *ip, uint32_t bytes)
{
	memset(ip, 0, IP);
	ip[0] = 0x45;
	ip[1] = tos;
	put16(ip + 2, (uint16_t)bytes);
	put16(ip + 4, id);
	put16(ip + 6, DONT_FRAGMENT);
	ip[8] = TTL;
	ip[9] = IP_TCP;
	memcpy(ip + 12, path->from, 4);
	memcpy(ip + 16, path->to, 4);
	put16(ip + 10, (uint16_t)~sum_add(0, ip, IP));
}

uint32_t build_frame(const struct path *path, const struct out_seg *o, uint16_t ip_id,
	uint8_t *frame, uint32_t payload_bytes)
{
	uint32_t tcp_bytes = TCP + o->n_opts + payload_bytes;
	uint8_t *ip = frame + ETH, *t = ip + IP;
	uint16_t sum;

	memcpy(frame, path->to_mac, 6);
	memcpy(frame + 6, path->from_mac, 6);
	put16(frame + 12, 0x0800);
	build_ip(path, o->tos, ip_id, ip, IP + tcp_bytes);
	put16(t, path->from_port);
	put16(t + 2, path->to_port);
	put32(t + 4, o->seq);
	put32(t + 8, o->ack);
	t[12] = (uint8_t)((TCP + o->n_opts) / 4 << 4);
	t[13] = o->flags;
	put16(t + 14, o->win);
	put16(t + 16, 0);
	put16(t + 18, o->urg);
	memcpy(t + TCP, o->opts, o->n_opts);
	sum = (uint16_t)~sum_add(sum_add(IP_TCP + tcp_bytes, ip + 12, 8), t, tcp_bytes);
	put16(t + 16, o->bad_sum ? sum ^ SUM_DAMAGE : sum);
	return ETH + IP + tcp_bytes;
}
