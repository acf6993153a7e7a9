#!/usr/bin/env bash
# Runs tools/demo.sh and tools/test.sh where nothing is installed: in a minimal Debian 12 that
# debootstrap makes under /var/tmp, from what is committed in this checkout.
#
#   tools/dev/fresh.sh [--full] [--no-demo]
#
# --full runs all tests in place of tools/test.sh --quick. The chroot has a mount, a process and an IPC
# namespace of its own, so that nothing of it survives, however it ends.
set -u
. "${BASH_SOURCE[0]%/*}/../lib.sh"
[ "${1:-}" = --inside ] || guard_signals "$@"
OB_WHO=fresh
suite=bookworm
tests="tools/test.sh --quick" demo=1

usage() {
	echo "usage: tools/dev/fresh.sh [--full] [--no-demo]" >&2
	exit 2
}

# The host's Debian mirror, from either form of apt's sources.
mirror() {
	cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
		sed -n "s/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\) $suite .*/\2/p"
	awk -v suite=$suite '
		/^URIs:/ { uri = $2 }
		/^Suites:/ { for (i = 2; i <= NF; i++) if ($i == suite && uri) print uri }
		/^$/ { uri = "" }' /etc/apt/sources.list.d/*.sources 2>/dev/null
}

# The host's sources of Debian packages, and how apt reaches them. Other sources stay out.
copy_apt() {
	local root=$1 file
	rm -f "$root/etc/apt/sources.list"
	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
		if [ -f "$file" ] && grep -Eq "^(deb |Suites:).*$suite" "$file" && grep -q '/debian' "$file"; then
			cp "$file" "$root/${file#/}"
		fi
	done
	for file in /etc/apt/apt.conf /etc/apt/apt.conf.d/*; do
		if [ -f "$file" ] && grep -q 'Acquire' "$file"; then cp "$file" "$root/${file#/}"; fi
	done
	mkdir -p "$root/usr/share/keyrings" "$root/etc/apt/keyrings"
	cp /usr/share/keyrings/debian-archive-* "$root/usr/share/keyrings/" 2>/dev/null
	cp /etc/apt/trusted.gpg.d/* "$root/etc/apt/trusted.gpg.d/" 2>/dev/null
	cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
	return 0
}

# A /dev of its own: no hugetlbfs is mounted there, as on a machine that was never set up.
mount_all() {
	local root=$1 node
	# Making network namespaces takes a root that is a mount.
	mount --bind "$root" "$root" && mount -t proc proc "$root/proc" &&
		mount -t sysfs sysfs "$root/sys" &&
		mount -t tmpfs -o mode=755 tmpfs "$root/run" &&
		mount -t tmpfs -o mode=755 tmpfs "$root/dev" || return 1
	mkdir -p "$root/dev/net" "$root/dev/shm" "$root/dev/pts"
	for node in null zero full random urandom tty net/tun; do
		[ -e "/dev/$node" ] || continue
		: >"$root/dev/$node" && mount --bind "/dev/$node" "$root/dev/$node" || return 1
	done
	ln -s /proc/self/fd "$root/dev/fd"
	ln -s /proc/self/fd/0 "$root/dev/stdin"
	ln -s /proc/self/fd/1 "$root/dev/stdout"
	ln -s /proc/self/fd/2 "$root/dev/stderr"
	mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm" &&
		mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
	ln -s pts/ptmx "$root/dev/ptmx"
}

# in_root ROOT COMMAND...: with a bare environment, but the way to the network.
in_root() {
	local root=$1
	shift
	run chroot "$root" env -i HOME=/root TERM="${TERM:-dumb}" LC_ALL=C.UTF-8 \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
		${CI:+CI="$CI"} bash -c "cd /src/outboard && $*"
}

# In the new namespaces, as their first process.
inside() {
	local root=$1 status=0 command
	shift
	mount_all "$root" || die "cannot mount in $root"
	for command in "$@"; do
		say "--- $command"
		in_root "$root" "$command" || {
			say "$command failed with status $?"
			status=1
		}
	done
	exit $status
}

if [ "${1:-}" = --inside ]; then
	inside "${@:2}"
fi
while [ $# -gt 0 ]; do
	case $1 in
	--full) tests=tools/test.sh ;;
	--no-demo) demo= ;;
	*) usage ;;
	esac
	shift
done
require_root
cd "$OB_ROOT" || exit 1
git rev-parse HEAD >/dev/null 2>&1 || die "this is no git checkout"
[ -z "$(git status --porcelain)" ] || warn "what is not committed is left out"
if ! command -v debootstrap >/dev/null; then
	say "installing debootstrap"
	export DEBIAN_FRONTEND=noninteractive
	run apt-get -o DPkg::Lock::Timeout=300 -q update &&
		run apt-get -o DPkg::Lock::Timeout=300 -qy --no-install-recommends install debootstrap ||
		die "cannot install debootstrap"
fi
from=$(mirror | head -n 1)
[ -n "$from" ] || die "apt's sources name no mirror of $suite"

work=$(mktemp -d /var/tmp/outboard-fresh.XXXXXX)
# Nothing is ever mounted below it in this namespace; one file system all the same.
cleanup_push rm -rf --one-file-system "$work"
root=$work/root
mkdir "$root"
say "a minimal $suite from $from in $root"
# It mounts and, when interrupted, leaves mounted: not in this namespace.
run unshare --mount --propagation private debootstrap --variant=minbase "$suite" "$root" "$from" >"$work/log" 2>&1 || {
	tail -n 20 "$work/log"
	die "debootstrap failed"
}
copy_apt "$root"
mkdir -p "$root/src/outboard"
git archive HEAD | tar -x -C "$root/src/outboard" || die "cannot copy the checkout"

commands=()
[ -z "$demo" ] || commands+=(tools/demo.sh)
commands+=("$tests")
run unshare --mount --propagation private --pid --ipc --fork --kill-child \
	"$OB_ROOT/tools/dev/fresh.sh" --inside "$root" "${commands[@]}"
status=$?
[ $status -eq 0 ] && say "all well" || say "failed"
exit $status
