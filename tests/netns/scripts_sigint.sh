#!/usr/bin/env bash
# SIGINT at five points of tools/demo.sh and of tools/test.sh: each ends with status 130 within
# seconds, and namespaces, processes, sockets and free hugepages are as before.
#
#   no topology of its own: the scripts make theirs
#
# timeout: 400
set -u
. "${0%/*}/../../tools/lib.sh"
guard_signals "$@"
require_root
cd "$OB_ROOT" || exit 1
dir=$(mktemp -d)
cleanup_push rm -rf "$dir"
tag=${OB_PREFIX}_sigint
export OB_TEST_LOGS=$dir/logs # not those of the run that this is part of
# Or what is interrupted below would build for minutes.
run_quiet tools/dev/build.sh || die "cannot build"

# What a script of this test could leave: names begin with obt there, whoever else uses the machine.
state() {
	{
		ip netns list | cut -d ' ' -f 1 | sort
		ls -d /run/outboard/* /run/outboard-demo/* 2>/dev/null
	} | grep -E '(^|/)obt'
	ls -d /tmp/outboard-demo.* 2>/dev/null
	tagged_pids "$tag"
}
pages_back() { [ "$(huge_free)" -ge "$pages_before" ]; }

# reached CONDITION PID: it holds, or the script is over.
reached() { pid_gone "$2" || eval "$1"; }

# interrupt WHEN COMMAND...: SIGINT as soon as the condition WHEN holds, which may look at $log.
interrupt() {
	local when=$1 script status pages_before
	shift
	log=$dir/log
	: >"$log"
	state >"$dir/before"
	pages_before=$(huge_free)
	env --default-signal=INT,QUIT "OB_TAG_$tag=1" OB_PREFIX="$OB_PREFIX-int" "$@" >"$log" 2>&1 &
	script=$!
	wait_for 5 takes_sigint "$script" "$1" || die "$*: SIGINT is still ignored"
	wait_for 60 reached "$when" "$script" || die "$*: never got to: $when"
	pid_gone "$script" && {
		tail -n 20 "$log"
		die "$*: was over before: $when"
	}
	kill -INT "$script"
	wait_for 20 pid_gone "$script" || {
		kill_tagged "$tag"
		die "$*: did not end within 20 s after SIGINT at: $when"
	}
	wait "$script"
	status=$?
	[ $status = 130 ] || die "$*: ended with status $status, not 130, at: $when"
	state >"$dir/after"
	diff "$dir/before" "$dir/after" || {
		cat "$log"
		die "$*: left something behind at: $when"
	}
	# Other engines on this machine come and go.
	wait_for 5 pages_back || others_use_huge ||
		die "$*: $(huge_free) hugepages free, before it $pages_before"
	echo "well ended: $1 at: $when"
}

said() { grep -q "$1" "$log"; }
for point in "setup: packages" "building" "namespaces" "ob-httpd on port" "MB down"; do
	interrupt "said '$point'" tools/demo.sh
done

own_namespace() { ip netns list | grep -q "^obt[0-9]*-wire-peer"; }
relay_runs() { [ -n "$(ip netns pids "$(ip netns list | sed -n 's/^\(obt[0-9]*-wire-wire\).*/\1/p' | head -n 1)" 2>/dev/null)" ]; }
for point in "true" "said 'setup: packages'" "said 'ok .*style/layers'"; do
	interrupt "$point" tools/test.sh --quick
done
for point in own_namespace relay_runs; do
	interrupt "$point" tools/test.sh --suite netns --only wire_relay
done
exit 0
