// The configuration: what is taken, and what is refused with which words.
#include "engine/base/config.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/eal_main.h"

#define PORT "[port]\nvdev = net_null0\n"
#define NET "[net]\naddress = 10.77.0.1/24\n"
#define GOOD PORT NET

static char path[] = "/tmp/ob-config-XXXXXX";

static void write_text(const char *text, size_t len)
{
	FILE *f = fopen(path, "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	CU_ASSERT_EQUAL_FATAL(fwrite(text, 1, len, f), len);
	fclose(f);
}

static int load(struct config *c, const char *text, char *err, size_t err_bytes)
{
	write_text(text, strlen(text));
	err[0] = '\0';
	return config_load(c, path, err, err_bytes);
}

static void good_file(void)
{
	static const uint8_t mac[6] = {0x02, 0x0b, 0x0a, 0x4d, 0x00, 0x01};
	static const uint8_t peer[6] = {0x02, 0, 0, 0, 0, 0xfe};
	struct config c;
	char err[256];

	CU_ASSERT_EQUAL(load(&c,
				"# a comment\n\n"
				"\t[engine]  # another\ninstance = one # and here\nidle=adaptive\n"
				"[port]\r\nvdev = net_null0,size=64\r\nmac = "
				"02:0B:0a:4d:00:01\nmtu = 9000\n"
				"rx_checksum = no\n"
				"[net]\naddress = 10.77.0.1/24\ngateway = 10.77.0.254\n"
				"[neighbours]\n10.77.0.254 = 02:00:00:00:00:fe\n"
				"[tcp]\nsack = off\nmsl2_ms = 10",
				err, sizeof(err)),
		0);
	CU_ASSERT_STRING_EQUAL(err, "");
	CU_ASSERT_STRING_EQUAL(c.engine_instance, "one");
	CU_ASSERT_STRING_EQUAL(c.engine_idle, "adaptive");
	CU_ASSERT_STRING_EQUAL(c.port_vdev, "net_null0,size=64");
	CU_ASSERT_EQUAL(c.port_mtu, 9000);
	CU_ASSERT_FALSE(c.port_rx_checksum);
	CU_ASSERT_FALSE(c.tcp_sack);
	CU_ASSERT_TRUE(c.tcp_timestamps);
	CU_ASSERT_EQUAL(c.tcp_msl2_ms, 10);
	CU_ASSERT_TRUE(c.has_mac);
	CU_ASSERT_EQUAL(memcmp(c.mac, mac, 6), 0);
	CU_ASSERT_EQUAL(c.prefix_len, 24);
	CU_ASSERT_EQUAL(ob_addr_get_v4(&c.addr), htobe32(0x0a4d0001));
	CU_ASSERT_EQUAL(ob_addr_get_v4(&c.gateway), htobe32(0x0a4d00fe));
	CU_ASSERT_EQUAL(c.n_neigh, 1);
	CU_ASSERT_TRUE(ob_addr_eq(&c.neigh[0].addr, &c.gateway));
	CU_ASSERT_EQUAL(memcmp(c.neigh[0].mac, peer, 6), 0);
}

// Each option's default, and each bound: taken at it, refused one past it.
static void every_bound(void)
{
	struct config c;
	char err[256];
	char value[32];

	config_defaults(&c);
#define U(section, name, def, min, max, unit, doc)                                                 \
	CU_ASSERT_EQUAL(c.section##_##name, def);                                                  \
	snprintf(value, sizeof(value), "%llu", (unsigned long long)(max));                         \
	CU_ASSERT_EQUAL(config_set(&c, #section, #name, value, err, sizeof(err)), 0);              \
	CU_ASSERT_EQUAL(c.section##_##name, max);                                                  \
	snprintf(value, sizeof(value), "%llu", (unsigned long long)(max) + 1);                     \
	CU_ASSERT_EQUAL(config_set(&c, #section, #name, value, err, sizeof(err)), -ERANGE);        \
	CU_ASSERT_PTR_NOT_NULL(strstr(err, #section "." #name ": "));                              \
	CU_ASSERT_EQUAL(c.section##_##name, max);                                                  \
	snprintf(value, sizeof(value), "%llu", (unsigned long long)(min));                         \
	CU_ASSERT_EQUAL(config_set(&c, #section, #name, value, err, sizeof(err)), 0);              \
	CU_ASSERT_EQUAL(c.section##_##name, min);                                                  \
	if ((min) > 0) {                                                                           \
		snprintf(value, sizeof(value), "%llu", (unsigned long long)(min)-1);               \
		CU_ASSERT_EQUAL(                                                                   \
			config_set(&c, #section, #name, value, err, sizeof(err)), -ERANGE);        \
	}
#define B(section, name, def, doc)                                                                 \
	CU_ASSERT_EQUAL(c.section##_##name, def);                                                  \
	CU_ASSERT_EQUAL(config_set(&c, #section, #name, "yes", err, sizeof(err)), 0);              \
	CU_ASSERT_TRUE(c.section##_##name);                                                        \
	CU_ASSERT_EQUAL(config_set(&c, #section, #name, "maybe", err, sizeof(err)), -EINVAL);
#define S(section, name, def, doc) CU_ASSERT_STRING_EQUAL(c.section##_##name, def);
#include "engine/base/options.def"
#undef U
#undef B
#undef S
}

static const struct {
	int error;
	const char *text;
	const char *words; // that the message has, behind the file's name
} bad[] = {
	{-ENOENT, GOOD "[colour]\nred = 1\n", "[colour]: unknown section"},
	{-ENOENT, GOOD "[colour]\n", "[colour]: unknown section"},
	{-ENOENT, GOOD "[tcp]\ncolour = 1\n", "tcp.colour: unknown option"},
	{-ENOENT, GOOD "[tcp]\n; mss = 1\n", "tcp.; mss: unknown option"},
	{-EEXIST, GOOD "[tcp]\nmss = 536\nmss = 536\n", "tcp.mss: given twice"},
	{-EEXIST, GOOD "[tcp]\nmss = 536\n[tcp]\nsack = no\n", "[tcp]: given twice"},
	{-EINVAL, GOOD "[tcp]\nmss = lots\n", "tcp.mss: \"lots\" is not a number"},
	{-EINVAL, GOOD "[tcp]\nmss = -1\n", "tcp.mss: \"-1\" is not a number"},
	{-EINVAL, GOOD "[tcp]\nmss = 0x200\n", "tcp.mss: \"0x200\" is not a number"},
	{-EINVAL, GOOD "[tcp]\nmss = 536 bytes\n", "tcp.mss: \"536 bytes\" is not a number"},
	{-EINVAL, GOOD "[tcp]\nmss =\n", "tcp.mss: \"\" is not a number"},
	{-ERANGE, GOOD "[tcp]\nmss = 8961\n", "tcp.mss: 8961 is out of bounds, 64 to 8960 bytes"},
	{-ERANGE, GOOD "[tcp]\nmss = 99999999999999999999\n",
		"tcp.mss: 99999999999999999999 is out"},
	{-EINVAL, GOOD "[tcp]\nsack = perhaps\n", "tcp.sack: \"perhaps\" is neither yes nor no"},
	{-EINVAL, GOOD "[tcp]\nmss 536\n", ":6: neither [section] nor name = value"},
	{-EINVAL, GOOD "[tcp]\n= 536\n", ":6: neither [section] nor name = value"},
	{-EINVAL, "mss = 536\n" GOOD, ":1: an option before the first [section]"},
	{-EINVAL, GOOD "[tcp\nmss = 536\n", ":5: a section is written [name]"},
	{-EINVAL, GOOD "[tcp] mss = 536\n", ":5: a section is written [name]"},
	{-EINVAL, GOOD "[]\n", ":5: a section is written [name]"},
	{-EINVAL, GOOD "[tcp]\ncongestion_control = new\\reno\n", ":6: backslashes"},
	{-EINVAL, NET, "port.vdev: neither port.vdev nor port.pci is given"},
	{-EINVAL, PORT "pci = 03:00.0\n" NET, "port.pci: port.vdev and port.pci exclude"},
	{-EINVAL, "[port]\npci = 3rd slot\n" NET, "port.pci: \"3rd slot\" is not a PCI address"},
	{-EINVAL, "[port]\nvdev = a b\n" NET, "port.vdev: \"a b\" has a blank"},
	{-EINVAL, PORT "mac = 02:00:00:00:00\n" NET, "port.mac: \"02:00:00:00:00\" is not"},
	{-EINVAL, PORT "mac = 02:00:00:00:00:0g\n" NET, "port.mac: "},
	{-EINVAL, PORT "mac = 02:00:00:00:00:00:00\n" NET, "port.mac: "},
	{-EINVAL, PORT "mac = ff:ff:ff:ff:ff:ff\n" NET, "port.mac: "},
	{-EINVAL, PORT "mac = 00:00:00:00:00:00\n" NET, "port.mac: "},
	{-ENOENT, PORT "shared = yes\n" NET, "port.shared: unknown option"},
	{-EINVAL, PORT "mbufs = 1024\n" NET, "port.mbufs: 1024 is less than"},
	{-EINVAL, PORT, "net.address: not given"},
	{-EINVAL, PORT "[net]\naddress = 10.77.0.1\n", "net.address: \"10.77.0.1\" is not an IPv4"},
	{-EINVAL, PORT "[net]\naddress = 10.77.0/24\n", "net.address: \"10.77.0/24\" is not an"},
	{-EINVAL, PORT "[net]\naddress = 10.77.0.1/33\n", "has a bad prefix length"},
	{-EINVAL, PORT "[net]\naddress = 10.77.0.1/2 4\n", "has a bad prefix length"},
	{-EINVAL, PORT "[net]\naddress = 10.77.0.0/24\n", "is no address of a station"},
	{-EINVAL, PORT "[net]\naddress = 10.77.0.255/24\n", "is no address of a station"},
	{-EINVAL, PORT "[net]\naddress = 127.0.0.1/8\n", "is no address of a station"},
	{-EINVAL, PORT "[net]\naddress = 224.0.0.1/4\n", "is no address of a station"},
	{-EAFNOSUPPORT, PORT "[net]\naddress = fd77::1/64\n",
		"net.address: \"fd77::1/64\": IPv6 is not supported by this version"},
	{-EAFNOSUPPORT, GOOD "gateway = fd77::2\n",
		"net.gateway: \"fd77::2\": IPv6 is not supported by this version"},
	{-EINVAL, GOOD "gateway = next door\n", "net.gateway: \"next door\" is not an IPv4"},
	{-EINVAL, GOOD "gateway = 10.78.0.1\n",
		"net.gateway: 10.78.0.1 is not another station within 10.77.0.1/24"},
	{-EINVAL, GOOD "gateway = 10.77.0.1\n", "net.gateway: 10.77.0.1 is not another"},
	{-EINVAL, GOOD "gateway = 10.77.0.255\n", "net.gateway: 10.77.0.255 is not another"},
	{-EAFNOSUPPORT, GOOD "[neighbours]\nfd77::2 = 02:00:00:00:00:02\n",
		"neighbours.fd77::2: IPv6 is not supported by this version"},
	{-EINVAL, GOOD "[neighbours]\npeer = 02:00:00:00:00:02\n",
		"neighbours.peer: not an IPv4 address"},
	{-EINVAL, GOOD "[neighbours]\n10.77.0.2 = 3\n",
		"neighbours.10.77.0.2: \"3\" is not a MAC address"},
	{-EEXIST,
		GOOD "[neighbours]\n10.77.0.2 = 02:00:00:00:00:02\n10.77.0.2 = 02:00:00:00:00:03\n",
		"neighbours.10.77.0.2: given twice"},
	{-EINVAL, GOOD "[neighbours]\n10.78.0.2 = 02:00:00:00:00:02\n",
		"neighbours.10.78.0.2: not another station within"},
	{-ENOENT, GOOD "[user no-such-user]\n", "[user no-such-user]: there is no such user"},
	{-ENOENT, GOOD "[user]\nconns = 1\n", "[user]: unknown section"},
	{-ENOENT, GOOD "[users 0]\nconns = 1\n", "[users 0]: unknown section"},
	{-EEXIST, GOOD "[user root]\n[user 0]\n", "[user 0]: the same user as root"},
	{-EEXIST, GOOD "[user 7]\n[user 7]\n", "[user 7]: given twice"},
	{-ENOENT, GOOD "[user 7]\nfiles = 1\n", "user 7.files: unknown option"},
	{-ERANGE, GOOD "[user 7]\nconns = 0\n", "user 7.conns: 0 is out of bounds, 1 to"},
	{-EEXIST, GOOD "[user 7]\nhosts = 1\nhosts = 2\n", "user 7.hosts: given twice"},
	{-EINVAL, GOOD "[user 7]\nmemory_mb = -1\n", "user 7.memory_mb: \"-1\" is not a number"},
	{-EINVAL, GOOD "[user 7]\nports = 80,\n", "user 7.ports: \"80,\" is neither all, none"},
	{-EINVAL, GOOD "[user 7]\nports =\n", "user 7.ports: \"\" is neither"},
	{-EINVAL, GOOD "[user 7]\nports = 0\n", "user 7.ports: \"0\" is neither"},
	{-EINVAL, GOOD "[user 7]\nports = 1-65536\n", "user 7.ports: \"1-65536\" is neither"},
	{-EINVAL, GOOD "[user 7]\nports = 90-80\n", "user 7.ports: \"90-80\" is neither"},
	{-EINVAL, GOOD "[user 7]\nports = http\n", "user 7.ports: \"http\" is neither"},
	{-EINVAL, GOOD "[engine]\ninstance =\n", "engine.instance: \"\" is not 1 to 31"},
	{-EINVAL, GOOD "[engine]\ninstance = ../etc\n", "engine.instance: \"../etc\" is not"},
	{-EINVAL, GOOD "[engine]\ninstance = a/b\n", "engine.instance: \"a/b\" has characters"},
	{-EINVAL, GOOD "[engine]\ninstance = abcdefghijklmnopqrstuvwxyz012345\n",
		"engine.instance: "},
	{-EINVAL, GOOD "[engine]\nsocket_mode = 0888\n", "engine.socket_mode: \"0888\" is not"},
	{-EINVAL, GOOD "[engine]\nsocket_mode = 1777\n", "engine.socket_mode: "},
	{-EINVAL, GOOD "[engine]\nidle = lazy\n", "engine.idle: \"lazy\" is neither poll nor"},
	{-EINVAL, GOOD "[engine]\nmemory = much\n", "engine.memory: \"much\" is neither huge"},
	{-EINVAL, GOOD "[engine]\nstate_dir = here\n", "engine.state_dir: \"here\" is not"},
	{-EINVAL, GOOD "[tcp]\ncongestion_control = vegas\n",
		"tcp.congestion_control: \"vegas\" is not known"},
	{-EINVAL, GOOD "[tcp]\nwscale = 12\nrcv_wnd = 8191\n",
		"tcp.rcv_wnd: 8191 bytes are less than two units of tcp.wscale = 12"},
	{-EINVAL, GOOD "[tcp]\nport_min = 2000\nport_max = 1999\n",
		"tcp.port_min: 2000 is above tcp.port_max = 1999"},
	{-EINVAL, GOOD "[tcp]\nmin_rto_us = 2000000\nmax_rto_us = 1000000\n",
		"tcp.min_rto_us: 2000000 is above tcp.max_rto_us = 1000000"},
	{-EINVAL, GOOD "[tcp]\ninit_rto_us = 2000000\nmax_rto_us = 1000000\n",
		"tcp.init_rto_us: 2000000 is above tcp.max_rto_us = 1000000"},
};

// Each user has the section of its own, or the one for everybody.
static void users(void)
{
	static const char text[] = GOOD "[user *]\nhosts = 0\n"
					"[user root]\nports = 80 , 8000-8999\nconns = 5\n"
					"[user 7]\nports = none\n[user 8]\nports = all\n";
	const struct config_user *u;
	struct config c;
	char err[512];

	CU_ASSERT_EQUAL_FATAL(load(&c, text, err, sizeof(err)), 0);
	CU_ASSERT_EQUAL(c.n_users, 4);
	u = config_user(&c, 0);
	CU_ASSERT(u->conns == 5 && u->hosts == 1024);
	CU_ASSERT(
		config_user_port(u, 80) && config_user_port(u, 8000) && config_user_port(u, 8999));
	CU_ASSERT(
		!config_user_port(u, 79) && !config_user_port(u, 81) && !config_user_port(u, 9000));
	CU_ASSERT(!config_user_port(config_user(&c, 7), 80));
	CU_ASSERT(config_user_port(config_user(&c, 8), 1));
	CU_ASSERT(config_user(&c, 9)->everybody && config_user(&c, 9)->hosts == 0);
	CU_ASSERT(config_user_port(config_user(&c, 9), 80));
	CU_ASSERT_EQUAL_FATAL(load(&c, GOOD, err, sizeof(err)), 0);
	CU_ASSERT_PTR_NULL(config_user(&c, 0));
	CU_ASSERT(config_user_port(NULL, 80));
}

static void every_refusal(void)
{
	struct config c;
	char err[512];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int r = load(&c, bad[i].text, err, sizeof(err));
		bool good = r == bad[i].error && strncmp(err, path, strlen(path)) == 0
			&& strstr(err + strlen(path), bad[i].words) != NULL;

		if (!good)
			printf("\n%s-> %d (%d) %s\n", bad[i].text, r, bad[i].error, err);
		CU_ASSERT(good);
	}
}

static void odd_files(void)
{
	static const char zero[] = GOOD "[tcp]\nmss = 536\0\n";
	char text[2048];
	char err[512];
	struct config c;

	CU_ASSERT_EQUAL(config_load(&c, "/nonexistent.cfg", err, sizeof(err)), -ENOENT);
	CU_ASSERT_STRING_EQUAL(err, "/nonexistent.cfg: No such file or directory");
	CU_ASSERT_EQUAL(config_load(&c, "/tmp", err, sizeof(err)), -EISDIR);
	write_text(zero, sizeof(zero) - 1);
	CU_ASSERT_EQUAL(config_load(&c, path, err, sizeof(err)), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, ":6: a zero byte"));
	CU_ASSERT_EQUAL(load(&c, "", err, sizeof(err)), -EINVAL);
	// rte_cfgfile would cut a value of this length without a word.
	snprintf(text, sizeof(text), GOOD "[engine]\nstate_dir = /%0300d\n", 0);
	CU_ASSERT_EQUAL(load(&c, text, err, sizeof(err)), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, ":6: the line is too long"));
	snprintf(text, sizeof(text), GOOD "#%01500d\n", 0);
	CU_ASSERT_EQUAL(load(&c, text, err, sizeof(err)), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, ":5: the line is too long"));
	CU_ASSERT_EQUAL(config_set(&c, "engine", "colour", "1", err, sizeof(err)), -ENOENT);
}

static void too_many_neighbours(void)
{
	char text[8192];
	char err[512];
	struct config c;
	int at = snprintf(text, sizeof(text), GOOD "[neighbours]\n");

	for (unsigned i = 0; i < CONFIG_NEIGH_MAX + 1; i++) {
		CU_ASSERT_EQUAL(load(&c, text, err, sizeof(err)), 0);
		CU_ASSERT_EQUAL(c.n_neigh, i);
		at += snprintf(text + at, sizeof(text) - (size_t)at,
			"10.77.0.%u = 02:00:00:00:00:01\n", i + 2);
	}
	CU_ASSERT_EQUAL(load(&c, text, err, sizeof(err)), -E2BIG);
}

static void shipped_files(void)
{
	static const char *const names[] = {"veth.cfg", "nic.cfg", "users.cfg"};
	struct config c;
	char at[512];
	char err[512];

	CU_ASSERT_PTR_NOT_NULL_FATAL(getenv("OB_CONFIGS"));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(at, sizeof(at), "%s/%s", getenv("OB_CONFIGS"), names[i]);
		err[0] = '\0';
		CU_ASSERT_EQUAL(config_load(&c, at, err, sizeof(err)), 0);
		CU_ASSERT_STRING_EQUAL(err, "");
	}
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"a good file", good_file},
		{"every default and bound", every_bound},
		{"users", users},
		{"every refusal", every_refusal},
		{"odd files", odd_files},
		{"too many neighbours", too_many_neighbours},
		{"the shipped configurations", shipped_files},
		CU_TEST_INFO_NULL,
	};
	int fd = mkstemp(path);
	int r;

	if (fd < 0)
		return 1;
	close(fd);
	r = unit_run("config", tests);
	unlink(path);
	return r;
}
