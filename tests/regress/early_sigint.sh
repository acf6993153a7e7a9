#!/usr/bin/env bash
# A SIGINT that came while a script in tools/ began was noted and forgotten: its guard waited for the
# script to end by itself, which tools/test.sh does after half an hour, with status 0.
#
#   no topology
#
# First at each command of guard_signals() in turn, sent by the script to itself; then at no command in
# particular, to the real scripts.
#
# timeout: 200
set -u
. "${0%/*}/../../tools/lib.sh"
guard_signals "$@"
require_root
cd "$OB_ROOT" || exit 1
runs=${RUNS:-200}
seed=${SEED:-$RANDOM}
dir=$(mktemp -d)
cleanup_push rm -rf "$dir"
tag=${OB_PREFIX}_early
cleanup_push kill_tagged "$tag"
export OB_TEST_LOGS=$dir/logs

# ended PID WHAT: with the status of a SIGINT, and soon.
ended() {
	local status
	wait_for 5 pid_gone "$1" || die "$2: goes on 5 s after SIGINT"
	wait "$1"
	status=$?
	[ $status = 130 ] || die "$2: status $status, not 130"
}

cat >"$dir/guarded" <<END
#!/usr/bin/env bash
set -u
. $OB_ROOT/tools/lib.sh
if [ "\${OB_GUARDED:-}" != \$PPID ]; then
	step=0
	declare -ft guard_signals
	trap '[ \$((++step)) != "\$1" ] || { : >$dir/sent; kill -INT \$\$; }' DEBUG
fi
guard_signals "\$@"
[ -e $dir/sent ] || exit 99
run sleep 8
END
chmod +x "$dir/guarded"
for ((step = 1; ; step++)); do
	rm -f "$dir/sent"
	env --default-signal=INT,QUIT "OB_TAG_$tag=1" "$dir/guarded" "$step" &
	pid=$!
	wait_for 5 pid_gone $pid || die "goes on 5 s after SIGINT at command $step of guard_signals()"
	wait $pid
	status=$?
	[ $status = 99 ] && break
	[ $status = 130 ] || die "SIGINT at command $step of guard_signals(): status $status, not 130"
done
[ $step -gt 1 ] || die "no SIGINT was sent"
echo "none lost at the $((step - 1)) commands of guard_signals()"

RANDOM=$seed
for script in demo test; do
	for ((run = 0; run < runs; run++)); do
		env --default-signal=INT,QUIT "OB_TAG_$tag=1" OB_PREFIX="$OB_PREFIX-early" \
			tools/$script.sh >"$dir/log" 2>&1 &
		pid=$!
		until takes_sigint $pid tools/$script.sh; do :; done
		for ((spin = RANDOM % 8000; spin > 0; spin--)); do :; done
		kill -INT $pid
		ended $pid "run $run of $script.sh (SEED=$seed)"
	done
	echo "none lost in $runs runs of $script.sh"
done
none_left() { [ -z "$(tagged_pids "$tag")" ]; }
wait_for 5 none_left || die "left behind: $(tagged_pids "$tag")"
exit 0
