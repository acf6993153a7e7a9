#include "tests/unit/net/stations.h"

const uint8_t mac_a[6] = {0x02, 0, 0, 0, 0, 0xaa};
const uint8_t mac_b[6] = {0x02, 0, 0, 0, 0, 0xbb};
const uint8_t everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

int send_to(uint32_t dst, uint16_t mark)
{
	struct rte_mbuf *m = port_alloc(&f.port);
	uint8_t *ip;

	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	ip = (uint8_t *)rte_pktmbuf_append(m, 20);
	memset(ip, 0, 20);
	put16(ip + 4, mark);
	put32(ip + 16, dst);
	return net_output(&f.net, m, rte_cpu_to_be_32(dst));
}

void answer(uint32_t sip, const uint8_t mac[6])
{
	struct frame fr;

	make_arp(&fr, 2, sip, mac, US);
	input(&fr);
}

bool is_request(unsigned i, uint32_t whom, const uint8_t dst[6])
{
	static const uint8_t nobody[6];
	const uint8_t *p;

	if (i >= f.port.n_tx)
		return false;
	p = sent(i);
	return rte_pktmbuf_pkt_len(f.port.tx[i]) == 42 && memcmp(p, dst, 6) == 0
		&& memcmp(p + 6, us_mac, 6) == 0 && get16(p + 12) == 0x0806 && get16(p + 14) == 1
		&& get16(p + 16) == 0x0800 && p[18] == 6 && p[19] == 4 && get16(p + 20) == 1
		&& memcmp(p + 22, us_mac, 6) == 0 && get32(p + 28) == US
		&& memcmp(p + 32, nobody, 6) == 0 && get32(p + 38) == whom;
}

bool is_packet(unsigned i, uint16_t mark, const uint8_t dst[6])
{
	const uint8_t *p;

	if (i >= f.port.n_tx)
		return false;
	p = sent(i);
	return rte_pktmbuf_pkt_len(f.port.tx[i]) == 34 && memcmp(p, dst, 6) == 0
		&& memcmp(p + 6, us_mac, 6) == 0 && get16(p + 12) == 0x0800
		&& get16(p + 18) == mark;
}
