// EAL's arguments, and clearing what a killed engine left.
#include "engine/base/eal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/eal_main.h"

static char text[8192];

// The arguments as one line.
static const char *args(const struct config *cfg, int n, char *const *extra, int want)
{
	struct eal_args a;
	char err[256];

	text[0] = '\0';
	CU_ASSERT_EQUAL(eal_args_make(&a, cfg, n, extra, err, sizeof(err)), want);
	if (want < 0)
		return strcpy(text, err);
	CU_ASSERT_PTR_NULL(a.argv[a.argc]);
	for (int i = 0; i < a.argc; i++)
		sprintf(text + strlen(text), i ? " %s" : "%s", a.argv[i]);
	return text;
}

static void arguments(void)
{
	char *extra[] = {"--no-huge", "-m", "512", "-l", "0", "--file-prefix=other"};
	struct config c;

	config_defaults(&c);
	strcpy(c.port_vdev, "net_null0");
	c.engine_core = 0;
	CU_ASSERT_STRING_EQUAL(args(&c, 0, NULL, 0),
		"outboard-engine --iova-mode=va --base-virtaddr=" EAL_BASE
		" --file-prefix=default --lcores=0@0,1@0 "
		"--main-lcore=0 --no-pci --vdev=net_null0 -m128");
	strcpy(c.engine_memory, "normal");
	CU_ASSERT_STRING_EQUAL(args(&c, 6, extra, 0),
		"outboard-engine --iova-mode=va --base-virtaddr=" EAL_BASE
		" --file-prefix=other --no-pci --vdev=net_null0 "
		"--no-huge -m 512 -l 0 --file-prefix=other");
	strcpy(c.port_pci, "03:00.0");
	CU_ASSERT_PTR_NOT_NULL(strstr(args(&c, 0, NULL, 0), " --allow=03:00.0 -m128 --no-huge"));
	c.engine_core = 1023;
	CU_ASSERT_STRING_EQUAL(
		args(&c, 0, NULL, -EINVAL), "engine.core: this machine has no CPU 1023");
}

static void too_many(void)
{
	static char big[5000];
	char *extra[EAL_ARGS_MAX];
	struct config c;

	config_defaults(&c);
	c.engine_core = 0;
	for (int i = 0; i < EAL_ARGS_MAX; i++)
		extra[i] = "-v";
	args(&c, EAL_ARGS_MAX, extra, -E2BIG);
	memset(big, 'x', sizeof(big) - 1);
	extra[0] = big;
	args(&c, 1, extra, -E2BIG);
}

static void make_file(const char *path)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	CU_ASSERT_FATAL(fd >= 0);
	close(fd);
}

// A process that holds the lock as a primary does. Returns its pid.
static pid_t hold(const char *path)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int ready[2];
	pid_t pid;
	char c;

	CU_ASSERT_EQUAL_FATAL(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		int fd = open(path, O_RDWR | O_CLOEXEC);

		if (fd >= 0 && fcntl(fd, F_SETLK, &lock) == 0 && write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	CU_ASSERT_EQUAL_FATAL(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

static void leftovers(void)
{
	char prefix[32], base[64], dir[128], config[160], file[160], err[256];
	pid_t pid;

	snprintf(prefix, sizeof(prefix), "obut%d", (int)getpid());
	snprintf(base, sizeof(base), "/tmp/%s", prefix);
	// As root EAL's directory is a fixed one.
	snprintf(dir, sizeof(dir), "%s/dpdk/%s", getuid() == 0 ? "/var/run" : base, prefix);
	setenv("XDG_RUNTIME_DIR", base, 1);
	mkdir(base, 0700);
	snprintf(file, sizeof(file), "%s/dpdk", getuid() == 0 ? "/var/run" : base);
	mkdir(file, 0755);
	CU_ASSERT_EQUAL(eal_clear(prefix, err, sizeof(err)), 0);
	CU_ASSERT_EQUAL_FATAL(mkdir(dir, 0700), 0);
	snprintf(config, sizeof(config), "%s/config", dir);
	snprintf(file, sizeof(file), "%s/mp_socket", dir);
	make_file(config);
	make_file(file);
	pid = hold(config);
	CU_ASSERT_EQUAL(eal_clear(prefix, err, sizeof(err)), -EBUSY);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, "runs already"));
	CU_ASSERT_EQUAL(access(file, F_OK), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	CU_ASSERT_EQUAL(eal_clear(prefix, err, sizeof(err)), 0);
	CU_ASSERT_EQUAL(access(dir, F_OK), -1);
	rmdir(base);
	CU_ASSERT_EQUAL(eal_clear("../x", err, sizeof(err)), -EINVAL);
	CU_ASSERT_EQUAL(eal_clear("", err, sizeof(err)), -EINVAL);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"arguments", arguments},
		{"too many arguments", too_many},
		{"what a killed engine left", leftovers},
		CU_TEST_INFO_NULL,
	};

	return unit_run("eal", tests);
}
