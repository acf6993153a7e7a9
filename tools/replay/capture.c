#include "tools/replay/capture.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CLOCK_STEP_NS 1000000000ull // by less, frames are out of order

// A clock that is set back does not make time go back: it goes on from where it was, until a frame comes
// whose own time is right again. What is merely out of order is the sessions' business.
static uint64_t steady_time(struct notes *notes, struct capture_counts *c, uint64_t t_ns)
{
	uint64_t at_ns = t_ns + c->set_back_ns;

	if (c->set_back_ns && t_ns >= c->last_ns) {
		c->set_back_ns = 0;
		at_ns = t_ns;
	}
	if (c->frames > 1 && at_ns + CLOCK_STEP_NS < c->last_ns) {
		note(notes, NOTE_CLOCK, c->frames, "the clock goes back by %.3f s",
			(double)(c->last_ns - at_ns) / 1e9);
		c->set_back_ns += c->last_ns - at_ns;
		at_ns = c->last_ns;
	}
	if (at_ns > c->last_ns)
		c->last_ns = at_ns;
	return at_ns;
}

static int frame_read(pcap_t *pcap, const struct pcap_pkthdr *h, const uint8_t *frame,
	struct notes *notes, struct capture_counts *c, capture_fn fn, void *arg)
{
	// The file's precision is nanoseconds, whatever the field is called.
	uint64_t t_ns = steady_time(
		notes, c, (uint64_t)h->ts.tv_sec * 1000000000 + (uint64_t)h->ts.tv_usec);
	struct packet p;

	if (h->caplen > h->len) {
		note(notes, NOTE_FRAME_BROKEN, c->frames, "%u bytes of a frame of %u", h->caplen,
			h->len);
		return 0;
	}
	switch (packet_parse(pcap_datalink(pcap), frame, h->caplen, h->len, &p)) {
	case PACKET_TCP:
		c->tcp_frames++;
		if (p.have_bytes < p.payload_bytes)
			note(notes, NOTE_FRAME_CUT, c->frames,
				"%u of %u bytes of payload are in the file (snap length %d)",
				p.have_bytes, p.payload_bytes, c->snaplen_bytes);
		else if (p.opts_cut)
			note(notes, NOTE_FRAME_CUT, c->frames, "cut within the TCP options");
		return fn(arg, c->frames, t_ns, &p);
	case PACKET_OTHER:
		c->other_frames++;
		break;
	case PACKET_IPV6:
		note(notes, NOTE_IPV6, c->frames, "IPv6");
		break;
	case PACKET_FRAGMENT:
		note(notes, NOTE_FRAGMENT, c->frames, "a fragment of an IP packet");
		break;
	case PACKET_BROKEN:
		note(notes, NOTE_FRAME_BROKEN, c->frames, "%s", p.why);
		break;
	case PACKET_LINK:
		note(notes, NOTE_LINK_UNKNOWN, c->frames, "link type %d (%s)", pcap_datalink(pcap),
			pcap_datalink_val_to_name(pcap_datalink(pcap))
				? pcap_datalink_val_to_name(pcap_datalink(pcap))
				: "no name");
		break;
	}
	return 0;
}

// What a file that is no capture is, where that is known.
static const char *packed_by(const char *path)
{
	static const struct {
		uint8_t begin[4], n;
		const char *text;
	} kinds[] = {{{0x1f, 0x8b}, 2, "packed by gzip: unpack it first (gunzip)"},
		{{0xfd, '7', 'z', 'X'}, 4, "packed by xz: unpack it first (unxz)"},
		{{0x28, 0xb5, 0x2f, 0xfd}, 4, "packed by zstd: unpack it first (unzstd)"},
		{{'B', 'Z', 'h'}, 3, "packed by bzip2: unpack it first (bunzip2)"}};
	FILE *file = fopen(path, "rb");
	uint8_t begin[4];
	size_t n = 0;

	if (!file)
		return NULL;
	n = fread(begin, 1, sizeof(begin), file);
	fclose(file);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (n >= kinds[i].n && !memcmp(begin, kinds[i].begin, kinds[i].n))
			return kinds[i].text;
	return NULL;
}

int capture_copy(int from, char *path, unsigned path_bytes)
{
	FILE *copy = tmpfile();
	char bytes[65536];
	ssize_t n;
	int e;

	if (!copy)
		return -errno;
	do {
		n = read(from, bytes, sizeof(bytes));
		if (n > 0 && fwrite(bytes, 1, (size_t)n, copy) != (size_t)n)
			break;
	} while (n > 0 || (n < 0 && errno == EINTR));
	e = n || fflush(copy) ? -errno : 0;
	if (e) {
		fclose(copy);
		return e;
	}
	// Opened anew each time; open until the process ends.
	snprintf(path, path_bytes, "/dev/fd/%d", fileno(copy));
	return 0;
}

int capture_read(const char *path, struct notes *notes, struct capture_counts *counts,
	capture_fn fn, void *arg, char *err, unsigned err_bytes)
{
	char why[PCAP_ERRBUF_SIZE] = "";
	const unsigned char *frame;
	struct pcap_pkthdr *h;
	pcap_t *pcap;
	int got, e = 0;

	*counts = (struct capture_counts){0};
	pcap = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, why);
	if (!pcap) {
		const char *packed = packed_by(path);
		size_t name = strlen(path);

		// libpcap names the file only where it cannot be opened.
		name = !strncmp(why, path, name) && why[name] == ':' ? name + 2 : 0;
		snprintf(err, err_bytes, "%s", packed ? packed : why + name);
		return -EINVAL;
	}
	counts->snaplen_bytes = pcap_snapshot(pcap);
	while (!e && (got = pcap_next_ex(pcap, &h, &frame)) == 1) {
		counts->frames++;
		e = frame_read(pcap, h, frame, notes, counts, fn, arg);
	}
	// libpcap reads files of one link type and one snap length only.
	if (!e && got == PCAP_ERROR && !strncmp(pcap_geterr(pcap), "an interface has", 16))
		note(notes, NOTE_INTERFACES, counts->frames + 1, "%s", pcap_geterr(pcap));
	else if (!e && got == PCAP_ERROR)
		note(notes, NOTE_FILE_BROKEN, counts->frames + 1, "%s", pcap_geterr(pcap));
	pcap_close(pcap);
	return e;
}
