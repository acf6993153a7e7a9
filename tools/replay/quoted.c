#include "tools/replay/quoted.h"

#include <stdint.h>

// How many bytes the character takes that begins here, 0 when it is no UTF-8 (RFC 3629).
static unsigned character(const unsigned char *c)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned n = c[0] < 0x80  ? 1
		: c[0] >> 5 == 6  ? 2
		: c[0] >> 4 == 14 ? 3
		: c[0] >> 3 == 30 ? 4
				  : 0;
	uint32_t code = n > 1 ? c[0] & (0x7fu >> n) : c[0];

	for (unsigned i = 1; i < n; i++) {
		if (c[i] >> 6 != 2) // the end of the text, too
			return 0;
		code = code << 6 | (c[i] & 0x3f);
	}
	if (n && (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)))
		return 0;
	return n;
}

void quoted_print(FILE *out, const char *text)
{
	const unsigned char *c = (const unsigned char *)text;

	fputc('"', out);
	while (*c) {
		unsigned n = character(c);

		if (!n)
			fputs("\\ufffd", out);
		else if (*c == '"' || *c == '\\')
			fprintf(out, "\\%c", *c);
		else if (*c < ' ' || *c == 0x7f)
			fprintf(out, "\\u%04x", *c);
		else
			fwrite(c, 1, n, out);
		c += n ? n : 1;
	}
	fputc('"', out);
}
