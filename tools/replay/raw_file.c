#include "tools/replay/raw_file.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <string.h>

#include "tools/replay/build.h"

enum {
	MTU = 1500,
	FRAME_BYTES = 14 + MTU,
	SNAPLEN = 65535,
};

struct writer {
	struct raw_file *f;
	struct path path;
	pcap_dumper_t *out;
};

static int write_segment(void *arg, uint64_t number, uint64_t t_ns, const struct packet *p)
{
	struct writer *w = arg;
	struct out_seg o = {.seq = p->seq,
		.ack = p->ack,
		.win = p->win,
		.urg = p->urg,
		.flags = p->flags,
		.tos = p->tos,
		.n_opts = p->n_opts,
		.bad_sum = p->sum == SUM_WRONG};
	uint8_t frame[FRAME_BYTES] = {0};
	struct pcap_pkthdr h = {.ts.tv_sec = (time_t)(t_ns / 1000000000)};
	uint32_t headers;

	memcpy(o.opts, p->opts, p->n_opts);
	headers = build_headers_bytes(&o);
	if (headers + p->payload_bytes > sizeof(frame) || w->f->frames == RAW_FRAMES_MAX) {
		w->f->left_out++;
		return 0;
	}
	memcpy(frame + headers, p->payload, p->have_bytes);
	w->path.from_port = p->sport;
	w->path.to_port = p->dport;
	h.len = h.caplen = build_frame(&w->path, &o, (uint16_t)number, frame, p->payload_bytes);
	pcap_dump((unsigned char *)w->out, &h, frame);
	w->f->frames++;
	w->f->bytes += h.len;
	w->f->damaged += o.bad_sum;
	return 0;
}

int raw_file_write(struct raw_file *f, const char *from, const char *to, const uint8_t mac[6],
	const uint8_t engine[4], const uint8_t peer[4], struct notes *notes, char *err,
	unsigned err_bytes)
{
	struct writer w = {.f = f};
	struct capture_counts counts;
	pcap_t *dead = pcap_open_dead(DLT_EN10MB, SNAPLEN);
	int e;

	*f = (struct raw_file){0};
	w.out = dead ? pcap_dump_open(dead, to) : NULL;
	if (!w.out) {
		snprintf(err, err_bytes, "%s: %s", to, dead ? pcap_geterr(dead) : "out of memory");
		if (dead)
			pcap_close(dead);
		return -EIO;
	}
	memcpy(w.path.to_mac, mac, 6);
	memcpy(w.path.from_mac, (uint8_t[]){0x02, 0x0b, peer[0], peer[1], peer[2], peer[3]}, 6);
	memcpy(w.path.to, engine, 4);
	memcpy(w.path.from, peer, 4);
	e = capture_read(from, notes, &counts, write_segment, &w, err, err_bytes);
	if (!e && !f->frames) {
		snprintf(err, err_bytes, "%llu frames, none of TCP over IPv4 that fits",
			(unsigned long long)counts.frames);
		e = -EINVAL;
	}
	if (!e && pcap_dump_flush(w.out)) {
		snprintf(err, err_bytes, "%s: cannot be written", to);
		e = -EIO;
	}
	pcap_dump_close(w.out);
	pcap_close(dead);
	return e;
}
