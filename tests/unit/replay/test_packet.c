// Frames taken apart, built, and streams put together.
#include <pcap/dlt.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/replay/fixture.h"

static const struct path path
	= {{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}, {10, 0, 0, 1}, {10, 0, 0, 2}, 1000, 80};

// A frame with 5 bytes of payload and a timestamp option. Returns its length.
static uint32_t make(uint8_t *frame, bool bad_sum)
{
	struct out_seg o = {.seq = 7,
		.ack = 8,
		.win = 99,
		.flags = TCP_ACK | TCP_PSH,
		.opts = {1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2},
		.n_opts = 12,
		.bad_sum = bad_sum};

	memcpy(frame + build_headers_bytes(&o), "hello", 5);
	return build_frame(&path, &o, 1, frame, 5);
}

static void a_frame(void)
{
	uint8_t frame[200];
	uint32_t n = make(frame, false);
	struct packet p;

	CU_ASSERT(packet_parse(DLT_EN10MB, frame, n, n, &p) == PACKET_TCP);
	CU_ASSERT(p.seq == 7 && p.ack == 8 && p.win == 99 && p.sport == 1000 && p.dport == 80);
	CU_ASSERT(p.payload_bytes == 5 && p.have_bytes == 5 && !memcmp(p.payload, "hello", 5));
	CU_ASSERT(p.n_opts == 12 && p.sum == SUM_RIGHT && p.src[15] == 1 && p.dst[15] == 2);
	n = make(frame, true);
	CU_ASSERT(packet_parse(DLT_EN10MB, frame, n, n, &p) == PACKET_TCP && p.sum == SUM_WRONG);
}

// Every length that a snap length can leave: never read past it.
static void cut_anywhere(void)
{
	uint8_t frame[200];
	uint32_t n = make(frame, false);
	struct packet p;

	for (uint32_t have = 0; have < n; have++) {
		uint8_t *copy = malloc(have ? have : 1);
		enum packet_kind kind;

		memcpy(copy, frame, have);
		kind = packet_parse(DLT_EN10MB, copy, have, n, &p);
		CU_ASSERT(kind == (have < 14 + 20 + 20 ? PACKET_BROKEN : PACKET_TCP));
		if (kind == PACKET_TCP) {
			CU_ASSERT(p.payload_bytes == 5 && p.sum == SUM_UNKNOWN);
			CU_ASSERT(p.have_bytes == (have > 66 ? have - 66 : 0));
			CU_ASSERT(p.opts_cut == (have < 66));
		}
		free(copy);
	}
}

static void broken_headers(void)
{
	static const struct {
		uint32_t at;
		uint8_t value;
		enum packet_kind kind;
	} rows[] = {
		{14, 0x65, PACKET_BROKEN}, // IP version
		{14, 0x44, PACKET_BROKEN}, // IP header length
		{16, 0xff, PACKET_BROKEN}, // total length
		{17, 30, PACKET_BROKEN}, // no room for TCP: the header checksum is wrong, too
		{20, 0x20, PACKET_FRAGMENT},
		{23, 17, PACKET_OTHER},
		{24, 0x77, PACKET_BROKEN}, // IP header checksum
		{46, 0x40, PACKET_BROKEN}, // TCP header length
		{46, 0xf0, PACKET_BROKEN},
		{12, 0x86, PACKET_OTHER},
	};
	uint8_t frame[200];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t n = make(frame, false);
		struct packet p;

		frame[rows[i].at] = rows[i].value;
		CU_ASSERT(packet_parse(DLT_EN10MB, frame, n, n, &p) == rows[i].kind);
	}
}

static void links(void)
{
	static const struct {
		int type;
		uint8_t head[24];
		uint32_t bytes;
	} rows[] = {
		{DLT_EN10MB, {[12] = 0x81, 0, 0, 7, 8, 0}, 18},
		{DLT_EN10MB, {[12] = 0x88, 0xa8, 0, 7, 0x81, 0, 0, 8, 8, 0}, 22},
		{DLT_RAW, {0}, 0},
		{DLT_LINUX_SLL, {[14] = 8, 0}, 16},
		{DLT_LINUX_SLL2, {8, 0}, 20},
		{DLT_NULL, {2, 0, 0, 0}, 4},
		{DLT_NULL, {0, 0, 0, 2}, 4},
		{DLT_LOOP, {0, 0, 0, 2}, 4},
	};
	uint8_t frame[200], other[250];
	uint32_t n = make(frame, false) - 14;
	struct packet p;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memcpy(other, rows[i].head, rows[i].bytes);
		memcpy(other + rows[i].bytes, frame + 14, n);
		CU_ASSERT(
			packet_parse(rows[i].type, other, rows[i].bytes + n, rows[i].bytes + n, &p)
			== PACKET_TCP);
		CU_ASSERT(p.seq == 7 && p.sum == SUM_RIGHT);
	}
	CU_ASSERT(packet_parse(DLT_IEEE802_11, other, n, n, &p) == PACKET_LINK);
}

static void streams(void)
{
	struct stream s = {0};
	int64_t first = -1;

	CU_ASSERT(stream_put(&s, 10, (const uint8_t *)"abcde", 5) == 0);
	CU_ASSERT(stream_put(&s, 0, (const uint8_t *)"01234567", 8) == 0);
	CU_ASSERT(stream_contiguous(&s) == 8 && s.len == 15);
	CU_ASSERT(stream_put(&s, 6, (const uint8_t *)"67??abX", 7) == 1); // the first copy stays
	CU_ASSERT(stream_contiguous(&s) == 15 && !memcmp(s.data, "01234567??abcde", 15));
	CU_ASSERT(stream_claim(&s, 20) == 0 && stream_fill(&s, &first) == 5 && first == 15);
	CU_ASSERT(s.data[17] == stream_made_up(17));
	stream_free(&s);
}

void suite_packet(void)
{
	CU_pSuite s = CU_add_suite("packets", NULL, NULL);

	CU_add_test(s, "a frame", a_frame);
	CU_add_test(s, "cut anywhere", cut_anywhere);
	CU_add_test(s, "broken headers", broken_headers);
	CU_add_test(s, "link layers and VLAN tags", links);
	CU_add_test(s, "streams", streams);
}
