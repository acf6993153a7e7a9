#include "tests/sim/trace.h"

#include <string.h>

#define SECTION 0x0a0d0d0au
#define INTERFACE 1u
#define PACKET 6u
#define ETHERNET 1u
#define OPT_NAME 2u
#define OPT_FLAGS 2u

static void words(FILE *f, const uint32_t *w, size_t n)
{
	fwrite(w, sizeof(*w), n, f);
}

void trace_begin(FILE *f)
{
	const uint32_t w[] = {SECTION, 28, 0x1a2b3c4d, 1, UINT32_MAX, UINT32_MAX, 28};

	words(f, w, sizeof(w) / sizeof(w[0]));
}

void trace_interface(FILE *f, unsigned station)
{
	const uint32_t w[] = {INTERFACE, 36, ETHERNET, 0, OPT_NAME | 8u << 16};
	const uint32_t end[] = {0, 36};
	char name[8] = "station";

	name[6] = (char)('0' + station);
	words(f, w, sizeof(w) / sizeof(w[0]));
	fwrite(name, 1, sizeof(name), f);
	words(f, end, 2);
}

void trace_frame(
	FILE *f, unsigned station, uint64_t now_us, bool in, const uint8_t *frame, uint32_t len)
{
	static const uint8_t zero[4];
	uint32_t pad = (4 - len % 4) % 4, total = 32 + len + pad + 12;
	const uint32_t head[]
		= {PACKET, total, station, (uint32_t)(now_us >> 32), (uint32_t)now_us, len, len};
	const uint32_t tail[] = {OPT_FLAGS | 4u << 16, in ? 1 : 2, 0, total};

	words(f, head, sizeof(head) / sizeof(head[0]));
	fwrite(frame, 1, len, f);
	fwrite(zero, 1, pad, f);
	words(f, tail, sizeof(tail) / sizeof(tail[0]));
}
