#include <CUnit/CUnit.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/host/fake.h"

static void good(void)
{
	struct fake f;
	struct ob_host *h;
	struct ob_host_info info;
	struct ob_channel *ch[4];
	struct ob_attach_opts o;
	struct stat st;
	const struct ob_seg_hdr *hdr;
	char name[300] = "";

	fake_start(&f);
	o = fake_opts(&f);
	o.channels = 3;
	memset(name, 'n', sizeof(name) - 1); // longer than memfd_create() takes
	memcpy(name, "a name that is longer than thirty-one bytes", 43);
	o.name = name;
	CU_ASSERT_EQUAL_FATAL(fake_attach(&f, &o, &h), 0);
	CU_ASSERT_PTR_NULL(ob_seg_layout_check(&f.l));
	CU_ASSERT_EQUAL(fcntl(f.mem_fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW);
	CU_ASSERT_EQUAL_FATAL(fstat(f.mem_fd, &st), 0);
	CU_ASSERT_EQUAL((uint64_t)st.st_size, f.l.seg_bytes);
	// All of it is there.
	CU_ASSERT((uint64_t)st.st_blocks * 512 >= f.l.seg_bytes);
	hdr = (const struct ob_seg_hdr *)f.seg;
	CU_ASSERT_EQUAL(hdr->magic, OB_ABI_MAGIC);
	CU_ASSERT_EQUAL(hdr->abi_version, OB_ABI_VERSION);
	CU_ASSERT_STRING_EQUAL(f.attach.name, "a name that is longer than thir");
	ob_host_info(h, &info);
	CU_ASSERT_EQUAL(info.host_id, 7);
	CU_ASSERT_FALSE(info.gone);
	for (int i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL_FATAL(ob_channel_open(h, &ch[i]), 0);
		CU_ASSERT_EQUAL(ob_channel_index(ch[i]), (unsigned int)i);
	}
	CU_ASSERT_EQUAL(ob_channel_open(h, &ch[3]), -EMFILE);
	CU_ASSERT_EQUAL(ob_channel_close(ch[1]), 0);
	CU_ASSERT_EQUAL(ob_channel_open(h, &ch[3]), 0);
	CU_ASSERT_PTR_EQUAL(ch[3], ch[1]);
	ob_detach(h);
	fake_stop(&f);
}

static void refusals(void)
{
	static const struct {
		enum fake_reply reply;
		int error;
		const char *reason;
	} table[] = {
		{REPLY_ABI, -EPROTONOSUPPORT, "ABI version 1, wanted 2"},
		{REPLY_OTHER_ABI, -EPROTONOSUPPORT, ""},
		{REPLY_LAYOUT, -EINVAL, "size of a ring"},
		{REPLY_GARBAGE, -EPROTO, ""},
		{REPLY_HANG_UP, -ECONNREFUSED, ""},
		{REPLY_FEW_BELLS, -EPROTO, ""},
		{REPLY_EXTRA_BELLS, -EPROTO, ""},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct fake f;
		struct ob_host *h;
		struct ob_attach_opts o;
		char reason[128] = "";
		int fds = dup(0);
		int after;

		close(fds);
		fake_start(&f);
		f.reply = table[i].reply;
		o = fake_opts(&f);
		o.reason = reason;
		o.reason_bytes = sizeof(reason);
		CU_ASSERT_EQUAL(fake_attach(&f, &o, &h), table[i].error);
		CU_ASSERT_STRING_EQUAL(reason, table[i].reason);
		fake_stop(&f);
		// No descriptor is left behind.
		after = dup(0);
		CU_ASSERT_EQUAL(after, fds);
		close(after);
	}
}

static void no_engine(void)
{
	struct ob_attach_opts o;
	struct ob_host *h;
	struct fake f;

	ob_attach_opts_init(&o);
	o.socket = "/tmp/ob-there-is-no-such-socket";
	CU_ASSERT_EQUAL(ob_attach(&o, &h), -ENOENT);
	CU_ASSERT_EQUAL(setenv("OUTBOARD_SOCKET", "/dev/null", 1), 0);
	CU_ASSERT_EQUAL(ob_attach(NULL, &h), -ECONNREFUSED);
	unsetenv("OUTBOARD_SOCKET");
	fake_start(&f);
	close(f.listen_fd);
	o.socket = f.path;
	CU_ASSERT_EQUAL(ob_attach(&o, &h), -ECONNREFUSED);
	f.listen_fd = -1;
	fake_stop(&f);
}

static void bad_options(void)
{
	struct ob_host *h;
	struct fake f;

	fake_start(&f);
#define REFUSED(set)                                                                               \
	do {                                                                                       \
		struct ob_attach_opts o = fake_opts(&f);                                           \
		set;                                                                               \
		CU_ASSERT_EQUAL(ob_attach(&o, &h), -EINVAL);                                       \
	} while (0)
	REFUSED(o.size = 3);
	REFUSED(o.channels = 129);
	REFUSED(o.req_entries = 100);
	REFUSED(o.req_entries = 8);
	REFUSED(o.ev_entries = 1 << 17);
	REFUSED(o.rx_buf_bytes = 100);
	REFUSED(o.rx_buf_bytes = 2 << 20);
	REFUSED(o.rx_bytes = 64);
	REFUSED(o.accept_slots = OB_MAX_SLOTS + 1);
	REFUSED(o.reason_bytes = 5);
	REFUSED(o.tx_bytes = 1ull << 40);
#undef REFUSED
	fake_stop(&f);
}

static void endpoints(void)
{
	static const char *const same[] = {"10.77.0.1:80", "[fd77::1]:443", "0.0.0.0:1"};
	static const char *const bad[] = {"", "10.0.0", "10.0.0.1:", "10.0.0.1:99999", "[fd77::1",
		"[fd77::1]80", "name:80", "10.0.0.1:8x"};
	struct ob_endpoint ep;
	char text[OB_ENDPOINT_TEXT];

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		CU_ASSERT_EQUAL(ob_endpoint_parse(same[i], &ep), 0);
		CU_ASSERT_STRING_EQUAL(ob_endpoint_format(&ep, text), same[i]);
	}
	CU_ASSERT_EQUAL(ob_endpoint_parse("fd77::1", &ep), 0);
	CU_ASSERT_STRING_EQUAL(ob_endpoint_format(&ep, text), "[fd77::1]:0");
	CU_ASSERT_EQUAL(ob_endpoint_parse("*:80", &ep), 0);
	CU_ASSERT_STRING_EQUAL(ob_endpoint_format(&ep, text), "[::]:80");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(ob_endpoint_parse(bad[i], &ep), -EINVAL);
}

static void hugepages(void)
{
	struct fake f;
	struct ob_host *h;
	struct ob_host_info info;
	struct ob_attach_opts o;

	fake_start(&f);
	o = fake_opts(&f);
	o.flags = OB_ATTACH_QUIET;
	CU_ASSERT_EQUAL_FATAL(fake_attach(&f, &o, &h), 0);
	// With or without, according to the machine; the segment is whole either way.
	ob_host_info(h, &info);
	CU_ASSERT_EQUAL(f.l.seg_bytes % (info.hugepages ? 2u << 20 : 4096u), 0);
	f.seg[f.l.seg_bytes - 1] = 1;
	ob_detach(h);
	fake_stop(&f);
}

void suite_attach(void)
{
	CU_pSuite s = CU_add_suite("attach", NULL, NULL);

	CU_ADD_TEST(s, good);
	CU_ADD_TEST(s, refusals);
	CU_ADD_TEST(s, no_engine);
	CU_ADD_TEST(s, bad_options);
	CU_ADD_TEST(s, endpoints);
	CU_ADD_TEST(s, hugepages);
}
