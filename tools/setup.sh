#!/usr/bin/env bash
# Makes a Debian 12 machine ready to build, run and test Outboard: installs the packages that are
# missing, reserves 2 MB hugepages and mounts hugetlbfs. Can be run again at any time; it takes
# nothing away. --minimal leaves out what only the tests need.
set -u
. "${BASH_SOURCE[0]%/*}/lib.sh"
guard_signals "$@"
OB_WHO=setup

# Pages of 2 MB: 1 GiB holds an engine, a standby and a few hosts.
target_pages=512
# What must stay available to everything else, in kB.
spare_kb=$((1024 * 1024))

packages=(gcc libc6-dev meson ninja-build pkg-config python3 libdpdk-dev dpdk dpdk-dev libnuma-dev
	libcunit1-dev libpcap-dev libsodium-dev libjansson-dev iproute2 ethtool curl iputils-ping procps)
test_packages=(clang-14 clang-format-14 libclang-rt-14-dev cppcheck gnuplot-nox tcpdump python3-scapy
	python3-dpkt)

case "${1:-}" in
"") packages+=("${test_packages[@]}") ;;
--minimal) ;;
*)
	echo "usage: tools/setup.sh [--minimal]" >&2
	exit 2
	;;
esac

missing_packages() {
	local package
	for package in "${packages[@]}"; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
			echo "$package"
	done
}

# Free 2 MB pages can come out of fragmented memory only after compaction.
reserve_pages() {
	local want=$1
	echo "$want" >"$huge/nr_hugepages" 2>/dev/null
	[ "$(cat "$huge/nr_hugepages")" -ge "$want" ] && return
	{
		sync
		echo 3 >/proc/sys/vm/drop_caches
		echo 1 >/proc/sys/vm/compact_memory
		echo "$want" >"$huge/nr_hugepages"
	} 2>/dev/null
}

huge=/sys/kernel/mm/hugepages/hugepages-2048kB
mapfile -t missing < <(missing_packages)
have=$(cat "$huge/nr_hugepages" 2>/dev/null || echo 0)

if [ "$(id -u)" != 0 ]; then
	[ ${#missing[@]} -eq 0 ] || say "missing packages: ${missing[*]}"
	[ "$have" -ge "$target_pages" ] || say "2 MB hugepages reserved: $have of $target_pages"
	mountpoint -q /dev/hugepages || say "/dev/hugepages is not mounted"
	if [ ${#missing[@]} -eq 0 ] && [ "$have" -ge "$target_pages" ] && mountpoint -q /dev/hugepages; then
		say "nothing is missing"
		exit 0
	fi
	die "run it as root"
fi

if [ ${#missing[@]} -gt 0 ]; then
	say "installing: ${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	run apt-get -o DPkg::Lock::Timeout=300 -q update || die "apt-get update failed"
	run apt-get -o DPkg::Lock::Timeout=300 -qy --no-install-recommends install "${missing[@]}" ||
		die "apt-get install failed"
	say "packages: installed ${#missing[@]}"
else
	say "packages: all there"
fi

if [ ! -w "$huge/nr_hugepages" ]; then
	warn "this kernel offers no 2 MB hugepages; engines will run with --no-huge, which is slower"
else
	want=$target_pages
	if [ "$have" -lt "$target_pages" ]; then
		available_kb=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)
		most=$((have + (available_kb - spare_kb) / 2048))
		[ "$most" -ge "$want" ] || want=$most
		[ "$want" -le "$have" ] || reserve_pages "$want"
	fi
	now=$(cat "$huge/nr_hugepages")
	say "hugepages: $now of 2 MB reserved (were $have), $(huge_free) free"
	[ "$now" -ge "$target_pages" ] ||
		warn "$target_pages pages were wanted; where too few are free, engines run with --no-huge"
	# What engines of these scripts left when they were killed holds pages. The living hold a lock.
	for file in /dev/hugepages/ob*map_* /dev/hugepages/outboard-ob*.state; do
		[ -f "$file" ] && flock -n -x "$file" true && rm -f "$file"
	done
	if mountpoint -q /dev/hugepages; then
		say "hugetlbfs: mounted on /dev/hugepages"
	elif mkdir -p /dev/hugepages && mount -t hugetlbfs -o pagesize=2M hugetlbfs /dev/hugepages; then
		say "hugetlbfs: mounted on /dev/hugepages now"
	else
		warn "hugetlbfs could not be mounted on /dev/hugepages; engines will run with --no-huge"
	fi
fi
exit 0
